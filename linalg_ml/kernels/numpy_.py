"""Kernels for NumPy arrays, with NumPy alone."""

import numpy as np

# Sums of squares whose terms cannot have lost anything to overflow or underflow.
_SAFE_SQUARES = {np.dtype(np.float32): (1e-20, 1e30), np.dtype(np.float64): (1e-250, 1e250)}


def gemm(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y; a product of a matrix with its own transpose goes to syrk."""
    product = np.matmul(a, b)
    if alpha != 1:
        product *= alpha
    if y is None or beta == 0:
        return product
    scaled = y if beta == 1 else beta * y
    if scaled.shape != product.shape:
        return product + scaled
    product += scaled
    return product


def gram(a):
    """Return a a^H; for real matrices NumPy recognises the form and calls syrk."""
    return np.matmul(a, a.conj().mT if a.dtype.kind == "c" else a.mT)


def quintic(x, a, b, c):
    """Return a x + (b g + c g g) x with g = x x^H, in place where nothing is lost."""
    g = gram(x)
    even = np.matmul(g, g if g.dtype.kind == "c" else g.mT)
    even *= c
    g *= b
    even += g
    product = np.matmul(even, x)
    product += a * x
    return product


def dot(x, y):
    """Return the inner products x^H y along the last axis."""
    return np.vdot(x, y) if x.ndim == y.ndim == 1 else np.vecdot(x, y)


def frobenius(a):
    """Return the Frobenius norm of each matrix, in at least fp32, without overflow on the way."""
    if a.dtype.itemsize == 2:
        a = a.astype(np.float32)
    real = a.real.dtype if a.dtype.kind == "c" else a.dtype
    with np.errstate(all="ignore"):
        if a.ndim == 2:
            flat = a.reshape(-1)
            squares = np.vdot(flat, flat).real
            low, high = _SAFE_SQUARES[real]
            if low < squares < high:
                return np.sqrt(squares)
        magnitude = np.abs(a)
        largest = magnitude.max(axis=(-2, -1), keepdims=True, initial=0)
        scale = np.where(largest > 0, largest, largest.dtype.type(1))
        scaled = magnitude / scale
        return (np.sqrt(np.sum(scaled * scaled, axis=(-2, -1), keepdims=True)) * scale)[..., 0, 0]


def round_to(a, target, *, inplace=False):
    """Round float32 or complex64 entries to "bf16", "fp16" or "tf32", ties to even."""
    out = a if inplace and a.flags.c_contiguous and a.flags.writeable else np.array(a, order="C")
    floats = out.reshape(-1).view(np.float32)
    if target == "fp16":
        with np.errstate(all="ignore"):
            floats[...] = floats.astype(np.float16)
        return out
    drop = {"bf16": 16, "tf32": 13}[target]
    bits = floats.view(np.uint32)
    nan = np.isnan(floats)
    kept_nan = (bits[nan] | np.uint32(0x00400000)) & _mask(drop)
    tie_to_even = (bits >> np.uint32(drop)) & np.uint32(1)
    tie_to_even += np.uint32((1 << (drop - 1)) - 1)
    bits += tie_to_even
    bits &= _mask(drop)
    bits[nan] = kept_nan
    return out


def soft_threshold(a, threshold):
    """Return sign(a) max(|a| - threshold, 0), entry by entry."""
    if isinstance(threshold, np.generic):
        threshold = threshold.item()
    return np.sign(a) * np.maximum(np.abs(a) - threshold, 0)


def _mask(drop):
    return np.uint32((0xFFFFFFFF << drop) & 0xFFFFFFFF)


def solve_triangular(a, b, *, lower):
    """Return the solution x of A x = b for triangular A (..., n, n) and b (..., n)."""
    from scipy.linalg import solve_triangular

    if a.ndim == 2:
        columns = b.reshape(-1, b.shape[-1]).T
        return solve_triangular(a, columns, lower=lower, check_finite=False).T.reshape(b.shape)
    shape = np.broadcast_shapes(a.shape[:-1], b.shape)
    x = np.empty(shape, np.result_type(a, b))
    a, b = np.broadcast_to(a, shape + shape[-1:]), np.broadcast_to(b, shape)
    for index in np.ndindex(*shape[:-1]):
        x[index] = solve_triangular(a[index], b[index], lower=lower, check_finite=False)
    return x


def cholesky_solve(a, b):
    """Return A^(-1) B for Hermitian positive definite A (..., n, n) and B (..., n, k)."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    if a.ndim == b.ndim == 2:
        try:
            factor = cho_factor(a, lower=True, check_finite=False)
        except LinAlgError:
            return np.full_like(b, np.nan)
        return cho_solve(factor, b, check_finite=False)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.empty(batch + b.shape[-2:], np.result_type(a, b))
    a, b = np.broadcast_to(a, batch + a.shape[-2:]), np.broadcast_to(b, x.shape)
    for index in np.ndindex(*batch):
        x[index] = cholesky_solve(a[index], b[index])
    return x
