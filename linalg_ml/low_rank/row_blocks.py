"""Reductions over a large matrix a few rows at a time, without copies of the whole."""

import math

import numpy as np

from linalg_ml._core.namespace import astype, library, namespace, to_numpy
from linalg_ml._core.verdict import host

_BLOCK_BYTES = 1 << 20


def row_blocks(a, least=1):
    """Yield slices of at least so many rows; one of all rows where the library is not NumPy."""
    m, n = a.shape
    rows = max(m, 1)
    if library(a) == "numpy":
        rows = max(least, _BLOCK_BYTES // (a.dtype.itemsize * max(n, 1)), 1)
    for start in range(0, m, rows):
        yield slice(start, min(m, start + rows))


def count_true(mask):
    """Return how many entries of a boolean matrix are true."""
    xp = namespace(mask)
    rows = xp.sum(astype(mask, xp.int32), axis=1)  # of rows, lest int32 overflow
    return int(np.sum(to_numpy(rows), dtype=np.int64))


def observed_rows(problem, rows):
    """Return some rows of M with zeros where nothing is observed."""
    part = problem.given[rows, :]
    if problem.mask is None:
        return part
    return problem.xp.where(problem.mask[rows, :], part, problem.xp.zeros_like(part))


def observed_norm(problem):
    """Return ||P M||_F."""
    norm = problem.wide.frobenius
    return math.hypot(
        *(host(norm(observed_rows(problem, rows))) for rows in row_blocks(problem.given))
    )


def largest_entry(problem):
    """Return i, j and M_ij for the observed entry of largest magnitude."""
    xp, n = problem.xp, problem.shape[1]
    best = (0, 0, 0.0)
    for rows in row_blocks(problem.given):
        part = observed_rows(problem, rows)
        place = int(to_numpy(xp.argmax(xp.abs(xp.reshape(part, (-1,))))))
        i, j = divmod(place, n)
        entry = host(part[i, j])
        if abs(entry) > abs(best[2]):
            best = (rows.start + i, j, entry)
    return best


def singular_values(problem, a):
    """Return the singular values of a matrix (m, n) as a NumPy array.

    Blocks of rows are reduced to triangles, so that little memory is needed.
    """
    xp, kernels = problem.xp, problem.arithmetic.kernels
    a = a.mT if a.shape[0] < a.shape[1] else a
    n = a.shape[1]
    triangle = a[:0, :]
    for rows in row_blocks(a, least=2 * n):
        triangle = xp.concat([triangle, a[rows, :]], axis=0)
        if triangle.shape[0] > n:
            triangle = kernels.triangular_factor(triangle)
    problem.arithmetic.count("decompositions")
    return to_numpy(xp.linalg.svdvals(triangle))
