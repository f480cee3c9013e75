"""Solvers of Poisson problems around obstacles side by side: iterations and processor time."""

import time
from importlib.util import find_spec

import numpy as np

from experiments.study import Study
from linalg_ml import cg, deep_conjugate_directions, deflated_cg
from linalg_ml.deep_directions import GridPoisson, LearnedMultigrid, load
from linalg_ml.krylov import ic0, jacobi

RTOL = 1e-8
POINTS_OF_A_CURVE = 60
NETWORK_UP_TO = 64  # cells along a side
MULTIGRIDS = {
    "geometric": LearnedMultigrid("jacobi"),
    "red-black": LearnedMultigrid("red-black"),
    "learned": LearnedMultigrid(),
    "learned-masks": LearnedMultigrid(coarsening="masks"),
}


def poisson(points, dimensions, geometry):
    """Return a cube of cells, with a box of a quarter of its side within it, and a dipole."""
    cells = (np.indices((points,) * dimensions) + 0.5) / points
    mask = np.ones(cells.shape[1:], bool)
    if geometry != "empty":
        mask = ~np.all((cells > 3 / 8) & (cells < 5 / 8), axis=0)
    near, far = (np.sum((cells - c) ** 2, axis=0) for c in (0.25, 0.75))
    b = np.exp(-near / (2 * 0.05**2)) - np.exp(-far / (2 * 0.05**2))
    solids = "neumann" if geometry == "box-neumann" else "dirichlet"
    return GridPoisson(mask, solids=solids), b * mask


def solvers(a, b):
    """Return {name: (make, solve)}: ``solve(make(), **options)`` returns a Result."""
    matrix, vector = a.tosparse(), b[a.mask]

    def on_matrix(make):
        return make, lambda m, **options: cg(matrix, vector, M=m, **options)

    def on_grid(model):
        return (
            lambda: model.prepare(a),
            lambda cycle, **options: deep_conjugate_directions(a, b, model=cycle, **options),
        )

    table = {
        "cg": on_matrix(lambda: None),
        "deflated": (
            lambda: jacobi(matrix),
            lambda m, **options: deflated_cg(matrix, vector, subspace=16, M=m, **options),
        ),
        "ic0": on_matrix(lambda: ic0(matrix)),
        **{name: on_grid(model) for name, model in MULTIGRIDS.items()},
    }
    if a.dimensions == 2 and max(a.grid) <= NETWORK_UP_TO:
        table["network"] = on_grid(load("paper-64-2d"))
    if find_spec("pyamg") is not None:
        from pyamg import ruge_stuben_solver

        table["amg"] = on_matrix(lambda: ruge_stuben_solver(matrix).aspreconditioner())
    return table


def compute(cell, context):
    """Solve one problem with every solver; yield each curve, and the counts and times."""
    a, b = poisson(cell["points"], cell["dimensions"], cell["geometry"])
    size = np.linalg.norm(b)
    for name, (make, solve) in solvers(a, b).items():
        solve(make(), steps=4)  # compiles, where there is something to compile
        start = time.thread_time()
        made = make()
        middle = time.thread_time()
        result = solve(made, rtol=RTOL)
        end = time.thread_time()
        followed = solve(make(), rtol=RTOL, history=True)
        assert followed.converged and followed.nit == result.nit, name
        residuals = np.array([entry["residual"] for entry in followed.history]) / size
        setup, each = middle - start, (end - middle) / result.nit
        total = {"kind": "total", "solver": name, "setup": setup, "seconds": end - start}
        for digits in (4, 6, 8):
            total[f"to_{digits}"] = int(np.argmax(residuals <= 10.0**-digits))
        yield {**total, "seconds_to_6": setup + each * total["to_6"], "unknowns": a.unknowns}
        for k in _chosen(len(residuals)):
            point = {"nit": k, "residual": residuals[k], "milliseconds": 1e3 * (setup + k * each)}
            yield {"kind": "curve", "solver": name, **point}


def _chosen(length):
    return np.unique(np.linspace(0, length - 1, POINTS_OF_A_CURVE).round().astype(int)).tolist()


def cells(parameters):
    """Cross the grids with the geometries."""
    for points, dimensions in parameters["grids"]:
        for geometry in parameters["geometries"]:
            yield {"points": points, "dimensions": dimensions, "geometry": geometry}


STUDY = Study(
    name="deep_rivals",
    title="Poisson solvers around obstacles, side by side",
    summary=(
        "A dipole on a square or cube of cells, empty or with a box inside, to 1e-8: conjugate "
        "gradients, deflated by 16 Ritz vectors, preconditioned by IC(0), by algebraic multigrid "
        "(pyamg's Ruge-Stuben, where it is installed), by geometric multigrid with damped Jacobi "
        "or red-black Gauss-Seidel, by the learned multigrid, and on small grids by the network of "
        "the paper. Iterations, and processor time of set-up and solution."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    cost=lambda cell: cell["points"] ** (cell["dimensions"] + 1),
    quick={
        "grids": ((32, 2), (64, 2), (128, 2), (256, 2), (32, 3)),
        "geometries": ("box-neumann",),
    },
    full={
        "grids": ((32, 2), (64, 2), (128, 2), (256, 2), (512, 2), (16, 3), (32, 3), (64, 3)),
        "geometries": ("empty", "box-dirichlet", "box-neumann"),
    },
    quick_seconds=15,
    full_seconds=300,
    timed=True,
)
