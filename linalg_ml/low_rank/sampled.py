"""The penalised problem on a few observed entries: nothing of the size m x n is ever formed."""

from functools import cached_property

import numpy as np

from linalg_ml._core.namespace import is_sparse
from linalg_ml.low_rank.robust_problem import Penalised

_FEW = 0.3  # observed, of all entries: so that products with them alone are the faster ones


class SampledPenalised(Penalised):
    """`Penalised` where the stored entries of a scipy.sparse matrix are what is observed.

    A low-rank part is stored as the vector of its observed entries, of shape (1, entries), and
    known as a whole by its factors.
    """

    sampled = True

    def __init__(self, m, observed, arithmetic, rng, factored=False, **weights):
        self.pattern = m
        super().__init__(m.data[None, :], None, arithmetic, rng, factored, **weights)

    def describe(self, m):
        """Keep the values as one row; the matrix has the shape of the pattern."""
        self.shape = self.pattern.shape
        self.given = self.wide.enter(m)

    @cached_property
    def observed_count(self):
        """How many entries are observed."""
        return self.given.shape[1]

    def start(self, x0):
        """Refuse a starting point."""
        if x0 is not None:
            raise ValueError("x0 is for full arrays; with few observed entries start from zero")

    def no_factors(self):
        """Return the factors of L = 0."""
        m, n = self.shape
        kind = self.given.dtype
        return np.zeros((m, 0), kind), np.zeros(0, kind), np.zeros((0, n), kind)

    def low(self, factors):
        """Return the observed entries of U B V^T."""
        left, core, right = factors
        left, right = (left * core, right.T) if core.ndim == 1 else (left @ core, right)
        self.arithmetic.count("sampled products")
        product = self.wide.kernels.sampled_product
        return product(left, right, self.pattern.indptr, self.pattern.indices)[None, :]

    def products(self, gradient, arithmetic):
        """Return the operator that multiplies by a gradient."""
        return SampledProducts(gradient, self.pattern, arithmetic)

    def search(self, low, u, v, scale, bound):
        """Return the inner products that `huber_search` does."""
        search, pattern = self.wide.kernels.sampled_search, self.pattern
        values = low[0], self.given[0]
        return search(*values, bound, u, v, scale, pattern.indptr, pattern.indices)

    def move(self, low, keep, scale, u, v):
        """Return the observed entries of keep L + scale u v^T; ``low`` is consumed."""
        step = self.wide.kernels.sampled_rank_one
        step(low[0], keep, scale, u, v, self.pattern.indptr, self.pattern.indices)
        return low

    def largest_entry(self):
        """Return i, j and M_ij for the observed entry of largest magnitude."""
        values, pattern = self.given[0], self.pattern
        place = int(np.argmax(np.abs(values)))
        row = int(np.searchsorted(pattern.indptr, place, side="right")) - 1
        return row, int(pattern.indices[place]), float(values[place])

    def deliver(self, low, sparse, factors, **extras):
        """Return the factors, and the sparse part as a sparse matrix."""
        leave, pattern = self.arithmetic.leave, self.pattern
        _, sparse, factors = self.out_of_units(None, sparse, factors)
        factors = tuple(map(leave, factors))
        if sparse is not None:
            values = (leave(sparse[0]), pattern.indices.copy(), pattern.indptr.copy())
            sparse = type(pattern)(values, shape=pattern.shape)
            sparse.eliminate_zeros()
        extras = {"sparse": sparse, "rank": factors[1].shape[0], "factors": factors, **extras}
        return factors, extras


class SampledProducts:
    """A gradient on the observed entries as an operator."""

    def __init__(self, gradient, pattern, arithmetic):
        self.arithmetic, self.like, self.shape = arithmetic, gradient, pattern.shape
        values = arithmetic.enter(gradient)[0]
        self.a = type(pattern)((values, pattern.indices, pattern.indptr), shape=pattern.shape)

    @property
    def full(self):
        """The matrix with its zeros."""
        return self.a.toarray()

    def matvec(self, x):
        """Return A x."""
        self.arithmetic.count("matvecs")
        return self.arithmetic.store(self.a @ x)

    def rmatvec(self, x):
        """Return A^T x."""
        self.arithmetic.count("matvecs")
        return self.arithmetic.store(self.a.T @ x)

    def block(self, x):
        """Return A X in at least fp32."""
        self.arithmetic.count("matvecs", x.shape[1])
        return self.a @ x

    def rblock(self, x):
        """Return A^T X in at least fp32."""
        self.arithmetic.count("matvecs", x.shape[1])
        return self.a.T @ x


def as_sampled(m, observed):
    """Return m as a scipy.sparse CSR matrix whose entries are the observed ones, or None.

    A sparse matrix is one already; an array becomes one where few of its entries are observed.
    """
    if is_sparse(m):
        csr = m.tocsr()
        if not csr.has_canonical_format:
            csr = csr.copy()
            csr.sum_duplicates()
        return csr
    if observed is None or np.count_nonzero(observed) > _FEW * observed.size:
        return None
    from scipy.sparse import csr_array

    rows = np.count_nonzero(observed, axis=1)
    starts = np.concatenate([[0], np.cumsum(rows)])
    kind = np.int32 if max(*m.shape, starts[-1]) < 2**31 else np.int64
    columns, values = np.empty(starts[-1], kind), np.empty(starts[-1], m.dtype)
    for i, row in enumerate(observed):
        here = slice(starts[i], starts[i + 1])
        columns[here] = np.flatnonzero(row)
        values[here] = m[i, columns[here]]
    return csr_array((values, columns, starts.astype(kind)), shape=m.shape)
