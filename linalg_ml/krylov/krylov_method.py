"""What the Krylov methods share: the residual, its scale, and the front functions' way in."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import on_gpu, to_numpy
from linalg_ml._core.operators import operator
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Result, Status
from linalg_ml._core.solve import Method, check_limits, solve
from linalg_ml._core.verdict import host
from linalg_ml.krylov.linear_system import LinearSystem, check_shape

# What SciPy asks for where the precision can give it.
DEFAULT_RTOL = {"fp64": 1e-5, "fp32": 1e-5, "tf32": 1e-3, "fp16": 1e-2, "bf16": 1e-1}

CHECK_EVERY_ON_GPU = 5


class KrylovMethod(Method):
    """A method for A x = b that keeps x and what it takes for the residual."""

    criterion = "||b - A x||"
    default_rtol = DEFAULT_RTOL
    # What is said of a form that vanishes, or does not fall, is no fault of a solution.
    yields = (Status.BREAKDOWN, Status.SINGULAR, Status.STAGNATED)

    def pose(self, a, b, arithmetic, M):
        """Return the problem that the method solves."""
        return LinearSystem(a, b, arithmetic, M)

    def scale(self, problem, arithmetic):
        """Return ||b||."""
        return problem.scale()

    def measure(self, problem, state, arithmetic, exact):
        """Return the norm of the residual: the recurrence's, or recomputed if ``exact``."""
        if exact:
            return {"residual": problem.exact_residual_norm(self.solution(problem, state))}
        return {"residual": host(self.residual_norm(problem, state)) * problem.factor}

    def solution(self, problem, state):
        """Return x, scaled as the problem is."""
        return state.x

    def finish(self, problem, state, arithmetic):
        """Return x."""
        return problem.output(self.solution(problem, state)), {}

    def refresh(self, problem, state, arithmetic):
        """Start again from x with its true residual."""
        x = self.solution(problem, state)
        return self.restart(problem, arithmetic, x, problem.residual(x))

    def init(self, problem, arithmetic, x0):
        """Start from zero or from x0."""
        return self.restart(problem, arithmetic, *problem.start(x0))

    def patience(self, problem, arithmetic):
        """Give up after n steps without progress, and after 200 in a short format."""
        n = problem.b.shape[-1]
        return 0, max(100, n if arithmetic.unit_roundoff < 1e-6 else min(n, 200))

    def report(self, problem, mask, measures, status):
        """Return ``status`` where the mask is true and more is left than rounding leaves."""
        floor = 10 * problem.arithmetic.unit_roundoff * problem.size
        if mask.ndim == 0:
            return status if mask and measures["residual"] > floor else None
        return where_true(to_numpy(mask) & (measures["residual"] > floor), status)


def where_true(mask, status):
    """Return ``status`` where a mask of the host is true, None elsewhere."""
    if not isinstance(mask, np.ndarray):
        return status if mask else None
    return np.where(mask, np.array(status), np.array(None)) if mask.any() else None


def ratio(numerator, denominator, xp):
    """Return numerator / denominator, 0 where the denominator is not positive; NaN stays."""
    if isinstance(denominator, (float, np.floating)):
        return denominator * 0 if denominator <= 0 else numerator / denominator
    unusable = denominator <= 0
    quotient = numerator / xp.where(unusable, xp.ones_like(denominator), denominator)
    return xp.where(unusable, xp.zeros_like(quotient), quotient)


def choose(mask, one, other, xp):
    """Return ``one`` where the mask is true, else ``other``: numbers, or a vector for each."""
    if isinstance(mask, np.bool_):  # one system of NumPy: no array of one entry, no copy
        return one if mask else other
    if one.ndim > mask.ndim:
        mask = mask[..., None]
    return xp.where(mask, one, other)


@np.errstate(all="ignore")
def solve_linear(method, a, b, *, M, maxiter, steps, precision, **options):
    """Check the arguments that the front functions share, solve, and return the Result."""
    b = checks.array(b, "b")
    if b.ndim < 1:
        raise ValueError("b must have shape (..., n), got shape ()")
    check_limits(
        options["rtol"],
        options["atol"],
        maxiter,
        steps,
        options["check_every"],
        options["callback"],
    )
    arithmetic = Arithmetic(precision, b)
    if 0 in b.shape:
        check_shape(operator(a, arithmetic, size=b.shape[-1]), b, "a")
        return no_unknowns(method, b, arithmetic)
    system = method.pose(a, b, arithmetic, M)
    if maxiter is None and steps is None:
        maxiter = 10 * b.shape[-1]
    if options["check_every"] is options["callback"] is None and not options["history"]:
        options["check_every"] = CHECK_EVERY_ON_GPU if on_gpu(b) else 1
    return solve(method, system, arithmetic, maxiter=maxiter, steps=steps, **options)


def no_unknowns(method, b, arithmetic):
    """Return the Result of systems without unknowns."""
    residual = np.zeros(b.shape[:-1])
    return Result(
        x=b + 0,
        status=Status.CONVERGED,
        nit=0,
        residual=residual if residual.ndim else 0.0,
        criterion="none: there are no unknowns",
        counts=arithmetic.counts,
        precision=str(arithmetic),
        method=method,
        statuses=np.full(residual.shape, Status.CONVERGED) if residual.ndim else None,
    )
