"""The cells of the studies that train the text model, where PyTorch is installed."""

from importlib.util import find_spec

TEXT = "experiments/data/shakespeare.txt.xz"
SHARED = ("others", "width", "layers", "length", "batch", "steps", "every")


def need_torch():
    """Raise ModuleNotFoundError unless PyTorch is installed."""
    if find_spec("torch") is None:
        raise ModuleNotFoundError(
            "needs PyTorch, which is not installed (pip install linalg_ml[torch])", name="torch"
        )


def cells(parameters):
    """List the runs: each method at each of its rates with each seed.

    Parameters
    ----------
    parameters : dict
        "runs", a sequence of (fields, rates, seeds): "method" and its options, learning rates,
        and the number of seeds; and what all runs share, `SHARED`.

    Raises
    ------
    ModuleNotFoundError
        If PyTorch is not installed.
    """
    need_torch()
    shared = {name: parameters[name] for name in SHARED}
    return [
        {**fields, "lr": lr, "seed": seed, **shared}
        for fields, rates, seeds in parameters["runs"]
        for lr in rates
        for seed in range(seeds)
    ]


def compute(cell, context):
    """Train one model."""
    from experiments.training import train  # which imports PyTorch

    yield from train(cell, context)


def cost(cell):
    """Return the time of a run, roughly, in units of AdamW's."""
    method = cell["method"]
    slow = {"torch-muon": 4.0, "muon-estimated": 3.5}
    return slow.get(method, 1.7 if method.startswith(("muon", "soap", "polargrad")) else 1.0)
