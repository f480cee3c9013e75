"""What a preconditioner is, and the simplest one: division by the diagonal."""

from linalg_ml._core import checks
from linalg_ml._core.namespace import (
    astype,
    is_sparse,
    is_traced,
    library,
    namespace,
    to_numpy,
)


class Preconditioner:
    """An approximation of the inverse of a matrix, applied by ``matvec``.

    Attributes
    ----------
    shape : tuple (..., n, n)
    dtype : dtype of the matrix it was made from

    Notes
    -----
    The result of ``matvec`` has the dtype of the vector. scipy.sparse.linalg takes these objects
    as ``M`` too, through ``aslinearoperator``, whose ``matmat`` passes one column after another.
    """

    def __init__(self, a, home):
        self.shape, self.dtype = tuple(a.shape), a.dtype
        self._home = home
        self._in_dtype = {}  # what is applied, in the dtype of each kind of vector that came

    def matvec(self, x):
        """Return the approximate A^-1 x for x of shape (..., n), or a column (n, 1) as in SciPy."""
        self.check_home(x)
        if tuple(x.shape) == (*self.shape[-1:], 1) != (1, 1):
            return self.matvec(x[:, 0])[:, None]
        if x.shape[-1:] != self.shape[-1:]:
            raise ValueError(
                f"x must have shape (..., {self.shape[-1]}), got shape {tuple(x.shape)}"
            )
        dtype = str(x.dtype)
        if dtype not in self._in_dtype:
            self._in_dtype[dtype] = self._convert(x)
        return self._apply(self._in_dtype[dtype], x)

    def check_home(self, x):
        """Raise unless x is an array of the library the preconditioner was made for."""
        if library(x) != self._home:
            raise TypeError(
                f"this preconditioner was made from a {self._home} matrix, "
                f"but meets a {library(x)} array; convert one of them"
            )

    def _convert(self, x):
        """Return what `_apply` needs, in the dtype of x."""
        raise NotImplementedError

    def _apply(self, converted, x):
        raise NotImplementedError

    def __repr__(self):
        return f"<{type(self).__name__} of shape {self.shape} for {self._home} arrays>"


class JacobiPreconditioner(Preconditioner):
    """Division by the diagonal of the matrix."""

    def __init__(self, a, diagonal):
        super().__init__(a, library(diagonal))
        self._diagonal = diagonal

    def _convert(self, x):
        return 1.0 / astype(self._diagonal, x.dtype)

    def _apply(self, converted, x):
        return converted * x


def jacobi(a, /):
    """Make the Jacobi preconditioner of a matrix: division by its diagonal.

    Parameters
    ----------
    a : array of shape (..., n, n) or sparse matrix
        Of any array library; SciPy or CuPy sparse.

    Returns
    -------
    Preconditioner
        For the argument ``M`` of the Krylov solvers, here and in SciPy. Applying it costs n
        multiplications.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not a square matrix, or has a zero on its diagonal.

    Notes
    -----
    Among diagonal preconditioners of a Hermitian positive definite matrix it is optimal up to a
    factor: the largest number of entries in a row. Where the diagonal is constant it changes
    nothing.

    References
    ----------
    A. van der Sluis, "Condition numbers and equilibration of matrices", Numer. Math. 14, 1969.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import cg, krylov
    >>> a = np.diag([1.0, 10.0, 100.0, 1000.0])
    >>> a[0, 1] = a[1, 0] = 0.5
    >>> b = np.ones(4)
    >>> cg(a, b, rtol=1e-8).nit, cg(a, b, M=krylov.jacobi(a), rtol=1e-8).nit
    (4, 3)
    """
    a = square_matrix(a)
    return JacobiPreconditioner(a, nonzero_diagonal(a))


def square_matrix(a):
    """Return a square dense array, or a sparse matrix as CSR of floating point."""
    if not is_sparse(a):
        return checks.square(a, "a")
    if len(a.shape) != 2 or a.shape[0] != a.shape[1]:
        raise ValueError(f"a must have shape (n, n), got shape {tuple(a.shape)}")
    return a.tocsr() if a.dtype.kind in "fc" else a.tocsr().astype(float)


def nonzero_diagonal(a):
    """Return the diagonal, or raise a ValueError that names the first zero on it."""
    diagonal = a.diagonal() if is_sparse(a) else namespace(a).linalg.diagonal(a)
    if is_traced(diagonal):
        return diagonal
    zeros = (to_numpy(diagonal) == 0).nonzero()[-1]
    if zeros.size:
        raise ValueError(f"a must have no zero on its diagonal, but row {zeros[0]} has one")
    return diagonal
