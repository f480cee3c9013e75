"""What the embeddings have in common: ``S @ a``, ``S.T @ a``, and what they accept."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, device_key, is_sparse, is_traced, library
from linalg_ml._core.precision import Arithmetic


class Embedding:
    """A random s x n matrix S with E[S^T S] = I, applied as ``S @ a`` and ``S.T @ a``.

    Attributes
    ----------
    kind : str
        The name `embedding` made it by.
    shape : tuple (s, n)
    T : the transpose, applied in the same way

    Notes
    -----
    ``a`` is an array of shape (n,), (n, k) or (..., n, k), of any library, or a SciPy or CuPy
    sparse matrix of shape (n, k). The result has its library, device and dtype.
    """

    def __init__(self, kind, shape):
        self.kind, self.shape = kind, shape

    __array_ufunc__ = None  # NumPy arrays leave products with an embedding to it

    @property
    def T(self):
        """The transpose, of shape (n, s)."""
        return Transposed(self)

    def __matmul__(self, a):
        return _product(a, self.shape[1], self.multiply, self._times_sparse)

    def multiply(self, a, arithmetic):
        """Return S A for (..., n, k) arrays in the working format of an `Arithmetic`."""
        arithmetic.count("sketches")
        return arithmetic.store(self._forward(arithmetic.wide(a), arithmetic))

    def multiply_transposed(self, a, arithmetic):
        """Return S^T A for (..., s, k) arrays in the working format of an `Arithmetic`."""
        arithmetic.count("sketches")
        return arithmetic.store(self._backward(arithmetic.wide(a), arithmetic))

    def toarray(self):
        """Return S as a NumPy array of float64."""
        return self @ np.eye(self.shape[1])

    def _forward(self, a, arithmetic):
        raise NotImplementedError

    def _backward(self, a, arithmetic):
        raise NotImplementedError

    def _times_sparse(self, a):
        """Return S A for a sparse matrix A."""
        raise NotImplementedError

    def _transposed_times_sparse(self, a):
        """Return S^T A for a sparse matrix A."""
        raise NotImplementedError

    def __repr__(self):
        return f"<{self.kind} embedding of shape {self.shape}>"


class Transposed:
    """The transpose of an embedding."""

    def __init__(self, embedding):
        self.T = embedding
        self.shape = embedding.shape[::-1]

    __array_ufunc__ = None

    def __matmul__(self, a):
        s = self.T
        return _product(a, self.shape[1], s.multiply_transposed, s._transposed_times_sparse)

    def toarray(self):
        """Return S^T as a NumPy array of float64."""
        return self.T.toarray().T

    def __repr__(self):
        return f"<transpose of {self.T!r}>"


def _product(a, rows, multiply, multiply_sparse):
    if is_sparse(a):
        if a.ndim != 2 or a.shape[0] != rows:
            raise ValueError(f"a must have shape ({rows}, k), got shape {tuple(a.shape)}")
        return multiply_sparse(a if a.dtype.kind in "fc" else a.astype(float))
    a = checks.array(a, "a")
    if a.ndim < 1 or a.shape[0 if a.ndim == 1 else -2] != rows:
        raise ValueError(
            f"a must have shape ({rows},), ({rows}, k) or (..., {rows}, k), "
            f"got shape {tuple(a.shape)}"
        )
    arithmetic = Arithmetic(None, a)
    x = arithmetic.enter(a)
    if a.ndim == 1:
        return arithmetic.leave(multiply(x[:, None], arithmetic)[:, 0])
    return arithmetic.leave(multiply(x, arithmetic))


class HostValues:
    """An array on the host, and its copies where they were asked for."""

    def __init__(self, values):
        self.values = values
        self._copies = {}

    def __getstate__(self):
        return {"values": self.values, "_copies": {}}  # devices cannot be pickled

    def on(self, a):
        """Return the values in the library, on the device and in the dtype of ``a``."""
        if is_traced(a):
            return asarray(self.values, like=a, dtype=a.dtype)
        key = library(a), str(a.dtype), device_key(a)
        if key not in self._copies:
            self._copies[key] = asarray(self.values, like=a, dtype=a.dtype)
        return self._copies[key]
