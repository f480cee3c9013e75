"""The kernel of grids for CuPy, compiled for the host: there is no device to run it on."""

import ctypes
import importlib
import shutil
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from linalg_ml.kernels import grids

SOURCE = """
#include <stddef.h>
typedef double T;
void product(const T *u, const T *diagonal, int planes, int rows, int columns, T *to, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) { T out;
    %s
    to[i] = out; }
}
"""


@pytest.mark.parametrize("shape", [(5, 7), (1, 6), (4, 3, 5)])
def test_the_product_compiled_for_the_host(monkeypatch, tmp_path, shape):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    monkeypatch.setitem(sys.modules, "cupy", ModuleType("cupy"))
    monkeypatch.delitem(sys.modules, "linalg_ml.kernels.cupy_grids", raising=False)
    snippet = importlib.import_module("linalg_ml.kernels.cupy_grids")._PRODUCT
    monkeypatch.delitem(sys.modules, "linalg_ml.kernels.cupy_grids")
    monkeypatch.delattr(sys.modules["linalg_ml.kernels"], "cupy_grids")
    (tmp_path / "product.c").write_text(SOURCE % snippet)
    shared = tmp_path / "product.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", shared, tmp_path / "product.c"]
    subprocess.run(command, check=True)
    rng = np.random.default_rng(0)
    mask = rng.random(shape) < 0.8
    diagonal = 4.0 * mask
    u = rng.standard_normal((2, *shape)) * mask
    out = np.empty_like(u)
    sizes = (*[1] * (3 - len(shape)), *shape)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (u, diagonal, out)]
    function = ctypes.CDLL(str(shared)).product
    function(*pointers[:2], *sizes, pointers[2], ctypes.c_ssize_t(u.size))
    assert out == pytest.approx(grids.grid_product(u, mask * 1.0, diagonal, None))
