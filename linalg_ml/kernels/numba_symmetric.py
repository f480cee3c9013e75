"""Compiled loops over square matrices for NumPy arrays that read each entry once."""

import numpy as np
from numba import njit

from linalg_ml.kernels import agnostic

_TILE = 8  # rows far apart share few sets of the cache
_FEWEST = 64 * 64  # entries for which a compiled loop is worth its call


def _compiled(function):
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract"}}
    try:
        return njit(function, cache=True, **options)
    except RuntimeError:  # no folder to keep it in
        return njit(function, **options)


@_compiled
def _square(z):
    return z.real * z.real + z.imag * z.imag


@_compiled
def _hermitian_part(a, tile):
    n, total = a.shape[0], 0.0
    for top in range(0, n, tile):
        for left in range(0, top + 1, tile):
            for i in range(top, min(n, top + tile)):
                for j in range(left, min(i + 1, left + tile)):
                    h = (a[i, j] + np.conj(a[j, i])) / 2
                    total += (1 if i == j else 2) * _square(a[i, j] - h)
                    a[i, j] = h
                    a[j, i] = np.conj(h)
    return total


@_compiled
def _identity_distance(a):
    total = 0.0
    for i in range(a.shape[0]):
        row = _square(a[i, i] - 1)
        for j in range(i):
            row += _square(a[i, j])
        for j in range(i + 1, a.shape[1]):
            row += _square(a[i, j])
        total += row
    return total


def hermitian_part(a):
    """Return (A + A^H) / 2 and the Frobenius norm of the rest; ``a`` is consumed."""
    if not _fits(a) or not a.flags.writeable:
        return agnostic.hermitian_part(a)
    rest = _hermitian_part(a, _TILE)
    return a, a.real.dtype.type(np.sqrt(rest))


def identity_distance(a):
    """Return ||A - I||_F for each square matrix."""
    if not _fits(a):
        return agnostic.identity_distance(a)
    return a.real.dtype.type(np.sqrt(_identity_distance(a)))


def _fits(a):
    return a.ndim == 2 and a.size >= _FEWEST and a.dtype.kind in "fc" and a.dtype.itemsize > 2
