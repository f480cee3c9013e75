"""FOSSILS and iterative sketching: heavy-ball methods for sketched least squares."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core.result import Status
from linalg_ml._core.solve import Method
from linalg_ml._core.verdict import every, host

_ROUNDINGS = 4.0  # of the backward error that FOSSILS comes down to
_NEGLIGIBLE = 20.0  # roundings by which the authors let y change at the end
_NOTHING = 0.05  # roundings: where steps are that small, x is as good as it gets
_STEADY = 0.7  # a change that did not fall below this part of the last has hit rounding


class LeastSquaresMethod(Method):
    """What the methods share: the backward error as the residual."""

    criterion = "relative backward error (sketched Karlson-Walden estimate)"
    default_maxiter = 200

    def scale(self, problem, arithmetic):
        """Return 1: the residual is relative."""
        return problem.scale()

    def targets(self, problem, arithmetic):
        """Return the default tolerance, and a last step that changed no more than rounding."""
        return {"residual": self.tolerance(arithmetic) * problem.scale(), "change": _NOTHING}

    def tolerance(self, arithmetic):
        """Return the backward error that a forward stable method is sure to reach."""
        return 30 * arithmetic.unit_roundoff**0.5

    def measure(self, problem, state, arithmetic, exact):
        """Return the backward error of x: recomputed if ``exact``; and the last change."""
        if exact:
            x = problem.output(self.solution(problem, state))
            r, g = problem.residual(x, exact=True)
            error = problem.backward_error(x, problem.norm(r), g, closely=True) * problem.scale()
        else:
            error = self.known_error(problem, state)
        return {"residual": error, "change": state.change}

    def patience(self, problem, arithmetic):
        """Give up after 60 steps without progress: as many as a round of FOSSILS may need."""
        return 0, 60 // self.check_every

    def verify(self, problem, state, arithmetic):
        """Report SINGULAR where directions were left out."""
        return Status.SINGULAR if problem.is_singular else None

    def finish(self, problem, state, arithmetic):
        """Return x, and what the sketch said of A."""
        extras = {"rank": problem.rank, "condition": problem.condition}
        return problem.solution(self.solution(problem, state)), extras


def relative_change(problem, move, x, r):
    """Return ||move|| over what rounding moves: u (||A|| ||x|| + 0.04 cond(A) ||r||)."""
    norm, u = problem.wide.norm, problem.arithmetic.unit_roundoff
    size = host(norm(problem.scaled(x)))
    noise = problem.largest * size + 0.04 * problem.condition * host(norm(r))
    return host(norm(move)) / (u * noise + np.finfo(float).tiny)


def settle(change, last):
    """Return the change in units of rounding, 0 where it is small and falls no more."""
    stuck = (change <= _NEGLIGIBLE) & (change > _STEADY * last)
    return change * (1 - stuck)


def unsettled(r):
    """Return a large change for each right-hand side; finite, so that progress is seen."""
    return np.full(r.shape[:-1], 1e30) if r.ndim > 1 else 1e30


@dataclass
class DescentState:
    """x and the one before, b - A x and its gradient; the last change over rounding's."""

    x: Any
    before: Any
    r: Any
    g: Any
    change: Any


@dataclass(frozen=True)
class IterativeSketching(LeastSquaresMethod):
    """Iterative sketching with momentum (Epperly, 2024)."""

    def init(self, problem, arithmetic, x0):
        """Start from x0, or the solution of the sketched problem."""
        x = problem.to_x(problem.start()) if x0 is None else problem.enter_start(x0)
        r, g = problem.residual(x)
        return DescentState(x, x, r, g, unsettled(r))

    def step(self, problem, state, arithmetic):
        """x += alpha (R^H R)^-1 A^H r + beta (x - x before)."""
        beta = problem.shape[1] / problem.size
        direction = problem.to_x(problem.gradient_to_y(state.g))
        x = state.x + (1 - beta) ** 2 * direction + beta * (state.x - state.before)
        r, g = problem.residual(x)
        change = settle(relative_change(problem, r - state.r, x, r), state.change)
        return DescentState(x, state.x, r, g, change)

    def known_error(self, problem, state):
        """Return the backward error: all it needs is at hand."""
        return problem.backward_error(state.x, problem.wide.norm(state.r), state.g)

    def solution(self, problem, state):
        """Return x."""
        return state.x


@dataclass
class RefinementState:
    """x = base + W y; r = b - A base, c its whitened gradient; what is known of x."""

    base: Any
    r: Any
    g: Any
    c: Any
    y: Any
    before: Any
    slope: Any  # A^H A W y
    change: Any
    rounds: int


@dataclass(frozen=True)
class Fossils(LeastSquaresMethod):
    """Heavy ball on the whitened normal equations, with refinement (FOSSILS; 2024)."""

    def init(self, problem, arithmetic, x0):
        """Start from x0, or the solution of the sketched problem."""
        x = problem.to_x(problem.start()) if x0 is None else problem.enter_start(x0)
        return self.refine(problem, x, 0)

    def refine(self, problem, x, rounds):
        """Return the state that solves for a correction of x."""
        r, g = problem.residual(x)
        c = problem.gradient_to_y(g)
        zero, change = 0 * c, unsettled(r) if rounds == 0 else host(0 * problem.wide.norm(r))
        return RefinementState(x, r, g, c, zero, zero, 0 * g, change, rounds)

    def step(self, problem, state, arithmetic):
        """y += alpha (c - M y) + beta (y - y before); after the first round, refine."""
        beta = problem.shape[1] / problem.size
        gradient = state.c - problem.gradient_to_y(state.slope)
        move = (1 - beta) ** 2 * gradient + beta * (state.y - state.before)
        y, change = state.y + move, state.change
        if state.rounds == 0:
            change = relative_change(problem, move, state.base, state.r)
            change = settle(change, state.change)
            if every(change <= _NOTHING):
                return self.refine(problem, state.base + problem.to_x(y), 1)
        slope = problem.normal_product(problem.to_x(y))
        return RefinementState(
            state.base, state.r, state.g, state.c, y, state.y, slope, change, state.rounds
        )

    def tolerance(self, arithmetic):
        """Return a few roundings."""
        return _ROUNDINGS * arithmetic.unit_roundoff

    def known_error(self, problem, state):
        """Return the backward error, from the gradient A^H r - A^H A W y."""
        x = self.solution(problem, state)
        return problem.backward_error(x, problem.wide.norm(state.r), state.g - state.slope)

    def solution(self, problem, state):
        """Return x."""
        return state.base + problem.to_x(state.y)

    def refresh(self, problem, state, arithmetic):
        """Go on from x with its true residual."""
        return self.refine(problem, self.solution(problem, state), state.rounds + 1)
