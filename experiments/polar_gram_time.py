"""Time of the Gram form of the polynomials, by aspect ratio and by how often it starts anew."""

from dataclasses import replace

import numpy as np

from experiments.bench.side_by_side import compare
from experiments.study import Study
from linalg_ml import orthogonalize, schedule
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions import ProductCosts
from linalg_ml.matrix_functions.product_costs import product_costs

DIRECT, NEVER = "direct", "never"
INTERVALS = {"1": 1, "2": 2, "3": 3, "5": 5, NEVER: None}


def forms(steps):
    """Return the schedules to compare, by the steps between restarts; the direct form first.

    Intervals that leave no room for a restart are those of `NEVER`, and left out.
    """
    rows = schedule("polar-express").take(steps)
    made = {DIRECT: rows}
    for name, interval in INTERVALS.items():
        if interval is None or interval < steps:
            restarts = () if interval is None else tuple(range(interval, steps, interval))
            made[name] = replace(rows, restarts=restarts)
    return made


def compute(cell, context):
    """Time all forms in turn on one Gaussian matrix in fp32."""
    m, aspect, steps = cell["m"], cell["aspect"], cell["steps"]
    a = context.rng("polar_gram_time", m, aspect).standard_normal((m, m * aspect), np.float32)
    made = forms(steps)
    calls = {name: _call(a, rows, steps) for name, rows in made.items()}
    reference = calls[DIRECT]()
    timings = compare(calls, rounds=cell["rounds"], seconds=0.01)
    measured = product_costs(Arithmetic(None, a), m)
    for timing in timings:
        rows = made[timing.name]
        yield {
            "restart_every": timing.name,
            "restarts": len(rows.restarts or ()),
            "ratio": timing.seconds / timings[0].seconds,
            "counted": _predicted(ProductCosts(), made, timing.name, aspect),
            "predicted": _predicted(measured, made, timing.name, aspect),
            "difference": np.linalg.norm(calls[timing.name]() - reference) / m**0.5,
        }


def _call(a, rows, steps):
    return lambda: orthogonalize(a, schedule=rows, steps=steps, form="direct")


def _predicted(costs, made, name, aspect):
    """Return the cost of a form over that of the direct one."""
    rows = made[name]
    direct = costs.direct(rows.degrees, aspect)
    if rows.restarts is None:
        return 1.0
    return costs.in_gram_form(rows.degrees, aspect, len(rows.restarts)) / direct


STUDY = Study(
    name="polar_gram_time",
    title="Time of the Gram form against aspect ratio and restart interval",
    summary=(
        "CPU time of one thread for the published list on Gaussian matrices in fp32: the "
        "smallest of several rounds, in which the forms take turns, over that of the direct form. "
        "Beside it what the products predict: `counted` with a symmetric product as dear as any "
        "other, `predicted` with what symmetric products cost where one half is computed. "
        "`difference` is the distance from the result of the direct form. Run it with one BLAS "
        "thread (OPENBLAS_NUM_THREADS=1)."
    ),
    compute=compute,
    cost=lambda cell: cell["m"] ** 3 * cell["aspect"] * cell["steps"],
    quick={"steps": [5, 10], "m": 256, "aspect": [1, 2, 4, 8, 16], "rounds": 5},
    full={"steps": [5, 10], "m": 1024, "aspect": [1, 2, 4, 8, 16], "rounds": 3},
    quick_seconds=14,
    full_seconds=700,
    timed=True,
)
