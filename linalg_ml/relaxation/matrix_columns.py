"""The columns of a matrix, taken block by block, wherever the matrix lives.

Vectors are NumPy arrays on the host: a step of coordinate descent looks at single entries of
them. A dense matrix of another library stays on its device, which makes the products with the
whole matrix; the columns of a block travel.
"""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, dtype_name, is_sparse, library, to_numpy
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.relaxation.units import largest_entry, unit_of

# Wider blocks of a sparse matrix stay sparse.
_WIDEST_DENSE = 256


class BlockColumns:
    """Some columns of a matrix on the host, as far as their ``rows`` with entries.

    ``columns`` is a dense array, or a CSC matrix where the block is wide; ``rows`` is a slice of
    all rows or sorted indices; ``index`` are the coordinates.
    """

    def __init__(self, columns, index, rows=slice(None)):
        self.columns, self.index, self.rows = columns, index, rows
        self._sparse = not isinstance(columns, np.ndarray)

    def apply(self, d):
        """Return A_b d at ``rows``; d has shape (|b|,) or (|b|, k)."""
        return self.columns @ d

    def adjoint(self, s):
        """Return A_b^T s for s of shape (m,) or (m, k)."""
        return self.columns.T @ s[self.rows]

    def at(self, index):
        """Return the rows ``index`` of the columns, dense, shape (len(index), |b|)."""
        if isinstance(self.rows, slice):
            return self.columns[index]
        out = np.zeros((index.size, self.index.size), self.columns.dtype)
        if self.rows.size:
            place = np.minimum(np.searchsorted(self.rows, index), self.rows.size - 1)
            found = self.rows[place] == index
            part = self.columns[place[found]]
            out[found] = part.toarray() if self._sparse else part
        return out

    def gram(self, left=None, right=None):
        """Return A_b^T A_b; with weights (m,) or (m, |b|) times the entries on either side."""
        a, b = self._weighted(left), self._weighted(right)
        gram = a.T @ b
        return gram.toarray() if self._sparse else gram

    def _weighted(self, weights):
        if weights is None:
            return self.columns
        weights = weights[self.rows]
        weights = weights[:, None] if weights.ndim == 1 else weights
        return self.columns.multiply(weights).tocsc() if self._sparse else self.columns * weights


class DenseColumns:
    """A dense matrix of any array library, divided by the power of two ``unit``."""

    def __init__(self, a, arithmetic):
        largest = float(arithmetic.xp.max(abs(a))) if 0 not in a.shape else 0.0
        reach = 1000 if dtype_name(a) == "float64" else 120
        self.unit = unit_of(largest, arithmetic.name, reach)
        self.a = arithmetic.enter(a if self.unit == 1 else a / self.unit)
        self.shape = tuple(a.shape)
        self._arithmetic = arithmetic
        self.rows_of_transpose = None
        if arithmetic.library == "numpy":
            self.rows_of_transpose = np.ascontiguousarray(self.a.T)

    def _product(self, a, x):
        arithmetic = self._arithmetic
        given = asarray(np.ascontiguousarray(x), like=self.a, dtype=self.a.dtype)
        if x.ndim == 1:
            return np.array(to_numpy(arithmetic.mv(a, given)))
        arithmetic.count("matvecs", x.shape[1])
        return np.array(to_numpy(arithmetic.mm(a, given)))

    def matvec(self, x):
        """Return A x for x of shape (n,) or (n, k)."""
        return self._product(self.a, x)

    def rmatvec(self, s):
        """Return A^T s for s of shape (m,) or (m, k)."""
        return self._product(self.a.mT, s)

    def rows_adjoint(self, rows, ds, s, out):
        """Return A^T s, of which ``out`` is the value before the change ds of s at ``rows``."""
        return self.rmatvec(s)

    def columns(self, index):
        """Return the columns ``index`` as `BlockColumns`."""
        if self.rows_of_transpose is not None:
            return BlockColumns(self.rows_of_transpose[index].T, index)
        xp = self._arithmetic.xp
        where = asarray(index, like=self.a)
        return BlockColumns(np.array(to_numpy(xp.take(self.a, where, axis=1))), index)

    def squared_norms(self):
        """Return the squared norms of the columns."""
        return np.array(to_numpy(self._arithmetic.xp.sum(self.a * self.a, axis=0)))

    def absolute_row_sums(self):
        """Return the sums of |a_ij| along each row."""
        return np.array(to_numpy(self._arithmetic.xp.sum(abs(self.a), axis=1)))

    def absolute_gram_sums(self):
        """Return the sums of |A^T A| along each row, made in slices of rows."""
        n = self.shape[1]
        parts = [np.zeros(0, self.squared_norms().dtype)]
        for first in range(0, n, 512):
            part = self.a[:, first : min(first + 512, n)]
            gram = self._arithmetic.mm(part.mT, self.a)
            parts.append(np.array(to_numpy(self._arithmetic.xp.sum(abs(gram), axis=1))))
        return np.concatenate(parts)

    def diagonal(self):
        """Return a_ii."""
        return np.array(to_numpy(self._arithmetic.xp.linalg.diagonal(self.a)))

    def is_finite(self):
        """Say whether all entries are finite."""
        return bool(self._arithmetic.xp.all(self._arithmetic.xp.isfinite(self.a)))

    def asymmetry(self):
        """Return max |A - A^T| and max |A|."""
        xp = self._arithmetic.xp
        return float(xp.max(abs(self.a - self.a.mT))), float(xp.max(abs(self.a)))


class SparseColumns:
    """A SciPy sparse matrix over ``unit``, kept by columns and, where it is needed, by rows."""

    def __init__(self, a, arithmetic):
        from scipy.sparse import csc_array

        self.shape = tuple(a.shape)
        self._arithmetic = arithmetic
        csc = csc_array(a)
        if not csc.has_canonical_format:
            csc = csc.copy()
            csc.sum_duplicates()
        self.unit = unit_of(largest_entry(csc.data), arithmetic.name)
        data = csc.data if self.unit == 1 else csc.data / np.float64(self.unit)
        data = np.asarray(data, np.result_type(arithmetic.dtype))
        kind = np.int32 if csc.nnz < np.iinfo(np.int32).max else np.int64
        parts = (data, csc.indices.astype(kind, copy=False), csc.indptr.astype(kind, copy=False))
        self.csc = csc_array(parts, shape=self.shape)
        self._csr = None
        self._place = np.full(self.shape[0], -1, np.int64)

    @property
    def csr(self):
        """The matrix by rows."""
        if self._csr is None:
            self._csr = self.csc.tocsr()
        return self._csr

    @property
    def rows_of_transpose(self):
        """A^T by rows, in the memory of A by columns."""
        return self.csc.T

    def matvec(self, x):
        """Return A x for x of shape (n,) or (n, k)."""
        self._arithmetic.count("matvecs", 1 if x.ndim == 1 else x.shape[1])
        return self.csc @ x

    def rmatvec(self, s):
        """Return A^T s for s of shape (m,) or (m, k)."""
        self._arithmetic.count("matvecs", 1 if s.ndim == 1 else s.shape[1])
        return self.csc.T @ s

    def rows_adjoint(self, rows, ds, s, out):
        """Return A^T s, of which ``out`` is the value before the change ds of s at ``rows``."""
        self._arithmetic.count("rows", rows.size)
        weights, total = ds.reshape(rows.size, -1), out.reshape(out.shape[0], -1)
        kernels("numpy").add_rows(self.csr, rows, weights, total)
        return out

    def columns(self, index):
        """Return the columns ``index`` as `BlockColumns`."""
        if index.size <= _WIDEST_DENSE:
            rows, columns = kernels("numpy").gather_columns(self.csc, index, self._place)
            return BlockColumns(columns, index, rows)
        part = self.csc[:, index]
        rows, places = np.unique(part.indices, return_inverse=True)
        places = (part.data, places.astype(part.indptr.dtype), part.indptr)
        return BlockColumns(type(part)(places, shape=(rows.size, index.size)), index, rows)

    def squared_norms(self):
        """Return the squared norms of the columns."""
        return np.asarray(self.csc.multiply(self.csc).sum(axis=0)).ravel()

    def absolute_row_sums(self):
        """Return the sums of |a_ij| along each row."""
        return np.asarray(abs(self.csc).sum(axis=1)).ravel()

    def absolute_gram_sums(self):
        """Return the sums of |A^T A| along each row, made in slices of rows."""
        parts = [np.zeros(0, self.csc.dtype)]
        for first in range(0, self.shape[1], 512):
            part = self.csc[:, first : first + 512]
            parts.append(np.asarray(abs(part.T @ self.csr).sum(axis=1)).ravel())
        return np.concatenate(parts)

    def diagonal(self):
        """Return a_ii."""
        return np.array(self.csc.diagonal())

    def is_finite(self):
        """Say whether all entries are finite."""
        return bool(np.all(np.isfinite(self.csc.data)))

    def asymmetry(self):
        """Return max |A - A^T| and max |A|."""
        return float(abs(self.csc - self.csc.T).max()), float(abs(self.csc).max())


def as_columns(a, arithmetic):
    """Return a dense or SciPy sparse matrix (m, n) as an object that gives its columns.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is neither, or does not live where b does.
    """
    if is_sparse(a):
        if type(a).__module__.startswith("cupyx"):
            raise TypeError(
                "a must be a dense array or a SciPy sparse matrix, got a CuPy sparse matrix; "
                "take its get()"
            )
        if arithmetic.library != "numpy":
            raise TypeError(
                f"a is a SciPy sparse matrix, but b is a {arithmetic.library} array; convert b"
            )
        if a.dtype.kind == "c":
            raise TypeError("a must be real, got a complex sparse matrix")
        if len(a.shape) != 2:
            raise ValueError(f"a must have shape (m, n), got shape {tuple(a.shape)}")
        return SparseColumns(a, arithmetic)
    a = checks.matrix(a, "a")
    if a.ndim != 2:
        raise ValueError(f"a must have shape (m, n), got shape {tuple(a.shape)}")
    if library(a) != arithmetic.library:
        raise TypeError(
            f"a and b must be arrays of one library, got {library(a)} and {arithmetic.library}"
        )
    return DenseColumns(a, arithmetic)
