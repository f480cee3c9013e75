"""Rows of relaxation on Poisson problems: SOR and SSOR-CG, alone and with iterative refinement.

A short format keeps the iterate, rounded once a sweep, and the entries of A and b. Refinement
solves for the residual of the last answer, which it takes in double precision.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from experiments.precision_table import NIT, STATUS, Family, Metric, Row
from linalg_ml import relaxation, round_to

STORED = {"tf32": "fp32"}
OUTER = 30  # refinements at most
SWEEPS = 40  # a sweep for each part of 1 / (2 - omega), past convergence


@dataclass(frozen=True)
class PoissonProblem:
    """A x = b on a grid, with x in double precision and the omegas of the solvers."""

    a: object
    b: np.ndarray
    exact: np.ndarray
    omega: float
    cg_omega: float
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

    def residual(self, x):
        """Return ||b - A x|| / ||b||."""
        return float(np.linalg.norm(self.b - self.a @ x) / np.linalg.norm(self.b))


def poisson(parameters, context):
    """Make a problem: the Laplacian of a square grid and a normal right-hand side."""
    points = parameters["columns"]
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(points, points))
    a = scipy.sparse.kronsum(line, line).tocsr()
    b = context.rng("poisson", points, parameters["draw"]).standard_normal(points**2)
    solve = scipy.sparse.linalg.factorized(a.tocsc())
    exact = solve(b)
    lowest = 8 * math.sin(math.pi / (2 * (points + 1))) ** 2
    condition = (8 - lowest) / lowest
    omega = relaxation.optimal_omega(relaxation.GridLaplacian((points, points)))
    problem = PoissonProblem(
        a, b, exact, omega, 2 / (1 + math.sin(math.pi / points)), condition, {}
    )
    for target in ("fp32", "fp16", "bf16"):  # the entries -1 and 4 are exact in all of them
        rounded = solve(np.asarray(round_to(b, target), float))
        problem.floors[target] = problem.error(rounded)
    return problem


def by_sor(problem, b, **options):
    """Solve by SOR with Young's omega."""
    return relaxation.sor(problem.a, b, omega=problem.omega, **options)


def by_ssor_cg(problem, b, **options):
    """Solve by CG with SSOR."""
    return relaxation.ssor_cg(problem.a, b, omega=problem.cg_omega, **options)


def measured(problem, x, status, nit, refinements):
    """Return the fields of a record that depend on the answer."""
    return {
        "residual": problem.residual(x),
        "solution_error": problem.error(x),
        "status": status,
        "nit": int(nit),
        "refinements": refinements,
    }


def once(solver, problem, precision):
    """Solve to the default tolerance of the precision."""
    result = solver(problem, problem.b, precision=precision)
    return measured(problem, result.x, result.status.name, result.nit, 0)


def long(problem, precision):
    """Sweep until only rounding is left."""
    steps = math.ceil(SWEEPS / (2 - problem.omega))
    result = by_sor(problem, problem.b, steps=steps, precision=precision)
    return measured(problem, result.x, result.status.name, result.nit, 0)


def refined(solver, problem, precision):
    """Solve again for the residual, in double precision, until it is 1e-12 or stops falling."""
    x, nit, before = np.zeros_like(problem.b), 0, 1.0
    for refinement in range(OUTER):
        r = problem.b - problem.a @ x
        result = solver(problem, r, precision=precision)
        nit += result.nit
        tried = x + result.x
        now = problem.residual(tried)
        if not now < before:
            return measured(problem, x, "STAGNATED", nit, refinement)
        x, before = tried, now
        if now <= 1e-12:
            return measured(problem, x, "CONVERGED", nit, refinement)
    return measured(problem, x, "MAXITER", nit, OUTER)


def problems(grids, draws=1):
    """List the problems on grids of so many points a side."""
    return [
        {
            "problem": f"poisson-{points}x{points}-{draw}",
            "source": "synthetic",
            "columns": points,
            "draw": draw,
        }
        for points in grids
        for draw in range(draws)
    ]


FAMILY = Family(
    name="relaxation",
    problems={"quick": problems((5, 10, 20)), "full": problems((5, 10, 20, 40, 80), draws=3)},
    load=poisson,
    describe=PoissonProblem.describe,
    metrics=(
        Metric("condition", "about", "Condition number of the Laplacian."),
        Metric("residual", "check", "||b - A x|| / ||b||."),
        Metric("solution_error", "error", "||x - exact|| / ||exact||."),
        Metric("rounding_alone", "floor", "Error of the exact answer for b rounded to the format."),
        Metric("reference_error", "about", "Bound on the error of the reference, about."),
        Metric("refinements", "cost", "Residuals solved for after the first answer."),
        STATUS,
        NIT,
    ),
)
ROWS = [
    Row("sor", FAMILY, partial(once, by_sor)),
    Row("ssor-cg", FAMILY, partial(once, by_ssor_cg)),
    Row("sor-long", FAMILY, long, kind="past convergence"),
    Row("sor-refined", FAMILY, partial(refined, by_sor)),
    Row("ssor-cg-refined", FAMILY, partial(refined, by_ssor_cg)),
]
