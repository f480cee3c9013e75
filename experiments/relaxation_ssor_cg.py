"""Steps of CG with SSOR against omega, and the surrogate from Axelsson's bound."""

import numpy as np

from experiments.relaxation_bounds import LEFT, SsorCgBounds
from experiments.relaxation_tables import EPS
from experiments.study import Study
from linalg_ml.problems import delsq, numgrid, truncated_gaussian
from linalg_ml.relaxation import prepare, ssor_cg


def compute(cell, context):
    """Yield the steps and the surrogate at each omega."""
    a = delsq(numgrid(cell["domain"], cell["size"]))
    b = truncated_gaussian(a.shape[0], rng=context.seed)
    bounds = SsorCgBounds(a.toarray() + cell["offset"] * np.eye(a.shape[0]))
    prepared = prepare(a).shifted(cell["offset"])
    omegas = np.linspace(LEFT, 1.9, cell["omegas"])
    counts = [ssor_cg(prepared, b, omega=omega, rtol=EPS).nit for omega in omegas]
    at_bound = ssor_cg(prepared, b, omega=bounds.omega, rtol=EPS).nit
    free = [bounds.steps(omega) for omega in omegas]  # with tau = 1
    tau = max((k - 1) / (u - 1) for k, u in zip(counts, free, strict=True))
    for omega, count, u in zip(omegas, counts, free, strict=True):
        yield {
            "omega": omega,
            "actual": count,
            "surrogate": 1 + tau * (u - 1),
            "condition_bound": bounds.bound(omega),
            "tau": tau,
            "mu": bounds.mu,
            "nu": bounds.nu,
            "best_of_bound": bounds.omega,
            "over_least": count / min(counts),
            "bound_over_least": at_bound / min(counts),
        }


STUDY = Study(
    name="relaxation_ssor_cg",
    title="Steps of CG with SSOR against omega, and a surrogate for them",
    summary=(
        "Conjugate gradients with the SSOR preconditioner on the Laplacian of a square and of an "
        "L, with and without a multiple of the identity, to 1e-8 of the right-hand side, a "
        "truncated Gaussian; and 1 + tau (U - 1) with the least tau that makes it a bound."
    ),
    compute=compute,
    quick={"domain": ["L", "S"], "size": [12, 32], "offset": [0.0, 0.5], "omegas": 34},
    full={"domain": ["L", "S"], "size": [12, 32], "offset": [0.0, 0.5], "omegas": 100},
    quick_seconds=5,
    full_seconds=8,
)
