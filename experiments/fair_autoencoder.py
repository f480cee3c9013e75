"""An autoencoder of digits: optimizers after equal tuning, each at the end of its schedule."""

import numpy as np

from experiments import fair_comparison
from experiments.autoencoder import DATA, Autoencoder, images
from experiments.autoencoder_optimizers import OPTIMIZERS
from experiments.study import Study
from linalg_ml.optim import apply_updates, warmup_stable_decay


def compute(cell, context):
    """Tune one optimizer for one length of training, then train anew with fresh seeds."""
    make, grids, start = OPTIMIZERS[cell["optimizer"]]

    def train(settings, seed):
        factors = {name: value for name, value in settings.items() if name in RATES}
        others = {name: value for name, value in settings.items() if name not in RATES}
        schedules = {name: _schedule(rate, cell["steps"]) for name, rate in factors.items()}
        return _train(cell, context, make(**schedules, **others), seed)

    yield from fair_comparison.compare(cell, context, grids, start, train)


RATES = ("lr", "rate_of_biases")


def _schedule(rate, steps):
    """Return the schedule of every run: up over a tenth of the steps, then linearly to zero."""
    warmup = steps // 10
    return warmup_stable_decay(rate, warmup=warmup, stable=0, decay=steps - warmup)


@np.errstate(all="ignore")  # what overflows has diverged, and says so by its loss
def _train(cell, context, optimizer, seed):
    """Return the loss on the validation images after all steps, infinity if it diverged."""
    training, validation = images(context.root, cell["side"])
    model = Autoencoder((cell["side"] ** 2, *map(int, cell["widths"].split("-"))))
    rng = context.rng("fair_autoencoder", seed)
    params = model.start(rng)
    state = optimizer.init(params)
    for _ in range(cell["steps"]):
        batch = training[rng.integers(len(training), size=cell["batch"])]
        updates, state = optimizer.update(model.gradient(params, batch), state, params)
        params = apply_updates(params, updates)
    loss = model.loss(params, validation)
    return loss if np.isfinite(loss) else float("inf")


STUDY = Study(
    name="fair_autoencoder",
    title="Optimizers on an autoencoder of digits, after equal tuning",
    summary=(
        "An autoencoder of 5000 handwritten digits in plain NumPy, trained with a warm-up and a "
        "linear decay. For each optimizer and each number of steps a search over its "
        "hyper-parameters, one at a time, within the same number of runs; then the loss on 1000 "
        "other digits at the end of the schedule, for fresh seeds."
    ),
    compute=compute,
    cells=lambda parameters: list(fair_comparison.cells(parameters)),
    cost=lambda cell: cell["steps"] * {"soap": 2.0, "shampoo": 2.5}.get(cell["optimizer"], 1.0),
    quick={
        "optimizers": ("adamw", "sgd", "muon", "soap"),
        "steps": (30, 60),
        "longer": (120,),
        "side": 14,
        "widths": "64-16",
        "batch": 128,
        "budget": 10,
        "seeds": 3,
    },
    full={
        "optimizers": tuple(OPTIMIZERS),
        "steps": (200, 400),
        "longer": (800,),
        "side": 28,
        "widths": "256-64-16",
        "batch": 256,
        "budget": 24,
        "seeds": 5,
    },
    quick_seconds=20,
    full_seconds=4000,
    data=(DATA,),
)
