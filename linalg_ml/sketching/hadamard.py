"""The subsampled randomized Hadamard transform."""

import numpy as np

from linalg_ml.sketching.embedding_base import Embedding, HostValues


class HadamardEmbedding(Embedding):
    """sqrt(n/s) R H D: random signs, the orthonormal Walsh-Hadamard matrix, a sample of rows.

    Where n is no power of two, vectors are padded with zeros to the next one.
    """

    def __init__(self, kind, shape, rng):
        super().__init__(kind, shape)
        s, n = shape
        self._order = 1 << (n - 1).bit_length()
        self._signs = HostValues(rng.integers(0, 2, n, dtype=np.int8) * 2.0 - 1.0)
        self._rows = rng.choice(self._order, s, replace=False)[:, None].astype(np.int32)
        self._weights = np.full((s, 1), s**-0.5)

    def _forward(self, a, arithmetic):
        xp, n = arithmetic.xp, self.shape[1]
        a = self._signs.on(a)[:, None] * a
        if self._order > n:
            zeros = xp.zeros_like(a[..., : self._order - n, :])
            a = xp.concat([a, zeros], axis=-2)
        mixed = arithmetic.kernels.hadamard(a)
        return arithmetic.kernels.gather_rows(mixed, self._rows, self._weights)

    def _backward(self, a, arithmetic):
        kernels = arithmetic.kernels
        spread = kernels.scatter_rows(a, self._rows, self._weights, self._order)
        mixed = kernels.hadamard(spread)[..., : self.shape[1], :]
        return self._signs.on(a)[:, None] * mixed

    def _times_sparse(self, a):
        return self @ a.toarray()

    def _transposed_times_sparse(self, a):
        return self.T @ a.toarray()
