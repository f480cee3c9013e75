"""Compiled passes of the solver of deep conjugate directions, and the product with a grid."""

import numpy as np
from numba import njit

from linalg_ml.kernels import agnostic, grids


def _compiled(function):
    # Inner products are summed in the order that is fastest.
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    try:
        return njit(function, cache=True, **options)
    except RuntimeError:  # no folder to keep it in
        return njit(function, **options)


def _fit(*arrays):
    """Say whether the arrays are real vectors of one kind, whole in memory."""
    first = arrays[0]
    return first.dtype.kind == "f" and all(
        a.ndim == 1 and a.dtype == first.dtype and a.flags.c_contiguous for a in arrays
    )


@_compiled
def _four_dots(x, a, b, c, d):
    zero = x.dtype.type(0)
    s, t, u, v = zero, zero, zero, zero
    for i in range(x.size):
        s += x[i] * a[i]
        t += x[i] * b[i]
        u += x[i] * c[i]
        v += x[i] * d[i]
    return s, t, u, v


@_compiled
def _two_dots(x, a, b):
    s, t = x.dtype.type(0), x.dtype.type(0)
    for i in range(x.size):
        s += x[i] * a[i]
        t += x[i] * b[i]
    return s, t


def dots(x, others):
    """Return the inner products x^H y with each of the others, along the last axis."""
    if not 2 <= len(others) <= 4 or not _fit(x, *others):
        return agnostic.dots(x, others)
    two = len(others) == 2
    made = _two_dots(x, *others) if two else _four_dots(x, *(*others, *others)[:4])
    return [x.dtype.type(value) for value in made[: len(others)]]


@_compiled
def _combination(factor, x, one, a, two, b):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = factor * x[i] - (one * a[i] + two * b[i])
    return out


def combination(factor, x, weights, others):
    """Return factor x - sum of weights times others; weights are numbers, one for each vector."""
    if len(others) > 2 or not _fit(x, *others):
        return agnostic.combination(factor, x, weights, others)
    factor, one, two = map(x.dtype.type, (factor, *weights, 0, 0)[:3])
    return _combination(factor, x, one, (*others, x)[0], two, (*others, x, x)[1])


@_compiled
def _minimizing_step(alpha, p, ap, x, r):
    total = r.dtype.type(0)
    for i in range(x.size):
        x[i] += alpha * p[i]
        value = r[i] - alpha * ap[i]
        r[i] = value
        total += value * value
    return total


def minimizing_step(alpha, p, ap, x, r):
    """Return x + alpha p, r - alpha ap and the squared norm of that, in the memory of x and r."""
    if not (_fit(p, ap, x, r) and x.flags.writeable and r.flags.writeable):
        return agnostic.minimizing_step(alpha, p, ap, x, r)
    number = x.dtype.type  # Numba makes Python numbers of what it returns
    return x, r, number(_minimizing_step(number(alpha), p, ap, x, r))


# The product with a grid ------------------------------------------------------------------------


@_compiled
def _row(out, u, diagonal, above, below, has_above, has_below):
    """Write a row of A u but for solids; rows beyond the grid are any others."""
    n = u.size
    zero = u.dtype.type(0)
    up, down = zero, zero
    if has_above:
        up += 1
    if has_below:
        down += 1
    for j in range(1, n - 1):
        sides = u[j - 1] + u[j + 1]
        out[j] = diagonal[j] * u[j] - ((up * above[j] + down * below[j]) + sides)
    for j in (0, n - 1):
        sides = zero
        if j > 0:
            sides += u[j - 1]
        if j < n - 1:
            sides += u[j + 1]
        out[j] = diagonal[j] * u[j] - ((up * above[j] + down * below[j]) + sides)


@_compiled
def _subtract(out, front, back, has_front, has_back):
    if has_front and has_back:
        for j in range(out.size):
            out[j] -= front[j] + back[j]
    elif has_front or has_back:
        other = front if has_front else back
        for j in range(out.size):
            out[j] -= other[j]


@_compiled
def _close(out, u, diagonal, r):
    """Set solids to zero; return u^T out and u^T r."""
    energy, along, zero = u.dtype.type(0), u.dtype.type(0), u.dtype.type(0)
    for j in range(out.size):
        value = out[j] if diagonal[j] > 0 else zero
        out[j] = value
        energy += u[j] * value
        along += u[j] * r[j]
    return energy, along


@_compiled
def _row_along(out, u, diagonal, sides):
    """Write the part of A u along a row whose inner faces have coefficients."""
    for j in range(out.size):
        out[j] = diagonal[j] * u[j]
    for j in range(out.size - 1):
        out[j] -= sides[j] * u[j + 1]
    for j in range(out.size - 1):
        out[j + 1] -= sides[j] * u[j]


@_compiled
def _subtract_weighted(out, weights, u):
    for j in range(out.size):
        out[j] -= weights[j] * u[j]


@_compiled
def _weighted_row(out, u, diagonal, planes, rows, sides, i, j):
    """Write a row of A u with coefficients."""
    _row_along(out, u[i, j], diagonal[i, j], sides[i, j])
    if j > 0:
        _subtract_weighted(out, rows[i, j - 1], u[i, j - 1])
    if j < u.shape[1] - 1:
        _subtract_weighted(out, rows[i, j], u[i, j + 1])
    if i > 0:
        _subtract_weighted(out, planes[i - 1, j], u[i - 1, j])
    if i < u.shape[0] - 1:
        _subtract_weighted(out, planes[i, j], u[i + 1, j])


@_compiled
def _product(u, r, diagonal, weighted, planes, rows, sides, out):
    n, m = u.shape[0], u.shape[1]
    energy, along = u.dtype.type(0), u.dtype.type(0)
    for i in range(n):
        for j in range(m):
            here = u[i, j]
            if weighted:
                _weighted_row(out[i, j], u, diagonal, planes, rows, sides, i, j)
            else:
                above, below = u[i, max(j - 1, 0)], u[i, min(j + 1, m - 1)]
                _row(out[i, j], here, diagonal[i, j], above, below, j > 0, j < m - 1)
                front, back = u[max(i - 1, 0), j], u[min(i + 1, n - 1), j]
                _subtract(out[i, j], front, back, i > 0, i < n - 1)
            one, two = _close(out[i, j], here, diagonal[i, j], r[i, j])
            energy += one
            along += two
    return energy, along


def grid_product(u, mask, diagonal, inner):
    """Return A u for u of shape (*grid), zero in solids."""
    return grid_energy(u, u, mask, diagonal, inner)[0]


def grid_energy(u, r, mask, diagonal, inner):
    """Return A u, u^T A u and u^T r for u of shape (*grid), zero in solids."""
    if u.ndim != diagonal.ndim or not _fit(u.reshape(-1), r.reshape(-1), diagonal.reshape(-1)):
        return grids.grid_energy(u, r, mask, diagonal, inner)
    shape = (*[1] * (3 - u.ndim), *u.shape)
    none = np.empty((0, 0, 0), u.dtype)
    coefficients = [none] * 3
    if inner is not None:
        planes = [] if u.ndim == 3 else [none]
        coefficients = [
            *planes,
            *(a.reshape(a.shape if u.ndim == 3 else (1, *a.shape)) for a in inner),
        ]
    out = np.empty(u.shape, u.dtype)
    u, r, diagonal, folded = (a.reshape(shape) for a in (u, r, diagonal, out))
    energy, along = _product(u, r, diagonal, inner is not None, *coefficients, folded)
    return out, out.dtype.type(energy), out.dtype.type(along)
