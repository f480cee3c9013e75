"""Worst-case error of every method on [lower, 1] against steps and matrix products."""

import numpy as np

from experiments.polar_methods import NAMES, OPTIMAL, method_schedule, mixed_degrees, steps_of
from experiments.study import Study
from linalg_ml.matrix_functions.minimax import evaluate

NEWTON_SCHULZ = {3: "newton-schulz-3", 5: "newton-schulz", 7: "newton-schulz-7"}
ROUNDING = 1e-14  # smaller errors say nothing


def compute(cell, context):
    """Follow the range of the singular values exactly, and check it on a grid."""
    method, lower, steps = cell["method"], cell["lower"], cell["steps"]
    values = np.geomspace(lower, 1.0, cell["points"])
    if method == "mixed":
        for products, best in mixed_degrees(lower, 3 * steps).items():
            yield {"step": len(best), **_errors(best, products, lower, best(values))}
        return
    rows = method_schedule(method, lower, steps_of(method, steps))
    before = None
    for step, row in enumerate(rows.coefficients, 1):
        values = evaluate(row, values)
        record = _errors(rows.take(step), rows.take(step).products, lower, values)
        if method in OPTIMAL:
            record |= _theory(OPTIMAL[method], step, record["error"], lower)
        yield {"step": step, "error_before": before, **record}
        before = record["error"]


def _errors(rows, products, lower, values):
    error = rows.error_on(lower, 1.0)
    on_grid = np.max(np.abs(1.0 - values))
    return {
        "products": products,
        "degrees": " ".join(map(str, rows.degrees)),
        "error": error,
        "grid_error": on_grid,
        "gap_to_grid": abs(error - on_grid),
    }


def _theory(degree, step, error, lower):
    """Compare with the bound of Theorem 3.3, and with Newton-Schulz of the same degree."""
    bound = (1.0 - lower**2) ** (((degree + 1) // 2) ** step)
    record = {"bound": bound, "within_bound": bool(error <= bound + ROUNDING)}
    if error > ROUNDING:
        known = method_schedule(NEWTON_SCHULZ[degree], lower, 4 * step + 40)
        needed = next(
            t for t in range(1, 4 * step + 40) if known.take(t).error_on(lower, 1) <= error
        )
        record |= {"newton_schulz_steps": needed, "speedup": needed / step}
    return record


STUDY = Study(
    name="polar_scalar",
    title="Worst-case error of compositions of polynomials",
    summary=(
        "Largest distance from one of the composed polynomials on [lower, 1], which is the "
        "largest possible error of the polar factor in the spectral norm, after each step and by "
        "number of matrix products. The range of each step is followed exactly; a logarithmic "
        "grid checks it from below."
    ),
    compute=compute,
    quick={"method": [*NAMES, "mixed"], "lower": 1e-3, "steps": 24, "points": 20_001},
    full={
        "method": [*NAMES, "mixed"],
        "lower": [1e-1, 1e-2, 1e-3, 1e-4, 1e-6],
        "steps": 48,
        "points": 400_001,
    },
    quick_seconds=3,
    full_seconds=90,
)
