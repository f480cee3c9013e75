"""Cheap estimates of the largest and smallest singular values."""

import numpy as np

from linalg_ml._core.namespace import (
    asarray,
    astype,
    dtype_name,
    dtype_of,
    is_complex,
    is_traced,
    namespace,
)

_PROBES, _POWER_STEPS = 4, 6


def adjoint(x):
    """Return X^H for (stacks of) matrices."""
    return namespace(x).conj(x.mT) if is_complex(x) else x.mT


def at_least_fp32(a):
    """Return an array of a 16-bit type in fp32, any other as it is."""
    return astype(a, dtype_of("float32", a)) if "16" in dtype_name(a) else a


def hermitian_mean(a):
    """Return (A + A^H) / 2, which of a Hermitian matrix is A itself, subnormal or near overflow."""
    xp = namespace(a)
    total, half = a + adjoint(a), a / 2
    return xp.where(xp.isfinite(total), total / 2, half + adjoint(half))


def extreme_singular_values(x, gram, arithmetic, *, refine=True, margin=None):
    """Estimate sigma_min(X) and sigma_max(X) of a wide matrix to some ten per cent.

    sigma_min costs one Cholesky factorisation of X X^H (an inversion, where the library has no
    triangular solver for it) or, where that is too ill-conditioned in this arithmetic, the
    inversion of the triangular factor of X^H; the rest is a few products with four vectors.

    Parameters
    ----------
    x : array of shape (..., m, n)
    gram : array of shape (..., m, m)
        X X^H.
    arithmetic : Arithmetic
        At least fp32.
    refine : bool
        Whether to go on to the factor of X^H. If not, ``smallest`` is 0 where that would be needed.
    margin : float, optional
        The multiple of the unit roundoff that (sigma_min / sigma_max)^2 must exceed to be believed;
        100 m if None, a bound on what the rounding of X X^H can do at worst.

    Returns
    -------
    smallest, largest : arrays of the shape of the stack
        ``smallest`` is 0 where the matrix is singular to working precision.
    """
    xp = arithmetic.xp
    largest = xp.sqrt(largest_eigenvalue(gram, arithmetic))
    squared = _smallest_eigenvalue(gram, arithmetic)
    margin = 100 * x.shape[-2] if margin is None else margin
    least = margin * arithmetic.unit_roundoff * largest * largest
    reliable = squared > least
    smallest = xp.sqrt(squared)
    if bool(xp.all(reliable)):
        return smallest, largest
    if not refine:
        return xp.where(reliable, smallest, xp.zeros_like(smallest)), largest
    r = xp.linalg.qr(adjoint(x), mode="reduced")[1]
    return xp.where(reliable, smallest, smallest_of_factor(r, arithmetic)), largest


def largest_eigenvalue(a, arithmetic):
    """Estimate the largest eigenvalue of a positive semidefinite matrix from below."""
    size = arithmetic.frobenius(a)
    inverse_size = reciprocal(size, arithmetic.xp)[..., None, None]
    multiply = arithmetic.kernels.gemm
    return size * _power_iteration(lambda v: multiply(a, v * inverse_size), a, arithmetic)


def _smallest_eigenvalue(a, arithmetic):
    """Estimate the smallest eigenvalue of a positive semidefinite matrix from above, or 0."""
    xp = arithmetic.xp
    if arithmetic.library == "numpy" and a.ndim == 2:
        solve = arithmetic.kernels.cholesky_solver(a)
        if solve is None:
            return xp.zeros_like(arithmetic.frobenius(a))
        return reciprocal(_power_iteration(solve, a, arithmetic), xp)
    return reciprocal(largest_eigenvalue(inverse(a, arithmetic), arithmetic), xp)


def _power_iteration(multiply, a, arithmetic):
    """Estimate the largest eigenvalue of the operator ``multiply``, on vectors that fit A."""
    xp, m = arithmetic.xp, a.shape[-1]
    start = np.random.default_rng(0).standard_normal((m, _PROBES))
    v = asarray(start, like=a, dtype=a.dtype)
    v = xp.broadcast_to(v, (*a.shape[:-2], m, _PROBES))
    for _ in range(_POWER_STEPS):
        v = arithmetic.kernels.unit_columns(multiply(v))
    image = multiply(v)
    quotients = xp.sqrt(xp.sum(xp.abs(image) ** 2, axis=-2))
    return xp.max(quotients, axis=-1)


def reciprocal(x, xp):
    """Return 1/x where that is a positive number, else 0."""
    usable = xp.isfinite(x) & (x > 0)
    return xp.where(usable, 1.0 / xp.where(usable, x, xp.ones_like(x)), xp.zeros_like(x))


def inverse(a, arithmetic):
    """Return the inverse, or infinities where the library refuses a singular matrix."""
    xp = arithmetic.xp
    try:
        return xp.linalg.inv(a)
    except Exception as error:  # each library has a class of its own for this
        if is_traced(a) or "singular" not in str(error).lower():
            raise
    if a.ndim == 2:
        return xp.full_like(a, float("inf"))
    return xp.stack([inverse(a[i, ...], arithmetic) for i in range(a.shape[0])])


def cholesky(a, arithmetic):
    """Return L with A = L L^H, or NaN where A is not positive definite."""
    xp = arithmetic.xp
    try:
        return xp.linalg.cholesky(a)
    except Exception as error:  # each library has a class of its own for this
        if is_traced(a) or "positive" not in str(error).lower():
            raise
    if a.ndim == 2:
        return xp.full_like(a, float("nan"))
    return xp.stack([cholesky(a[i, ...], arithmetic) for i in range(a.shape[0])])


def positive_factor(a, arithmetic):
    """Return L with A + shift I = L L^H, the shift, and where no shift of rounding size helped.

    Parameters
    ----------
    a : array of shape (..., n, n)
        Hermitian, of Frobenius norm one (or zero).
    arithmetic : Arithmetic
        At least fp32.

    Returns
    -------
    factor : array of shape (..., n, n)
        L; the identity where A has an eigenvalue below zero by more than rounding.
    shift : array of the shape of the stack
        Zero, or a number that makes a singular matrix positive definite.
    indefinite : array of bool of the shape of the stack
    """
    xp, n = arithmetic.xp, a.shape[-1]
    factor = cholesky(a, arithmetic)
    failed = xp.any(xp.isnan(factor), axis=(-2, -1))
    shift = xp.zeros_like(arithmetic.frobenius(a))
    if not is_traced(a) and not bool(xp.any(failed)):
        return factor, shift, failed
    finite = xp.all(xp.isfinite(a), axis=(-2, -1))
    identity = asarray(np.eye(n), like=a, dtype=a.dtype)
    for size in (2 * n**0.5, 4.0 * n):
        size = size * arithmetic.unit_roundoff
        shifted = cholesky(a + size * identity, arithmetic)
        factor = xp.where(failed[..., None, None], shifted, factor)
        shift = xp.where(failed & finite, xp.full_like(shift, size), shift)
        failed = xp.any(xp.isnan(factor), axis=(-2, -1))
    failed = failed & finite
    return xp.where(failed[..., None, None], identity, factor), shift, failed


def smallest_of_factor(factor, arithmetic):
    """Estimate the smallest singular value of a triangular matrix, by its inverse."""
    xp = arithmetic.xp
    inverted = inverse(factor, arithmetic)
    size = arithmetic.frobenius(inverted)  # scaled to one before squaring, against overflow
    unit = inverted * reciprocal(size, xp)[..., None, None]
    norm = size * xp.sqrt(largest_eigenvalue(arithmetic.gram(unit), arithmetic))
    return reciprocal(norm, xp)
