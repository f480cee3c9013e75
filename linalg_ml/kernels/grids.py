"""Kernels on grids of cells in the Array API standard alone: Poisson products, multigrid."""

import numpy as np

from linalg_ml._core.namespace import asarray, astype, namespace

RED_BLACK = "red-black"  # in place of a stencil: Gauss-Seidel in two colours


def grid_product(u, mask, diagonal, inner):
    """Return A u for u of shape (..., *grid), zero in solids.

    A u is ``diagonal`` u less the sum of the neighbours, each times the coefficient of the face
    between: an array for each axis in ``inner``, or 1 where that is None. ``mask`` is 0 in solids.
    """
    total = None
    for k in range(diagonal.ndim):
        part = _neighbours(u, k - diagonal.ndim, None if inner is None else inner[k])
        total = part if total is None else total + part
    return diagonal * u - (mask * total if inner is None else total)


def grid_energy(u, r, mask, diagonal, inner):
    """Return A u as `grid_product` does, and the inner products u^T A u and u^T r."""
    out = grid_product(u, mask, diagonal, inner)
    xp, axes = namespace(u), tuple(range(-diagonal.ndim, 0))
    return out, xp.sum(u * out, axis=axes), xp.sum(u * r, axis=axes)


def multigrid_cycle(levels, weights, sweeps, like):
    """Return the function r -> u that makes one V(1,1) cycle for residuals of shape (..., *grid).

    ``levels`` have ``mask``, ``diagonal``, ``inner`` and ``shares`` as host arrays; ``weights``
    have ``stencil``, ``interpolation`` and ``correction``; ``sweeps`` is the number of smoothing
    steps on the coarsest grid. The cycle computes in the dtype of ``like``, where it lives; u has
    the dtype of r.
    """
    return _cycle(levels, weights, sweeps, like, _repeat)


def _repeat(times, step, u):
    for _ in range(times):
        u = step(u)
    return u


def _cycle(levels, weights, sweeps, like, repeat):
    """Return the function of `multigrid_cycle`; ``repeat(times, step, u)`` iterates a step."""
    finer = (None, *levels[:-1])
    kind = _RedBlack if weights.stencil == RED_BLACK else _Stencil
    made = [kind(*pair, weights, like) for pair in zip(levels, finer, strict=True)]

    def cycle(r):
        u = _descend(made, 0, made[0].mask * astype(r, like.dtype), weights, sweeps, repeat)
        return astype(u, r.dtype)

    return cycle


class _Level:
    """The arrays of one grid where the residuals live."""

    def __init__(self, level, finer, weights, like):
        def home(a):
            return asarray(np.array(a, np.float64), like=like, dtype=like.dtype)

        self.grid = level.mask.shape
        self.axes = range(-len(self.grid), 0)
        self.mask, self.diagonal = home(level.mask), home(level.diagonal)
        self.set_smoother(level.mask / (level.diagonal + ~level.mask), weights.stencil, home)
        self.inner = (
            [None] * len(self.grid) if level.inner is None else list(map(home, level.inner))
        )
        self.own = sum(weights.interpolation)
        self.pull = [weights.interpolation[1]] * len(self.grid)
        if level.shares is not None:
            self.pull = [
                home(weights.interpolation[1] * _stretched(share, k, finer.mask.shape))
                for k, share in enumerate(level.shares)
            ]

    def residual(self, r, u):
        """Return r - A u, zero in solids."""
        total = r - self.diagonal * u
        for axis, weights in zip(self.axes, self.inner, strict=True):
            total = total + _neighbours(u, axis, weights)
        return self.mask * total

    def prolong(self, e, grid):
        """Return the interpolation of e to the finer grid."""
        for axis, pull in zip(self.axes, self.pull, strict=True):
            xp, zero = namespace(e), namespace(e).zeros_like(e[_cut(axis, 0, 1)])
            padded = xp.concat([zero, e, zero], axis=axis)
            flux = pull * (padded[_cut(axis, 1, None)] - padded[_cut(axis, None, -1)])
            low = self.own * e - flux[_cut(axis, None, -1)]
            high = self.own * e + flux[_cut(axis, 1, None)]
            shape = (
                *e.shape[:axis],
                2 * e.shape[axis],
                *(e.shape[axis + 1 :] if axis != -1 else ()),
            )
            place = axis + 1 if axis != -1 else low.ndim
            pairs = xp.stack([low, high], axis=place if place > 0 else low.ndim + place)
            fine = xp.reshape(pairs, shape)
            if grid[axis] % 2:
                # Beyond the last whole cell: on from its two children in a straight line.
                last = high[_cut(axis, -1, None)] + 2 * flux[_cut(axis, -1, None)]
                fine = xp.concat([fine, last], axis=axis)
            e = fine
        return e

    def restrict(self, f, grid):
        """Return the transpose of `prolong`."""
        for axis, pull in zip(reversed(self.axes), reversed(self.pull), strict=True):
            xp, n = namespace(f), grid[axis] // 2 * 2
            low, high = f[_cut(axis, 0, n, 2)], f[_cut(axis, 1, n, 2)]
            zero = xp.zeros_like(f[_cut(axis, 0, 1)])
            last = zero
            if grid[axis] % 2:
                last = f[_cut(axis, -1, None)]
                high = _add_last(high, last, axis)
            flux = pull * (
                xp.concat([zero, high], axis=axis) - xp.concat([low, -2 * last], axis=axis)
            )
            f = self.own * (low + high) + flux[_cut(axis, None, -1)] - flux[_cut(axis, 1, None)]
        f = self.mask * f
        return 0.5 * f if len(self.grid) == 3 else f


class _Stencil(_Level):
    """A grid that is smoothed by a symmetric stencil."""

    def set_smoother(self, inverse, stencil, home):
        """Keep what the smoother needs; ``inverse`` is that of the diagonal, zero in solids."""
        self.root, self.stencil = home(np.sqrt(inverse)), stencil

    def start(self, r):
        """Return what a sweep makes of zero."""
        return self.smooth(r)

    def finish(self, u, r):
        """Return u smoothed."""
        return u + self.smooth(self.residual(r, u))

    def solve(self, r, sweeps, repeat):
        """Return what ``sweeps`` sweeps make of zero."""
        return repeat(sweeps - 1, lambda u: self.finish(u, r), self.start(r))

    def smooth(self, r):
        """Return D^-1/2 K D^-1/2 r, K the symmetric stencil of 3^d entries."""
        t = self.root * r
        sums = [t]  # over the neighbours that differ in 0, 1, ..., d indices
        for axis in self.axes:
            moved = [_neighbours(part, axis) for part in sums]
            inside = [a + b for a, b in zip(sums[1:], moved[:-1], strict=True)]
            sums = [sums[0], *inside, moved[-1]]
        total = self.stencil[0] * sums[0]
        for weight, part in zip(self.stencil[1:], sums[1:], strict=True):
            if weight != 0:
                total = total + weight * part
        return self.root * total


class _RedBlack(_Level):
    """A grid that is smoothed by Gauss-Seidel: half of the cells at once, then the other half."""

    def set_smoother(self, inverse, stencil, home):
        """Keep the inverse of the diagonal for each of the colours."""
        odd = np.indices(self.grid).sum(axis=0) % 2
        self.colours = [home(inverse * (odd == k)) for k in (0, 1)]

    def start(self, r):
        """Return what a forward sweep makes of zero."""
        u = self.colours[0] * r
        return u + self.colours[1] * self.residual(r, u)

    def finish(self, u, r):
        """Return u after a backward sweep."""
        return self._sweep(u, r, self.colours[::-1])

    def solve(self, r, sweeps, repeat):
        """Return what ``sweeps`` sweeps make of zero, the later half of them backward."""
        forward, backward = self.colours, self.colours[::-1]
        u = repeat((sweeps - 1) // 2, lambda u: self._sweep(u, r, forward), self.start(r))
        return repeat(sweeps // 2, lambda u: self._sweep(u, r, backward), u)

    def _sweep(self, u, r, colours):
        for inverse in colours:
            u = u + inverse * self.residual(r, u)
        return u


def _descend(levels, at, r, weights, sweeps, repeat):
    level = levels[at]
    if at == len(levels) - 1:
        return level.solve(r, sweeps, repeat)
    u = level.start(r)
    coarse = levels[at + 1]
    e = coarse.restrict(level.residual(r, u), level.grid)
    e = _descend(levels, at + 1, e, weights, sweeps, repeat)
    u = u + weights.correction * (level.mask * coarse.prolong(e, level.grid))
    return level.finish(u, r)


def _stretched(share, axis, fine):
    """Return the values of the coarse cells for their children along the axes before ``axis``."""
    for k in range(axis):
        share = np.repeat(share, 2, axis=k)
        share = np.pad(
            share, [(0, (fine[k] % 2) * (k == m)) for m in range(share.ndim)], mode="edge"
        )
    return share


def _add_last(high, last, axis):
    """Return ``high`` with ``last`` added to its last entry along an axis."""
    end = high[_cut(axis, -1, None)] + last
    return namespace(high).concat([high[_cut(axis, None, -1)], end], axis=axis)


def _cut(axis, start, stop, step=None):
    """Return an index that slices one axis, counted from the end."""
    return (..., slice(start, stop, step), *[slice(None)] * (-axis - 1))


def _neighbours(u, axis, weights=None):
    """Return the sum of the two neighbours along an axis, zero beyond the ends."""
    xp = namespace(u)
    zero = xp.zeros_like(u[_cut(axis, 0, 1)])
    high, low = u[_cut(axis, 1, None)], u[_cut(axis, None, -1)]
    if weights is not None:
        high, low = weights * high, weights * low
    return xp.concat([high, zero], axis=axis) + xp.concat([zero, low], axis=axis)
