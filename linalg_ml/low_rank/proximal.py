"""Proximal gradient methods for the penalised problem: ISTA and FISTA."""

from dataclasses import dataclass
from typing import Any

from linalg_ml._core.verdict import host
from linalg_ml.low_rank.penalised_method import PenalisedMethod, PenalisedState
from linalg_ml.low_rank.singular_value_thresholding import threshold_singular_values


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
    svd : {"auto", "gram", "qr", "lapack"}
        How singular values are thresholded.
    """

    joint: bool = False
    svd: str = "auto"

    check_every = 5

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
        low, factors = threshold_singular_values(
            state.ahead - gradient, problem.lam_low_rank, arithmetic, self.svd
        )
        change = low - state.low
        uphill = host(problem.xp.sum((state.ahead - low) * change)) > 0
        weight, momentum = (0.0, 1.0) if uphill else _momentum(state.momentum)
        ahead = low if weight == 0 else low + weight * change
        return ProximalState(low, factors, leading=state.leading, ahead=ahead, momentum=momentum)

    def joint_step(self, problem, state, arithmetic):
        """Make a step in L and S."""
        gradient = problem.project(state.ahead + state.sparse_ahead - problem.given)
        sparse = problem.wide.kernels.soft_threshold(
            state.sparse_ahead - 0.5 * gradient, problem.lam_sparse / 2
        )
        low, factors = threshold_singular_values(
            state.ahead - 0.5 * gradient, problem.lam_low_rank / 2, arithmetic, self.svd
        )
        weight, momentum = self.look_ahead(state.momentum)
        ahead, sparse_ahead = low, sparse
        if weight:
            ahead = low + weight * (low - state.low)
            sparse_ahead = sparse + weight * (sparse - state.sparse)
        return ProximalState(
            low,
            factors,
            sparse,
            leading=state.leading,
            ahead=ahead,
            sparse_ahead=sparse_ahead,
            momentum=momentum,
        )

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
