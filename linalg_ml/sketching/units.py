"""Powers of two to measure data in whose squares, or products, would overflow or underflow."""

import math

_LEAST, _MOST = 2.0**-30, 2.0**30  # norms that are far from both
_LARGEST = {"fp64": 1000, "fp32": 120}  # exponents that a number and its inverse can have


def ordinary_exponent(norm, arithmetic):
    """Return e such that a norm over 2^e is near 1; 0 where it is ordinary, or zero, or not finite.

    The numbers are those of an Arithmetic in fp64 or fp32.
    """
    if norm == 0 or not math.isfinite(norm) or _LEAST < norm < _MOST:
        return 0
    return within(math.frexp(norm)[1], _LARGEST[arithmetic.name])


def within(value, most):
    """Return the value, or the nearest of magnitude ``most``."""
    return max(-most, min(most, value))
