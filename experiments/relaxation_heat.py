"""Time steps of the heat equation by CG with SSOR, omega learned on the way."""

import time

import numpy as np

from experiments.relaxation_tables import EPS
from experiments.study import Study
from linalg_ml import cg
from linalg_ml.problems import HeatEquation, delsq, numgrid
from linalg_ml.relaxation import (
    ChebCB,
    ContextBins,
    Fixed,
    TsallisINF,
    UnimodalThompson,
    prepare,
    ssor_cg,
)

BINS, WINDOW = 6, 25
BESIDE = 25  # every so many steps CG is timed beside the tuner
SHOWN = ("tsallis", "chebyshev")  # whose choices are recorded
FIXED = {"omega-1": 1.0, "omega-1.5": 1.5}


def learners(arms, context_range, seed):
    """Return the tuners; all but the first know the diffusion coefficient."""
    plain = {"rng": seed, "least_cost": 1}
    bins = {"context_range": context_range, "bins": BINS}
    return {
        "tsallis": TsallisINF(arms, **plain),
        "tsallis-bins": ContextBins(TsallisINF(arms, **plain), **bins),
        "thompson-bins": ContextBins(UnimodalThompson(arms, rng=seed), **bins),
        "chebyshev": ChebCB(arms, context_range=context_range, **plain),
    }


LEARNERS = tuple(learners([1.0, 1.5], (0.0, 1.0), 0))


def cells(parameters):
    """One cell for each size and policy, and for every seed of those that learn."""
    for side, stride, seeds in parameters["sizes"]:
        size = {"side": side, "stride": stride}
        size |= {k: parameters[k] for k in ("steps", "arms", "highest")}
        for run in ("none", *FIXED, "best-fixed"):
            yield {**size, "run": run, "seed": 0}
        for run in LEARNERS:
            for seed in range(seeds):
                yield {**size, "run": run, "seed": seed}


def compute(cell, context):
    """Make all the steps with one policy; for the best fixed omega, tabulate all of them first."""
    heat = _Heat(cell["side"], cell["steps"])
    arms = np.linspace(1, cell["highest"], cell["arms"])
    name, stride = cell["run"], cell["stride"]
    about = {"kind": "total", "unknowns": heat.equation.start.size}

    def policy(equation):
        if name in LEARNERS:
            seed = 100 * context.seed + cell["seed"]
            return learners(arms, equation.context_range, seed)[name]
        return None if name == "none" else Fixed(FIXED.get(name, arms[0]))

    _Heat(8, 50).run(policy(heat.equation))  # so that no compiling is timed
    tuner = policy(heat.equation)
    if name == "best-fixed":
        table = heat.table(arms, stride)
        tuner = Fixed(arms[table.sum(axis=0).argmin()])
        total = stride * table.min(axis=1).sum()
        yield {**about, "policy": "grid-minimum", "iterations": total}
        if stride <= WINDOW // 5:
            yield from _contour(heat, arms, table, stride)
    run = heat.run(tuner)
    yield {
        **about,
        "policy": name,
        "omega": tuner.arms[0] if isinstance(tuner, Fixed) else None,
        "iterations": sum(run["iterations"]),
        "seconds": run["seconds"],
        "over_plain": run["over_plain"],
        "choosing": run["choosing"] / run["seconds"],
        "norm": run["norm"],
    }
    if name in SHOWN and not cell["seed"]:
        yield from _choices(name, run["omegas"])


class _Heat:
    """The equation, and its matrix without time: A / s is that plus I / s."""

    def __init__(self, side, steps):
        # Steps of 1/1000 as in the paper, so fewer steps reach less far.
        self.equation = HeatEquation(side, steps=steps, end=steps / 1000)
        self.minus_laplacian = delsq(numgrid("S", side + 1)) * side**2
        self.prepared = prepare(self.minus_laplacian)

    def right_hand_side(self, step, u):
        """Return (I + s L) u + dt f, and s = kappa dt / 2, without making a matrix."""
        middle = (step + 0.5) / 1000
        s = self.equation.kappa(middle) / 2000
        return u - s * (self.minus_laplacian @ u) + self.equation.source(middle) / 1000, s

    def solve(self, b, s, u, omega):
        """Solve one system, divided by s, with SSOR-CG."""
        return ssor_cg(self.prepared.shifted(1 / s), b / s, omega=omega, x0=u, rtol=EPS)

    def run(self, tuner):
        """Make all the steps, with CG if there is no tuner.

        Processor time is that of choosing, of preparing the preconditioner and of solving; not
        that of making the system. ``over_plain`` compares it with that of CG on the same systems,
        which every 25th step solves as well.
        """
        u, iterations, omegas, choosing, seconds = self.equation.start, [], [], 0.0, 0.0
        beside = np.zeros(2)
        for step in range(self.equation.steps):
            b, s = self.right_hand_side(step, u)
            plain = self.plain(step, b, u) if tuner is None or step % BESIDE == 0 else None
            start = time.process_time()
            if tuner is None:
                result = plain()
            else:
                omega = tuner.ask(self.equation.kappa(step / 1000))
                asked = time.process_time()
                result = self.solve(b, s, u, omega)
                solved = time.process_time()
                tuner.tell(result.nit)
                choosing += asked - start + time.process_time() - solved
                omegas.append(omega)
            spent = time.process_time() - start
            if plain and tuner is not None:
                start = time.process_time()
                plain()
                beside += spent, time.process_time() - start
            seconds += spent
            iterations.append(result.nit)
            u = result.x
        return {"iterations": iterations, "omegas": omegas, "seconds": seconds,
                "choosing": choosing, "norm": np.linalg.norm(u),
                "over_plain": beside[0] / beside[1] if beside[1] else 1.0}  # fmt: skip

    def plain(self, step, b, u):
        """Return the solution of one system by CG as a function."""
        a = self.equation.matrix((step + 0.5) / 1000)
        return lambda: cg(a, b, x0=u, rtol=EPS)

    def table(self, arms, stride):
        """Return the iterations of each arm at every stride-th step of one trajectory."""
        u, rows = self.equation.start, []
        for step in range(self.equation.steps):
            b, s = self.right_hand_side(step, u)
            if step % stride == 0:
                rows.append([self.solve(b, s, u, arm).nit for arm in arms])
                best = arms[int(np.argmin(rows[-1]))]
            u = self.solve(b, s, u, best).x
        return np.array(rows)


def _contour(heat, arms, table, stride):
    """Yield the mean iterations of each arm in each window of time, and the coefficient."""
    length = WINDOW // stride
    for first in range(0, len(table), length):
        rows = table[first : first + length]
        middle = (first + len(rows) / 2) * stride / 1000
        about = {"kind": "contour", "time": middle, "kappa": heat.equation.kappa(middle)}
        for arm, mean in zip(arms, rows.mean(axis=0), strict=True):
            yield {**about, "omega": arm, "iterations": mean}
        # The middle of the parameters that are as good as the best, which are neighbours.
        best = [arms[row == row.min()].mean() for row in rows]
        yield {"kind": "choice", "policy": "grid-minimum", "time": middle,
               "omega": np.mean(best), "spread": np.std(best)}  # fmt: skip


def _choices(name, omegas):
    for first in range(0, len(omegas), WINDOW):
        part = omegas[first : first + WINDOW]
        yield {"kind": "choice", "policy": name, "time": (first + len(part) / 2) / 1000,
               "omega": np.mean(part), "spread": np.std(part)}  # fmt: skip


STUDY = Study(
    name="relaxation_heat",
    title="Learning omega of CG with SSOR over the steps of a heat equation",
    summary=(
        "Crank-Nicolson steps of the heat equation with a diffusion coefficient between 0 and 10 "
        "that changes with time, from the solution before, to 1e-8 of the right-hand side. Total "
        "iterations and processor time of CG, of CG with SSOR for fixed and for learned "
        "parameters, and what the best parameter of the grid for each step would have cost. Every "
        "25th system is solved by CG as well, to compare times within one run."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    cost=lambda cell: cell["side"] ** 2.7 * (2 if cell["run"] in ("none", "best-fixed") else 1),
    quick={"sizes": ((25, 1, 1), (40, 5, 1)), "steps": 1000, "arms": 10, "highest": 1.9},
    full={
        "sizes": ((25, 1, 3), (50, 1, 3), (100, 5, 3), (200, 50, 1), (400, 100, 1)),
        "steps": 5000,
        "arms": 20,
        "highest": 1.95,
    },
    quick_seconds=15,
    full_seconds=18000,
    timed=True,
)
