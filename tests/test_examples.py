"""Every example in the docstrings, the README and the docs runs and prints what it says."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import linalg_ml

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OPTIONAL = ("cupy", "torch", "jax", "numba", "optax")


def modules():
    found = pkgutil.walk_packages(linalg_ml.__path__, "linalg_ml.")
    return ["linalg_ml", *sorted(module.name for module in found)]


def run(tests):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    with np.printoptions(legacy=False):
        for test in tests:
            runner.run(test)
    return runner.summarize(verbose=False)


@pytest.mark.parametrize("name", modules())
def test_docstrings(name, monkeypatch, tmp_path):
    library = name.rsplit(".", 1)[-1].split("_")[0]
    if library in OPTIONAL:
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    assert run(doctest.DocTestFinder().find(module, name)).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages(page, monkeypatch, tmp_path):
    """Lines with >>> in fenced blocks; a page that uses an absent library is skipped."""
    text = page.read_text()
    for library in OPTIONAL:
        if f">>> import {library}" in text:
            pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    text = "\n".join("" if line.startswith("```") else line for line in text.splitlines())
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    assert run([test]).failed == 0
