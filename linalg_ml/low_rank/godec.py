"""GoDec: low rank, a given number of entries, and noise."""

from dataclasses import dataclass
from typing import Any

from linalg_ml._core import checks
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.fixed_rank_method import FixedRankMethod, best_of_rank, is_trivial


@dataclass
class GoDecState:
    """L and its factors, S, and by how much L changed."""

    low: Any
    sparse: Any
    factors: Any
    residual: float


@dataclass(frozen=True)
class GoDec(FixedRankMethod):
    """Minimise ||P(M - L - S)||_F over L of the rank and S with few entries, one after the other.

    Parameters
    ----------
    share : float
        How many of the observed entries S may have.
    """

    share: float = 0.05

    criterion = "||L - L before||_F"
    default_rtol = {"fp64": 1e-5, "fp32": 1e-5, "tf32": 2e-3, "fp16": 2e-3, "bf16": 1e-2}  # noqa: RUF012

    def __post_init__(self):
        checks.number(self.share, "share", minimum=0, maximum=1)

    def init(self, problem, arithmetic, x0):
        """Start from S = 0, or the best S for x0."""
        xp = problem.xp
        low = problem.start(x0)
        zeros = xp.zeros_like(problem.data)
        factors = problem.no_factors() if low is None else problem.decompose(low)
        state = GoDecState(zeros if low is None else low, zeros, factors, problem.norm)
        if low is not None or is_trivial(problem):
            state.sparse = self.largest(problem, problem.project(problem.data - state.low))
        if is_trivial(problem):
            state.residual = 0.0
        return state

    def largest(self, problem, rest):
        """Return the entries of largest size, as many as S may have, and as the last of them."""
        xp = problem.xp
        count = round(self.share * problem.observed_count)
        if count == 0:
            return xp.zeros_like(rest)
        size = xp.abs(rest)
        bound = problem.wide.kernels.kth_largest(xp.reshape(size, (-1,)), count)
        return xp.where(size >= bound, rest, xp.zeros_like(rest))

    def step(self, problem, state, arithmetic):
        """Make a step: the best L for S, with L before where nothing is observed, and S for it."""
        if is_trivial(problem):
            return state
        xp = problem.xp
        near = problem.data - state.sparse
        if problem.mask is not None:
            near = xp.where(problem.mask, near, state.low)
        known = state.factors[2]
        previous = known if known.shape[0] == problem.rank else None
        factors = best_of_rank(near, problem, arithmetic, previous)
        low = problem.product(factors)
        sparse = self.largest(problem, problem.project(problem.data - low))
        change = host(problem.wide.frobenius(low - state.low))
        return GoDecState(low, sparse, factors, change)

    def measure(self, problem, state, arithmetic, exact):
        """Return the change of L in the last step."""
        return {"residual": state.residual * problem.unit}

    def finish(self, problem, state, arithmetic):
        """Return L, S, the factors of L and what is left of M."""
        noise = problem.residual(state.low, state.sparse) * problem.unit
        return problem.deliver(state.low, state.sparse, state.factors, noise=noise)
