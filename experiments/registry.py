"""The studies there are, found by listing the folder and imported only when wanted."""

import importlib
import re
from pathlib import Path

from experiments.study import Study

FOLDER = Path(__file__).parent
_DEFINES_STUDY = re.compile(rb"^STUDY\b\s*[:=]", re.MULTILINE)


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of the modules that define ``STUDY``, without importing them."""
    return sorted(
        path.stem for path in folder.glob("*.py") if _DEFINES_STUDY.search(path.read_bytes())
    )


def load(name: str) -> Study:
    """Import the study of this name."""
    known = names()
    if name not in known:
        raise ValueError(f"there is no study {name!r}; known studies: {', '.join(known)}")
    study = importlib.import_module(f"experiments.{name}").STUDY
    if not isinstance(study, Study):
        raise TypeError(f"experiments.{name}.STUDY must be a Study, got {type(study).__name__}")
    if study.name != name:
        raise ValueError(f"experiments/{name}.py names its study {study.name!r}")
    return study
