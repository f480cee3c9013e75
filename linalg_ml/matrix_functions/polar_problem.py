"""The polar decomposition as the iterations see it: scaled, wide, and with exact measures."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core.namespace import (
    asarray,
    astype,
    dtype_name,
    dtype_of,
    is_traced,
    real_dtype,
    to_numpy,
)
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Status
from linalg_ml._core.verdict import host
from linalg_ml.matrix_functions.iteration import apply_polynomial
from linalg_ml.matrix_functions.spectrum import adjoint, cholesky, extreme_singular_values

_CAUTION = 0.8  # what the estimate of sigma_min may be too large by
_LOOK_FROM, _LOOK_MARGIN = 128, 30  # order from which, and margin with which, a look is in fp32
_LEAST_ORDER = 25  # below which rounding errors, LAPACK's too, do not fall with the order
_BLOWN_UP = 100  # a distance from orthonormal that no step of a sound iteration comes near

_WIDE_OF = {"fp64": "fp64", "fp32": "fp32", "tf32": "fp32", "fp16": "fp32", "bf16": "fp32"}


@dataclass
class _Look:
    """The unit matrix and its square in a shorter type, for estimates."""

    unit: Any
    gram: Any
    arithmetic: Arithmetic


class PolarProblem:
    """Find the X with orthonormal rows nearest to a wide matrix A = H X.

    Parameters
    ----------
    a : array of shape (..., m, n)
        Wide (m <= n), in the dtype of the input.
    arithmetic : Arithmetic
        What the iteration computes in. Norms, bounds and residuals are computed in at least
        fp32, by an Arithmetic of the problem's own.
    rcond : float, optional
        Lower bound on sigma_min / sigma_max; estimated if None.
    steps : int, optional
        The number of steps that will be made, if it is fixed.
    transposed : bool
        Whether the matrix wanted is A^H, so that X^H is the answer.
    large_side : bool
        Whether the Hermitian factor wanted is the one of order n, in A = X H.
    estimate : {"full", "quick", "none"}
        How sigma_min is estimated if ``rcond`` is None: "quick" looks in fp32 where it can and
        takes a matrix of condition number above about 700 for singular (elsewhere, above about 1e6
        in fp64), "none" leaves it to a method that will `learn` it.
    """

    blown_up = _BLOWN_UP
    bound_backward = None  # (rtol, atol) where a bound will do as the backward error
    doubtful = False  # whether the sign of a singular value may have been turned

    def __init__(
        self,
        a,
        arithmetic,
        *,
        rcond=None,
        steps=None,
        transposed=False,
        large_side=False,
        estimate="full",
    ):
        self.arithmetic, self.steps = arithmetic, steps
        self.transposed, self.large_side = transposed, large_side
        self._last_factor = self._last_square = (None, None)
        self._counted = 0
        self.settled_after = 0  # the steps the iteration needs to get hold of sigma_min
        self.traced = is_traced(a)
        self.unit, self.norm, self.exact = unit_matrix(a, arithmetic)
        self.is_zero = self.norm == 0
        self._gram, self._look = None, self._look_at() if estimate == "quick" else None
        # The Schatten-4 norm bounds sigma_max from above, and its square from below.
        if self._look is None:
            squared = self.exact.frobenius(self.gram)
        else:
            squared = (1 + 1e-5) * np.float64(self._look.arithmetic.frobenius(self._look.gram))
        bound = self.exact.xp.sqrt(squared)  # zero for a nilpotent matrix too, where A^2 is meant
        self.bound = self.exact.xp.where(bound == 0, self.exact.xp.ones_like(bound), bound)
        self._bound_below(rcond, estimate)

    @property
    def gram(self):
        """A A^H of the unit matrix, computed when first asked for."""
        if self._gram is None:
            self._gram = self.square(self.unit, self.exact)
        return self._gram

    def _look_at(self):
        """Return the matrix and its square in fp32 where that is cheaper to look at, or None.

        On a CPU fp32 takes half the time, and condition numbers that it cannot resolve are those
        for which another method is faster anyway.
        """
        exact = self.exact
        if exact.library != "numpy" or exact.name != "fp64" or self.unit.shape[-2] < _LOOK_FROM:
            return None
        with np.errstate(all="ignore"):  # what underflows is not resolved either
            unit = astype(self.unit, np.complex64 if exact.is_complex else np.float32)
        arithmetic = Arithmetic(None, unit)
        return _Look(unit, arithmetic.gram(unit), arithmetic)

    def _nonzero(self, values):
        return self.exact.xp.where(self.is_zero, self.exact.xp.ones_like(values), values)

    def _bound_below(self, rcond, estimate):
        """Set sigma_min and the lower end of the spectrum of A / bound."""
        xp, m = self.exact.xp, self.unit.shape[-2]
        self.given, self.largest, self.reliable = rcond, self.bound, True
        if self.traced:
            if rcond is None or self.steps is None:
                raise ValueError(
                    "rcond and steps must be given inside jax.jit, grad and vmap: no value can be "
                    "looked at there"
                )
            self.smallest = rcond * self.bound * self.bound
            self.rcond = rcond
            self.lower = max(rcond * m**-0.25, self.arithmetic.unit_roundoff / 4)
            return
        if rcond is not None:
            self.is_singular = xp.zeros_like(self.is_zero)
            self._set_smallest(rcond * self.bound * self.bound, xp.full_like(self.bound, rcond))
        elif estimate == "none":
            self.is_singular = xp.zeros_like(self.is_zero)
            self._set_smallest(self.bound, self.bound / self.bound)
        else:
            self.learn(*(self.extremes() if estimate == "full" else self.extremes(refine=False)))

    def learn(self, smallest, largest):
        """Take in the extreme singular values of the unit matrix, unless a bound was given."""
        if self.given is not None:
            return
        self.largest = self._nonzero(largest)
        self.reliable = bool(self.exact.xp.all(smallest > 0))
        ratio = smallest / self.largest
        self.is_singular = ratio < 4 * self.exact.unit_roundoff
        self._set_smallest(smallest, ratio)

    def _set_smallest(self, smallest, ratio):
        least = self.exact.unit_roundoff / 4 * self.bound
        self.smallest = self._nonzero(self.exact.xp.where(smallest > least, smallest, least))
        self.rcond = host(ratio)
        lower = np.asarray(host(self.smallest / self.bound))
        usable = np.isfinite(lower) & ~to_numpy(self.is_zero)
        self.resolved = _CAUTION * float(np.min(lower[usable], initial=1.0))
        self.lower = max(self.resolved, self.arithmetic.unit_roundoff / 4)

    def extremes(self, *, refine=True):
        """Estimate the smallest and the largest singular value of the unit matrix."""
        if self._look is not None:
            unit, gram, arithmetic = self._look.unit, self._look.gram, self._look.arithmetic
            found = extreme_singular_values(
                unit, gram, arithmetic, refine=False, margin=_LOOK_MARGIN
            )
            return tuple(self.exact.xp.astype(value, self.norm.dtype) for value in found)
        return extreme_singular_values(self.unit, self.gram, self.exact, refine=refine)

    # The iteration -------------------------------------------------------------------------

    def interval(self, normalization):
        """Return a lower bound on the singular values of the scaled matrix."""
        if normalization == "schatten" or self.traced:
            return self.lower
        larger = to_numpy(self.bound if normalization != "estimate" else self.bound / self.largest)
        larger = larger[np.isfinite(larger)]
        return self.lower * float(np.min(larger)) if larger.size else self.lower

    def start(self, normalization, headroom):
        """Return (X_0, its square or None): the matrix scaled so that no singular value exceeds 1.

        "schatten" divides by the Schatten-4 norm, "frobenius" by the Frobenius norm, "estimate" by
        the estimate of sigma_max, which may be a little too small; "aol" scales the rows, which
        changes the polar factor.
        """
        exact, arithmetic = self.exact, self.arithmetic
        xp = exact.xp
        if normalization == "aol":
            sums = xp.sum(xp.abs(self.gram), axis=-1)
            sums = xp.where(sums > 0, sums, xp.ones_like(sums))
            return arithmetic.enter(self.unit / xp.sqrt(sums)[..., None]), None
        divisor = headroom * xp.ones_like(self.bound)
        if normalization in ("schatten", "estimate"):
            divisor = divisor * (self.bound if normalization == "schatten" else self.largest)
        divisor = divisor[..., None, None]
        x = arithmetic.enter(self.unit / divisor)
        if arithmetic.name != exact.name:
            return x, None
        return x, self.gram / (divisor * divisor)

    def square(self, x, arithmetic):
        """Return A = X X^H."""
        return arithmetic.gram(x)

    def apply(self, x, coefficients, square):
        """Return p(X)."""
        return self.project(apply_polynomial(x, coefficients, self.arithmetic, square=square))

    def project(self, x):
        """Return X in the set that the answer is known to lie in."""
        return x

    # Measures ------------------------------------------------------------------------------

    def one(self):
        """Return 1 for each matrix, NaN where the input is not finite."""
        return self.norm * 0 + 1

    def cheap_measures(self, x, square):
        """Return what the square of the iterate tells, at no product."""
        self._last_square = (x, square)
        distance = self._distance_from_one(self.arithmetic.wide(square))
        return {"residual": distance / 2, "orthogonality": distance}

    def exact_measures(self, x):
        """Return the forward error to first order, orthogonality and backward error."""
        exact, iterate = self.exact, x
        x = exact.enter(self.arithmetic.wide(x))
        known, square = self._last_square
        if known is not iterate or self.arithmetic.policy != exact.policy:
            square = self.square(x, exact)
        distance = self._distance_from_one(square)
        h, backward = self._backward_error(x, distance)
        self._last_factor, self._last_errors = (iterate, h), (distance, backward)
        m = x.shape[-2]
        return {
            "residual": distance / 2 + backward / self.smallest / m**0.5,
            "orthogonality": distance,
            "backward": backward,
        }

    def _backward_error(self, x, distance):
        """Return H and ||A - H X||_F, or a bound on it that is good enough.

        With A X^H = H + N, split into Hermitian and skew part, A - H X = A (I - X^H X) + N X. For
        square X the first term is at most sigma_max ||X X^H - I||_F, so that no further product
        is needed where that shows what is asked for.
        """
        exact, xp = self.exact, self.exact.xp
        h, skew = exact.kernels.hermitian_part(exact.mm(self.unit, adjoint(x)))
        m = x.shape[-2]
        if self.bound_backward is not None and x.shape[-1] == m:
            bound = self.bound * distance * m**0.5 + (1 + distance) * skew
            rtol, atol = self.bound_backward
            if rtol is None and atol == 0:
                enough = self.default_targets()["backward"]
            else:  # what leaves the residual small enough
                enough = (max(rtol or 0.0, atol) - distance / 2) * self.smallest * m**0.5
            if bool(xp.all(bound <= enough)):
                return h, bound
        return h, exact.frobenius(exact.mm(h, x, alpha=-1.0, beta=1.0, y=self.unit))

    def _distance_from_one(self, square):
        distance = self.exact.kernels.identity_distance(self.exact.enter(square))
        return self.exact.xp.astype(distance, self.exact.real_dtype) / square.shape[-1] ** 0.5

    def _small_factor(self, x):
        return self.exact.kernels.hermitian_part(self.exact.mm(self.unit, adjoint(x)))[0]

    def default_targets(self, *, iterated=True):
        """Return what a backward stable method reaches in the working precision.

        The last step of an iteration leaves X orthonormal to a few roundings; a decomposition
        gives it as the product of two factors that are less so.
        """
        u, m = self.arithmetic.unit_roundoff, self.unit.shape[-2]
        if self.arithmetic.name in ("fp64", "fp32"):
            return {
                "orthogonality": (4 if iterated else 32) * m**0.5 * u,
                "backward": 32 * root_of_order(m) * u,
            }
        return {"orthogonality": 4 * u, "backward": 8 * u}

    # Outcomes ------------------------------------------------------------------------------

    def hopeless(self, idle, distance=0.0):
        """Return SINGULAR for each matrix that is zero, or singular and ``idle``; or None.

        A matrix whose iterate is far from orthonormal has DIVERGED. That A = H X holds for a
        singular matrix is looked at where the method is doubtful.
        """
        if self.traced:
            return None
        stuck = to_numpy(self.is_zero) | (to_numpy(self.is_singular) & idle)
        lost = distance > self.blown_up
        if not np.any(stuck | lost):
            return None
        fates = np.where(stuck, Status.SINGULAR, np.array(None))
        x = self._last_square[0]
        if self.doubtful and x is not None and np.any(stuck):
            level, u = self.default_targets()["backward"], self.arithmetic.unit_roundoff
            misfit = np.asarray(host(self.exact_measures(x)["backward"]))
            fates = np.where(stuck & (misfit > min(30 * level, u**0.5)), Status.STAGNATED, fates)
            fates = np.where(stuck & self._turned(x), Status.BREAKDOWN, fates)
        return one_or_many(np.where(lost, Status.DIVERGED, fates))

    def verify(self, x):
        """Report a singular matrix as such, even if X came out orthonormal by chance.

        Where a polynomial may have turned the sign of singular values, which neither the
        orthogonality nor A = H X shows, report BREAKDOWN unless H is seen to be semidefinite.
        """
        given = self.hopeless(True)
        if not self.doubtful:
            return given
        turned = self._turned(x)
        if not np.any(turned):
            return given
        return one_or_many(np.where(turned, Status.BREAKDOWN, np.array(given)))

    def _turned(self, x):
        """Say where the H of the X measured last is not semidefinite up to the errors of X."""
        exact, n = self.exact, x.shape[-2]
        distance, backward = self._last_errors
        slack = self.bound * distance * n**0.5 + 2 * backward + 4 * n * exact.unit_roundoff
        slack = astype(slack, exact.real_dtype)[..., None, None]
        h = self._last_factor[1]
        factor = cholesky(h + slack * asarray(np.eye(n), like=h, dtype=h.dtype), exact)
        return to_numpy(exact.xp.any(exact.xp.isnan(factor), axis=(-2, -1)))

    def finish(self, x):
        """Return the unitary factor and the extras: the Hermitian factor, and rcond."""
        exact, arithmetic = self.exact, self.arithmetic
        h = self.hermitian(x)
        made = exact.counts["products"]
        if self._look is not None:
            made += self._look.arithmetic.counts["products"]
        arithmetic.count("check_products", made - self._counted)
        self._counted = made
        return adjoint(x) if self.transposed else x, self.extras(self.scaled(h, self.norm))

    def scaled(self, x, factor):
        """Return X times a factor for each matrix, in the dtype of the input."""
        if dtype_name(factor) == "float64" or self.exact.name == "fp64":
            x = astype(x, dtype_of("complex128" if self.exact.is_complex else "float64", x))
        return self.arithmetic.leave(x * astype(factor, real_dtype(x))[..., None, None])

    def extras(self, h):
        """Return what the result carries beside the factor."""
        return {"hermitian": h, "rcond": self.rcond}

    def hermitian(self, x):
        """Return the Hermitian factor of the side wanted, of the unit matrix."""
        iterate, h = self._last_factor
        if iterate is x and not self.large_side:
            return h
        x = self.exact.enter(self.arithmetic.wide(x))
        if not self.large_side:
            return self._small_factor(x)
        return self.exact.kernels.hermitian_part(self.exact.mm(adjoint(x), self.unit))[0]


def unit_matrix(a, arithmetic):
    """Return (A / ||A||_F, ||A||_F, the Arithmetic for what must not be shorter than fp32).

    A zero matrix stays zero. The norm is in the type of the input, or fp32 if that is shorter.
    """
    xp, wide = arithmetic.xp, _WIDE_OF[arithmetic.name]
    if dtype_name(a) in ("float16", "bfloat16"):
        a = astype(a, xp.float32)
    norm = arithmetic.kernels.frobenius(a)
    unit = a / xp.where(norm == 0, xp.ones_like(norm), norm)[..., None, None]
    free = arithmetic.user_settings and wide == arithmetic.name
    exact = Arithmetic(None if free else wide, unit)
    return exact.enter(unit), norm, exact


def root_of_order(n):
    """Return n^(1/2), which backward errors grow with at most; for a small matrix what they are."""
    return max(n, _LEAST_ORDER) ** 0.5


def one_or_many(statuses):
    """Return the status itself for a single matrix, the array for a stack."""
    return statuses.item() if statuses.ndim == 0 else statuses
