"""Sphinx settings: `python -m sphinx -W docs docs/_build`."""

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
