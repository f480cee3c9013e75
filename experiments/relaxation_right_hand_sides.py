"""Iterations of SOR against omega for many right-hand sides, and for one that is degenerate."""

import numpy as np

from experiments.relaxation_bounds import SorBounds
from experiments.relaxation_tables import SIDE, sor_counts
from experiments.study import Study
from linalg_ml.problems import delsq, numgrid, truncated_gaussian

PLACE = 1.4  # where the degenerate right-hand side is an eigenvector


def compute(cell, context):
    """Yield statistics over the right-hand sides at each omega."""
    rng = context.rng("right-hand sides")
    sides = [truncated_gaussian(SIDE**2, rng=rng) for _ in range(cell["draws"])]
    vector, value = _degenerate()
    omegas = np.arange(1, 1.9 + cell["step"] / 2, cell["step"])
    counts = sor_counts(np.zeros(len(sides) + 1), np.array([*sides, vector]), omegas)
    drawn, degenerate = counts[:-1], counts[-1]
    for k, omega in enumerate(omegas):
        yield {
            "omega": round(omega, 6),
            "mean": drawn[:, k].mean(),
            "least": drawn[:, k].min(),
            "most": drawn[:, k].max(),
            "band": drawn[:, k].max() / drawn[:, k].min(),
            "degenerate": degenerate[k],
            "degenerate_over_mean": degenerate[k] / drawn[:, k].mean(),
            "eigenvalue": value,
        }


def _degenerate():
    """Return the eigenvector of least real eigenvalue of the residual's iteration, and that."""
    bounds = SorBounds(delsq(numgrid("S", SIDE + 2)).toarray())
    w = np.diag(bounds.diagonal / PLACE) + bounds.lower
    c = np.eye(len(w)) - np.linalg.solve(w.T, bounds.a.T).T
    values, vectors = np.linalg.eig(c)
    real = np.flatnonzero(np.abs(values.imag) < 1e-12)
    least = real[np.abs(values[real]).argmin()]
    return vectors[:, least].real, float(values[least].real)


STUDY = Study(
    name="relaxation_right_hand_sides",
    title="How much the right-hand side matters to SOR",
    summary=(
        "Iterations of SOR on the Laplacian of a grid of 10 by 10 points, to 1e-8 of the initial "
        "residual, for truncated Gaussian right-hand sides and for an eigenvector of the iteration "
        "with omega = 1.4."
    ),
    compute=compute,
    quick={"draws": 40, "step": 0.005},
    full={"draws": 40, "step": 0.001},
    quick_seconds=4,
    full_seconds=10,
)
