"""Compiled loops for NumPy arrays. Each is compiled when first called, and kept on disk."""

import numpy as np
from numba import njit

from linalg_ml.kernels import numpy_


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
def _csr_sor(indptr, indices, data, diagonal, b, x, omega, sweeps, target):
    n = b.size
    residual = np.inf
    for sweep in range(sweeps):
        for i in range(n):
            s = b[i]
            for k in range(indptr[i], indptr[i + 1]):
                s -= data[k] * x[indices[k]]
            x[i] += omega * s / diagonal[i]
        if target >= 0:
            total = 0.0
            for i in range(n):
                s = b[i]
                for k in range(indptr[i], indptr[i + 1]):
                    s -= data[k] * x[indices[k]]
                total += (s * np.conj(s)).real
            residual = np.sqrt(total)
            if residual <= target or not np.isfinite(residual):
                return sweep + 1, residual
    return sweeps, residual


def csr_sor(indptr, indices, data, diagonal, b, x, omega, sweeps, target=None):
    """Sweep forward SOR over ``x`` in place; return (sweeps made, residual norm, met).

    With a ``target`` the residual norm is computed after every sweep and the loop ends at the
    first one that meets it; without, exactly ``sweeps`` sweeps are made and nothing is tested.
    """
    goal = -1.0 if target is None else float(target)
    done, residual = _csr_sor(
        indptr, indices, data, diagonal, b, x, x.dtype.type(omega), sweeps, goal
    )
    return done, residual, target is not None and residual <= goal
