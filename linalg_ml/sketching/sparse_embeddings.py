"""Embeddings with few entries: sparse signs, CountSketch, and samples of rows."""

import numpy as np

from linalg_ml.sketching.embedding_base import Embedding


class _SparseEmbedding(Embedding):
    """A matrix with the same number z of entries in each column, or in each row.

    ``places`` and ``weights`` have one row of z entries for each column of S ("columns"), or
    for each row of S ("rows").
    """

    along = "columns"

    def __init__(self, kind, shape, places, weights):
        super().__init__(kind, shape)
        self._places, self._weights = places, weights

    def _forward(self, a, arithmetic):
        return self._spread(a, arithmetic, self.along == "columns", self.shape[0])

    def _backward(self, a, arithmetic):
        return self._spread(a, arithmetic, self.along == "rows", self.shape[1])

    def _spread(self, a, arithmetic, scatter, size):
        if scatter:
            return arithmetic.kernels.scatter_rows(a, self._places, self._weights, size)
        return arithmetic.kernels.gather_rows(a, self._places, self._weights)

    def _matrix(self, a):
        """Return S as a sparse matrix that multiplies the sparse matrix ``a``."""
        from scipy.sparse import csr_array

        lines, z = self._places.shape
        starts = np.arange(0, lines * z + 1, z)
        shape = (lines, self.shape[0] if self.along == "columns" else self.shape[1])
        matrix = csr_array((self._weights.ravel(), self._places.ravel(), starts), shape=shape)
        matrix = (matrix.T if self.along == "columns" else matrix).astype(a.dtype)
        if type(a).__module__.startswith("cupyx"):
            from importlib import import_module

            return import_module("cupyx.scipy.sparse").csr_matrix(matrix.tocsr())
        return matrix

    def _times_sparse(self, a):
        return (self._matrix(a) @ a).tocsr()

    def _transposed_times_sparse(self, a):
        return (self._matrix(a).T @ a).tocsr()


class SparseSignEmbedding(_SparseEmbedding):
    """In each column ``nonzeros`` entries +-1/sqrt(nonzeros), in distinct random rows."""

    def __init__(self, kind, shape, rng, nonzeros):
        (s, n), z = shape, min(nonzeros, shape[0])
        places = distinct(rng, n, z, s)
        signs = rng.integers(0, 2, (n, z), dtype=np.int8) * 2.0 - 1.0
        super().__init__(kind, shape, places, signs / z**0.5)
        self.nonzeros = z


class RowSample(_SparseEmbedding):
    """Rows of the identity: uniform without replacement, or by probability with it."""

    along = "rows"

    def __init__(self, kind, shape, rng, probabilities):
        s, n = shape
        if probabilities is None:
            rows = rng.choice(n, s, replace=False)
            weights = np.full(s, (n / s) ** 0.5)
        else:
            rows = rng.choice(n, s, p=probabilities)
            weights = (s * probabilities[rows]) ** -0.5
        super().__init__(kind, shape, rows[:, None].astype(np.int32), weights[:, None])
        self.rows = rows


def distinct(rng, n, z, s):
    """Draw n sets of z distinct numbers below s, each set as likely as the others.

    The j-th number is drawn among the s - j that are left, counted in ascending order.
    """
    chosen = np.empty((n, z), np.int32)
    for j in range(z):
        new = rng.integers(0, s - j, n, dtype=np.int32)
        taken = np.sort(chosen[:, :j], axis=1)
        for t in range(j):
            new += new >= taken[:, t]
        chosen[:, j] = new
    return chosen
