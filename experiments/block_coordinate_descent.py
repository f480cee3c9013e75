"""Rules, partitions and updates of block coordinate descent on five smooth problems."""

from experiments.coordinate_runs import FULL, QUICK, curve, shape_of
from experiments.study import Study

CHANCE = ("random", "shuffled", "lipschitz")
# Greedy rules by what the update trusts: constants of the coordinates, or the block's matrix.
BY_CONSTANTS = ("gs", "gsl")
BY_MATRIX = ("gsq", "gs", "gsl", "gsd")


def cells(parameters):
    """List each combination that some figure draws, once."""
    found = {}
    for data in "ABCDE":
        for size in parameters["blocks"]:
            for partition, rule, update in _combinations(data):
                cell = {
                    "data": data,
                    "shape": shape_of(data, parameters["sizes"]),
                    "steps": parameters["steps"],
                    "partition": partition,
                    "rule": rule,
                    "update": update,
                    "size": size,
                }
                found.setdefault(tuple(cell.values()), cell)
    yield from found.values()


def _combinations(data):
    for rule in (*CHANCE, *BY_CONSTANTS):
        yield "variable", rule, "gradient"
        yield "sort", rule, "gradient"
    yield "variable", "gsd-gershgorin", "gradient"
    for rule in ("random", "cyclic", "lipschitz", *BY_CONSTANTS):
        yield "order", rule, "gradient"
        yield "order", rule, "adaptive"
    for partition in ("sort", "order", "average"):
        for rule in (*BY_CONSTANTS, "gsd"):
            yield partition, rule, "gradient"
    for update in ("matrix", "newton") if data in "BC" else ("matrix",):
        for rule in BY_MATRIX:
            yield "sort", rule, update
            yield "variable", rule, update


def compute(cell, context):
    """Run from zero and record the gap."""
    size, partition = cell["size"], cell["partition"]
    block = size if partition == "variable" else (partition, size)
    rng = context.rng("block_coordinate_descent", cell["data"], cell["rule"], size)
    yield from curve(cell, rng, rule=cell["rule"], block=block, update=cell["update"])


STUDY = Study(
    name="block_coordinate_descent",
    title="Rules, partitions and updates of block coordinate descent",
    summary=(
        "Gap f(x_k) - f* against the number of block updates from x = 0, on least squares (A), "
        "logistic regression (B), softmax regression (C), and label propagation on a lattice (D) "
        "and on two moons (E). The quick problems are small; the full ones have the paper's sizes."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    cost=lambda cell: {"A": 1.0, "B": 1.0, "C": 3.0}.get(cell["data"], 0.5) * cell["steps"],
    quick={"sizes": QUICK, "steps": 200, "blocks": (5, 20, 50)},
    full={"sizes": FULL, "steps": 500, "blocks": (5, 20, 50, 100)},
    quick_seconds=60,
    full_seconds=7200,
)
