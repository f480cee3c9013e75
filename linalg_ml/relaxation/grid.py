"""The Laplacian of a grid, swept in red-black order by slices: for every array library."""

import itertools
import math

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, library, namespace, on_gpu
from linalg_ml._core.verdict import host


class GridLaplacian:
    """The Laplacian of a grid with walls around it, without storing a matrix.

    The entry on the diagonal is 2 d + ``shift`` on a grid of d dimensions, those of neighbours are
    -1. Front functions take it in place of a matrix, for right-hand sides of any array library;
    sweeps are red-black, red being the points whose indices add up to an even number.

    Parameters
    ----------
    grid : tuple of int
        Points along each dimension, without the walls.
    shift : float
        Multiple of the identity that is added; above -lambda_min for a positive definite matrix.

    Attributes
    ----------
    shape : tuple (n, n)
        As a matrix; n is the product of the grid's sizes, points in C order.

    Notes
    -----
    The spectral radius of its Jacobi iteration, the largest eigenvalue of I - D^-1 A, is
    (2 / (2 d + shift)) sum_i cos(pi / (n_i + 1)).

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import relaxation
    >>> a = relaxation.GridLaplacian((20, 20))
    >>> round(relaxation.optimal_omega(a), 6)
    1.74058
    >>> relaxation.sor(a, np.ones(400), omega="young", rtol=1e-8).nit
    81
    """

    ordering, block_size, home = "multicolor", 1, None
    check_every = 100

    def __init__(self, grid, shift=0.0):
        sizes = grid if isinstance(grid, (tuple, list)) else (grid,)
        self.grid = tuple(checks.count(size, "grid") for size in sizes)
        self.shift = checks.number(shift, "shift")
        self.center = 2 * len(self.grid) + self.shift
        if self.center == 0:
            raise ValueError(f"shift must not make the diagonal zero, got {shift!r}")
        self.shape = (math.prod(self.grid),) * 2

    def shifted(self, c):
        """Return A + c I."""
        return GridLaplacian(self.grid, self.shift + checks.number(c, "c"))

    @property
    def jacobi_radius(self):
        """Largest eigenvalue of I - D^-1 A."""
        return 2 * sum(math.cos(math.pi / (size + 1)) for size in self.grid) / self.center

    def matvec(self, x):
        """Return A x for x of shape (..., n)."""
        return self._crop(self._apply(self._pad(x)))

    def under(self, arithmetic):
        """Return the matrix as it is swept under an Arithmetic."""
        return GridSweeps(self, arithmetic)

    def _pad(self, x):
        """Return x on the grid with a layer of zeros around it."""
        xp, batch = namespace(x), x.shape[:-1]
        x = xp.reshape(x, (*batch, *self.grid))
        for axis in range(len(batch), x.ndim):
            layer = xp.zeros_like(x[(*(slice(None),) * axis, slice(0, 1), ...)])
            x = xp.concat([layer, x, layer], axis=axis)
        return x

    def _crop(self, x):
        """Return the points inside as a vector, in memory of its own."""
        inside = x[(..., *(slice(1, -1) for _ in self.grid))]
        batch = inside.shape[: inside.ndim - len(self.grid)]
        return namespace(x).reshape(inside + 0, (*batch, -1))

    def _apply(self, x):
        """Return A x for padded x, padded with whatever."""
        axes = range(x.ndim - len(self.grid), x.ndim)
        roll = namespace(x).roll
        y = self.center * x
        for axis in axes:
            y = y - roll(x, 1, axis=axis) - roll(x, -1, axis=axis)
        return y

    def __repr__(self):
        return f"GridLaplacian({self.grid}, shift={self.shift:g})"


class GridSweeps:
    """Red-black sweeps over padded grids under one Arithmetic."""

    home, is_finite = None, True

    def __init__(self, laplacian, arithmetic):
        self.laplacian, self.shape = laplacian, laplacian.shape
        self._arithmetic, self._masks = arithmetic, {}
        self._parts = ([], [])  # the slices of the red points and of the black ones
        for offsets in itertools.product((0, 1), repeat=len(laplacian.grid)):
            self._parts[sum(offsets) % 2].append(self._slices(offsets))

    def _slices(self, offsets):
        """Return every second point from the offsets on, and the same for each neighbour."""
        ranges = [(1 + o, 1 + n) for o, n in zip(offsets, self.laplacian.grid, strict=True)]
        points = [slice(first, last, 2) for first, last in ranges]
        neighbours = []
        for axis, (first, last) in enumerate(ranges):
            for side in (-1, 1):
                moved = slice(first + side, last + side, 2)
                neighbours.append((..., *points[:axis], moved, *points[axis + 1 :]))
        return (..., *points), neighbours

    def enter(self, v):
        """Return a vector on the padded grid, in memory of its own."""
        return self.laplacian._pad(v)

    def leave(self, v):
        """Return what is on the padded grid as a vector."""
        return self.laplacian._crop(v)

    def times_diagonal(self, x):
        """Return D x for x on the padded grid, as a vector."""
        return self.laplacian.center * self.laplacian._crop(x)

    def sweep(self, b, x, omega, sweep, steps, target):
        """Sweep; return (x, sweeps made, residual norm or None)."""
        order = {"forward": (0, 1), "backward": (1, 0), "symmetric": (0, 1, 1, 0)}[sweep]
        omegas = itertools.repeat((omega,) * len(order))
        return self._sweeps(b, x, zip(itertools.repeat(order), omegas), steps, target)

    def chebyshev(self, b, x, omega, radius, steps, target):
        """Sweep with the relaxation parameters of Chebyshev; return also the last of them."""
        pairs = chebyshev_omegas(omega, radius)
        made = []

        def halves():
            for pair in pairs:
                made.append(pair[1])
                yield (0, 1), pair

        x, done, residual = self._sweeps(b, x, halves(), steps, target)
        return x, done, residual, made[-1]

    def _sweeps(self, b, x, halves, steps, target):
        arithmetic, residual = self._arithmetic, None
        wide_b = arithmetic.wide(b)
        for step, (colors, omegas) in zip(range(1, steps + 1), halves, strict=False):
            x = arithmetic.wide(x)
            for color, omega in zip(colors, omegas, strict=True):
                x = self._half(wide_b, x, omega, color)
            x = arithmetic.store(x)
            if target is not None and not (step < steps and on_gpu(x)):
                residual = self.residual_norm(b, x)
                if not target < residual < math.inf:
                    return x, step, residual
        return x, steps, residual

    def _half(self, b, x, omega, color):
        """Relax the points of one colour."""
        step = omega / self.laplacian.center
        if library(x) == "jax":  # whose arrays cannot be overwritten
            change = step * (b - self.laplacian._apply(x))
            return x + namespace(x).where(self._mask(x, color), change, 0.0)
        for points, neighbours in self._parts[color]:
            total = b[points]
            for neighbour in neighbours:
                total = total + x[neighbour]
            x[points] = (1 - omega) * x[points] + step * total
        return x

    def _mask(self, x, color):
        """Say where on the padded grid the points of a colour are."""
        if color not in self._masks:
            mask = np.zeros([n + 2 for n in self.laplacian.grid], bool)
            for points, _ in self._parts[color]:
                mask[points] = True
            self._masks[color] = asarray(mask, like=x)
        return self._masks[color]

    def residual_norm(self, b, x):
        """Return ||b - A x|| for each vector."""
        wide = self._arithmetic.wide
        r = self.laplacian._crop(wide(b) - self.laplacian._apply(wide(x)))
        return host(self._arithmetic.norm(r))


def chebyshev_omegas(omega, radius):
    """Yield the relaxation parameters (red, black) of Chebyshev-accelerated SOR, sweep by sweep.

    ``omega`` is the last one used, 0 at the start. Young's omega is their limit.
    """
    quarter = radius**2 / 4
    while True:
        if omega == 0:
            red, omega = 1.0, 1 / (1 - 2 * quarter)
        else:
            red = 1 / (1 - quarter * omega)
            omega = 1 / (1 - quarter * red)
        yield red, omega
