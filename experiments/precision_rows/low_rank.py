"""Rows of the truncated singular value decomposition: what is left of small singular values."""

from dataclasses import dataclass
from functools import partial

import numpy as np

import linalg_ml as la
from experiments.precision_table import STATUS, Family, Metric, Row
from linalg_ml import round_to
from linalg_ml.problems import with_singular_values

STORED = {"tf32": "fp32"}
RANK = 10
TAIL = 1e-3  # the first singular value that is not wanted over the last that is


@dataclass(frozen=True)
class LowRankProblem:
    """A matrix with RANK singular values from 1 to 1 / condition, and much smaller ones."""

    a: np.ndarray
    values: np.ndarray
    condition: float
    floors: dict

    def describe(self, precision):
        """Return what is known before any solver runs."""
        return {
            "condition": self.condition,
            "rounding_alone": self.floors.get(STORED.get(precision.name, precision.name)),
            "reference_error": self.condition * 2.0**-50,
        }

    def error(self, values):
        """Return the largest |s - exact| / max(s, exact) of a wanted singular value."""
        return float(np.max(np.abs(values - self.values) / np.maximum(values, self.values)))


def load(parameters, context):
    """Make a problem from its parameters."""
    shape, condition = (parameters["rows"], parameters["columns"]), parameters["condition"]
    wanted = np.geomspace(1, 1 / condition, RANK)
    rest = np.full(min(shape) - RANK, TAIL / condition)
    rng = context.rng("low rank", *parameters.values())
    a = with_singular_values(shape, np.r_[wanted, rest], rng=rng)
    problem = LowRankProblem(a, wanted, condition, {})
    for target in ("fp32", "fp16", "bf16"):
        rounded = np.linalg.svd(np.asarray(round_to(a, target), float), compute_uv=False)
        problem.floors[target] = problem.error(rounded[:RANK])
    return problem


def run(method, problem, precision):
    """Compute the leading singular triplets and measure them."""
    result = la.randomized_svd(problem.a, RANK, method=method, precision=precision, rng=0)
    return measured(problem, result.x, result.status.name)


def by_svd(problem, precision):
    """Compute them by the SVD in fp32 (fp64) and round them to the precision."""
    wide = np.float64 if precision.name == "fp64" else np.float32
    u, s, vh = np.linalg.svd(problem.a.astype(wide), full_matrices=False)
    x = u[:, :RANK], s[:RANK], vh[:RANK]
    if precision.name not in ("fp64", "fp32", "tf32"):
        x = tuple(np.asarray(round_to(part, precision.name)) for part in x)
    return measured(problem, x, "CONVERGED")


def measured(problem, x, status):
    """Return the fields of a record that depend on the answer."""
    u, s, vh = (np.asarray(part, float) for part in x)
    rest = problem.a - (u * s) @ vh
    return {
        "low_rank_residual": float(np.linalg.norm(rest) / np.linalg.norm(problem.a)),
        "singular_value_error": problem.error(s),
        "status": status,
    }


def problems(shapes, conditions, draws=1):
    """List the problems."""
    return [
        {
            "problem": f"low-rank-{m}x{n}-{condition:.0e}-{draw}",
            "source": "synthetic",
            "rows": m,
            "columns": n,
            "condition": condition,
            "draw": draw,
        }
        for m, n in shapes
        for condition in conditions
        for draw in range(draws)
    ]


CONDITIONS = tuple(10.0**k for k in range(7))
FAMILY = Family(
    name="low-rank",
    problems={
        "quick": problems([(200, 100)], CONDITIONS),
        "full": problems([(200, 100), (1000, 500)], CONDITIONS, draws=3),
    },
    load=load,
    describe=LowRankProblem.describe,
    metrics=(
        Metric("condition", "about", "Largest over smallest singular value wanted."),
        Metric("low_rank_residual", "check", "||A - U S V^T||_F / ||A||_F."),
        Metric(
            "singular_value_error",
            "error",
            "Largest |s - exact| / max(s, exact) of a wanted value.",
        ),
        Metric("rounding_alone", "floor", "The same of the exact answer for the rounded matrix."),
        Metric("reference_error", "about", "Bound on the error of the reference, about."),
        STATUS,
    ),
)
ROWS = [
    Row("krylov", FAMILY, partial(run, "krylov")),
    Row("power", FAMILY, partial(run, "power")),
    Row("svd", FAMILY, by_svd, kind="reference"),
]
