"""Kernels on grids of cells for CuPy arrays. Written without a GPU at hand, and not run on one."""

from functools import cache

import cupy

from linalg_ml.kernels import grids

# One thread for each cell of each grid of a stack.
_PRODUCT = """
    ptrdiff_t cell = i % ((ptrdiff_t)planes * rows * columns);
    int column = cell % columns, row = cell / columns % rows;
    int plane = cell / columns / rows;
    T total = 0;
    if (diagonal[cell] > 0) {
        if (column > 0) total += u[i - 1];
        if (column < columns - 1) total += u[i + 1];
        if (row > 0) total += u[i - columns];
        if (row < rows - 1) total += u[i + columns];
        if (plane > 0) total += u[i - (ptrdiff_t)rows * columns];
        if (plane < planes - 1) total += u[i + (ptrdiff_t)rows * columns];
        total = diagonal[cell] * u[i] - total;
    }
    out = total;
"""


@cache
def _product_kernel():
    return cupy.ElementwiseKernel(
        "raw T u, raw T diagonal, int32 planes, int32 rows, int32 columns",
        "T out",
        _PRODUCT,
        "linalg_ml_grid_product",
    )


def grid_product(u, mask, diagonal, inner):
    """Return A u for u of shape (..., *grid), zero in solids."""
    if inner is not None or u.dtype.kind != "f":
        return grids.grid_product(u, mask, diagonal, inner)
    planes, rows, columns = (*[1] * (3 - diagonal.ndim), *diagonal.shape)
    u = cupy.ascontiguousarray(u)
    return _product_kernel()(u, diagonal, planes, rows, columns, cupy.empty_like(u))


def grid_energy(u, r, mask, diagonal, inner):
    """Return A u, u^T A u and u^T r for u of shape (..., *grid), zero in solids."""
    out, axes = grid_product(u, mask, diagonal, inner), tuple(range(-diagonal.ndim, 0))
    return out, cupy.sum(u * out, axis=axes), cupy.sum(u * r, axis=axes)
