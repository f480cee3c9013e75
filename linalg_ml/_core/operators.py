"""One linear operator from dense arrays, sparse matrices, SciPy operators and callables."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import (
    astype,
    device,
    dtype_name,
    is_array,
    is_complex,
    is_sparse,
    is_traced,
    library,
    namespace,
    on_gpu,
)
from linalg_ml._core.result import UserFunctionError


class DenseOperator:
    """A matrix, multiplied under the policy of an Arithmetic."""

    def __init__(self, a, arithmetic):
        self.a = arithmetic.enter(a)
        self.shape = tuple(a.shape)
        self._arithmetic = arithmetic

    def matvec(self, x):
        """Return A x for x of shape (..., n)."""
        return self._arithmetic.mv(self.a, x)

    def rmatvec(self, x):
        """Return A^H x for x of shape (..., m)."""
        transposed = self.a.mT
        if self._arithmetic.is_complex:
            transposed = self._arithmetic.xp.conj(transposed)
        return self._arithmetic.mv(transposed, x)


class SparseOperator:
    """A scipy.sparse or cupyx.scipy.sparse matrix.

    Entries and results are rounded to the numbers the policy stores; for "tf32" those are fp32,
    since tensor cores multiply dense matrices only.
    """

    def __init__(self, a, arithmetic):
        self.a = a.tocsr()
        if not self.a.has_canonical_format:  # unsorted columns, or entries given in parts
            self.a = self.a.copy()
            self.a.sum_duplicates()
        entries = self.a.data if self.a.data.dtype.kind in "fc" else self.a.data * 1.0
        entries = arithmetic.enter(entries)
        if entries is not self.a.data:
            self.a = self.a.copy()
            self.a.data = entries
        self._adjoint = None
        self.shape = tuple(a.shape)
        self._arithmetic = arithmetic

    def matvec(self, x):
        """Return A x for x of shape (n,) or a stack (..., n)."""
        return self._apply(self.a, x)

    def rmatvec(self, x):
        """Return A^H x for x of shape (m,) or a stack (..., m)."""
        if self._adjoint is None:
            self._adjoint = self.a.conj().T.tocsr()
        return self._apply(self._adjoint, x)

    def _apply(self, a, x):
        self._arithmetic.count("matvecs")
        if x.ndim == 1:
            return self._arithmetic.store(a @ x)
        columns = a @ x.reshape(-1, x.shape[-1]).T
        return self._arithmetic.store(columns.T.reshape(*x.shape[:-1], a.shape[0]))


class FunctionOperator:
    """A function that applies the matrix; what it returns is checked."""

    def __init__(self, matvec, shape, arithmetic, rmatvec=None, name="a"):
        self._matvec, self._rmatvec, self._name = matvec, rmatvec, name
        self.shape = tuple(shape)
        self._arithmetic = arithmetic

    def matvec(self, x):
        """Return A x for x of shape (..., n)."""
        return self._call(self._matvec, x, self.shape[0], self._name)

    def rmatvec(self, x):
        """Return A^H x for x of shape (..., m)."""
        if self._rmatvec is None:
            raise TypeError(
                f"{self._name} must offer rmatvec as well: this method multiplies by its adjoint"
            )
        return self._call(self._rmatvec, x, self.shape[1], f"{self._name}.rmatvec")

    def _call(self, function, x, length, name):
        self._arithmetic.count("matvecs")
        y = function(x)
        if not is_array(y) or library(y) != library(x):
            came = library(y) if is_array(y) else type(y).__name__
            raise TypeError(f"{name}(x) must return a {library(x)} array, got {came}")
        shape = (*x.shape[:-1], length)
        if tuple(y.shape) != shape:
            raise ValueError(
                f"{name}(x) must return shape {shape} for x of shape {tuple(x.shape)}, "
                f"got shape {tuple(y.shape)}"
            )
        if is_complex(y) and not self._arithmetic.is_complex:
            raise TypeError(
                f"{name}(x) must return real numbers for real x, got {dtype_name(y)}; "
                "convert the right-hand side to complex"
            )
        if not is_traced(y) and not on_gpu(y):
            xp = namespace(y)
            if not bool(xp.all(xp.isfinite(y))) and bool(xp.all(xp.isfinite(x))):
                raise UserFunctionError(f"{name}(x) returned NaN or infinity for a finite x")
        return self._arithmetic.store(astype(y, self._arithmetic.dtype))


def _over_stacks(matvec, matmat):
    """Return x -> A x for x of shape (n,) or (..., n) where ``matvec`` takes single vectors."""

    def apply(x):
        if x.ndim == 1:
            return matvec(x)
        columns = matmat(x.reshape(-1, x.shape[-1]).T)
        return columns.T.reshape(*x.shape[:-1], columns.shape[0])

    return apply


def operator(a, arithmetic, *, size=None, name="a"):
    """Return ``a`` as an object with shape, matvec and rmatvec.

    Parameters
    ----------
    a : array (..., m, n), sparse matrix, operator or callable
        An operator has ``shape`` and ``matvec`` (and ``rmatvec`` where A^H is needed), as
        scipy.sparse.linalg.LinearOperator does; a callable is a square matrix of order ``size``.
    arithmetic : Arithmetic
        Policy under which products are made.
    size : int, optional
        Order of a matrix given as a callable.
    name : str
        How the argument is called in messages.
    """
    if is_sparse(a):
        home = "cupy" if type(a).__module__.startswith("cupyx") else "numpy"
        if home != arithmetic.library:
            raise TypeError(
                f"{name} is a {home} sparse matrix, but the right-hand side is a "
                f"{arithmetic.library} array; convert one of them"
            )
        return SparseOperator(a, arithmetic)
    if is_array(a):
        if library(a) != arithmetic.library:
            raise TypeError(
                f"{name} is a {library(a)} array, but the right-hand side is a "
                f"{arithmetic.library} array; convert one of them"
            )
        there = device(a)
        if None not in (there, arithmetic.device) and there != arithmetic.device:
            raise ValueError(
                f"{name} is on device {there}, but the right-hand side is on "
                f"{arithmetic.device}; move one of them"
            )
        return DenseOperator(checks.matrix(a, name), arithmetic)
    if hasattr(a, "matvec") and hasattr(a, "shape"):
        adjoint = getattr(a, "rmatvec", None)
        matvec = a.matvec
        if hasattr(a, "matmat"):
            matvec = _over_stacks(matvec, a.matmat)
            adjoint = adjoint and _over_stacks(adjoint, a.rmatmat)
        return FunctionOperator(matvec, a.shape, arithmetic, adjoint, name)
    if callable(a):
        if size is None:
            raise ValueError(f"{name} is a function, so its size must be given")
        return FunctionOperator(a, (size, size), arithmetic, name=name)
    if isinstance(a, (list, tuple, np.ndarray)):
        return DenseOperator(checks.matrix(a, name), arithmetic)
    raise TypeError(
        f"{name} must be a matrix, a sparse matrix, a LinearOperator or a function, "
        f"got {type(a).__name__}"
    )
