"""Divide a Hermitian matrix in two by the sign of A - mu I, until its blocks are small."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from linalg_ml._core.namespace import asarray, astype, to_numpy
from linalg_ml._core.random import normal
from linalg_ml.matrix_functions.sign import signm
from linalg_ml.matrix_functions.spectrum import adjoint

_LANCZOS_STEPS = 16
_TRIES = 4  # shifts tried on one block before the library's eigensolver takes it
_LONG = ("fp64", "fp32")
_DEEPEST = 60  # levels; only splits that take off very few eigenvalues each get there


@dataclass(frozen=True)
class SpectralDivision:
    """Spectral divide and conquer.

    Parameters
    ----------
    sign : method instance
        What `signm` computes the signs with.
    base_size : int
        Order of the blocks that are left to the array library's own eigensolver.
    """

    sign: Any
    base_size: int


class Split(NamedTuple):
    """A = [V_lower V_upper] diag(A_lower, A_upper) [V_lower V_upper]^H."""

    v_lower: Any
    v_upper: Any
    a_lower: Any
    a_upper: Any


def attainable(arithmetic, n):
    """Return the relative error of a matrix of order n that is at the level of the precision."""
    return _allowance(arithmetic) * _rounding(arithmetic, n, n)


def _allowance(arithmetic):
    return 32 if arithmetic.name in _LONG else 16


def _rounding(arithmetic, n, order):
    """Return what rounding leaves in a block of order n of a matrix, relative to the matrix."""
    return arithmetic.unit_roundoff * (n if arithmetic.name in _LONG else n / order) ** 0.5


class Division:
    """The recursion on one matrix, and what it counted.

    Parameters
    ----------
    method : SpectralDivision
    arithmetic, exact : Arithmetic
        That of the products; and one in at least fp32, for factorisations and norms.
    order, size : int, float
        Order and Frobenius norm of the whole matrix, which rounding errors are relative to.
    rng : numpy.random.Generator
    """

    def __init__(self, method, arithmetic, exact, order, size, rng):
        self.method, self.arithmetic, self.exact = method, arithmetic, exact
        self.order, self.size, self.rng = order, size, rng
        plain = arithmetic.user_settings and arithmetic.name in ("fp32", "fp64")
        self.precision = None if plain else arithmetic.policy
        self.accounts, self.records = [], []
        self.nit = self.splits = self.depth = 0

    def eigh(self, a, depth=0):
        """Return the eigenvalues, in no particular order, and the eigenvectors as columns."""
        xp, n = self.exact.xp, a.shape[-1]
        self.depth = max(self.depth, depth)
        identity = asarray(np.eye(n), like=a, dtype=a.dtype)
        diagonal = xp.linalg.diagonal(a)
        beside = float(self.exact.frobenius(a - identity * diagonal))
        if beside <= _rounding(self.arithmetic, n, self.order) * self.size:
            return self._real(diagonal), identity
        split = None
        if n > self.method.base_size and depth < _DEEPEST:
            split = self.divide(a, depth)
        if split is None:
            self.exact.count("decompositions")
            return xp.linalg.eigh(a)
        w_lower, z_lower = self.eigh(split.a_lower, depth + 1)
        w_upper, z_upper = self.eigh(split.a_upper, depth + 1)
        columns = [self.product(split.v_lower, z_lower), self.product(split.v_upper, z_upper)]
        return xp.concat([w_lower, w_upper]), xp.concat(columns, axis=-1)

    def divide(self, a, depth):
        """Split at the first shift whose two subspaces prove to be invariant, or return None."""
        for mu, _ in zip(shifts(a, self.exact, self.rng), range(_TRIES), strict=False):
            record = {"order": a.shape[-1], "depth": depth, "shift": mu}
            record |= {"rank": None, "coupling": None, "accepted": False}
            self.records.append(record)
            split = self.divide_at(mu, a, record)
            if split is not None:
                record["accepted"] = True
                self.splits += 1
                return split
        return None

    def divide_at(self, mu, a, record):
        """Split at mu; None if one side is empty, or the two are coupled.

        They are coupled where the iteration could not tell on which side of mu an eigenvalue
        lies and left it between -1 and 1. The status of the sign does not matter here: what is
        dropped, in units of the norm of the whole matrix, is the backward error of the split.
        """
        n = a.shape[-1]
        identity = asarray(np.eye(n), like=a, dtype=a.dtype)
        result = signm(a - mu * identity, method=self.method.sign, precision=self.precision)
        self.nit += result.nit
        self.accounts.append(result.counts)
        trace = float(self._real(self.exact.xp.linalg.trace(result.x)))
        record |= {"nit": result.nit, "status": result.status}
        if not np.isfinite(trace):
            return None
        k = record["rank"] = round((n + trace) / 2)
        if not 0 < k < n:
            return None
        v = self.bases(result.x, k)
        b = self.product(adjoint(v), self.product(a, v))
        coupling = float(self.exact.frobenius(b[n - k :, : n - k])) / self.size
        record["coupling"] = coupling
        allowed = _allowance(self.arithmetic) / 4 * _rounding(self.arithmetic, n, self.order)
        if coupling > allowed or not np.isfinite(float(self.exact.frobenius(b))):
            return None
        blocks = b[: n - k, : n - k], b[n - k :, n - k :]
        blocks = [(block + adjoint(block)) / 2 for block in blocks]
        return Split(v[:, : n - k], v[:, n - k :], *blocks)

    def bases(self, s, k):
        """Return an orthogonal matrix whose last k columns span the range of (I + S) / 2.

        The smaller of the two ranges is found by a Gaussian sketch, and again from the basis
        so found, which rids it of the condition number of the sketch; the other range is the
        complement.
        """
        xp, n = self.exact.xp, s.shape[-1]
        upper = 2 * k <= n
        half = 0.5 if upper else -0.5
        y = normal(self.rng, (n, k if upper else n - k), like=s)
        for mode in ("reduced", "complete"):
            y = self.product(s, y, alpha=half, beta=0.5)
            y = xp.linalg.qr(y, mode=mode)[0]
            self.exact.count("factorizations")
        if not upper:
            return y
        return xp.concat([y[:, k:], y[:, :k]], axis=-1)

    def product(self, a, b, *, alpha=1.0, beta=0.0):
        """Return alpha A B + beta B, rounded as the policy says, in at least fp32."""
        arithmetic = self.arithmetic
        b = arithmetic.enter(b)
        product = arithmetic.mm(arithmetic.enter(a), b, alpha=alpha, beta=beta, y=b)
        return astype(arithmetic.wide(product), self.exact.dtype)

    def _real(self, x):
        return self.exact.xp.real(x) if self.exact.is_complex else x


def shifts(a, exact, rng):
    """Yield places to split the spectrum at, the most promising first.

    Between two Ritz values there is one place, with eigenvalues on both sides. A fraction p of
    the eigenvalues lies below it, by the weights of the Ritz values. The whole recursion then
    costs about 1 / (p (1 - p)) splits of this order, if the parts are divided alike, and a split
    about 8 steps of an iteration, and one more whenever the gap is 8 times narrower. At the mean
    of the eigenvalues, the last resort, there are some on both sides too.
    """
    theta, weight = ritz_values(a, exact, rng)
    p, gap = np.cumsum(weight)[:-1], np.diff(theta)
    steps = 8 + np.log((theta[-1] - theta[0]) / gap) / np.log(8)
    yield from ((theta[:-1] + theta[1:]) / 2)[np.argsort(steps / (p * (1 - p)))].tolist()
    trace = exact.xp.linalg.trace(a)
    yield float(exact.xp.real(trace) if exact.is_complex else trace) / a.shape[-1]


def ritz_values(a, exact, rng):
    """Return Ritz values of a Lanczos process and their weights, on the host.

    The weights, which sum to one, make it a quadrature rule for the density of the eigenvalues.
    """
    xp, n = exact.xp, a.shape[-1]
    v = normal(rng, (n,), like=a)
    v = v / astype(exact.norm(v), v.dtype)
    before, beta = xp.zeros_like(v), 0.0
    alphas, betas = [], []
    for _ in range(min(n, _LANCZOS_STEPS)):
        w = exact.mv(a, v) - beta * before
        alpha = exact.dot(v, w)
        w = w - alpha * v
        norm = exact.norm(w)
        alphas.append(alpha)
        betas.append(norm)
        beta = astype(xp.asarray(norm), w.dtype)
        before, v = v, w / xp.where(beta == 0, xp.ones_like(beta), beta)
    alphas, betas = (_on_host(values, xp) for values in (alphas, betas))
    noise = 10 * n**0.5 * exact.unit_roundoff * np.max(np.abs(alphas) + betas)
    ended = np.flatnonzero(betas <= noise)  # the rest is made of rounding errors
    length = ended[0] + 1 if ended.size else len(alphas)
    beside = np.diag(betas[: length - 1], 1)
    theta, z = np.linalg.eigh(np.diag(alphas[:length]) + beside + beside.T)
    return theta, z[0] ** 2


def _on_host(scalars, xp):
    together = to_numpy(xp.stack([xp.asarray(scalar) for scalar in scalars]))
    return np.asarray(together.real, dtype=float)
