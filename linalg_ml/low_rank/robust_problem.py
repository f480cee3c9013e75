"""A matrix to be split into low rank and sparse: what is observed, and what is minimised."""

import math
from functools import cached_property

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, astype, dtype_name, is_array
from linalg_ml._core.units import ordinary_exponent
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.leading_pairs import Products
from linalg_ml.low_rank.row_blocks import count_true, largest_entry, observed_norm

_MOST = 1000  # a power of two and its inverse that doubles can hold


class RobustProblem:
    """What all formulations share: M, which of its entries are observed, and the way out.

    All of it is in units of ``unit``, 1 unless squares of M would overflow or underflow.

    Parameters
    ----------
    m : array of shape (m, n)
    observed : boolean array of shape (m, n) or None
        None where every entry is observed.
    arithmetic : Arithmetic
        The policy of the products; everything else is done in ``wide``, at least fp32.
    rng : numpy.random.Generator
    factored : bool
        Whether the low-rank part leaves as (u, s, vh).
    """

    parameters = ()  # the keywords of `robust_pca` that belong to this formulation
    reported = ()  # the numbers among the extras that every method has
    degree = 1  # the objective of the data times c is c^degree times that of the data

    def __init__(self, m, observed, arithmetic, rng, factored=False):
        self.arithmetic, self.rng, self.factored = arithmetic, rng, factored
        self.wide = arithmetic.at_least_fp32(m)
        self.xp = arithmetic.xp
        self.mask = observed
        self.describe(m)
        self.norm = observed_norm(self)  # ||P M||_F, P the projection on what is observed
        exponent = ordinary_exponent(self.norm, self.wide.name)
        self.unit = math.ldexp(1.0, exponent)
        # What exceeds the range of doubles keeps its place among numbers in the same unit.
        self.objective_unit = math.ldexp(1.0, max(-_MOST, min(self.degree * exponent, _MOST)))
        if exponent:
            self.given, self.norm = self.given / self.unit, self.norm / self.unit

    def describe(self, m):
        """Keep M and its shape; anything may stand where nothing is observed."""
        self.shape = tuple(m.shape)
        self.given = self.wide.enter(m)

    @cached_property
    def data(self):
        """M with zeros where nothing is observed."""
        return self.project(self.given)

    @cached_property
    def observed_count(self):
        """How many entries are observed."""
        if self.mask is None:
            return math.prod(self.shape)
        return count_true(self.mask)

    def in_units(self, value):
        """Return a weight or a bound in units of ``unit``, far from overflow and underflow."""
        return value if self.unit == 1 else min(max(value / self.unit, 2.0**-100), 2.0**100)

    def project(self, a):
        """Return ``a`` with zeros where nothing is observed."""
        return a if self.mask is None else self.xp.where(self.mask, a, self.xp.zeros_like(a))

    def start(self, x0):
        """Return the low-rank part to start from, a new array in the working dtype, or None."""
        if x0 is None:
            return None
        x0 = checks.array(x0, "x0")
        checks.same_home(m=self.given, x0=x0)
        checks.same_shape(x0, self.shape, "x0")
        return self.wide.enter(x0) / self.unit

    def no_factors(self):
        """Return the factors of L = 0."""
        rows, columns = self.given[:, :0] * 0.0, self.given[:0, :] * 0.0
        return rows, self.xp.sum(columns, axis=1), columns

    def product(self, factors):
        """Return u diag(s) vh."""
        u, s, vh = factors
        return self.wide.mm(u * s[None, :], vh)

    def decompose(self, low):
        """Return u, s, vh of a matrix, without singular values at the level of rounding."""
        u, s, vh = self.arithmetic.kernels.thin_svd(low)
        self.arithmetic.count("decompositions")
        noise = 8 * self.wide.unit_roundoff * max(self.shape) ** 0.5
        rank = int(host(self.xp.sum(astype(s > noise * s[:1], self.xp.int32))))
        return u[:, :rank], s[:rank], vh[:rank, :]

    def deliver(self, low, sparse, factors, **extras):
        """Return x and extras, in the dtype of the input.

        ``low`` may be None where ``factors`` (u, s, vh) are given, and the other way round.
        """
        leave = self.arithmetic.leave
        if low is None and not self.factored:
            low = self.product(factors)
        low, sparse, factors = self.out_of_units(low, sparse, factors)
        if factors is not None:
            factors = tuple(map(leave, factors))
            extras = {"rank": factors[1].shape[0], "factors": factors, **extras}
        elif self.factored:
            raise ValueError("factored=True is not for this method: it knows no factors")
        x = factors if self.factored else low
        return x, {"sparse": None if sparse is None else leave(sparse), **extras}

    def out_of_units(self, low, sparse, factors):
        """Return L, S and the factors of L, each of which may be None, as the caller has them."""
        if self.unit == 1:
            return low, sparse, factors
        low, sparse = (None if a is None else a * self.unit for a in (low, sparse))
        if factors is not None:
            factors = factors[0], factors[1] * self.unit, factors[2]
        return low, sparse, factors


class Pursuit(RobustProblem):
    """Principal component pursuit: min ||L||_* + lam ||S||_1 such that P(L + S) = P(M)."""

    parameters = ("lam",)
    reported = ("objective", "lower_bound")

    def __init__(self, *shared, lam=None, **options):
        super().__init__(*shared, **options)
        largest = max(*self.shape, 1)
        self.lam = 1 / math.sqrt(largest) if lam is None else checks.number(lam, "lam", above=0)

    def residual(self, low, sparse):
        """Return ||P(M - L - S)||_F."""
        return host(self.wide.frobenius(self.project(self.given - low - sparse)))

    def objective(self, singular_values, sparse):
        """Return ||L||_* + lam ||S||_1."""
        xp = self.xp
        return host(xp.sum(singular_values)) + self.lam * host(xp.sum(xp.abs(sparse)))


class FixedRank(RobustProblem):
    """L of a given rank and S with few entries such that P(L + S) = P(M)."""

    parameters = ("rank",)

    def __init__(self, *shared, rank=None, **options):
        super().__init__(*shared, **options)
        if rank is None:
            raise ValueError("rank must be given for this method")
        self.rank = checks.count(rank, "rank", minimum=0)
        if self.rank > min(self.shape):
            raise ValueError(f"rank must be at most min(m, n) = {min(self.shape)}, got {rank}")

    residual = Pursuit.residual


class Penalised(RobustProblem):
    """min f(L, S) = 1/2 ||P(L + S - M)||_F^2 + lam_low_rank ||L||_* + lam_sparse ||S||_1.

    For a given L the best S is known, and with r = P(L - M), lam the weight of S and
    g = clip(r, -lam, lam) it is S = g - r, with the residual P(L + S - M) = g. So f is a function
    of L alone: a sum of Huber functions of r, whose gradient is g.
    """

    parameters = ("lam_low_rank", "lam_sparse")
    reported = ("objective", "lower_bound")
    degree = 2
    sampled = False  # whether L is stored on the observed entries alone

    def __init__(self, *shared, lam_low_rank=None, lam_sparse=None, **options):
        super().__init__(*shared, **options)
        density = self.observed_count / max(1, math.prod(self.shape))
        ratio = math.sqrt(max(1.0, density * max(self.shape)))  # of the two weights, as in pursuit
        if lam_low_rank is not None:
            lam_low_rank = self.in_units(checks.number(lam_low_rank, "lam_low_rank", above=0))
        if lam_sparse is not None:
            lam_sparse = self.in_units(checks.number(lam_sparse, "lam_sparse", above=0))
        if lam_low_rank is None:
            usual = 1e-2 * density * self.norm
            lam_low_rank = lam_sparse * ratio if lam_sparse is not None else usual or 1.0
        self.lam_low_rank = lam_low_rank
        self.lam_sparse = lam_low_rank / ratio if lam_sparse is None else lam_sparse

    def zero(self):
        """Return L = 0 as it is stored."""
        return self.xp.zeros_like(self.given)

    def low(self, factors):
        """Return L = U B V^T as it is stored, multiplied in the precision of the policy.

        ``factors`` are u, s, vh, or U, B, V with a matrix B.
        """
        left, core, right = factors
        enter = self.arithmetic.enter
        if core.ndim == 1:
            left, right = left * core[None, :], right.mT
        else:
            left = self.wide.mm(left, core)
        return self.arithmetic.wide(self.arithmetic.mm(enter(left), enter(right).mT))

    def products(self, gradient, arithmetic):
        """Return the operator that multiplies by a gradient."""
        return Products(gradient, arithmetic)

    def huber(self, low, out=None):
        """Return g, ||g||_F^2, ||S||_1 and <g, M> at L; ``out`` is memory for g."""
        terms = self.wide.kernels.huber_terms
        g, *sums = terms(low, self.given, self.mask, self.lam_sparse, out)
        return (g, *map(host, sums))

    def search(self, low, u, v, scale, bound):
        """Return inner products of scale u v^T - L, -S and g; see the kernel ``huber_search``."""
        terms = self.wide.kernels.huber_search
        return terms(low, self.given, self.mask, bound, u, v, scale)

    def move(self, low, keep, scale, u, v):
        """Return keep L + scale u v^T; ``low`` is consumed."""
        return self.wide.kernels.rank_one_move(low, keep, scale, u, v)

    def largest_entry(self):
        """Return i, j and M_ij for the observed entry of largest magnitude."""
        return largest_entry(self)

    def sparse(self, low):
        """Return the best S for L."""
        sparse = self.wide.kernels.huber_sparse
        return sparse(low, self.given, self.mask, self.lam_sparse)

    def loss(self, squares, sparse_norm):
        """Return the objective without the nuclear norm."""
        return squares / 2 + self.lam_sparse * sparse_norm

    def joint_loss(self, low, sparse):
        """Return the objective without the nuclear norm, for any S."""
        residual = host(self.wide.frobenius(self.project(low + sparse - self.given)))
        return self.loss(residual * residual, host(self.xp.sum(self.xp.abs(sparse))))

    def lower_bound(self, squares, inner, largest):
        """Return a lower bound on the minimum from ||g||_F^2, <g, M> and ||g||_2.

        The dual problem is max <Y, M> - ||Y||_F^2 / 2 over Y with ||Y||_2 <= lam_low_rank and
        |Y| <= lam_sparse that vanish where nothing is observed; -t g is such a matrix.
        """
        if squares <= 0:
            return 0.0
        most = 1.0 if largest <= self.lam_low_rank else self.lam_low_rank / largest
        t = min(max(-inner / squares, 0.0), most)
        return -t * inner - t * t * squares / 2

    def relative_gap(self, objective, bound):
        """Return (f - bound) / f, which is at least the relative error of f."""
        if objective <= 0:
            return 0.0 * objective  # NaN stays
        return max(objective - bound, 0.0) / objective


def check_observed(observed, m):
    """Return ``observed`` if it is a boolean array that fits ``m``, or None."""
    if observed is None:
        return None
    if not is_array(observed) and not isinstance(observed, (list, tuple)):
        raise TypeError(f"observed must be a boolean array, got {type(observed).__name__}")
    if isinstance(observed, (list, tuple)):
        observed = asarray(observed, like=m)
    checks.same_home(m=m, observed=observed)
    checks.same_shape(observed, m.shape, "observed")
    if "bool" not in dtype_name(observed):
        raise TypeError(f"observed must hold booleans, got dtype {dtype_name(observed)}")
    return observed
