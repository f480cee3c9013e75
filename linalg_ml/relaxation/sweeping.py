"""Successive over-relaxation as a method of the loop, and the system it solves."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import dtype_name, namespace
from linalg_ml._core.result import Status
from linalg_ml._core.solve import Method
from linalg_ml._core.units import beside, largest_exponent, power_of_two
from linalg_ml._core.verdict import host
from linalg_ml.krylov.krylov_method import DEFAULT_RTOL
from linalg_ml.relaxation.adaptive import improved, stage

# Norms of b that are left as they are, by precision; others are scaled to about 1.
_SAFE = {"fp64": (1e-120, 1e120), "fp32": (1e-15, 1e15), "tf32": (1e-15, 1e15)}
# Sweeps without a gain of one hundredth after which there is no hope; more where omega is near 2,
# since the residual may first grow for some multiples of 1 / (2 - omega) sweeps.
_PATIENCE, _HUMP, _PROGRESS = 2000, 20, 0.99
# The residual is noise below so many units of u ||D x|| / (2 - omega), and its rate tells nothing.
_NOISE = 4


class RelaxationProblem:
    """A x = b with a prepared matrix.

    Where the squares of b could overflow or vanish, and always in a short format, the sweeps see
    each b divided by a power of two, which rounds nothing.
    """

    def __init__(self, matrix, b, arithmetic, relative_to="rhs", zero_solves_zero=False):
        self.relative_to, self.arithmetic = relative_to, arithmetic
        self.zero_solves_zero = zero_solves_zero  # then x0 is left where b is zero
        exact, self.factor = arithmetic, 1.0
        if arithmetic.dtype != b.dtype or arithmetic.name != "fp64":
            double = matrix.home == "numpy" or dtype_name(b) in ("float64", "complex128")
            exact = arithmetic.switch("fp64", b) if double else arithmetic.at_least_fp32(b)
        entered = exact.enter(b)
        self.norm = host(exact.norm(entered))
        low, high = _SAFE.get(arithmetic.name, (1.0, 1.0))
        sizes = np.asarray(self.norm)
        sizes = sizes[(sizes > 0) & (sizes < np.inf)]
        if sizes.size and not low < sizes.min() <= sizes.max() < high:
            self.factor = power_of_two(self.norm, largest_exponent(exact.name))
            entered = entered / beside(self.factor, entered)
        self._exact_arithmetic = exact
        self.matrix = self.exact = matrix.under(arithmetic)
        if exact is arithmetic:
            self.b = self.exact_b = self.matrix.enter(entered)
        else:
            self.exact = matrix.under(exact)
            self.exact_b = self.exact.enter(entered)
            self.b = self.matrix.enter(arithmetic.enter(entered))
        self.initial = None

    def start(self, x0):
        """Return where the sweeps start."""
        if x0 is None:
            return self.b * 0
        x0 = checks.array(x0, "x0")
        checks.same_home(b=self.b, x0=x0)
        n = self.matrix.shape[-1]
        shape = (*self.norm.shape, n) if hasattr(self.norm, "shape") else (n,)
        checks.same_shape(x0, shape, "x0")
        if self.is_scaled:
            x0 = x0 / beside(self.factor, x0)
        if self.zero_solves_zero:
            xp = namespace(x0)
            x0 = xp.where(beside(self.norm, x0) == 0, xp.zeros_like(x0), x0)
        return self.matrix.enter(self.arithmetic.enter(x0))

    @property
    def is_scaled(self):
        """Say whether the sweeps see another right-hand side than the caller's."""
        return type(self.factor) is not float or self.factor != 1

    def rounding_floor(self, x):
        """Return u ||D x||, about what rounding x leaves of ||b - A x||."""
        wide = self.arithmetic.wide
        size = host(self.arithmetic.norm(self.matrix.times_diagonal(wide(x))))
        return self._scaled(self.arithmetic.unit_roundoff * size)

    def residual_norm(self, x):
        """Return ||b - A x|| as the sweeps see it."""
        return self._scaled(self.matrix.residual_norm(self.b, x))

    def exact_residual_norm(self, x):
        """Return ||b - A x|| for A and b as the caller gave them."""
        if self.exact is not self.matrix:
            x = self._exact_arithmetic.enter(self.arithmetic.leave(x))
        return self._scaled(self.exact.residual_norm(self.exact_b, x))

    def _scaled(self, norm):
        return norm if type(norm) is float and not self.is_scaled else host(norm) * self.factor

    def output(self, x):
        """Return x in the ordering and the type of the caller."""
        x = self.arithmetic.leave(self.matrix.leave(x))
        return x * beside(self.factor, x) if self.is_scaled else x


@dataclass
class SweepState:
    """The iterate, and what is known of the way to it.

    Attributes
    ----------
    x : array
    residual : float, array or None
        Its residual norm, where it was computed.
    omega : float
    since, before : int, float
        Sweeps made with this omega; the residual norm where the rate is measured from.
    made : int
    best, best_at : float, int
        The least residual norm, up to 1 %, and after how many sweeps it was seen.
    """

    x: Any
    residual: Any
    omega: float
    since: int = 0
    before: Any = None
    made: int = 0
    best: Any = None
    best_at: Any = 0


@dataclass(frozen=True)
class Sor(Method):
    """Successive over-relaxation.

    ``omega`` is a number or "adaptive"; "young" has become a number before.
    """

    omega: float | str = 1.0
    sweep: str = "forward"

    criterion = "||b - A x||"
    default_rtol = DEFAULT_RTOL
    default_maxiter = 100_000

    def init(self, problem, arithmetic, x0):
        """Start from zero or from x0."""
        x = problem.start(x0)
        problem.initial = problem.norm if x0 is None else problem.exact_residual_norm(x)
        omega = 1.0 if self.omega == "adaptive" else self.omega
        return SweepState(x, problem.initial, omega, best=problem.initial)

    def step(self, problem, state, arithmetic):
        """Make one sweep."""
        return self.advance(problem, state, arithmetic, 1, None)[0]

    def advance(self, problem, state, arithmetic, steps, target):
        """Sweep until the target is met, at most ``steps`` times."""
        made, met = 0, False
        goal = None if target is None else target / problem.factor
        while made < steps and not met:
            ahead = steps - made
            if self.omega == "adaptive":
                ahead = min(ahead, self._next_look(state) - state.since)
            done, residual = self._sweeps(problem, state, ahead, goal)
            made, state.since = made + done, state.since + done
            state.residual = None if target is None else float(residual) * problem.factor
            met = target is not None and not target < state.residual < np.inf
            if self.omega == "adaptive" and not met:
                self._look(problem, state)
        state.made += made
        arithmetic.count("sweeps", made)
        return state, made, met

    def _sweeps(self, problem, state, steps, target):
        """Make at most so many sweeps; return how many, and the residual norm."""
        state.x, done, residual = problem.matrix.sweep(
            problem.b, state.x, state.omega, self.sweep, steps, target
        )
        return done, residual

    def _next_look(self, state):
        """Return the number of sweeps with this omega after which the residual is of interest."""
        length, last = stage(state.omega)
        return length - last if state.since < length - last else length

    def _look(self, problem, state):
        """Learn from the rate of convergence at the end of a stage."""
        length, last = stage(state.omega)
        if state.since not in (length - last, length):
            return
        residual = state.residual
        if residual is None:
            residual = problem.residual_norm(state.x)
        if state.since < length:
            state.before = residual
            return
        if residual <= _NOISE / (2 - state.omega) * problem.rounding_floor(state.x):
            state.since = 0
            return
        rate = (residual / state.before) ** (1 / last) if state.before > 0 else 0.0
        state.omega, state.since = improved(state.omega, rate), 0

    def scale(self, problem, arithmetic):
        """Return the norm of b, or of the residual at the start; NaN for a matrix with NaN."""
        scale = problem.norm if problem.relative_to == "rhs" else problem.initial
        finite = problem.exact.is_finite
        if type(finite) is bool:
            return scale if finite else scale * np.nan
        return np.where(finite, scale, np.nan)

    def measure(self, problem, state, arithmetic, exact):
        """Return the norm of the residual."""
        if exact:
            return {"residual": problem.exact_residual_norm(state.x)}
        if state.residual is None:
            state.residual = problem.residual_norm(state.x)
        return {"residual": state.residual}

    def stopped(self, problem, state, measures):
        """Report DIVERGED where the residual has grown beyond repair, STAGNATED without progress.

        What has grown by 1 / sqrt(u) has left half of the digits behind.
        """
        residual = measures["residual"]
        growth = max(1e4, problem.arithmetic.unit_roundoff**-0.5)
        patience = _PATIENCE + _HUMP / (2 - state.omega)
        if type(residual) is float:
            if residual < _PROGRESS * state.best:
                state.best, state.best_at = residual, state.made
            if residual > growth * max(problem.initial, problem.norm):
                return Status.DIVERGED
            return Status.STAGNATED if state.made - state.best_at > patience else None
        better = residual < _PROGRESS * state.best
        state.best = np.where(better, residual, state.best)
        state.best_at = np.where(better, state.made, state.best_at)
        fates = np.full(residual.shape, None)
        fates[state.made - state.best_at > patience] = Status.STAGNATED
        fates[residual > growth * np.maximum(problem.initial, problem.norm)] = Status.DIVERGED
        return fates if any(fate is not None for fate in fates.flat) else None

    def finish(self, problem, state, arithmetic):
        """Return x, and the last omega."""
        return problem.output(state.x), {"omega": state.omega}
