"""Rates of sketch-and-project, measured and predicted."""

import numpy as np
from scipy.optimize import brentq

from experiments.study import Study
from linalg_ml import sketch_and_project

MATRICES = ("decaying", "outliers")
COLUMNS = 100
POINTS = 20  # of a curve


def matrix(name, context):
    """Return A (100 x 100) with singular values 1/i, or ten of 100 and ninety of 1; and them."""
    rng = context.rng("matrix", name)
    u, v = (np.linalg.qr(rng.standard_normal((COLUMNS, COLUMNS)))[0] for _ in range(2))
    if name == "decaying":
        values = 1 / np.arange(1.0, COLUMNS + 1)
    else:
        values = np.r_[np.full(10, 100.0), np.linspace(1.2, 1.0, COLUMNS - 10)]
    return (u * values) @ v.T, values


def predicted(sketch, block, a, values):
    """Return (rho, what it is, direction): E ||x - x*||^2 falls by at least 1 - rho a step.

    The direction is the eigenvector of E[Z] for rho, or for what stands in for it.
    """
    right = np.linalg.svd(a)[2][-1]
    least = values[-1] ** 2
    if sketch == "kaczmarz":
        return least / np.sum(values**2), "exact", right
    if sketch == "rows":
        mean = np.mean([np.outer(r, r) / (r @ r) for r in a], axis=0)
        lowest, vectors = np.linalg.eigh(mean)
        return lowest[0], "exact", vectors[:, 0]
    squares = values**2
    gamma = brentq(lambda g: np.sum(squares / (squares + g)) - block, 1e-12, 1e12, xtol=1e-300)
    return least / (least + gamma), "surrogate", right


def compute(cell, context):
    """Yield the measured rate of one sketch, then the mean error along the steps."""
    a, values = matrix(cell["matrix"], context)
    sketch, block, draws = cell["sketch"], cell["block"], cell["draws"]
    rho, kind, direction = predicted(sketch, block, a, values)
    # E[x_k] = (1 - rho)^k x_0 along an eigenvector of E[Z]: the mean over many draws shows rho.
    steps = max(1, min(cell["steps"], round(0.5 / rho)))
    components = [
        direction
        @ sketch_and_project(
            a,
            np.zeros(COLUMNS),
            sketch=sketch,
            block=block,
            x0=direction,
            steps=steps,
            rng=context.rng("rate", sketch, block, number),
        ).x
        for number in range(draws)
    ]
    mean = np.mean(components)
    measured = 1 - mean ** (1 / steps)
    spread = np.std(components) / draws**0.5
    yield {
        "kind": "rate",
        "prediction": kind,
        "predicted": rho,
        "measured": measured,
        "measured_over_predicted": measured / rho,
        "deviation": spread / (steps * mean),
        "lower_bound": 2 / np.pi * values[-1] ** 2 / np.sum(values**2)
        if sketch == "gaussian-vector"
        else None,
    }
    start = context.rng("start", cell["matrix"]).standard_normal(COLUMNS)
    start /= np.linalg.norm(start)
    squares, every = [], max(1, cell["vectors"] // (POINTS * block))
    for number in range(cell["runs"]):
        errors = [1.0]
        sketch_and_project(
            a,
            np.zeros(COLUMNS),
            sketch=sketch,
            block=block,
            x0=start,
            rtol=0.0,
            maxiter=every * POINTS,
            check_every=every,
            callback=lambda info, errors=errors: errors.append(float(np.sum(info.x**2))),
            rng=context.rng("run", sketch, block, number),
        )
        squares.append(errors)
    for number, error in enumerate(np.mean(squares, axis=0)):
        step = number * every
        yield {
            "kind": "curve",
            "step": step,
            "row_products": step * block,
            "error": error,
            "bound": (1 - rho) ** step,
        }


def cells(parameters):
    """Cross the matrices with the single-vector sketches and the blocks."""
    fixed = {name: parameters[name] for name in ("steps", "draws", "vectors", "runs")}
    chosen = [("kaczmarz", 1), ("rows", 1), ("gaussian-vector", 1)]
    chosen += [("gaussian", block) for block in parameters["blocks"]]
    return [
        {"matrix": name, "sketch": sketch, "block": block, **fixed}
        for name in MATRICES
        for sketch, block in chosen
    ]


STUDY = Study(
    name="sketching_projection",
    title="Rates of sketch-and-project",
    summary=(
        "Single rows, single Gaussian vectors and Gaussian blocks on a matrix with decaying "
        "singular values and on one with ten large ones: the rate along the slowest direction, "
        "from the mean of many draws, beside the prediction, and the mean squared error along the "
        "steps beside the bound."
    ),
    compute=compute,
    cells=cells,
    cost=lambda cell: 1 + 3 / cell["block"],
    quick={
        "blocks": (2, 5, 10, 15, 20, 40, 60),
        "steps": 100,
        "draws": 25,
        "vectors": 2000,
        "runs": 3,
    },
    full={
        "blocks": (2, 5, 8, 10, 11, 12, 15, 20, 30, 40, 60, 80),
        "steps": 2000,
        "draws": 400,
        "vectors": 5000,
        "runs": 20,
    },
    quick_seconds=15,
    full_seconds=1500,
)
