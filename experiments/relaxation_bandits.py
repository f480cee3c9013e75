"""Learning omega of SOR over a sequence of shifted Laplacians, by every tuner."""

import numpy as np

from experiments.relaxation_tables import GRID, LOW, SIDE, instances, sor_counts, young_omegas
from experiments.study import Study
from linalg_ml.problems import delsq, numgrid
from linalg_ml.relaxation import (
    ChebCB,
    ContextBins,
    TsallisINF,
    UnimodalThompson,
    prepare,
    sor,
)

INTERVAL = LOW, 0.65  # of contexts, as in the authors' code; shifts end at 0.45
SHOWN = (1.0, 1.2, 1.4, 1.6, 1.8)


def tuners(seed):
    """Return the tuners with the settings of the paper's experiments, and ours."""
    arms = range(GRID.size)
    plain = {"rng": seed, "least_cost": 1}
    return {
        "tsallis": TsallisINF(arms, **plain),
        "tsallis-reduced": TsallisINF(arms, estimator="reduced-variance", **plain),
        "tsallis-bins": ContextBins(TsallisINF(arms, **plain), context_range=INTERVAL, bins=5),
        "chebyshev": ChebCB(arms, context_range=INTERVAL, **plain),
        "thompson": UnimodalThompson(arms, rng=seed),
    }


def play(tuner, table, contexts):
    """Return what each system costs the tuner, given what each arm would cost."""
    costs = []
    for row, context in zip(table.astype(float).tolist(), contexts.tolist(), strict=True):
        costs.append(row[tuner.ask(context)])
        tuner.tell(costs[-1])
    return np.array(costs)


def compute(cell, context):
    """Play every trial; yield means and standard errors over them along the sequence."""
    length, trials = cell["length"], cell["trials"]
    costs, tables = {}, []
    laplacian = prepare(delsq(numgrid("S", SIDE + 2)))
    for trial in range(trials):
        seed = 1000 + trial + 10_000 * context.seed
        shifts, sides = instances(cell["distribution"], length, np.random.default_rng(seed))
        own = np.column_stack([young_omegas(shifts), np.full(length, young_omegas(0.0)[0])])
        known = sor_counts(shifts, sides, own)
        tables.append(sor_counts(shifts, sides, GRID))
        trial_costs = {
            "young": known[:, 0],
            "young-unshifted": known[:, 1],
            "grid-minimum": tables[-1].min(axis=1),
            "adaptive": _adaptive(laplacian, shifts, sides),
        }
        for name, tuner in tuners(7 + seed).items():
            trial_costs[name] = play(tuner, tables[-1], shifts)
        for name, values in trial_costs.items():
            costs.setdefault(name, []).append(values)
    means = np.mean([table.mean(axis=0) for table in tables], axis=0)
    best = int(means.argmin())
    omegas = {"best-fixed": GRID[best], "young-unshifted": young_omegas(0.0)[0]}
    for k, omega in enumerate(GRID):
        costs[f"fixed-{omega:.2f}"] = [table[:, k] for table in tables]
        omegas[f"fixed-{omega:.2f}"] = omega
    costs["best-fixed"] = costs[f"fixed-{GRID[best]:.2f}"]
    steps = np.unique(np.geomspace(10, length, 45).round().astype(int))
    floor, shown = np.array(costs["young"]), {f"fixed-{omega:.2f}" for omega in SHOWN}
    for name, values in costs.items():
        curve = not name.startswith("fixed-") or name in shown
        for record in _summary(np.array(values), floor, steps if curve else steps[-1:]):
            yield {"policy": name, "omega": omegas.get(name), **record}


def _adaptive(laplacian, shifts, sides):
    """Return the sweeps of SOR that adapts omega within each solve and remembers nothing."""
    options = {"omega": "adaptive", "rtol": 1e-8, "relative_to": "initial"}
    solves = zip(shifts.tolist(), sides, strict=True)
    return np.array([sor(laplacian.shifted(c), b, **options).nit for c, b in solves])


def _summary(costs, floor, steps):
    """Yield statistics over the trials, which are the rows, after some numbers of systems."""
    trials, length = costs.shape
    sums, floors = costs.cumsum(axis=1, dtype=float), floor.cumsum(axis=1, dtype=float)
    for step in steps:
        mean = sums[:, step - 1] / step
        start = max(step - length // 5, 0)
        before = sums[:, start - 1] if start else np.zeros(trials)
        spread = mean.std(ddof=1) if trials > 1 else 0.0
        yield {
            "step": step,
            "last": step == length,
            "mean": mean.mean(),
            "spread": spread,
            "error": spread / np.sqrt(trials),
            "worst_trial": mean.max(),
            "recent": ((sums[:, step - 1] - before) / (step - start)).mean(),
            "above_young": (sums[:, step - 1] / floors[:, step - 1]).mean(),
        }


STUDY = Study(
    name="relaxation_bandits",
    title="Learning the relaxation parameter of SOR over a sequence of systems",
    summary=(
        "Systems A + c I with the Laplacian of a grid of 10 by 10 points, c = -0.15 + 0.6 Beta, "
        "and truncated Gaussian right-hand sides, solved by SOR to 1e-8 of the initial residual. "
        "Sweeps are tabulated for 20 parameters between 1 and 1.95; each tuner then plays the "
        "sequence. Means, standard deviations and standard errors are over the trials."
    ),
    compute=compute,
    quick={"distribution": ["low", "high"], "length": 1000, "trials": 3},
    full={"distribution": ["low", "high"], "length": 5000, "trials": 40},
    quick_seconds=12,
    full_seconds=600,
)
