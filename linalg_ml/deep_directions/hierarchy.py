"""Coarser and coarser grids for a Poisson operator: masks, face coefficients, interpolation."""

from dataclasses import dataclass

import numpy as np

from linalg_ml.deep_directions.stencil import along, stencil

COARSENINGS = ("fractions", "masks")
_COARSEST = 8  # a grid whose longest side is shorter is not coarsened


@dataclass(frozen=True)
class Level:
    """One grid of a hierarchy, on the host in float64.

    Attributes
    ----------
    mask : ndarray of bool
    diagonal : ndarray
        Zero in solids.
    inner : tuple of ndarray, or None
        Coefficients of the faces between cells, one array per axis with one entry less along it;
        None where all of them are 1.
    shares : tuple of ndarray, or None
        For the interpolation to the next finer grid: how much of what a cell takes from its nearer
        coarse neighbour comes through each face, walls included; one array per axis with one
        entry more along it. None makes all of them 1.
    """

    mask: np.ndarray
    diagonal: np.ndarray
    inner: tuple | None
    shares: tuple | None = None


def hierarchy(operator, coarsening):
    """Return the levels of a `GridPoisson`, the finest first.

    A side of n cells becomes one of n // 2. A coarse cell is open where all of its children are
    (Dirichlet solids), or any (Neumann). With "masks", coefficients are 1 again. With "fractions"
    a coarse face is as open as the fine faces it is made of, on average, and those of the outer
    wall know how far from the cell the wall is: half a cell and half a cell of the finest grid.
    """
    solids, mask = operator.solids, operator.mask
    levels = [Level(mask, operator.diagonal, operator.inner)]
    faces = shares = None
    gaps = [0.5] * mask.ndim  # from the last face to where the value is zero, in cells
    if coarsening == "fractions":
        faces = _effective(mask, operator.faces, solids)
    while max(mask.shape) >= _COARSEST and min(mask.shape) >= 2:
        odd = [n % 2 for n in mask.shape]
        children = _children(mask)
        mask = children.all(axis=0) if solids == "dirichlet" else children.any(axis=0)
        if not mask.any():
            break
        if faces is None:
            inner, diagonal = stencil(mask, solids, None)
            diagonal = np.where(mask, np.maximum(diagonal, 1), 0)
        else:
            faces = [_mean_faces(values, axis) for axis, values in enumerate(faces)]
            shares = [_shares(values, axis) for axis, values in enumerate(faces)]
            walled = [values.copy() for values in faces]
            for axis in range(mask.ndim):
                low, high = along(axis, None, 1, mask.ndim), along(axis, -1, None, mask.ndim)
                near = 1 / (0.5 + 0.5 ** len(levels) / 2)
                gaps[axis] = (gaps[axis] + odd[axis]) / 2
                far = 1 / (0.5 + gaps[axis])
                for values in (shares[axis], walled[axis]):
                    values[low] *= near
                    values[high] *= far
            inner, diagonal = stencil(mask, solids, walled)
            shares = tuple(shares)
        levels.append(Level(mask, diagonal, inner, shares))
    return levels


def _children(cells):
    """Return the 2^d children of each coarse cell, along a new first axis."""
    parts = [cells]
    for axis, n in enumerate(cells.shape):
        ends = [along(axis, first, n // 2 * 2, cells.ndim, 2) for first in (0, 1)]
        parts = [part[end] for part in parts for end in ends]
    return np.stack(parts)


def _effective(mask, faces, solids):
    """Return the coefficients of all faces, zero at Neumann solids."""
    made = []
    for axis in range(mask.ndim):
        shape = tuple(n + (k == axis) for k, n in enumerate(mask.shape))
        values = np.ones(shape) if faces is None else np.array(faces[axis])
        if solids == "neumann":
            values[along(axis, 1, None, mask.ndim)] *= mask
            values[along(axis, None, -1, mask.ndim)] *= mask
        made.append(values)
    return made


def _mean_faces(values, axis):
    """Return the mean of the fine faces that make up each coarse face across ``axis``."""
    d = values.ndim
    values = values[along(axis, None, (values.shape[axis] - 1) // 2 * 2 + 1, d, 2)]
    for k in range(d):
        if k != axis:
            n = values.shape[k] // 2 * 2
            values = (values[along(k, 0, n, d, 2)] + values[along(k, 1, n, d, 2)]) / 2
    return values


def _shares(values, axis):
    """Return each coefficient relative to the largest of it and its neighbours along ``axis``."""
    largest = values.copy()
    low, high = along(axis, None, -1, values.ndim), along(axis, 1, None, values.ndim)
    largest[low] = np.maximum(largest[low], values[high])
    largest[high] = np.maximum(largest[high], values[low])
    return values / np.where(largest > 0, largest, 1)
