"""Manifolds that matrices are kept on: projection to the tangent space, and the way back."""

from dataclasses import dataclass

from linalg_ml._core.namespace import namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.optim import draws
from linalg_ml.optim.polar_factor import polar_factor

MANIFOLDS = ("frobenius", "spectral", "rows", "columns")


@dataclass(frozen=True)
class Spheres:
    """Matrices whose norm over some axes is fixed: all entries, each row, or each column."""

    axes: tuple

    def size(self, w, held):
        """Return the norms that are kept, with axes of length one."""
        return _norm(w, self.axes)

    def begin(self, w):
        """Return what is to be remembered of a matrix: nothing."""
        return {}

    def look(self, w, held):
        """Return what is remembered, brought up to date."""
        return {}

    def tangent(self, w, g, held):
        """Return G - <W, G> / <W, W> W."""
        xp = namespace(w)
        inner, square = (xp.sum(w * a, axis=self.axes, keepdims=True) for a in (g, w))
        return g - inner / _or_one(square) * w

    def retract(self, x, radius, held):
        """Return X scaled to the radius, or to radii; zeros stay zero."""
        return x * (radius / _or_one(self.size(x, held)))


@dataclass(frozen=True)
class SpectralSphere:
    """Matrices of a fixed largest singular value, which is found by power iteration."""

    iterations: int

    def begin(self, w):
        """Return random vectors to start the power iteration from."""
        return {"right": draws.normal(0, 0, (*w.shape[:-2], w.shape[-1], 1), w)}

    def look(self, w, held):
        """Return an estimate of the leading right singular vector of W, from one of before."""
        mm, right = Arithmetic(None, w).mm, held["right"]
        for _ in range(self.iterations):
            found = mm(w.mT, mm(w, right))
            size = _norm(found, (-2, -1))
            right = namespace(w).where(size > 0, found / _or_one(size), right)
        return {"right": right}

    def size(self, w, held):
        """Return an estimate of the largest singular value, from below."""
        right = held["right"]
        image = Arithmetic(None, w).mm(w, right)
        return _norm(image, (-2, -1)) / _or_one(_norm(right, (-2, -1)))

    def tangent(self, w, g, held):
        """Return G - <u v^T, G> u v^T with the leading singular vectors u, v of W."""
        mm, right = Arithmetic(None, w).mm, held["right"]
        right = right / _or_one(_norm(right, (-2, -1)))
        left = mm(w, right)
        left = left / _or_one(_norm(left, (-2, -1)))
        return g - mm(mm(left.mT, mm(g, right)) * left, right.mT)

    def retract(self, x, radius, held):
        """Return X scaled to the radius."""
        return x * (radius / _or_one(self.size(x, self.look(x, held))))


@dataclass(frozen=True)
class Stiefel:
    """Matrices with orthonormal columns, or rows if they are wide."""

    method: object
    steps: int | None = None

    def tangent(self, w, g):
        """Return G - W (W^T G + G^T W) / 2, or that of the transposes."""
        if w.shape[-2] < w.shape[-1]:
            return self.tangent(w.mT, g.mT).mT
        arithmetic = Arithmetic(None, w)
        inner = arithmetic.mm(w.mT, g)
        return g - arithmetic.mm(w, (inner + inner.mT) / 2)

    def retract(self, x):
        """Return the closest matrix of the manifold, the polar factor."""
        return polar_factor(x, self.method, steps=self.steps)


def manifold(name, iterations):
    """Return the manifold of a name in `MANIFOLDS`."""
    if name == "spectral":
        return SpectralSphere(iterations)
    return Spheres({"frobenius": (-2, -1), "rows": (-1,), "columns": (-2,)}[name])


def _norm(a, axes):
    return namespace(a).linalg.vector_norm(a, axis=axes, keepdims=True)


def _or_one(a):
    xp = namespace(a)
    return xp.where(a > 0, a, xp.ones_like(a))
