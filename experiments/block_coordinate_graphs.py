"""Blocks taken from the graph of a sparse quadratic: colours, trees, forests grown greedily."""

import numpy as np

from experiments.coordinate_runs import FULL, curve, problem, shape_of
from experiments.study import Study
from linalg_ml.relaxation import color_graph, lattice_trees, red_black, tree_partition

METHODS = ("random-forest", "greedy-forest", "greedy-forest-gsl", "general", "colors", "trees")
ORDERED = ("colors-in-order", "trees-in-order")


def cells(parameters):
    """Cross data and methods; the order of the nodes matters where there is no lattice."""
    for data in "DE":
        for method in METHODS + (ORDERED if data == "E" else ()):
            yield {
                "data": data,
                "shape": shape_of(data, parameters["sizes"]),
                "steps": parameters["steps"],
                "method": method,
            }


def compute(cell, context):
    """Solve each block exactly."""
    a, _, _, posed = problem(cell["data"], cell["shape"])
    method, n = cell["method"], a.shape[0]
    rng = context.rng("block_coordinate_graphs", cell["data"])
    if method.endswith(("forest", "gsl")):
        rule = {"random-forest": "random", "greedy-forest": "gs"}.get(method, "gsl")
        options = {"rule": rule, "block": "forest"}
    elif method == "general":
        options = {"rule": "gs", "block": int(np.cbrt(n) + 1e-9)}
    else:
        lattice = tuple(map(int, cell["shape"].split("x")))[:2]
        if cell["data"] == "D":
            make = red_black if method == "colors" else lattice_trees
            blocks = make(lattice, keep=posed.unknown)
        else:
            make = color_graph if method.startswith("colors") else tree_partition
            blocks = make(a, order=np.arange(n) if method in ORDERED else None)
        options = {"block": list(blocks)}
    yield from curve(cell, rng, update="exact", **options)


STUDY = Study(
    name="block_coordinate_graphs",
    title="Blocks from the graph of a sparse quadratic",
    summary=(
        "Gap f(x_k) - f* against the number of exact block updates from x = 0, label propagation "
        "on a lattice (D) and on two moons (E). Colours and forests are solved in a time in "
        "proportion to their nodes; 'general' solves the cube root of n largest gradients densely. "
        "Partitions of E place nodes by decreasing diagonal entry, or in the order they come."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    quick={"sizes": FULL, "steps": 200},
    full={"sizes": FULL, "steps": 500},
    quick_seconds=6,
    full_seconds=40,
)
