"""Rows and planes of grids, compiled: residuals, and the ways to and from a coarser grid.

Arrays have a border of zeros. ``pull`` is what a cell takes from its nearer coarse neighbour
through each face, ``own`` the sum of that and what it takes from the coarse cell it lies in.
"""

from linalg_ml.kernels.numba_relaxation import _compiled

# Residuals --------------------------------------------------------------------------------------


@_compiled
def _residual(out, r, diagonal, above, u, below):
    """Write r - A u with coefficients 1, where the diagonal is not zero."""
    zero = u[0] * 0
    for j in range(1, out.size - 1):
        value = r[j] - diagonal[j] * u[j] + ((above[j] + below[j]) + (u[j - 1] + u[j + 1]))
        out[j] = value if diagonal[j] > 0 else zero


@_compiled
def _residual_3d(out, r, diagonal, front, above, u, below, back):
    """Write r - A u with coefficients 1, where the diagonal is not zero."""
    zero = u[0] * 0
    for j in range(1, out.size - 1):
        rows = (above[j] + below[j]) + (front[j] + back[j])
        value = r[j] - diagonal[j] * u[j] + (rows + (u[j - 1] + u[j + 1]))
        out[j] = value if diagonal[j] > 0 else zero


@_compiled
def _weighted_residual(out, r, diagonal, u, side):
    """Write the part of r - A u along the row; ``side`` stands to the left of each cell."""
    zero = u[0] * 0
    for j in range(1, out.size - 1):
        value = r[j] - diagonal[j] * u[j] + (side[j] * u[j - 1] + side[j + 1] * u[j + 1])
        out[j] = value if diagonal[j] > 0 else zero


@_compiled
def _add_weighted(out, up, above, down, below):
    """Add the part of r - A u across rows or planes."""
    for j in range(1, out.size - 1):
        out[j] += up[j] * above[j] + down[j] * below[j]


@_compiled
def _residual_row(out, i, r, u, diagonal, rows, sides):
    if rows.size == 0:
        _residual(out, r[i], diagonal[i], u[i - 1], u[i], u[i + 1])
    else:
        _weighted_residual(out, r[i], diagonal[i], u[i], sides[i])
        _add_weighted(out, rows[i], u[i - 1], rows[i + 1], u[i + 1])


@_compiled
def _residual_plane(out, i, r, u, diagonal, planes, rows, sides):
    for j in range(1, out.shape[0] - 1):
        if planes.size == 0:
            _residual_3d(
                out[j],
                r[i, j],
                diagonal[i, j],
                u[i - 1, j],
                u[i, j - 1],
                u[i, j],
                u[i, j + 1],
                u[i + 1, j],
            )
        else:
            _weighted_residual(out[j], r[i, j], diagonal[i, j], u[i, j], sides[i, j])
            _add_weighted(out[j], rows[i, j], u[i, j - 1], rows[i, j + 1], u[i, j + 1])
            _add_weighted(out[j], planes[i, j], u[i - 1, j], planes[i + 1, j], u[i + 1, j])


# To and from a coarser grid ---------------------------------------------------------------------


@_compiled
def _gathered(out, f, pull, own, odd):
    """Write the restriction of the row f, which is changed where its length is odd."""
    n = out.size - 2
    if odd:
        last = f[2 * n + 1]
        f[2 * n] += last
        f[2 * n + 1] = -(last + last)
    for j in range(1, n + 1):
        low, high = f[2 * j - 1], f[2 * j]
        kept = own * (low + high)
        out[j] = kept + pull[j - 1] * (f[2 * j - 2] - low) - pull[j] * (high - f[2 * j + 1])


@_compiled
def _spread(fine, e, pull, own, odd):
    """Write the interpolation of the row e."""
    n = e.size - 2
    flux = pull[0] * (e[1] - e[0])
    for j in range(1, n + 1):
        after = pull[j] * (e[j + 1] - e[j])
        before = pull[j - 1] * (e[j] - e[j - 1])
        fine[2 * j - 1] = own * e[j] - before
        fine[2 * j] = own * e[j] + after
    if odd:
        flux = pull[n] * (e[n + 1] - e[n])
        fine[2 * n + 1] = fine[2 * n] + (flux + flux)


@_compiled
def _accumulate(out, y, pull, own, sign):
    """Add (own - pull) y, or with ``sign`` 0 add pull y."""
    if sign:
        for j in range(1, out.size - 1):
            out[j] += (own - pull[j]) * y[j]
    else:
        for j in range(1, out.size - 1):
            out[j] += pull[j] * y[j]


@_compiled
def _between(out, e, other, pull, own):
    """Write own e + pull (other - e)."""
    for j in range(1, out.size - 1):
        out[j] = own * e[j] + pull[j] * (other[j] - e[j])


@_compiled
def _correct(u, fine, diagonal, factor):
    """Add factor times the interpolated correction, outside solids."""
    for j in range(1, u.size - 1):
        u[j] += factor * fine[j] if diagonal[j] > 0 else factor * 0


@_compiled
def _subtract_twice(out, y, pull):
    for j in range(1, out.size - 1):
        out[j] -= (pull[j] + pull[j]) * y[j]


@_compiled
def _add_twice(out, e, other, pull):
    for j in range(1, out.size - 1):
        out[j] += (pull[j] + pull[j]) * (other[j] - e[j])


@_compiled
def _gather(out, k, m, y, pulls, own):
    """Add what row k gives to the m rows of a coarser grid, along the first axis."""
    parent = min((k + 1) // 2, m)
    if k > 2 * m:
        _accumulate(out[m], y, pulls[m], own, True)
        _subtract_twice(out[m], y, pulls[m])
    elif k % 2:
        _accumulate(out[parent], y, pulls[parent - 1], own, True)
        if parent > 1:
            _accumulate(out[parent - 1], y, pulls[parent - 1], own, False)
    else:
        _accumulate(out[parent], y, pulls[parent], own, True)
        if parent < m:
            _accumulate(out[parent + 1], y, pulls[parent], own, False)


@_compiled
def _interpolate(out, k, m, e, pulls, own):
    """Write what row k takes from the m rows of a coarser grid, along the first axis."""
    parent = min((k + 1) // 2, m)
    if k > 2 * m:
        _between(out, e[m], e[m + 1], pulls[m], own)
        _add_twice(out, e[m], e[m + 1], pulls[m])
    elif k % 2:
        _between(out, e[parent], e[parent - 1], pulls[parent - 1], own)
    else:
        _between(out, e[parent], e[parent + 1], pulls[parent], own)


@_compiled
def _multiply_number(x, factor):
    for j in range(1, x.size - 1):
        x[j] *= factor


@_compiled
def _gather_plane(coarse, k, f, pulls, own, half, g, y):
    """Add what plane k gives to the planes of a coarser grid."""
    pull_planes, pull_rows, pull_sides = pulls
    m, m2 = coarse.shape[0] - 2, coarse.shape[1] - 2
    parent, odd = min((k + 1) // 2, m), (f.shape[1] - 2) % 2
    g[:] = 0
    for j in range(1, f.shape[0] - 1):
        _gathered(y, f[j], pull_sides[parent, min((j + 1) // 2, m2)], own, odd)
        _multiply_number(y, half)
        _gather(g, j, m2, y, pull_rows[parent], own)
    for j in range(1, m2 + 1):
        _gather(coarse[:, j], k, m, g[j], pull_planes[:, j], own)


@_compiled
def _spread_plane(u, k, coarse, pulls, own, diagonal, factor, g, y, f):
    """Add the interpolated correction to plane k."""
    pull_planes, pull_rows, pull_sides = pulls
    m, m2 = coarse.shape[0] - 2, coarse.shape[1] - 2
    parent, odd = min((k + 1) // 2, m), (u.shape[1] - 2) % 2
    for j in range(1, m2 + 1):
        _interpolate(g[j], k, m, coarse[:, j], pull_planes[:, j], own)
    g[0] = 0
    g[m2 + 1] = 0
    for j in range(1, u.shape[0] - 1):
        _interpolate(y, j, m2, g, pull_rows[parent], own)
        _spread(f, y, pull_sides[parent, min((j + 1) // 2, m2)], own, odd)
        _correct(u[j], f, diagonal[j], factor)
