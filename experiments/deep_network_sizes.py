"""Iterations of learned directions against the size of the grid."""

from experiments.deep_network_runs import box, counts, right_hand_side, solve
from experiments.study import Study
from linalg_ml import deep_directions

METHODS = ("cg", "multigrid", "linear", "paper-64")
RTOL = 1e-6
CG_PRODUCTS = 9  # multiplications for each cell in a step of CG: stencil, inner products, updates


def cells(parameters):
    """Cross methods, solids and sizes, but leave out what takes too long."""
    return [
        {"method": method, "solids": solids, "dimensions": d, "n": n, "cap": parameters["cap"]}
        for d, largest in parameters["largest"]
        for method in METHODS
        for solids in parameters["solids"]
        for n in parameters["sizes"]
        if n <= (largest["paper-64"] if method == "paper-64" else largest["others"])
    ]


def compute(cell, context):
    """Solve one problem with a normal right-hand side."""
    method, d = cell["method"], cell["dimensions"]
    a = box(cell["n"], cell["solids"], d)
    b = right_hand_side(a, "normal", context.seed)
    name = method if method in ("cg", "multigrid") else f"{method}-{d}d"
    result = solve(a, b, name, rtol=RTOL, maxiter=cell["cap"], history=True)
    radius, products = None, CG_PRODUCTS
    if name != method:
        net = deep_directions.load(name).architecture
        radius, products = net.radius, products + net.products_per_cell
    found = counts(result, b, (1e-4, RTOL))
    yield {
        "radius": radius,
        "products_per_step": None if method == "multigrid" else products,
        "status": result.status.name,
        "iterations_1e-4": found[1e-4],
        "iterations": found[RTOL],
    }


_LARGEST = ((2, {"paper-64": 128, "others": 128}), (3, {"paper-64": 32, "others": 32}))

STUDY = Study(
    name="deep_network_sizes",
    title="Learned directions: iterations against the size of the grid",
    summary=(
        "Poisson problems on N x N and N x N x N cells, empty or with a solid square or cube in "
        "the middle, a normal right-hand side, to a relative residual of 1e-6: CG, the learned "
        "multigrid, and two networks, trained on 32 x 32, 16 x 16 x 16 (the paper's) and "
        "32 x 32 x 32 cells (ours)."
    ),
    compute=compute,
    cells=cells,
    cost=lambda cell: (
        cell["n"] ** (cell["dimensions"] + 1) * (20 if cell["method"] == "paper-64" else 1)
    ),
    quick={
        "largest": _LARGEST,
        "solids": ("none", "neumann", "dirichlet"),
        "sizes": (16, 32, 64, 128),
        "cap": 400,
    },
    full={
        "largest": ((2, {"paper-64": 256, "others": 512}), (3, {"paper-64": 64, "others": 64})),
        "solids": ("none", "neumann", "dirichlet"),
        "sizes": (8, 16, 32, 64, 128, 256, 512),
        "cap": 2000,
    },
    quick_seconds=25,
    full_seconds=1800,
)
