"""Which method for the polar decomposition wins on which shape, condition number and precision."""

import time
import warnings

import numpy as np

from experiments.study import Study
from linalg_ml import polar
from linalg_ml._core.precision import UNIT_ROUNDOFF
from linalg_ml.metrics import backward_error, polar_error
from linalg_ml.problems import conditioned

PRODUCTS_ONLY = ("polar-express", "newton-schulz", "gram", "cans")
METHODS = (*PRODUCTS_ONLY, "qdwh", "zolotarev", "newton", "svd")
# What times are relative to; in an emulated format the work in products is counted instead.
REFERENCE = {"fp64": "svd", "fp32": "svd", "bf16": "newton-schulz"}


def shape_of(name, n):
    """Return a shape of about n^2 entries."""
    shapes = {
        "square": (n, n),
        "wide 1:4": (n // 2, 2 * n),
        "tall 16:1": (4 * n, n // 4),
        "stack": (32, 32, 32),
    }
    return shapes[name]


def compute(cell, context):
    """Run all methods in turn on one matrix or stack, stored in the precision."""
    precision = cell["precision"]
    a = matrix(cell, context)
    u, _, vh = np.linalg.svd(a.astype(np.float64), full_matrices=False)
    runs = {method: [] for method in METHODS}
    for _ in range(cell["rounds"] + 1):  # the first also warms up
        for method in METHODS:
            start = time.thread_time()
            result = _solve(a, method, precision)
            runs[method].append((time.thread_time() - start, result))
    seconds = {method: min(t for t, _ in found[1:]) for method, found in runs.items()}
    results = {method: found[-1][1] for method, found in runs.items()}
    costs = relative_costs(seconds, results, REFERENCE[precision])
    best = cheapest(costs, [method for method, result in results.items() if result.converged])
    for method, result in results.items():
        cost = costs.get(method)
        error = np.max(polar_error(result.x, u @ vh))
        yield {
            "method": method,
            "status": result.status.name,
            "converged": result.converged,
            "nit": result.nit,
            "error": error,
            "error_over_bound": error / (UNIT_ROUNDOFF[precision] * cell["condition"]),
            "backward": np.max(backward_error(a, result.x, result.hermitian)),
            "time_over_svd": seconds[method] / seconds["svd"],
            "cost": cost,
            "best": method in best,
        }


def relative_costs(seconds, results, reference):
    """Return by method the time over that of the SVD, or the work over that of Newton-Schulz.

    The work is that in matrix products; what needs anything else is left out.
    """
    if reference == "svd":
        return {method: t / seconds["svd"] for method, t in seconds.items()}
    work = {method: results[method].counts["flops"] for method in PRODUCTS_ONLY}
    return {method: flops / work[reference] for method, flops in work.items()}


def cheapest(costs, converged):
    """Return the methods of the smallest cost among those that have one and converged."""
    competing = {method: costs[method] for method in converged if method in costs}
    return [method for method, cost in competing.items() if cost == min(competing.values())]


def matrix(cell, context):
    """Draw a matrix or stack with geometric singular values, in fp64 or else in fp32."""
    rng = context.rng("polar_method_map", cell["shape"], cell["n"], cell["condition"])
    dtype = np.float64 if cell["precision"] == "fp64" else np.float32
    shape = shape_of(cell["shape"], cell["n"])
    return conditioned(shape, cell["condition"], rng=rng).astype(dtype)


def _solve(a, method, precision):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "a minimax schedule with safety=0")
        return polar(a, method=method, precision=precision)


STUDY = Study(
    name="polar_method_map",
    title="Which polar method wins on which matrix",
    summary=(
        "linalg_ml.polar by all methods on square, wide and tall matrices and a stack of small "
        "ones, with singular values evenly spaced on a logarithmic scale: status, error against "
        "the SVD in double precision, also over u times the condition number, "
        "||A - U H||_F / ||A||_F, and the cost. In fp64 and fp32 the cost is the CPU time of one "
        "thread over that of the SVD; in bf16, which is emulated, the operations in matrix "
        "products over those of Newton-Schulz, among the methods that need nothing else; the "
        "matrix is given in fp32 there. Run it with one BLAS thread (OPENBLAS_NUM_THREADS=1)."
    ),
    compute=compute,
    cost=lambda cell: 1.0 + (cell["n"] / 128) ** 3,
    quick={
        "precision": ["fp64", "fp32", "bf16"],
        "shape": ["square", "wide 1:4", "tall 16:1", "stack"],
        "condition": [1.5, 10.0, 1e2, 1e4, 1e8, 1e14],
        "n": 128,
        "rounds": 2,
    },
    full={
        "precision": ["fp64", "fp32", "bf16"],
        "shape": ["square", "wide 1:4", "tall 16:1", "stack"],
        "condition": [1.5, 10.0, 1e2, 1e4, 1e8, 1e14],
        "n": 256,
        "rounds": 7,
    },
    quick_seconds=16,
    full_seconds=150,
    timed=True,
)
