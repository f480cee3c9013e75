"""Orthonormal vectors that grow one at a time, and projections on them."""

from linalg_ml._core.namespace import astype, to_numpy
from linalg_ml._core.random import normal

_ROUNDINGS = 10.0  # a vector this many roundings long, after orthogonalisation, is noise


class Basis:
    """Orthonormal vectors of shape (..., n), the rows of one array, in at least fp32.

    Parameters
    ----------
    arithmetic : Arithmetic
        What projections are computed in.
    like : array of shape (..., n)
        Says library, device and shape.
    capacity : int
        How many vectors there is room for; more is made where needed.
    """

    def __init__(self, arithmetic, like, capacity):
        self._arithmetic = arithmetic
        self._rows = self._zeros(like, capacity)
        self.size = 0

    def _zeros(self, like, capacity):
        xp = self._arithmetic.xp
        shape = (*like.shape[:-1], capacity, like.shape[-1])
        return astype(xp.zeros_like(xp.broadcast_to(like[..., None, :], shape)), self.dtype)

    @property
    def dtype(self):
        """The dtype of the vectors."""
        return self._arithmetic.dtype

    @property
    def capacity(self):
        """How many vectors there is room for."""
        return self._rows.shape[-2]

    @property
    def rows(self):
        """The vectors as an array (..., size, n); in JAX with zeros up to the capacity."""
        if self._arithmetic.library == "jax":  # a new shape would be compiled at every size
            return self._rows
        return self._rows[..., : self.size, :]

    @property
    def vectors(self):
        """The vectors as an array (..., size, n)."""
        return self._rows[..., : self.size, :]

    def append(self, v):
        """Add a unit vector that is orthogonal to the others, or zero."""
        xp = self._arithmetic.xp
        if self.size == self._rows.shape[-2]:
            room = self._zeros(v, max(4, self.size))
            self._rows = xp.concat([self._rows, room], axis=-2)
        v = astype(v, self.dtype)
        if self._arithmetic.library == "jax":
            place = self._arithmetic.xp.asarray(self.size)  # compiled once for all places
            self._rows = self._rows.at[..., place, :].set(v)
        else:
            self._rows[..., self.size, :] = v
        self.size += 1

    def coefficients(self, w):
        """Return v^H w for every v, of shape (..., size); in JAX with zeros up to the capacity."""
        arithmetic = self._arithmetic
        if not arithmetic.is_complex:
            return arithmetic.mm(self.rows, w[..., None])[..., 0]
        conj = arithmetic.xp.conj
        return conj(arithmetic.mm(self.rows, conj(w)[..., None])[..., 0])

    def combine(self, coefficients):
        """Return the sum of the vectors times the coefficients (..., size)."""
        rows = self._rows[..., : coefficients.shape[-1], :]
        return self._arithmetic.mm(coefficients[..., None, :], rows)[..., 0, :]

    def orthogonalize(self, w):
        """Return w minus its projection, and the coefficients of that.

        Classical Gram-Schmidt, twice: what is left is orthogonal to working precision.
        """
        w = astype(w, self.dtype)
        first = self.coefficients(w)
        w = w - self.combine(first)
        second = self.coefficients(w)
        return w - self.combine(second), first + second


def unit(w, floor, basis, arithmetic, rng):
    """Return w / ||w|| and ||w||, or a random unit vector and 0 where ||w|| is below ``floor``.

    The random vector is orthogonal to the basis, where that leaves any direction.
    """
    xp = arithmetic.xp
    norm = arithmetic.norm(w)
    gone = norm <= floor
    one = xp.ones_like(norm)
    v = w / xp.where(gone, one, norm)[..., None]
    if not bool(to_numpy(xp.any(gone))):
        return v, norm
    other = normal(rng, tuple(w.shape), like=w)
    for _ in range(2):
        other, _ = basis.orthogonalize(other)
        size = arithmetic.norm(other)
        other = other / xp.where(size > 0, size, one)[..., None]
    return xp.where(gone[..., None], other, v), xp.where(gone, xp.zeros_like(norm), norm)


def noise(arithmetic):
    """Return the length, relative to what was there before, below which a vector is noise."""
    return _ROUNDINGS * arithmetic.unit_roundoff
