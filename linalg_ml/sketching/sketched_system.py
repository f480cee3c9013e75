"""The consistent linear system A x = b as sketch-and-project sees it: through S^T A and S^T b."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, dtype_name, is_sparse, is_traced, to_numpy
from linalg_ml._core.operators import DenseOperator, SparseOperator, operator
from linalg_ml._core.random import generator
from linalg_ml._core.verdict import host
from linalg_ml.sketching.embeddings import embedding
from linalg_ml.sketching.sketched_problem import fits
from linalg_ml.sketching.units import SystemUnits

BY_ROWS = ("kaczmarz", "rows", "greedy")


class SketchedSystem:
    """A x = b for one b (m,) or a stack (..., m), and the random sketches of it.

    All of it is in units in which A and b are of ordinary size.
    """

    def __init__(self, a, b, arithmetic, rng, weigh_by_diagonal=False):
        if is_traced(b):
            raise TypeError("sketch_and_project cannot run inside jax.jit: it looks at values")
        self.arithmetic, self.wide = arithmetic, arithmetic.at_least_fp32(b)
        double = dtype_name(b) in ("float64", "complex128")
        self._exact = arithmetic.switch("fp64", b) if double else self.wide
        self.a = self._exact_a = operator(a, arithmetic, size=b.shape[-1])
        if self._exact is not arithmetic:
            self._exact_a = operator(a, self._exact, size=b.shape[-1])
        self.shape = tuple(self.a.shape)
        fits(self.shape, b)
        self.is_explicit = isinstance(self.a, (DenseOperator, SparseOperator))
        self.b, self._exact_b = self.wide.enter(b), self._exact.enter(b)
        self._norm_a = self._norm()
        norm_b = host(self._exact.norm(self._exact_b)) if b.shape[-1] else 0.0
        self.units = SystemUnits(self._norm_a, norm_b, self.wide.name)
        self.a, self._exact_a = map(self.units.of_matrix, (self.a, self._exact_a))
        self.b, self._exact_b = self.units.of_b(self.b), self.units.of_b(self._exact_b)
        self.rng = generator(rng)
        self._by_diagonal = weigh_by_diagonal
        self._weights = None

    def _norm(self):
        """Return ||A||_F, 1 for an operator."""
        a, exact = self._exact_a, self._exact
        if isinstance(a, SparseOperator):
            return host(exact.frobenius(exact.enter(a.a.data)[None, :]))
        return host(exact.frobenius(a.a)) if isinstance(a, DenseOperator) else 1.0

    # Sketches ------------------------------------------------------------------------------

    def sketch(self, kind, k, x):
        """Draw S (m, k); return S^T A, S^T b, S^T: indices of rows, array or Embedding."""
        if kind in BY_ROWS:
            rows = self._choose_rows(kind, k, x)
            places = asarray(rows, like=self.b, dtype=self.wide.xp.int32)
            return self._rows(rows, places), self.wide.xp.take(self.b, places, axis=-1), rows
        if kind == "gaussian-vector" or not self.is_explicit:
            return self._dense_sketch(kind, k)
        drawn = embedding(kind, (k, self.shape[0]), rng=self.rng)
        if isinstance(self.a, DenseOperator):
            product = drawn.multiply(self.a.a, self.arithmetic)
        else:
            product = drawn @ self.a.a
            product = product.toarray() if is_sparse(product) else product
        sketched = drawn.multiply(
            self.wide.xp.reshape(self.b, (-1, self.shape[0])).mT, self.wide
        ).mT
        sketched = self.wide.xp.reshape(sketched, (*self.b.shape[:-1], k))
        return self.wide.enter(product), sketched, drawn

    def _dense_sketch(self, kind, k):
        if kind == "gaussian-vector":
            values = self.rng.standard_normal((k, self.shape[0]))
        else:
            values = embedding(kind, (k, self.shape[0]), rng=self.rng).toarray()
        s = asarray(values, like=self.b, dtype=self.wide.dtype)
        if isinstance(self.a, DenseOperator):
            product = self.arithmetic.mm(self.arithmetic.store(s), self.a.a)
        else:  # (A^H S)^H, row by row
            product = self._conj(self.a.rmatvec(self.arithmetic.store(s)))
        return self.wide.enter(product), self.wide.mv(s, self.b), s

    def _rows(self, rows, places):
        if isinstance(self.a, DenseOperator):
            return self.wide.enter(self.wide.xp.take(self.a.a, places, axis=0))
        return self.wide.enter(self.a.a[rows].toarray())

    def _choose_rows(self, kind, k, x):
        if kind == "greedy":
            size = np.abs(to_numpy(self.wide.enter(self.b) - self.matvec(x)))
            # A right-hand side that is not finite must not spoil the others.
            distance = np.nansum(size.reshape(-1, self.shape[0]) ** 2, axis=0)
            weights = self.weights()
            distance = np.where(weights > 0, distance / np.where(weights > 0, weights, 1), -1)
            return np.argpartition(-distance, k - 1)[:k]
        if kind == "rows":
            return self.rng.choice(self.shape[0], k, replace=False)
        if k == 1:
            total = self._cumulative()
            drawn = np.searchsorted(total, self.rng.random(1) * total[-1], side="right")
            return np.minimum(drawn, self.shape[0] - 1)
        weights = self.weights()
        k = min(k, int(np.count_nonzero(weights)))
        return self.rng.choice(self.shape[0], k, replace=False, p=weights / weights.sum())

    def _cumulative(self):
        if self._weights is None:
            self.weights()
        return self._total

    def weights(self):
        """Return ||a_i||^2 for every row, or a_ii, on the host."""
        if self._weights is None:
            a = self.a.a
            if self._by_diagonal:
                diagonal = a.diagonal() if isinstance(self.a, SparseOperator) else None
                if diagonal is None:
                    diagonal = self.wide.xp.linalg.diagonal(a)
                weights = np.maximum(np.real(to_numpy(self.wide.enter(diagonal))), 0)
            elif isinstance(self.a, SparseOperator):
                weights = np.asarray(to_numpy(abs(a).power(2).sum(axis=1))).reshape(-1)
            else:
                weights = to_numpy(self.wide.norm(self.wide.enter(a))) ** 2
            weights = np.asarray(weights, np.float64)
            if not 0 < weights.sum() < np.inf:  # zero or not finite, as is reported later
                weights = np.ones(self.shape[0])
            self._weights, self._total = weights, np.cumsum(weights)
        return self._weights

    def _conj(self, x):
        return self.wide.xp.conj(x) if self.wide.is_complex else x

    # Residuals -----------------------------------------------------------------------------

    def matvec(self, x):
        """Return A x."""
        return self.wide.enter(self.a.matvec(self.arithmetic.store(x)))

    def start(self, x0):
        """Return x0 in the working type, zero for None."""
        shape = (*self.b.shape[:-1], self.shape[1])
        if x0 is None:
            return self.wide.xp.zeros(shape, dtype=self.wide.dtype, device=self.wide.device)
        x0 = checks.array(x0, "x0")
        checks.same_home(b=self.b, x0=x0)
        checks.same_shape(x0, shape, "x0")
        return self.units.of_x(self.wide.enter(x0))

    def residual_norm(self, x):
        """Return ||b - A x|| for x as the caller gets it."""
        x = self._exact.enter(self.arithmetic.leave(self.units.out(x)))
        rest = self._exact_b - self._exact_a.matvec(self.units.of_x(x))
        return self.in_units_of_b(host(self._exact.norm(rest)))

    def in_units_of_b(self, size):
        """Return host numbers, one for each right-hand side, as the caller has them."""
        return size if self.units.are_one else host(size * self.units.b)

    def scale(self):
        """Return ||b||, NaN where A is not finite."""
        size = self.in_units_of_b(host(self._exact.norm(self._exact_b)))
        return size if np.isfinite(self._norm_a) else size * float("nan")
