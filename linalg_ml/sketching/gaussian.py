"""Dense Gaussian embeddings."""

from linalg_ml._core.namespace import asarray, real_dtype
from linalg_ml.sketching.embedding_base import Embedding, HostValues


class GaussianEmbedding(Embedding):
    """Independent N(0, 1/s) entries."""

    def __init__(self, kind, shape, rng):
        super().__init__(kind, shape)
        self._entries = HostValues(rng.standard_normal(shape) / shape[0] ** 0.5)

    def _forward(self, a, arithmetic):
        return arithmetic.mm(arithmetic.store(self._entries.on(a)), arithmetic.store(a))

    def _backward(self, a, arithmetic):
        return arithmetic.mm(arithmetic.store(self._entries.on(a)).mT, arithmetic.store(a))

    def _times_sparse(self, a):
        return (a.T @ self._like(a).T).T

    def _transposed_times_sparse(self, a):
        return (a.T @ self._like(a)).T

    def _like(self, a):
        """Return the entries as an array that multiplies a sparse matrix."""
        entries = a.tocsr().data
        return asarray(self._entries.values, like=entries, dtype=real_dtype(entries))
