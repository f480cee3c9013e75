"""The problems on which block coordinate descent is studied, their optima, and one run on them.

The names A to E are those of the paper. A, B and C have at least as many coordinates as rows or
classes enough to fit their data, so that their optimal value is zero.
"""

from functools import cache

import numpy as np
from scipy.sparse.linalg import spsolve

from linalg_ml import coordinate_descent
from linalg_ml.problems import (
    lattice_labels,
    sparse_least_squares,
    sparse_logistic,
    sparse_softmax,
    two_moons_labels,
)

QUICK = {
    "A": (150, 700),
    "B": (150, 700),
    "C": (100, 100, 10),
    "D": (30, 30, 36),
    "E": (600, 30),
}
FULL = {
    "A": (1000, 10000),
    "B": (1000, 10000),
    "C": (1000, 1000, 50),
    "D": (50, 50, 100),
    "E": (2000, 100),
}
LOSSES = {"A": "least-squares", "B": "logistic", "C": "softmax", "D": "quadratic", "E": "quadratic"}
# Where the curves are recorded.
MARKS = (0, 1, 2, 3, 5, 7, 10, 14, 20, 30, 40, 50, 70, 100, 140, 200, 250, 300, 400, 500)


def shape_of(data, sizes):
    """Return the sizes of a data set as one text, which a cell can hold."""
    return "x".join(map(str, sizes[data]))


@cache
def problem(data, shape):
    """Return (A, b, optimal value, the label problem or None)."""
    sizes = tuple(map(int, shape.split("x")))
    if data in "ABC":
        make = {"A": sparse_least_squares, "B": sparse_logistic, "C": sparse_softmax}[data]
        return (*make(*sizes), 0.0, None)
    if data == "D":
        posed = lattice_labels(*sizes[:2], labelled=sizes[2])
    else:
        posed = two_moons_labels(sizes[0], labelled=sizes[1])
    return posed.a, posed.b, -0.5 * float(posed.b @ spsolve(posed.a.tocsc(), posed.b)), posed


def curve(cell, rng, optimum=None, **options):
    """Yield the gap to the optimum at the marks of a run from zero, relative to the first."""
    a, b, best, _ = problem(cell["data"], cell["shape"])
    best = best if optimum is None else optimum
    result = coordinate_descent(
        a, b, loss=LOSSES[cell["data"]], rng=rng, steps=cell["steps"], history=True, **options
    )
    values = np.array([record["objective"] for record in result.history]) - best
    for k in MARKS:
        if k < len(values):
            # What rounding leaves of the difference of two values of the objective.
            noise = 4e-16 * (abs(best) + abs(values[0]))
            gap = max(float(values[k]), noise)
            yield {"iteration": k, "gap": gap, "relative_gap": gap / float(values[0])}
