"""The cycle of the learned multigrid for CuPy arrays. Written without a GPU, and not run on one.

Two launches a grid on the way down (smooth; residual and restriction) and two on the way up
(interpolation; residual and smoothing). The last grid is solved by one block, where it fits.
"""

import itertools
from functools import cache

import cupy
import numpy as np

from linalg_ml.kernels import grids
from linalg_ml.kernels.cupy_multigrid_source import SOURCE

_TYPES = {"float32": "float", "float64": "double"}
_TILES = {2: (1, 8, 32), 3: (4, 4, 32)}  # cells of a block of threads
_THREADS = 256
_ONE_BLOCK = 512  # cells of a grid that one block solves; as in SOURCE


@cache
def _kernels(dtype, dimensions):
    planes, rows, columns = _TILES[dimensions]
    head = (
        f"typedef {_TYPES[dtype]} T;\n#define DIMENSIONS {dimensions}\n"
        f"#define PLANES {planes}\n#define ROWS {rows}\n#define COLUMNS {columns}\n"
    )
    module = cupy.RawModule(code=head + SOURCE)
    names = ("smooth", "restrict_residual", "correct", "solve")
    return {name: module.get_function(name) for name in names}


def multigrid_cycle(levels, weights, sweeps, like):
    """Return the function r -> u of `grids.multigrid_cycle`."""
    d, dtype = levels[0].mask.ndim, str(like.dtype)
    if weights.stencil == grids.RED_BLACK or dtype not in _TYPES:
        return grids.multigrid_cycle(levels, weights, sweeps, like)
    made = [_Grid(level, weights, dtype) for level in levels]
    cycle = _Cycle(made, weights, sweeps, _kernels(dtype, d), np.dtype(dtype).type)

    def run(r):
        inside = cupy.ascontiguousarray(r, dtype=like.dtype).reshape((-1, *levels[0].mask.shape))
        return cycle(inside).reshape(r.shape).astype(r.dtype, copy=False)

    return run


class _Grid:
    """The arrays of one grid on the device, and what kernels want to know of it."""

    def __init__(self, level, weights, dtype):
        d = level.mask.ndim
        inverse = level.mask / (level.diagonal + ~level.mask)
        self.sides = (*[1] * (3 - d), *level.mask.shape)
        self.cells = level.mask.size
        self.shape = tuple(map(np.int32, self.sides))

        def home(a):
            return cupy.asarray(np.ascontiguousarray(a, dtype))

        none = home(np.zeros(1))
        inner = [none] * d if level.inner is None else [home(a) for a in level.inner]
        self.operator = (
            home(np.sqrt(inverse)),
            home(level.diagonal),
            np.int32(level.inner is not None),
            *[none] * (3 - d),
            *inner,
            *self.shape,
        )
        shares = level.shares or [
            np.ones([n + (k == axis) for k, n in enumerate(level.mask.shape)]) for axis in range(d)
        ]
        self.pulls = (
            *[none] * (3 - d),
            *(home(weights.interpolation[1] * share) for share in shares),
        )

    def tiles(self, d):
        """Return the number of blocks of `_TILES` that cover the grid."""
        return int(np.prod([-(-n // m) for n, m in zip(self.sides, _TILES[d], strict=True)]))


class _Cycle:
    """Launches the kernels of a cycle for a stack of residuals."""

    def __init__(self, made, weights, sweeps, kernels, number):
        self.made, self.sweeps, self.kernels = made, sweeps, kernels
        self.d = len(weights.stencil) - 1
        self.stencil = tuple(map(number, (*weights.stencil, 0)[:4]))
        self.own, self.factor = number(sum(weights.interpolation)), number(weights.correction)
        self.half = number(0.5 if self.d == 3 else 1)

    def __call__(self, r):
        count = r.shape[0]
        if count == 0:
            return cupy.empty_like(r)
        residuals, found = [r], []
        for fine, coarse in itertools.pairwise(self.made):
            u = self._smooth(fine, residuals[-1], None)
            below = cupy.empty((count, coarse.cells), r.dtype)
            self._each("restrict_residual", coarse, count,
                       (residuals[-1], u, *fine.operator, below, coarse.operator[1], *coarse.shape,
                        *coarse.pulls, self.own, self.half))  # fmt: skip
            residuals.append(below)
            found.append(u)
        e = self._solve(self.made[-1], residuals[-1])
        for at in reversed(range(len(found))):
            fine, coarse = self.made[at], self.made[at + 1]
            self._each("correct", fine, count,
                       (found[at], fine.operator[1], *fine.shape, e, *coarse.shape,
                        *coarse.pulls, self.own, self.factor))  # fmt: skip
            e = self._smooth(fine, residuals[at], found[at])
        return e

    def _smooth(self, grid, r, u):
        """Return u + D^-1/2 K D^-1/2 (r - A u); ``u`` None stands for zero."""
        out = cupy.empty_like(r)
        threads = int(np.prod(_TILES[self.d]))
        given = (r, r if u is None else u, np.int32(u is not None), out)
        self.kernels["smooth"]((r.shape[0] * grid.tiles(self.d),), (threads,),
                               (*given, *grid.operator, *self.stencil))  # fmt: skip
        return out

    def _solve(self, grid, r):
        """Return what the sweeps on the last grid make of zero."""
        if grid.cells <= _ONE_BLOCK:
            out = cupy.empty_like(r)
            self.kernels["solve"]((r.shape[0],), (_ONE_BLOCK,),
                                  (r, out, *grid.operator, *self.stencil,
                                   np.int32(self.sweeps)))  # fmt: skip
            return out
        u = None
        for _ in range(self.sweeps):
            u = self._smooth(grid, r, u)
        return u

    def _each(self, name, grid, count, arguments):
        """Launch a kernel with one thread for each cell of each grid of a stack."""
        total = count * grid.cells
        self.kernels[name]((-(-total // _THREADS),), (_THREADS,), (*arguments, np.int64(total)))
