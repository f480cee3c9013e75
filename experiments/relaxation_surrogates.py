"""Iterations of SOR against omega, and what bounds and surrogates make of them."""

import numpy as np

from experiments.relaxation_bounds import SorBounds
from experiments.relaxation_tables import LOW, SIDE, instances, sor_counts
from experiments.study import Study
from linalg_ml.problems import delsq, numgrid, truncated_gaussian

HIGH = 0.45


def cells(parameters):
    """One system; many systems of both distributions; tau and beta against the shift."""
    step = parameters["step"]
    yield {"panel": "single", "step": 0.01}
    for distribution in ("low", "high"):
        count = parameters["instances"]
        yield {"panel": "instances", "distribution": distribution, "instances": count, "step": step}
    yield {"panel": "shifts", "shifts": parameters["shifts"], "step": step}


def compute(cell, context):
    """Return the records of one panel."""
    omegas = np.arange(1, 1.995, cell["step"])
    if cell["panel"] == "single":
        return _single(omegas, truncated_gaussian(SIDE**2, rng=context.seed))
    if cell["panel"] == "instances":
        rng = context.rng("surrogates", cell["distribution"])
        return _instances(omegas, *instances(cell["distribution"], cell["instances"], rng))
    return _shifts(omegas, cell["shifts"], truncated_gaussian(SIDE**2, rng=context.seed))


def _system(c, b, omegas):
    """Return the bounds, the parameters with the best one among them, and their counts."""
    bounds = SorBounds(delsq(numgrid("S", SIDE + 2)).toarray() + c * np.eye(SIDE**2))
    omegas = np.sort(np.append(omegas, bounds.omega))
    return bounds, omegas, sor_counts([c], b[None], omegas)[0]


def _single(omegas, b):
    """Yield everything about one system."""
    bounds, omegas, counts = _system(0.0, b, omegas)
    excess, tau = bounds.tau(omegas, counts)
    for omega, count, e in zip(omegas, counts, excess, strict=True):
        near = bounds.near_asymptotic(omega, tau)
        yield {
            "omega": omega,
            "best_omega": bounds.omega,
            "actual": count,
            "asymptotic": bounds.asymptotic(omega),
            "asymptotic_over_actual": bounds.asymptotic(omega) / count,
            "near": near,
            "near_over_actual": near / count,
            "energy_paper": bounds.energy_estimate(omega, corrected=False),
            "energy": bounds.energy_estimate(omega, corrected=True),
            "paper_over_norm": bounds.energy_norm(omega, False) / bounds.true_energy_norm(omega),
            "bound_over_norm": bounds.energy_norm(omega, True) / bounds.true_energy_norm(omega),
            "rho": bounds.rho(omega),
            "excess": e,
            "tau": tau,
            "allowed": tau * (1 - bounds.rho(omega)),
        }


def _instances(omegas, shifts, sides):
    """Yield means over the systems, at each omega and at the best for each system."""
    actual, near, best_actual, best_near = [], [], [], []
    for c, b in zip(shifts, sides, strict=True):
        bounds, own, counts = _system(c, b, omegas)
        _, tau = bounds.tau(own, counts)
        best = int(np.searchsorted(own, bounds.omega))
        best_actual.append(counts[best])
        best_near.append(bounds.near_asymptotic(bounds.omega, tau))
        actual.append(np.delete(counts, best))
        near.append([bounds.near_asymptotic(omega, tau) for omega in omegas])
    optimal = {"optimal_actual": np.mean(best_actual), "optimal_near": np.mean(best_near)}
    for k, omega in enumerate(omegas):
        at, bound = np.array(actual)[:, k], np.array(near)[:, k]
        yield {
            "omega": omega,
            "actual": at.mean(),
            "over_optimal": at.mean() / np.mean(best_actual),
            "actual_spread": at.std(ddof=1),
            "near": bound.mean(),
            "near_over_actual": (bound / at).min(),
            **optimal,
        }


def _shifts(omegas, number, b):
    """Yield tau and the Jacobi radius of each shift."""
    for c in np.linspace(LOW, HIGH, number):
        bounds, own, counts = _system(c, b, omegas)
        yield {"shift": c, "tau": bounds.tau(own, counts)[1], "beta": bounds.radius,
               "beta_squared": bounds.radius**2, "best_omega": bounds.omega}  # fmt: skip


STUDY = Study(
    name="relaxation_surrogates",
    title="Iterations of SOR against omega, and the functions that stand for them",
    summary=(
        "SOR on the Laplacian of a grid of 10 by 10 points and on shifted ones, to 1e-8 of the "
        "initial residual, against the estimate from the spectral radius, the near-asymptotic "
        "surrogate with the least tau, and bounds from the energy norm: the paper's, and a "
        "corrected one."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    cost=lambda cell: {"single": 1, "instances": 2, "shifts": 2}[cell["panel"]],
    quick={"instances": 10, "shifts": 13, "step": 0.03},
    full={"instances": 40, "shifts": 97, "step": 0.01},
    quick_seconds=8,
    full_seconds=130,
)
