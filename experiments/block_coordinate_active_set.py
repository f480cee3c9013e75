"""Non-negative least squares with an l1 penalty: who finds the support, and who finishes then."""

from functools import cache

import numpy as np

from experiments.coordinate_runs import FULL, MARKS, problem, shape_of
from experiments.study import Study
from linalg_ml import coordinate_descent

UPDATES = ("exact", "two-metric", "gradient")
# The penalty of the paper on its own data; relative to the largest slope at zero.
FULL_L1, QUICK_L1 = 50000.0, 8000.0


def cells(parameters):
    """Cross the choice of blocks, their size and the update."""
    for size in parameters["blocks"]:
        for choice in ("greedy", "random"):
            for partition in ("variable", "sort"):
                for update in UPDATES:
                    yield {
                        "shape": shape_of("A", parameters["sizes"]),
                        "l1": parameters["l1"],
                        "steps": parameters["steps"],
                        "choice": choice,
                        "partition": partition,
                        "update": update,
                        "size": size,
                    }


@cache
def optimum(shape, l1):
    """Return the optimal value and the number of coordinates that are not zero there."""
    a, b, _, _ = problem("A", shape)
    result = coordinate_descent(
        a, b, loss="least-squares", l1=l1, lower=0.0, rule="gsq", block=200, rtol=1e-11
    ).unwrap()
    support = np.flatnonzero(result)
    solved = coordinate_descent(a, b, loss="least-squares", l1=l1, lower=0.0, x0=result, steps=0)
    return solved.objective, support


def compute(cell, context):
    """Run from zero; record the gap, and whether the support is that of the solution."""
    a, b, _, _ = problem("A", cell["shape"])
    best, support = optimum(cell["shape"], cell["l1"])
    size = cell["size"]
    found = {}

    def look(progress):
        at = np.flatnonzero(progress.x)
        found[progress.nit] = np.array_equal(at, support), at.size, progress.measures["objective"]

    result = coordinate_descent(
        a,
        b,
        loss="least-squares",
        l1=cell["l1"],
        lower=0.0,
        rule="gsq" if cell["choice"] == "greedy" else "random",
        block=size if cell["partition"] == "variable" else ("sort", size),
        update=cell["update"],
        rng=context.rng("block_coordinate_active_set", size),
        steps=cell["steps"],
        callback=look,
        history=True,
    )
    first = result.history[0]["objective"] - best
    for k in MARKS:
        if 0 < k <= cell["steps"]:
            same, count, value = found[k]
            gap = max(value - best, 4e-16 * abs(best))
            yield {
                "iteration": k,
                "gap": gap,
                "relative_gap": gap / first,
                "support_found": bool(same),
                "nonzeros": count,
                "settled": result.settled,
                "support_size": support.size,
            }


STUDY = Study(
    name="block_coordinate_active_set",
    title="Finding the support of a non-negative least squares problem with an l1 penalty",
    summary=(
        "Gap f(x_k) - f* and the set of coordinates that are not zero, against the number of block "
        "updates from x = 0: exact solution of the block, two-metric projection, projected "
        "gradient steps; blocks chosen greedily by the step of each coordinate, or at random."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    quick={
        "sizes": {"A": (300, 1000)},
        "l1": QUICK_L1,
        "steps": 200,
        "blocks": (5, 50, 100),
    },
    full={"sizes": FULL, "l1": FULL_L1, "steps": 500, "blocks": (5, 50, 100)},
    quick_seconds=10,
    full_seconds=120,
)
