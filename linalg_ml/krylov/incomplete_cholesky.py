"""The preconditioner of incomplete Cholesky factorisation without fill, IC(0)."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_sparse, library
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.krylov.preconditioner import Preconditioner, nonzero_diagonal, square_matrix
from linalg_ml.krylov.ssor_preconditioner import strict_triangles


class IncompleteCholesky(Preconditioner):
    """Two triangular solves with the incomplete factor L of A ~ L L^H.

    Attributes
    ----------
    lower : sparse matrix (n, n)
        L below its diagonal.
    pivots : array of shape (n,)
        The diagonal of L.
    """

    def __init__(self, a, lower, pivots):
        super().__init__(a, library(pivots))
        self.lower, self.pivots = lower, pivots
        self._upper = lower.conj().T.tocsr()

    def _convert(self, x):
        parts = (self.lower, self.pivots, self._upper)
        return tuple(part.astype(x.dtype) for part in parts)

    def _apply(self, converted, x):
        lower, pivots, upper = converted
        kernel = kernels(self._home)
        return kernel.csr_solve_upper(upper, pivots, kernel.csr_solve_lower(lower, pivots, x))


def ic0(a, /, *, shift=0.0):
    """Make the preconditioner of incomplete Cholesky factorisation without fill, IC(0).

    Parameters
    ----------
    a : sparse matrix (n, n)
        Hermitian positive definite; SciPy sparse, or CuPy sparse (factorised on the host). Only
        the entries on and below the diagonal are read.
    shift : float
        Factorise A + shift diag(A) instead: where the factorisation of A breaks down, a small
        shift such as 1e-3 often suffices.

    Returns
    -------
    Preconditioner
        For the argument ``M`` of the Krylov solvers, here and in SciPy. Applying it costs about
        as much as a product with ``a``, row by row: it does not gain from a GPU.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not a square sparse matrix, or has a zero on its diagonal.
    numpy.linalg.LinAlgError
        If a pivot is not positive; the message names its row. This does not happen for
        M-matrices, such as those of Poisson problems.

    Notes
    -----
    L has the sparsity of the lower triangle of A, in its natural ordering, and L L^H agrees with A
    on that sparsity. The factorisation is computed in double precision, whatever the type of
    ``a``, and applied in the precision of the vectors.

    References
    ----------
    J. A. Meijerink, H. A. van der Vorst, "An iterative solution method for linear systems of
    which the coefficient matrix is a symmetric M-matrix", Math. Comp. 31, 1977.
    T. A. Manteuffel, "An incomplete factorization technique for positive definite linear
    systems", Math. Comp. 34, 1980.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from linalg_ml import cg, krylov
    >>> line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(32, 32))
    >>> grid = scipy.sparse.kronsum(line, line).tocsr()
    >>> b = np.random.default_rng(0).standard_normal(32 * 32)
    >>> cg(grid, b).nit, cg(grid, b, M=krylov.ic0(grid)).nit
    (77, 24)
    """
    shift = checks.number(shift, "shift", minimum=0)
    if not is_sparse(a):
        raise TypeError(
            f"a must be a sparse matrix, got {type(a).__name__}: IC(0) of a full matrix is its "
            "Cholesky factorisation"
        )
    a = square_matrix(a)
    on_gpu = type(a).__module__.startswith("cupyx")  # not run on a GPU yet
    host = a.get() if on_gpu else a
    lower, _ = strict_triangles(host)
    lower = lower.astype(np.complex128 if host.dtype.kind == "c" else np.float64)
    pivots = nonzero_diagonal(host).real.astype(np.float64) * (1 + shift)
    row, pivot = kernels("numpy").csr_ic0(lower, pivots)
    if row >= 0:
        raise np.linalg.LinAlgError(
            f"the pivot of row {row} is {pivot:.3g}, not positive: a is not positive definite, or "
            "too far from diagonally dominant; give a (larger) shift"
        )
    if on_gpu:
        import cupy
        from cupyx.scipy.sparse import csr_matrix

        lower, pivots = csr_matrix(lower), cupy.asarray(pivots)
    return IncompleteCholesky(a, lower, pivots)
