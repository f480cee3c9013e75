"""SOAP and Shampoo on an autoencoder: how seldom may the basis, or the root, be refreshed?"""

import numpy as np

from experiments.autoencoder import DATA, Autoencoder, images
from experiments.study import Study
from linalg_ml import optim

# Method to what makes the transform of the weights from a schedule and the period of refreshing.
METHODS = {
    "soap": lambda lr, f: optim.soap(lr, weight_decay=0.0, frequency=f),
    "soap-one-sided": lambda lr, f: optim.soap(lr, weight_decay=0.0, frequency=f, sides="smaller"),
    "soap-factored": lambda lr, f: optim.soap(lr, weight_decay=0.0, frequency=f, factored=True),
    "shampoo": lambda lr, f: optim.shampoo(
        lr, momentum=0.95, decay=0.95, frequency=f, graft="adam", bias_correction=True
    ),
    "adamw": lambda lr, f: optim.adamw(lr, betas=(0.95, 0.95), weight_decay=0.0),
}
BIASES = 0.008  # the rate of AdamW for the biases, beside every method


def cells(parameters):
    """List the runs: each method, with each period that it knows, at each rate, for each seed."""
    shared = {k: parameters[k] for k in ("steps", "side", "widths", "batch")}
    for method in METHODS:
        for period in (0,) if method == "adamw" else parameters["periods"]:
            if method.startswith("soap-") and period != parameters["periods"][1]:
                continue
            for lr in parameters["rates"]:
                for seed in range(parameters["seeds"]):
                    yield {"method": method, "period": period, "lr": lr, "seed": seed, **shared}


@np.errstate(all="ignore")  # what overflows has diverged, and says so by its loss
def compute(cell, context):
    """Train once; record the loss on other digits at the end, and the numbers in the state."""
    training, validation = images(context.root, cell["side"])
    model = Autoencoder((cell["side"] ** 2, *map(int, cell["widths"].split("-"))))
    rng = context.rng("soap_frequency", cell["seed"])
    params = model.start(rng)
    optimizer = optim.partition(
        {
            "weights": METHODS[cell["method"]](
                _schedule(cell["lr"], cell["steps"]), cell["period"]
            ),
            "biases": optim.adamw(_schedule(BIASES, cell["steps"]), betas=(0.9, 0.99)),
        },
        lambda path, array: path.split(".")[0],
    )
    state = optimizer.init(params)
    for _ in range(cell["steps"]):
        batch = training[rng.integers(len(training), size=cell["batch"])]
        updates, state = optimizer.update(model.gradient(params, batch), state, params)
        params = optim.apply_updates(params, updates)
    loss = model.loss(params, validation)
    held, weights = _numbers(state["weights"]), sum(w.size for w in params["weights"])
    yield {"loss": loss if np.isfinite(loss) else float("inf"), "state": held / weights}


def _schedule(rate, steps):
    warmup = steps // 10
    return optim.warmup_stable_decay(rate, warmup=warmup, stable=0, decay=steps - warmup)


def _numbers(tree):
    """Return how many numbers a state holds, counters left out."""
    if isinstance(tree, (dict, list, tuple)):
        return sum(map(_numbers, tree.values() if isinstance(tree, dict) else tree))
    return tree.size if getattr(tree, "ndim", 0) else 0


STUDY = Study(
    name="soap_frequency",
    title="SOAP and Shampoo with bases and roots refreshed ever more seldom",
    summary=(
        "An autoencoder of handwritten digits, trained by SOAP, by its one-sided and factored "
        "variants, by Shampoo grafted onto Adam, and by AdamW; the loss on other digits at the "
        "end of the schedule against the steps between two refreshes, at the best of several "
        "learning rates."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    cost=lambda cell: 1.0 + 20.0 / max(cell["period"], 1) * (cell["period"] > 0),
    data=(DATA,),
    quick={
        "periods": (1, 10, 60),
        "rates": (0.03, 0.06),
        "seeds": 2,
        "steps": 60,
        "side": 14,
        "widths": "64-16",
        "batch": 128,
    },
    full={
        "periods": (1, 10, 32, 100),
        "rates": (0.0075, 0.015, 0.03, 0.06, 0.12),
        "seeds": 3,
        "steps": 200,
        "side": 14,
        "widths": "128-64-16",
        "batch": 256,
    },
    quick_seconds=15,
    full_seconds=1500,
)
