"""What the solvers of one Newton system cost, for one system of known condition."""

import numpy as np

from experiments.study import Study
from linalg_ml._core.precision import Arithmetic
from linalg_ml.constrained.evaluation import Evaluation
from linalg_ml.constrained.inner import begin, improve
from linalg_ml.constrained.kkt_system import KKTSystem
from linalg_ml.constrained.problem import as_problem
from linalg_ml.problems import PoissonControl, constrained_logistic

SOLVERS = (
    "block", "minres", "gmres", "rows", "sparse-sign", "gaussian", "kaczmarz", "gaussian-vector",
)  # fmt: skip
ACCURACIES = (1e-1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10)


def load(name):
    """Return a problem whose Hessian needs no change at its start."""
    return constrained_logistic() if name == "logistic" else PoissonControl(3)


def system(problem, seed, precision=None):
    """Return the Newton system at the start, with products in a precision."""
    x0, lam0 = problem.x0, problem.lam0
    space = Evaluation(as_problem(problem), x0, lam0, Arithmetic(precision, x0), seed)
    point = space.start()
    return KKTSystem(space.hessian(point, 0), point, None, space)


def compute(cell, context):
    """Yield, for each accuracy, the steps of an inner solver and the residual it reaches."""
    problem = load(cell["problem"])
    for accuracy in context.remaining(ACCURACIES):
        steps, work, reached = [], [], []
        for seed in range(cell["seeds"]):
            posed = system(problem, 100 * context.seed + seed)
            start = begin(posed)
            target = accuracy * start.residual
            found = improve(cell["inner"], posed, start, target, maxiter=cell["cap"])
            counts = posed.arithmetic.counts
            steps.append(found.steps)
            reached.append(found.residual / start.residual)
            # A product of K with a vector has 2 N^2 flops; products of blocks are counted apart.
            work.append(counts["flops"] / (2 * posed.size**2) + counts["matvecs"])
        yield {
            "order": posed.size,
            "condition": np.linalg.cond(posed.matrix),
            "accuracy": accuracy,
            "inner_steps": np.mean(steps),
            "products": np.mean(work),
            "reached": max(reached),
            "failed": max(reached) > accuracy,
        }


STUDY = Study(
    name="sketched_newton_inner",
    title="The cost of solving a Newton system by sketches and by Krylov methods",
    summary=(
        "The first Newton system of logistic regression with constraints (41 x 41, condition "
        "number 7) and of Poisson control (27 x 27, 275), solved to several relative residuals "
        "by each inner solver: steps, and work in products of the matrix with a vector."
    ),
    compute=compute,
    quick={"problem": ("logistic", "control"), "inner": SOLVERS, "seeds": 1, "cap": 40000},
    full={"problem": ("logistic", "control"), "inner": SOLVERS, "seeds": 10, "cap": 1000000},
    quick_seconds=20,
    full_seconds=200,
)
