"""Error of trace estimators against the products they spend."""

import math

import numpy as np

from experiments.study import Study
from linalg_ml import estimate_trace
from linalg_ml.problems import real_matrix

METHODS = ("hutchinson", "hutch++", "xtrace", "xnystrace")
GRADIENT = "gpt-block0-up-gradient-step0"


def spectrum(name, n):
    """Return the eigenvalues of a synthetic matrix."""
    i = np.arange(1.0, n + 1)
    return {"linear": np.linspace(3, 1, n), "power": i**-2, "geometric": 0.7**i}[name]


def matrix(name, n, context):
    """Return a symmetric positive semidefinite matrix: synthetic, or the Gram one of a gradient."""
    if name == "gradient":
        g = real_matrix(GRADIENT).astype(np.float64)
        return g @ g.T if len(g) <= g.shape[1] else g.T @ g
    turn, _ = np.linalg.qr(context.rng("turn", n).standard_normal((n, n)))
    return (turn * spectrum(name, n)) @ turn.T


def compute(cell, context):
    """Yield the errors of each number of products over the seeds, and those claimed."""
    a = matrix(cell["spectrum"], cell["n"], context)
    trace = np.trace(a)
    for products in context.remaining([int(p) for p in cell["products"].split()]):
        results = [
            estimate_trace(
                a, products=products, method=cell["method"], rng=1000 * context.seed + seed
            )
            for seed in range(cell["seeds"])
        ]
        errors = np.array([abs(float(r.x) / trace - 1) for r in results])
        claimed = [float(r.standard_error) / trace for r in results]
        spread = np.sqrt(np.mean(errors**2))
        claims = np.sqrt(np.mean(np.square(claimed)))
        yield {
            "used": products,
            "order": len(a),
            "error": errors.mean(),
            "worst": errors.max(),
            "root_mean_square": spread,
            "claimed": claims,
            "claimed_over_true": claims / spread if spread else math.nan,  # exact
            "above_rounding": bool(spread > len(a) * np.finfo(float).eps),
        }


STUDY = Study(
    name="sketching_traces",
    title="Trace estimators: error against products",
    summary=(
        "Mean relative error over the seeds for symmetric matrices with linearly, algebraically "
        "and geometrically decaying eigenvalues, and for the Gram matrix of a gradient of a GPT. "
        "Beside it the standard error that each estimator claims."
    ),
    compute=compute,
    quick={
        "method": METHODS,
        "spectrum": ("linear", "power", "geometric", "gradient"),
        "n": 500,
        "products": "12 20 30 45 60 90 120",
        "seeds": 20,
    },
    full={
        "method": METHODS,
        "spectrum": ("linear", "power", "geometric", "gradient"),
        "n": 2000,
        "products": "12 20 30 45 60 90 120 180 240 360",
        "seeds": 100,
    },
    quick_seconds=15,
    full_seconds=900,
)
