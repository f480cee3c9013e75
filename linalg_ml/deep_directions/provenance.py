"""Where learned numbers come from."""

import subprocess
import sys
from pathlib import Path


def provenance(**versions):
    """Return the version of this package, its commit where there is one, and other versions."""
    package = __name__.partition(".")[0]
    return {package: sys.modules[package].__version__, "commit": _commit(), **versions}


def _commit():
    """Return the commit of the checkout this file is in, with + where it was changed, or None."""
    folder = Path(__file__).parent

    def git(*arguments):
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        if not git("ls-files", Path(__file__).name):
            return None
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--short") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
