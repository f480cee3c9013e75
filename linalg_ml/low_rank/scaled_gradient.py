"""Scaled gradient descent on the factors of the low-rank part."""

from dataclasses import dataclass
from typing import Any

from linalg_ml._core import checks
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.fixed_rank_method import (
    FixedRankMethod,
    best_of_rank,
    cleared,
    is_trivial,
    largest_singular_value,
)


@dataclass
class FactorState:
    """L = x y^T, and E = P(M - L - S), which is M - L clipped to the bound."""

    x: Any
    y: Any
    bound: float
    rest: Any = None
    residual: float = 0.0


@dataclass(frozen=True)
class ScaledGradient(FixedRankMethod):
    """Gradient steps on the factors, scaled by their inverse Gram matrices.

    Parameters
    ----------
    step_size : float
        Of the gradient steps, between 0 and 1.
    decay : float
        S is M - L shrunk by a threshold that falls by this factor in each step. It must fall no
        faster than L converges, or S takes up what L lacks.
    threshold : float, optional
        The first threshold; the largest entry of L is a good one. None estimates that.
    """

    step_size: float = 0.5
    decay: float = 0.9
    threshold: float | None = None

    def __post_init__(self):
        checks.number(self.step_size, "step_size", above=0, maximum=1)
        checks.number(self.decay, "decay", above=0, below=1)
        if self.threshold is not None:
            checks.number(self.threshold, "threshold", above=0)

    def init(self, problem, arithmetic, x0):
        """Start from the best L of the rank once M is cleared of large entries, or from x0."""
        if is_trivial(problem):
            x, s, yh = problem.no_factors()
            return self.split(problem, FactorState(x, yh.mT, 0.0))
        xp, start = problem.xp, problem.start(x0)
        bound = None if self.threshold is None else problem.in_units(self.threshold)
        if start is None and bound is None:
            m, n = problem.shape
            size = largest_singular_value(problem.data, problem)
            start = cleared(problem, 2 * size / (m * n) ** 0.25)
        elif start is None:
            shrunk = problem.wide.kernels.soft_threshold(problem.data, bound)
            share = problem.observed_count / (problem.shape[0] * problem.shape[1])
            start = (problem.data - shrunk) / share
        u, s, vh = best_of_rank(start, problem, arithmetic)
        root = xp.sqrt(s)[None, :]
        state = FactorState(u * root, vh.mT * root, bound)
        if bound is None:
            state.bound = host(xp.max(xp.abs(self.low(problem, state))))
        return self.split(problem, state)

    def low(self, problem, state):
        """Return x y^T."""
        if not state.x.shape[1]:
            return problem.xp.zeros_like(problem.data)
        enter = problem.arithmetic.enter
        return problem.arithmetic.wide(problem.arithmetic.mm(enter(state.x), enter(state.y.mT)))

    def split(self, problem, state):
        """Compute E and its norm."""
        terms = problem.wide.kernels.huber_terms
        low = self.low(problem, state)
        # With the signs turned g is M - L, clipped.
        state.rest, squares, _, _ = terms(problem.data, low, problem.mask, state.bound)
        state.residual = host(squares) ** 0.5
        return state

    def step(self, problem, state, arithmetic):
        """Make a step."""
        if not state.x.shape[1]:
            return state
        wide, enter, x, y = problem.wide, arithmetic.enter, state.x, state.y
        state.bound = self.decay * state.bound
        state = self.split(problem, state)
        rest = enter(state.rest)
        weight = self.step_size
        if problem.mask is not None:
            weight *= problem.shape[0] * problem.shape[1] / problem.observed_count
        image = arithmetic.wide(arithmetic.mm(rest, enter(y)))
        back = arithmetic.wide(arithmetic.mm(rest.mT, enter(x)))
        state.x = x + weight * _divide(image, y, wide)
        state.y = y + weight * _divide(back, x, wide)
        return state

    def measure(self, problem, state, arithmetic, exact):
        """Return the residual of the constraint, before the last step unless ``exact``."""
        if exact:
            self.split(problem, state)
        return {"residual": state.residual * problem.unit}

    def finish(self, problem, state, arithmetic):
        """Return L, S, and the factors of L."""
        state = self.split(problem, state)
        low = self.low(problem, state)
        sparse = problem.project(problem.data - low) - state.rest
        if not state.x.shape[1]:
            return problem.deliver(low, sparse, problem.no_factors())
        xp, wide = problem.xp, problem.wide
        q1, r1 = xp.linalg.qr(state.x, mode="reduced")
        q2, r2 = xp.linalg.qr(state.y, mode="reduced")
        p, s, qh = wide.kernels.thin_svd(wide.mm(r1, r2.mT))
        return problem.deliver(low, sparse, (wide.mm(q1, p), s, wide.mm(qh, q2.mT)))


def _divide(block, factor, wide):
    """Return B (F^T F)^(-1)."""
    gram = wide.mm(factor.mT, factor)
    return wide.kernels.cholesky_solve(gram, block.mT).mT
