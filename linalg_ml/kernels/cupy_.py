"""Kernels for CuPy arrays. Kernels are compiled by CuPy when first called on a device."""

import itertools
from contextlib import contextmanager
from functools import cache

import cupy
import numpy as np

from linalg_ml.kernels import agnostic
from linalg_ml.kernels.blocks import product_by_halves

# Products with a symmetric result are computed by halves from this order on, down to blocks of
# this order: a guess, not run on a GPU.
_BY_HALVES_FROM, _LEAF = 4096, 1024
_CUDA_TYPE = {"float16": "CUDA_R_16F", "bfloat16": "CUDA_R_16BF"}
_COMPUTE_TYPE = {"fp32": 4, "tf32": 7}  # COMPUTE_TYPE_FP32 and COMPUTE_TYPE_TF32 of CuPy

_ROUND_BITS = """
    unsigned int u = __float_as_uint(x);
    unsigned int mask = 0xFFFFFFFFu << drop;
    if ((u & 0x7FFFFFFFu) > 0x7F800000u) u = (u | 0x00400000u) & mask;
    else u = (u + ((1u << (drop - 1)) - 1u) + ((u >> drop) & 1u)) & mask;
    y = __uint_as_float(u);
"""


@cache
def _round_bits():
    return cupy.ElementwiseKernel(
        "float32 x, int32 drop", "float32 y", _ROUND_BITS, "linalg_ml_round_bits"
    )


def round_to(a, target, *, inplace=False):
    """Round float32 or complex64 entries to "bf16", "fp16" or "tf32", ties to even."""
    out = a if inplace and a.flags.c_contiguous else cupy.array(a, order="C")
    floats = out.reshape(-1).view(cupy.float32)
    if target == "fp16":
        floats[...] = floats.astype(cupy.float16)
    else:
        _round_bits()(floats, {"bf16": 16, "tf32": 13}[target], floats)
    return out


def gemm_sym(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y where a, b, y and the result are Hermitian, half of it computed."""
    if a.ndim != 2 or a.shape[-1] < _BY_HALVES_FROM:
        return agnostic.gemm_sym(a, b, alpha, beta, y)
    return product_by_halves(agnostic.gemm, cupy.concatenate, a, b, alpha, beta, y, _LEAF)


def gemm_native(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y for 16-bit arrays: summed in fp32, rounded once.

    Stacks are multiplied matrix by matrix: CuPy's own stacked product widens fp16 to fp32 and
    fails for bfloat16.
    """
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*batch, a.shape[-2], b.shape[-1])
    if y is None or beta == 0:
        out, beta = cupy.empty(shape, a.dtype), 0.0
    else:
        out = cupy.array(cupy.broadcast_to(y, shape), order="C")
    if 0 in shape:
        return out
    if a.shape[-1] == 0:
        return (beta * out.astype(cupy.float32)).astype(a.dtype) if beta else cupy.zeros_like(out)
    left = cupy.broadcast_to(a, batch + a.shape[-2:])
    right = cupy.broadcast_to(b, batch + b.shape[-2:])
    for index in np.ndindex(*batch):
        _gemm_ex(left[index], right[index], alpha, beta, out[index])
    return out


def _gemm_ex(a, b, alpha, beta, c):
    """Overwrite C-contiguous c with alpha a b + beta c through cublasGemmEx."""
    from cupy.cuda import device
    from cupy_backends.cuda.api import runtime
    from cupy_backends.cuda.libs import cublas

    kind = getattr(runtime, _CUDA_TYPE[c.dtype.name])
    # cuBLAS stores by columns, so it is asked for c^T = b^T a^T.
    b, op_b, ld_b = _as_operand(b)
    a, op_a, ld_a = _as_operand(a)
    scalars = np.array([alpha, beta], dtype=np.float32)
    pointer = scalars.ctypes.data
    (m, n), k = c.shape, a.shape[-1]
    cublas.gemmEx(
        device.get_cublas_handle(), op_b, op_a, n, m, k,
        pointer, b.data.ptr, kind, ld_b, a.data.ptr, kind, ld_a,
        pointer + scalars.itemsize, c.data.ptr, kind, n,
        cublas.CUBLAS_COMPUTE_32F, cublas.CUBLAS_GEMM_DEFAULT,
    )  # fmt: skip


def _as_operand(a):
    """Return (array, cuBLAS operation, leading dimension) without a copy for A and A^T."""
    from cupy_backends.cuda.libs import cublas

    item = a.dtype.itemsize
    rows, columns = a.shape
    if a.strides[1] == item and a.strides[0] >= max(columns, 1) * item:
        return a, cublas.CUBLAS_OP_N, a.strides[0] // item
    if a.strides[0] == item and a.strides[1] >= max(rows, 1) * item:
        return a, cublas.CUBLAS_OP_T, a.strides[1] // item
    return cupy.ascontiguousarray(a), cublas.CUBLAS_OP_N, max(columns, 1)


@contextmanager
def matmul_precision(mode):
    """Multiply fp32 in ``mode`` ("fp32" or "tf32") inside the context, restored afterwards.

    CuPy offers the switch per process in a private function; TF32 reaches 2-D products only.
    """
    from cupy import _core

    before = _core.get_compute_type(np.float32)
    _core.set_compute_type(np.float32, _COMPUTE_TYPE[mode])
    try:
        yield
    finally:
        _core.set_compute_type(np.float32, before)


def solve_triangular(a, b, *, lower):
    """Return the solution x of A x = b for triangular A (..., n, n) and b (..., n)."""
    from cupyx.scipy.linalg import solve_triangular

    if a.ndim == 2:
        columns = b.reshape(-1, b.shape[-1]).T
        return solve_triangular(a, columns, lower=lower).T.reshape(b.shape)
    return cupy.linalg.solve(a, b[..., None])[..., 0]  # CuPy's takes one matrix at a time


def cholesky_solve(a, b):
    """Return A^(-1) B for Hermitian positive definite A (..., n, n) and B (..., n, k)."""
    from cupyx.scipy.linalg import solve_triangular

    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    factor = cupy.broadcast_to(cupy.linalg.cholesky(a), batch + a.shape[-2:])
    half = solve_triangular(factor, cupy.broadcast_to(b, batch + b.shape[-2:]), lower=True)
    return solve_triangular(factor, half, trans="C", lower=True)


def csr_solve_lower(strict, pivots, b):
    """Solve (L + diag(pivots)) x = b for b of shape (..., n) and strictly lower CSR ``strict``."""
    return _csr_solve(strict, pivots, b, lower=True)


def csr_solve_upper(strict, pivots, b):
    """Solve (U + diag(pivots)) x = b for b of shape (..., n) and strictly upper CSR ``strict``."""
    return _csr_solve(strict, pivots, b, lower=False)


def _csr_solve(strict, pivots, b, lower):
    from cupyx.scipy.sparse import diags
    from cupyx.scipy.sparse.linalg import spsolve_triangular

    a = (strict + diags(pivots)).tocsr()
    columns = b.reshape(-1, b.shape[-1]).T
    return spsolve_triangular(a, columns, lower=lower).T.reshape(b.shape)


# One thread for each row of a colour; none of them reads what another one writes.
_COLOR = """
    int row = first + i;
    T s = b[row];
    for (unsigned int k = indptr[row]; k < indptr[row + 1]; ++k) s -= data[k] * x[indices[k]];
    x[row] += omega * (s * inverse[row] - x[row]);
"""
_RESIDUAL = """
    T s = b[i] - diagonal[i] * x[i];
    for (unsigned int k = indptr[i]; k < indptr[i + 1]; ++k) s -= data[k] * x[indices[k]];
    r = s;
"""


@cache
def _color_kernel():
    return cupy.ElementwiseKernel(
        "raw uint32 indptr, raw uint32 indices, raw T data, raw T inverse, raw T b, T omega, "
        "int32 first",
        "raw T x",
        _COLOR,
        "linalg_ml_color",
    )


@cache
def _residual_kernel():
    return cupy.ElementwiseKernel(
        "raw uint32 indptr, raw uint32 indices, raw T data, raw T diagonal, raw T b, raw T x",
        "T r",
        _RESIDUAL,
        "linalg_ml_residual",
    )


def csr_sor(matrix, b, x, omega, sweep, sweeps, target=None):
    """Sweep SOR over ``x`` in place, colour by colour; return (sweeps made, residual norm).

    The residual norm is computed once, after the last sweep, and only with a ``target``: the host
    waits for it.
    """
    kernel, colors = _color_kernel(), list(itertools.pairwise(matrix.bounds))
    order = {"forward": colors, "backward": colors[::-1], "symmetric": colors + colors[::-1]}
    omega = x.dtype.type(omega)
    for _ in range(sweeps):
        for first, last in order[sweep]:
            kernel(
                matrix.indptr, matrix.indices, matrix.data, matrix.inverse, b, omega,
                np.int32(first), x, size=last - first,
            )  # fmt: skip
    return sweeps, None if target is None else csr_residual_norm(matrix, b, x)


def csr_residual_norm(matrix, b, x):
    """Return ||b - A x||, with squares summed in double."""
    r = _residual_kernel()(
        matrix.indptr, matrix.indices, matrix.data, matrix.diagonal, b, x, cupy.empty_like(b)
    )
    squares = cupy.abs(r).astype(cupy.float64) ** 2
    return float(cupy.sqrt(cupy.sum(squares)))


def scatter_rows(a, rows, weights, size):
    """Return the (..., size, k) sums of weights[i, j] a[..., i, :] in the rows rows[i, j]."""
    from cupyx.scipy.sparse import csr_matrix
    from scipy.sparse import csc_array

    n, z = rows.shape
    columns = np.arange(0, n * z + 1, z)
    sketch = csc_array((weights.ravel(), rows.ravel(), columns), shape=(size, n)).tocsr()
    sketch = csr_matrix(sketch.astype(a.dtype))
    out = cupy.empty((*a.shape[:-2], size, a.shape[-1]), a.dtype)
    for index in np.ndindex(*a.shape[:-2]):
        out[index] = sketch @ a[index]
    return out


def triangular_factor(a):
    """Return the R factor (..., n, n) of a QR factorisation of A (..., m, n), m >= n."""
    return cupy.linalg.qr(a, mode="r")
