"""Rows of robust PCA: the penalised problem with products in every precision.

Products are rounded, the state is kept in at least fp32.
"""

from dataclasses import dataclass

import numpy as np

from experiments.precision_table import NIT, PRODUCTS, STATUS, Family, Metric, Row
from linalg_ml import robust_pca, round_to

STORED = {"tf32": "fp32"}
DELTA, LONG = 1e-2, 60


@dataclass(frozen=True)
class SplitProblem:
    """A matrix of low rank plus sparse plus noise, and the minimiser in double precision."""

    m: np.ndarray
    weights: dict
    low: np.ndarray
    minimum: float
    condition: float
    floors: dict

    def describe(self, precision):
        """Return what is known before any solver runs."""
        return {
            "condition": self.condition,
            "rounding_alone": self.floors.get(STORED.get(precision.name, precision.name)),
            "reference_error": 1e-8,
        }

    def error(self, x):
        """Return ||x - L*||_F / ||L*||_F."""
        return float(np.linalg.norm(x - self.low) / np.linalg.norm(self.low))


def split(parameters, context):
    """Draw a problem and solve it in double precision."""
    m, n = parameters["rows"], parameters["columns"]
    rng = context.rng("robust-pca", m, n, parameters["draw"])
    a = rng.standard_normal((m, 3)) @ rng.standard_normal((3, n))
    hit = rng.random((m, n)) < 0.05
    a += hit * rng.uniform(-10, 10, (m, n)) + 0.01 * rng.standard_normal((m, n))
    a /= np.linalg.norm(a)
    weights = {"lam_low_rank": DELTA, "lam_sparse": DELTA / max(m, n) ** 0.5}
    best = robust_pca(a, method="fista", **weights, rtol=1e-11)
    s = best.factors[1]
    problem = SplitProblem(a, weights, best.x, best.objective, float(s[0] / s[-1]), {})
    for target in ("fp32", "fp16", "bf16"):
        rounded = np.asarray(round_to(a, target), float)
        moved = robust_pca(rounded, method="fista", **weights, rtol=1e-11)
        problem.floors[target] = problem.error(moved.x)
    return problem


def run(method, steps, problem, precision):
    """Solve and measure."""
    result = robust_pca(
        problem.m, method=method, **problem.weights, steps=steps, precision=precision, rng=0
    )
    return {
        "objective_error": result.objective / problem.minimum - 1,
        "low_rank_error": problem.error(result.x),
        "gap": 1 - result.lower_bound / result.objective,
        "status": result.status.name,
        "nit": int(result.nit),
        "products": int(result.counts["products"]),
    }


def problems(sizes, draws=1):
    """List the problems of these sizes."""
    return [
        {
            "problem": f"split-{rows}x{columns}-{draw}",
            "source": "synthetic",
            "rows": rows,
            "columns": columns,
            "draw": draw,
        }
        for rows, columns in sizes
        for draw in range(draws)
    ]


FAMILY = Family(
    name="robust-pca",
    problems={
        "quick": problems(((60, 40),)),
        "full": problems(((60, 40), (200, 60), (200, 200)), draws=3),
    },
    load=split,
    describe=SplitProblem.describe,
    metrics=(
        Metric("condition", "about", "Largest over smallest singular value of the low-rank part."),
        Metric("gap", "check", "Relative duality gap."),
        Metric("low_rank_error", "error", "||x - L*||_F / ||L*||_F, L* the minimiser."),
        Metric("rounding_alone", "floor", "Error of the minimiser for M rounded to the format."),
        Metric("objective_error", "about", "Relative error of the objective."),
        Metric("reference_error", "about", "Bound on the error of the reference, about."),
        STATUS,
        NIT,
        PRODUCTS,
    ),
)


def _row(name, method, steps=None, kind="solver"):
    def solve(problem, precision):
        return run(method, steps, problem, precision)

    return Row(name, FAMILY, solve, kind=kind)


ROWS = [
    _row("fista", "fista"),
    _row("penalised", "penalised"),
    _row(f"fista-{LONG}", "fista", LONG, kind="past convergence"),
]
