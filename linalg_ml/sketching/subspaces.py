"""Orthonormal bases that grow by blocks, and how they capture the range of a matrix."""

import numpy as np

from linalg_ml._core.random import normal
from linalg_ml._core.verdict import host, largest

_LOST = 0.1  # what is left of a unit vector that was rounding and no new direction


class GrowingRange:
    """Orthonormal Q of shape (..., m, l), grown by blocks, and Z = A^H Q.

    Then Q Z^H = Q Q^H A is the best approximation of A with columns in the range of Q.
    """

    def __init__(self, blocks):
        self.blocks = blocks
        self.q = self.z = None
        self._size = 0.0

    def add(self, v):
        """Add the directions of A V; return whether there were any."""
        w = self.blocks.times(v)
        if self.q is not None:
            w = against(self.q, w, self.blocks)
        size = largest(host(self.blocks.wide.frobenius(w)))
        self._size = max(self._size, size)
        if self.q is not None and not size > 10 * self.blocks.wide.unit_roundoff * self._size:
            return False
        q = orthonormal(w, self.q, self.blocks)
        z = self.blocks.adjoint_times(q)
        xp = self.blocks.wide.xp
        self.q = q if self.q is None else xp.concat([self.q, q], axis=-1)
        self.z = z if self.z is None else xp.concat([self.z, z], axis=-1)
        self.last = z
        return True

    def svd(self, rank):
        """Return the leading singular triplets u, s, vh of Q Z^H."""
        wide = self.blocks.wide
        p, t = wide.xp.linalg.qr(self.z, mode="reduced")
        adjoint = self.blocks.conj_transpose
        left, s, right = wide.xp.linalg.svd(adjoint(t), full_matrices=False)
        u = wide.mm(self.q, left[..., :rank])
        return u, s[..., :rank], wide.mm(right[..., :rank, :], adjoint(p))


def against(q, w, blocks):
    """Return W - Q Q^H W."""
    wide = blocks.wide
    return wide.mm(q, wide.mm(blocks.conj_transpose(q), w), alpha=-1.0, beta=1.0, y=w)


def orthonormal(w, q, blocks):
    """Return an orthonormal basis of W, orthogonal to Q (None for nothing) to rounding.

    Where W has fewer directions that Q lacks than columns, random ones take the place of others.
    """
    wide, xp = blocks.wide, blocks.wide.xp
    basis, _ = xp.linalg.qr(w, mode="reduced")
    if q is None:
        return basis
    basis, r = xp.linalg.qr(against(q, basis, blocks), mode="reduced")
    lost = xp.abs(xp.linalg.diagonal(r)) < _LOST
    if bool(xp.any(lost)):
        shape = basis.shape[-2:]
        others = normal(np.random.default_rng(0), shape, like=blocks.like, dtype=wide.dtype)
        others = blocks.over_stack(others / shape[0] ** 0.5)
        basis = xp.where(lost[..., None, :], others, basis)
        for _ in range(2):
            basis, _ = xp.linalg.qr(against(q, basis, blocks), mode="reduced")
    return basis


def krylov_range(blocks, start, depth):
    """Return the range of (A A^H)^j A V for j = 0 .. depth, fewer where A has no more."""
    growing = GrowingRange(blocks)
    v = orthonormal(start, None, blocks)
    basis = v
    growing.add(v)
    for _ in range(depth):
        room = min(blocks.shape[-2:]) - basis.shape[-1]
        if room == 0:
            break
        last = growing.last[..., : min(room, growing.last.shape[-1])]
        v = orthonormal(against(basis, last, blocks), basis, blocks)
        if not growing.add(v):
            break
        basis = blocks.wide.xp.concat([basis, v], axis=-1)
    return growing


def power_range(blocks, start, depth):
    """Return the range of (A A^H)^depth A V."""
    v = orthonormal(start, None, blocks)
    for _ in range(depth):
        q = orthonormal(blocks.times(v), None, blocks)
        v = orthonormal(blocks.adjoint_times(q), None, blocks)
    growing = GrowingRange(blocks)
    growing.add(v)
    return growing
