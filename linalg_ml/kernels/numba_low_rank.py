"""Compiled passes over the entries of a matrix that is low rank plus sparse.

Every pass reads each array once and leaves no temporaries. Sums are accumulated row by row in
fp64.
"""

import numpy as np

from linalg_ml.kernels.numba_ import _compiled


@_compiled
def _huber_terms(low, data, mask, bound, out):
    squares = sparse = inner = 0.0
    zero = bound - bound
    for i in range(low.shape[0]):
        row_squares = row_sparse = row_inner = 0.0
        for j in range(low.shape[1]):
            if mask is None:
                seen = True
            else:
                seen = mask[i, j]
            if seen:
                r = low[i, j] - data[i, j]
                g = min(max(r, -bound), bound)
                if r != r:
                    g = r
                out[i, j] = g
                row_squares += g * g
                row_sparse += abs(r - g)
                row_inner += g * data[i, j]
            else:
                out[i, j] = zero
        squares += row_squares
        sparse += row_sparse
        inner += row_inner
    return squares, sparse, inner


@_compiled
def _huber_sparse(low, data, mask, bound, out):
    zero = bound - bound
    for i in range(low.shape[0]):
        for j in range(low.shape[1]):
            if mask is None:
                seen = True
            else:
                seen = mask[i, j]
            s = zero
            if seen:
                r = data[i, j] - low[i, j]
                if r > bound:
                    s = r - bound
                elif r < -bound:
                    s = r + bound
                elif r != r:
                    s = r
            out[i, j] = s


@_compiled
def _huber_search(low, data, mask, bound, u, v, scale):
    d11 = d12 = d22 = g1 = g2 = 0.0
    for i in range(low.shape[0]):
        left = scale * u[i]
        r11 = r12 = r22 = q1 = q2 = 0.0
        for j in range(low.shape[1]):
            if mask is None:
                seen = True
            else:
                seen = mask[i, j]
            if seen:
                r = low[i, j] - data[i, j]
                g = min(max(r, -bound), bound)
                first = left * v[j] - low[i, j]
                second = r - g
                r11 += first * first
                r12 += first * second
                r22 += second * second
                q1 += g * first
                q2 += g * second
        d11 += r11
        d12 += r12
        d22 += r22
        g1 += q1
        g2 += q2
    return d11, d12, d22, g1, g2


@_compiled
def _rank_one_move(low, keep, scale, u, v):
    for i in range(low.shape[0]):
        left = scale * u[i]
        for j in range(low.shape[1]):
            low[i, j] = keep * low[i, j] + left * v[j]


@_compiled
def _sampled_rank_one(low, keep, scale, u, v, starts, columns):
    for i in range(starts.size - 1):
        left = scale * u[i]
        for k in range(starts[i], starts[i + 1]):
            low[k] = keep * low[k] + left * v[columns[k]]


@_compiled
def _sampled_search(low, data, bound, u, v, scale, starts, columns):
    d11 = d12 = d22 = g1 = g2 = 0.0
    for i in range(starts.size - 1):
        left = scale * u[i]
        for k in range(starts[i], starts[i + 1]):
            r = low[k] - data[k]
            g = min(max(r, -bound), bound)
            first = left * v[columns[k]] - low[k]
            second = r - g
            d11 += first * first
            d12 += first * second
            d22 += second * second
            g1 += g * first
            g2 += g * second
    return d11, d12, d22, g1, g2


@_compiled
def _sampled_product(left, right, starts, columns, out):
    for i in range(starts.size - 1):
        row = left[i]
        for k in range(starts[i], starts[i + 1]):
            other = right[columns[k]]
            total = row[:0].sum()
            for j in range(row.size):
                total += row[j] * other[j]
            out[k] = total


def _by_rows(a):
    """Say whether the rows of ``a`` are the long way through memory."""
    return a.flags.f_contiguous and not a.flags.c_contiguous


def huber_terms(low, data, mask, bound, out=None):
    """Return g = clip(low - data, -bound, bound), ||g||_F^2, sum |low - data - g|, <g, data>."""
    out = np.empty_like(low) if out is None else out
    turned = [x if x is None else x.T for x in (low, data, mask, out)]
    low, data, mask, memory = turned if _by_rows(low) else (low, data, mask, out)
    return out, *_huber_terms(low, data, mask, low.dtype.type(bound), memory)


def huber_sparse(low, data, mask, bound):
    """Return data - low, shrunk towards zero by ``bound``, on the mask, and zero elsewhere."""
    out = np.empty_like(low)
    turned = [x if x is None else x.T for x in (low, data, mask, out)]
    low, data, mask, memory = turned if _by_rows(low) else (low, data, mask, out)
    _huber_sparse(low, data, mask, low.dtype.type(bound), memory)
    return out


def huber_search(low, data, mask, bound, u, v, scale):
    """Return inner products of d = scale u v^T - low, -s and g on the mask; see `huber_terms`."""
    scale = low.dtype.type(scale)
    if _by_rows(low):
        low, data, mask, u, v = low.T, data.T, None if mask is None else mask.T, v, u
    return _huber_search(low, data, mask, low.dtype.type(bound), u, v, scale)


def rank_one_move(low, keep, scale, u, v):
    """Return keep low + scale u v^T; ``low`` is consumed."""
    kind = low.dtype.type
    if _by_rows(low):
        _rank_one_move(low.T, kind(keep), kind(scale), v, u)
    else:
        _rank_one_move(low, kind(keep), kind(scale), u, v)
    return low


def sampled_rank_one(low, keep, scale, u, v, starts, columns):
    """Overwrite the entries ``low`` of L in a CSR pattern with those of keep L + scale u v^T."""
    kind = low.dtype.type
    u, v = np.ascontiguousarray(u), np.ascontiguousarray(v)
    _sampled_rank_one(low, kind(keep), kind(scale), u, v, starts, columns)


def sampled_search(low, data, bound, u, v, scale, starts, columns):
    """Return the inner products of `huber_search` for the entries of a CSR pattern."""
    kind = low.dtype.type
    u, v = np.ascontiguousarray(u), np.ascontiguousarray(v)
    return _sampled_search(low, data, kind(bound), u, v, kind(scale), starts, columns)


def sampled_product(left, right, starts, columns):
    """Return the entries of left right^T in a CSR pattern."""
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    out = np.empty(columns.size, left.dtype)
    _sampled_product(left, right, starts, columns, out)
    return out
