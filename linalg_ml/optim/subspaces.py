"""Subspaces of matrices that a part of the gradient is projected to."""

import math
from dataclasses import dataclass

import numpy as np

from linalg_ml._core.namespace import asarray, astype, library, namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.optim import draws

PROJECTIONS = ("columns", "rows", "permutation", "entries", "orthogonal", "svd")
ORDERS = ("random", "cyclic")
_ROUNDING = 1e-9  # of density times a count, as 1/3 of 3 columns is one


@dataclass(frozen=True)
class Subspace:
    """A subspace of the m x n matrices, chosen anew when asked to.

    Parameters
    ----------
    projection : str
        One of `PROJECTIONS`.
    density : float
        The dimension over m n, before rounding.
    order : {"random", "cyclic"}
        How coordinates are chosen: at random, or in turn.
    seed : int
    """

    projection: str
    density: float
    order: str = "random"
    seed: int = 0

    @property
    def by_basis(self):
        """Whether the subspace is of all matrices U X or X V^T, and not of coordinates."""
        return self.projection in ("orthogonal", "svd")

    def init(self, a):
        """Return the arrays that hold the choice for a matrix, before there is one."""
        m, n = a.shape
        if self.by_basis:
            side = min(m, n)
            return {"basis": _zeros(a, (side, round(self.density * side)))}
        return {"indices": astype(_zeros(a, (self._kept(a),)), namespace(a).int32)}

    def shape(self, a):
        """Return the shape of the coordinates of a matrix."""
        m, n = a.shape
        if self.by_basis:
            rank = round(self.density * min(m, n))
            return (m, rank) if m >= n else (rank, n)
        k, axis = self._kept(a), self._axis(a)
        return (k,) if axis is None else ((k, n) if axis == 0 else (m, k))

    def choose(self, a, epoch):
        """Return the arrays of the choice number ``epoch``, made for the gradient ``a``."""
        xp, (m, n) = namespace(a), a.shape
        if self.by_basis:
            side = min(m, n)
            rank = round(self.density * side)
            if 0 in (m, n, rank):
                return self.init(a)
            if self.projection == "svd":
                u, _, vh = kernels(library(a)).thin_svd(a)
                return {"basis": vh[:rank, :].mT if m >= n else u[:, :rank]}
            drawn = draws.normal(self._key(a), epoch, (side, rank), a)
            return {"basis": xp.linalg.qr(drawn, mode="reduced")[0]}
        size, kept = self._size(a), self._kept(a)
        if self.order == "random":
            chosen = draws.permutation(self._key(a), epoch, size, a)[:kept]
        else:
            first = epoch * kept + asarray(np.arange(kept, dtype=np.int32), like=a)
            chosen = astype(first % max(size, 1), xp.int32)
        return {"indices": xp.sort(chosen)}

    def project(self, a, held):
        """Return the coordinates of a matrix."""
        if self.by_basis:
            mm, basis = Arithmetic(None, a).mm, held["basis"]
            return mm(a, basis) if a.shape[0] >= a.shape[1] else mm(basis.mT, a)
        xp, axis = namespace(a), self._axis(a)
        if axis is None:
            return xp.take(xp.reshape(a, (-1,)), held["indices"], axis=0)
        return xp.take(a, held["indices"], axis=axis)

    def expand(self, x, held, a):
        """Return the matrix of the shape of ``a`` that has the coordinates x."""
        if self.by_basis:
            mm, basis = Arithmetic(None, a).mm, held["basis"]
            return mm(x, basis.mT) if a.shape[0] >= a.shape[1] else mm(basis, x)
        xp, axis, kept = namespace(a), self._axis(a), self._kept(a)
        if kept == 0:
            return xp.zeros_like(a)
        # The standard has no way to write into chosen places, so each place looks for its value.
        places = asarray(np.arange(self._size(a), dtype=np.int32), like=a)
        found = xp.searchsorted(held["indices"], places)
        found = xp.where(found < kept, found, xp.zeros_like(found))
        there = astype(xp.take(held["indices"], found, axis=0) == places, a.dtype)
        if axis is None:
            return xp.reshape(xp.take(x, found, axis=0) * there, tuple(a.shape))
        return xp.take(x, found, axis=axis) * (there[:, None] if axis == 0 else there)

    def _axis(self, a):
        """Return the axis that coordinates are chosen along; None for single entries."""
        if self.projection == "permutation":
            return 1 if a.shape[0] >= a.shape[1] else 0
        return {"rows": 0, "columns": 1}.get(self.projection)

    def _size(self, a):
        axis = self._axis(a)
        return math.prod(a.shape) if axis is None else a.shape[axis]

    def _kept(self, a):
        return math.floor(self.density * self._size(a) + _ROUNDING)

    def _key(self, a):
        """Return the seed for matrices of this shape."""
        m, n = a.shape
        return self.seed + 7919 * m + 104729 * n


def _zeros(a, shape):
    return asarray(np.zeros(shape), like=a, dtype=a.dtype)
