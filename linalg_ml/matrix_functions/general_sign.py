"""The matrix sign of a matrix with complex eigenvalues."""

from dataclasses import dataclass

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, astype, real_dtype
from linalg_ml._core.result import Status
from linalg_ml.matrix_functions.half_plane import squarings, within_reach
from linalg_ml.matrix_functions.inversion import (
    InversionMethod,
    InversionState,
    determinantal_scaling,
    inverted_or_zero,
    usable_scaling,
)
from linalg_ml.matrix_functions.polar_problem import one_or_many
from linalg_ml.matrix_functions.polynomial_methods import NewtonSchulz
from linalg_ml.matrix_functions.sign_problem import RealSignProblem
from linalg_ml.matrix_functions.spectrum import reciprocal

_SCALINGS = ("determinant", "norm", "spectral", "none")
_SCALED_ABOVE = 0.01  # the relative change of X below which scaling does not help
_PRODUCTS_BELOW = 0.25  # ||X^2 - I||_F from which a step of Newton-Schulz does as well


class GeneralSignProblem(RealSignProblem):
    """The sign of a matrix with no eigenvalue on the imaginary axis."""

    outside = None  # where a method of local convergence has no guarantee

    def squarings(self):
        """Return how often the Cayley transform is squared: until rounding proves nothing."""
        return squarings(self.unit, self.exact)

    def start(self, normalization, headroom):
        """Scale, and see whether ||I - X^2||_2 < 1: where all Newton-Schulz iterations converge."""
        x, square = super().start(normalization, headroom)
        if not self.traced:
            wide = self.exact.enter(self.arithmetic.wide(x))
            self.outside = ~within_reach(self.exact.mm(wide, wide), self.exact)
        return x, square

    def hopeless(self, idle, distance=0.0):
        """Report a matrix outside the region of convergence, too."""
        given = super().hopeless(idle, distance)
        if self.outside is None or not np.any(self.outside):
            return given
        given = np.array(given)
        wrong = self.outside & (given != np.array(Status.SINGULAR))
        return one_or_many(np.where(wrong, Status.BREAKDOWN, given))


class SignByInversion(InversionMethod):
    """What the two rational iterations share."""

    def init(self, problem, arithmetic, x0):
        """Start from the matrix of Frobenius norm one."""
        never = problem.is_zero & ~problem.is_zero
        return InversionState(arithmetic.enter(problem.unit), None, problem.one(), never)

    def measure(self, problem, state, arithmetic, exact):
        """Return the distance of X^2 from I; ``exact`` adds whether X A = A X."""
        if exact:
            return problem.exact_measures(state.x)
        if state.square is None:
            state.square = problem.square(state.x, arithmetic)
        return problem.cheap_measures(state.x, state.square)

    def moved(self, problem, state, arithmetic, new, broken):
        """Return the state after a step to ``new``, or that of before where it broke down."""
        exact = problem.exact
        keep = broken[..., None, None]
        new = arithmetic.enter(exact.xp.where(keep, arithmetic.wide(state.x), new))
        old, wide = (exact.enter(arithmetic.wide(x)) for x in (state.x, new))
        change = exact.frobenius(wide - old) * reciprocal(exact.frobenius(wide), exact.xp)
        return InversionState(new, None, change, broken | state.broken, state.step + 1)


@dataclass(frozen=True)
class NewtonSign(SignByInversion):
    """Newton's method X <- (mu X + X^-1 / mu) / 2, with products alone near the end.

    Parameters
    ----------
    scaling : {"determinant", "norm", "spectral", "none"}
        mu = |det X|^(-1/n), (||X^-1||_F / ||X||_F)^(1/2), or (rho(X^-1) / rho(X))^(1/2) with
        estimates of the spectral radius; one as soon as X changes by less than 1 %.
    """

    scaling: str = "determinant"

    def __post_init__(self):
        checks.choice(self.scaling, _SCALINGS, "scaling")

    def step(self, problem, state, arithmetic):
        """Invert, or make a step of Newton-Schulz where that does as well."""
        exact = problem.exact
        if state.square is not None and not problem.traced:
            n = state.x.shape[-1]
            identity = asarray(np.eye(n), like=state.square, dtype=state.square.dtype)
            distance = exact.frobenius(arithmetic.wide(state.square - identity))
            if bool(exact.xp.all(distance < _PRODUCTS_BELOW)):
                x = arithmetic.mm(state.square, state.x, alpha=-0.5, beta=1.5, y=state.x)
                return self.moved(problem, state, arithmetic, arithmetic.wide(x), state.broken)
        x = exact.enter(arithmetic.wide(state.x))
        arithmetic.count("inversions")
        inverted, broken = inverted_or_zero(x, exact)
        mu = self._factor(x, inverted, state.distance > _SCALED_ABOVE, exact)
        mu = astype(mu, real_dtype(x))[..., None, None]
        return self.moved(problem, state, arithmetic, (mu * x + inverted / mu) / 2, broken)

    def _factor(self, x, inverted, wanted, exact):
        xp = exact.xp
        if self.scaling == "determinant":
            return determinantal_scaling(x, wanted, 1, exact)
        if self.scaling == "none":
            return xp.ones_like(exact.frobenius(x))
        sizes = []
        for part in (inverted, x):
            size = exact.frobenius(part)
            if self.scaling == "spectral":
                unit = part * reciprocal(size, xp)[..., None, None]
                for power in (2, 4, 8):
                    unit = exact.mm(unit, unit)
                    radius = exact.frobenius(unit) ** (1 / power)
                size = size * radius
            sizes.append(size)
        return usable_scaling(xp.sqrt(sizes[0] * reciprocal(sizes[1], xp)), wanted, xp)


@dataclass(frozen=True)
class PadeSign(SignByInversion):
    """The principal Pade iteration in partial fractions, with determinantal scaling.

    X <- X sum_i (X^2 + a_i I)^-1 / (m c_i), with c_i = (1 + cos((2i - 1) pi / (2m))) / 2 and
    a_i = 1/c_i - 1, i = 1, ..., m: m inversions, which could run side by side, give the order of
    convergence 2m (Kenney and Laub, 1991).

    Parameters
    ----------
    order : int
        m, at least 1.
    """

    order: int = 2

    def __post_init__(self):
        checks.count(self.order, "order")

    def step(self, problem, state, arithmetic):
        """Invert ``order`` matrices and multiply once, besides the square."""
        exact, m = problem.exact, self.order
        arithmetic.count("inversions", m)
        x = exact.enter(arithmetic.wide(state.x))
        mu = determinantal_scaling(x, state.distance > _SCALED_ABOVE, 1, exact)
        mu = astype(mu, real_dtype(x))[..., None, None]
        square = state.square
        if square is None:
            square = problem.square(state.x, arithmetic)
        square = mu * mu * exact.enter(arithmetic.wide(square))
        identity = asarray(np.eye(x.shape[-1]), like=x, dtype=x.dtype)
        total, broken = 0.0, state.broken & ~state.broken
        for i in range(1, m + 1):
            c = (1 + float(np.cos((2 * i - 1) * np.pi / (2 * m)))) / 2
            inverted, failed = inverted_or_zero(square + (1 / c - 1) * identity, exact)
            total, broken = total + inverted / (m * c), broken | failed
        new = arithmetic.mm(arithmetic.enter(mu * x), arithmetic.enter(total))
        return self.moved(problem, state, arithmetic, arithmetic.wide(new), broken)


GENERAL_METHODS = {"newton": NewtonSign, "pade": PadeSign, "newton-schulz": NewtonSchulz}
