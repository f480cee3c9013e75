"""Exact recovery by principal component pursuit: how often, by rank and corruption."""

import numpy as np

from experiments.study import Study, grid
from linalg_ml import robust_pca

RECOVERED = 1e-3


def compute(cell, context):
    """Recover random matrices; an error below 1e-3 counts as success."""
    n, rank = cell["n"], max(1, round(cell["rank_share"] * cell["n"]))
    for trial in context.remaining(range(cell["trials"])):
        rng = context.rng("phase", n, cell["rank_share"], cell["corrupted"], trial)
        low = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, n)) / n
        m = low.copy()
        hit = rng.choice(n * n, round(cell["corrupted"] * n * n), replace=False)
        m.flat[hit] += rng.choice([-1.0, 1.0], hit.size)
        result = robust_pca(m, method="alm", rng=rng)
        error = float(np.linalg.norm(result.x - low) / np.linalg.norm(low))
        yield {"trial": trial, "error": error, "recovered": error < RECOVERED}


STUDY = Study(
    name="rpca_phase",
    title="Where principal component pursuit recovers exactly",
    summary=(
        "Square matrices of a given rank whose entries were changed by +-1 at a given share of "
        "places, at random; the share of trials in which the inexact augmented Lagrangian method "
        "finds the low-rank part to a relative error of 1e-3."
    ),
    compute=compute,
    cells=grid,
    quick={
        "n": 40,
        "rank_share": (0.025, 0.05, 0.1, 0.15, 0.2, 0.25),
        "corrupted": (0.02, 0.06, 0.1, 0.14, 0.18, 0.22, 0.26),
        "trials": 3,
    },
    full={
        "n": 200,
        "rank_share": tuple(round(0.025 * k, 3) for k in range(1, 21)),
        "corrupted": tuple(round(0.025 * k, 3) for k in range(1, 21)),
        "trials": 5,
    },
    quick_seconds=8,
    full_seconds=500,
)
