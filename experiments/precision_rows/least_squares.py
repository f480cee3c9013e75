"""Rows of overdetermined least squares with a small residual: sketching, and LAPACK in fp32."""

from dataclasses import dataclass
from functools import partial

import numpy as np

import linalg_ml as la
from experiments.precision_table import NIT, STATUS, Family, Metric, Row
from experiments.sketching_least_squares import backward_error
from linalg_ml import round_to
from linalg_ml.problems import named_spectrum, with_singular_values

STORED = {"tf32": "fp32"}
RESIDUAL = 1e-3


@dataclass(frozen=True)
class LeastSquaresProblem:
    """A, b and the solution; ||b - A x|| = RESIDUAL and ||x|| = 1."""

    a: np.ndarray
    b: np.ndarray
    exact: np.ndarray
    condition: float
    svd: tuple
    floors: dict

    def describe(self, precision):
        """Return what is known before any solver runs."""
        return {
            "condition": self.condition,
            "rounding_alone": self.floors.get(STORED.get(precision.name, precision.name)),
            "reference_error": self.condition * (1 + self.condition * RESIDUAL) * 2.0**-52,
        }

    def error(self, x):
        """Return ||x - exact|| / max(||x||, ||exact||)."""
        size = max(np.linalg.norm(x), np.linalg.norm(self.exact))
        return float(np.linalg.norm(x - self.exact) / size)


def load(parameters, context):
    """Make a problem from its parameters."""
    m, n, condition = parameters["rows"], parameters["columns"], parameters["condition"]
    rng = context.rng("least squares", *parameters.values())
    a = with_singular_values((m, n), named_spectrum("geometric", n, condition), rng=rng)
    exact, rest = rng.standard_normal(n), rng.standard_normal(m)
    exact /= np.linalg.norm(exact)
    q, _ = np.linalg.qr(a)
    rest -= q @ (q.T @ rest)
    b = a @ exact + RESIDUAL * rest / np.linalg.norm(rest)
    svd = np.linalg.svd(a, full_matrices=False)
    problem = LeastSquaresProblem(a, b, exact, condition, svd, {})
    for target in ("fp32", "fp16", "bf16"):
        rounded = (np.asarray(round_to(x, target), float) for x in (a, b))
        problem.floors[target] = problem.error(np.linalg.lstsq(*rounded, rcond=-1)[0])
    return problem


def run(method, problem, precision):
    """Solve to the default tolerance of the precision."""
    result = la.sketched_lstsq(problem.a, problem.b, method=method, precision=precision, rng=0)
    return measured(problem, result.x, result.status.name, result.nit)


def by_lapack(problem, precision):
    """Solve in fp32 (fp64) and round x to the precision."""
    wide = np.float64 if precision.name == "fp64" else np.float32
    x = np.linalg.lstsq(problem.a.astype(wide), problem.b.astype(wide), rcond=-1)[0]
    if precision.name not in ("fp64", "fp32", "tf32"):
        x = np.asarray(round_to(x, precision.name))
    return measured(problem, x, "CONVERGED", 0)


def measured(problem, x, status, nit):
    """Return the fields of a record that depend on the answer."""
    x = np.asarray(x, float)
    return {
        "backward_error": float(backward_error(problem.a, problem.b, x, problem.svd)),
        "solution_error": problem.error(x),
        "status": status,
        "nit": int(nit),
    }


def problems(shapes, draws=1):
    """List the problems."""
    return [
        {
            "problem": f"least-squares-{m}x{n}-{condition:.0e}-{draw}",
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
    name="least-squares",
    problems={"quick": problems([(1000, 30)]), "full": problems([(1000, 30), (8000, 100)], 3)},
    load=load,
    describe=LeastSquaresProblem.describe,
    metrics=(
        Metric("condition", "about", "Condition number of A."),
        Metric("backward_error", "check", "Relative backward error, estimated."),
        Metric("solution_error", "error", "||x - exact|| / max(||x||, ||exact||)."),
        Metric("rounding_alone", "floor", "The same for A and b rounded to the format."),
        Metric("reference_error", "about", "Bound on the error of the reference, about."),
        STATUS,
        NIT,
    ),
)
ROWS = [
    Row("fossils", FAMILY, partial(run, "fossils")),
    Row("iterative", FAMILY, partial(run, "iterative")),
    Row("lsqr", FAMILY, partial(run, "lsqr")),
    Row("lapack", FAMILY, by_lapack, kind="reference"),
]
