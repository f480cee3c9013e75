"""Poisson solvers on a CPU, to 1e-6: ``python -m experiments.bench.deep_directions``.

Run with OPENBLAS_NUM_THREADS=1: the clock counts the CPU time of one thread. Every solver gets
its turn in every round; ratios are of one round. "all" includes the set-up, "solve" does not.
"""

import sys

import numpy as np
import pyamg
import scipy.sparse.linalg

from linalg_ml import cg, deep_conjugate_directions
from linalg_ml.deep_directions import GridPoisson, LearnedMultigrid
from linalg_ml.krylov import ic0

from .side_by_side import compare

RTOL = 1e-6
GRIDS = ((256, 2), (512, 2), (64, 3))
GEOMETRIES = ("empty", "box-dirichlet", "box-neumann", "random-neumann")


def problem(points, dimensions, geometry, seed=0):
    """Return a GridPoisson and a right-hand side with a source and a sink."""
    shape = (points,) * dimensions
    cells = (np.indices(shape) + 0.5) / points
    mask = np.ones(shape, bool)
    if geometry.startswith("box"):
        mask = ~np.all((cells > 3 / 8) & (cells < 5 / 8), axis=0)
    elif geometry.startswith("random"):
        rng = np.random.default_rng(seed)
        for _ in range(6):
            centre, radius = rng.uniform(0.15, 0.85, dimensions), rng.uniform(0.05, 0.12)
            distance = np.sum([(x - c) ** 2 for x, c in zip(cells, centre, strict=True)], axis=0)
            mask &= distance > radius**2
    near, far = (np.sum((cells - c) ** 2, axis=0) for c in (0.25, 0.75))
    b = np.exp(-near / (2 * 0.05**2)) - np.exp(-far / (2 * 0.05**2))
    solids = "neumann" if geometry.endswith("neumann") else "dirichlet"
    return GridPoisson(mask, solids=solids), np.where(mask, b, 0)


def solvers(a, b):
    """Return {name: function} of solvers, each to the same tolerance; the first is ours."""
    matrix, vector = a.tosparse(), b[a.mask]
    amg = pyamg.ruge_stuben_solver(matrix)
    cycle = LearnedMultigrid().prepare(a)
    factor = ic0(matrix)

    def by_amg(hierarchy):
        m = hierarchy.aspreconditioner()
        return scipy.sparse.linalg.cg(matrix, vector, rtol=RTOL, M=m)

    def on_grid(model):
        return lambda: deep_conjugate_directions(
            GridPoisson(a.mask, solids=a.solids), b, model=model, rtol=RTOL
        )

    return {
        "learned multigrid, all": on_grid(LearnedMultigrid()),
        "learned multigrid, solve": lambda: deep_conjugate_directions(a, b, model=cycle, rtol=RTOL),
        "Jacobi multigrid, all": on_grid(LearnedMultigrid("jacobi")),
        "red-black multigrid, all": on_grid(LearnedMultigrid("red-black")),
        "Ruge-Stuben CG, all": lambda: by_amg(pyamg.ruge_stuben_solver(matrix)),
        "Ruge-Stuben CG, solve": lambda: by_amg(amg),
        "SciPy CG": lambda: scipy.sparse.linalg.cg(matrix, vector, rtol=RTOL),
        "IC(0)-CG, solve": lambda: cg(matrix, vector, M=factor, rtol=RTOL),
    }


def check(a, b, run):
    """Return the relative residual of the solution that a solver returns."""
    found = run()
    matrix, vector = a.tosparse(), b[a.mask]
    x = found[0] if isinstance(found, tuple) else found.x
    x = x[a.mask] if x.shape == a.grid else x
    return np.linalg.norm(vector - matrix @ x) / np.linalg.norm(vector)


def main(rounds=3):
    """Print times and what the learned multigrid takes as a fraction of each."""
    chosen = sys.argv[1:]
    for points, dimensions in GRIDS:
        for geometry in GEOMETRIES:
            title = f"{points}^{dimensions} {geometry}"
            if chosen and not any(word in title for word in chosen):
                continue
            a, b = problem(points, dimensions, geometry)
            runs = solvers(a, b)
            print(f"{title}: {a.unknowns} unknowns, to {RTOL:g}")
            for name, run in runs.items():
                assert check(a, b, run) < 1.1 * RTOL, name
            timings = {t.name: t for t in compare(runs, rounds=rounds, seconds=0.02)}
            ours = [timings[f"learned multigrid, {part}"] for part in ("all", "solve")]
            for name, timing in timings.items():
                other = ours[name.endswith("solve")]
                print(
                    f"  {name:26s} {timing.seconds * 1e3:8.1f} ms   learned / this "
                    f"{other.seconds / timing.seconds:6.3f}"
                )


if __name__ == "__main__":
    main()
