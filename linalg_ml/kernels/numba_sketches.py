"""Compiled loops that apply sparse and Hadamard sketches to NumPy arrays."""

import numpy as np

from linalg_ml.kernels.numba_ import _compiled

_COLUMNS = 512  # of the result that are summed at a time: rows long enough to stream


@_compiled
def _scatter_rows(a, rows, weights, out, start, stop):
    for i in range(rows.shape[0]):
        x = a[i, start:stop]
        for j in range(rows.shape[1]):
            y = out[rows[i, j], start:stop]
            w = weights[i, j]
            for c in range(stop - start):
                y[c] += w * x[c]


@_compiled
def _gather_rows(a, rows, weights, out):
    for i in range(rows.shape[0]):
        y = out[i]
        for j in range(rows.shape[1]):
            x = a[rows[i, j]]
            w = weights[i, j]
            for c in range(y.size):
                y[c] += w * x[c]


@_compiled
def _hadamard(x, first, stride, n):
    """Transform the n rows first, first + stride, ... in place."""
    h = 1
    while h < n:
        step = h * stride
        if 4 * h <= n:  # two levels in one pass
            for start in range(0, n, 4 * h):
                for i in range(start, start + h):
                    row = first + i * stride
                    x0, x1, x2, x3 = x[row], x[row + step], x[row + 2 * step], x[row + 3 * step]
                    for c in range(x.shape[1]):
                        p, q = x0[c] + x1[c], x0[c] - x1[c]
                        r, s = x2[c] + x3[c], x2[c] - x3[c]
                        x0[c], x1[c], x2[c], x3[c] = p + r, q + s, p - r, q - s
            h *= 4
        else:
            for i in range(h):
                row = first + i * stride
                x0, x1 = x[row], x[row + step]
                for c in range(x.shape[1]):
                    x0[c], x1[c] = x0[c] + x1[c], x0[c] - x1[c]
            h *= 2


@_compiled
def _hadamard_by_blocks(x, block):
    """Transform blocks of rows, then across them: every row comes to the cache twice."""
    n = x.shape[0]
    for first in range(0, n, block):
        _hadamard(x, first, 1, block)
    for first in range(block):
        _hadamard(x, first, block, n // block)


def scatter_rows(a, rows, weights, size):
    """Return the (..., size, k) sums of weights[i, j] a[..., i, :] in the rows rows[i, j]."""
    weights = weights.astype(a.real.dtype)
    out = np.zeros((*a.shape[:-2], size, a.shape[-1]), a.dtype)
    for index in np.ndindex(*a.shape[:-2]):
        whole, into = a[index], out[index]
        for start in range(0, a.shape[-1], _COLUMNS):
            stop = min(start + _COLUMNS, a.shape[-1])
            if whole.flags.c_contiguous:
                _scatter_rows(whole, rows, weights, into, start, stop)
            else:
                part = np.zeros((size, stop - start), a.dtype)
                block = np.ascontiguousarray(whole[:, start:stop])
                _scatter_rows(block, rows, weights, part, 0, stop - start)
                into[:, start:stop] = part
    return out


def gather_rows(a, rows, weights):
    """Return the (..., n, k) rows sum_j weights[i, j] a[..., rows[i, j], :]."""
    weights = weights.astype(a.real.dtype)
    out = np.zeros((*a.shape[:-2], len(rows), a.shape[-1]), a.dtype)
    for index in np.ndindex(*a.shape[:-2]):
        _gather_rows(np.ascontiguousarray(a[index]), rows, weights, out[index])
    return out


def hadamard(a):
    """Return H A with the +-1 Walsh-Hadamard matrix H of order 2^p, p levels of sums."""
    out = np.array(a, order="C")
    for index in np.ndindex(*a.shape[:-2]):
        _hadamard_by_blocks(out[index], 1 << (a.shape[-2].bit_length() // 2))
    return out
