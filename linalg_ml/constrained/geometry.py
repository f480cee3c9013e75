"""The range and null space of the constraint Jacobian, and the curvature in that null space."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core.namespace import asarray, to_numpy


@dataclass(frozen=True)
class Geometry:
    """What G and H say at a point.

    Attributes
    ----------
    left : array of shape (m, rank) or None
        Orthonormal basis of the range of G; None where G has full row rank.
    null : array of shape (n, n - rank)
        Orthonormal basis of the null space of G.
    smallest : float
        The smallest of the m singular values of G; infinite if m = 0.
    curvatures : ndarray of shape (n - rank,)
        Eigenvalues of null^T H null, on the host.
    directions : array of shape (n, n - rank)
        The curvatures belong to these orthonormal columns.
    """

    left: Any
    null: Any
    smallest: float
    curvatures: np.ndarray
    directions: Any

    @property
    def convexity(self):
        """The smallest curvature; infinite where there is no null space."""
        return float(self.curvatures[0]) if self.curvatures.size else float("inf")


def analyse(hessian, jacobian, space, rcond):
    """Return the `Geometry` of H (n, n) and G (m, n).

    ``rcond`` is the size, relative to the largest, below which a singular value of G is zero.
    """
    xp, (m, n) = space.xp, jacobian.shape
    if m == 0:
        values, rank = np.zeros(0), 0
        left, right = None, xp.eye(n, dtype=hessian.dtype, device=space.plain.device)
    else:
        u, s, right = xp.linalg.svd(jacobian, full_matrices=True)
        values = to_numpy(s)
        rank = int(np.sum(values > rcond * values[0]))
        left = u[:, :rank] if rank < m else None
    smallest = float(values[-1]) if 0 < m <= n else 0.0 if m else float("inf")
    null = right[rank:, :].mT
    if rank == n:
        return Geometry(left, null, smallest, np.zeros(0), null)
    reduced = space.plain.mm(null.mT, space.plain.mm(hessian, null))
    w, v = xp.linalg.eigh(0.5 * (reduced + reduced.mT))
    return Geometry(left, null, smallest, to_numpy(w), space.plain.mm(null, v))


def reflected(hessian, geometry, space, floor, threshold, extra=0.0):
    """Return H with curvatures below ``threshold`` replaced by their sizes, at least ``floor``.

    Only directions in the null space of the constraints are changed, so that where H is convex
    on it, nothing is. ``extra`` is added to all of them.
    """
    w = geometry.curvatures
    wanted = np.where(w < threshold, np.maximum(np.abs(w), floor), w) + extra
    if np.all(wanted == w):
        return hessian
    change = asarray(wanted - w, like=hessian, dtype=hessian.dtype)
    d = geometry.directions
    return hessian + space.plain.mm(change * d, d.mT)


def shifted(hessian, geometry, space, floor, threshold):
    """Return H + t I with t = floor + ||H||_F where the least curvature is below ``threshold``.

    The rule of Hong et al.; t = 0 otherwise.
    """
    if geometry.convexity >= threshold:
        return hessian
    shift = floor + space.norm(hessian)
    eye = space.xp.eye(hessian.shape[0], dtype=hessian.dtype, device=space.plain.device)
    return hessian + shift * eye
