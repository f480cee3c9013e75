"""A cheap random orthogonal transformation of the rows, in place of pivoting.

A QR factorisation is accurate row by row, which is what [X^H; c^(1/2) I] with small c asks for,
only if no column comes to its turn nearly dependent on those before it while others are not.
Pivoting sees to that, but few array libraries have it. Mixed columns are in general position,
whatever the matrix was.

J. Demmel, I. Dumitriu, O. Holtz, "Fast linear algebra is stable", Numer. Math. 108, 2007, show
that a uniformly random orthogonal matrix makes a QR factorisation rank-revealing. The one here is
less random and costs far less than a product.
"""

from functools import lru_cache

import numpy as np

from linalg_ml._core.namespace import asarray

_BLOCK = 32


class RowMixing:
    """The orthogonal transformation X -> G X, and X -> G^H X, of matrices X with m rows.

    G is a product of few random permutations, each followed by one random orthogonal matrix of
    order at most 32 on all groups of consecutive rows, so that every row gets a share of all.

    Parameters
    ----------
    x : array of shape (..., m, n)
        The matrix to be transformed.
    arithmetic : Arithmetic
        At least fp32.
    """

    def __init__(self, x, arithmetic):
        self.xp, self.kernels = arithmetic.xp, arithmetic.kernels
        block, orders = _design(x.shape[-2])
        self.block = asarray(block, like=x, dtype=x.dtype)
        self.orders = [asarray(order, like=x) for order in orders]
        self.inverses = [asarray(np.argsort(order), like=x) for order in orders]

    def apply(self, x):
        """Return G X."""
        for order in self.orders:
            x = self._multiply(self.block, self.xp.take(x, order, axis=-2))
        return x

    def undo(self, x):
        """Return G^H X."""
        for order in reversed(self.inverses):
            x = self.xp.take(self._multiply(self.block.mT, x), order, axis=-2)
        return x

    def _multiply(self, block, x):
        """Multiply each group of consecutive rows by ``block``; leave the rows that remain."""
        size, (*batch, m, n) = block.shape[0], x.shape
        whole = m - m % size
        groups = self.xp.reshape(x[..., :whole, :], (*batch, whole // size, size, n))
        with self.kernels.matmul_precision("fp32"):  # at least: TF32 would not be orthogonal
            mixed = self.xp.reshape(self.xp.matmul(block, groups), (*batch, whole, n))
        return mixed if whole == m else self.xp.concat([mixed, x[..., whole:, :]], axis=-2)


@lru_cache(maxsize=16)
def _design(m):
    """Return the small orthogonal matrix and the permutations for m rows."""
    rng = np.random.default_rng(0)
    size = max(m // -(-m // _BLOCK), 1)
    passes = 1
    while size**passes < m and size > 1:
        passes += 1
    block = np.linalg.qr(rng.standard_normal((size, size)))[0]
    return block, tuple(rng.permutation(m) for _ in range(passes))
