"""Networks in short formats: residual against iterations."""

import numpy as np

from experiments.deep_network_runs import box, counts, right_hand_side, solve
from experiments.study import Study

PRECISIONS = ("fp32", "fp16", "bf16")


def compute(cell, context):
    """Yield the residual after each step, and the steps to each target with the last."""
    a = box(cell["n"], cell["solids"])
    b = right_hand_side(a, cell["rhs"], context.seed)
    name = f"{cell['network']}:{cell['precision']}"
    result = solve(a, b, name, rtol=1e-10, maxiter=cell["cap"], history=True)
    found = counts(result, b)
    size = np.linalg.norm(b)
    for entry in result.history:
        last = entry is result.history[-1]
        record = {"nit": entry["nit"], "residual": entry["residual"] / size, "last": last}
        if last:
            exact = a.restrict(b) - a.apply(result.x)
            record |= {f"iterations_{target:g}": found[target] for target in found}
            record |= {"exact_residual": float(np.linalg.norm(exact) / size)}
            record |= {"met": result.converged}
        yield record


_LEVEL = {
    "network": ("paper-64-2d", "linear-2d"),
    "precision": PRECISIONS,
    "solids": ("none", "neumann"),
    "rhs": "normal",
}

STUDY = Study(
    name="deep_network_precision",
    title="Networks in bfloat16 and half precision",
    summary=(
        "The whole network, weights and features, in fp32, fp16 or bf16 (emulated: products summed "
        "in fp32, one rounding a layer), in a solver that computes in double precision."
    ),
    compute=compute,
    quick={**_LEVEL, "n": 64, "cap": 300},
    full={**_LEVEL, "rhs": ("normal", "dipole"), "n": (64, 128), "cap": 1000},
    quick_seconds=20,
    full_seconds=600,
)
