"""Sphinx settings: `python -m sphinx -W docs docs/_build`."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from linalg_ml import __version__

project = "linalg_ml"
copyright = "the linalg_ml developers"
version = release = __version__

extensions = ["myst_parser", "numpydoc"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
numpydoc_show_class_members = False
autodoc_mock_imports = ["torch"]  # too heavy for an extra; the pages show signatures alone

# Docstrings are written to be read as they are: |x| and *shape are mathematics and Python there.
_STAR = re.compile(r"(?<![\w*\\])\*(?=\w)(?![^*\n]*\w\*(?!\w))")


def _escape(app, what, name, obj, options, lines):
    code = False
    for i, line in enumerate(lines):
        code = line.startswith(">>>") or (code and bool(line.strip()))
        if not code:
            parts = line.split("``")  # what stands between is literal
            parts[::2] = [_STAR.sub(r"\\*", part.replace("|", r"\|")) for part in parts[::2]]
            lines[i] = "``".join(parts)


def setup(app):
    """Escape what reStructuredText would take for markup in docstrings."""
    app.connect("autodoc-process-docstring", _escape, priority=900)
