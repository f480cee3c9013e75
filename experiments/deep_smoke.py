"""A plume of smoke around obstacles, its pressure solved by the learned multigrid and by rivals."""

import time
from importlib.util import find_spec

import numpy as np

from experiments.smoke import Smoke, obstacles
from experiments.study import Study
from linalg_ml import cg, deep_conjugate_directions
from linalg_ml.deep_directions import LearnedMultigrid
from linalg_ml.krylov import ic0

RTOL = 1e-6
FRAMES = 4


def solvers(a):
    """Return {name: (make, solve)}: ``solve(made, b, x0)`` returns a Result."""
    matrix, mask = a.tosparse(), a.mask

    def rival(make):
        return make, lambda m, b, x0: cg(matrix, b[mask], x0=x0[mask], M=m, rtol=RTOL)

    table = {
        "learned": (
            lambda: LearnedMultigrid().prepare(a),
            lambda m, b, x0: deep_conjugate_directions(a, b, model=m, x0=x0, rtol=RTOL),
        ),
        "cg": rival(lambda: None),
        "ic0": rival(lambda: ic0(matrix)),
    }
    if find_spec("pyamg") is not None:
        from pyamg import ruge_stuben_solver

        table["amg"] = rival(lambda: ruge_stuben_solver(matrix).aspreconditioner())
    return table


def compute(cell, context):
    """Make all the steps with the learned multigrid; let the rivals solve some of the systems."""
    shape = (cell["rows"], cell["columns"])
    smoke = Smoke(obstacles(shape), context.rng("noise"))
    table, made, setup = solvers(smoke.poisson), {}, {}
    for name, (make, solve) in table.items():
        solve(make(), smoke.poisson.restrict(np.ones(shape)), np.zeros(shape))  # compiles
        start = time.thread_time()
        made[name] = make()
        setup[name] = time.thread_time() - start
    frames = {round(cell["steps"] * (k + 1) / FRAMES) for k in range(FRAMES)}
    for step in range(1, cell["steps"] + 1):
        flow = -smoke.forces()
        before = smoke.pressure
        for name, (_, solve) in table.items():
            if name != "learned" and step % cell["every"]:
                continue
            start = time.thread_time()
            result = solve(made[name], flow, before)
            seconds = time.thread_time() - start
            assert result.converged, (name, step)
            yield {"kind": "solve", "solver": name, "step": step, "iterations": result.nit,
                   "seconds": seconds, "setup": setup[name]}  # fmt: skip
            if name == "learned":
                pressure = result.x
        smoke.project(pressure)
        if step % cell["every"] == 0:
            left = np.linalg.norm(smoke.divergence()) / np.linalg.norm(flow)
            yield {"kind": "divergence", "step": step, "left": left}
        smoke.transport()
        if step in frames:
            yield from _picture(smoke, step)


def _picture(smoke, step):
    """Yield the rows of the density, two hexadecimal digits a cell, "--" in solids."""
    levels = np.clip(np.round(255 * smoke.density), 0, 255).astype(int)
    for row, (values, cells) in enumerate(zip(levels, smoke.mask, strict=True)):
        text = "".join(
            f"{v:02x}" if is_open else "--" for v, is_open in zip(values, cells, strict=True)
        )
        yield {"kind": "picture", "step": step, "row": row, "cells": text}


STUDY = Study(
    name="deep_smoke",
    title="Smoke around obstacles: one pressure solve a step",
    summary=(
        "Buoyant smoke rises in a channel with discs and a bar in its way. In each step the "
        "pressure makes the flow free of divergence: a Poisson problem with Neumann obstacles, to "
        "1e-6, "
        "from the pressure before. All steps are made with the learned multigrid; CG, IC(0)-CG and "
        "AMG-CG (pyamg's Ruge-Stuben, where it is installed) solve every so many of the same "
        "systems. Iterations and processor time; every solver is set up once for all the steps."
    ),
    compute=compute,
    quick={"rows": 192, "columns": 128, "steps": 240, "every": 20},
    full={"rows": 768, "columns": 512, "steps": 900, "every": 20},
    quick_seconds=18,
    full_seconds=1200,
    timed=True,
)
