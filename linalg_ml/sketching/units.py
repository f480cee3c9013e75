"""The units of the data of a least-squares problem or a linear system."""

import math

import numpy as np

from linalg_ml._core.operators import DenseOperator, SparseOperator
from linalg_ml._core.units import beside, ordinary_exponent


class SystemUnits:
    """Units of A and b in A x = b, and of x, which follows from them.

    Parameters
    ----------
    norm_a : float
        1 for a matrix that is known by its products alone.
    norm_b : float or array
        One for each right-hand side.
    precision : {"fp64", "fp32"}
    """

    def __init__(self, norm_a, norm_b, precision):
        a, b = (ordinary_exponent(norm, precision) for norm in (norm_a, norm_b))
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
        return b if self.are_one else b / beside(self.b, b)

    def of_x(self, x):
        """Return solutions in their units."""
        return x if self.are_one else x / beside(self.x, x)

    def out(self, x):
        """Return solutions as the caller has them."""
        return x if self.are_one else x * beside(self.x, x)
