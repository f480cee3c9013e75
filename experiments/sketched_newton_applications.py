"""Sketched Newton on constrained logistic regression and on Poisson control."""

import numpy as np

from experiments import newton_solvers
from experiments.study import Study
from linalg_ml.problems import PoissonControl, constrained_logistic

DIGITS = "experiments/data/digits.npz"
LEVELS = {"published-kaczmarz": 1e-4, "published-gaussian-vector": 1e-4}  # as in the paper


def load(application, root):
    """Return a problem by its name: "cancer", "digits", or "control-N"."""
    if application == "cancer":
        return constrained_logistic()
    if application.startswith("control"):
        return PoissonControl(int(application.split("-")[1]))
    with np.load(root / DIGITS, allow_pickle=False) as data:
        images, labels = data["images"] / 16.0, data["labels"]
    varied = images[:, np.ptp(images, axis=0) > 0]
    return constrained_logistic(varied, np.where(labels % 2 == 0, 1.0, -1.0))


def compute(cell, context):
    """Yield a record for each Newton step."""
    problem = load(cell["application"], context.root)
    found = newton_solvers.solve(
        cell["solver"],
        problem,
        tolerance=LEVELS.get(cell["solver"], 1e-8),
        maxiter=cell["maxiter"],
        rng=context.rng(cell["application"]),
    )
    inner = np.cumsum(found["inner"]) if found["inner"] else [None] * len(found["path"])
    m, n = problem.shape
    for step, (kkt, work) in enumerate(zip(found["path"], inner, strict=True)):
        yield {
            "n": n,
            "m": m,
            "step": step,
            "kkt": kkt,
            "inner_steps": work,
            "last": step == len(found["path"]) - 1,
            "steps": found["steps"],
            "value": found["value"],
            "status": found["status"],
            "seconds": found["seconds"],
        }


def cells(parameters):
    """Cross applications and solvers, but for the slow pairs."""
    return [
        {"application": application, "solver": solver, "maxiter": parameters["maxiter"]}
        for application, solvers in parameters["runs"]
        for solver in solvers
    ]


_FAST = ("block", "exact", "minres", "published-exact", "trust-constr")
_SLOW = ("published-kaczmarz", "published-gaussian-vector")

STUDY = Study(
    name="sketched_newton_applications",
    title="Constrained logistic regression and Poisson control",
    summary=(
        "KKT residual along the Newton steps, from a start of ones: logistic regression on real "
        "data with ten random linear constraints on the unit sphere, and control of Poisson's "
        "equation, which is quadratic. Single vectors and rows, as published, stop at 1e-4."
    ),
    compute=compute,
    cells=cells,
    cost=lambda cell: 20.0 if cell["solver"] in _SLOW else 1.0,
    quick={
        "runs": (
            ("cancer", (*_FAST, "published-kaczmarz")),
            ("digits", _FAST),
            ("control-3", (*_FAST, "published-kaczmarz")),
        ),
        "maxiter": 60,
    },
    full={
        "runs": (
            ("cancer", (*_FAST, *_SLOW)),
            ("digits", (*_FAST, *_SLOW)),
            ("control-3", (*_FAST, *_SLOW)),
            ("control-8", _FAST),
            ("control-16", _FAST),
        ),
        "maxiter": 60,
    },
    quick_seconds=15,
    full_seconds=600,
    data=(DIGITS,),
    timed=True,
)
