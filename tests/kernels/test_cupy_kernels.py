"""The CuPy kernels: on a device where there is one, and their logic on stand-ins elsewhere."""

import ctypes
import importlib
import itertools
import shutil
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from scipy.linalg import solve_triangular as scipy_solve_triangular

from linalg_ml.kernels import numpy_
from tests.conftest import BACKENDS, backend_ready

HOST, DEFAULT_ALGORITHM, COMPUTE_32F, R_16F, R_16BF = 0, -1, 68, 2, 14  # as in cuBLAS


class DeviceArray(np.ndarray):
    """A NumPy array that shows its address as a CuPy array does."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


def on_device(a):
    return np.asarray(a).view(DeviceArray)


class FakeCublas(ModuleType):
    """cublasGemmEx on the host, from its documentation: column-major, op(A) op(B)."""

    CUBLAS_OP_N, CUBLAS_OP_T = 0, 1
    CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT = COMPUTE_32F, DEFAULT_ALGORITHM

    def __init__(self):
        super().__init__("cublas")
        self.calls = 0

    def gemmEx(
        self, handle, transa, transb, m, n, k, alpha, a, a_type, lda, b, b_type, ldb, beta, c,
        c_type, ldc, compute_type, algo,
    ):  # fmt: skip
        assert (handle, compute_type, algo) == ("handle", COMPUTE_32F, DEFAULT_ALGORITHM)
        assert a_type == b_type == c_type == R_16F
        assert lda >= (k if transa else m) and ldb >= (n if transb else k) and ldc >= m
        alpha, beta = (ctypes.cast(p, ctypes.POINTER(ctypes.c_float))[0] for p in (alpha, beta))
        left = self._read(a, lda, k if transa else m, m if transa else k)
        right = self._read(b, ldb, n if transb else k, k if transb else n)
        product = (left.T if transa else left).astype(np.float32) @ (
            right.T if transb else right
        ).astype(np.float32)
        out = self._read(c, ldc, m, n)
        out[...] = alpha * product if beta == 0 else alpha * product + beta * out
        self.calls += 1

    @staticmethod
    def _read(pointer, ld, rows, columns):
        size = ld * (columns - 1) + rows
        flat = np.ctypeslib.as_array((ctypes.c_uint16 * size).from_address(pointer))
        return np.lib.stride_tricks.as_strided(flat.view(np.float16), (rows, columns), (2, 2 * ld))


@pytest.fixture
def fake(monkeypatch):
    """The kernel file, imported on stand-ins for CuPy's modules."""
    cupy = ModuleType("cupy")
    cupy.empty = lambda shape, dtype: on_device(np.full(shape, np.nan, dtype))
    cupy.array = lambda a, order: on_device(np.array(a, order=order))
    cupy.broadcast_to = lambda a, shape: np.broadcast_to(a, shape, subok=True)
    cupy.ascontiguousarray = lambda a: on_device(np.ascontiguousarray(a))
    cupy.zeros_like = lambda a: on_device(np.zeros_like(a))
    cupy.float32, cupy.float16 = np.float32, np.float16
    cupy.compute_types = {np.float32: 1}
    cupy._core = ModuleType("cupy._core")
    cupy._core.get_compute_type = cupy.compute_types.__getitem__
    cupy._core.set_compute_type = cupy.compute_types.__setitem__
    cupy.cuda = ModuleType("cupy.cuda")
    cupy.cuda.device = SimpleNamespace(get_cublas_handle=lambda: "handle")
    cublas = FakeCublas()
    libs, api = ModuleType("libs"), ModuleType("api")
    libs.cublas = cublas
    api.runtime = SimpleNamespace(CUDA_R_16F=R_16F, CUDA_R_16BF=R_16BF)
    modules = {
        "cupy": cupy,
        "cupy._core": cupy._core,
        "cupy.cuda": cupy.cuda,
        "cupy_backends.cuda.libs": libs,
        "cupy_backends.cuda.api": api,
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "linalg_ml.kernels.cupy_", raising=False)
    made = importlib.import_module("linalg_ml.kernels.cupy_")
    yield SimpleNamespace(kernels=made, cublas=cublas, cupy=cupy)
    sys.modules.pop("linalg_ml.kernels.cupy_", None)
    package = sys.modules["linalg_ml.kernels"]
    if hasattr(package, "cupy_"):
        del package.cupy_


def layouts(a):
    """Show one matrix in several memory layouts."""
    yield on_device(a)
    yield on_device(np.asfortranarray(a))
    yield on_device(np.ascontiguousarray(a.swapaxes(-1, -2))).swapaxes(-1, -2)
    wide = np.zeros((*a.shape[:-1], a.shape[-1] + 3), a.dtype)
    wide[..., : a.shape[-1]] = a
    yield on_device(wide)[..., : a.shape[-1]]
    doubled = np.repeat(a, 2, axis=-1)
    yield on_device(doubled)[..., ::2]


@pytest.mark.parametrize(("m", "k", "n"), [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1)])
def test_gemm_native_reads_every_layout(fake, rng, m, k, n):
    a, b, y = (rng.standard_normal(s).astype(np.float16) for s in ((m, k), (k, n), (m, n)))
    product = a.astype(np.float32) @ b.astype(np.float32)
    for left, right in itertools.product(layouts(a), layouts(b)):
        out = fake.kernels.gemm_native(left, right, 1.5)
        assert np.allclose(out, 1.5 * product, rtol=2e-3, atol=1e-3)
        for given in layouts(y):
            before = given.copy()
            out = fake.kernels.gemm_native(left, right, 1.5, -0.5, given)
            assert np.allclose(out, 1.5 * product - 0.5 * y, rtol=2e-3, atol=2e-3)
            assert np.array_equal(given, before)


@pytest.mark.parametrize(
    ("left", "right", "given", "calls"),
    [
        ((2, 3, 4), (2, 4, 5), (2, 3, 5), 2),
        ((2, 3, 4), (4, 5), (3, 5), 2),
        ((3, 4), (2, 2, 4, 5), (2, 1, 3, 5), 4),
        ((0, 3, 4), (4, 5), (3, 5), 0),
        ((0, 4), (4, 5), (0, 5), 0),
        ((3, 4), (4, 0), (3, 0), 0),
        ((3, 0), (0, 5), (3, 5), 0),
    ],
)
def test_gemm_native_of_stacks_and_of_nothing(fake, rng, left, right, given, calls):
    a, b, y = (on_device(rng.standard_normal(s).astype(np.float16)) for s in (left, right, given))
    product = np.asarray(a, np.float32) @ np.asarray(b, np.float32)
    out = fake.kernels.gemm_native(a, b, 2.0, 3.0, y)
    assert fake.cublas.calls == calls
    assert out.shape == product.shape and out.dtype == np.float16
    assert np.allclose(out, 2 * product + 3 * y, rtol=2e-3, atol=4e-3)
    out = fake.kernels.gemm_native(a, b, 2.0, 0.0, on_device(np.full(given, np.nan, np.float16)))
    assert np.allclose(out, 2 * product, rtol=2e-3, atol=4e-3)


def test_compute_type_is_restored(fake):
    for mode, number in (("fp32", 4), ("tf32", 7)):
        with pytest.raises(KeyError), fake.kernels.matmul_precision(mode):
            assert fake.cupy.compute_types[np.float32] == number
            raise KeyError
        assert fake.cupy.compute_types[np.float32] == 1


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_cholesky_solve_reads_the_right_triangles(fake, monkeypatch, rng, kind, batch):
    """CuPy's functions, by their documentation, are SciPy's for stacks too."""
    linalg = ModuleType("cupyx.scipy.linalg")

    def solve_triangular(a, b, trans=0, lower=False):
        assert a.shape[:-2] == b.shape[:-2]
        x = np.empty_like(b)
        for index in np.ndindex(*a.shape[:-2]):
            x[index] = scipy_solve_triangular(a[index], b[index], trans=trans, lower=lower)
        return x

    linalg.solve_triangular = solve_triangular
    monkeypatch.setitem(sys.modules, "cupyx.scipy.linalg", linalg)
    fake.cupy.linalg = SimpleNamespace(cholesky=np.linalg.cholesky)
    a = rng.standard_normal((*batch, 5, 5)).astype(kind)
    if kind is complex:
        a += 1j * rng.standard_normal(a.shape)
    a = a @ a.conj().mT + np.eye(5)
    b = rng.standard_normal((5, 3)).astype(kind)
    x = fake.kernels.cholesky_solve(a, b)
    np.testing.assert_allclose(x, np.linalg.solve(a, b + 0 * a[..., :1]), atol=1e-12)


def test_the_rounding_snippet_compiled_for_the_host(fake, tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    source = """
#include <string.h>
static unsigned int __float_as_uint(float x) { unsigned int u; memcpy(&u, &x, 4); return u; }
static float __uint_as_float(unsigned int u) { float x; memcpy(&x, &u, 4); return x; }
void round_bits(const float *in, int drop, float *out, long n) {
    for (long i = 0; i < n; i++) { float x = in[i]; float y;
    %s
    out[i] = y; }
}
"""
    (tmp_path / "round.c").write_text(source % fake.kernels._ROUND_BITS)
    shared = tmp_path / "round.so"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-o", shared, tmp_path / "round.c"], check=True
    )
    function = ctypes.CDLL(str(shared)).round_bits
    bits = np.random.default_rng(3).integers(0, 2**32, 1_000_000, dtype=np.uint32)
    a = np.concatenate([bits, np.uint32([0x7F800001, 0xFFFFFFFF, 0x7F7FFFFF, 0x80000000])])
    a = a.view(np.float32)
    for target, drop in (("bf16", 16), ("tf32", 13)):
        out = np.empty_like(a)
        pointers = (ctypes.c_void_p(t.ctypes.data) for t in (a, out))
        function(next(pointers), drop, next(pointers), ctypes.c_long(a.size))
        expected = numpy_.round_to(a, target)
        assert np.array_equal(out.view(np.uint32), expected.view(np.uint32))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_gemm_native_on_a_device(rng, dtype):
    with backend_ready(BACKENDS[-1]) as backend:
        from linalg_ml.kernels import cupy_

        for left, right, given in (
            ((30, 40), (40, 50), (30, 50)),
            ((2, 30, 40), (40, 50), (30, 50)),
            ((30, 0), (0, 50), (30, 50)),
        ):
            host = [rng.standard_normal(s).astype(np.float32) for s in (left, right, given)]
            a, b, y = (backend.array(t, dtype) for t in host)
            unit = 2.0**-8 if dtype == "bfloat16" else 2.0**-11
            wide = [backend.to_numpy(t).astype(np.float64) for t in (a, b, y)]
            expected = 1.5 * (wide[0] @ wide[1]) - 0.5 * wide[2]
            size = 1.5 * (np.abs(wide[0]) @ np.abs(wide[1])) + 0.5 * np.abs(wide[2])
            for mirrored in (False, True):
                if mirrored:
                    a, b = a.mT.copy().mT, b.mT.copy().mT
                out = backend.to_numpy(cupy_.gemm_native(a, b, 1.5, -0.5, y)).astype(np.float64)
                assert np.all(np.abs(out - expected) <= unit * np.abs(expected) + 1e-5 * size)


@pytest.mark.gpu
def test_tf32_is_switched_on_and_off_on_a_device(rng):
    with backend_ready(BACKENDS[-1]) as backend:
        from linalg_ml._core.precision import matmul

        host = rng.standard_normal((256, 256)).astype(np.float32)
        a = backend.array(host)
        exact = host.astype(np.float64) @ host
        errors = {
            name: np.abs(backend.to_numpy(matmul(a, a, precision=name)) - exact).max()
            for name in ("fp32", "tf32", "bf16")
        }
        assert 30 * errors["fp32"] < errors["tf32"] < errors["bf16"] / 3
        after = np.abs(backend.to_numpy(matmul(a, a)) - exact).max()
        assert after < 2 * errors["fp32"]
