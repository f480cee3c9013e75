"""Accelerated alternating projections on matrices of a given rank and on sparse ones."""

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
class ProjectionState:
    """L = u diag(s) v^T, S through its threshold, and M - S, with L where that is unknown."""

    low: Any
    u: Any
    s: Any
    v: Any
    bound: float
    near: Any = None
    residual: float = 0.0
    steps: int = 0


@dataclass(frozen=True)
class AlternatingProjections(FixedRankMethod):
    """Project M - S on the tangent space at L, then on rank r; keep the large rest as S.

    Parameters
    ----------
    decay : float
        The threshold of S falls by this factor in each step, to what the singular values beyond
        the rank ask for. Less is faster; more withstands more outliers.
    scale_sparse, scale_start : float, optional
        The threshold is scale_sparse (s_(r+1) + decay^t s_1), and scale_start ||M||_2 at the
        start. None takes 1 / (2 (m n)^(1/4)) and four times as much.
    """

    decay: float = 0.7
    scale_sparse: float | None = None
    scale_start: float | None = None

    default_maxiter = 200

    def __post_init__(self):
        checks.number(self.decay, "decay", above=0, below=1)
        for name in ("scale_sparse", "scale_start"):
            if getattr(self, name) is not None:
                checks.number(getattr(self, name), name, above=0)

    def init(self, problem, arithmetic, x0):
        """Start from the best L of the rank once the largest entries are left out, or from x0."""
        xp = problem.xp
        if is_trivial(problem):
            zeros = xp.zeros_like(problem.data)
            u, s, vh = problem.no_factors()
            return self.keep(problem, ProjectionState(zeros, u, s, vh.mT, -1.0))
        beta, beta_start = self.scales(problem)
        start = problem.start(x0)
        if start is None:
            size = largest_singular_value(problem.data, problem)
            start = cleared(problem, beta_start * size)
        u, s, vh = best_of_rank(start, problem, arithmetic)
        low = problem.product((u, s, vh))
        bound = beta * (host(s[0]) if s.shape[0] else 0.0)
        return self.keep(problem, ProjectionState(low, u, s, vh.mT, bound))

    def scales(self, problem):
        """Return the factors of the thresholds."""
        m, n = problem.shape
        beta = self.scale_sparse or 0.5 / (m * n) ** 0.25
        return beta, self.scale_start or 4 * beta

    def keep(self, problem, state):
        """Split M - L into S and the rest."""
        terms = problem.wide.kernels.keep_close
        state.near, squares = terms(problem.data, state.low, problem.mask, state.bound)
        state.residual = host(squares) ** 0.5
        return state

    def step(self, problem, state, arithmetic):
        """Make a step."""
        if is_trivial(problem) or not state.s.shape[0]:
            return state
        wide, xp, enter = problem.wide, problem.xp, arithmetic.enter
        u, v, near = state.u, state.v, enter(state.near)
        image = arithmetic.wide(arithmetic.mm(near, enter(v)))  # Z V
        back = arithmetic.wide(arithmetic.mm(near.mT, enter(u)))  # Z^T U
        middle = wide.mm(u.mT, image)
        q1, r1 = xp.linalg.qr(_against(v, back, wide), mode="reduced")
        q2, r2 = xp.linalg.qr(_against(u, image, wide), mode="reduced")
        small = xp.concat(
            [
                xp.concat([middle, r1.mT], axis=1),
                xp.concat([r2, xp.zeros_like(middle)], axis=1),
            ],
            axis=0,
        )
        p, s, qh = wide.kernels.thin_svd(small)
        rank = state.s.shape[0]
        u = wide.mm(xp.concat([u, q2], axis=1), p[:, :rank])
        v = wide.mm(xp.concat([v, q1], axis=1), qh.mT[:, :rank])
        state.u, state.s, state.v = u, s[:rank], v
        low = arithmetic.mm(enter(u * state.s[None, :]), enter(v.mT))
        state.low, state.steps = arithmetic.wide(low), state.steps + 1
        following = s[rank] if s.shape[0] > rank else 0.0
        beta = self.scales(problem)[0]
        state.bound = beta * (host(following) + self.decay**state.steps * host(s[0]))
        return self.keep(problem, state)

    def measure(self, problem, state, arithmetic, exact):
        """Return the residual of the constraint."""
        return {"residual": state.residual * problem.unit}

    def finish(self, problem, state, arithmetic):
        """Return L, S, and the factors of L."""
        xp, rest = problem.xp, problem.data - state.low
        large = problem.project(xp.where(xp.abs(rest) > state.bound, rest, xp.zeros_like(rest)))
        return problem.deliver(state.low, large, (state.u, state.s, state.v.mT))


def _against(q, w, wide):
    """Return W - Q Q^T W, twice for orthogonality to rounding."""
    for _ in range(2):
        w = w - wide.mm(q, wide.mm(q.mT, w))
    return w
