"""Poisson problems on grids, with and without a box inside."""

import numpy as np
import scipy.sparse


def poisson(points, dimensions=2):
    """Return the unscaled 2d+1-point Laplacian of a cube of cells with walls around it."""
    shape = (points, points)
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=shape)
    a = line
    for _ in range(dimensions - 1):
        a = scipy.sparse.kronsum(line, a)
    return a.tocsr()


def fluid(points, dimensions):
    """Return which cells lie outside the box [3N/8, 5N/8)^d."""
    inside = np.zeros(points, bool)
    inside[3 * points // 8 : 5 * points // 8] = True
    box = inside
    for _ in range(dimensions - 1):
        box = box[..., None] & inside
    return ~box


def problem(points, dimensions, geometry, rhs):
    """Return A and b; "dipole" has a source and a sink, "rand" is standard normal."""
    a = poisson(points, dimensions)
    shape = (points,) * dimensions
    cells = np.ones(shape, bool) if geometry == "dirichlet" else fluid(points, dimensions)
    kept = np.flatnonzero(cells)
    if geometry != "dirichlet":
        a = a[kept][:, kept]
    if geometry == "box-neumann":
        removed = poisson(points, dimensions)[kept][:, np.flatnonzero(~cells)]
        a = a + scipy.sparse.diags_array(np.asarray(removed.sum(axis=1)).ravel())
    if rhs == "rand":
        b = np.random.default_rng(0).standard_normal(shape)
    else:
        centre = (np.indices(shape) + 0.5) / points
        near, far = (np.sum((centre - c) ** 2, axis=0) for c in (0.25, 0.75))
        b = np.exp(-near / (2 * 0.05**2)) - np.exp(-far / (2 * 0.05**2))
    return a.tocsr(), b[cells]
