"""Rows of robust PCA of tensors: products in every precision.

Products are rounded, the state is kept in at least fp32.
"""

from dataclasses import dataclass, field

import numpy as np

from experiments.low_rank_tensors import tucker
from experiments.precision_table import NIT, PRODUCTS, STATUS, Family, Metric, Row
from linalg_ml import round_to
from linalg_ml.low_rank import robust_tensor_pca

STORED = {"tf32": "fp32"}
RANKS = {3: (2, 2, 2), 4: (1, 1, 2, 2)}  # by the number of axes
AXES = {"horpca-s": (3,), "horpca-c": (3, 4), "square": (4,)}  # each is good for
LONG = 100


@dataclass(frozen=True)
class TensorProblem:
    """A tensor of low rank with wrong entries, and the part of low rank."""

    t: np.ndarray
    low: np.ndarray
    condition: float
    floors: dict = field(default_factory=dict)

    def describe(self, precision):
        """Return what is known before any solver runs."""
        return {
            "condition": self.condition,
            "rounding_alone": self.floors.get(STORED.get(precision.name, precision.name)),
            "reference_error": 2.0**-52,
        }

    def error(self, x):
        """Return ||X - X_0||_F / ||X_0||_F."""
        return float(np.linalg.norm(x - self.low) / np.linalg.norm(self.low))


def load(parameters, context):
    """Draw a tensor of low Tucker ranks, and change a share of its entries."""
    shape, ranks = (parameters["size"],) * parameters["axes"], RANKS[parameters["axes"]]
    rng = context.rng("robust-tensor", *parameters.values())
    low = tucker(shape, ranks, rng)
    low *= low.size**0.5 / 6
    t = low + (rng.random(shape) < parameters["wrong"]) * rng.uniform(-1, 1, shape)
    s = np.linalg.svd(low.reshape(-1, shape[-1]), compute_uv=False)
    problem = TensorProblem(t, low, float(s[0] / s[ranks[-1] - 1]))
    for target in ("fp32", "fp16", "bf16"):
        problem.floors[target] = problem.error(np.asarray(round_to(low, target), float))
    return problem


def run(method, limits, problem, precision):
    """Split and measure."""
    ranks = RANKS[problem.t.ndim] if method == "horpca-c" else None
    result = robust_tensor_pca(problem.t, method=method, ranks=ranks, precision=precision, **limits)
    return {
        "split_residual": float(result.residual),
        "tensor_error": problem.error(result.x),
        "status": result.status.name,
        "nit": int(result.nit),
        "products": int(result.counts["products"]),
    }


def problems(sizes, wrong, draws=1):
    """List the problems of these sizes and numbers of axes."""
    return [
        {
            "problem": f"tensor-{'x'.join([str(size)] * axes)}-{100 * share:g}%-{draw}",
            "source": "synthetic",
            "rows": size,
            "columns": size ** (axes - 1),
            "size": size,
            "axes": axes,
            "wrong": share,
            "draw": draw,
        }
        for size, axes in sizes
        for share in wrong
        for draw in range(draws)
    ]


FAMILY = Family(
    name="robust-tensor",
    problems={
        "quick": problems(((15, 3), (7, 4)), (0.05,)),
        "full": problems(((15, 3), (30, 3), (7, 4), (10, 4)), (0.05, 0.1), draws=3),
    },
    load=load,
    describe=TensorProblem.describe,
    metrics=(
        Metric("condition", "about", "Largest over smallest singular value of the last unfolding."),
        Metric("split_residual", "check", "The larger of the primal and the dual residual."),
        Metric("tensor_error", "error", "||X - X_0||_F / ||X_0||_F."),
        Metric("rounding_alone", "floor", "Error of X_0 rounded to the format."),
        Metric("reference_error", "about", "Error of the answer known, about."),
        STATUS,
        NIT,
        PRODUCTS,
    ),
)


def _row(name, method, kind="solver", **limits):
    def solve(problem, precision):
        return run(method, limits, problem, precision)

    def applies(parameters):
        return parameters["axes"] in AXES[method]

    return Row(name, FAMILY, solve, kind=kind, applies=applies)


ROWS = [
    *(_row(method, method) for method in AXES),
    _row(f"horpca-s-{LONG}", "horpca-s", "past convergence", rtol=0.0, maxiter=LONG),
]
