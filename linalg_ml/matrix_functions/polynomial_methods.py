"""The polynomial methods: which schedule each follows, and the one iteration they share."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from linalg_ml._core import checks
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.matrix_functions.iterated_method import IteratedMethod
from linalg_ml.matrix_functions.iteration import warn_if_unsafe
from linalg_ml.matrix_functions.odd_polynomials import (
    check_degree,
    evaluate,
    newton_schulz_polynomial,
)
from linalg_ml.matrix_functions.planner import SAFETY, plan
from linalg_ml.matrix_functions.schedules import (
    chen_chow_schedule,
    minimax_schedule,
    schedule,
    shortest_schedule,
)

_PATIENCE = 12  # checks in which a singular value drowned by rounding can still come up
_POLISHED_FROM = 0.01  # the error from which the limit polynomial converges as fast as any
_CONVERGED = 5e-15  # an error that leaves nothing to polish


@dataclass
class PolynomialState:
    """The iterate X, its square if that is known, the steps made and what comes next."""

    x: Any
    square: Any
    rows: Schedule
    step: int = 0
    distance: Any = None  # of the square from I, at the last check

    def coefficients(self):
        """Return the coefficients of the next polynomial."""
        return row(self.rows, self.step)


class PolynomialMethod(IteratedMethod):
    """X <- p_t(X) for t = 1, 2, ..., with the p_t of ``schedule_for``."""

    default_maxiter = 1000
    normalization = "schatten"  # how the matrix is scaled: "schatten", "frobenius" or "aol"
    keeps_signs = True  # whether rounding cannot turn the sign of a singular value on the way

    def init(self, problem, arithmetic, x0):
        """Scale the matrix into the interval of the schedule."""
        problem.doubtful = not self.keeps_signs
        lower = problem.interval(self.normalization)
        rows = self.schedule_for(lower, arithmetic.name, problem.steps)
        warn_if_unsafe(rows, arithmetic.name)
        x, square = problem.start(self.normalization, 1.0 + rows.safety)
        if problem.steps is None:
            problem.settled_after = _settling_time(rows, min(lower, problem.resolved)) + 4
        return PolynomialState(x, square, rows)

    def step(self, problem, state, arithmetic):
        """Apply the next polynomial."""
        x = problem.apply(state.x, state.coefficients(), state.square)
        return PolynomialState(x, None, state.rows, state.step + 1, state.distance)

    def measure(self, problem, state, arithmetic, exact):
        """Return the distance of the square from I; ``exact`` adds what the input tells."""
        if exact:
            return problem.exact_measures(state.x)
        if state.square is None:
            state.square = problem.square(state.x, arithmetic)
        return problem.cheap_measures(state.x, state.square)

    def patience(self, problem, arithmetic):
        """Wait until the smallest singular value has had time to come up."""
        return problem.settled_after, _PATIENCE

    def stopped(self, problem, state, measures):
        """Give up on a matrix that is zero, that blew up, or that is singular and stuck."""
        before, state.distance = state.distance, measures["orthogonality"]
        idle = state.distance <= problem.default_targets().get("orthogonality", 0.0)
        if before is not None and state.step >= problem.settled_after:
            idle = idle | (state.distance > 0.9 * before)
        return problem.hopeless(idle, state.distance)


def row(rows, step):
    """Return the coefficients of step 0, 1, ..., beyond the end of the schedule too."""
    if step < len(rows):
        return rows.coefficients[step]
    if rows.after == "limit":
        return newton_schulz_polynomial(rows.degrees[-1])
    return rows.coefficients[-1 if rows.after == "repeat" else step % len(rows)]


def _settling_time(rows, lower):
    """Return the steps after which the schedule has taken ``lower`` past one half."""
    x = lower
    for step in range(PolynomialMethod.default_maxiter):
        if x > 0.5:
            return max(step, len(rows))
        x = evaluate(row(rows, step), x)
    return PolynomialMethod.default_maxiter


@dataclass(frozen=True)
class PolarExpress(PolynomialMethod):
    """The minimax-optimal polynomials, stabilised by a safety factor and a cushion.

    Parameters
    ----------
    degree : int, optional
        Odd degree of every polynomial, 3 to 13. None lets `linalg_ml.plan` choose one for each
        step in fp64, without a fixed number of steps; it is 5 otherwise.
    safety : float, optional
        Headroom for rounding; None takes 0.01 in 16-bit formats and TF32, 0.001 otherwise.
    cushion : float, optional
        Least contrast each polynomial is designed for; None takes the value for its degree.
    """

    degree: int | None = 5
    safety: float | None = None
    cushion: float | None = None

    def __post_init__(self):
        if self.degree is not None:
            check_degree(self.degree)
        for name in ("safety", "cushion"):
            if (value := getattr(self, name)) is not None:
                checks.number(value, name, minimum=0, below=1)

    def schedule_for(self, lower, precision, steps):
        """Design for the interval and, if it is known, the number of steps."""
        safety = SAFETY[precision] if self.safety is None else self.safety
        if self.degree is None and precision == "fp64" and not steps:
            # Made for all the steps to convergence, with next to no rounding error allowed.
            return plan(
                (1, 1),
                grid(lower),
                _CONVERGED,
                precision,
                safety=self.safety,
                cushion=self.cushion,
                harmless=0.0,
            )
        degree = self.degree or 5
        if steps:
            return minimax_schedule(
                grid(lower), steps, degree=degree, safety=safety, cushion=self.cushion
            )
        return _shortest(lower, degree, safety, self.cushion)


@dataclass(frozen=True)
class Cans(PolynomialMethod):
    """The minimax-optimal polynomials as they are (CANS): fastest where nothing is rounded.

    Parameters
    ----------
    degree : int
        Odd degree of every polynomial, 3 to 13.
    """

    degree: int = 5
    keeps_signs = False  # some values are sent close to zero

    def __post_init__(self):
        check_degree(self.degree)

    def schedule_for(self, lower, precision, steps):
        """Design for the interval, without safety and without cushion."""
        if steps:
            return minimax_schedule(grid(lower), steps, degree=self.degree, safety=0.0, cushion=0.0)
        return _shortest(lower, self.degree, 0.0, 0.0)


@dataclass(frozen=True)
class NewtonSchulz(PolynomialMethod):
    """The Newton-Schulz polynomial (the Taylor polynomial at one) in every step.

    Parameters
    ----------
    degree : int
        Odd degree, 3 to 13.
    """

    degree: int = 5

    def __post_init__(self):
        check_degree(self.degree)

    def schedule_for(self, lower, precision, steps):
        """Repeat one polynomial."""
        return Schedule(
            (newton_schulz_polynomial(self.degree),),
            lower=lower,
            upper=1.0,
            name="newton-schulz",
            source="Taylor polynomial",
            after="repeat",
        )


@dataclass(frozen=True)
class ChenChow(PolynomialMethod):
    """Scaled Newton-Schulz of degree 3, without centring (Chen and Chow, 2014)."""

    keeps_signs = False  # the largest value is sent close to zero

    def schedule_for(self, lower, precision, steps):
        """Scale for the interval."""
        if steps:
            return chen_chow_schedule(lower, steps)
        enough = 4 + math.ceil(-math.log(lower) / math.log(2.5))
        made = chen_chow_schedule(lower, enough)
        near = next((t for t, e in enumerate(made.errors(), 1) if e < _POLISHED_FROM), enough)
        return made.take(near)


@dataclass(frozen=True)
class FixedSchedule(PolynomialMethod):
    """The polynomials of a given schedule, with the scaling it was made for.

    Parameters
    ----------
    schedule : Schedule
        A published list, see `linalg_ml.schedule`, or one of your own.
    """

    schedule: Schedule
    keeps_signs = False  # nobody vouches for it

    def __post_init__(self):
        checks.instance(self.schedule, Schedule, "schedule")

    def schedule_for(self, lower, precision, steps):
        """Take the schedule as it is."""
        return self.schedule

    @property
    def normalization(self):
        """What the schedule was made for."""
        return self.schedule.normalization


def _shortest(lower, degree, safety, cushion):
    return _shortest_on_grid(grid(lower), degree, safety, cushion)


def grid(lower):
    """Round down to a multiple of 2^(1/4), so that like matrices share one schedule."""
    return min(lower, 2.0 ** (math.floor(4 * math.log2(lower)) / 4))


@lru_cache(maxsize=256)
def _shortest_on_grid(lower, degree, safety, cushion):
    return shortest_schedule(lower, _POLISHED_FROM, degree=degree, safety=safety, cushion=cushion)


METHODS = {
    "polar-express": PolarExpress,
    "newton-schulz": NewtonSchulz,
    "jordan": lambda: FixedSchedule(schedule("jordan")),
    "you": lambda: FixedSchedule(schedule("you")),
    "cesista": lambda: FixedSchedule(schedule("cesista")),
    "cans": Cans,
    "chen-chow": ChenChow,
    "turbo": lambda: FixedSchedule(schedule("turbo")),
}
WITH_DEGREE = ("polar-express", "newton-schulz", "cans")
