"""The optimal polynomials of a composition, and the interval each of them receives."""

import numpy as np

from experiments.study import Study
from linalg_ml import minimax_schedule
from linalg_ml.matrix_functions.minimax import evaluate


def compute(cell, context):
    """Tabulate the polynomial of one step, with the bounds before and after it."""
    step = cell["step"]
    rows = minimax_schedule(cell["lower"], step, degree=cell["degree"], safety=0, cushion=0)
    polynomial = rows.coefficients[-1]
    lower, upper = rows.intervals()[step - 1]
    dense = evaluate(polynomial, np.linspace(lower, upper, 200_001))
    after = evaluate(polynomial, lower)
    about = {
        "lower_now": lower,
        "upper_now": upper,
        "lower_next": after,
        "upper_next": 2.0 - after,
        "smallest": dense.min(),
        "largest": dense.max(),
        "gap_of_bounds": max(abs(dense.min() - after), abs(dense.max() - (2.0 - after))),
        "worst_error": np.abs(1.0 - dense).max(),
    }
    for x in np.linspace(0.0, 2.0, cell["points"]):
        yield {"x": x, "y": evaluate(polynomial, x), **about}


STUDY = Study(
    name="polar_polynomials",
    title="The first optimal polynomials of a composition",
    summary=(
        "Each polynomial is the odd one of its degree that stays closest to one on the interval "
        "that the polynomials before it leave. Bounds come from the value at the lower end; the "
        "extreme values on a dense grid check them."
    ),
    compute=compute,
    quick={"lower": 0.03, "degree": 5, "step": [1, 2, 3], "points": 161},
    full={"lower": 0.03, "degree": 5, "step": [1, 2, 3], "points": 2001},
    quick_seconds=1,
    full_seconds=2,
)
