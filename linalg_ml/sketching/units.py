"""Powers of two to measure data in whose squares, or products, would overflow or underflow."""

import math

import numpy as np

from linalg_ml._core.namespace import asarray, real_dtype
from linalg_ml._core.operators import DenseOperator, SparseOperator

_LEAST, _MOST = 2.0**-30, 2.0**30  # norms that are far from both
_LARGEST = {"fp64": 1000, "fp32": 120}  # exponents that a number and its inverse can have


def ordinary_exponent(norm, arithmetic):
    """Return e such that a norm over 2^e is near 1; 0 where it is ordinary, or zero, or not finite.

    The numbers are those of an Arithmetic in fp64 or fp32.
    """
    if norm == 0 or not math.isfinite(norm) or _LEAST < norm < _MOST:
        return 0
    return within(math.frexp(norm)[1], _LARGEST[arithmetic.name])


def ordinary_exponents(norms, arithmetic):
    """Return an array of them."""
    return np.asarray(np.vectorize(ordinary_exponent, otypes=[int])(norms, arithmetic))


def within(value, most):
    """Return the value, or the nearest of magnitude ``most``."""
    return max(-most, min(most, value))


class SystemUnits:
    """Units of A and b in A x = b, and of x, which follows from them.

    Parameters
    ----------
    norm_a : float
        1 for a matrix that is known by its products alone.
    norm_b : float or array
        One for each right-hand side.
    arithmetic : Arithmetic
        In fp64 or fp32.
    """

    def __init__(self, norm_a, norm_b, arithmetic):
        a = ordinary_exponent(norm_a, arithmetic)
        b = ordinary_exponents(norm_b, arithmetic)
        self.are_one = a == 0 and not np.any(b)
        self.a, self.b = math.ldexp(1.0, a), np.ldexp(1.0, b)
        self.x = np.ldexp(1.0, b - a)

    def of_matrix(self, a):
        """Return an operator in the unit of A."""
        if self.a != 1:
            if isinstance(a, SparseOperator):
                return SparseOperator(a.a / self.a, a._arithmetic)
            if isinstance(a, DenseOperator):
                return DenseOperator(a.a / self.a, a._arithmetic)
        return a

    def of_b(self, b):
        """Return right-hand sides in their units."""
        return b if self.are_one else b / _beside(self.b, b)

    def of_x(self, x):
        """Return solutions in their units."""
        return x if self.are_one else x / _beside(self.x, x)

    def out(self, x):
        """Return solutions as the caller has them."""
        return x if self.are_one else x * _beside(self.x, x)


def _beside(unit, x):
    """Return numbers in the library of ``x``, which has one more axis."""
    return asarray(np.asarray(unit)[..., None], like=x, dtype=real_dtype(x))
