"""The polar decomposition as the iterations see it: scaled, wide, and with exact measures."""

import numpy as np

from linalg_ml._core.namespace import asarray, astype, dtype_name, dtype_of, is_traced, to_numpy
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Status
from linalg_ml.matrix_functions.iteration import apply_polynomial
from linalg_ml.matrix_functions.spectrum import (
    adjoint,
    largest_singular_value,
    smallest_singular_value,
)

_WIDE_OF = {"fp64": "fp64", "fp32": "fp32", "tf32": "fp32", "fp16": "fp32", "bf16": "fp32"}


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
    large_side : bool
        Whether the Hermitian factor wanted is the one of order n.
    """

    symmetric = True

    def __init__(self, a, arithmetic, rcond=None, steps=None, large_side=False):
        self.arithmetic, self.steps, self.large_side = arithmetic, steps, large_side
        self.traced = is_traced(a)
        xp = arithmetic.xp
        wide = _WIDE_OF[arithmetic.name]
        if dtype_name(a) in ("float16", "bfloat16"):
            a = astype(a, xp.float32)
        self.norm = arithmetic.kernels.frobenius(a)
        self.is_zero = self.norm == 0
        divisor = xp.where(self.is_zero, xp.ones_like(self.norm), self.norm)
        unit = a / divisor[..., None, None]
        free = arithmetic.user_settings and wide == arithmetic.name
        self.exact = Arithmetic(None if free else wide, unit)
        self.unit = self.exact.enter(unit)
        self.gram = self.square(self.unit, self.exact)
        self.largest = self._nonzero(largest_singular_value(self.gram, self.exact))
        self._bound_below(rcond)

    def _nonzero(self, bound):
        return self.exact.xp.where(self.is_zero, self.exact.xp.ones_like(bound), bound)

    def _bound_below(self, rcond):
        xp, m = self.exact.xp, self.unit.shape[-2]
        floor = self.arithmetic.unit_roundoff / 4
        if rcond is not None:
            # sigma_max of a matrix of Frobenius norm one is at least the Schatten-4 norm squared.
            self.smallest = rcond * self.largest * self.largest
            self.is_singular = xp.zeros_like(self.is_zero)
        else:
            if self.traced:
                raise ValueError(
                    "rcond must be given inside jax.jit: the matrix cannot be looked at there"
                )
            self.smallest = smallest_singular_value(self.unit, self.gram, self.exact)
            unresolved = 4 * self.exact.unit_roundoff * self.largest
            self.is_singular = self.smallest < unresolved
        if self.traced:
            self.lower = max(rcond * m**-0.25, floor)
            return
        self.smallest = xp.where(
            self.smallest > floor * self.largest, self.smallest, floor * self.largest
        )
        ratios = to_numpy(self.smallest / self.largest)
        usable = np.isfinite(ratios) & ~to_numpy(self.is_zero)
        self.lower = max(float(np.min(ratios[usable], initial=1.0)), floor)

    # The iteration -------------------------------------------------------------------------

    def interval(self, normalization):
        """Return a lower bound on the singular values of the scaled matrix."""
        if normalization == "schatten" or self.traced:
            return self.lower
        largest = to_numpy(self.largest)
        return self.lower * float(np.min(largest[np.isfinite(largest)], initial=1.0))

    def start(self, normalization, headroom):
        """Return (X_0, its square or None): the matrix scaled so that no singular value exceeds 1.

        "schatten" divides by the Schatten-4 norm, "frobenius" by the Frobenius norm; "aol"
        scales the rows, which changes the polar factor.
        """
        exact, arithmetic = self.exact, self.arithmetic
        xp = exact.xp
        if normalization == "aol":
            sums = xp.sum(xp.abs(self.gram), axis=-1)
            sums = xp.where(sums > 0, sums, xp.ones_like(sums))
            return arithmetic.enter(self.unit / xp.sqrt(sums)[..., None]), None
        divisor = headroom * (xp.ones_like(self.largest))
        if normalization == "schatten":
            divisor = divisor * self.largest
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
        return apply_polynomial(x, coefficients, self.arithmetic, square=square)

    # Measures ------------------------------------------------------------------------------

    def one(self):
        """Return 1 for each matrix, NaN where the input is not finite."""
        return self.norm * 0 + 1

    def cheap_measures(self, square):
        """Return what the square of the iterate tells, at no product."""
        distance = self._distance_from_one(self.arithmetic.wide(square))
        return {"residual": distance / 2, "orthogonality": distance}

    def exact_measures(self, x):
        """Return the forward error to first order, orthogonality and backward error."""
        exact = self.exact
        x = exact.enter(self.arithmetic.wide(x))
        distance = self._distance_from_one(self.square(x, exact))
        h = self._small_factor(x)
        backward = exact.frobenius(exact.mm(h, x, alpha=-1.0, beta=1.0, y=self.unit))
        smallest = self._nonzero(self.smallest)
        m = x.shape[-2]
        return {
            "residual": distance / 2 + backward / smallest / m**0.5,
            "orthogonality": distance,
            "backward": backward,
        }

    def _distance_from_one(self, square):
        xp, m = self.exact.xp, square.shape[-1]
        square = self.exact.enter(square)
        identity = asarray(np.eye(m), like=square, dtype=square.dtype)
        return xp.astype(self.exact.frobenius(square - identity), self.exact.real_dtype) / m**0.5

    def _small_factor(self, x):
        product = self.exact.mm(self.unit, adjoint(x))
        return (product + adjoint(product)) / 2

    def default_targets(self):
        """Return what a backward stable method reaches in the working precision."""
        u, m = self.arithmetic.unit_roundoff, self.unit.shape[-2]
        slack = 4 * m**0.5 if self.arithmetic.name in ("fp64", "fp32") else 4
        return {"orthogonality": slack * u, "backward": slack * u}

    # Outcomes ------------------------------------------------------------------------------

    def singular_statuses(self, idle):
        """Return SINGULAR for each matrix that is zero, or singular and ``idle``; None if none is."""
        if self.traced:
            return None
        stuck = to_numpy(self.is_zero) | (to_numpy(self.is_singular) & idle)
        if not np.any(stuck):
            return None
        return np.where(stuck, Status.SINGULAR, np.array(None))

    def verify(self, x):
        """Accept what the measures accepted."""
        return None

    def finish(self, x):
        """Return X and the extras: the Hermitian factor of the side wanted, and rcond."""
        exact, arithmetic = self.exact, self.arithmetic
        arithmetic.counts["check_products"] = exact.counts["products"]
        wide = exact.enter(arithmetic.wide(x))
        if self.large_side:
            product = exact.mm(adjoint(wide), self.unit)
            h = (product + adjoint(product)) / 2
        else:
            h = self._small_factor(wide)
        if "64" in dtype_name(self.norm) or "64" in str(exact.real_dtype):
            h = astype(h, dtype_of("complex128" if exact.is_complex else "float64", h))
        h = arithmetic.leave(h * astype(self.norm, h.dtype)[..., None, None])
        return x, {"hermitian": h, "rcond": self.rcond()}

    def rcond(self):
        """Return the lower bound on sigma_min / sigma_max that was used."""
        ratio = self.smallest / self.largest
        if self.traced:
            return ratio
        ratio = to_numpy(ratio)
        return float(ratio) if ratio.ndim == 0 else ratio
