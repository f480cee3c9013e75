"""The convergence example of the paper's own repository, as it stands there."""

import numpy as np

from experiments.polar_methods import method_schedule
from experiments.study import Study
from linalg_ml import minimax_schedule
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions.iteration import apply_polynomial


def compute(cell, context):
    """Run all trials of one method.

    The random numbers are the example's, from its own seed and in its order, and not the
    context's: the figure is to be the same one.
    """
    n, steps, lower = cell["n"], cell["steps"], 1.0 / cell["condition"]
    if cell["method"] == "repository":
        rows = minimax_schedule(lower, steps, safety=0.01, cushion=0.02)
    else:
        rows = method_schedule(cell["method"], lower, steps)
    rng = np.random.default_rng(cell["seed_of_example"])
    for trial in range(cell["trials"]):
        u, _ = np.linalg.qr(rng.standard_normal((n, n)))
        v, _ = np.linalg.qr(rng.standard_normal((n, n)))
        g = (u * np.exp(np.linspace(np.log(lower), 0.0, n))) @ v.T
        x = g / np.linalg.norm(g, 2)
        arithmetic = Arithmetic("fp64", x)
        for step in range(steps + 1):
            if step:
                x = apply_polynomial(x, rows.coefficients[step - 1], arithmetic)
            error = np.linalg.norm(x.T @ x - np.eye(n))
            size = np.linalg.norm(x) / np.sqrt(n)  # the root mean square of the singular values
            yield {"trial": trial, "step": step, "orthogonality": error, "size": size}


STUDY = Study(
    name="polar_repository_example",
    title="The convergence example of the Polar Express repository",
    summary=(
        "Orthogonality error ||X'X - I||_F of square matrices with singular values evenly spaced "
        "on a logarithmic scale, divided by the largest: Newton-Schulz of degree 3 against the "
        "composition of degree 5 with safety 0.01 and cushion 0.02, made for the condition number."
    ),
    compute=compute,
    quick={
        "condition": [1e2, 1e3, 1e4],
        "method": ["newton-schulz-3", "repository"],
        "n": 64,
        "steps": 12,
        "trials": 5,
        "seed_of_example": 42,
    },
    full={
        "condition": [1e2, 1e3, 1e4],
        "method": ["newton-schulz-3", "repository"],
        "n": [64, 512],
        "steps": 12,
        "trials": 5,
        "seed_of_example": 42,
    },
    quick_seconds=1,
    full_seconds=20,
)
