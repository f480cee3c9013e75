"""Square roots of matrices that are not Hermitian, as the iterations see them."""

import numpy as np

from linalg_ml._core.result import Status
from linalg_ml.matrix_functions.half_plane import proves_right_half_plane, squarings, within_reach
from linalg_ml.matrix_functions.polar_problem import one_or_many
from linalg_ml.matrix_functions.root_problem import CoupledRootProblem
from linalg_ml.matrix_functions.spectrum import inverse, reciprocal


class GeneralRootProblem(CoupledRootProblem):
    """The principal square root of a matrix with no eigenvalue on the closed negative real axis."""

    hermitian = False
    blown_up = 1e8  # far from normal, powers may be large for a while
    outside = None  # where a method of local convergence has no guarantee

    def extremes(self):
        """Estimate the smallest and largest absolute eigenvalue by norms of squares."""
        exact = self.exact
        inverted = inverse(self.unit, exact)
        size = exact.frobenius(inverted)
        unit = inverted * reciprocal(size, exact.xp)[..., None, None]
        norm = size * exact.xp.sqrt(exact.frobenius(exact.mm(unit, unit)))
        return reciprocal(norm, exact.xp), self.bound

    def start(self, normalization, headroom):
        """Scale, and see whether ||I - A||_2 < 1: where all Newton-Schulz iterations converge."""
        pair, square = super().start(normalization, headroom)
        if not self.traced:
            self.outside = ~within_reach(self.unit / self.divisor[..., None, None], self.exact)
        return pair, square

    def hopeless(self, idle, distance=0.0):
        """Report a matrix outside the region of convergence."""
        given = super().hopeless(idle, distance)
        if self.outside is None or not np.any(self.outside):
            return given
        given = np.array(given)
        wrong = self.outside & (given != np.array(Status.SINGULAR))
        return one_or_many(np.where(wrong, Status.BREAKDOWN, given))

    def verify(self, x):
        """Report BREAKDOWN unless X is shown to have its spectrum in the right half-plane."""
        exact = self.exact
        shift = exact.xp.sqrt(exact.xp.sqrt(self.smallest * self.bound))
        proven = proves_right_half_plane(self.root(x), shift, squarings(self.unit, exact), exact)
        given = self.hopeless(True)
        if np.all(proven):
            return given
        return one_or_many(np.where(proven, np.array(given), Status.BREAKDOWN))
