"""Completion of tensors with four axes: the square reshaping against the sum of nuclear norms."""

import numpy as np

from experiments.low_rank_tensors import relative_error, tucker
from experiments.study import Study
from linalg_ml.low_rank import complete_tensor

METHODS = {"square": "square", "sum": "horpca-s"}
RANKS = (1, 1, 2, 2)


def compute(cell, context):
    """Complete some tensors from few entries by both norms."""
    size, share = cell["size"], cell["share"]
    for trial in range(cell["trials"]):
        rng = np.random.default_rng([context.seed, size, round(1000 * share), trial])
        low = tucker((size,) * 4, RANKS, rng)
        observed = rng.random(low.shape) < share
        given = np.where(observed, low, 0.0)
        for name, method in METHODS.items():
            result = complete_tensor(
                given, observed, method=method, rtol=cell["rtol"], maxiter=cell["maxiter"]
            )
            error = relative_error(result.x, low)
            yield {
                "method": name,
                "size": size,
                "share": share,
                "trial": trial,
                "error": error,
                "success": float(error <= 1e-2),
                "steps": result.nit,
            }


def cells(parameters):
    """One cell for each size and share."""
    for size in parameters["sizes"]:
        for share in parameters["shares"]:
            rest = {k: parameters[k] for k in ("trials", "rtol", "maxiter")}
            yield {"size": size, "share": share, **rest}


STUDY = Study(
    name="square_deal",
    title="Tensor completion by the square reshaping and by the sum of nuclear norms",
    summary=(
        "Random tensors n x n x n x n of Tucker ranks (1, 1, 2, 2), of which a share of the "
        "entries is observed, completed by the least nuclear norm of the square reshaping and by "
        "the least sum of the nuclear norms of the four unfoldings."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    cost=lambda cell: cell["size"] ** 5.5 * cell["trials"],
    quick={
        "sizes": (6, 8, 10, 12),
        "shares": (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
        "trials": 2,
        "maxiter": 120,
        "rtol": 1e-3,
    },
    full={
        "sizes": (8, 10, 12, 14, 16),
        "shares": (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
        "trials": 3,
        "maxiter": 500,
        "rtol": 1e-3,
    },
    quick_seconds=15,
    full_seconds=160,
)
