"""Sweeps of SOR over full matrices of any array library, by triangular solves."""

import math

from linalg_ml._core import checks
from linalg_ml._core.namespace import device, library, namespace, on_gpu, to_numpy
from linalg_ml._core.verdict import host
from linalg_ml.krylov.preconditioner import nonzero_diagonal


class DenseMatrix:
    """A full matrix, or a stack of them, made by `prepare`."""

    ordering, block_size, check_every = "natural", 1, 100

    def __init__(self, a):
        nonzero_diagonal(a)
        self.a = a + 0  # the caller's may change between two solves
        self.shape, self.dtype, self.home = tuple(a.shape), a.dtype, library(a)

    def shifted(self, c):
        """Return A + c I."""
        eye = namespace(self.a).eye(self.shape[-1], dtype=self.dtype, device=device(self.a))
        return DenseMatrix(self.a + checks.number(c, "c") * eye)

    def under(self, arithmetic):
        """Return the matrix as it is swept under an Arithmetic."""
        return DenseSweeps(self, arithmetic)

    def __repr__(self):
        return f"<DenseMatrix of shape {self.shape} for {self.home} arrays>"


class DenseSweeps:
    """Sweeps x + W^-1 (b - A x) under one Arithmetic; the triangular solves in at least fp32.

    W is D / omega + L for a forward sweep, D / omega + U for a backward one, and
    omega / (2 - omega) (D / omega + L) D^-1 (D / omega + U) for a symmetric one.
    """

    def __init__(self, matrix, arithmetic):
        self.shape, self.home = matrix.shape, matrix.home
        self._arithmetic, self._xp = arithmetic, arithmetic.xp
        self.a = arithmetic.enter(matrix.a)
        self._diagonal = self._xp.linalg.diagonal(arithmetic.wide(self.a))
        self._factors = {}
        self._swept = None, None  # the last iterate and its residual

    @property
    def is_finite(self):
        """Say whether all entries are numbers, for each matrix of a stack."""
        finite = to_numpy(self._xp.all(self._xp.isfinite(self.a), axis=(-2, -1)))
        return bool(finite) if finite.ndim == 0 else finite

    def enter(self, v):
        """Return the vector: a full matrix is swept in its natural ordering."""
        return v

    def leave(self, v):
        """Return the vector in memory of its own."""
        return v + 0

    def times_diagonal(self, x):
        """Return D x."""
        return self._diagonal * x

    def sweep(self, b, x, omega, sweep, steps, target):
        """Sweep; return (x, sweeps made, residual norm or None)."""
        residual = None
        r = self._swept[1] if self._swept[0] is x else self._residual(b, x)
        for step in range(1, steps + 1):
            wide = self._arithmetic.wide
            x = self._arithmetic.store(wide(x) + self._correction(wide(r), omega, sweep))
            r = self._residual(b, x)
            self._swept = x, r
            if target is not None and not (step < steps and on_gpu(x)):
                residual = host(self._arithmetic.norm(r))
                if not target < residual < math.inf:
                    return x, step, residual
        return x, steps, residual

    def residual_norm(self, b, x):
        """Return ||b - A x|| for each vector."""
        r = self._swept[1] if self._swept[0] is x else self._residual(b, x)
        return host(self._arithmetic.norm(r))

    def _residual(self, b, x):
        return b - self._arithmetic.mv(self.a, x)

    def _correction(self, r, omega, sweep):
        """Return W^-1 r."""
        solve = self._arithmetic.kernels.solve_triangular
        if sweep == "symmetric":
            r = solve(self._factor(omega, True), r, lower=True)
            r = (2 - omega) / omega * self._diagonal * r
            return solve(self._factor(omega, False), r, lower=False)
        lower = sweep == "forward"
        return solve(self._factor(omega, lower), r, lower=lower)

    def _factor(self, omega, lower):
        """Return D / omega plus what is below the diagonal, or above it."""
        if (omega, lower) not in self._factors:
            a, xp = self._arithmetic.wide(self.a), self._xp
            side = xp.tril(a, k=-1) if lower else xp.triu(a, k=1)
            eye = xp.eye(self.shape[-1], dtype=a.dtype, device=device(a))
            self._factors[omega, lower] = side + eye * (self._diagonal / omega)[..., None]
        return self._factors[omega, lower]
