"""A sparse matrix made ready for sweeps of SOR."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.relaxation.coloring import color_by_color

SHORT = ("bf16", "fp16")


class CsrMatrix:
    """The diagonal of a sparse matrix and what is beside it, made by `prepare`.

    In each row the entries above the diagonal come first, then those below it, the nearest last:
    the update of a row waits for the row before, so what depends on that one is added last. With
    multicolour ordering rows and columns are permuted so that each colour stands together.

    Attributes
    ----------
    shape : tuple (n, n)
    dtype : dtype of the entries
    ordering : {"natural", "multicolor"}
    bounds : tuple of int
        Where the colours begin and end; (0, n) in natural ordering.
    is_finite : bool
        Whether all entries are numbers.
    threads : int
    """

    home = "numpy"
    block_size = 1

    def __init__(self, a, ordering="natural", threads=1):
        n = a.shape[0]
        self.shape, self.dtype = (n, n), a.dtype
        self.ordering, self.threads = ordering, threads
        self.permutation, self.bounds = None, (0, n)
        if ordering == "multicolor":
            self.permutation, self.bounds = color_by_color(a)
            a = a[self.permutation][:, self.permutation].tocsr()
            a.sort_indices()
        self.indptr, self.upper, self.indices, self.data, diagonal = _parts(a)
        self.real = self.data.real.dtype.type
        self.sound = bool(np.isfinite(self.data).all())
        self._set_diagonal(diagonal)

    def _set_diagonal(self, diagonal):
        self.diagonal, self.inverse = diagonal, reciprocal(diagonal)
        self._under = {}
        self.is_finite = self.sound
        if not np.isfinite(self.inverse).all():
            zeros = np.flatnonzero(diagonal == 0)
            if zeros.size:
                row = zeros[0] if self.permutation is None else self.permutation[zeros].min()
                raise ValueError(f"a must have no zero on its diagonal, but row {row} has one")
            self.is_finite = False
        elif not self.inverse.all():  # the reciprocal of infinity is zero
            self.is_finite = False

    @property
    def check_every(self):
        """Sweeps that take about a second, at most 1000."""
        return max(10, min(1000, 300_000_000 // (self.data.size + self.shape[0] + 1)))

    @np.errstate(over="ignore")
    def shifted(self, c):
        """Return A + c I, sharing all but the diagonal with this matrix."""
        made = self._copy()
        made._set_diagonal(self.diagonal + self.real(checks.number(c, "c")))
        return made

    def _copy(self):
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
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
            made.real = made.data.real.dtype.type
            made._set_diagonal(arithmetic.enter(self.diagonal))
            if short:
                made = RoundedMatrix(made, arithmetic)
            self._under[key] = made
        return self._under[key]

    def enter(self, v):
        """Return a vector (..., n) in the ordering of the sweeps, in memory of its own."""
        if self.permutation is None:
            return np.array(v, order="C")
        return v.take(self.permutation, axis=-1)

    def leave(self, v):
        """Return a vector (..., n) in the ordering of the caller, in memory of its own."""
        if self.permutation is None:
            return v.copy()
        out = np.empty_like(v)
        out[..., self.permutation] = v
        return out

    def sweep(self, b, x, omega, sweep, steps, target):
        """Sweep over x in place; return (x, sweeps made, residual norm or None)."""
        kernel = kernels(self.home).csr_sor
        return self._each(kernel, b, x, omega, sweep, steps, target)

    def _each(self, kernel, b, x, omega, sweep, steps, target):
        """Run a kernel on a vector, or on each of a stack."""
        if b.ndim == 1:
            return x, *kernel(self, b, x, omega, sweep, steps, target)
        for row, start in zip(_rows(b), _rows(x), strict=True):
            kernel(self, row, start, omega, sweep, steps)
        return x, steps, None

    def chebyshev(self, b, x, omega, radius, steps, target):
        """Sweep with the relaxation parameters of Chebyshev; return also the last of them."""
        if len(self.bounds) > 3:  # one colour will do: then each sweep solves the system
            raise ValueError(
                "a must be of two colours, so that the unknowns of one depend on those of the "
                f"other alone; this needs {len(self.bounds) - 1}"
            )
        kernel = kernels(self.home).csr_chebyshev_sor
        if b.ndim == 1:
            return x, *kernel(self, b, x, omega, radius, steps, target)
        for row, start in zip(_rows(b), _rows(x), strict=True):
            *_, last = kernel(self, row, start, omega, radius, steps)
        return x, steps, None, last

    def residual_norm(self, b, x):
        """Return ||b - A x|| for each vector."""
        kernel = kernels(self.home).csr_residual_norm
        if b.ndim == 1:
            return kernel(self, b, x)
        norms = [kernel(self, *vectors) for vectors in zip(_rows(b), _rows(x), strict=True)]
        return np.array(norms).reshape(b.shape[:-1])

    def entries_on_diagonal(self):
        """Return the diagonal, in the ordering of the sweeps."""
        return self.diagonal

    def times_diagonal(self, x):
        """Return D x for x of shape (n,) in the ordering of the sweeps."""
        return self.entries_on_diagonal() * x

    def product(self, x):
        """Return A x for x of shape (n,) in the ordering of the sweeps and the dtype of A."""
        return kernels(self.home).csr_product(self, x)

    def matvec(self, x):
        """Return A x for x of shape (n,)."""
        return self.leave(self.product(self.enter(np.asarray(x, self.dtype))))

    def tocsr(self):
        """Return the matrix as SciPy knows it, in the ordering of the caller."""
        from scipy.sparse import csr_array, diags_array

        parts = self.data, self.indices.astype(np.int64), self.indptr.astype(np.int64)
        a = csr_array(parts, shape=self.shape) + diags_array(self.diagonal)
        if self.permutation is not None:
            back = np.argsort(self.permutation)
            a = a[back][:, back]
        return a.tocsr()

    def __repr__(self):
        colors = f", {len(self.bounds) - 1} colours" if self.permutation is not None else ""
        return f"<{type(self).__name__} of shape {self.shape}{colors} for {self.home} arrays>"


class RoundedMatrix:
    """A matrix whose sweeps round the iterate to a short format, once a sweep."""

    def __init__(self, matrix, arithmetic):
        self.matrix, self._round = matrix, arithmetic.store

    def __getattr__(self, name):
        return getattr(self.matrix, name)

    def sweep(self, b, x, omega, sweep, steps, target):
        """Sweep as the matrix does, and round after each sweep."""
        residual = None
        for step in range(1, steps + 1):
            x = self._round(self.matrix.sweep(b, x, omega, sweep, 1, None)[0])
            if target is not None:
                residual = self.matrix.residual_norm(b, x)
                if not target < residual < np.inf:
                    return x, step, residual
        return x, steps, residual

    def chebyshev(self, b, x, omega, radius, steps, target):
        """Sweep as the matrix does, and round after each sweep."""
        residual = None
        for step in range(1, steps + 1):
            x, _, _, omega = self.matrix.chebyshev(b, x, omega, radius, 1, None)
            x = self._round(x)
            if target is not None:
                residual = self.matrix.residual_norm(b, x)
                if not target < residual < np.inf:
                    return x, step, residual, omega
        return x, steps, residual, omega


@np.errstate(all="ignore")
def reciprocal(diagonal):
    """Return 1 / diagonal."""
    return 1 / diagonal


def _rows(v):
    return v.reshape(-1, v.shape[-1])


def _parts(a):
    """Return what is beside the diagonal, upper entries first, and the diagonal.

    As (indptr, ends of the upper entries, indices, data, diagonal).
    """
    n = a.shape[0]
    rows = np.repeat(np.arange(n), np.diff(a.indptr))
    columns, values = a.indices, a.data
    diagonal = np.zeros(n, a.dtype)
    on = columns == rows
    diagonal[rows[on]] = values[on]
    off = ~on & (values != 0)
    rows, columns, values = rows[off], columns[off], values[off]
    below = columns < rows
    in_row = np.bincount(rows, minlength=n)
    low = np.bincount(rows[below], minlength=n)
    indptr = np.concatenate([[0], np.cumsum(in_row)])
    # Columns are sorted, so each row is to be rotated by the number of its lower entries.
    places = np.arange(rows.size) + np.where(below, (in_row - low)[rows], -low[rows])
    integer = np.uint32 if max(n, rows.size) < 2**32 else np.uint64
    indices, data = np.empty(rows.size, integer), np.empty_like(values)
    indices[places], data[places] = columns, values
    upper = (indptr[1:] - low).astype(integer)
    return indptr.astype(integer), upper, indices, data, diagonal
