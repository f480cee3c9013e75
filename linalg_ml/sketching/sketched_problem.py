"""The least-squares problem min ||b - A x|| and what a sketch of A knows of it."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, dtype_name, is_sparse, is_traced
from linalg_ml._core.operators import DenseOperator, SparseOperator, operator
from linalg_ml._core.random import generator, normal
from linalg_ml._core.verdict import host, largest
from linalg_ml.sketching.block_products import all_finite
from linalg_ml.sketching.embeddings import embedding
from linalg_ml.sketching.units import SystemUnits

_DROPPED = 30.0  # singular values of so many roundings are taken for zero
_LOOK_CLOSER = 1e4  # roundings of the backward error from which the cheap bound is not enough


def _default_size(m, n, kind, is_dense):
    """Return the rows of the sketch: 4 n + 40, or more where that saves more than it costs.

    With s = t n the factor costs 2 t n^3 flops and 2 log(1/u) / log(t) steps 4 m n each, least at
    t log(t)^2 = 4 log(1/u) m / n^2. The 40 are for small n, where at 4 n chance would decide how
    fast the iteration converges, and sometimes whether.
    """
    ratio, wanted = 4.0, 4 * np.log(2.0**53) * m / n**2
    if is_dense and kind != "gaussian":
        while ratio < 32 and ratio * np.log(ratio) ** 2 < wanted:
            ratio *= 1.2
    size = max(4 * n + 40, min(int(ratio * n), m))
    return min(size, _most_rows(m, kind, size))


def _most_rows(m, kind, otherwise):
    """Return how many rows a sketch of m rows can have."""
    return {"srht": 1 << (m - 1).bit_length(), "rows": m}.get(kind, otherwise)


class SketchedProblem:
    """min ||b - A x|| for one b (m,) or a stack (..., m), with S A D^-1 = Q R.

    D holds the column norms of S A. The methods work with y = R D x, in which the problem has
    a condition number close to 1, or, where R is singular to working precision, with the
    coefficients of its leading right singular vectors. All of it is in units in which A and b are
    of ordinary size.
    """

    def __init__(self, a, b, arithmetic, kind, size, rng):
        self.arithmetic, self.wide = arithmetic, arithmetic.at_least_fp32(b)
        double = dtype_name(b) in ("float64", "complex128")
        self._exact = arithmetic.switch("fp64", b) if double else self.wide
        if is_traced(b):
            raise TypeError("sketched_lstsq cannot run inside jax.jit: it looks at values")
        self.a = self._exact_a = operator(a, arithmetic)
        if self._exact is not arithmetic:
            self._exact_a = operator(a, self._exact)
        fits(self.a.shape, b)
        m, n = self.shape = self.a.shape
        if m < n:
            raise ValueError(f"a must have at least as many rows as columns, got shape {(m, n)}")
        if size is not None and size < n:
            raise ValueError(f"size must be at least n = {n}, got {size}")
        if size is not None and size > _most_rows(m, kind, size):
            raise ValueError(
                f"size must be at most {_most_rows(m, kind, size)} for sketch {kind!r}, got {size}"
            )
        if size is None:
            size = _default_size(m, n, kind, isinstance(self.a, DenseOperator))
        self.size = size
        rng = generator(rng)
        sketch = embedding(kind, (self.size, m), rng=rng)
        arithmetic.count("sketches")
        sketched = self._sketch(a, sketch, b)
        norm_b = host(self._exact.norm(self._exact.enter(b)))
        explicit = isinstance(self.a, (DenseOperator, SparseOperator))
        norm = host(self.wide.frobenius(sketched)) if explicit else 1.0
        self.units = SystemUnits(norm, norm_b, self.wide.name)
        self.a, self._exact_a = map(self.units.of_matrix, (self.a, self._exact_a))
        # A right-hand side that is not finite must not spoil the others.
        self._spoilt = ~np.isfinite(norm_b) if np.ndim(norm_b) else not np.isfinite(norm_b)
        if np.any(self._spoilt):
            kept = asarray(~np.asarray(self._spoilt)[..., None], like=b)
            b = self.wide.xp.where(kept, b, self.wide.xp.zeros_like(b))
        self.exact_b = self.units.of_b(self._exact.enter(b))
        self.b = self.units.of_b(self.wide.enter(b))
        self.norm_b = host(self._exact.norm(self.exact_b))
        if explicit:
            sketched = sketched / self.units.a
        self._factorize(sketched, sketch.multiply(self._columns(self.b), self.wide))
        self._estimate_condition(rng)

    def _columns(self, b):
        return self.wide.xp.reshape(b, (-1, b.shape[-1])).mT

    def _sketch(self, a, sketch, b):
        if is_sparse(a):
            product = sketch @ a
            product = product.toarray() if is_sparse(product) else product
            return self.wide.enter(product)
        if isinstance(self.a, DenseOperator):
            return sketch.multiply(self.wide.enter(checks.array(a, "a")), self.wide)
        rows = asarray(sketch.toarray(), like=b, dtype=self.arithmetic.dtype)
        product = self.wide.enter(self.a.rmatvec(rows))  # A^H S^T, row by row
        return self.wide.xp.conj(product) if self.wide.is_complex else product

    def _factorize(self, sketched, rhs):
        wide, xp, n = self.wide, self.wide.xp, self.shape[1]
        self.is_finite = all_finite(sketched)
        if not self.is_finite:
            sketched = asarray(np.eye(*sketched.shape), like=sketched, dtype=wide.dtype)
        norms = wide.norm(sketched.mT)
        self._norms = xp.where(norms > 0, norms, xp.ones_like(norms))
        r = wide.kernels.triangular_factor(xp.concat([sketched / self._norms, rhs], axis=-1))
        self.r = xp.triu(r[:n, :n])
        self._start = xp.reshape(r[:n, n:].mT, (*self.b.shape[:-1], n))
        self.frobenius = host(wide.frobenius(self.r))
        self._svd = self._scale = None
        self.rank = n
        self._shifted = (None, None)

    def _estimate_condition(self, rng):
        """Estimate it by a few power steps with R and with its inverse; truncate if too large."""
        wide, xp, n = self.wide, self.wide.xp, self.shape[1]
        diagonal = host(xp.min(xp.abs(xp.linalg.diagonal(self.r))))
        self.largest = self.frobenius
        smallest = 0.0
        if diagonal > 0:
            v = normal(rng, (n,), like=self.r)
            w = v / wide.norm(v)
            for _ in range(8):
                w = self._solve(self._solve(w, adjoint=True), adjoint=False)
                inverse = wide.norm(w)
                w = w / inverse
            smallest = host(inverse) ** -0.5
        dropped = _DROPPED * wide.unit_roundoff * self.largest
        if not smallest > dropped:
            _, s, _ = self.svd()
            self.rank = int(np.sum(np.asarray(host(s)) > dropped))
            smallest = float(host(s)[self.rank - 1]) if self.rank else self.largest
        self.condition = self.largest / smallest if smallest else 1.0

    def svd(self):
        """Return the singular value decomposition of R."""
        if self._svd is None:
            self._svd = self.wide.xp.linalg.svd(self.r, full_matrices=False)
        return self._svd

    @property
    def is_singular(self):
        """Say whether A is singular to working precision."""
        return self.rank < self.shape[1]

    # Changes of variable -------------------------------------------------------------------

    def _solve(self, g, adjoint):
        r = self.r
        if adjoint:
            r = self.wide.xp.conj(r).mT if self.wide.is_complex else r.mT
        return self.wide.kernels.solve_triangular(r, g, lower=adjoint)

    def _truncated(self):
        _, s, vh = self.svd()
        return s[: self.rank], vh[: self.rank, :]

    def to_x(self, y):
        """Return x from whitened coordinates: D^-1 R^-1 y."""
        if not self.is_singular:
            return self._solve(y, adjoint=False) / self._norms
        s, vh = self._truncated()
        return self._conj(self.wide.mv(vh.mT, self._conj(y / s))) / self._norms

    def gradient_to_y(self, g):
        """Return the whitened gradient: R^-H D^-1 g."""
        g = g / self._norms
        if not self.is_singular:
            return self._solve(g, adjoint=True)
        s, vh = self._truncated()
        return self.wide.mv(vh, g) / s

    def _conj(self, x):
        return self.wide.xp.conj(x) if self.wide.is_complex else x

    def start(self):
        """Return y of the sketched problem min ||S (b - A x)||."""
        if not self.is_singular:
            return self._start
        u = self.svd()[0][:, : self.rank]
        return self.wide.mv(self._conj(u).mT, self._start)

    # Products ------------------------------------------------------------------------------

    def residual(self, x, exact=False):
        """Return b - A x and A^H (b - A x)."""
        return self._sweep(x, self.exact_b if exact else self.b, exact)

    def normal_product(self, x):
        """Return A^H A x."""
        return self._sweep(x, None, False)[1]

    def _sweep(self, x, b, exact):
        a, arithmetic = self.a, self.arithmetic
        if exact:
            a, arithmetic = self._exact_a, self._exact
        x = arithmetic.store(x)
        if isinstance(a, DenseOperator) and x.ndim == 1 and not arithmetic._short:
            self.arithmetic.count("matvecs", 2)
            return arithmetic.kernels.residual_gradient(a.a, x, b)
        wide = self._exact if exact else self.wide
        r = wide.enter(a.matvec(x))
        r = r if b is None else b - r
        return r, wide.enter(a.rmatvec(arithmetic.store(r)))

    def matvec(self, x):
        """Return A x."""
        return self.wide.enter(self.a.matvec(self.arithmetic.store(x)))

    def rmatvec(self, r):
        """Return A^H r."""
        return self.wide.enter(self.a.rmatvec(self.arithmetic.store(r)))

    # Errors --------------------------------------------------------------------------------

    def backward_error(self, x, norm_r, g, closely=False):
        """Estimate the relative backward error of x from ||b - A x|| and g = A^H (b - A x).

        The sketched Karlson-Walden estimate: theta / (1 + theta^2 ||D x||^2)^(1/2) times
        ||(R^H R + c I)^(-1/2) D^-1 g||, c = theta^2 ||r||^2 / (1 + theta^2 ||D x||^2),
        theta = ||R||_F / ||b||, relative to ||R||_F. A cheap bound for it where that is large,
        unless ``closely``.
        """
        wide = self.wide
        g = wide.enter(g) / self._norms
        size = np.asarray(host(wide.norm(wide.enter(x) * self._norms)))
        norm_b = np.where(np.asarray(self.norm_b) > 0, self.norm_b, 1.0)
        theta = self.frobenius / norm_b
        factor = theta / np.sqrt(1 + (theta * size) ** 2)
        shift = (factor * host(norm_r)) ** 2
        whitened = host(wide.norm(self._whiten(g)))
        by_residual = host(wide.norm(g)) / np.sqrt(np.where(shift > 0, shift, 1.0))
        bound = np.where(shift > 0, np.minimum(whitened, by_residual), whitened)
        near = _LOOK_CLOSER * wide.unit_roundoff * self.frobenius
        if closely or largest(host(factor * bound)) < near:
            bound = self._shifted_norm(g, shift)
        error = factor * bound / (self.frobenius or 1.0)
        return float(error) if np.ndim(error) == 0 else error

    def _whiten(self, g):
        if not self.is_singular:
            return self._solve(g, adjoint=True)
        s, vh = self._truncated()
        return self.wide.mv(vh, g) / s

    def _shifted_norm(self, g, shift):
        """Return ||(R^H R + c I)^(-1/2) g||."""
        wide, xp = self.wide, self.wide.xp
        if g.ndim > 1 or self.is_singular:
            s, vh = self._truncated()
            c = asarray(np.asarray(shift)[..., None], like=s, dtype=s.dtype)
            return host(wide.norm(wide.mv(vh, g) / xp.sqrt(s * s + c)))
        known, factor = self._shifted
        if known is None or not abs(known - shift) <= 0.1 * known:
            eye = asarray(np.eye(self.shape[1]), like=self.r, dtype=wide.dtype)
            both = xp.concat([self.r, eye * float(np.sqrt(shift))], axis=0)
            factor = xp.triu(wide.kernels.triangular_factor(both))
            self._shifted = shift, factor
        factor = self._conj(factor).mT
        return host(wide.norm(wide.kernels.solve_triangular(factor, g, lower=True)))

    def norm(self, r):
        """Return ||r||."""
        return self._exact.norm(r)

    def scaled(self, x):
        """Return D x."""
        return x * self._norms

    def output(self, x):
        """Return x as the caller gets it, in the units of the problem."""
        x = self._exact.enter(self.arithmetic.leave(self.units.out(x)))
        return self.units.of_x(x)

    def solution(self, x):
        """Return x as the caller has it, NaN where the input is not finite."""
        return self.wide.enter(self.units.out(x)) * self._columnwise(self.scale())

    def enter_start(self, x0):
        """Return a starting point in the units of the problem."""
        return self.units.of_x(self.wide.enter(x0))

    def scale(self):
        """Return 1, or NaN where A or b is not finite."""
        if self._scale is None:
            sound = self.is_finite
            if isinstance(self._exact_a, SparseOperator):
                sound = sound and all_finite(self._exact_a.a.data)
            ones = np.where(self._spoilt, np.nan, 1.0 if sound else np.nan)
            self._scale = float(ones) if ones.ndim == 0 else ones
        return self._scale

    def _columnwise(self, values):
        """Return host numbers, one for each right-hand side, to multiply x with."""
        if np.ndim(values) == 0:
            return values
        return asarray(values[..., None], like=self.b, dtype=self._norms.dtype)


def fits(shape, b):
    """Raise unless a matrix of this shape has as many rows as b is long."""
    if len(shape) != 2 or shape[0] != b.shape[-1]:
        raise ValueError(
            f"a must have shape ({b.shape[-1]}, n) to match b of shape {tuple(b.shape)}, "
            f"got {tuple(shape)}"
        )
