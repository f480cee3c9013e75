"""Random solids in a grid of cells."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.random import generator
from linalg_ml.deep_directions.stencil import open_cells

_EMPTY = 0.25  # of the grids have no solids
_RADII = (0.04, 0.2)  # half-axes, as fractions of the grid


def random_obstacles(grid, /, *, rng=None):
    """Draw a mask with up to four rotated boxes and ellipses.

    Parameters
    ----------
    grid : tuple of 2 or 3 int
        Cells along each axis.
    rng : None, int or numpy.random.Generator
        Source of the draws.

    Returns
    -------
    ndarray of bool, shape ``grid``
        True where a cell is open. One grid in four is empty; the others hold one to four solids,
        boxes or ellipses with half-axes of 4 to 20 % of the grid, turned by any angle (in 3D
        about the last axis). Pockets are filled, see `open_cells`.

    Raises
    ------
    ValueError
        If ``grid`` has not 2 or 3 dimensions.

    Examples
    --------
    >>> from linalg_ml.deep_directions import random_obstacles
    >>> mask = random_obstacles((32, 32), rng=3)
    >>> mask.shape, bool(mask.any())
    ((32, 32), True)
    """
    if not isinstance(grid, (tuple, list)) or len(grid) not in (2, 3):
        raise ValueError(f"grid must have 2 or 3 dimensions, got {grid!r}")
    grid = tuple(checks.count(n, "grid") for n in grid)
    rng = generator(rng)
    mask = np.ones(grid, bool)
    if rng.random() < _EMPTY:
        return mask
    for _ in range(rng.integers(1, 5)):
        centre = [rng.uniform(0.1, 0.9) * n for n in grid]
        axes = [
            (np.arange(n) + 0.5 - c).reshape([-1 if k == axis else 1 for k in range(len(grid))])
            for axis, (n, c) in enumerate(zip(grid, centre, strict=True))
        ]
        angle = rng.uniform(0, np.pi)
        one, two, *others = axes
        turned = [
            one * np.cos(angle) + two * np.sin(angle),
            two * np.cos(angle) - one * np.sin(angle),
        ]
        radii = rng.uniform(*_RADII, len(grid)) * min(grid)
        scaled = [np.abs(x) / radius for x, radius in zip([*turned, *others], radii, strict=True)]
        if rng.random() < 0.5:
            solid = np.max(np.broadcast_arrays(*scaled), axis=0) <= 1
        else:
            solid = sum(x * x for x in scaled) <= 1
        if np.any(mask & ~solid):
            mask &= ~solid
    return open_cells(mask)
