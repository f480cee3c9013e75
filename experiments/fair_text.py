"""The text model: optimizers after equal tuning, each at the end of its schedule."""

from experiments import fair_comparison
from experiments.study import Study
from experiments.training_cells import TEXT, cost, need_torch

SHARED = ("width", "layers", "length", "batch", "steps")
MOMENTUM = (0.8, 0.9, 0.95, 0.98)
SECOND = (0.9, 0.95, 0.98, 0.99)
DECAY = (0.0, 0.1, 0.2)


def rates(middle, places=6):
    """Return powers of two around a learning rate."""
    return tuple(middle * 2.0**k for k in range(-places, places + 1))


_OTHERS = {"others": rates(0.008)}  # the rate of AdamW for what is no matrix of a block
_MUON = (
    {"lr": rates(0.02), **_OTHERS, "momentum": MOMENTUM, "weight_decay": DECAY},
    {"lr": 0.02, "others": 0.008, "momentum": 0.95, "weight_decay": 0.0},
)
# Method of `training_optimizers` to (grids, start); the baseline comes first.
OPTIMIZERS = {
    "adamw": (
        {"lr": rates(0.008), "beta1": MOMENTUM, "beta2": SECOND, "weight_decay": DECAY},
        {"lr": 0.008, "beta1": 0.9, "beta2": 0.95, "weight_decay": 0.0},
    ),
    "muon-polar-express": _MUON,
    "torch-muon": _MUON,
    "polargrad": (
        {**_MUON[0], "lr": rates(0.3)},
        {**_MUON[1], "lr": 0.3},
    ),
    "soap": (
        {"lr": rates(0.008), **_OTHERS, "beta1": MOMENTUM, "beta2": SECOND},
        {"lr": 0.008, "others": 0.008, "beta1": 0.95, "beta2": 0.95},
    ),
}


def cells(parameters):
    """List the cells, where PyTorch is installed."""
    need_torch()
    return list(fair_comparison.cells(parameters))


def compute(cell, context):
    """Tune one optimizer for one length of training, then train anew with fresh seeds."""
    from experiments.training import train  # which imports PyTorch

    shared = {name: cell[name] for name in SHARED}
    shared |= {"method": cell["optimizer"], "every": cell["steps"], "others": None}

    def final_loss(settings, seed):
        *_, last = train({**shared, **settings, "seed": seed}, context)
        return last["validation_loss"]

    yield from fair_comparison.compare(cell, context, *OPTIMIZERS[cell["optimizer"]], final_loss)


STUDY = Study(
    name="fair_text",
    title="Optimizers on a text model, after equal tuning",
    summary=(
        "A transformer that predicts the characters of Shakespeare's plays, trained with a warm-up "
        "and a linear decay. For each optimizer and each number of steps a search over its "
        "hyper-parameters, one at a time, within the same number of runs; then the loss on held "
        "back text at the end of the schedule, for fresh seeds."
    ),
    compute=compute,
    cells=cells,
    cost=lambda cell: cell["steps"] * cost({"method": cell["optimizer"]}),
    data=(TEXT,),
    quick={
        "optimizers": ("adamw", "muon-polar-express"),
        "steps": (30, 60),
        "longer": (120,),
        "width": 32,
        "layers": 2,
        "length": 24,
        "batch": 8,
        "budget": 6,
        "seeds": 3,
    },
    full={
        "optimizers": tuple(OPTIMIZERS),
        "steps": (200, 400),
        "longer": (800,),
        "width": 64,
        "layers": 2,
        "length": 64,
        "batch": 8,
        "budget": 16,
        "seeds": 3,
    },
    quick_seconds=20,
    full_seconds=4000,
)
