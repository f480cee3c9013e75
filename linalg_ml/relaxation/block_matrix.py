"""A sparse matrix of square blocks made ready for sweeps of block SOR."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.relaxation.coloring import color_by_color
from linalg_ml.relaxation.csr_matrix import SHORT, CsrMatrix, RoundedMatrix


class BlockMatrix(CsrMatrix):
    """The blocks of a sparse matrix, and the inverses of those on its diagonal.

    ``block_size`` divides the order of ``a``, a SciPy sparse matrix. With multicolour ordering it
    is the graph of the blocks that is coloured.
    """

    def __init__(self, a, block_size, ordering="natural"):
        n = a.shape[0]
        if n % block_size:
            raise ValueError(f"block_size must divide the order {n} of a, got {block_size}")
        self.shape, self.dtype, self.block_size = (n, n), a.dtype, block_size
        self.ordering, self.threads, self.bounds = ordering, 1, (0, n // block_size)
        self.permutation = None
        if ordering == "multicolor":
            blocks, self.bounds = color_by_color(_graph_of(a.tobsr((block_size,) * 2)))
            self.permutation = (blocks[:, None] * block_size + np.arange(block_size)).ravel()
            a = a[self.permutation][:, self.permutation].tocsr()
        a = a.tobsr(blocksize=(block_size, block_size))
        a.sort_indices()
        self.real = np.empty(0, a.dtype).real.dtype.type
        self.is_finite = bool(np.isfinite(a.data).all())
        integer = np.uint32 if max(n, a.nnz) < 2**32 else np.uint64
        self.indptr, self.indices = a.indptr.astype(integer), a.indices.astype(integer)
        self.data = np.ascontiguousarray(a.data)
        self._on_diagonal = np.flatnonzero(a.indices == _rows_of(a))
        self._invert()

    def _invert(self):
        """Invert the diagonal blocks, or name the first that is singular."""
        self._under = {}
        blocks, size = self.shape[0] // self.block_size, self.block_size
        rows = self.indices[self._on_diagonal].astype(np.int64)
        diagonal = np.zeros((blocks, size, size), self.dtype)
        diagonal[rows] = self.data[self._on_diagonal]
        sound = np.isfinite(diagonal).all(axis=(1, 2))
        # Rows of one size make the rank independent of how the equations are scaled.
        with np.errstate(all="ignore"):
            scaled = diagonal / np.abs(diagonal).max(axis=2, keepdims=True, initial=0)
        scaled[~np.isfinite(scaled)] = 0
        singular = np.flatnonzero(sound & (np.linalg.matrix_rank(scaled) < size))
        if singular.size:
            block = singular[0]
            if self.permutation is not None:
                block = self.permutation[singular * size].min() // size
            raise ValueError(f"a must have no singular diagonal block, but block {block} is one")
        diagonal[~sound] = np.eye(size)
        self.inverse = np.linalg.inv(diagonal)

    def shifted(self, c):
        """Return A + c I, sharing the ordering with this matrix."""
        made = self._copy()
        eye = np.eye(self.block_size, dtype=self.dtype)
        made.data = self.data.copy()
        made.data[self._on_diagonal] += self.real(checks.number(c, "c")) * eye
        made.is_finite = bool(np.isfinite(made.data).all())
        made._invert()
        return made

    def under(self, arithmetic):
        """Return the matrix with the entries that an Arithmetic stores."""
        short = arithmetic.name in SHORT
        if not short and self.dtype == arithmetic.dtype:
            return self
        key = arithmetic.name, arithmetic.dtype
        if key not in self._under:
            made = self._copy()
            made.dtype, made.data = arithmetic.dtype, arithmetic.enter(self.data)
            made.inverse = self.inverse.astype(arithmetic.dtype)
            made.real = np.empty(0, arithmetic.dtype).real.dtype.type
            self._under[key] = RoundedMatrix(made, arithmetic) if short else made
        return self._under[key]

    def sweep(self, b, x, omega, sweep, steps, target):
        """Sweep over x in place; return (x, sweeps made, residual norms or None)."""
        return self._each(kernels("numpy").bsr_sor, b, x, omega, sweep, steps, target)

    def residual_norm(self, b, x):
        """Return ||b - A x|| for each vector."""
        r = b - self.product(x)
        return np.sqrt(np.sum(np.abs(r).astype(np.float64) ** 2, axis=-1))

    def entries_on_diagonal(self):
        """Return the diagonal."""
        blocks = self.data[self._on_diagonal]
        return np.diagonal(blocks, axis1=1, axis2=2).ravel()

    def product(self, x):
        """Return A x for x of shape (..., n) in the ordering of the sweeps."""
        from scipy.sparse import bsr_array

        parts = self.data, self.indices.astype(np.int64), self.indptr.astype(np.int64)
        return (bsr_array(parts, shape=self.shape) @ x.reshape(-1, x.shape[-1]).T).T.reshape(
            x.shape
        )


def _graph_of(a):
    """Return the matrix that has an entry 1 where ``a`` has a block with an entry."""
    from scipy.sparse import csr_array

    entries = np.any(a.data != 0, axis=(1, 2)).astype(float)
    return csr_array((entries, a.indices, a.indptr), shape=(a.indptr.size - 1,) * 2)


def _rows_of(a):
    return np.repeat(np.arange(a.indptr.size - 1), np.diff(a.indptr))
