"""The optimal quintic for a wide interval, and what the stabilised ones do differently."""

import numpy as np

from experiments.study import Study
from linalg_ml import minimax_schedule
from linalg_ml.matrix_functions.minimax import evaluate, minimax_polynomial

SAFETY = 0.01


def polynomials(lower):
    """Return the coefficients of the variants.

    "algorithm" is the first polynomial of the paper's Algorithm 1, made for [0.1, 1]; "code" that
    of its Implementation 2, whose interval [0.024, 1] makes the least value a tenth of the
    largest, centred on the true interval. Both are evaluated at x / 1.01.
    """
    plain = minimax_polynomial(0.1, 1.0, 5).coefficients
    return {
        "optimal": minimax_polynomial(lower, 1.0, 5).coefficients,
        "cushioned": minimax_schedule(lower, 2, safety=0).coefficients[0],
        "code": minimax_schedule(lower, 2, safety=SAFETY).coefficients[0],
        "algorithm": tuple(c / (1.0 + SAFETY) ** (2 * i + 1) for i, c in enumerate(plain)),
    }


def compute(cell, context):
    """Tabulate one polynomial on [0, 1.1]."""
    lower = cell["lower"]
    row = polynomials(lower)[cell["variant"]]
    dense = np.linspace(1e-6, 1.0 + SAFETY, 200_001)
    values = evaluate(row, dense)
    next_upper = 2.0 - evaluate(row, lower)
    about = {
        "least_ratio": np.min(values / dense),
        "next_upper": next_upper,
        "largest": values.max(),
        "excess": values.max() - next_upper,
        "slope_at_one": sum((2 * i + 1) * c for i, c in enumerate(row)),
    }
    for x in np.linspace(0.0, 1.1, cell["points"]):
        yield {"x": x, "y": evaluate(row, x), "inside": bool(0.5 <= x <= 1.0), **about}


STUDY = Study(
    name="polar_stability",
    title="The optimal quintic for small singular values, and stabilised ones",
    summary=(
        "First polynomials of degree 5 for singular values in [0.005, 1]. The optimal one sends "
        "singular values near 0.8 almost to zero and rises steeply beyond one; a cushion removes "
        "the first, a safety factor the second."
    ),
    compute=compute,
    quick={
        "variant": ["optimal", "cushioned", "code", "algorithm"],
        "lower": 0.005,
        "points": 221,
    },
    full={
        "variant": ["optimal", "cushioned", "code", "algorithm"],
        "lower": 0.005,
        "points": 2201,
    },
    quick_seconds=1,
    full_seconds=2,
)
