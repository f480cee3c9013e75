"""A tensor to be split into low rank and sparse."""

import math
from functools import cached_property

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype
from linalg_ml._core.units import ordinary_exponent
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.square import square_fold, square_reshape


class TensorProblem:
    """T, which of its entries are observed, and what is minimised.

    All of it is in units of ``unit``, 1 unless squares of T would overflow or underflow.

    Parameters
    ----------
    t : array of shape (n_1, ..., n_K)
    observed : boolean array of the same shape or None
    arithmetic : Arithmetic
        The policy of the products; everything else is done in ``wide``, at least fp32.
    rng : numpy.random.Generator
    unfoldings : tuple of tuples of int
        The axes that make the rows of each unfolding that has low rank.
    lam : float
        The weight of the sparse part; infinite where there is none.
    ranks : tuple of int or None
        Of the unfoldings.
    """

    def __init__(self, t, observed, arithmetic, rng, unfoldings, lam=1.0, ranks=None):
        self.arithmetic, self.rng, self.mask = arithmetic, rng, observed
        self.wide, self.xp = arithmetic.at_least_fp32(t), arithmetic.xp
        self.shape = tuple(t.shape)
        self.unfoldings, self.order = unfoldings, len(unfoldings)
        self.given = self.wide.enter(t)
        self.lam, self.ranks = lam, ranks
        self.norm = self.size(self.data)  # ||P T||_F
        exponent = ordinary_exponent(self.norm, self.wide.name)
        self.unit = math.ldexp(1.0, exponent)
        if exponent:
            self.given, self.norm = self.given / self.unit, self.norm / self.unit
            del self.data  # which is cached

    @cached_property
    def data(self):
        """T with zeros where nothing is observed."""
        return self.project(self.given)

    @cached_property
    def observed_count(self):
        """How many entries are observed."""
        if self.mask is None:
            return math.prod(self.shape)
        return int(host(self.xp.sum(astype(self.mask, self.xp.int64))))

    @cached_property
    def deviation(self):
        """The standard deviation of the observed entries, their size where they are all equal."""
        count = max(1, self.observed_count)
        mean = host(self.xp.sum(self.data / self.norm)) * self.norm / count if self.norm else 0.0
        spread = self.size(self.project(self.data - mean)) / math.sqrt(count)
        return spread if spread > 1e-6 * abs(mean) else self.norm / math.sqrt(count) or 1.0

    def size(self, a):
        """Return the Frobenius norm."""
        return host(self.wide.frobenius(self.xp.reshape(a, (1, -1))))

    def project(self, a):
        """Return ``a`` with zeros where nothing is observed."""
        return a if self.mask is None else self.xp.where(self.mask, a, self.xp.zeros_like(a))

    def shrink(self, a, threshold):
        """Return ``a`` with its observed entries shrunk; the others cost nothing."""
        if math.isinf(self.lam):
            shrunk = self.xp.zeros_like(a)
        else:
            shrunk = self.wide.kernels.soft_threshold(a, threshold)
        return shrunk if self.mask is None else self.xp.where(self.mask, shrunk, a)

    def start(self, x0):
        """Return the low-rank part to start from, or None."""
        if x0 is None:
            return None
        x0 = checks.array(x0, "x0")
        checks.same_home(t=self.given, x0=x0)
        checks.same_shape(x0, self.shape, "x0")
        return self.wide.enter(x0) / self.unit

    def unfold(self, a, part):
        """Return the ``part``-th unfolding."""
        return square_reshape(a, modes=self.unfoldings[part])

    def fold(self, a, part):
        """Return the tensor of an unfolding."""
        return square_fold(a, self.shape, modes=self.unfoldings[part])
