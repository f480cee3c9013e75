"""Compiled loops for NumPy arrays. Each is compiled when first called, and kept on disk."""

import numpy as np
from numba import njit

from linalg_ml.kernels import agnostic, numpy_


def _compiled(function):
    try:
        return njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # no folder to keep it in
        return njit(function, nogil=True, error_model="numpy")


@_compiled
def _round_bits(bits, out, drop):
    half = np.uint32((1 << (drop - 1)) - 1)
    mask = np.uint32((0xFFFFFFFF << drop) & 0xFFFFFFFF)
    for i in range(bits.size):
        u = bits[i]
        if (u & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):
            out[i] = (u | np.uint32(0x00400000)) & mask  # keep NaN, whatever its payload
        else:
            out[i] = (u + half + ((u >> np.uint32(drop)) & np.uint32(1))) & mask


@_compiled
def _round_bits_fp16(bits, out):
    for i in range(bits.size):
        u = bits[i]
        sign = u & np.uint32(0x80000000)
        size = u & np.uint32(0x7FFFFFFF)
        if size > np.uint32(0x7F800000):
            out[i] = (u | np.uint32(0x00400000)) & np.uint32(0xFFFFE000)
        elif size >= np.uint32(0x477FF000):  # 65520, half-way to the first number out of range
            out[i] = sign | np.uint32(0x7F800000)
        elif size >= np.uint32(0x38800000):  # 2^-14, the smallest normal number
            out[i] = (u + np.uint32(0xFFF) + ((u >> np.uint32(13)) & np.uint32(1))) & np.uint32(
                0xFFFFE000
            )
        else:
            # A multiple of 2^-24: shift the significand down to that unit, rounding to even.
            exponent = np.int64(size >> np.uint32(23))
            significand = np.int64((size & np.uint32(0x7FFFFF)) | np.uint32(0x800000))
            shift = 126 - exponent
            if exponent == 0 or shift > 25:
                out[i] = sign
            else:
                units = significand >> shift
                rest = significand - (units << shift)
                half = np.int64(1) << (shift - 1)
                if rest > half or (rest == half and (units & 1) == 1):
                    units += 1
                if units == 0:
                    out[i] = sign
                else:
                    top = 0
                    while (units >> (top + 1)) != 0:
                        top += 1
                    fraction = np.uint32((units - (np.int64(1) << top)) << (23 - top))
                    out[i] = sign | np.uint32((top - 24 + 127) << 23) | fraction


def round_to(a, target, *, inplace=False):
    """Round float32 or complex64 entries to "bf16", "fp16" or "tf32", ties to even."""
    source = np.asarray(a, order="C")
    out = source if inplace and source.flags.writeable else np.empty_like(source)
    bits = source.reshape(-1).view(np.uint32)
    rounded = out.reshape(-1).view(np.uint32)
    if target == "fp16":
        _round_bits_fp16(bits, rounded)
    else:
        _round_bits(bits, rounded, {"bf16": 16, "tf32": 13}[target])
    return out


@_compiled
def _soft_threshold(a, threshold, out):
    for i in range(a.size):
        value = a[i]
        if value > threshold:
            out[i] = value - threshold
        elif value < -threshold:
            out[i] = value + threshold
        elif value == value:
            out[i] = 0
        else:
            out[i] = value


def soft_threshold(a, threshold):
    """Return sign(a) max(|a| - threshold, 0), entry by entry."""
    if a.dtype.kind == "c" or np.ndim(threshold):
        return numpy_.soft_threshold(a, threshold)
    source = np.asarray(a, order="C")
    out = np.empty_like(source)
    _soft_threshold(source.reshape(-1), source.dtype.type(threshold), out.reshape(-1))
    return out


@_compiled
def _xpby(x, beta, y):
    for i in range(y.size):
        y[i] = x[i] + beta * y[i]


@_compiled
def _cg_update(alpha, p, ap, x, r):
    for i in range(x.size):
        x[i] += alpha * p[i]
        r[i] -= alpha * ap[i]


def xpby(x, beta, y):
    """Return x + beta y in the memory of ``y`` where the arrays are of one kind."""
    if not (y.flags.writeable and _of_one_kind(x, y)):
        return agnostic.xpby(x, beta, y)
    if y.ndim == 1:
        _xpby(x, beta, y)
        return y
    beta = np.broadcast_to(beta, y.shape[:-1])
    for index in np.ndindex(*y.shape[:-1]):
        _xpby(x[index], beta[index], y[index])
    return y


def cg_update(alpha, p, ap, x, r):
    """Return x + alpha p and r - alpha ap in the memory of ``x`` and ``r``."""
    if not (x.flags.writeable and r.flags.writeable and _of_one_kind(p, ap, x, r)):
        return agnostic.cg_update(alpha, p, ap, x, r)
    if x.ndim == 1:
        _cg_update(alpha, p, ap, x, r)
        return x, r
    alpha = np.broadcast_to(alpha, x.shape[:-1])
    for index in np.ndindex(*x.shape[:-1]):
        _cg_update(alpha[index], p[index], ap[index], x[index], r[index])
    return x, r


def _of_one_kind(*arrays):
    shape, dtype = arrays[-1].shape, arrays[-1].dtype
    return all(a.dtype is dtype and a.shape == shape and a.flags.c_contiguous for a in arrays)


@_compiled
def _csr_solve_lower(indptr, indices, data, pivots, b):
    for k in range(b.shape[0]):
        x = b[k]
        for i in range(x.size):
            s = x[i]
            for t in range(indptr[i], indptr[i + 1]):
                s -= data[t] * x[indices[t]]
            x[i] = s / pivots[i]


@_compiled
def _csr_solve_upper(indptr, indices, data, pivots, b):
    for k in range(b.shape[0]):
        x = b[k]
        for i in range(x.size - 1, -1, -1):
            s = x[i]
            for t in range(indptr[i], indptr[i + 1]):
                s -= data[t] * x[indices[t]]
            x[i] = s / pivots[i]


def csr_solve_lower(strict, pivots, b):
    """Solve (L + diag(pivots)) x = b for b of shape (..., n).

    ``strict`` is a strictly lower triangular CSR matrix of the dtype of ``b`` and ``pivots``.
    """
    x = np.array(b, order="C")
    _csr_solve_lower(strict.indptr, strict.indices, strict.data, pivots, x.reshape(-1, x.shape[-1]))
    return x


def csr_solve_upper(strict, pivots, b):
    """Solve (U + diag(pivots)) x = b as `csr_solve_lower` does, for strictly upper ``strict``."""
    x = np.array(b, order="C")
    _csr_solve_upper(strict.indptr, strict.indices, strict.data, pivots, x.reshape(-1, x.shape[-1]))
    return x


@_compiled
def _csr_ic0(indptr, indices, data, pivots):
    for i in range(pivots.size):
        pivot = pivots[i].real
        for t in range(indptr[i], indptr[i + 1]):
            j = indices[t]
            s = data[t]
            left, right = indptr[i], indptr[j]
            while left < t and right < indptr[j + 1]:
                if indices[left] == indices[right]:
                    s -= data[left] * np.conj(data[right])
                    left += 1
                    right += 1
                elif indices[left] < indices[right]:
                    left += 1
                else:
                    right += 1
            s /= pivots[j]
            data[t] = s
            pivot -= (s * np.conj(s)).real
        if not (pivot > 0 and pivot < np.inf):
            return i, pivot
        pivots[i] = np.sqrt(pivot)
    return -1, 0.0


def csr_ic0(strict, pivots):
    """Overwrite the strict lower part and the diagonal of A with those of L, A ~ L L^H.

    L has no entries where A has none. Return (-1, 0.0), or the first row whose pivot is not
    positive and that pivot. Columns must be sorted.
    """
    return _csr_ic0(strict.indptr, strict.indices, strict.data, pivots)
