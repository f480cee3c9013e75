"""Decay rates of Adam on the text model, and the methods it is compared with."""

from experiments.study import Study
from experiments.training_cells import TEXT, cells, compute, cost


def adam(betas1, betas2, rates):
    """List the runs of Adam with each pair of decay rates."""
    return tuple(
        ({"method": "adamw", "beta1": one, "beta2": two}, rates, 1)
        for one in betas1
        for two in betas2
    )


def others(betas, signum, sgd):
    """List the runs of Signum, Adam without momentum (RMSprop) and clipped SGD."""
    return (
        *(({"method": "signum", "beta1": beta}, signum, 1) for beta in betas),
        *(({"method": "sgd", "beta1": beta, "clip": 1.0}, sgd, 1) for beta in betas),
    )


STUDY = Study(
    name="text_betas",
    title="Adam with equal decay rates on a character-level transformer",
    summary=(
        "The text model with one optimizer for all weights, with one seed: Adam over a grid of "
        "both decay rates, the first also zero (RMSprop); Signum, and SGD whose gradient is "
        "clipped to norm one, each with some momentum. Each at a few learning rates, of which "
        "the best at the end counts."
    ),
    compute=compute,
    cells=cells,
    cost=cost,
    data=(TEXT,),
    quick={
        "runs": (
            *adam((0.0, 0.8, 0.95), (0.8, 0.95), (8e-3,)),
            *others((0.9,), (1e-3, 3e-3), (0.3, 1.0)),
        ),
        "others": 0.0, "width": 32, "layers": 2, "length": 24, "batch": 8, "steps": 80,
        "every": 20,
    },
    full={
        "runs": (
            *adam((0.8, 0.9, 0.95), (0.8, 0.9, 0.95, 0.99), (2e-3, 4e-3)),
            *adam((0.0,), (0.8, 0.95), (5e-4, 1e-3, 2e-3)),
            *others((0.8, 0.95), (3e-4, 1e-3, 3e-3), (0.3, 1.0, 3.0)),
        ),
        "others": 0.0, "width": 64, "layers": 2, "length": 64, "batch": 8, "steps": 200,
        "every": 40,
    },
    quick_seconds=10,
    full_seconds=180,
)  # fmt: skip
