"""Proximal gradient methods for the penalised problem: ISTA and FISTA."""

from dataclasses import dataclass
from typing import Any

from linalg_ml._core import checks
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.penalised_method import PenalisedMethod, PenalisedState
from linalg_ml.low_rank.singular_value_thresholding import (
    SVDS,
    refine_factors,
    threshold_singular_values,
)


@dataclass
class ProximalState(PenalisedState):
    """Where the iteration stands, and where the gradient is taken next."""

    ahead: Any = None
    sparse_ahead: Any = None
    momentum: float = 1.0


@dataclass(frozen=True)
class Fista(PenalisedMethod):
    """Accelerated proximal gradient steps.

    Parameters
    ----------
    joint : bool
        Take steps in L and S together, with the Lipschitz constant 2, as the method is usually
        compared with. Otherwise S is eliminated: steps in L alone on a sum of Huber functions,
        whose gradient has the Lipschitz constant 1, with a restart of the momentum where it
        points uphill.
    svd : {"auto", "gram", "qr", "lapack", "randomized"}
        How singular values are thresholded, see `threshold_singular_values`.
    """

    joint: bool = False
    svd: str = "auto"

    check_every = 5

    def __post_init__(self):
        checks.choice(self.svd, SVDS, "svd")

    def init(self, problem, arithmetic, x0):
        """Start from zero, or from x0 and the best S for it."""
        low = problem.start(x0)
        if low is None:
            low = problem.xp.zeros_like(problem.given)
            sparse = low if self.joint else None
        else:
            sparse = problem.sparse(low) if self.joint else None
        return ProximalState(low, None, sparse, ahead=low, sparse_ahead=sparse)

    def step(self, problem, state, arithmetic):
        """Make a gradient step and shrink, then look ahead."""
        return (self.joint_step if self.joint else self.reduced_step)(problem, state, arithmetic)

    def reduced_step(self, problem, state, arithmetic):
        """Make a step in L alone."""
        gradient = problem.huber(state.ahead)[0]
        point = state.ahead - gradient
        low, factors = self.threshold(problem, state, point, problem.lam_low_rank, arithmetic)
        change = low - state.low
        uphill = host(problem.xp.sum((state.ahead - low) * change)) > 0
        weight, momentum = (0.0, 1.0) if uphill else _momentum(state.momentum)
        ahead = low if weight == 0 else low + weight * change
        return ProximalState(low, factors, checked=state.checked, ahead=ahead, momentum=momentum)

    def joint_step(self, problem, state, arithmetic):
        """Make a step in L and S."""
        gradient = problem.project(state.ahead + state.sparse_ahead - problem.given)
        sparse = problem.wide.kernels.soft_threshold(
            state.sparse_ahead - 0.5 * gradient, problem.lam_sparse / 2
        )
        point = state.ahead - 0.5 * gradient
        low, factors = self.threshold(problem, state, point, problem.lam_low_rank / 2, arithmetic)
        weight, momentum = self.look_ahead(state.momentum)
        ahead, sparse_ahead = low, sparse
        if weight:
            ahead = low + weight * (low - state.low)
            sparse_ahead = sparse + weight * (sparse - state.sparse)
        return ProximalState(
            low,
            factors,
            sparse,
            checked=state.checked,
            ahead=ahead,
            sparse_ahead=sparse_ahead,
            momentum=momentum,
        )

    def threshold(self, problem, state, point, threshold, arithmetic):
        """Return the matrix with its singular values shrunk, and its factors."""
        previous = None if state.factors is None else state.factors[2]
        return threshold_singular_values(
            point, threshold, arithmetic, self.svd, rng=problem.rng, previous=previous
        )

    def objective(self, problem, state, squares, sparse_norm, exact):
        """Return f at L and S, from singular values as good as L if ``exact``."""
        if exact and state.factors is not None:
            state.factors = refine_factors(state.low, state.factors, problem.wide)
        return super().objective(problem, state, squares, sparse_norm, exact)

    def look_ahead(self, momentum):
        """Return the weight of the last change, and the next momentum."""
        return _momentum(momentum)


@dataclass(frozen=True)
class Ista(Fista):
    """Proximal gradient steps in L and S together, without acceleration."""

    joint: bool = True

    def look_ahead(self, momentum):
        """Return no weight for the last change."""
        return 0.0, momentum


def _momentum(t):
    following = (1 + (1 + 4 * t * t) ** 0.5) / 2
    return (t - 1) / following, following
