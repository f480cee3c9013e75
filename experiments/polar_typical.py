"""Five steps on a typical spectrum and on a hard one: what knowing the spectrum is worth."""

import numpy as np

from experiments.study import Study
from linalg_ml import minimax_schedule, orthogonalize, polar
from linalg_ml.metrics import polar_error
from linalg_ml.problems import real_matrix

REAL = "gpt-embedding-gradient-step0"
LISTS = {
    "jordan": "jordan",
    "you": "you",
    "cesista": "cesista",
    "published": "polar-express",
    "newton-schulz": "newton-schulz",
}


def matrix(name, m):
    """Return a wide Gaussian, a square matrix with three decades of singular values, or a gradient.

    The random numbers are those of a table of errors that another implementation has measured:
    NumPy's generator of seed 0, the Gaussian first.
    """
    if name == "gradient":
        return real_matrix(REAL).astype(np.float64)
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((m, 4 * m))
    if name == "gaussian":
        return wide
    left, right = (np.linalg.qr(rng.standard_normal((m, m)))[0] for _ in range(2))
    return left @ np.diag(np.logspace(0, -3, m)) @ right


def compute(cell, context):
    """Measure the error after some steps in both norms."""
    a = matrix(cell["matrix"], cell["m"])
    u, values, vh = np.linalg.svd(a, full_matrices=False)
    method, steps = cell["method"], cell["steps"]
    used = None
    if method == "estimated":
        result = polar(a, steps=steps)
        x, used = result.x, result.rcond
    elif method == "made-for-0.01":
        x = orthogonalize(a, steps=steps, schedule=minimax_schedule(0.01, steps))
    else:
        x = orthogonalize(a, steps=steps, schedule=LISTS[method])
    yield {
        "error": polar_error(x, u @ vh),
        "spectral": np.linalg.norm(x - u @ vh, 2),
        "lower": values[-1] / np.linalg.norm(values),
        "condition": values[0] / values[-1],
        "estimate": used,
    }


STUDY = Study(
    name="polar_typical",
    title="Five steps on typical and on hard singular values",
    summary=(
        "Error of the polar factor after five steps of degree 5, in double precision: on a wide "
        "Gaussian matrix, whose singular values are all alike, on a real gradient, and on a matrix "
        "with singular values over three decades. Lists do not look at the matrix; 'estimated' is "
        "the default of linalg_ml.polar, which estimates the smallest singular value first."
    ),
    compute=compute,
    quick={
        "matrix": ["gaussian", "gradient", "decades"],
        "method": [*LISTS, "made-for-0.01", "estimated"],
        "m": 128,
        "steps": 5,
    },
    full={
        "matrix": ["gaussian", "gradient", "decades"],
        "method": [*LISTS, "made-for-0.01", "estimated"],
        "m": [128, 512],
        "steps": [5, 6, 7],
    },
    quick_seconds=1,
    full_seconds=60,
)
