"""Every kernel file offers the same functions, and each library gets the best of them."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from linalg_ml import kernels as package
from linalg_ml._core.namespace import library
from linalg_ml.kernels.dispatch import _FILES, _FOR_ALL, FILES_OF_KERNELS, kernels

FOLDER = Path(package.__file__).parent
FILES = {
    path.stem: path
    for path in FOLDER.glob("*.py")
    if path.stem not in ("__init__", "dispatch", "blocks")
}


def signatures(path):
    """Map the public functions of a file to their signatures, without importing it."""
    tree = ast.parse(path.read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found[node.name] = ast.unparse(node.args)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            for target in node.targets:
                if node.value.id in found:
                    found[target.id] = found[node.value.id]
    return found


SIGNATURES = {name: signatures(path) for name, path in FILES.items()}


def test_the_table_of_kernels_is_what_the_files_hold():
    table = {name: set(files) for name, files in FILES_OF_KERNELS.items()}
    held = {}
    for file, functions in SIGNATURES.items():
        for name in functions:
            held.setdefault(name, set()).add(file)
    assert held == table


@pytest.mark.parametrize("name", FILES_OF_KERNELS)
def test_one_kernel_has_one_signature(name):
    assert len({SIGNATURES[file][name] for file in FILES_OF_KERNELS[name]}) == 1


@pytest.mark.parametrize("name", FILES_OF_KERNELS)
def test_every_kernel_says_what_it_does(name):
    for file in FILES_OF_KERNELS[name]:
        tree = ast.parse(FILES[file].read_text())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                assert ast.get_docstring(node)


def test_a_library_gets_its_own_kernel_first(xp):
    order = (*_FILES.get(xp.library, ()), *_FOR_ALL)
    for name, files in FILES_OF_KERNELS.items():
        expected = next((file for file in order if file in files), None)
        if expected is None:
            with pytest.raises(NotImplementedError, match=f"{name!r} for arrays of {xp.library}"):
                getattr(kernels(xp.library), name)
            continue
        function = getattr(kernels(xp.library), name)
        assert list(inspect.signature(function).parameters)
        assert function.__module__.rsplit(".", 1)[-1] == expected
    assert library(xp.array([1.0])) == xp.library


def test_an_unknown_kernel():
    with pytest.raises(AttributeError, match="there is no kernel 'gem'"):
        kernels("numpy").gem  # noqa: B018
    assert repr(kernels("numpy")) == "<kernels for numpy>"
    assert kernels("numpy") is kernels("numpy")


def test_numpy_stands_in_where_numba_is_absent():
    program = """
import sys
sys.modules["numba"] = None  # makes its import fail
import numpy as np
from linalg_ml._core.precision import round_to
from linalg_ml.kernels.dispatch import kernels
assert kernels("numpy").round_to.__module__ == "linalg_ml.kernels.numpy_"
assert kernels("numpy").soft_threshold.__module__ == "linalg_ml.kernels.numpy_"
print(round_to(np.array([0.1]), "bf16")[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=FOLDER.parents[1]
    )
    assert done.stdout.strip() == "0.10009765625", done.stderr
