"""Rows of learned search directions on Poisson problems with a solid square.

The networks alone run in the precision tested, inside a solver in double precision; in the row
called "whole" the solver runs in it too.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse.linalg

from experiments.deep_network_runs import box
from experiments.precision_table import NIT, STATUS, Family, Metric, Row
from linalg_ml import deep_directions, round_to
from linalg_ml.deep_directions import GridPoisson, deep_conjugate_directions

STORED = {"tf32": "fp32"}
CAP = 100


@dataclass(frozen=True)
class SolidSquare:
    """A x = b on a grid with a Neumann square in the middle, and x in double precision."""

    a: GridPoisson
    b: np.ndarray
    exact: np.ndarray
    condition: float
    floors: dict

    def describe(self, precision):
        """Return what is known before any solver runs."""
        return {
            "condition": self.condition,
            "rounding_alone": self.floors.get(STORED.get(precision.name, precision.name)),
            "reference_error": self.condition * np.finfo(float).eps,
        }

    def error(self, x):
        """Return ||x - exact|| / ||exact||."""
        return float(np.linalg.norm(x - self.exact) / np.linalg.norm(self.exact))


def solid_square(parameters, context):
    """Make a problem with a normal right-hand side."""
    a = box(parameters["columns"], "neumann")
    b = context.rng("solid square", *a.grid, parameters["draw"]).standard_normal(a.grid)
    b = a.restrict(b)
    matrix = a.tosparse().tocsc()
    solve = scipy.sparse.linalg.factorized(matrix)

    def answer(values):
        x = np.zeros(a.grid)
        x[a.mask] = solve(np.asarray(values, float)[a.mask])
        return x

    largest = scipy.sparse.linalg.eigsh(matrix, 1, return_eigenvectors=False)[0]
    inverse = scipy.sparse.linalg.LinearOperator(matrix.shape, matvec=solve)
    condition = float(largest * scipy.sparse.linalg.eigsh(inverse, 1, return_eigenvectors=False)[0])
    problem = SolidSquare(a, b, answer(b), condition, {})
    for target in ("fp32", "fp16", "bf16"):
        problem.floors[target] = problem.error(answer(round_to(b, target)))
    return problem


def run(network, whole, problem, precision):
    """Solve with a network in the precision, to 1e-10 or as far as a whole solve in it can go."""
    model = deep_directions.load(network, precision=precision)
    options = {"precision": precision} if whole else {"rtol": 1e-10}
    a, b = problem.a, problem.b
    result = deep_conjugate_directions(a, b, model=model, maxiter=CAP, **options)
    return {
        "residual": float(np.linalg.norm(b - a.apply(result.x)) / np.linalg.norm(b)),
        "solution_error": problem.error(result.x),
        "status": result.status.name,
        "nit": int(result.nit),
    }


def problems(grids, draws=1):
    """List the problems on grids of so many cells a side."""
    return [
        {
            "problem": f"square-{n}x{n}-{draw}",
            "source": "synthetic",
            "columns": n,
            "draw": draw,
        }
        for n in grids
        for draw in range(draws)
    ]


FAMILY = Family(
    name="search-directions",
    problems={"quick": problems((16, 32)), "full": problems((16, 32, 64), draws=3)},
    load=solid_square,
    describe=SolidSquare.describe,
    metrics=(
        Metric("condition", "about", "Condition number of the operator."),
        Metric("residual", "check", "||b - A x|| / ||b||."),
        Metric("solution_error", "error", "||x - exact|| / ||exact||."),
        Metric("rounding_alone", "floor", "Error of the exact answer for b rounded to the format."),
        Metric("reference_error", "about", "Bound on the error of the reference, about."),
        STATUS,
        NIT,
    ),
)
ROWS = [
    Row("linear network, whole", FAMILY, partial(run, "linear-2d", True)),
    Row("linear network", FAMILY, partial(run, "linear-2d", False)),
    Row("paper network", FAMILY, partial(run, "paper-64-2d", False)),
]
