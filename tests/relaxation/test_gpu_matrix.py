"""The CuPy kernels of SOR: their C compiled for the host, and the whole on a device if any."""

import ctypes
import importlib
import re
import shutil
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from linalg_ml.kernels import numba_relaxation
from linalg_ml.relaxation import prepare, sor
from tests.conftest import BACKENDS, backend_ready
from tests.relaxation.grids import laplacian, unstructured

TYPES = {"uint32": "unsigned int", "int32": "int", "T": "double"}


class HostElementwise:
    """cupy.ElementwiseKernel for doubles on the host, from its documentation."""

    folder = None

    def __init__(self, inputs, outputs, body, name):
        parameters = [p.split() for p in f"{inputs}, {outputs}".replace(" , ", ", ").split(", ")]
        self.raw = [p[0] == "raw" for p in parameters]
        self.outputs = outputs.count(",") + 1
        declared, lines = [], []
        for *_, kind, argument in parameters:
            raw = parameters[len(declared)][0] == "raw"
            array = raw or argument == outputs.split()[-1]
            c_type = TYPES[kind]
            declared.append(f"{c_type} *{argument}_" if array else f"{c_type} {argument}")
            if array:
                lines.append(
                    f"{c_type} *{argument} = {argument}_;"
                    if raw
                    else f"#define {argument} {argument}_[i]"
                )
        source = (
            "typedef double T;\n"
            f"void {name}(long size, {', '.join(declared)}) {{\n"
            + "\n".join(lines)
            + f"\nfor (long i = 0; i < size; ++i) {{ {body} }} }}\n"
        )
        path = self.folder / f"{name}.c"
        path.write_text(source)
        library = path.with_suffix(".so")
        compiler = shutil.which("cc") or shutil.which("gcc")
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, path], check=True)
        self.function = getattr(ctypes.CDLL(str(library)), name)

    def __call__(self, *arguments, size=None):
        assert (size is None) == (not all(self.raw) and not self.raw[-1])
        size = arguments[-1].size if size is None else size
        call = [ctypes.c_long(size)]
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                assert argument.flags.c_contiguous
                call.append(ctypes.c_void_p(argument.ctypes.data))
            else:
                kind = ctypes.c_double if isinstance(argument, np.float64) else ctypes.c_int
                call.append(kind(argument.item()))
        self.function(*call)
        return arguments[-1]


@pytest.fixture
def cupy_kernels(monkeypatch, tmp_path):
    """The kernel file, imported on a stand-in for CuPy that computes with NumPy."""
    if not (shutil.which("cc") or shutil.which("gcc")):
        pytest.skip("there is no C compiler")
    monkeypatch.setattr(HostElementwise, "folder", tmp_path)
    cupy = ModuleType("cupy")
    cupy.ElementwiseKernel = HostElementwise
    for name in ("asarray", "empty_like", "abs", "sqrt", "sum", "float64"):
        setattr(cupy, name, getattr(np, name))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.delitem(sys.modules, "linalg_ml.kernels.cupy_", raising=False)
    yield importlib.import_module("linalg_ml.kernels.cupy_")
    sys.modules.pop("linalg_ml.kernels.cupy_", None)
    package = sys.modules["linalg_ml.kernels"]
    if hasattr(package, "cupy_"):
        del package.cupy_


@pytest.mark.parametrize("way", ["forward", "backward", "symmetric"])
def test_color_kernels(cupy_kernels, rng, way):
    from linalg_ml.relaxation.gpu_matrix import GpuMatrix

    for a in (laplacian(6), unstructured()):
        matrix, host = GpuMatrix(a), prepare(a, ordering="multicolor")
        assert matrix.home == "cupy" and matrix.bounds == host.bounds
        b = rng.standard_normal(a.shape[0])
        x, expected = np.zeros_like(b), np.zeros_like(b)
        done, residual = cupy_kernels.csr_sor(matrix, b, x, 1.3, way, 3, 0.0)
        _, norm = numba_relaxation.csr_sor(host, b, expected, 1.3, way, 3, 0.0)
        np.testing.assert_allclose(x, expected, rtol=1e-12)
        assert done == 3 and residual == pytest.approx(norm, rel=1e-10)
        assert cupy_kernels.csr_sor(matrix, b, x, 1.3, way, 1) == (1, None)
        shifted = matrix.shifted(0.5)
        np.testing.assert_array_equal(shifted.diagonal, host.diagonal + 0.5)
        assert shifted.inverse is not matrix.inverse and shifted.is_finite


def test_the_kernels_index_with_names_they_declare(cupy_kernels):
    for body in (cupy_kernels._COLOR, cupy_kernels._RESIDUAL):
        used = set(re.findall(r"\b[a-z_]+\b", body))
        known = {
            "indptr",
            "indices",
            "data",
            "inverse",
            "diagonal",
            "b",
            "x",
            "omega",
            "first",
            "r",
        }
        assert used <= known | {"i", "k", "s", "row", "int", "for", "unsigned"}


@pytest.mark.gpu
def test_on_a_device(rng):
    with backend_ready(BACKENDS[-1]) as backend:
        from cupyx.scipy.sparse import csr_matrix

        a, b = laplacian(30), rng.standard_normal(900)
        expected = sor(a, b, omega=1.8, rtol=1e-9, ordering="multicolor")
        result = sor(csr_matrix(a), backend.array(b), omega=1.8, rtol=1e-9, ordering="multicolor")
        assert result.converged and expected.nit <= result.nit <= expected.nit + 20
        np.testing.assert_allclose(a @ backend.to_numpy(result.x), b, atol=1e-6)
        with pytest.raises(ValueError, match="multicolor"):
            sor(csr_matrix(a), backend.array(b))
