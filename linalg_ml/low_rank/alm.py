"""Principal component pursuit by augmented Lagrangians: inexact, exact, and with fixed mu."""

from dataclasses import dataclass
from typing import Any

from linalg_ml._core import checks
from linalg_ml._core.solve import Method
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.singular_value_thresholding import (
    SVDS,
    refine_factors,
    spectral_norm,
    threshold_singular_values,
)

_LARGEST_GROWTH = 1e7  # of mu, as in the published code


@dataclass
class AlmState:
    """Where an iteration stands.

    ``argument`` is what the last L was thresholded from, so that mu (argument - L) are the
    multipliers of the methods that update S first; ``dual`` are the multipliers over mu of the
    others. ``ratio`` is mu before over mu now, ``used_mu`` what L was thresholded with.
    """

    data: Any
    low: Any
    sparse: Any
    mu: float
    largest_mu: float
    argument: Any = None
    dual: Any = None
    factors: Any = None
    ratio: float = 1.0
    used_mu: float = 0.0
    residual: float | None = None
    settled: bool = True
    updates: int = 0


class PursuitMethod(Method):
    """What the methods share: the start, the residual and the answer."""

    formulation = "pursuit"
    criterion = "||P(M - L - S)||_F"
    default_rtol = {"fp64": 1e-7, "fp32": 1e-6, "tf32": 2e-3, "fp16": 2e-3, "bf16": 1e-2}  # noqa: RUF012

    def __post_init__(self):
        checks.number(self.growth, "growth", minimum=1)
        if self.penalty is not None:
            checks.number(self.penalty, "penalty", above=0)
        checks.choice(self.svd, SVDS, "svd")

    def scale(self, problem, arithmetic):
        """Return ||P M||_F."""
        return problem.norm * problem.unit

    def patience(self, problem, arithmetic):
        """Give up after 50 checks without progress."""
        return 20, 50

    def measure(self, problem, state, arithmetic, exact):
        """Return the residual of the constraint."""
        if state.residual is None:
            kernels = problem.wide.kernels
            squares = host(kernels.rest_squares(state.data, state.low, state.sparse, problem.mask))
            state.residual = problem.unit * squares**0.5
        return {"residual": state.residual}

    def shrink(self, problem, state, arithmetic):
        """Return L and its factors from the argument in the state."""
        state.used_mu = state.mu
        previous = state.factors[2] if state.factors is not None else None
        return threshold_singular_values(
            state.argument,
            1 / state.mu,
            arithmetic,
            self.svd,
            rng=problem.rng,
            previous=previous,
            both=False,
        )

    def raise_mu(self, state):
        """Raise mu by the factor ``growth``, and note that the multipliers were updated."""
        before = state.mu
        state.mu = min(before * self.growth, state.largest_mu)
        state.ratio = before / state.mu
        state.updates += 1

    def multipliers(self, problem, state):
        """Return Y, whose spectral norm is at most 1 up to rounding."""
        return state.used_mu * (state.argument - state.low)

    def lower_bound(self, problem, state):
        """Return <M, Y> for a Y with ||Y||_2 <= 1 and |Y| <= lam, near the multipliers."""
        if not state.used_mu:
            return 0.0
        xp, lam = problem.xp, problem.lam
        y = problem.project(self.multipliers(problem, state))
        y = y - problem.wide.kernels.soft_threshold(y, lam)
        return host(xp.sum(state.data * y)) / max(1.0, spectral_norm(y, problem.wide))

    def finish(self, problem, state, arithmetic):
        """Return L; S, the factors of L, the objective and a bound on it, multiplier updates."""
        low, sparse, factors = state.low, state.sparse, state.factors
        if factors is None:
            factors = problem.decompose(low)
        u, s, vh = refine_factors(low, factors, arithmetic)
        unit = problem.unit
        return problem.deliver(
            low,
            sparse,
            (u, s, vh),
            objective=unit * problem.objective(s, sparse),
            lower_bound=unit * self.lower_bound(problem, state),
            multiplier_updates=state.updates,
        )


@dataclass(frozen=True)
class AugmentedLagrangian(PursuitMethod):
    """The inexact augmented Lagrangian method: S, then L, then the multipliers, mu growing.

    Parameters
    ----------
    growth : float
        Of mu after each step. Less makes more steps that end nearer to the minimum.
    penalty : float
        The first mu, times ||M||_2.
    svd : {"auto", "gram", "qr", "lapack", "randomized"}
        How singular values are thresholded.
    """

    growth: float = 1.5
    penalty: float = 1.25
    svd: str = "auto"

    def init(self, problem, arithmetic, x0):
        """Start from zero or x0, with the multipliers M / max(||M||_2, max |M| / lam)."""
        state = start(problem, x0)
        state.argument, state.mu = scaled_start(problem, state, self.penalty)
        state.largest_mu = _LARGEST_GROWTH * state.mu
        return state

    def step(self, problem, state, arithmetic):
        """Make a step: the multipliers of the step before, S, and L."""
        self.split(problem, state)
        state.low, state.factors = self.shrink(problem, state, arithmetic)
        state.residual = None
        self.raise_mu(state)
        return state

    def split(self, problem, state):
        """Update S and the argument of the thresholding."""
        mu_then = state.mu
        state.argument, state.sparse = problem.wide.kernels.split_entries(
            state.argument, state.low, state.data, problem.mask, state.ratio, problem.lam / mu_then
        )


@dataclass(frozen=True)
class ExactAugmentedLagrangian(AugmentedLagrangian):
    """The exact augmented Lagrangian method: S and L in turn until they settle.

    Only then are the multipliers updated and mu is raised. A step is one update of S and L.

    Parameters
    ----------
    inner_rtol : float
        S and L have settled once L changes by less than this share of ||M||_F in a step.
    """

    growth: float = 6.0
    penalty: float = 0.5
    inner_rtol: float = 1e-6

    def __post_init__(self):
        super().__post_init__()
        checks.number(self.inner_rtol, "inner_rtol", minimum=0)

    def patience(self, problem, arithmetic):
        """Go on to maxiter: the residual falls only where S and L have settled."""
        return None

    def step(self, problem, state, arithmetic):
        """Make a step; update the multipliers first where S and L had settled."""
        wide = problem.wide
        if state.settled:
            state.dual = state.ratio * (state.argument - state.low)
            state.dual = problem.project(state.dual)
        before = state.low
        shifted = state.data - before + state.dual
        sparse = problem.project(wide.kernels.soft_threshold(shifted, problem.lam / state.mu))
        state.sparse = sparse
        state.argument = before + problem.project(shifted - sparse)
        state.low, state.factors = self.shrink(problem, state, arithmetic)
        change = host(wide.frobenius(state.low - before))
        state.settled = change <= self.inner_rtol * problem.norm
        state.residual = None
        if state.settled:
            self.raise_mu(state)
        return state


@dataclass(frozen=True)
class AlternatingDirections(PursuitMethod):
    """The alternating direction method: L, then S, then the multipliers.

    Parameters
    ----------
    growth : float
        Of mu after each step; 1 keeps it fixed, which converges to the minimum itself.
    penalty : float, optional
        The first mu, times ||M||_2. None takes mn / (4 ||M||_1), with multipliers that start at
        zero; otherwise they start as those of the inexact augmented Lagrangian method.
    svd : {"auto", "gram", "qr", "lapack", "randomized"}
        How singular values are thresholded.
    """

    growth: float = 1.0
    penalty: float | None = None
    svd: str = "auto"

    def patience(self, problem, arithmetic):
        """Go on to maxiter: with a fixed mu the residual goes in waves, and slowly in the end."""
        return None if self.growth == 1 else super().patience(problem, arithmetic)

    def init(self, problem, arithmetic, x0):
        """Start from S = 0, or the S that belongs to x0."""
        state = start(problem, x0)
        xp = problem.xp
        if self.penalty is None:
            size = host(xp.sum(xp.abs(state.data)))
            state.mu = problem.observed_count / (4 * size) if size > 0 else 1.0
            state.dual = xp.zeros_like(state.data)
        else:
            argument, state.mu = scaled_start(problem, state, self.penalty)
            state.dual = argument - state.low
        state.largest_mu = _LARGEST_GROWTH * state.mu
        if x0 is not None:
            self.split(problem, state)
        else:
            state.argument = problem.project(state.data + state.dual)
        return state

    def step(self, problem, state, arithmetic):
        """Make a step: L, then S and the multipliers."""
        state.low, state.factors = self.shrink(problem, state, arithmetic)
        self.split(problem, state)
        state.residual = None
        return state

    def multipliers(self, problem, state):
        """Return Y."""
        return state.mu * state.dual

    def split(self, problem, state):
        """Update S, the multipliers, mu and the argument of the next thresholding."""
        shifted = state.data - state.low + state.dual
        bound = problem.lam / state.mu
        state.sparse = problem.project(problem.wide.kernels.soft_threshold(shifted, bound))
        clipped = problem.project(shifted - state.sparse)
        self.raise_mu(state)
        # data - S + U where something is observed, L elsewhere.
        known = (1 + state.ratio) * clipped - problem.project(state.dual)
        state.argument = state.low + known
        state.dual = state.ratio * clipped


def start(problem, x0):
    """Return a state with L = x0 or 0 and S = 0."""
    xp = problem.xp
    data = xp.reshape(xp.reshape(problem.data, (-1,)), problem.shape)  # rows one after another
    low = problem.start(x0)
    zeros = xp.zeros_like(data)
    return AlmState(data, zeros if low is None else low, zeros, 1.0, 1.0)


def scaled_start(problem, state, penalty):
    """Return L + Y / mu with Y = M / max(||M||_2, max |M| / lam), and mu = penalty / ||M||_2."""
    xp = problem.xp
    size = spectral_norm(state.data, problem.arithmetic)
    if size == 0:
        return state.low + state.data, penalty
    largest = host(xp.max(xp.abs(state.data)))
    dual_norm = max(size, largest / problem.lam)
    mu = penalty / size
    return state.low + state.data * (1 / (dual_norm * mu)), mu
