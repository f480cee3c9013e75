"""The linear system A x = b of a solver whose directions come from a model."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, is_traced, to_numpy
from linalg_ml._core.random import generator
from linalg_ml.deep_directions.model import directions, find_model
from linalg_ml.deep_directions.stencil import GridPoisson
from linalg_ml.krylov.linear_system import LinearSystem


class ModelSystem(LinearSystem):
    """A x = b with a model of search directions; vectors of a `GridPoisson` may have its shape.

    Parameters
    ----------
    a : array, sparse matrix, operator, callable or GridPoisson
    b : array of shape (..., n), or (..., *grid) for a `GridPoisson`
    arithmetic : Arithmetic
    model : str or callable
    """

    def __init__(self, a, b, arithmetic, model):
        self.grid = a.grid if isinstance(a, GridPoisson) else None
        self.poisson = None if self.grid is None else a
        self.out_shape = tuple(b.shape)
        self._xp = arithmetic.xp
        super().__init__(a, self.flat(b, "b"), arithmetic)
        if self.grid is not None:
            self.a = _GridOperator(a, arithmetic)
            self._exact_a = _GridOperator(a, self._exact)
        self._model = find_model(model, a)

    def flat(self, u, name):
        """Return vectors of shape (..., n), zero in solids, whatever shape they came in."""
        if self.grid is None:
            return u
        d, n = len(self.grid), self.poisson.shape[0]
        shape = tuple(u.shape)
        if shape[-d:] == self.grid:
            batch = shape[:-d]
        elif shape[-1] == n:
            batch = shape[:-1]
        else:
            raise ValueError(
                f"{name} must have shape (..., {', '.join(map(str, self.grid))}) or (..., {n}) "
                f"to match a, got shape {shape}"
            )
        u = self.poisson.restrict(self._xp.reshape(u, (*batch, *self.grid)))
        return self._xp.reshape(u, (*batch, n))

    def start(self, x0):
        """Return (x, b - A x): from zero if x0 is None."""
        if x0 is not None:
            x0 = checks.array(x0, "x0")
            checks.same_home(b=self.b, x0=x0)
            x0 = self.flat(x0, "x0")
        return super().start(x0)

    def unfold(self, x):
        """Return x in the shape b came in."""
        return self._xp.reshape(x, self.out_shape)

    @property
    def scale_free(self):
        """Say whether the model takes residuals of any norm."""
        return getattr(self._model, "scale_free", False)

    def direction(self, r):
        """Return what the model says to residuals, zero in solids."""
        self.arithmetic.count("model_calls")
        if self.grid is None:
            return self.arithmetic.store(directions(self._model, r))
        q = directions(self._model, self._xp.reshape(r, (*r.shape[:-1], *self.grid)))
        if not getattr(self._model, "zero_in_solids", False):
            q = self.poisson.restrict(q)
        return self.arithmetic.store(self._xp.reshape(q, r.shape))

    def energy(self, d, r):
        """Return A d, d^H A d and d^H r."""
        arithmetic = self.arithmetic
        fused = arithmetic.name in ("fp32", "fp64") and not arithmetic.is_complex
        if self.grid is None or not fused:
            ad, wide = self.a.matvec(d), arithmetic.wide
            energy, descent = arithmetic.kernels.dots(wide(d), [wide(ad), wide(r)])
            return ad, self._xp.real(energy) if arithmetic.is_complex else energy, descent
        arithmetic.count("matvecs")
        fold = (*d.shape[:-1], *self.grid)
        ad, *values = self.poisson.energy(self._xp.reshape(d, fold), self._xp.reshape(r, fold))
        return self._xp.reshape(ad, d.shape), *values

    def refuse_asymmetry(self):
        """Raise if u^H A v and (A u)^H v differ for random vectors."""
        if self.grid is not None or is_traced(self.b) or not np.all(np.isfinite(self.size)):
            return
        xp, arithmetic = self._xp, self.arithmetic
        rng = generator(0)
        u, v = (self._random(rng) for _ in range(2))
        au, av = self.a.matvec(u), self.a.matvec(v)
        one, other = arithmetic.dot(u, av), arithmetic.dot(au, v)
        size = arithmetic.norm(u) * arithmetic.norm(av) + arithmetic.norm(au) * arithmetic.norm(v)
        gap = np.max(to_numpy(xp.abs(one - other) / xp.where(size > 0, size, 1 + 0 * size)))
        if gap > 100 * arithmetic.unit_roundoff:
            raise ValueError(
                "a must be symmetric (Hermitian): u^H (A v) and (A u)^H v differ by "
                f"{gap:.1e} of their size for random u and v; krylov.gmres solves such systems"
            )

    def _random(self, rng):
        values = rng.standard_normal(self.b.shape)
        if self.arithmetic.is_complex:
            values = values + 1j * rng.standard_normal(self.b.shape)
        return self.arithmetic.enter(asarray(values, like=self.b, dtype=self.b.dtype))


class _GridOperator:
    """A `GridPoisson` under the policy of an Arithmetic."""

    def __init__(self, a, arithmetic):
        self.shape = a.shape
        self._a, self._arithmetic = a, arithmetic

    def matvec(self, x):
        """Return A x for x of shape (..., n)."""
        self._arithmetic.count("matvecs")
        return self._arithmetic.store(self._a.matvec(x))
