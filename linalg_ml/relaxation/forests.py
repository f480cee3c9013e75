"""Linear systems whose graph is a forest, solved by elimination from the leaves."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_sparse, library
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Result, Status
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.relaxation.block_partitions import as_graph


@np.errstate(all="ignore")
def solve_forest(a, b, /):
    """Solve A x = b exactly in O(n) where the graph of the symmetric A has no cycle.

    Parameters
    ----------
    a : sparse matrix of shape (n, n), or NumPy array
        Real symmetric; nodes i and j are joined where a_ij is not zero. Positive definite, for
        the elimination without pivoting to be stable.
    b : NumPy array of shape (n,)

    Returns
    -------
    Result
        ``x`` of shape (n,) and the dtype of ``b``; ``residual`` is ||b - A x||. BREAKDOWN where
        a pivot is zero, STAGNATED where the residual is not at rounding level: A is indefinite.

    Raises
    ------
    ValueError
        If the graph has a cycle, naming an edge that closes one; if A is not symmetric.
    TypeError
        If the arguments are not real NumPy arrays or SciPy sparse matrices.

    Notes
    -----
    Each tree is rooted; d = diag(A), h = b. From the leaves to the roots, d_p -= a_up^2 / d_u and
    h_p -= a_up h_u / d_u for a node u and its parent p; from the roots to the leaves,
    x_u = (h_u - a_up x_p) / d_u. This is message passing (belief propagation) on the forest, done
    once. It takes about 6 n operations and 3 n numbers.

    References
    ----------
    J. Nutini, I. Laradji, M. Schmidt, "Let's Make Block Coordinate Descent Converge Faster:
    Faster Greedy Rules, Message-Passing, Active-Set Complexity, and Superlinear Convergence",
    JMLR 23, 2022. arXiv:1712.08859

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.relaxation import solve_forest
    >>> star = np.array([[4.0, 1, 1, 1], [1, 2, 0, 0], [1, 0, 2, 0], [1, 0, 0, 2]])
    >>> result = solve_forest(star, star @ np.array([1.0, 2.0, 3.0, 4.0]))
    >>> result.x.round(12)
    array([1., 2., 3., 4.])
    >>> result.converged
    True
    """
    b = checks.array(b, "b")
    if library(b) != "numpy":
        raise TypeError(f"b must be a NumPy array, got a {library(b)} array")
    if b.ndim != 1:
        raise ValueError(f"b must have shape (n,), got shape {b.shape}")
    arithmetic = Arithmetic(None, b)
    if arithmetic.is_complex:
        raise TypeError("b must be real, got a complex array")
    if not is_sparse(a) and library(checks.square(a, "a")) != "numpy":
        raise TypeError(f"a must be a NumPy array or a SciPy sparse matrix, got {library(a)}")
    a = as_graph(a)
    if a.dtype.kind == "c":
        raise TypeError("a must be real, got a complex matrix")
    if a.shape[0] != b.size:
        raise ValueError(f"a must have shape ({b.size}, {b.size}) to match b, got {a.shape}")
    difference = abs(a - a.T)
    eps = 2 * arithmetic.unit_roundoff
    if difference.nnz and difference.max() > 10 * eps * abs(a).max():
        raise ValueError(f"a must be symmetric, but max |a - a.T| = {difference.max():.3g}")
    a.data = a.data.astype(arithmetic.dtype, copy=False)
    x, closing = kernels("numpy").forest_solve(a, np.arange(b.size), arithmetic.enter(b))
    if closing is not None:
        raise ValueError(
            f"the graph of a must be a forest, but the edge ({closing[0]}, {closing[1]}) closes "
            "a cycle; choose nodes by grow_forest or tree_partition"
        )
    residual = float(np.linalg.norm(arithmetic.enter(b) - a @ x))
    return Result(
        x=arithmetic.leave(x),
        status=_judge(a, b, x, residual, eps),
        nit=1,
        residual=residual,
        criterion="||b - A x|| at rounding level",
        counts={"unknowns": b.size},
        precision=str(arithmetic),
        method="elimination from the leaves",
    )


def _judge(a, b, x, residual, eps):
    """Return the status of x."""
    if not (np.all(np.isfinite(a.data)) and np.all(np.isfinite(b))):
        return Status.NONFINITE_INPUT
    if not np.all(np.isfinite(x)):
        return Status.BREAKDOWN
    size = np.linalg.norm(abs(a) @ np.abs(x)) + np.linalg.norm(b)
    return Status.CONVERGED if residual <= 100 * eps * size else Status.STAGNATED
