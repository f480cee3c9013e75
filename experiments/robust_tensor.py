"""Which tensors robust PCA recovers, by the share of wrong entries and by the rank."""

import numpy as np

from experiments.low_rank_tensors import relative_error, tucker
from experiments.study import Study
from linalg_ml.low_rank import robust_pca, robust_tensor_pca

METHODS = ("matrix", "horpca-s", "horpca-c")


def compute(cell, context):
    """Recover some tensors by each method."""
    size, rank, share = cell["size"], cell["rank"], cell["share"]
    for trial in range(cell["trials"]):
        rng = np.random.default_rng([context.seed, size, rank, round(1000 * share), trial])
        low = tucker((size,) * 3, (rank,) * 3, rng)
        low *= size**1.5 / 6  # so that the entries are of the size 1/6
        wrong = rng.random(low.shape) < share
        given = low + wrong * rng.uniform(-1, 1, low.shape)
        for method in METHODS:
            x, steps = recover(given, method, rank, cell["maxiter"])
            error = relative_error(x, low)
            yield {
                "method": method,
                "size": size,
                "rank": rank,
                "share": share,
                "trial": trial,
                "error": error,
                "success": float(error <= 1e-2),
                "steps": steps,
            }


def recover(given, method, rank, maxiter):
    """Return the low-rank part and the steps made."""
    limits = {"rtol": 1e-4, "maxiter": maxiter}
    if method == "matrix":
        matrix = given.reshape(given.shape[0], -1)
        result = robust_pca(matrix, method="alm")
        return result.x.reshape(given.shape), result.nit
    ranks = rank if method == "horpca-c" else None
    result = robust_tensor_pca(given, method=method, ranks=ranks, **limits)
    return result.x, result.nit


def cells(parameters):
    """One cell for each rank and share of wrong entries."""
    for rank in parameters["ranks"]:
        for share in parameters["shares"]:
            rest = {k: parameters[k] for k in ("size", "trials", "maxiter")}
            yield {"rank": rank, "share": share, **rest}


STUDY = Study(
    name="robust_tensor",
    title="Robust PCA of tensors: recovery against wrong entries and rank",
    summary=(
        "Random tensors with three axes and equal Tucker ranks, a share of the entries wrong, "
        "split by principal component pursuit of one unfolding, by the sum of nuclear norms "
        "(HoRPCA-S) and with the ranks known (HoRPCA-C)."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    cost=lambda cell: cell["size"] ** 4.0 * cell["trials"],
    quick={
        "size": 16,
        "ranks": (1, 2, 3, 4, 6),
        "shares": (0.05, 0.1, 0.2, 0.3, 0.4),
        "trials": 1,
        "maxiter": 300,
    },
    full={
        "size": 30,
        "ranks": (1, 2, 3, 4, 6, 8, 10, 12, 15),
        "shares": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5),
        "trials": 3,
        "maxiter": 1000,
    },
    quick_seconds=15,
    full_seconds=400,
)
