"""PolarGrad, Muon, Adam and Newton's method on matrix quadratic regression."""

from experiments.polargrad_runs import train
from experiments.study import Study

# As in the authors' program: two steps, from the roundoff of numpy.float64.
_TWO = {"method": "qdwh", "steps": 2, "rcond": 2.0**-53, "placement": "none"}
_ALL = {"method": "qdwh", "placement": "none"}
_ZOLO = {"method": "zolotarev", "placement": "none"}
# method: family, learning rate, its decay in 25 steps, options
RUNS = {
    "polargrad": ("polargrad", 4e-8, None, _TWO),
    "polargrad-zolotarev": ("polargrad", 3e-8, None, _ZOLO),
    "polargrad-decay": ("polargrad", 4.75e-8, 0.99, _TWO),
    "polargrad-exact": ("polargrad", 4e-8, None, _ALL),
    "momentum-first": ("polargrad", 2e-7, None, {**_TWO, "placement": "momentum-first"}),
    "polar-first": ("polargrad", 4e-7, None, {**_TWO, "placement": "polar-first"}),
    "momentum-first-decay": ("polargrad", 2.5e-7, 0.99, {**_TWO, "placement": "momentum-first"}),
    "polar-first-decay": ("polargrad", 5e-7, 0.99, {**_TWO, "placement": "polar-first"}),
    "muon": ("muon", 0.1, None, {"schedule": "jordan"}),
    "muon-qdwh": ("muon", 0.1, None, {"schedule": "qdwh"}),
    "muon-zolotarev": ("muon", 0.1, None, {"schedule": "zolotarev"}),
    "muon-decay": ("muon", 0.05, 0.99, {"schedule": "qdwh"}),
    "adam": ("adam", 5e-2, None, {}),
    "adam-decay": ("adam", 5e-2, 0.99, {}),
    "newton": ("newton", 0.25, None, {}),
}
QUICK = ("polargrad", "polargrad-decay", "polargrad-exact", "momentum-first", "polar-first",
         "muon", "muon-qdwh", "muon-decay", "adam", "newton")  # fmt: skip


def compute(cell, context):
    """Run one method."""
    yield from train(cell, RUNS, context)


STUDY = Study(
    name="polargrad_quadratic",
    title="Matrix quadratic regression",
    summary=(
        "f(X) = ||A X B - C||_F^2 / 2 with Gaussian matrices, X of shape (500, 100) and full "
        "gradients: the gap to the optimum, the condition numbers of residual and gradient, and "
        "the nuclear norm of the gradient. In the quick run all sizes are a fifth, and rates are "
        "scaled to mean the same."
    ),
    compute=compute,
    cost=lambda cell: {"ada": 0.1, "new": 0.3}.get(cell["method"][:3], 1.0),
    quick={"problem": "quadratic", "method": QUICK, "shrink": 5, "steps": 800, "every": 20},
    full={"problem": "quadratic", "method": tuple(RUNS), "shrink": 1, "steps": 4000, "every": 20},
    quick_seconds=15,
    full_seconds=1500,
)
