"""Conjugate gradients preconditioned by SSOR, fused and compiled for sparse matrices of NumPy."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_sparse
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Status
from linalg_ml._core.solve import Method, check_limits, solve
from linalg_ml.krylov.cg import cg
from linalg_ml.krylov.krylov_method import DEFAULT_RTOL
from linalg_ml.krylov.ssor_preconditioner import ssor
from linalg_ml.relaxation.block_matrix import BlockMatrix
from linalg_ml.relaxation.csr_matrix import CsrMatrix
from linalg_ml.relaxation.gpu_matrix import GpuMatrix
from linalg_ml.relaxation.grid import GridLaplacian
from linalg_ml.relaxation.preparation import PREPARED, prepare
from linalg_ml.relaxation.sor import check_fit
from linalg_ml.relaxation.sweeping import RelaxationProblem


@dataclass
class SsorCgState:
    """The iterate, its residual, the direction p and q = A p; r^H z and r^H r.

    y is half of the preconditioner's work on r, u a workspace, step is omega / diagonal.
    """

    x: Any
    r: Any
    p: Any
    q: Any
    y: Any
    u: Any
    step: Any
    rz: float = np.inf
    rr: float = 0.0
    broken: bool = False


@dataclass(frozen=True)
class SsorConjugateGradients(Method):
    """Conjugate gradients with the SSOR preconditioner on a prepared sparse matrix."""

    omega: float

    criterion = "||b - A x||"
    default_rtol = DEFAULT_RTOL
    default_maxiter = 10_000
    check_every = 200
    yields = (Status.BREAKDOWN,)

    def init(self, problem, arithmetic, x0):
        """Start from zero or from x0."""
        x = problem.start(x0)
        r = problem.b - problem.matrix.product(x)
        state = self._start(problem, arithmetic, x, r)
        problem.initial = self._residual(problem, state)
        return state

    def _start(self, problem, arithmetic, x, r):
        step = problem.matrix.inverse * problem.matrix.real(self.omega)
        state = SsorCgState(x, r, r * 0, r * 0, np.empty_like(r), np.empty_like(r), step)
        arithmetic.kernels.csr_ssor_cg(problem.matrix, step, state, None)
        return state

    def step(self, problem, state, arithmetic):
        """Make one step."""
        return self.advance(problem, state, arithmetic, 1, None)[0]

    def advance(self, problem, state, arithmetic, steps, target):
        """Step until the target is met, at most ``steps`` times."""
        goal = None if target is None else target / problem.factor
        done = 0
        if not state.broken:
            done = arithmetic.kernels.csr_ssor_cg(problem.matrix, state.step, state, steps, goal)
            done += state.broken  # a step that could not be made was tried all the same
            arithmetic.count("matvecs", done)
            arithmetic.count("preconditions", done)
        return state, done, target is not None and self._residual(problem, state) <= target

    def _residual(self, problem, state):
        return float(np.sqrt(state.rr)) * problem.factor

    def scale(self, problem, arithmetic):
        """Return ||b||, NaN for a matrix with NaN."""
        return problem.norm if problem.exact.is_finite else problem.norm * np.nan

    def measure(self, problem, state, arithmetic, exact):
        """Return the norm of the residual: the recurrence's, or recomputed if ``exact``."""
        if exact:
            return {"residual": problem.exact_residual_norm(state.x)}
        return {"residual": self._residual(problem, state)}

    def stopped(self, problem, state, measures):
        """Report BREAKDOWN and DIVERGED as `ConjugateGradients` does."""
        residual, u = measures["residual"], problem.arithmetic.unit_roundoff
        if state.broken and residual > 10 * u * problem.norm:
            return Status.BREAKDOWN
        return Status.DIVERGED if residual > max(problem.initial, problem.norm) / u else None

    def refresh(self, problem, state, arithmetic):
        """Start again from x with its true residual."""
        r = problem.b - problem.matrix.product(state.x)
        return self._start(problem, arithmetic, state.x, r)

    def finish(self, problem, state, arithmetic):
        """Return x."""
        return problem.output(state.x), {}


class _GridSsor:
    """The preconditioner of a grid: a symmetric red-black sweep from zero."""

    def __init__(self, laplacian, omega):
        self.laplacian, self.omega, self.shape = laplacian, omega, laplacian.shape

    def matvec(self, r):
        sweeps = self.laplacian.under(Arithmetic(None, r))
        b = sweeps.enter(r)
        return sweeps.leave(sweeps.sweep(b, b * 0, self.omega, "symmetric", 1, None)[0])


@np.errstate(all="ignore")
def ssor_cg(
    a,
    b,
    /,
    *,
    omega,
    rtol=None,
    atol=0.0,
    maxiter=None,
    steps=None,
    x0=None,
    precision=None,
    callback=None,
    check_every=None,
    history=False,
):
    """Solve A x = b by conjugate gradients with the SSOR preconditioner.

    Parameters
    ----------
    a : array of shape (n, n) or (..., n, n), sparse matrix, or prepared matrix
        Hermitian positive definite. A full array of any array library, SciPy or CuPy sparse, a
        `GridLaplacian`, or what `relaxation.prepare` made; multicolour ordering is that of the
        preconditioner.
    b : array of shape (..., n)
        One right-hand side, or a stack of them.
    omega : float
        Relaxation parameter between 0 and 2. The best is seldom that of `sor`, and matters less.
    rtol, atol : float, optional
        Stop when ||b - A x|| <= max(rtol ||b||, atol). ``rtol`` is 1e-5 if None; 1e-3 in tf32, 1e-2
        in fp16, 1e-1 in bf16.
    maxiter : int, optional
        Cap on the steps; 10 n if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol and maxiter.
    x0 : array of shape (..., n), optional
        Starting point; zero if None, and where b is zero.
    precision, callback, check_every, history
        As for `cg`.

    Returns
    -------
    Result
        As of `cg`; ``nit`` counts updates of x, as MATLAB's pcg does.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, a diagonal entry is zero, or an argument is out
        of range.

    Notes
    -----
    The preconditioner is Ws = omega / (2 - omega) (D / omega + L) D^-1 (D / omega + U), one forward
    and one backward sweep. For the Poisson equation on a grid of n by n points the best omega
    takes the number of steps from O(n) to O(sqrt(n)). In multicolour ordering omega = 1 is the
    best, and the steps stay O(n): the natural ordering converges several times faster, but runs
    row by row.

    For sparse matrices of NumPy the step is compiled as a whole and reads A one and a half times:
    the backward sweep gives U z, which A z needs (compare Eisenstat, 1981), and A p follows
    p = z + beta p. One system, or one after another with a prepared matrix; stacks and short
    formats go through `cg` with `krylov.ssor`.

    References
    ----------
    O. Axelsson, "A generalized SSOR method", BIT 12, 1972.
    S. C. Eisenstat, "Efficient implementation of a class of preconditioned conjugate gradient
    methods", SIAM J. Sci. Stat. Comput. 2, 1981.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from linalg_ml.relaxation import ssor_cg
    >>> line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(50, 50))
    >>> a, b = scipy.sparse.kronsum(line, line), np.ones(2500)
    >>> [ssor_cg(a, b, omega=omega, rtol=1e-8).nit for omega in (1.0, 1.4, 1.8)]
    [48, 36, 27]
    """
    omega = checks.number(omega, "omega", above=0, below=2)
    b = checks.array(b, "b")
    if b.ndim < 1:
        raise ValueError("b must have shape (..., n), got shape ()")
    options = {
        "rtol": rtol,
        "atol": atol,
        "maxiter": maxiter,
        "steps": steps,
        "x0": x0,
        "callback": callback,
        "check_every": check_every,
        "history": history,
    }
    check_limits(rtol, atol, maxiter, steps, check_every, callback)
    if not isinstance(a, PREPARED):
        if not is_sparse(a) or type(a).__module__.startswith("cupyx"):
            return _by_cg(a, b, omega, precision, options)
        a = prepare(a)
    if isinstance(a, (BlockMatrix, GpuMatrix)):
        raise TypeError(f"a must be prepared with block_size=1 and for the host, got {a!r}")
    check_fit(a, b)
    arithmetic = Arithmetic(precision, b)
    compiled = isinstance(a, CsrMatrix) and arithmetic.name in ("fp64", "fp32")
    if not compiled or b.ndim > 1 or b.size == 0:
        return _by_cg(a, b, omega, precision, options)
    problem = RelaxationProblem(a, b, arithmetic, zero_solves_zero=True)
    if maxiter is None and steps is None:
        options["maxiter"] = 10 * b.size
    return solve(SsorConjugateGradients(omega), problem, arithmetic, **options)


def _by_cg(a, b, omega, precision, options):
    """Solve by `cg` with a preconditioner of its own."""
    if isinstance(a, GridLaplacian):
        return cg(a, b, M=_GridSsor(a, omega), precision=precision, **options)
    if isinstance(a, PREPARED):
        a = a.tocsr() if isinstance(a, CsrMatrix) else a.a
    return cg(a, b, M=ssor(a, omega), precision=precision, **options)
