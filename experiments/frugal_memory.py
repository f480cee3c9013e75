"""FRUGAL: the loss against the memory of the state, for every projection and density."""

from pathlib import Path

import numpy as np

from experiments.adapter_fine_tuning import DATA, digits, loss_and_gradients
from experiments.study import Study
from linalg_ml import optim

WIDTH, BATCH, TRAINED, FREQUENCY = 64, 128, 1300, 25
RATES = (2.0**-6, 2.0**-5, 2.0**-4)
METHODS = ("columns", "rows", "entries", "orthogonal", "svd", "blocks", "galore", "adam", "sign")


def transform(method, density, rate):
    """Return the Transform of a run."""
    options = {"density": density, "frequency": FREQUENCY}
    if method == "adam":
        return optim.adam(rate)
    if method == "sign":
        return optim.sign_sgd(rate)
    if method == "blocks":
        return optim.frugal_blocks(rate, **options)
    if method == "galore":  # the projection of "svd", and nothing in the rest
        return optim.frugal(rate, projection="svd", free_scale=0.0, reset=False, **options)
    return optim.frugal(rate, projection=method, **options)


def cells(parameters):
    """One cell for each run; what has no projection has one density."""
    for method in METHODS:
        fixed = {"adam": (1.0,), "sign": (0.0,)}.get(method)
        for density in fixed or parameters["densities"]:
            if method == "blocks" and round(3 * density) == 0:  # no matrix at all
                continue
            for rate in RATES:
                for seed in range(parameters["seeds"]):
                    yield {"method": method, "density": density, "rate": rate, "seed": seed,
                           "steps": parameters["steps"]}  # fmt: skip


def compute(cell, context):
    """Train once, and record the loss and the memory at the end."""
    images, labels = digits(str(Path(context.root) / DATA))
    rng = context.rng("frugal_memory", cell["seed"])
    order = rng.permutation(len(images))
    train, test = order[:TRAINED], order[TRAINED:]
    shapes = ((WIDTH, 64), (WIDTH, WIDTH), (WIDTH, WIDTH), (10, WIDTH))
    weights = [rng.standard_normal(s) / s[1] ** 0.5 for s in shapes]
    hidden, head = weights[:-1], weights[-1]
    rate = optim.cosine(cell["rate"], cell["steps"])
    chosen, full = transform(cell["method"], cell["density"], rate), optim.adam(rate)
    state, own = chosen.init(hidden), full.init(head)
    for _ in range(cell["steps"]):
        batch = rng.choice(train, BATCH, replace=False)
        _, _, grads = loss_and_gradients([*hidden, head], images[batch], labels[batch])
        updates, state = chosen.update(grads[:-1], state, hidden)
        hidden = optim.apply_updates(hidden, updates)
        updates, own = full.update(grads[-1], own, head)  # the last layer by Adam, as theirs
        head = optim.apply_updates(head, updates)
    found = {"bytes": held_bytes(state)}
    for name, part in (("train", train), ("test", test)):
        loss, scores, _ = loss_and_gradients([*hidden, head], images[part], labels[part])
        right = float(np.mean(scores.argmax(axis=1) == labels[part]))
        found |= {f"{name}_loss": loss, f"{name}_accuracy": right}
    yield found


def held_bytes(tree):
    """Return the bytes of the arrays of a state, views of one number counted as one."""
    if isinstance(tree, (dict, list, tuple)):
        return sum(map(held_bytes, tree.values() if isinstance(tree, dict) else tree))
    used = [d for d, stride in zip(tree.shape, tree.strides, strict=True) if stride]
    return tree.itemsize * int(np.prod(used))


STUDY = Study(
    name="frugal_memory",
    title="Memory against loss",
    summary=(
        "A network 64-64-64-64-10 is trained on digits of 8 x 8 pixels from the start: the loss "
        "at the end of a cosine against the bytes of the state of the hidden weights, at the best "
        "of three rates. The last layer is trained by Adam; parts are chosen anew every 25 steps."
    ),
    compute=compute,
    cells=cells,
    data=(DATA,),
    quick={"densities": (0.125, 0.34, 0.67), "seeds": 1, "steps": 75},
    full={"densities": (0.0625, 0.125, 0.25, 0.34, 0.5, 0.67, 0.8), "seeds": 10, "steps": 300},
    quick_seconds=20,
    full_seconds=3000,
)
