"""Rows of random embeddings: what a sketch computed in low precision says of the weak directions.

With A = Q R, the error is that of S Q read off from the computed S A: a sketch that serves as a
preconditioner, or tells the condition number, needs it to be well below the distortion of S.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.linalg

from experiments.precision_table import STATUS, Family, Metric, Row
from linalg_ml import round_to, sketching
from linalg_ml._core.precision import Arithmetic
from linalg_ml.problems import named_spectrum, with_singular_values

STORED = {"tf32": "fp32"}
KINDS = ("sparse-sign", "gaussian", "srht", "count")
RATIO = 4  # rows of the sketch over columns of A


@dataclass(frozen=True)
class TallProblem:
    """A tall matrix and its triangular factor."""

    a: np.ndarray
    r: np.ndarray
    condition: float
    floors: dict

    def describe(self, precision):
        """Return what is known before anything is computed."""
        return {
            "condition": self.condition,
            "rounding_alone": self.floors.get(STORED.get(precision.name, precision.name)),
            "reference_error": self.condition * 2.0**-52,
        }

    def weighed(self, error):
        """Return ||E R^-1||_2, at most 1: then nothing is known of the weakest direction."""
        weighed = scipy.linalg.solve_triangular(self.r, error.T, trans="T").T
        return min(1.0, float(np.linalg.norm(weighed, 2)))


def load(parameters, context):
    """Make a problem from its parameters."""
    m, n, condition = parameters["rows"], parameters["columns"], parameters["condition"]
    rng = context.rng("tall", *parameters.values())
    a = with_singular_values((m, n), named_spectrum("geometric", n, condition), rng=rng)
    problem = TallProblem(a, np.linalg.qr(a, mode="r"), condition, {})
    for target in ("fp32", "fp16", "bf16"):
        problem.floors[target] = problem.weighed(np.asarray(round_to(a, target), float) - a)
    return problem


def run(kind, problem, precision):
    """Sketch in a precision and compare with the same sketch in fp64."""
    m, n = problem.a.shape
    drawn = sketching.embedding(kind, (RATIO * n, m), rng=0)
    arithmetic = Arithmetic(precision, problem.a)
    found = drawn.multiply(arithmetic.enter(problem.a), arithmetic)
    exact = drawn @ problem.a
    error = np.asarray(arithmetic.leave(found), float) - exact
    return {
        "sketch_error": float(np.linalg.norm(error) / np.linalg.norm(exact)),
        "subspace_error": problem.weighed(error),
        "status": "CONVERGED",
    }


def problems(shapes, draws=1):
    """List the problems."""
    return [
        {
            "problem": f"tall-{m}x{n}-{condition:.0e}-{draw}",
            "source": "synthetic",
            "rows": m,
            "columns": n,
            "condition": condition,
            "draw": draw,
        }
        for m, n in shapes
        for condition in (10.0**k for k in range(7))
        for draw in range(draws)
    ]


FAMILY = Family(
    name="embeddings",
    problems={"quick": problems([(1024, 32)]), "full": problems([(1024, 32), (8192, 128)], 3)},
    load=load,
    describe=TallProblem.describe,
    metrics=(
        Metric("condition", "about", "Condition number of A."),
        Metric("sketch_error", "check", "||fl(S A) - S A||_F / ||S A||_F."),
        Metric("subspace_error", "error", "||(fl(S A) - S A) R^-1||_2 with A = Q R, at most 1."),
        Metric("rounding_alone", "floor", "||(fl(A) - A) R^-1||_2, of rounding A once."),
        Metric("reference_error", "about", "Bound on the error of the reference, about."),
        STATUS,
    ),
)
ROWS = [Row(kind, FAMILY, partial(run, kind)) for kind in KINDS]
