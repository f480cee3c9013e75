"""Learned directions on geometries that training has not seen: more and more solids."""

import numpy as np

from experiments.deep_network_runs import counts, right_hand_side, solve
from experiments.study import Study
from linalg_ml.deep_directions import GridPoisson, open_cells

METHODS = ("cg", "multigrid", "linear-2d", "paper-64-2d")


def discs(n, covered, rng):
    """Draw the open cells of a box in which discs cover that part of the cells, at least."""
    x, y = np.meshgrid(np.arange(n) + 0.5, np.arange(n) + 0.5, indexing="ij")
    mask = np.ones((n, n), bool)
    while 1 - mask.mean() < covered:
        cx, cy, radius = rng.uniform(0, n), rng.uniform(0, n), rng.uniform(0.02, 0.08) * n
        mask &= (x - cx) ** 2 + (y - cy) ** 2 > radius**2
        mask = open_cells(mask)
    return mask


def compute(cell, context):
    """Solve with every method, for several draws of the solids."""
    jobs = [(draw, method) for draw in range(cell["draws"]) for method in METHODS]
    for draw, method in context.remaining(jobs):
        rng = context.rng("discs", cell["n"], cell["covered"], draw)
        a = GridPoisson(discs(cell["n"], cell["covered"], rng), solids=cell["solids"])
        b = right_hand_side(a, "normal", context.seed)
        result = solve(a, b, method, rtol=1e-6, maxiter=cell["cap"], history=True)
        found = counts(result, b, (1e-4, 1e-6))
        yield {
            "draw": draw,
            "method": method,
            "solid": 1 - float(a.mask.mean()),
            "iterations_1e-4": found[1e-4],
            "iterations": found[1e-6],
            "met": found[1e-6] is not None,
        }


_LEVEL = {"solids": ("dirichlet", "neumann"), "covered": (0.0, 0.1, 0.2, 0.3, 0.4)}

STUDY = Study(
    name="deep_network_geometry",
    title="Learned directions on unseen geometries",
    summary=(
        "Discs of random place and size cover more and more of a square. The network of the paper "
        "was trained on the empty square and knows nothing of solids; the linear one was trained "
        "on other solids, and sees them. Iterations to a relative residual of 1e-6."
    ),
    compute=compute,
    quick={**_LEVEL, "n": 64, "draws": 2, "cap": 300},
    full={**_LEVEL, "n": (64, 128), "draws": 5, "cap": 2000},
    quick_seconds=25,
    full_seconds=1200,
)
