"""Square roots as the iterations see them: scaled, with exact measures and a look at the branch."""

from typing import Any, NamedTuple

import numpy as np

from linalg_ml._core.namespace import asarray, astype, real_dtype, to_numpy
from linalg_ml._core.result import Status
from linalg_ml._core.verdict import host
from linalg_ml.matrix_functions.iteration import even_part
from linalg_ml.matrix_functions.polar_problem import (
    PolarProblem,
    one_or_many,
    root_of_order,
    unit_matrix,
)
from linalg_ml.matrix_functions.spectrum import (
    adjoint,
    cholesky,
    inverse,
    largest_eigenvalue,
    positive_factor,
    smallest_of_factor,
)


class Pair(NamedTuple):
    """Iterates that tend to the square root and its inverse; ``z`` is None for the identity.

    ``ahead`` is what their last change says about their relative error.
    """

    y: Any
    z: Any = None
    ahead: Any = None


class RootProblem(PolarProblem):
    """Find X with X^2 = A: what the two forms of the iteration share.

    A subclass says how X is got from the iterate, by ``root``, and the inverse of X, both for A
    of Frobenius norm one, ``self.target``.
    """

    hermitian = True
    indefinite = singular = None  # arrays of bool, once it was looked at

    def root_residual(self, root):
        """Return ||X^2 - A||_F / ||A||_F."""
        exact = self.exact
        gap = exact.frobenius(exact.mm(root, root, alpha=-1.0, beta=1.0, y=self.target))
        gap = exact.xp.where(self.target_norm == 0, exact.xp.zeros_like(gap), gap)
        if self.indefinite is not None:  # x will be NaN; what is computed for it says nothing
            gap = exact.xp.where(self.indefinite, exact.xp.ones_like(gap), gap)
        self._last_residual = gap
        return gap

    def hopeless(self, idle, distance=0.0):
        """Return BREAKDOWN for an indefinite matrix, DIVERGED for an iterate that blew up."""
        if self.traced:
            return None
        lost = np.asarray(distance) > self.blown_up
        wrong = np.zeros_like(lost) if self.indefinite is None else to_numpy(self.indefinite)
        if not np.any(lost | wrong):
            return None
        fates = np.where(lost, Status.DIVERGED, np.array(None))
        return one_or_many(np.where(wrong, Status.BREAKDOWN, fates))

    def verify(self, x):
        """Report BREAKDOWN unless X is seen to be positive semidefinite."""
        exact = self.exact
        root, n = self.root(x), self.target.shape[-1]
        # An eigenvalue of the wrong sign, -sqrt(lambda), is within the residual if it is small.
        slack = 4 * exact.xp.sqrt(self._last_residual + n * exact.unit_roundoff)
        slack = slack[..., None, None] * asarray(np.eye(n), like=root, dtype=root.dtype)
        factor = cholesky(root + slack, exact)
        wrong = to_numpy(exact.xp.any(exact.xp.isnan(factor), axis=(-2, -1)))
        given = self.hopeless(False)
        if not np.any(wrong):
            return given
        return one_or_many(np.where(wrong, Status.BREAKDOWN, np.array(given)))

    def finish(self, x):
        """Return the square root and, as an extra, its inverse; NaN where there is none."""
        exact, arithmetic = self.exact, self.arithmetic
        size = exact.xp.sqrt(self.target_norm)
        root, inverted = self.root(x), self.inverse(x)
        if self.hermitian:
            root, inverted = ((part + adjoint(part)) / 2 for part in (root, inverted))
        root = self.masked(root, self.indefinite)
        inverted = self.masked(inverted, self.indefinite, self.singular)
        arithmetic.count("check_products", exact.counts["products"] - self._counted)
        self._counted = exact.counts["products"]
        safe = exact.xp.where(size == 0, exact.xp.ones_like(size), size)
        extras = {"inverse": self.scaled(inverted, 1 / safe), "rcond": self.condition()}
        return self.scaled(root, size), extras

    def masked(self, x, *masks):
        """Return X with NaN where a mask says so."""
        for mask in masks:
            if mask is not None:
                # Not x times NaN, which would make NaN of every gradient.
                lost = self.exact.xp.full_like(x, float("nan"))
                x = self.exact.xp.where(mask[..., None, None], lost, x)
        return x

    def condition(self):
        """Return the smallest over the largest eigenvalue of A."""
        return self.rcond


class CholeskyRootProblem(RootProblem):
    """The square root of A = L L^H as the Hermitian factor in L = X V, by the polar factor V.

    Parameters
    ----------
    a : array of shape (..., n, n)
        Hermitian.
    arithmetic, rcond, steps
        As for PolarProblem; ``rcond`` is a ratio of eigenvalues of A.
    """

    def __init__(self, a, arithmetic, *, rcond=None, steps=None):
        target, self.target_norm, wide = unit_matrix(a, arithmetic)
        factor, self.shift, indefinite = positive_factor(target, wide)
        super().__init__(
            factor, arithmetic, rcond=None if rcond is None else rcond**0.5, steps=steps
        )
        self.target = target
        if not self.traced:
            close = (self.smallest / self.bound) ** 2 < 4 * self.exact.unit_roundoff
            self.singular, self.indefinite = (self.shift > 0) | close, indefinite
        # NaN in A may have been lost on the way to L.
        self.norm = self.norm + 0 * astype(self.target_norm, self.norm.dtype)

    def root(self, x):
        """Return the Hermitian factor."""
        iterate, root = self._last_factor
        if iterate is not x:
            root = self._small_factor(self.exact.enter(self.arithmetic.wide(x)))
            self._last_factor = (x, root)
        return root * astype(self.norm, real_dtype(root))[..., None, None]

    def inverse(self, x):
        """Return V L^-1."""
        x = self.exact.enter(self.arithmetic.wide(x))
        inverted = self.exact.mm(x, inverse(self.unit, self.exact))
        inverted = (inverted + adjoint(inverted)) / 2
        return inverted / astype(self.norm, real_dtype(inverted))[..., None, None]

    def exact_measures(self, x):
        """Return the residual of X^2 = A."""
        return {"residual": self.root_residual(self.root(x))}

    def default_targets(self, *, iterated=True):
        """Return what a backward stable method reaches in the working precision."""
        u, n = self.arithmetic.unit_roundoff, self.target.shape[-1]
        targets = super().default_targets(iterated=iterated)
        level = 16 * root_of_order(n) if self.arithmetic.name in ("fp64", "fp32") else 8
        shift = 2 * n**0.5 * host(self.shift)
        return {"orthogonality": targets["orthogonality"], "residual": level * u + shift}

    def condition(self):
        """Return the smallest over the largest eigenvalue of A."""
        return self.rcond**2


class CoupledRootProblem(RootProblem):
    """The square root and its inverse by Y <- Y h(Z Y), Z <- h(Z Y) Z, from Y = A and Z = I.

    These are the polynomials p(x) = x h(x^2) on the eigenvalues of [[0, A], [I, 0]], which are
    the square roots of those of A, of either sign.
    """

    def __init__(self, a, arithmetic, *, rcond=None, steps=None):
        super().__init__(a, arithmetic, rcond=rcond, steps=steps)
        self.target, self.target_norm = self.unit, self.norm
        if not self.traced:
            untested = steps is not None and rcond is not None
            if self.hermitian and self.indefinite is None and not untested:
                self._look_at(positive_factor(self.unit, self.exact))
            known = self.is_singular
            self.singular = known if self.singular is None else known | self.singular
            if self.indefinite is not None and bool(self.exact.xp.any(self.indefinite)):
                # Such a matrix would only blow up.
                harmless = asarray(np.eye(a.shape[-1]), like=self.unit, dtype=self.unit.dtype)
                harmless = harmless * self.bound[..., None, None]
                wrong = self.indefinite[..., None, None]
                self.unit = self.exact.xp.where(wrong, harmless, self.unit)
        floor = self.arithmetic.unit_roundoff
        self.lower = max(self.lower, floor) ** 0.5
        if not self.traced:
            self.resolved = max(self.resolved, floor) ** 0.5

    def extremes(self):
        """Estimate the extreme eigenvalues; sees by the way whether A is definite."""
        exact = self.exact
        factor = self._look_at(positive_factor(self.unit, exact))
        largest = exact.xp.sqrt(largest_eigenvalue(self.gram, exact))
        return smallest_of_factor(factor, exact) ** 2, largest

    def _look_at(self, found):
        factor, shift, self.indefinite = found
        self.singular = shift > 0
        return factor

    def interval(self, normalization):
        """Return a lower bound on the square roots of the eigenvalues of the scaled matrix."""
        if normalization == "schatten" or self.traced:
            return self.lower
        bound = to_numpy(self.bound)
        return self.lower * float(np.min(bound[np.isfinite(bound)], initial=1.0)) ** 0.5

    def start(self, normalization, headroom):
        """Return (Y_0 and Z_0, their product): A scaled so that no eigenvalue exceeds 1."""
        divisor = headroom**2 * self.exact.xp.ones_like(self.bound)
        self.divisor = divisor * self.bound if normalization == "schatten" else divisor
        y = self.arithmetic.enter(self.unit / self.divisor[..., None, None])
        return Pair(y), y

    def square(self, x, arithmetic):
        """Return Z Y. The order matters: with Y Z rounding errors grow from step to step."""
        if not isinstance(x, Pair):
            return arithmetic.gram(x) if self.hermitian else arithmetic.mm(x, x)
        return x.y if x.z is None else arithmetic.mm(x.z, x.y)

    def apply(self, x, coefficients, square):
        """Return (Y h(Z Y), h(Z Y) Z).

        Z Y and its powers are symmetric but for rounding, yet must not be made so (``mm_sym``,
        ``gram``): that part of the rounding error, left alone, dies out in the next step; else it
        grows by the square root of the condition number. The symmetric part of Y and Z may be
        taken.
        """
        mm = self.arithmetic.mm
        if square is None:
            square = self.square(x, self.arithmetic)
        first, rest = coefficients[0], coefficients[1:]
        even = even_part(square, rest, self.arithmetic, symmetric=False)
        y = mm(x.y, even, beta=first, y=x.y)
        if x.z is None:
            n = y.shape[-1]
            z = self.arithmetic.store(even + first * asarray(np.eye(n), like=y, dtype=y.dtype))
        else:
            z = mm(even, x.z, beta=first, y=x.z)
        if self.hermitian:
            y, z = map(self.arithmetic.hermitian_mean, (y, z))
        # Degree 2q + 1 raises the error, which the change shows, to the power q + 1.
        change = self._change(y, x.y)
        if x.z is not None:
            other = self._change(z, x.z)
            change = self.exact.xp.where(other > change, other, change)
        return Pair(y, z, 3.0 * change ** len(coefficients))

    def _change(self, new, old):
        frobenius = self.exact.frobenius
        return frobenius(new - old) / self._nonzero(frobenius(new))

    def root(self, x):
        """Return Y in the scale of the unit matrix."""
        y = self.exact.enter(self.arithmetic.wide(x.y))
        return y * astype(self.exact.xp.sqrt(self.divisor), real_dtype(y))[..., None, None]

    def inverse(self, x):
        """Return Z in the scale of the unit matrix."""
        y = self.exact.enter(self.arithmetic.wide(x.y))
        if x.z is None:
            z = asarray(np.eye(y.shape[-1]), like=y, dtype=y.dtype)
            z = self.exact.xp.broadcast_to(z, y.shape)
        else:
            z = self.exact.enter(self.arithmetic.wide(x.z))
        return z / astype(self.exact.xp.sqrt(self.divisor), real_dtype(z))[..., None, None]

    def values(self, x):
        """Return A^(1/2) and A^(-1/2) in at least fp32, in the scale of A."""
        size = self.exact.xp.sqrt(self.norm)
        size = self._nonzero(astype(size, self.exact.real_dtype))[..., None, None]
        return self.root(x) * size, self.inverse(x) / size

    def cheap_measures(self, x, square):
        """Return the distance of Z Y from I, or what the last change says, at no product.

        Where A is ill-conditioned Z Y is far from I although Y is as good as it gets.
        """
        distance = self._distance_from_one(self.arithmetic.wide(square))
        residual = distance
        if x.ahead is not None:
            residual = self.exact.xp.where(x.ahead < distance, x.ahead, distance)
        backward = residual / self._condition(x)
        return {"residual": residual, "orthogonality": distance, "backward": backward}

    def exact_measures(self, x):
        """Return the residual of X^2 = A, and what it is in units of the condition of X."""
        residual = self.root_residual(self.root(x))
        return {"residual": residual, "backward": residual / self._condition(x)}

    def _condition(self, x):
        """Return ||X||_F ||X^-1||_F, which is at least n."""
        exact = self.exact
        size = exact.frobenius(self.root(x)) * exact.frobenius(self.inverse(x))
        least = exact.xp.full_like(size, self.target.shape[-1])
        return exact.xp.where(size > least, size, least)

    def default_targets(self, *, iterated=True):
        """Return what the coupled iteration, or a decomposition, reaches.

        A decomposition is backward stable. Of an iterate, each entry has at least the three
        roundings of the last product, the square root of the scale and the multiplication with it:
        a residual of 6 n^(1/2) u, which for small n is above 2 u times the condition.
        """
        u, n = self.arithmetic.unit_roundoff, self.target.shape[-1]
        long = self.arithmetic.name in ("fp64", "fp32")
        if not iterated:
            return {"residual": (16 * root_of_order(n) if long else 8) * u}
        level = max(2, 6 / n**0.5) if long else 8 / n
        return {"backward": level * u, "residual": u**0.5}

    def hopeless(self, idle, distance=0.0):
        """Report a matrix that is singular, and so stuck or blown up, too."""
        given = super().hopeless(idle, distance)
        if self.traced:
            return given
        singular = to_numpy(self.is_zero) | to_numpy(self.singular)
        stuck = singular & (idle | (np.asarray(distance) > self.blown_up))
        if not np.any(stuck):
            return given
        given = np.array(given)
        stuck = stuck & (given != np.array(Status.BREAKDOWN))
        return one_or_many(np.where(stuck, Status.SINGULAR, given))

    def verify(self, x, inverse_wanted=True):
        """Report a singular matrix as such, a root of the wrong branch as BREAKDOWN."""
        given = super().verify(x)
        return self.hopeless(inverse_wanted) if given is None else given
