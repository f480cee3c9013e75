"""Passes of multigrid smoothed by red-black Gauss-Seidel, compiled, like those of numba_multigrid.

Cells of even index sum are red, the others black. A row is relaxed in place, for it takes only from
cells of the other colour; a pass has rows of both colours in flight, black one row behind red.
"""

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

# Every other cell of a row, from ``first`` on ----------------------------------------------------


@_compiled
def _start(u, r, inverse, first):
    """Write what one colour takes from zero, and zero for the other."""
    u[:] = 0
    for j in range(first, u.size - 1, 2):
        u[j] = inverse[j] * r[j]


@_compiled
def _relax(u, r, inverse, above, below, first):
    for j in range(first, u.size - 1, 2):
        u[j] = inverse[j] * (r[j] + ((above[j] + below[j]) + (u[j - 1] + u[j + 1])))


@_compiled
def _relax_3d(u, r, inverse, front, above, below, back, first):
    for j in range(first, u.size - 1, 2):
        rows = (above[j] + below[j]) + (front[j] + back[j])
        u[j] = inverse[j] * (r[j] + (rows + (u[j - 1] + u[j + 1])))


@_compiled
def _relax_weighted(u, r, inverse, up, above, down, below, side, first):
    """Relax cells whose faces have coefficients; ``side`` stands to the left of each cell."""
    for j in range(first, u.size - 1, 2):
        along = side[j] * u[j - 1] + side[j + 1] * u[j + 1]
        u[j] = inverse[j] * (r[j] + (along + (up[j] * above[j] + down[j] * below[j])))


@_compiled
def _relax_weighted_3d(
    u, r, inverse, ahead, front, past, back, up, above, down, below, side, first
):
    for j in range(first, u.size - 1, 2):
        along = side[j] * u[j - 1] + side[j + 1] * u[j + 1]
        rows = up[j] * above[j] + down[j] * below[j]
        planes = ahead[j] * front[j] + past[j] * back[j]
        u[j] = inverse[j] * (r[j] + (along + (rows + planes)))


# Two dimensions ---------------------------------------------------------------------------------


@_compiled
def _relax_row(u, i, r, inverse, rows, sides, black):
    first = 1 + (i + 1 + black) % 2
    if rows.size == 0:
        _relax(u[i], r[i], inverse[i], u[i - 1], u[i + 1], first)
    else:
        _relax_weighted(
            u[i], r[i], inverse[i], rows[i], u[i - 1], rows[i + 1], u[i + 1], sides[i], first
        )


@_compiled
def _down_2d(r, u, grid, coarse, pulls, own, f, y):
    """Write the smoothed u and the restricted residual into ``coarse``."""
    inverse, diagonal, rows, sides = grid
    pull_rows, pull_sides = pulls
    n, odd = u.shape[0] - 2, (u.shape[1] - 2) % 2
    m = coarse.shape[0] - 2
    coarse[:] = 0
    _start(u[1], r[1], inverse[1], 1)
    for i in range(1, n + 2):
        if i < n:
            _start(u[i + 1], r[i + 1], inverse[i + 1], 1 + i % 2)
        if i <= n:
            _relax_row(u, i, r, inverse, rows, sides, 1)
        if i >= 2:
            k = i - 1  # the row whose residual can be taken now
            _residual_row(f, k, r, u, diagonal, rows, sides)
            _gathered(y, f, pull_sides[min((k + 1) // 2, m)], own, odd)
            _gather(coarse, k, m, y, pull_rows, own)


@_compiled
def _up_2d(r, u, grid, coarse, pulls, own, factor, f, y):
    """Add the interpolated correction to u and smooth."""
    inverse, diagonal, rows, sides = grid
    pull_rows, pull_sides = pulls
    n, odd = u.shape[0] - 2, (u.shape[1] - 2) % 2
    m = coarse.shape[0] - 2
    for i in range(1, n + 3):
        if i <= n:
            _interpolate(y, i, m, coarse, pull_rows, own)
            _spread(f, y, pull_sides[min((i + 1) // 2, m)], own, odd)
            _correct(u[i], f, diagonal[i], factor)
        if 2 <= i <= n + 1:
            _relax_row(u, i - 1, r, inverse, rows, sides, 1)
        if i >= 3:
            _relax_row(u, i - 2, r, inverse, rows, sides, 0)


@_compiled
def _solve_2d(r, u, grid, sweeps):
    """Write what ``sweeps`` sweeps make of zero, the later half of them backward."""
    inverse, _, rows, sides = grid
    u[:] = 0
    for half_sweep in range(2 * sweeps):
        black = half_sweep % 2
        if half_sweep // 2 >= sweeps - sweeps // 2:
            black = 1 - black
        for i in range(1, u.shape[0] - 1):
            _relax_row(u, i, r, inverse, rows, sides, black)


# Three dimensions -------------------------------------------------------------------------------


@_compiled
def _start_plane(u, i, r, inverse):
    for j in range(1, u.shape[1] - 1):
        _start(u[i, j], r[i, j], inverse[i, j], 1 + (i + j) % 2)


@_compiled
def _relax_plane(u, i, r, inverse, planes, rows, sides, black):
    for j in range(1, u.shape[1] - 1):
        first = 1 + (i + j + black) % 2
        if planes.size == 0:
            _relax_3d(
                u[i, j],
                r[i, j],
                inverse[i, j],
                u[i - 1, j],
                u[i, j - 1],
                u[i, j + 1],
                u[i + 1, j],
                first,
            )
        else:
            _relax_weighted_3d(
                u[i, j],
                r[i, j],
                inverse[i, j],
                planes[i, j],
                u[i - 1, j],
                planes[i + 1, j],
                u[i + 1, j],
                rows[i, j],
                u[i, j - 1],
                rows[i, j + 1],
                u[i, j + 1],
                sides[i, j],
                first,
            )


@_compiled
def _down_3d(r, u, grid, coarse, pulls, own, half, f, g, y):
    """Write the smoothed u and the restricted residual into ``coarse``."""
    inverse, diagonal, planes, rows, sides = grid
    n = u.shape[0] - 2
    coarse[:] = 0
    _start_plane(u, 1, r, inverse)
    for i in range(1, n + 2):
        if i < n:
            _start_plane(u, i + 1, r, inverse)
        if i <= n:
            _relax_plane(u, i, r, inverse, planes, rows, sides, 1)
        if i >= 2:
            _residual_plane(f, i - 1, r, u, diagonal, planes, rows, sides)
            _gather_plane(coarse, i - 1, f, pulls, own, half, g, y)


@_compiled
def _up_3d(r, u, grid, coarse, pulls, own, factor, f, g, y):
    """Add the interpolated correction to u and smooth."""
    inverse, diagonal, planes, rows, sides = grid
    n = u.shape[0] - 2
    for i in range(1, n + 3):
        if i <= n:
            _spread_plane(u[i], i, coarse, pulls, own, diagonal[i], factor, g, y, f[1])
        if 2 <= i <= n + 1:
            _relax_plane(u, i - 1, r, inverse, planes, rows, sides, 1)
        if i >= 3:
            _relax_plane(u, i - 2, r, inverse, planes, rows, sides, 0)


@_compiled
def _solve_3d(r, u, grid, sweeps):
    """Write what ``sweeps`` sweeps make of zero, the later half of them backward."""
    inverse, _, planes, rows, sides = grid
    u[:] = 0
    for half_sweep in range(2 * sweeps):
        black = half_sweep % 2
        if half_sweep // 2 >= sweeps - sweeps // 2:
            black = 1 - black
        for i in range(1, u.shape[0] - 1):
            _relax_plane(u, i, r, inverse, planes, rows, sides, black)


PASSES = {2: (_down_2d, _up_2d, _solve_2d), 3: (_down_3d, _up_3d, _solve_3d)}
