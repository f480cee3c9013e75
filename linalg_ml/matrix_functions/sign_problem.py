"""The matrix sign as the iterations see it, for Hermitian matrices and for real spectra."""

import numpy as np

from linalg_ml._core.result import Status
from linalg_ml.matrix_functions.half_plane import proves_right_half_plane
from linalg_ml.matrix_functions.iteration import apply_polynomial
from linalg_ml.matrix_functions.polar_problem import PolarProblem, one_or_many
from linalg_ml.matrix_functions.spectrum import inverse, reciprocal


class SymmetricSignProblem(PolarProblem):
    """The sign of a Hermitian matrix: its polar factor, kept Hermitian."""

    def project(self, x):
        """Return the Hermitian part, which rounding would otherwise leave."""
        return self.arithmetic.hermitian_mean(x)

    def extras(self, h):
        """Call the Hermitian factor by its name here."""
        return {"absolute": h, "rcond": self.rcond}


class RealSignProblem(SymmetricSignProblem):
    """The sign of a matrix with real eigenvalues: polynomials of X^2 in place of X X^H."""

    blown_up = 1e8  # far from normal, X^2 may be large for a while

    def square(self, x, arithmetic):
        """Return X^2."""
        return arithmetic.mm(x, x)

    def apply(self, x, coefficients, square):
        """Return p(X)."""
        return apply_polynomial(x, coefficients, self.arithmetic, square=square, symmetric=False)

    def extremes(self):
        """Estimate the smallest and largest absolute eigenvalue by norms of squares."""
        exact = self.exact
        inv = inverse(self.unit, exact)
        size = exact.frobenius(inv)
        unit = inv * reciprocal(size, exact.xp)[..., None, None]
        norm = size * exact.xp.sqrt(exact.frobenius(exact.mm(unit, unit)))
        return reciprocal(norm, exact.xp), self.bound

    def cheap_measures(self, x, square):
        """Return the distance of X^2 from I, relative to the size of X squared."""
        distance = self._distance_from_one(self.arithmetic.wide(square))
        size = self._size(self.exact.enter(self.arithmetic.wide(x)))
        return {"residual": distance / 2, "orthogonality": distance / size}

    def exact_measures(self, x):
        """Return the forward error to first order, and how well X^2 = I and X A = A X hold."""
        exact = self.exact
        x = exact.enter(self.arithmetic.wide(x))
        distance = self._distance_from_one(self.square(x, exact))
        ax = exact.mm(self.unit, x)
        commutator = exact.frobenius(exact.mm(x, self.unit, beta=-1.0, y=ax))
        n, size = x.shape[-1], self._size(x)
        return {
            "residual": distance / 2 + commutator / (2 * self.smallest) / n**0.5,
            "orthogonality": distance / size,
            "backward": commutator / size,
        }

    def default_targets(self, *, iterated=True):
        """Return what the iteration reaches in the working precision, in units of `_size`."""
        targets = super().default_targets(iterated=iterated)
        return {name: max(targets.values()) for name in targets}

    def _size(self, x):
        """Return ||X||_F^2 / sqrt(n), but at least 1: what rounding errors of X^2 grow with."""
        size = self.exact.frobenius(x) ** 2 / x.shape[-1] ** 0.5
        return self.exact.xp.where(size > 1, size, self.exact.xp.ones_like(size))

    def hermitian(self, x):
        """Return X A."""
        return self.exact.mm(self.exact.enter(self.arithmetic.wide(x)), self.unit)

    def squarings(self):
        """Return how often the Cayley transform is squared: enough for real eigenvalues."""
        return int(np.log2(1 / self.lower)) + 13

    def verify(self, x):
        """Report BREAKDOWN unless X A is shown to have its spectrum in the right half-plane."""
        shift = self.exact.xp.sqrt(self.smallest * self.bound)
        proven = proves_right_half_plane(self.hermitian(x), shift, self.squarings(), self.exact)
        given = self.hopeless(True)
        wrong = ~proven
        if not np.any(wrong):
            return given
        return one_or_many(np.where(wrong, Status.BREAKDOWN, np.array(given)))
