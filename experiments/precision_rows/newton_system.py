"""Rows of the system of one Newton step: products in low precision, residuals in double.

The solvers are those of `linalg_ml.sketched_newton`, called as it calls them: up to four solves,
each for the residual of the one before.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from experiments.precision_table import NIT, STATUS, Family, Metric, Row
from experiments.sketched_newton_inner import system
from linalg_ml import round_to
from linalg_ml.constrained.inner import begin, improve
from linalg_ml.problems import PoissonControl

STORED = {"tf32": "fp32"}
ACCURACY = 1e-8  # what sketched_newton asks for


@dataclass(frozen=True)
class NewtonSystem:
    """Poisson control at its start: K z = b."""

    problem: PoissonControl
    matrix: np.ndarray
    exact: np.ndarray
    condition: float
    floors: dict

    def describe(self, precision):
        """Return what is known before any solver runs."""
        return {
            "condition": self.condition,
            "rounding_alone": self.floors.get(STORED.get(precision.name, precision.name)),
            "reference_error": self.condition * 2.0**-52,
        }

    def error(self, z):
        """Return ||z - exact|| / max(||z||, ||exact||)."""
        size = max(np.linalg.norm(z), np.linalg.norm(self.exact))
        return float(np.linalg.norm(z - self.exact) / size)


def load(parameters, context):
    """Make a system from its parameters; a small weight of the control makes it ill-conditioned."""
    problem = PoissonControl(parameters["points"], parameters["weight"])
    posed = system(problem, 0)
    exact = np.linalg.solve(posed.matrix, posed.rhs)
    condition = float(np.linalg.cond(posed.matrix))
    made = NewtonSystem(problem, posed.matrix, exact, condition, {})
    for target in ("fp32", "fp16", "bf16"):
        k, b = (np.asarray(round_to(x, target), float) for x in (posed.matrix, posed.rhs))
        made.floors[target] = made.error(np.linalg.solve(k, b))
    return made


def run(inner, made, precision):
    """Solve the system and measure the solution."""
    posed = system(made.problem, 0, precision)
    start = begin(posed)
    target = ACCURACY * start.residual
    found = improve(inner, posed, start, target)
    return {
        "system_residual": float(found.residual / start.residual),
        "solution_error": made.error(np.asarray(found.z, float)),
        "status": "CONVERGED" if found.residual <= target else "STAGNATED",
        "nit": int(found.steps),
    }


def problems(sizes, weights):
    """List the systems."""
    return [
        {
            "problem": f"control-{points}-{weight:.0e}",
            "source": "synthetic",
            "columns": 3 * points**2,
            "points": points,
            "weight": weight,
        }
        for points in sizes
        for weight in weights
    ]


FAMILY = Family(
    name="newton-system",
    problems={
        "quick": problems((3,), (1e2, 1.0, 1e-1, 1e-2, 1e-4)),
        "full": problems((3, 5, 8), (1e2, 1e1, 1.0, 1e-1, 1e-2, 1e-3, 1e-4)),
    },
    load=load,
    describe=NewtonSystem.describe,
    metrics=(
        Metric("condition", "about", "Condition number of K."),
        Metric("system_residual", "check", "||b - K z|| / ||b||, computed in fp64."),
        Metric("solution_error", "error", "||z - exact|| / max(||z||, ||exact||)."),
        Metric("rounding_alone", "floor", "The same for K and b rounded to the format."),
        Metric("reference_error", "about", "Bound on the error of the reference, about."),
        STATUS,
        NIT,
    ),
)
ROWS = [
    Row("block", FAMILY, partial(run, "block")),
    Row("minres", FAMILY, partial(run, "minres")),
    Row("exact", FAMILY, partial(run, "exact"), kind="reference"),  # it factorises in fp64
]
