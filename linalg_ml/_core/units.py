"""Powers of two to measure data in: to divide by one rounds nothing, and keeps squares in range."""

import numpy as np

from linalg_ml._core.namespace import asarray, real_dtype

# The largest e for which numbers of 2^e and 2^-e leave room for some arithmetic, whatever a
# device does with subnormal numbers.
_LARGEST = {"float16": 14, "float64": 1000, "complex128": 1000, "fp64": 1000}
_ORDINARY = 2.0**-30, 2.0**30  # sizes that are far from both ends of every range


def largest_exponent(name):
    """Return the largest exponent of a unit for data of a dtype or a precision of that name."""
    return _LARGEST.get(name, 120)


def power_of_two(size, largest):
    """Return the power of two next above each size; 1 where that is not a positive number."""
    exponent = np.clip(np.frexp(size)[1], -largest, largest)
    power = np.where(np.isfinite(size) & (np.asarray(size) > 0), np.ldexp(1.0, exponent), 1.0)
    return float(power) if type(size) is float else power


def ordinary_exponent(size, name):
    """Return e for each size, such that size / 2^e is near 1.

    It is 0 where the size is ordinary, or zero, or not finite; the name is that of the dtype or
    the precision in which the data are to be divided.
    """
    least, most = _ORDINARY
    largest = largest_exponent(name)
    usual = (np.asarray(size) > least) & (np.asarray(size) < most) | ~np.isfinite(size)
    exponent = np.where(usual, 0, np.clip(np.frexp(size)[1], -largest, largest))
    return exponent if exponent.ndim else int(exponent)


def beside(numbers, like):
    """Return numbers of the host, one per vector or matrix of ``like``, as they multiply those."""
    if type(numbers) is float:
        return numbers
    numbers = np.reshape(numbers, np.shape(numbers) + (1,) * (like.ndim - np.ndim(numbers)))
    return asarray(numbers, like=like, dtype=real_dtype(like))
