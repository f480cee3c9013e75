"""A matrix of any form as the direct methods see it: products with blocks of vectors."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import (
    asarray,
    is_array,
    is_sparse,
    namespace,
    to_numpy,
)
from linalg_ml._core.operators import DenseOperator, SparseOperator, operator
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.random import normal
from linalg_ml._core.result import Status, worst
from linalg_ml._core.units import beside, ordinary_exponent
from linalg_ml._core.verdict import host


class NotFiniteError(ArithmeticError):
    """Raised where a product holds NaN or infinity."""


class BlockProducts:
    """Products with a matrix in the precision asked for, on blocks in at least fp32.

    A product that is not finite raises `NotFiniteError`.

    Parameters
    ----------
    a : array (..., m, n), sparse matrix, or operator with ``shape`` and ``matvec``
    precision : None, str, Precision or Arithmetic
        To the counts of an Arithmetic its products are added.
    like : array, optional
        Where an operator's vectors live, and their dtype; NumPy and the operator's own dtype
        without it.
    """

    def __init__(self, a, precision, like=None):
        if is_array(a) or isinstance(a, (np.ndarray, list, tuple)):
            a = checks.matrix(a, "a")
            like = a
        elif is_sparse(a):
            like = a.tocsr().data
            like = like if like.dtype.kind in "fc" else like * 1.0
        elif not (hasattr(a, "shape") and hasattr(a, "matvec")):
            raise TypeError(
                "a must be an array, a sparse matrix or an operator with shape and matvec, "
                f"got {type(a).__name__}"
            )
        elif like is None:
            dtype = np.dtype(getattr(a, "dtype", None) or np.float64)
            like = np.empty(0, dtype if dtype.kind in "fc" else np.float64)
        else:
            like = checks.array(like, "like")
        self.like = like
        given = isinstance(precision, Arithmetic)
        self.arithmetic = precision if given else Arithmetic(precision, like)
        self.wide = self.arithmetic.at_least_fp32(like)
        self._operator = operator(a, self.arithmetic)
        self.shape, self.dtype = tuple(a.shape), like.dtype
        self.units, self.spoilt = np.ones(self.shape[:-2]), np.zeros(self.shape[:-2], bool)

    @property
    def is_explicit(self):
        """Say whether the entries can be looked at: a dense or a sparse matrix."""
        return isinstance(self._operator, (DenseOperator, SparseOperator))

    def take_units(self):
        """Measure an explicit matrix in units in which no square overflows or underflows.

        In a stack, matrices that are not finite are set to zero, lest they spoil the others.
        """
        if not self.is_explicit:
            return
        given, norms = self._operator, np.asarray(host(self.frobenius()))
        exponents = ordinary_exponent(norms, self.wide.name)
        if len(self.shape) > 2 and not np.isfinite(norms).all():
            self.spoilt = ~np.isfinite(norms)
            kept = asarray(~self.spoilt[..., None, None], like=given.a)
            given.a = self.wide.xp.where(kept, given.a, self.wide.xp.zeros_like(given.a))
        if np.any(exponents):
            self.units = np.ldexp(1.0, exponents)
            unit = beside(self.units, given.a) if norms.ndim else self.units[()]
            given.a = given.a / unit

    def out(self, *values):
        """Return what grows with the matrix as the caller has it, for those that are finite."""
        return self.sound(
            *(
                value if np.all(self.units == 1) else value * beside(self.units, value)
                for value in values
            )
        )

    def sound(self, *values):
        """Return values with NaN for matrices that are not finite."""
        if not self.spoilt.any():
            return values
        blank = np.where(self.spoilt, np.nan, 1.0)
        return tuple(value * beside(blank, value) for value in values)

    def statuses(self, status):
        """Return the worst status, and those of all matrices of a stack or None.

        ``status`` is what befell those that are finite, one for all or one for each.
        """
        if len(self.shape) == 2:
            return status, None
        statuses = np.where(self.spoilt, Status.NONFINITE_INPUT, np.asarray(status, object))
        return (worst(statuses.flat) if statuses.size else Status.FIXED_STEPS), statuses

    def times(self, block):
        """Return A X for X of shape (..., n, k)."""
        return self._apply(block, adjoint=False)

    def adjoint_times(self, block):
        """Return A^H X for X of shape (..., m, k)."""
        return self._apply(block, adjoint=True)

    def _apply(self, block, adjoint):
        arithmetic, given = self.arithmetic, self._operator
        x = arithmetic.store(block)
        explicit = isinstance(given, DenseOperator)  # an operator counts a block as one
        arithmetic.count("matvecs", block.shape[-1] - (not explicit))
        if explicit:
            a = given.a
            if adjoint:
                a = arithmetic.xp.conj(a).mT if arithmetic.is_complex else a.mT
            product = arithmetic.mm(a, x)
        else:
            product = (given.rmatvec if adjoint else given.matvec)(x.mT).mT
        product = self.wide.enter(product)
        if not all_finite(product):
            raise NotFiniteError
        return product

    def gaussian(self, rng, k):
        """Return a Gaussian block of shape (..., n, k)."""
        block = self.wide.enter(normal(rng, (self.shape[-1], k), like=self.like))
        return self.over_stack(block)

    def over_stack(self, block):
        """Return a block for each matrix of the stack."""
        shape = (*self.shape[:-2], *block.shape[-2:])
        return self.wide.xp.broadcast_to(block, shape) if len(shape) > 2 else block

    def undefined(self, *shape):
        """Return NaN in the working type."""
        zero = self.wide.xp.zeros(shape, dtype=self.wide.dtype, device=self.wide.device)
        return zero + float("nan")

    def frobenius(self):
        """Return ||A||_F of an explicit matrix, in at least fp32."""
        if isinstance(self._operator, SparseOperator):
            return self.wide.frobenius(self.wide.enter(self._operator.a.data)[None, :])
        return self.wide.frobenius(self.wide.enter(self._operator.a))

    def trace(self):
        """Return the trace of an explicit matrix, in at least fp32."""
        xp = self.wide.xp
        if isinstance(self._operator, SparseOperator):
            return xp.sum(self.wide.enter(self._operator.a.diagonal()), axis=-1)
        return xp.sum(xp.linalg.diagonal(self.wide.enter(self._operator.a)), axis=-1)

    def residual_norm(self, left, right):
        """Return ||A - L R||_F of an explicit matrix, a block of rows at a time."""
        wide, xp = self.wide, self.wide.xp
        squares = 0.0
        rows = max(1, (1 << 22) // max(1, self.shape[-1]))
        for start in range(0, self.shape[-2], rows):
            a, stop = self._operator.a, min(start + rows, self.shape[-2])
            if isinstance(self._operator, SparseOperator):
                part = a[start:stop].toarray()
            else:
                part = a[..., start:stop, :]
            rest = wide.enter(part) - wide.mm(left[..., start:stop, :], right)
            squares = squares + wide.frobenius(rest) ** 2
        return xp.sqrt(squares)

    def conj_transpose(self, x):
        """Return X^H."""
        return self.wide.xp.conj(x).mT if self.wide.is_complex else x.mT


def all_finite(*arrays):
    """Say whether arrays hold neither NaN nor infinity."""
    return all(np.isfinite(to_numpy(namespace(a).sum(a * 0))).all() for a in arrays)
