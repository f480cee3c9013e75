"""PolarGrad, Muon and Adam on matrix logistic regression with batches."""

from experiments.polargrad_runs import train
from experiments.study import Study

# As in the authors' program: two steps, from the roundoff of numpy.float64.
_TWO = {"method": "qdwh", "steps": 2, "rcond": 2.0**-53, "placement": "none"}
# method: family, learning rate, its decay in 25 steps, options
RUNS = {
    "polargrad": ("polargrad", 1.5e-7, None, _TWO),
    "polargrad-decay": ("polargrad", 2.5e-7, 0.95, _TWO),
    "momentum-first": ("polargrad", 2.5e-7, None, {**_TWO, "placement": "momentum-first"}),
    "polar-first": ("polargrad", 2.5e-7, None, {**_TWO, "placement": "polar-first"}),
    "momentum-first-decay": ("polargrad", 2.5e-7, 0.95, {**_TWO, "placement": "momentum-first"}),
    "polar-first-decay": ("polargrad", 2.5e-7, 0.95, {**_TWO, "placement": "polar-first"}),
    "muon": ("muon", 0.1, None, {"schedule": "jordan"}),
    "muon-qdwh": ("muon", 0.1, None, {"schedule": "qdwh"}),
    "muon-decay": ("muon", 0.2, 0.95, {"schedule": "qdwh"}),
    "adam": ("adam", 5e-3, None, {}),
    "adam-decay": ("adam", 1e-2, 0.95, {}),
}


def compute(cell, context):
    """Run one method."""
    yield from train(cell, RUNS, context)


STUDY = Study(
    name="polargrad_logistic",
    title="Matrix logistic regression",
    summary=(
        "f(X) = sum log(1 + exp(-C * (A X B))) with Gaussian A and B and random signs C, X of "
        "shape (1000, 100), gradients of a tenth of the 10000 rows: the objective over all rows, "
        "condition number and nuclear norm of a gradient. In the quick run all sizes are a tenth, "
        "and rates are scaled to mean the same."
    ),
    compute=compute,
    quick={"problem": "logistic", "method": tuple(RUNS), "shrink": 10, "steps": 600, "every": 20},
    full={"problem": "logistic", "method": tuple(RUNS), "shrink": 1, "steps": 1500, "every": 25},
    quick_seconds=15,
    full_seconds=1500,
)
