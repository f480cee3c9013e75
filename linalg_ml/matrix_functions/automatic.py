"""The method "auto": planned polynomials, after a rational step where that pays, or the SVD."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from typing import Any

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_traced
from linalg_ml._core.solve import Method
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.matrix_functions.direct_methods import SvdPolar
from linalg_ml.matrix_functions.gram_form import gram_step
from linalg_ml.matrix_functions.gram_method import GramIteration, GramState
from linalg_ml.matrix_functions.odd_polynomials import check_degree
from linalg_ml.matrix_functions.polynomial_methods import PolarExpress, grid, row
from linalg_ml.matrix_functions.product_costs import product_costs
from linalg_ml.matrix_functions.rational_methods import apply_function
from linalg_ml.matrix_functions.rational_weights import qdwh_function
from linalg_ml.matrix_functions.schedules import minimax_schedule

__all__ = ["PlannedPolar", "choose_automatically"]

_SAFETY = 1e-3
_MARGIN = 1.06  # what the estimate of sigma_max may be too small by
# Degrees that take singular values above a bound to one, the cheapest first, as `plan` finds them
# with the costs of products on a CPU: to 1e-14, and to 3e-8. Below all bounds, steps of degree 5
# come first.
_DEGREES = {
    "full": (
        (0.94, (5, 5)),
        (0.76, (5, 9)),
        (0.52, (9, 9)),
        (0.24, (3, 9, 9)),
        (0.15, (5, 9, 9)),
        (0.1, (3, 3, 9, 9)),
        (0.06, (3, 5, 9, 9)),
        (0.04, (5, 5, 9, 9)),
    ),
    "half": (
        (0.88, (3, 5)),
        (0.7, (5, 5)),
        (0.46, (5, 9)),
        (0.28, (9, 9)),
        (0.2, (3, 5, 9)),
        (0.12, (3, 9, 9)),
        (0.07, (5, 9, 9)),
        (0.05, (3, 5, 5, 9)),
    ),
}
_LEAST_RATIONAL = 0.005  # a Halley step for less than this is better done by QR
# Time of a Cholesky factorisation, of two triangular solves and of an SVD, in general products of
# the same order, on a CPU.
_FACTOR, _SOLVES = 0.5, 1.4
_SVD = {"fp64": 13.0, "fp32": 23.0}
_SVD_SMALL, _SVD_WIDE = 2000.0, 6.0  # over the order, and for each further column per row
# Up to this order and aspect an SVD takes less time on a CPU than to look which method is best.
_SVD_AT_ONCE = 144, 2.0


@dataclass(frozen=True)
class Automatic(Method):
    """Stand for the method that `choose_automatically` will choose."""


@dataclass
class PlannedState(GramState):
    """As for polynomials, with the rational function of the first step, if there is one."""

    function: Any = None


@dataclass(frozen=True)
class PlannedPolar(GramIteration):
    """A Halley step by Cholesky factorisation, if wanted, then polynomials of given degrees.

    Parameters
    ----------
    degrees : sequence of int
        Degrees of the minimax polynomials; Newton-Schulz steps of the last degree follow.
    rational : int or None
        The step, counted from 0, that is a dynamically weighted Halley step: the first (0), or
        one after polynomials of the first ``rational`` degrees.
    gram : bool
        Whether the polynomials after the Halley step are computed on the Gram matrix, which is
        cheaper for wide matrices; without such a step all are.
    """

    degrees: tuple[int, ...]
    rational: int | None = None
    gram: bool = False

    def __post_init__(self):
        object.__setattr__(self, "degrees", tuple(map(check_degree, self.degrees)))
        if not self.degrees:
            raise ValueError("degrees must hold at least one odd degree, got none")
        if self.rational is not None:
            checks.count(self.rational, "rational", minimum=0)
            if self.rational > len(self.degrees):
                raise ValueError(
                    f"rational must be at most the number of degrees, {len(self.degrees)}, "
                    f"got {self.rational}"
                )

    def init(self, problem, arithmetic, x0):
        """Scale the matrix, and design for the interval of its singular values."""
        if self.rational == 0:  # a rational function is harmless just above its interval
            lower, headroom = problem.interval("estimate") / _MARGIN, _MARGIN
            x, square = problem.start("estimate", headroom)
        else:
            lower = problem.lower
            x, square = problem.start("schatten", 1.0 + _SAFETY)
        rows, function = _design(grid(lower), self.degrees, self.rational)
        if problem.steps is None:
            problem.settled_after = len(rows) + 6
        return PlannedState(x, square, rows, function=function)

    def step(self, problem, state, arithmetic):
        """Apply the next polynomial, or the rational function."""
        before = self.rational is not None and state.step < self.rational
        done = self.rational is not None and state.step > self.rational
        square, factor = None, None
        if state.step == self.rational:
            f, upper = state.function
            exact = problem.exact
            x = exact.enter(arithmetic.wide(state.x)) / upper
            known = None if state.square is None else state.square / (upper * upper)
            x = arithmetic.enter(apply_function(f, x, known, exact, by_qr_below=0.0))
        elif self.gram and not before:
            x, square = state.x, state.square
            if square is None:
                square = arithmetic.gram(x)
            coefficients = row(state.rows, state.step - done)
            factor, square = gram_step(state.factor, square, coefficients, arithmetic)
        else:
            x = problem.apply(state.x, row(state.rows, state.step - done), state.square)
        return PlannedState(
            x, square, state.rows, state.step + 1, state.distance, factor, function=state.function
        )


@lru_cache(maxsize=256)
def _design(lower, degrees, rational):
    """Return the polynomials as one schedule, and the rational function with its upper end."""
    if rational is None:
        return minimax_schedule(lower, degree=degrees, safety=_SAFETY), None
    before, l, upper = (), lower, 1.0
    if rational:
        first = minimax_schedule(lower, degree=degrees[:rational], safety=_SAFETY)
        before, (l, upper) = first.coefficients, first.intervals()[-1]
    f = qdwh_function(l / upper)
    if rational < len(degrees):
        last = minimax_schedule(f(l / upper), degree=degrees[rational:], safety=_SAFETY)
        rows = before + last.coefficients
    else:
        rows = before
    return Schedule(rows, lower=lower, upper=1.0, name="planned"), (f, upper)


def weighs(a, arithmetic, steps):
    """Return whether there is a choice.

    In short formats, with a number of steps or under a trace the answer is Polar Express.
    """
    return steps is None and not is_traced(a) and arithmetic.name in _SVD


def decomposes_at_once(a, arithmetic, steps):
    """Return whether A is so small that its SVD is taken without a look at it."""
    small, large = sorted(a.shape[-2:])
    order, aspect = _SVD_AT_ONCE
    return (
        weighs(a, arithmetic, steps)
        and a.ndim == 2
        and not arithmetic.on_gpu
        and small <= order
        and large <= aspect * small
    )


def choose_automatically(problem, arithmetic, rtol):
    """Return the cheapest sound method for a `PolarProblem`, by what is known of its spectrum.

    Considered are planned polynomials, the same with a Halley step by Cholesky factorisation, and
    the SVD, in whose place Polar Express stands on a GPU.
    """
    name = arithmetic.name
    m, n = problem.unit.shape[-2:]
    aspect = n / m
    costs = product_costs(arithmetic, m)
    best, least = SvdPolar(), inf
    if not arithmetic.on_gpu:
        least = _SVD[name] + _SVD_SMALL / m + _SVD_WIDE * (aspect - 1)
    if not problem.reliable:  # so ill-conditioned that a quick look saw nothing
        if least < inf:
            return best
        problem.learn(*problem.extremes())
        return PolarExpress()
    goal = "half" if name == "fp32" or (rtol is not None and rtol >= 1e-7) else "full"
    degrees = _degrees(grid(problem.lower), goal)  # the interval that will be designed for
    found = [(costs.direct(degrees, aspect), PlannedPolar(degrees))]
    if not arithmetic.on_gpu:
        lower, before = grid(problem.interval("estimate") / _MARGIN), ()
        if lower < _LEAST_RATIONAL:
            lower, before = _raised(grid(problem.lower))
        f = qdwh_function(lower)
        after = _degrees(f(lower), goal)
        price = costs.direct(before, aspect) + costs.gram * aspect + _FACTOR + _SOLVES * aspect
        method = PlannedPolar((*before, *after), rational=len(before))
        found.append((price + costs.direct(after, aspect), method))
        found.append((price + costs.in_gram_form(after, aspect), replace(method, gram=True)))
    cost, method = min(found, key=lambda pair: pair[0])
    return method if cost < least else best


def _degrees(lower, goal):
    """Return degrees that take [lower, 1] to one."""
    table, before = _DEGREES[goal], ()
    while lower < table[-1][0]:
        lower, before = _after_quintic(lower), (*before, 5)
    return before + next(degrees for bound, degrees in table if lower >= bound)


def _raised(lower):
    """Return the ratio that a Halley step can take, and the degrees that lead there."""
    steps = 0
    while lower < _LEAST_RATIONAL:
        lower, steps = _after_quintic(lower), steps + 1
    return lower, (5,) * steps


@lru_cache(maxsize=1024)
def _after_quintic(lower):
    """Return the ratio of the ends of [lower, 1] after the best polynomial of degree 5."""
    low, high = minimax_schedule(grid(lower), 1, safety=_SAFETY).intervals()[-1]
    return low / high
