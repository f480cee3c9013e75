"""The preconditioner of symmetric successive over-relaxation."""

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, is_sparse, library, namespace
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.krylov.preconditioner import Preconditioner, nonzero_diagonal, square_matrix


class SsorPreconditioner(Preconditioner):
    """One forward and one backward sweep of SOR, from zero.

    Attributes
    ----------
    omega : float
    """

    def __init__(self, a, omega):
        diagonal = nonzero_diagonal(a)
        super().__init__(a, library(diagonal))
        self.omega = omega
        self._diagonal = diagonal
        self._lower, self._upper = strict_triangles(a)

    def _convert(self, x):
        diagonal = astype(self._diagonal, x.dtype)
        pivots = diagonal / self.omega
        middle = diagonal * ((2 - self.omega) / self.omega)
        if is_sparse(self._lower):
            return self._lower.astype(x.dtype), pivots, middle, self._upper.astype(x.dtype)
        eye = namespace(x).eye(self.shape[-1], dtype=x.dtype, device=x.device)
        lower, upper = (astype(part, x.dtype) for part in (self._lower, self._upper))
        on_diagonal = eye * pivots[..., None]
        return lower + on_diagonal, None, middle, upper + on_diagonal

    def _apply(self, converted, x):
        lower, pivots, middle, upper = converted
        kernel = kernels(self._home)
        if pivots is None:
            y = middle * kernel.solve_triangular(lower, x, lower=True)
            return kernel.solve_triangular(upper, y, lower=False)
        y = middle * kernel.csr_solve_lower(lower, pivots, x)
        return kernel.csr_solve_upper(upper, pivots, y)


def strict_triangles(a):
    """Return the parts of a matrix below and above its diagonal."""
    if not is_sparse(a):
        xp = namespace(a)
        return xp.tril(a, k=-1), xp.triu(a, k=1)
    if type(a).__module__.startswith("cupyx"):  # not run on a GPU yet
        from cupyx.scipy.sparse import tril, triu
    else:
        from scipy.sparse import tril, triu
    return tril(a, -1, format="csr"), triu(a, 1, format="csr")


def ssor(a, /, omega=1.0):
    """Make the preconditioner of symmetric successive over-relaxation (SSOR).

    Parameters
    ----------
    a : array of shape (..., n, n) or sparse matrix
        Hermitian positive definite for `cg` and `minres`; of any array library, SciPy or CuPy
        sparse.
    omega : float
        Relaxation parameter, between 0 and 2; 1 gives symmetric Gauss-Seidel.

    Returns
    -------
    Preconditioner
        For the argument ``M`` of the Krylov solvers, here and in SciPy. Applying it costs about
        as much as a product with ``a``; the two triangular solves run row by row, so they do not
        gain from a GPU.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not a square matrix or has a zero on its diagonal, or ``omega`` is out of
        range.

    Notes
    -----
    With A = D + L + U the preconditioner is the inverse of
    W = omega / (2 - omega) (D / omega + L) D^-1 (D / omega + U),
    rows in their natural order: a forward sweep of SOR from zero, then a backward sweep. For the
    Poisson equation on a grid of n by n points the best omega is near 2 / (1 + sin(pi / n)) and
    takes the condition number from O(n^2) to O(n); iterations depend on it little.

    References
    ----------
    O. Axelsson, "A generalized SSOR method", BIT 12, 1972.
    D. M. Young, "Iterative Solution of Large Linear Systems", 1971.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import cg, krylov
    >>> a = 2 * np.eye(50) - np.eye(50, k=1) - np.eye(50, k=-1)
    >>> b = np.ones(50)
    >>> cg(a, b).nit, cg(a, b, M=krylov.ssor(a, 1.9)).nit
    (25, 5)
    """
    omega = checks.number(omega, "omega", above=0, below=2)
    return SsorPreconditioner(square_matrix(a), omega)
