"""FW-T: Frank-Wolfe steps for the low-rank part, thresholding for the sparse part."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.result import Status
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.leading_pairs import ORACLES, leading_pairs
from linalg_ml.low_rank.penalised_method import PenalisedMethod, PenalisedState
from linalg_ml.low_rank.rank_one_sum import RankOneSum
from linalg_ml.low_rank.row_blocks import singular_values

STOP_RULES = ("relative", "initial")
_LARGE = 1000  # order from which ||L||_* is found from the terms of L
_CALM_STEPS = 5  # in a row that change the objective by less than eps, to stop


@dataclass
class FrankWolfeState(PenalisedState):
    """With the bounds that FW-T keeps.

    Until it has ``started``, S is zero and not the best one for L = 0; it never is again.
    ``pair`` holds the leading u, s, v of the gradient once it is known. ``shared`` says that L
    was given away, so that its memory must not be used again.
    """

    started: bool = False
    nuclear_bound: float = 0.0  # t_L >= ||L||_*
    largest_low: float = math.inf  # U_L
    largest_sparse: float = math.inf  # U_S
    upper: float = math.inf  # h, the objective with t_L in place of ||L||_*
    start: float = 0.0  # h at the start
    nit: int = 0
    calm: int = 0
    pair: Any = None
    shared: bool = False
    sum: Any = None  # L as a sum of matrices of rank one, where that is of use


@dataclass(frozen=True)
class FrankWolfe(PenalisedMethod):
    """Frank-Wolfe steps for L and S with an exact search, then a proximal step for S.

    Parameters
    ----------
    stop_rule : None, "relative" or "initial"
        The authors' rule: stop after five steps in a row that change the objective by less than
        ``eps`` relative to its last value, or half of its value at the start. None stops by
        the duality gap.
    eps : float
    oracle : {"bidiagonalization", "block", "power", "svd"}
        How the leading singular pair of the gradient is found.
    accuracy : float, optional
        Of that pair, see `leading_pairs`; None asks for 0.1 / (k + 2) in step k.
    """

    stop_rule: str | None = None
    eps: float = 1e-3
    oracle: str = "bidiagonalization"
    accuracy: float | None = None

    default_rtol = {  # noqa: RUF012
        "fp64": 1e-2,
        "fp32": 1e-2,
        "tf32": 5e-2,
        "fp16": 5e-2,
        "bf16": 1e-1,
    }

    takes_samples = True  # of few observed entries, see `SampledPenalised`

    def __post_init__(self):
        if self.stop_rule is not None:
            checks.choice(self.stop_rule, STOP_RULES, "stop_rule")
        checks.number(self.eps, "eps", above=0)
        checks.choice(self.oracle, ORACLES, "oracle")
        if self.accuracy is not None:
            checks.number(self.accuracy, "accuracy", above=0)

    @property
    def rule(self):
        """The rule in words."""
        if self.stop_rule is None:
            return None
        to = "its last value" if self.stop_rule == "relative" else "half its value at the start"
        return f"{_CALM_STEPS} changes of the objective in a row < {self.eps:g} of {to}"

    def init(self, problem, arithmetic, x0):
        """Start from L = S = 0, or from x0 and the best S for it."""
        low = problem.start(x0)
        if low is not None:
            state = FrankWolfeState(low, started=True)
            self.evaluate(problem, state)
            state.nuclear_bound = float(np.sum(singular_values(problem, low)))
            return self.bound(problem, state)
        state = FrankWolfeState(problem.zero())
        large = min(problem.shape) > _LARGE and arithmetic.library == "numpy"
        if problem.sampled or large:
            state.sum = RankOneSum(problem)
        state.upper = state.start = problem.norm**2 / 2
        state.largest_low = state.upper / problem.lam_low_rank
        state.largest_sparse = state.upper / problem.lam_sparse
        return state

    def bound(self, problem, state):
        """Put h and the bounds that follow from it in the state."""
        squares, sparse_norm, _ = state.sums
        state.upper = (
            problem.loss(squares, sparse_norm) + problem.lam_low_rank * state.nuclear_bound
        )
        state.start = state.start or state.upper
        state.largest_low = min(state.largest_low, state.upper / problem.lam_low_rank)
        state.largest_sparse = min(state.largest_sparse, state.upper / problem.lam_sparse)
        return state

    def find_pair(self, problem, state, arithmetic):
        """Return the leading u, s, v of the gradient."""
        if state.pair is None:
            if not state.started:
                gradient = -1.0 * problem.project(problem.given)
            else:
                if state.gradient is None:
                    self.evaluate(problem, state)
                gradient = state.gradient
            accuracy = self.accuracy
            if accuracy is None and self.oracle != "power":
                accuracy = 0.1 / (state.nit + 2)
            u, s, v, _ = leading_pairs(
                problem.products(gradient, arithmetic),
                1,
                arithmetic,
                problem.rng,
                previous=state.leading,
                accuracy=accuracy,
                oracle=self.oracle,
            )
            state.leading = v
            state.pair = u[:, 0], host(s[0]), v[:, 0]
        return state.pair

    def step(self, problem, state, arithmetic):
        """Search between (L, S) and the vertex (V_L, V_S), then threshold S."""
        lam = problem.lam_low_rank
        u, s, v = self.find_pair(problem, state, arithmetic)
        scale = 0.0 if lam >= s else -state.largest_low
        end = -scale  # v_tL
        hessian, slope = self.search_terms(problem, state, u, v, scale)
        slope[0] += lam * (end - state.nuclear_bound)
        alpha, _ = minimise_on_square(hessian, slope)
        low = state.low + 0.0 if state.shared else state.low
        state.low = problem.move(low, 1 - alpha, alpha * scale, u, v)
        if state.sum is not None:
            state.sum.add(1 - alpha, alpha * scale, u, v)
        state.shared = False
        state.nuclear_bound += alpha * (end - state.nuclear_bound)
        before = state.upper
        self.evaluate(problem, state)
        state.pair = state.measures = None
        state.started = True
        state = self.bound(problem, state)
        state.nit += 1
        change = abs(state.upper - before)
        base = before if self.stop_rule == "relative" else state.start / 2
        state.calm = state.calm + 1 if change < self.eps * base else 0
        return state

    def search_terms(self, problem, state, u, v, scale):
        """Return H and f of the quadratic in (alpha, beta), without the term of ||L||_*."""
        lam = problem.lam_sparse
        if state.started:
            sums = problem.search(state.low, u, v, scale, lam)
            d11, d12, d22, g1, g2 = map(host, sums)
            return np.array([[d11, d12], [d12, d22]]), np.array([g1, g2 - lam * state.sums[1]])
        # The gradient is not clipped yet, and the vertex of S is a single entry.
        sums = problem.search(state.low, u, v, scale, math.inf)
        d11, _, _, g1, _ = map(host, sums)
        i, j, entry = problem.largest_entry()
        spike = math.copysign(state.largest_sparse, entry) if abs(entry) > lam else 0.0
        d12 = spike * scale * host(u[i]) * host(v[j])
        slope = -entry * spike + lam * abs(spike)
        return np.array([[d11, d12], [d12, spike * spike]]), np.array([g1, slope])

    def stopped(self, problem, state, measures):
        """Stop by the authors' rule where that was asked for."""
        calm = self.stop_rule is not None and state.calm >= _CALM_STEPS
        return Status.CONVERGED if calm else None

    def measure(self, problem, state, arithmetic, exact):
        """Return h, or f if ``exact``, a lower bound on the minimum, and the relative gap."""
        if state.started:
            return super().measure(problem, state, arithmetic, exact)
        gap = problem.relative_gap(state.upper, 0.0)
        return {
            "residual": gap,
            "objective": state.upper * problem.objective_unit,
            "lower_bound": 0.0,
        }

    def objective(self, problem, state, squares, sparse_norm, exact):
        """Return h, or f if ``exact``."""
        if not exact:
            return state.upper
        if state.sum is not None:
            s = host(problem.xp.sum(state.sum.factors()[1]))
        else:
            s = float(np.sum(singular_values(problem, state.low)))
        return problem.loss(squares, sparse_norm) + problem.lam_low_rank * s

    def spectral_norm(self, problem, state, arithmetic, exact):
        """Return ||g||_2, as accurate as the next step needs it unless ``exact``."""
        if exact:
            return super().spectral_norm(problem, state, arithmetic, exact)
        return self.find_pair(problem, state, arithmetic)[1]

    def finish(self, problem, state, arithmetic):
        """Return the low-rank part; the sparse part, objective f, its bounds h and below."""
        measures = self.measure(problem, state, arithmetic, True)
        state.gradient, state.shared = None, True  # its memory is needed for S
        factors = None
        if state.sum is not None:
            factors = state.sum.factors()
        elif problem.factored:
            factors = problem.decompose(state.low)
        sparse = problem.sparse(state.low) if state.started else state.low * 0.0
        return problem.deliver(
            state.low,
            sparse,
            factors,
            objective=measures["objective"],
            upper_bound=state.upper * problem.objective_unit,
            lower_bound=measures["lower_bound"],
        )


def minimise_on_square(hessian, slope):
    """Return the minimiser of x' H x / 2 + f' x over [0, 1]^2 for a semidefinite H of order 2."""
    candidates = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
    (h11, h12), (_, h22) = hessian.tolist()
    f1, f2 = slope.tolist()
    for b in (0.0, 1.0):
        if h11 > 0:
            candidates.append((min(max(-(f1 + h12 * b) / h11, 0.0), 1.0), b))
        if h22 > 0:
            candidates.append((b, min(max(-(f2 + h12 * b) / h22, 0.0), 1.0)))
    determinant = h11 * h22 - h12 * h12
    if determinant > 0:
        a = (h12 * f2 - h22 * f1) / determinant
        b = (h12 * f1 - h11 * f2) / determinant
        if 0 <= a <= 1 and 0 <= b <= 1:
            candidates.append((a, b))

    def value(x):
        a, b = x
        return (h11 * a * a + h22 * b * b) / 2 + h12 * a * b + f1 * a + f2 * b

    return min(candidates, key=value)
