"""Iterations of SOR on many shifted grid Laplacians at once, the vectors side by side.

`linalg_ml.relaxation.sor` is the reference and gives the same counts; these loops work on 32
systems in step, one in each lane of the vector units, so that a table of 5000 systems and 20
relaxation parameters takes three seconds.
"""

import numpy as np
from numba import njit, uint64

from linalg_ml.problems import truncated_gaussian
from linalg_ml.relaxation import young

SIDE = 10  # points along a side of the grid of the paper's experiments
EPS = 1e-8
CAP = 10_000
BETAS = {"low": (2.0, 6.0), "high": (0.5, 1.5)}  # of the shifts -0.15 + 0.6 Beta
LOW, WIDTH = -0.15, 0.6
GRID = np.linspace(1, 1.95, 20)
_LANES = 32


def instances(distribution, count, rng):
    """Draw the shifts (count,) and right-hand sides (count, 100) of a sequence of systems."""
    shifts, sides = np.empty(count), np.empty((count, SIDE**2))
    for t in range(count):
        shifts[t] = LOW + WIDTH * rng.beta(*BETAS[distribution])
        sides[t] = truncated_gaussian(SIDE**2, rng=rng)
    return shifts, sides


def young_omegas(shifts):
    """Return the best relaxation parameter for each shift of the Laplacian."""
    radii = 4 * np.cos(np.pi / (SIDE + 1)) / (4 + np.asarray(shifts))
    return np.array([young(radius) for radius in np.atleast_1d(radii)])


def sor_counts(shifts, sides, omegas):
    """Return after how many sweeps ||r|| / ||r_0|| < 1e-8, for every system and parameter.

    Parameters
    ----------
    shifts : array of shape (count,)
        Multiples of the identity added to the Laplacian of a grid of 10 by 10 points.
    sides : array of shape (count, 100)
        Right-hand sides.
    omegas : array of shape (m,) or (count, m)
        Relaxation parameters, the same for all systems or not.

    Returns
    -------
    counts : ndarray of shape (count, m), int32
    """
    shifts, sides = np.asarray(shifts, float), np.asarray(sides, float)
    omegas = np.ascontiguousarray(np.broadcast_to(omegas, (shifts.size, np.shape(omegas)[-1])))
    counts = np.zeros(omegas.shape, np.int32)
    _counts(4 + shifts, sides, omegas, EPS * np.linalg.norm(sides, axis=1), counts, SIDE, CAP)
    return counts


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _counts(centers, sides, omegas, targets, counts, side, cap):
    """Fill counts: a lane that has converged goes on with the next system."""
    n, m, wide = side * side, omegas.shape[1], side + 2
    x = np.zeros(wide * wide * _LANES)
    b = np.zeros(n * _LANES)
    center, step, keep = np.ones(_LANES), np.zeros(_LANES), np.zeros(_LANES)
    target, sweeps = np.zeros(_LANES), np.zeros(_LANES, np.int64)
    job = np.full(_LANES, -1)
    squares, new = np.zeros(_LANES), np.empty(_LANES)
    fresh = 0
    while True:
        for lane in range(_LANES):
            now = job[lane]
            if now >= 0:
                if sweeps[lane] < cap and np.sqrt(squares[lane]) >= target[lane]:
                    continue
                counts[now // m, now % m] = sweeps[lane]
            x[lane::_LANES] = 0.0
            b[lane::_LANES] = 0.0
            sweeps[lane] = 0
            job[lane] = -1
            if fresh < counts.size:
                t, omega = fresh // m, omegas[fresh // m, fresh % m]
                center[lane], target[lane] = centers[t], targets[t]
                step[lane], keep[lane] = omega / centers[t], 1 - omega
                b[lane::_LANES] = sides[t]
                job[lane] = fresh
                fresh += 1
        if job.max() < 0:
            return
        _sweep(x, b, step, keep, new, side)
        _squares(x, b, center, squares, side)
        for lane in range(_LANES):
            sweeps[lane] += 1


# Unsigned indices, which spare the test for one that counts from the end, and a number of lanes
# unknown to the compiler let it put the lanes into vectors.


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _sweep(x, b, step, keep, new, side):
    side, one, lanes = uint64(side), uint64(1), uint64(new.size)
    row = (side + uint64(2)) * lanes  # from a point to the one below
    for i in range(side):
        for j in range(side):
            k, at = (i * side + j) * lanes, (i + one) * row + (j + one) * lanes
            for lane in range(lanes):
                p = at + lane
                s = b[k + lane] + x[p + lanes] + x[p + row] + x[p - row] + x[p - lanes]
                new[lane] = keep[lane] * x[p] + step[lane] * s
            for lane in range(lanes):
                x[at + lane] = new[lane]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _squares(x, b, center, squares, side):
    side, one, lanes = uint64(side), uint64(1), uint64(squares.size)
    row = (side + uint64(2)) * lanes
    squares[:] = 0.0
    for i in range(side):
        for j in range(side):
            k, at = (i * side + j) * lanes, (i + one) * row + (j + one) * lanes
            for lane in range(lanes):
                p = at + lane
                r = b[k + lane] - center[lane] * x[p] + x[p + lanes]
                r += x[p + row] + x[p - row] + x[p - lanes]
                squares[lane] += r * r
