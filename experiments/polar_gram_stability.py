"""The Gram form in short formats: the largest singular value, with and without restarts."""

import numpy as np

from experiments.study import Study
from linalg_ml import schedule
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.matrix_functions.gram_form import apply_in_gram_form
from linalg_ml.matrix_functions.iteration import apply_polynomial
from linalg_ml.problems import haar

# How a step is named that comes after so many others: 5 is the sixth.
FORMS = {
    "direct": None,
    "never": (),
    "before step 2": (1,),
    "before step 3": (2,),
    "before step 4": (3,),
    "before step 6": (5,),
}
OF_METHOD = {
    "newton-schulz": ("direct", "never", "before step 6"),
    "polar-express": ("direct", "never", "before step 2", "before step 3", "before step 4"),
}
STEPS = {"newton-schulz": 10, "polar-express": 5}
SAFETY = 0.02


def rows_of(method):
    """Return the polynomials, all of them evaluated at x / 1.02."""
    name = {"newton-schulz": "newton-schulz", "polar-express": "polar-express-raw"}[method]
    rows = schedule(name).take(STEPS[method]).coefficients
    scaled = (tuple(c / (1 + SAFETY) ** (2 * i + 1) for i, c in enumerate(row)) for row in rows)
    return Schedule(tuple(scaled), lower=1e-3, name=method)


def cells(parameters):
    """Cross methods, precisions, sizes and draws; each method has its own restarts."""
    for method in OF_METHOD:
        for precision in parameters["precision"]:
            for m in parameters["m"]:
                for draw in range(parameters["draws"]):
                    yield {"method": method, "precision": precision, "m": m, "draw": draw}


def compute(cell, context):
    """Follow one matrix of singular values from 10^-0.01 down to 10^-6, four times as wide."""
    m, precision = cell["m"], cell["precision"]
    rng = context.rng("polar_gram_stability", m, cell["draw"])
    values = np.logspace(-0.01, -6, m)
    u, v = haar(m, rng=rng), haar(4 * m, m, rng=rng)
    a = (u * values) @ v.T
    rows = rows_of(cell["method"])
    for form in OF_METHOD[cell["method"]]:
        for step in range(1, len(rows) + 1):
            part = rows.take(step)
            x = apply(a, part, FORMS[form], precision)
            target = part(values)
            sound = bool(np.isfinite(x).all())
            yield {
                "form": form,
                "step": step,
                "largest": np.linalg.norm(x, 2) if sound else np.inf,
                "exact": target.max(),
                "error": np.linalg.norm(x - (u * target) @ v.T) / m**0.5 if sound else np.inf,
            }


@np.errstate(all="ignore")
def apply(a, rows, restarts, precision):
    """Return what the steps make of A in one of the forms, in double precision."""
    arithmetic = Arithmetic(precision, a)
    x = arithmetic.enter(a)
    if restarts is None:
        for row in rows:
            x = apply_polynomial(x, row, arithmetic)
    else:
        kept = tuple(step for step in restarts if step < len(rows))
        x = apply_in_gram_form(
            x, Schedule(rows.coefficients, rows.lower, restarts=kept), arithmetic
        )
    return x.astype(np.float64)


STUDY = Study(
    name="polar_gram_stability",
    title="The Gram form in short formats, with and without restarts",
    summary=(
        "Ten steps of Newton-Schulz and five of the published list of Polar Express, each "
        "polynomial at x/1.02, on matrices four times as wide as high whose singular values go "
        "from 0.98 down to 1e-6, in emulated formats: the largest singular value after each step, "
        "and the distance from what the polynomials give in exact arithmetic, over sqrt(m). "
        "In the Gram form X is formed at the end and before the steps named, where X X^T is "
        "computed anew."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    cost=lambda cell: cell["m"] ** 3 * STEPS[cell["method"]] ** 2,
    quick={"precision": ["bf16", "fp16", "fp32"], "m": [128], "draws": 3},
    full={"precision": ["bf16", "fp16", "fp32", "fp64"], "m": [128, 256], "draws": 10},
    quick_seconds=6,
    full_seconds=150,
)
