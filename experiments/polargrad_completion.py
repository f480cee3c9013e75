"""PolarGrad, Muon, Adam and alternating gradient descent on low-rank matrix completion."""

from experiments.polargrad_runs import train
from experiments.study import Study

# As in the authors' program: two steps, from the roundoff of numpy.float64.
_TWO = {"method": "qdwh", "steps": 2, "rcond": 2.0**-53, "placement": "none"}
_HALF = {**_TWO, "momentum": 0.5}
# method: family, learning rate, its decay in 25 steps, options
RUNS = {
    "polargrad": ("polargrad", 50.0, None, _TWO),
    "polargrad-decay": ("polargrad", 50.0, 0.95, _TWO),
    "momentum-first": ("polargrad", 50.0, None, {**_HALF, "placement": "momentum-first"}),
    "polar-first": ("polargrad", 100.0, None, {**_HALF, "placement": "polar-first"}),
    "polar-first-0.95": ("polargrad", 100.0, None, {**_TWO, "placement": "polar-first"}),
    "muon": ("muon", 0.25, None, {"schedule": "jordan"}),
    "muon-qdwh": ("muon", 0.25, None, {"schedule": "qdwh"}),
    "muon-decay": ("muon", 0.25, 0.95, {"schedule": "qdwh"}),
    "adam": ("adam", 5e-2, None, {}),
    "adam-decay": ("adam", 5e-2, 0.95, {}),
    "alternating": ("alternating", 50.0, None, {}),
}


def compute(cell, context):
    """Run one method."""
    yield from train(cell, RUNS, context)


STUDY = Study(
    name="polargrad_completion",
    title="Low-rank matrix completion",
    summary=(
        "f(X, Y) = ||mask * (X Y^T - M)||_F^2 / sum(mask) for M of shape (500, 250) and rank 5, "
        "of which three tenths of the entries are seen: the objective, and condition numbers and "
        "nuclear norms of both gradients. Momentum is 0.5 where not said otherwise."
    ),
    compute=compute,
    quick={"problem": "completion", "method": tuple(RUNS), "shrink": 1, "steps": 200, "every": 5},
    full={"problem": "completion", "method": tuple(RUNS), "shrink": 1, "steps": 1000, "every": 5},
    quick_seconds=15,
    full_seconds=90,
)
