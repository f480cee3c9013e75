"""QDWH and Zolotarev's iteration: rational functions of a matrix, by factorisations."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, to_numpy
from linalg_ml.matrix_functions.iterated_method import IteratedMethod
from linalg_ml.matrix_functions.rational_weights import (
    HIGHEST_ORDER,
    qdwh_function,
    zolotarev_function,
    zolotarev_order,
)
from linalg_ml.matrix_functions.row_mixing import RowMixing
from linalg_ml.matrix_functions.spectrum import adjoint

SOLVERS = ("auto", "qr", "cholesky")
SETTLED = 1e-6  # distance from one of a singular value that has come up
_NEWTON_SCHULZ = (1.5, -0.5)
_IDLE = 0.9999  # the distance from orthonormal over the one before, if only zeros remain
_PATIENCE = 6  # checks in which a singular value drowned by rounding can still come up
_WELL_CONDITIONED = 0.01  # shift c from which a Cholesky factorisation of X X^H + c I does


@dataclass
class RationalState:
    """The iterate X, its square if that is known, and where its singular values lie."""

    x: Any
    square: Any
    lower: float
    upper: float = 1.0
    function: Callable | None = None  # from the lower bound to the function that comes next
    basis: Any = None  # rows that X is to be multiplied by
    step: int = 0
    distance: Any = None  # of the square from I, at the last check

    def after(self, x, lower, upper=1.0):
        """Return the state after one more step."""
        made = self.step + 1
        return RationalState(x, None, lower, upper, self.function, self.basis, made, self.distance)


class RationalMethod(IteratedMethod):
    """X <- f_t(X) for t = 1, 2, ..., with rational f_t that follow the bounds on the spectrum.

    Factorisations run in at least fp32 and the iterate is rounded to the working precision.
    Once X is so near to orthonormal that the error of one Newton-Schulz step is below the
    roundoff, that step comes next: it costs two products, and rounds least.
    """

    default_maxiter = 1000

    def step(self, problem, state, arithmetic):
        """Apply the next function."""
        if _is_near(problem, state, arithmetic):
            return state.after(problem.apply(state.x, _NEWTON_SCHULZ, state.square), 1.0)
        wide = arithmetic.at_least_fp32(state.x)
        x, lower, upper = self.advance_by(problem, state, wide)
        return state.after(problem.project(arithmetic.enter(x)), lower, upper)

    def measure(self, problem, state, arithmetic, exact):
        """Return the distance of the square from I; ``exact`` adds what the input tells."""
        if exact:
            return problem.exact_measures(self.answer(state, arithmetic))
        if state.square is None:
            wide = arithmetic.at_least_fp32(state.x)
            state.square = wide.gram(wide.enter(state.x))
        return problem.cheap_measures(state.x, state.square)

    def patience(self, problem, arithmetic):
        """Wait until the smallest singular value has had time to come up."""
        return problem.settled_after, _PATIENCE

    def stopped(self, problem, state, measures):
        """Give up on a matrix that is zero, or singular and with nothing left to gain."""
        before, state.distance = state.distance, measures["orthogonality"]
        idle = state.distance <= problem.default_targets()["orthogonality"]
        if before is not None and state.step >= problem.settled_after:
            idle = idle | (state.distance > _IDLE * before)
        return problem.hopeless(idle)


def _is_near(problem, state, arithmetic):
    """Say whether one Newton-Schulz step takes X to orthonormal, as far as is known."""
    distance = max(1 - state.lower, state.upper - 1)
    if state.distance is not None:
        alive = np.isfinite(state.distance) & ~to_numpy(problem.is_zero)
        distance = float(np.max(state.distance, initial=0.0, where=alive))
    return distance <= arithmetic.unit_roundoff**0.5


class PartialFractionMethod(RationalMethod):
    """X <- s (X + sum_j a_j (X X^H + c_j I)^(-1) X): one factorisation for each c_j.

    By QR of [X^H; c_j^(1/2) I], or by Cholesky of X X^H + c_j I where that is well-conditioned.
    """

    def init(self, problem, arithmetic, x0):
        """Scale the matrix to singular values in [lower, 1]."""
        x, square = problem.start("schatten", 1.0)
        function = self.function_for(problem, arithmetic)
        if problem.steps is None:
            lower = min(problem.lower, problem.resolved)
            problem.settled_after = _settling_time(function, problem.lower, lower) + 2
        return RationalState(x, square, problem.lower, function=function)

    def advance_by(self, problem, state, wide):
        """Return f(X) in at least fp32, and the interval of its singular values."""
        f, x = state.function(state.lower), wide.enter(state.x)
        least = {"auto": _WELL_CONDITIONED, "qr": math.inf, "cholesky": 0.0}[self.solver]
        x = apply_function(f, x, state.square, wide, by_qr_below=least)
        return x, min(f(state.lower), 1.0), 1.0


def apply_function(f, x, square, arithmetic, *, by_qr_below=_WELL_CONDITIONED):
    """Return f(X) for partial fractions f, in an arithmetic of at least fp32.

    Parameters
    ----------
    f : PartialFractions
    x : array of shape (..., m, n)
        Wide (m <= n).
    square : array of shape (..., m, m) or None
        X X^H, if it is known.
    arithmetic : Arithmetic
    by_qr_below : float
        Shifts below this one are treated by QR, the others by Cholesky.
    """
    terms = list(zip(f.residues, f.shifts, strict=True))
    by_qr = [(a, c) for a, c in terms if c < by_qr_below]
    by_cholesky = [(a, c) for a, c in terms if c >= by_qr_below]
    total = x
    if by_qr:
        mixing = RowMixing(x, arithmetic)
        mixed = mixing.apply(x)
        total = total + mixing.undo(sum(a * _by_qr(mixed, c, arithmetic) for a, c in by_qr))
    if by_cholesky:
        square = arithmetic.gram(x) if square is None else arithmetic.enter(square)
        total = total + sum(a * _by_cholesky(x, square, c, arithmetic) for a, c in by_cholesky)
    return f.scale * total


def _by_qr(x, shift, arithmetic):
    """Return (X X^H + c I)^(-1) X = Q_2 Q_1^H / c^(1/2), [X^H; c^(1/2) I] = [Q_1; Q_2] R."""
    arithmetic.count("qr")
    xp, n, root = arithmetic.xp, x.shape[-1], shift**0.5
    rows = xp.concat([adjoint(x), _identity(x, root)], axis=-2)
    q = xp.linalg.qr(rows, mode="reduced")[0]
    return arithmetic.mm(q[..., n:, :], adjoint(q[..., :n, :]), alpha=1 / root)


def _by_cholesky(x, square, shift, arithmetic):
    """Return (X X^H + c I)^(-1) X."""
    arithmetic.count("cholesky")
    return arithmetic.kernels.cholesky_solve(square + _identity(x, shift), x)


def _identity(x, factor):
    """Return ``factor`` I of order m for each matrix X of shape (..., m, n)."""
    m = x.shape[-2]
    identity = asarray(factor * np.eye(m), like=x, dtype=x.dtype)
    return identity if x.ndim == 2 else identity + 0 * x[..., :1, :1]


def _settling_time(function, lower, x):
    """Return the steps after which ``x``, at most ``lower``, is as near to one as it will get."""
    steps = 0
    while 1 - x > SETTLED:
        f = function(lower)
        x, lower, steps = f(x), min(f(lower), 1.0), steps + 1
    return steps


@dataclass(frozen=True)
class QDWH(PartialFractionMethod):
    """Dynamically weighted Halley iteration: at most 6 steps in fp64.

    X <- X (a I + b X^H X) (I + c X^H X)^(-1), the weights being the best for the interval that
    holds the singular values.

    Parameters
    ----------
    solver : {"auto", "qr", "cholesky"}
        Factorisation of each step. "auto" takes QR where c > 100, Cholesky otherwise. "qr" is
        backward stable always; "cholesky" only for condition numbers far below 1 / roundoff.
    """

    solver: str = "auto"

    def __post_init__(self):
        checks.choice(self.solver, SOLVERS, "solver")

    def function_for(self, problem, arithmetic):
        """Follow the bound on the smallest singular value."""
        return qdwh_function


@dataclass(frozen=True)
class Zolotarev(PartialFractionMethod):
    """Zolotarev's rational functions of high order: two steps of independent factorisations.

    X <- s (X + sum_j a_j X (X^H X + c_j I)^(-1)) with r terms.

    Parameters
    ----------
    order : int, optional
        The number r of terms, 1 to 8; None takes the fewest that need two steps, or as many as
        are asked for. Order 1 is QDWH.
    solver : {"auto", "qr", "cholesky"}
        Factorisation of each term. "auto" takes QR where c_j < 1/100, Cholesky otherwise.
    """

    order: int | None = None
    solver: str = "auto"

    def __post_init__(self):
        checks.choice(self.solver, SOLVERS, "solver")
        if self.order is not None and checks.count(self.order, "order") > HIGHEST_ORDER:
            raise ValueError(f"order must be at most {HIGHEST_ORDER}, got {self.order}")

    def function_for(self, problem, arithmetic):
        """Choose the order and follow the bound on the smallest singular value."""
        order = self.order
        if order is None:
            steps = 2 if problem.steps is None else problem.steps
            order = zolotarev_order(problem.lower, steps, arithmetic.unit_roundoff)
        return partial(zolotarev_function, order=order)
