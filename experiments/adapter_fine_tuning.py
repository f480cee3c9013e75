"""Fine-tuning a small network by adapters: digits upright, then lying on their side."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from experiments.study import Study
from linalg_ml import optim

DATA = "experiments/data/digits.npz"
WIDTH, RANK, BATCH, TRAINED = 64, 4, 128, 1300
# Rates in powers of two around what suits each on this task, equally many for each.
RUNS = {
    "adam": (optim.adam, 2.0**-4),
    "scaled_adam": (optim.scaled_adam, 2.0**-4),
    "lora_pro": (optim.lora_pro, 2.0**-5),
    "lora_rite": (optim.lora_rite, 2.0**-3),
    "adaprelora": (optim.adaprelora, 2.0**-5),
}


def compute(cell, context):
    """Train the adapters from one start with one rate, and record the losses."""
    images, labels = digits(str(Path(context.root) / DATA))
    weights = _pretrained(str(Path(context.root) / DATA), cell["seed"])
    turned = images.reshape(-1, 8, 8).transpose(0, 2, 1)[:, ::-1].reshape(len(images), 64)
    rng = context.rng("adapter_fine_tuning", cell["seed"])
    order = rng.permutation(len(images))
    train, test = order[:TRAINED], order[TRAINED:]
    pairs = [
        {"A": rng.standard_normal((RANK, w.shape[1])) / w.shape[1] ** 0.5,
         "B": np.zeros((w.shape[0], RANK))} for w in weights
    ]  # fmt: skip
    batches = [rng.choice(train, BATCH, replace=False) for _ in range(cell["steps"])]
    make, centre = RUNS[cell["method"]]
    rate = centre * 2.0 ** cell["power"]
    transform = make(optim.cosine(rate, cell["steps"]))
    state = transform.init(pairs)

    def measured(step):
        whole = [w + p["B"] @ p["A"] for w, p in zip(weights, pairs, strict=True)]
        found = {"kind": "path", "step": step, "rate": rate}
        for name, part in (("train", train), ("test", test)):
            loss, scores, _ = loss_and_gradients(whole, turned[part], labels[part])
            right = float(np.mean(scores.argmax(axis=1) == labels[part]))
            found |= {f"{name}_loss": loss, f"{name}_accuracy": right}
        return found

    with np.errstate(all="ignore"):
        for step, batch in enumerate(batches):
            if step % cell["every"] == 0:
                yield measured(step)
            whole = [w + p["B"] @ p["A"] for w, p in zip(weights, pairs, strict=True)]
            _, _, grads = loss_and_gradients(whole, turned[batch], labels[batch])
            given = [
                {"A": p["B"].T @ g, "B": g @ p["A"].T} for p, g in zip(pairs, grads, strict=True)
            ]
            updates, state = transform.update(given, state, pairs)
            pairs = optim.apply_updates(pairs, updates)
        end = measured(cell["steps"])
        yield end
        yield {**end, "kind": "end"}


@lru_cache(maxsize=1)
def digits(path):
    """Return the images between 0 and 1, and the labels."""
    with np.load(path) as file:
        return file["images"] / 16.0, file["labels"].astype(int)


@lru_cache(maxsize=4)
def _pretrained(path, seed):
    """Return the weights of a network with one hidden layer, trained on upright digits."""
    images, labels = digits(path)
    rng = np.random.default_rng(seed)
    shapes = ((WIDTH, 64), (10, WIDTH))
    weights = [rng.standard_normal(s) / s[1] ** 0.5 for s in shapes]
    transform = optim.adam(optim.cosine(0.01, 300))
    state = transform.init(weights)
    for _ in range(300):
        batch = rng.choice(len(images), BATCH, replace=False)
        _, _, grads = loss_and_gradients(weights, images[batch], labels[batch])
        updates, state = transform.update(grads, state, weights)
        weights = optim.apply_updates(weights, updates)
    return weights


def loss_and_gradients(weights, x, labels):
    """Return the cross-entropy, the scores, and the gradients of the weights of all layers."""
    inputs = [x]
    for weight in weights[:-1]:
        inputs.append(np.tanh(inputs[-1] @ weight.T))
    scores = inputs[-1] @ weights[-1].T
    scores = scores - scores.max(axis=1, keepdims=True)
    sums = np.exp(scores).sum(axis=1, keepdims=True)
    chosen = np.arange(len(x)), labels
    loss = float(np.mean(np.log(sums[:, 0]) - scores[chosen]))
    back = np.exp(scores) / sums
    back[chosen] -= 1.0
    back /= len(x)
    grads = []
    for weight, given in zip(reversed(weights), reversed(inputs), strict=True):
        grads.append(back.T @ given)
        back = (back @ weight) * (1 - given**2)
    return loss, scores, grads[::-1]


STUDY = Study(
    name="adapter_fine_tuning",
    title="Fine-tuning by adapters of rank 4",
    summary=(
        "A network 64-64-10 is trained on digits of 8 x 8 pixels, then frozen; adapters of rank 4 "
        "at both weights learn the digits turned on their side: 1300 to train on, 497 to test. "
        "Every optimizer has the same number of rates, a cosine to zero, and the same seeds."
    ),
    compute=compute,
    data=(DATA,),
    quick={
        "method": tuple(RUNS), "power": (-2, -1, 0, 1, 2), "seed": (0, 1),
        "steps": 120, "every": 10,
    },
    full={
        "method": tuple(RUNS), "power": (-4, -3, -2, -1, 0, 1, 2, 3), "seed": tuple(range(10)),
        "steps": 600, "every": 20,
    },
    quick_seconds=20,
    full_seconds=600,
)  # fmt: skip
