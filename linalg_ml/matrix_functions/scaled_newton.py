"""Newton's iteration for the polar decomposition, by inverses."""

from dataclasses import dataclass

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, astype
from linalg_ml.matrix_functions.rational_methods import (
    SETTLED,
    RationalMethod,
    RationalState,
    apply_function,
)
from linalg_ml.matrix_functions.rational_weights import newton_interval, qdwh_function
from linalg_ml.matrix_functions.row_mixing import RowMixing
from linalg_ml.matrix_functions.spectrum import adjoint, inverse

_HARDLY_INVERTIBLE = 1000  # units of roundoff of the smallest singular value


@dataclass(frozen=True)
class ScaledNewton(RationalMethod):
    """Newton's iteration X <- (mu X + X^(-H) / mu) / 2, scaled: at most 9 steps in fp64.

    A rectangular matrix is first reduced to a square one by a QR factorisation. One that is
    singular to working precision starts with a step of QDWH.

    Parameters
    ----------
    scaling : {"optimal", "norm"}
        "optimal": mu from bounds on the singular values (Byers and Xu). "norm": mu^4 =
        ||X^(-1)||_1 ||X^(-1)||_inf / (||X||_1 ||X||_inf), which needs no bounds (Higham).
    """

    scaling: str = "optimal"

    def __post_init__(self):
        checks.choice(self.scaling, ("optimal", "norm"), "scaling")

    def init(self, problem, arithmetic, x0):
        """Scale the matrix to singular values in [lower, 1], and make it square."""
        x, square = problem.start("schatten", 1.0)
        basis = None
        if x.shape[-2] != x.shape[-1]:
            wide = arithmetic.at_least_fp32(x)
            arithmetic.count("qr")
            q, r = wide.xp.linalg.qr(adjoint(wide.enter(x)), mode="reduced")
            x, basis = arithmetic.enter(adjoint(r)), adjoint(q)
        if not problem.traced:
            wide = arithmetic.at_least_fp32(x)
            x = arithmetic.enter(_lift(wide.enter(x), problem, wide))
        if problem.steps is None:
            lower = min(problem.lower, problem.resolved)
            problem.settled_after = _settling_time(problem.lower, lower) + 2
        return RationalState(x, square, problem.lower, basis=basis)

    def advance_by(self, problem, state, wide):
        """Return the next iterate in at least fp32, and the interval of its singular values."""
        wide.count("inverses")
        x = wide.enter(state.x)
        inv = adjoint(_inverse(x, wide))
        mu, lower, upper = newton_interval(state.lower, state.upper)
        if self.scaling == "norm":
            mu = _scaling_by_norms(x, inv, wide.xp)
        halves = (mu * x + inv / mu) / 2
        return wide.xp.where(problem.is_zero[..., None, None], x, halves), lower, upper

    def answer(self, state, arithmetic):
        """Return the iterate, in the shape of the matrix."""
        if state.basis is None:
            return state.x
        wide = arithmetic.at_least_fp32(state.x)
        return arithmetic.enter(wide.mm(wide.enter(state.x), state.basis))


def _inverse(x, arithmetic):
    """Return X^(-1) with both residuals small: the columns mixed, for the reason of `RowMixing`."""
    columns = adjoint(x)
    mixing = RowMixing(columns, arithmetic)
    return mixing.undo(inverse(adjoint(mixing.apply(columns)), arithmetic))


def _scaling_by_norms(x, inv, xp):
    """Return mu for each matrix; it tends to one as X becomes unitary."""

    def norms(a):
        size = xp.abs(a)
        rows = xp.max(xp.sum(size, axis=-1), axis=-1)
        return rows * xp.max(xp.sum(size, axis=-2), axis=-1)

    mu = (norms(inv) / norms(x)) ** 0.25
    return astype(mu, x.dtype)[..., None, None]


def _settling_time(lower, x):
    """Return the steps after which ``x``, at most ``lower``, is as near to one as it will get."""
    upper, steps = 1.0, 0
    while abs(1 - x) > SETTLED:
        mu, lower, upper = newton_interval(lower, upper)
        x, steps = (mu * x + 1 / (mu * x)) / 2, steps + 1
    return steps


def _lift(x, problem, wide):
    """Return X with the matrices that have no accurate inverse made such that they have one.

    They get noise at the level of their rounding, lest a singular value be zero, and one Halley
    step, which takes what is at that level far above it.
    """
    xp = wide.xp
    hard = problem.smallest < _HARDLY_INVERTIBLE * wide.unit_roundoff * problem.bound
    hard = hard & ~problem.is_zero
    if not bool(xp.any(hard)):
        return x
    noise = np.random.default_rng(0).standard_normal(x.shape[-2:]) / x.shape[-1]
    lifted = x + asarray(wide.unit_roundoff * noise, like=x, dtype=x.dtype)
    step = qdwh_function(wide.unit_roundoff / 4)
    return xp.where(hard[..., None, None], apply_function(step, lifted, None, wide), x)
