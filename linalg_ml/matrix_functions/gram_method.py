"""Polar Express on the Gram matrix, as an iteration that is checked and converges."""

from dataclasses import dataclass, replace
from typing import Any

from linalg_ml.matrix_functions.gram_form import gram_step
from linalg_ml.matrix_functions.polynomial_methods import (
    PolarExpress,
    PolynomialMethod,
    PolynomialState,
)

# How large the factor Q may grow before X is formed: for two steps within a wide interval. The
# error of the Gram form is a fraction of the roundoff times the square of it.
_GROWTH = {"fp64": 17.0, "fp32": 17.0, "tf32": 5.0, "fp16": 5.0, "bf16": 0.0}


@dataclass
class GramState(PolynomialState):
    """X of the last restart, the square of Q X, and the factor Q (None is the identity)."""

    factor: Any = None
    growth: float = 1.0  # a bound on ||Q||


class GramIteration(PolynomialMethod):
    """What iterations on `GramState` share: X is formed only where it is looked at."""

    def measure(self, problem, state, arithmetic, exact):
        """Return the distance of the square from I; ``exact`` forms X and asks the input."""
        if not exact:
            if state.square is None:
                state.square = arithmetic.gram(state.x)
            return problem.cheap_measures(state.x, state.square)
        form_x(state, arithmetic)
        return problem.exact_measures(state.x)

    def refresh(self, problem, state, arithmetic):
        """Go on from X itself where its square had drifted from the one computed along."""
        return replace(state) if state.square is None else state

    def answer(self, state, arithmetic):
        """Form X."""
        form_x(state, arithmetic)
        return state.x


@dataclass(frozen=True)
class GramPolarExpress(GramIteration, PolarExpress):
    """Polar Express on the small Gram matrix of a wide matrix, formed anew where that is needed.

    Parameters
    ----------
    degree, safety, cushion
        As for `PolarExpress`.
    """

    def init(self, problem, arithmetic, x0):
        """Scale the matrix into the interval of the schedule."""
        start = super().init(problem, arithmetic, x0)
        return GramState(start.x, start.square, start.rows)

    def step(self, problem, state, arithmetic):
        """Apply the next polynomial to the Gram matrix."""
        row = state.coefficients()
        if state.factor is not None and state.growth * row[0] > _GROWTH[arithmetic.name]:
            form_x(state, arithmetic)
        square = state.square
        if square is None:
            square = arithmetic.gram(state.x)
        factor, square = gram_step(state.factor, square, row, arithmetic)
        return GramState(
            state.x, square, state.rows, state.step + 1, state.distance, factor,
            state.growth * row[0],
        )  # fmt: skip


def form_x(state, arithmetic):
    """Multiply X with the factor: nothing changes of what the state stands for."""
    if state.factor is not None:
        state.x = arithmetic.mm(state.factor, state.x)
        state.factor, state.square, state.growth = None, None, 1.0
