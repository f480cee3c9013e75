"""Polynomials with and without safety factor and cushion, in emulated bfloat16."""

import numpy as np

from experiments.study import Study
from linalg_ml import Precision, minimax_schedule
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions.iteration import apply_polynomial

# Safety factor and cushion; None is the default cushion.
VARIANTS = {
    "neither": (0.0, 0.0),
    "cushion only": (0.0, None),
    "safety only": (0.01, 0.0),
    "both": (0.01, None),
}


def compute(cell, context):
    """Follow the largest singular value and the orthogonality of several draws."""
    safety, cushion = VARIANTS[cell["variant"]]
    m, n, steps = cell["m"], cell["m"] * cell["aspect"], cell["steps"]
    rows = minimax_schedule(1e-3, steps, safety=safety, cushion=cushion)
    precision = Precision(cell["precision"])
    for draw in range(cell["draws"]):
        a = np.random.default_rng(draw).standard_normal((m, n))
        a /= np.linalg.norm(a) * (1.0 + safety)
        arithmetic = Arithmetic(precision, a)
        x = arithmetic.enter(a)
        for step, coefficients in enumerate(rows.coefficients, 1):
            with np.errstate(all="ignore"):
                x = apply_polynomial(x, coefficients, arithmetic)
                wide = x.astype(np.float64)
                sigma = _singular_values(wide)
                error = np.sqrt(np.mean((sigma**2 - 1.0) ** 2))
            yield {
                "draw": draw,
                "step": step,
                "largest": sigma.max(),
                "orthogonality": error,
                "blown_up": bool(not error < 1.0),
            }


def _singular_values(x):
    """Return the singular values, infinite where an entry is."""
    if not np.isfinite(x).all():
        return np.full(min(x.shape), np.inf)
    return np.linalg.svd(x, compute_uv=False)


STUDY = Study(
    name="polar_bf16",
    title="What keeps the polynomials stable in bfloat16",
    summary=(
        "Gaussian matrices go through eight steps made for [0.001, 1] in emulated bfloat16 "
        "(products summed in single precision and rounded once). Without the safety factor, "
        "values that rounding pushes above the interval multiply; the cushion alone does not "
        "help, the safety factor alone does."
    ),
    compute=compute,
    cost=lambda cell: cell["m"] ** 3,
    quick={
        "variant": list(VARIANTS),
        "precision": "bf16",
        "m": 128,
        "aspect": 4,
        "draws": 10,
        "steps": 8,
    },
    full={
        "variant": list(VARIANTS),
        "precision": ["bf16", "fp16"],
        "m": [128, 256],
        "aspect": 4,
        "draws": 20,
        "steps": 8,
    },
    quick_seconds=6,
    full_seconds=120,
)
