"""The cycle of the learned multigrid for NumPy arrays, compiled: each grid is passed over twice.

On the way down one pass smooths, takes the residual and restricts it; on the way up one pass
interpolates, takes the residual and smooths. What is between the stages of a pass are a few rows
(2D) or planes (3D) that stay in the cache. Arrays of a grid have a border of zeros, so that no
loop asks where it is.
"""

import itertools
import threading

import numpy as np

from linalg_ml.kernels import numba_red_black
from linalg_ml.kernels.grids import RED_BLACK
from linalg_ml.kernels.numba_grid_rows import (
    _correct,
    _gather,
    _gather_plane,
    _gathered,
    _interpolate,
    _residual_plane,
    _residual_row,
    _spread,
    _spread_plane,
)
from linalg_ml.kernels.numba_relaxation import _compiled

# Rows -------------------------------------------------------------------------------------------


@_compiled
def _multiply(out, x, y):
    for j in range(1, out.size - 1):
        out[j] = x[j] * y[j]


@_compiled
def _add(out, x, y):
    for j in range(1, out.size - 1):
        out[j] = x[j] + y[j]


@_compiled
def _smoothed(out, root, t, v, a, b, c):
    """Write root K t, v the sum of the rows above and below of t."""
    for j in range(1, out.size - 1):
        edges = (t[j - 1] + t[j + 1]) + v[j]
        out[j] = root[j] * (a * t[j] + b * edges + c * (v[j - 1] + v[j + 1]))


@_compiled
def _smoothed_add(out, root, t, v, a, b, c):
    """Add root K t."""
    for j in range(1, out.size - 1):
        edges = (t[j - 1] + t[j + 1]) + v[j]
        out[j] += root[j] * (a * t[j] + b * edges + c * (v[j - 1] + v[j + 1]))


# Two dimensions ---------------------------------------------------------------------------------


@_compiled
def _down_2d(r, u, grid, weights, coarse, pulls, own, t, v, f, y):
    """Write the smoothed u and the restricted residual into ``coarse``."""
    root, diagonal, rows, sides = grid
    a, b, c = weights
    pull_rows, pull_sides = pulls
    n, odd = u.shape[0] - 2, (u.shape[1] - 2) % 2
    m = coarse.shape[0] - 2
    coarse[:] = 0
    t[0] = 0
    _multiply(t[1], root[1], r[1])
    for i in range(1, n + 2):
        if i <= n:
            before, here, after = t[(i - 1) % 3], t[i % 3], t[(i + 1) % 3]
            if i < n:
                _multiply(after, root[i + 1], r[i + 1])
            else:
                after[:] = 0
            _add(v, before, after)
            _smoothed(u[i], root[i], here, v, a, b, c)
        if i >= 2:
            k = i - 1  # the row whose residual can be taken now
            _residual_row(f, k, r, u, diagonal, rows, sides)
            parent = min((k + 1) // 2, m)
            _gathered(y, f, pull_sides[parent], own, odd)
            _gather(coarse, k, m, y, pull_rows, own)


@_compiled
def _up_2d(r, u, grid, weights, coarse, pulls, own, factor, t, v, f, y):
    """Add the interpolated correction to u and smooth."""
    root, diagonal, rows, sides = grid
    a, b, c = weights
    pull_rows, pull_sides = pulls
    n, odd = u.shape[0] - 2, (u.shape[1] - 2) % 2
    m = coarse.shape[0] - 2
    t[0] = 0
    for i in range(1, n + 3):
        if i <= n:
            parent = min((i + 1) // 2, m)
            _interpolate(y, i, m, coarse, pull_rows, own)
            _spread(f, y, pull_sides[parent], own, odd)
            _correct(u[i], f, diagonal[i], factor)
        if 2 <= i <= n + 1:
            k = i - 1
            after = t[k % 3]
            _residual_row(after, k, r, u, diagonal, rows, sides)
            _multiply(after, after, root[k])
        if i >= 3:
            k = i - 2
            if k == n:
                t[(k + 1) % 3] = 0
            _add(v, t[(k - 1) % 3], t[(k + 1) % 3])
            _smoothed_add(u[k], root[k], t[k % 3], v, a, b, c)


@_compiled
def _solve_2d(r, u, grid, weights, sweeps, t, v):
    """Write what ``sweeps`` smoothing steps make of zero."""
    root, diagonal, rows, sides = grid
    a, b, c = weights
    n = u.shape[0] - 2
    u[:] = 0
    for _ in range(sweeps):
        t[0] = 0
        for i in range(1, n + 2):
            if i <= n:
                _residual_row(t[i % 3], i, r, u, diagonal, rows, sides)
                _multiply(t[i % 3], t[i % 3], root[i])
            else:
                t[i % 3] = 0
            if i >= 2:
                k = i - 1
                _add(v, t[(k - 1) % 3], t[(k + 1) % 3])
                _smoothed_add(u[k], root[k], t[k % 3], v, a, b, c)


# Three dimensions -------------------------------------------------------------------------------


@_compiled
def _smoothed_3d(out, root, t, s, v, w, a, b, c, d):
    """Add root K t: s sums rows of the plane of t, v planes, and w rows of the plane of v."""
    for j in range(1, out.size - 1):
        faces = (t[j - 1] + t[j + 1]) + (s[j] + v[j])
        edges = (s[j - 1] + s[j + 1]) + (v[j - 1] + v[j + 1]) + w[j]
        value = a * t[j] + b * faces + c * edges + d * (w[j - 1] + w[j + 1])
        out[j] += root[j] * value


@_compiled
def _smooth_plane(out, root, before, here, after, v, s, w, weights):
    a, b, c, d = weights
    for j in range(v.shape[0]):
        _add(v[j], before[j], after[j])
    for j in range(1, v.shape[0] - 1):
        _add(s, here[j - 1], here[j + 1])
        _add(w, v[j - 1], v[j + 1])
        _smoothed_3d(out[j], root[j], here[j], s, v[j], w, a, b, c, d)


@_compiled
def _multiply_plane(out, x, y):
    for j in range(1, out.shape[0] - 1):
        _multiply(out[j], x[j], y[j])


@_compiled
def _down_3d(r, u, grid, weights, coarse, pulls, own, half, t, v, s, w, f, g, y):
    """Write the smoothed u and the restricted residual into ``coarse``."""
    root, diagonal, planes, rows, sides = grid
    n = u.shape[0] - 2
    coarse[:] = 0
    t[0] = 0
    _multiply_plane(t[1], root[1], r[1])
    for i in range(1, n + 2):
        if i <= n:
            after = t[(i + 1) % 3]
            if i < n:
                _multiply_plane(after, root[i + 1], r[i + 1])
            else:
                after[:] = 0
            u[i] = 0
            _smooth_plane(u[i], root[i], t[(i - 1) % 3], t[i % 3], after, v, s, w, weights)
        if i >= 2:
            _residual_plane(f, i - 1, r, u, diagonal, planes, rows, sides)
            _gather_plane(coarse, i - 1, f, pulls, own, half, g, y)


@_compiled
def _up_3d(r, u, grid, weights, coarse, pulls, own, factor, t, v, s, w, f, g, y):
    """Add the interpolated correction to u and smooth."""
    root, diagonal, planes, rows, sides = grid
    n = u.shape[0] - 2
    t[0] = 0
    for i in range(1, n + 3):
        if i <= n:
            _spread_plane(u[i], i, coarse, pulls, own, diagonal[i], factor, g, y, f[1])
        if 2 <= i <= n + 1:
            after = t[(i - 1) % 3]
            _residual_plane(after, i - 1, r, u, diagonal, planes, rows, sides)
            _multiply_plane(after, after, root[i - 1])
        if i >= 3:
            k = i - 2
            if k == n:
                t[(k + 1) % 3] = 0
            _smooth_plane(u[k], root[k], t[(k - 1) % 3], t[k % 3], t[(k + 1) % 3], v, s, w, weights)


@_compiled
def _solve_3d(r, u, grid, weights, sweeps, t, v, s, w):
    """Write what ``sweeps`` smoothing steps make of zero."""
    root, diagonal, planes, rows, sides = grid
    n = u.shape[0] - 2
    u[:] = 0
    for _ in range(sweeps):
        t[0] = 0
        for i in range(1, n + 2):
            after = t[i % 3]
            if i <= n:
                _residual_plane(after, i, r, u, diagonal, planes, rows, sides)
                _multiply_plane(after, after, root[i])
            else:
                after[:] = 0
            if i >= 2:
                k = i - 1
                _smooth_plane(u[k], root[k], t[(k - 1) % 3], t[k % 3], after, v, s, w, weights)


PASSES = {2: (_down_2d, _up_2d, _solve_2d), 3: (_down_3d, _up_3d, _solve_3d)}

# The cycle --------------------------------------------------------------------------------------


def multigrid_cycle(levels, weights, sweeps, like):
    """Return the function r -> u of `grids.multigrid_cycle`, with memory of its own."""
    dtype, d = like.dtype.type, levels[0].mask.ndim
    grids = [_Grid(level, at > 0, weights, dtype) for at, level in enumerate(levels)]
    own, factor = dtype(sum(weights.interpolation)), dtype(weights.correction)
    if weights.stencil == RED_BLACK:
        (down, up, solve), numbers = numba_red_black.PASSES[d], ()
    else:
        (down, up, solve), numbers = PASSES[d], (tuple(map(dtype, weights.stencil)),)
    gathering = () if d == 2 else (dtype(0.5),)
    finest, coarsest, inside = grids[0], grids[-1], (slice(1, -1),) * d
    pairs = list(itertools.pairwise(grids))
    memory = threading.Lock()  # of the grids, which one thread at a time may use

    def cycle(r):
        out = np.empty(r.shape, r.dtype)
        with memory:
            pass_over(r, out)
        return out

    def pass_over(r, out):
        for index in np.ndindex(*r.shape[:-d]):
            np.multiply(r[index], finest.mask, out=finest.r[inside], casting="same_kind")
            for fine, coarse in pairs:
                down(fine.r, fine.u, fine.arrays, *numbers, coarse.r, coarse.pulls, own, *gathering,
                     *fine.smoothing, *fine.moving)  # fmt: skip
            solve(coarsest.r, coarsest.u, coarsest.arrays, *numbers, sweeps, *coarsest.smoothing)
            for fine, coarse in reversed(pairs):
                up(fine.r, fine.u, fine.arrays, *numbers, coarse.u, coarse.pulls, own, factor,
                   *fine.smoothing, *fine.moving)  # fmt: skip
            out[index] = finest.u[inside]

    return cycle


class _Grid:
    """The arrays of one grid, with a border of zeros."""

    def __init__(self, level, is_coarse, weights, dtype):
        shape, d = level.mask.shape, level.mask.ndim

        def bordered(a, index=(slice(1, -1),) * d):
            made = np.zeros([n + 2 for n in shape], dtype)
            made[index] = a
            return made

        self.mask = level.mask
        self.r, self.u = bordered(0), bordered(0)
        inverse = level.mask / (level.diagonal + ~level.mask)
        scale = inverse if weights.stencil == RED_BLACK else np.sqrt(inverse)
        inner = [np.zeros((0,) * d, dtype)] * d
        if level.inner is not None:
            inner = [
                bordered(values, tuple(slice(1 + (k == axis), -1) for k in range(d)))
                for axis, values in enumerate(level.inner)
            ]
        self.arrays = (bordered(scale), bordered(level.diagonal), *inner)
        if is_coarse:
            pull = weights.interpolation[1]
            shares = level.shares or [
                np.ones([n + (k == axis) for k, n in enumerate(shape)]) for axis in range(d)
            ]
            self.pulls = tuple(
                np.ascontiguousarray(
                    np.pad(pull * share, [(int(k != axis),) * 2 for k in range(d)]), dtype
                )
                for axis, share in enumerate(shares)
            )
        last = [n + 2 for n in shape[1:]]
        half = [n // 2 + 2 for n in shape[1:]]
        self.smoothing = ()  # rows or planes in flight, and sums of them
        if weights.stencil != RED_BLACK:
            self.smoothing = (np.zeros((3, *last), dtype), np.zeros(last, dtype))
            self.smoothing += (np.zeros(last[-1], dtype), np.zeros(last[-1], dtype)) * (d - 2)
        self.moving = (np.zeros(last, dtype), np.zeros(half, dtype))
        if d == 3:
            self.moving += (np.zeros(half[-1], dtype),)
