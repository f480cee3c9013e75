"""Robust PCA of tensors: alternating direction augmented Lagrangian methods on unfoldings."""

import math
from dataclasses import dataclass
from typing import Any

from linalg_ml._core import checks
from linalg_ml._core.solve import Method
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.singular_value_thresholding import (
    SVDS,
    threshold_singular_values,
    truncate_singular_values,
)

_MIXTURE_WEIGHT = 1.5  # from trials with sums of two and three tensors, 5 to 20 % of them wrong


@dataclass
class TensorState:
    """The low-rank parts X_i, E, the multipliers times mu, and the residual."""

    parts: list
    sparse: Any
    duals: list
    mu: float
    residual: float
    nuclear_norms: list
    steps: int = 0


class TensorMethod(Method):
    """What the methods share.

    E also takes up what is not observed, where it costs nothing; so T may be anything there.
    """

    unfoldings = "each"
    criterion = "the larger of the relative primal and dual residuals"
    default_rtol = {"fp64": 1e-5, "fp32": 1e-5, "tf32": 5e-3, "fp16": 5e-3, "bf16": 2e-2}  # noqa: RUF012

    def __post_init__(self):
        checks.number(self.penalty, "penalty", above=0)
        checks.choice(self.svd, SVDS, "svd")

    def scale(self, problem, arithmetic):
        """Return 1: the residuals are relative."""
        return 1.0

    def patience(self, problem, arithmetic):
        """Give up after 300 checks without progress: the residuals go in waves."""
        return 50, 300

    def init(self, problem, arithmetic, x0):
        """Start from E = 0, or from X_i = x0 and the rest in E."""
        low, xp = problem.start(x0), problem.xp
        zeros = xp.zeros_like(problem.data)
        sparse = zeros if low is None else problem.data - low
        parts = [zeros if low is None else low / self.terms(problem)] * problem.order
        mu = self.penalty * problem.deviation
        residual = 0.0 if problem.norm == 0 else 1.0
        return TensorState(parts, sparse, self.no_duals(problem), mu, residual, [])

    def usual_lam(self, shape, unfoldings):
        """Return the weight of the sparse part where none is given."""
        rows, columns = _sides(shape, unfoldings)
        return 1 / math.sqrt(max(*rows, *(columns if len(unfoldings) == 1 else ()), 1))

    def terms(self, problem):
        """Return how many parts sum up to X."""
        return 1

    def no_duals(self, problem):
        """Return multipliers that are zero."""
        return [problem.xp.zeros_like(problem.data)] * problem.order

    def measure(self, problem, state, arithmetic, exact):
        """Return the residual of the last step."""
        return {"residual": state.residual}

    def note(self, problem, state, primal, before):
        """Set the residual from ||X_i + E - T|| and the E before."""
        change, size = problem.size(state.sparse - before), problem.size(before)
        # Where E is and was zero there is nothing to be relative to.
        dual = change / size if size > 0 else float(change > 0)
        state.residual = max(primal / problem.norm if problem.norm else primal, dual)
        state.steps += 1
        return state

    def low(self, problem, state):
        """Return X."""
        return sum(state.parts[1:], state.parts[0]) / problem.order

    def finish(self, problem, state, arithmetic):
        """Return X, E on what is observed, and the objective."""
        sparse, unit = problem.project(state.sparse), problem.unit
        low, objective = self.low(problem, state), self.objective(problem, state, sparse)
        if unit != 1:
            low, sparse = low * unit, sparse * unit
        return low, {"sparse": arithmetic.leave(sparse), "objective": objective * unit}

    def objective(self, problem, state, sparse):
        """Return the sum of the nuclear norms and the weighted norm of E."""
        if not state.nuclear_norms:  # no step was made
            state.nuclear_norms = [
                host(problem.xp.sum(problem.wide.kernels.thin_svd(problem.unfold(part, mode))[1]))
                for mode, part in enumerate(state.parts)
            ]
        norms = sum(state.nuclear_norms)
        if math.isinf(problem.lam):
            return norms
        return norms + problem.lam * host(problem.xp.sum(problem.xp.abs(sparse)))


@dataclass(frozen=True)
class SumOfNuclearNorms(TensorMethod):
    """HoRPCA-S: min sum_i ||X_(i)||_* + lam ||E||_1 such that X + E = T.

    One copy X_i of X for each unfolding, X_i + E = T.

    Parameters
    ----------
    penalty : float
        The step length mu of the multipliers, in standard deviations of T.
    svd : {"auto", "gram", "qr", "lapack", "randomized"}
        How singular values are thresholded.
    unfoldings : {"each", "square"}
        One for each axis, or the square reshaping alone, for which this is principal component
        pursuit.
    """

    penalty: float = 10.0
    svd: str = "auto"
    unfoldings: str = "each"

    def __post_init__(self):
        super().__post_init__()
        checks.choice(self.unfoldings, ("each", "square"), "unfoldings")

    def step(self, problem, state, arithmetic):
        """Make a step: all X_i, E, the multipliers."""
        order, before, data = problem.order, state.sparse, problem.data
        state.nuclear_norms = []
        parts = [
            self.near(problem, state, data - before + dual, mode, arithmetic)
            for mode, dual in enumerate(state.duals)
        ]
        drawn = [dual - part for dual, part in zip(state.duals, parts, strict=True)]
        mean = data + sum(drawn[1:], drawn[0]) / order
        state.sparse = problem.shrink(mean, self.threshold(problem, state) / order)
        rests = [part + state.sparse - data for part in parts]
        state.parts = parts
        state.duals = [dual - rest for dual, rest in zip(state.duals, rests, strict=True)]
        primal = math.hypot(*map(problem.size, rests)) / math.sqrt(order)
        return self.note(problem, state, primal, before)

    def threshold(self, problem, state):
        """Return what E is shrunk by, for one unfolding."""
        return problem.lam * state.mu

    def near(self, problem, state, a, mode, arithmetic):
        """Return the X_i for an argument."""
        low, (_, s, _) = threshold_singular_values(
            problem.unfold(a, mode), state.mu, arithmetic, self.svd, rng=problem.rng
        )
        state.nuclear_norms.append(host(problem.xp.sum(s)))
        return problem.fold(low, mode)


@dataclass(frozen=True)
class RankConstrained(SumOfNuclearNorms):
    """HoRPCA-C: min ||E||_1 such that X + E = T and the unfoldings have the ranks given.

    Not convex. The steps of HoRPCA-S with singular values cut off, and mu that falls.

    Parameters
    ----------
    penalty, svd
        As in `SumOfNuclearNorms`.
    decay : float
        Of mu, every ten steps.
    least : float
        Of mu, as a share of the first.
    """

    decay: float = 0.9
    least: float = 5e-5

    def __post_init__(self):
        super().__post_init__()
        checks.number(self.decay, "decay", above=0, maximum=1)
        checks.number(self.least, "least", minimum=0, maximum=1)

    def step(self, problem, state, arithmetic):
        """Make a step; lower mu after every tenth."""
        state = super().step(problem, state, arithmetic)
        if state.steps % 10 == 0:
            first = self.penalty * problem.deviation
            mu = max(self.decay * state.mu, self.least * first)
            state.duals = [dual * (mu / state.mu) for dual in state.duals]
            state.mu = mu
        return state

    def objective(self, problem, state, sparse):
        """Return the norm of E: nothing is minimised where E is zero on what is observed."""
        return host(problem.xp.sum(problem.xp.abs(sparse)))

    def threshold(self, problem, state):
        """Return what E is shrunk by, for one unfolding."""
        return state.mu

    def near(self, problem, state, a, mode, arithmetic):
        """Return the best approximation of the rank."""
        low, _ = truncate_singular_values(
            problem.unfold(a, mode), problem.ranks[mode], arithmetic, self.svd, rng=problem.rng
        )
        return problem.fold(low, mode)


@dataclass(frozen=True)
class Mixture(TensorMethod):
    """HoRPCA-M: min sum_i ||(X_i)_(i)||_* + lam ||E||_1 such that sum_i X_i + E = T.

    X is a sum of tensors each of which has low rank in one unfolding alone. All X_i take a
    proximal step of length 1 / (K + 1) for K unfoldings, then E and the multipliers follow.

    Parameters
    ----------
    penalty, svd
        As in `SumOfNuclearNorms`.
    """

    penalty: float = 10.0
    svd: str = "auto"

    def usual_lam(self, shape, unfoldings):
        """Return the weight of the sparse part: a nuclear norm counts once for all of X here."""
        rows, columns = _sides(shape, unfoldings)
        return _MIXTURE_WEIGHT / math.sqrt(max(*rows, *columns, 1))

    def terms(self, problem):
        """Return how many parts sum up to X."""
        return problem.order

    def no_duals(self, problem):
        """Return multipliers that are zero."""
        return [problem.xp.zeros_like(problem.data)]

    def low(self, problem, state):
        """Return X."""
        return sum(state.parts[1:], state.parts[0])

    def step(self, problem, state, arithmetic):
        """Make a step."""
        before, (dual,) = state.sparse, state.duals
        length = 1 / (problem.order + 1)
        slope = length * (self.low(problem, state) + before - problem.data - dual)
        parts, state.nuclear_norms = [], []
        for mode, part in enumerate(state.parts):
            low, (_, s, _) = threshold_singular_values(
                problem.unfold(part - slope, mode),
                length * state.mu,
                arithmetic,
                self.svd,
                rng=problem.rng,
            )
            parts.append(problem.fold(low, mode))
            state.nuclear_norms.append(host(problem.xp.sum(s)))
        state.parts = parts
        rest = problem.data - self.low(problem, state)
        state.sparse = problem.shrink(rest + dual, problem.lam * state.mu)
        rest = state.sparse - rest
        state.duals = [dual - rest]
        return self.note(problem, state, problem.size(rest), before)


def _sides(shape, unfoldings):
    """Return the numbers of rows and of columns of all unfoldings."""
    rows = [math.prod(shape[axis] for axis in group) for group in unfoldings]
    return rows, [math.prod(shape) // max(1, size) for size in rows]
