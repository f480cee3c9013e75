"""What the methods for the penalised problem share: the duality gap, and the answer."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core.namespace import to_numpy
from linalg_ml._core.solve import Method
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.leading_pairs import leading_pairs
from linalg_ml.low_rank.row_blocks import singular_values

# Accuracy of the spectral norm in a lower bound: to go by, and to be trusted.
_QUICK, _EXACT = 1e-4, 1e-8


@dataclass
class PenalisedState:
    """Where an iteration stands.

    ``low`` is the low-rank part as the problem stores it; its ``factors`` (u, s, vh) may be None
    where they are not known; ``sparse`` is None where it is the best one for ``low``. The rest is
    what was found out about ``low``: the gradient g there, ||g||_F^2, ||S||_1 and <g, M> in
    ``sums``, the leading right singular vector of g as the steps and as the checks know it, and
    the measures.
    """

    low: Any
    factors: Any = None
    sparse: Any = None
    gradient: Any = None
    sums: tuple = ()
    leading: Any = None
    checked: Any = None
    measures: Any = None
    exact: bool = False


class PenalisedMethod(Method):
    """A method whose state is a `PenalisedState`."""

    formulation = "penalised"
    criterion = "relative duality gap"
    default_rtol = {  # noqa: RUF012
        "fp64": 1e-6,
        "fp32": 1e-4,
        "tf32": 1e-2,
        "fp16": 1e-2,
        "bf16": 1e-1,
    }

    def scale(self, problem, arithmetic):
        """Return 1: the gap is relative to the objective already."""
        return 1.0

    def patience(self, problem, arithmetic):
        """Give up after 20 checks without progress in a short format."""
        return (20, 20) if arithmetic.unit_roundoff > 1e-6 else None

    def evaluate(self, problem, state):
        """Put the gradient at L and the sums over it in the state."""
        state.gradient, *state.sums = problem.huber(state.low, state.gradient)

    def measure(self, problem, state, arithmetic, exact):
        """Return the objective, a lower bound on its minimum, and the relative gap."""
        if state.measures is not None and (state.exact or not exact):
            return state.measures
        if exact or not state.sums:
            self.evaluate(problem, state)
        squares, sparse_norm, inner = state.sums
        objective = self.objective(problem, state, squares, sparse_norm, exact)
        largest = self.spectral_norm(problem, state, arithmetic, exact)
        bound = problem.lower_bound(squares, inner, largest)
        state.exact = exact
        state.measures = {
            "residual": problem.relative_gap(objective, bound),
            "objective": objective * problem.objective_unit,
            "lower_bound": bound * problem.objective_unit,
        }
        return state.measures

    def objective(self, problem, state, squares, sparse_norm, exact):
        """Return f at L and S."""
        loss = problem.loss(squares, sparse_norm)
        if state.sparse is not None:
            loss = problem.joint_loss(state.low, state.sparse)
        s = self.factors(problem, state)[1]
        if exact and problem.arithmetic.name not in ("fp64", "fp32") and not problem.sampled:
            s = singular_values(problem, state.low)  # which is rounded, its factors are not
        return loss + problem.lam_low_rank * float(np.sum(to_numpy(s), dtype=np.float64))

    def spectral_norm(self, problem, state, arithmetic, exact):
        """Return ||g||_2, from above if ``exact``; the steps do not depend on having asked."""
        _, s, state.checked, error = leading_pairs(
            problem.products(state.gradient, problem.wide),
            1,
            problem.wide,
            np.random.default_rng(0),
            previous=state.checked,
            accuracy=_EXACT if exact else _QUICK,
        )
        return host(s[0]) + (error if exact else 0.0)

    def factors(self, problem, state):
        """Return u, s, vh of the low-rank part."""
        if state.factors is None:
            state.factors = problem.decompose(state.low)
        return state.factors

    def finish(self, problem, state, arithmetic):
        """Return the low-rank part; the sparse part, factors, rank and objective."""
        measures = self.measure(problem, state, arithmetic, True)
        state.gradient, state.sums = None, ()  # room for S
        sparse = problem.sparse(state.low) if state.sparse is None else state.sparse
        return problem.deliver(
            state.low,
            sparse,
            self.factors(problem, state),
            objective=measures["objective"],
            lower_bound=measures["lower_bound"],
        )
