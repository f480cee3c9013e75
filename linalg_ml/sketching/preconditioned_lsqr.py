"""LSQR preconditioned by the triangular factor of a sketch."""

from dataclasses import dataclass
from typing import Any

from linalg_ml.sketching.least_squares_methods import (
    LeastSquaresMethod,
    relative_change,
    settle,
    unsettled,
)


@dataclass
class LsqrState:
    """x = base + W y; the last vectors and rotation of the bidiagonalisation of A W."""

    base: Any
    r: Any
    y: Any
    u: Any
    v: Any
    w: Any
    alpha: Any
    phi: Any
    rho: Any
    change: Any


@dataclass(frozen=True)
class PreconditionedLsqr(LeastSquaresMethod):
    """LSQR (Paige and Saunders, 1982) on A R^-1 (Blendenpik; Avron, Maymounkov, Toledo, 2010)."""

    check_every = 4  # a check costs as much as a step

    def init(self, problem, arithmetic, x0):
        """Start from x0, or the solution of the sketched problem."""
        x = problem.to_x(problem.start()) if x0 is None else problem.enter_start(x0)
        return self.restart(problem, x)

    def restart(self, problem, x):
        """Return the state that bidiagonalises from b - A x."""
        r, g = problem.residual(x)
        u, phi = unit(problem, r)
        v, alpha = unit(problem, problem.gradient_to_y(g) / positive(problem, phi)[..., None])
        return LsqrState(x, r, 0 * v, u, v, v, alpha, phi, alpha, unsettled(r))

    def step(self, problem, state, arithmetic):
        """Bidiagonalise one step further, rotate, and update y."""
        xp = problem.wide.xp
        u = problem.matvec(problem.to_x(state.v)) - state.alpha[..., None] * state.u
        u, beta = unit(problem, u)
        v = problem.gradient_to_y(problem.rmatvec(u)) - beta[..., None] * state.v
        v, alpha = unit(problem, v)
        rho = xp.hypot(state.rho, beta)
        safe = positive(problem, rho)
        c, s = state.rho / safe, beta / safe
        theta, next_rho = s * alpha, -c * alpha
        move = (c * state.phi / safe)[..., None] * state.w
        w = v - (theta / safe)[..., None] * state.w
        change = settle(relative_change(problem, move, state.base, state.r), state.change)
        return LsqrState(
            state.base, state.r, state.y + move, u, v, w, alpha, s * state.phi, next_rho, change
        )

    def known_error(self, problem, state):
        """Return the backward error, computed: LSQR knows its residuals by name only."""
        x = self.solution(problem, state)
        r, g = problem.residual(x)
        return problem.backward_error(x, problem.wide.norm(r), g)

    def solution(self, problem, state):
        """Return x."""
        return state.base + problem.to_x(state.y)

    def refresh(self, problem, state, arithmetic):
        """Start again from x with its true residual."""
        return self.restart(problem, self.solution(problem, state))


def positive(problem, value):
    """Return the value, 1 where it is 0."""
    return problem.wide.xp.where(value != 0, value, problem.wide.xp.ones_like(value))


def unit(problem, x):
    """Return x / ||x|| and ||x||; 0 stays 0."""
    norm = problem.wide.norm(x)
    return x / positive(problem, norm)[..., None], norm
