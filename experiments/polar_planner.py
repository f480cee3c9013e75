"""Products to reach a tolerance: degree 5 in every step, and degrees chosen by the planner."""

from experiments.study import Study
from linalg_ml import minimax_schedule, plan, shortest_schedule
from linalg_ml.matrix_functions import ProductCosts
from linalg_ml.matrix_functions.forward_error import predict_rounding

TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-6, 1e-9, 1e-12)


def schedules(lower, rtol, precision, aspect):
    """Return the three ways to reach a tolerance, by name.

    "degree-5" is the shortest optimal composition of degree 5, without safety and cushion, which no
    composition of that degree can beat; "planned" what `linalg_ml.plan` chooses for this precision;
    "accurate" what it chooses if the rounding errors must stay those of degree 5.
    """
    quintic = shortest_schedule(lower, rtol, degree=5, safety=0, cushion=0)
    shape, costs = (100, 100 * aspect), ProductCosts()
    return {
        "degree-5": minimax_schedule(lower, len(quintic), degree=5, safety=0, cushion=0),
        "planned": plan(shape, lower, rtol, precision, costs=costs),
        "accurate": plan(shape, lower, rtol, precision, costs=costs, harmless=0.0),
    }


def compute(cell, context):
    """Plan for one interval, tolerance and shape."""
    lower, rtol, aspect = cell["lower"], cell["rtol"], cell["aspect"]
    made = schedules(lower, rtol, cell["precision"], aspect)
    fixed = ProductCosts().direct(made["degree-5"].degrees, aspect)
    for method, rows in made.items():
        cost = ProductCosts().direct(rows.degrees, aspect)
        rounding = predict_rounding(rows, cell["precision"])
        yield {
            "method": method,
            "degrees": " ".join(map(str, rows.degrees)),
            "steps": len(rows),
            "products": rows.products,
            "cost": cost,
            "saved": 1.0 - cost / fixed,
            "error": rows.error,
            "reached": bool(rows.error <= rtol),
            "rounding_forward": rounding.forward,
            "rounding_backward": rounding.backward,
        }


STUDY = Study(
    name="polar_planner",
    title="Degrees chosen for each step against degree 5 throughout",
    summary=(
        "Cost of reaching a tolerance on [lower, 1] in exact arithmetic, in products of order m: "
        "X X^H and the last product of a step count n/m each, those between them one. Degree 5 in "
        "every step, the degrees that the planner chooses, and those it chooses if rounding must "
        "do no more harm than with degree 5."
    ),
    compute=compute,
    quick={
        "lower": [10.0**-k for k in (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4)],
        "rtol": [1e-2, 1e-6],
        "aspect": [1, 4],
        "precision": "fp64",
    },
    full={
        "lower": [10.0 ** (-k / 4) for k in range(1, 25)],
        "rtol": list(TOLERANCES),
        "aspect": [1, 4, 16],
        "precision": ["fp64", "bf16"],
    },
    quick_seconds=5,
    full_seconds=120,
)
