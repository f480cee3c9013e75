"""How exactly steps of adapters move the product, and whether the choice of factors matters."""

import numpy as np

from experiments.study import Study
from linalg_ml import optim

SHAPE, RANK, STEPS = (24, 16), 4, 30
RUNS = {
    "adaprelora": lambda: optim.adaprelora(0.05),
    "lora_rite": lambda: optim.lora_rite(0.05, skip_above=None),
    "adaprelora-product": lambda: optim.adaprelora(0.05, statistics="product"),
    "lora_pro": lambda: optim.lora_pro(0.05),
    "scaled_adam": lambda: optim.scaled_adam(0.05),
    "adam": lambda: optim.adam(0.05),
}
STEP = {  # one step at rate 1, without means
    "adaprelora": lambda: optim.adaprelora(1.0, betas=(0.0, 0.999), statistics="full"),
    "lora_pro": lambda: optim.lora_pro(1.0, betas=None),
    "scaled_gradient": lambda: optim.scaled_adam(1.0, betas=None, damping=0.0),
    "gradient": lambda: optim.sgd(1.0),
}


def compute(cell, context):
    """Compare one step with least squares, or runs from one product and many factors."""
    rng = context.rng("adapter_exactness", cell["kind"], cell["instance"])
    if cell["kind"] == "projection":
        yield from _projections(rng)
    else:
        yield from _runs(rng, cell)


def _projections(rng):
    m, n = (int(k) for k in rng.integers(3, 16, 2))
    r = int(rng.integers(1, min(m, n)))
    a, b, g = (rng.standard_normal(s) for s in ((r, n), (m, r), (m, n)))
    g *= 10 ** rng.uniform(-1, 1, (m, 1))  # rows of different sizes, as the model of H expects
    rows, columns = np.sum(g**2, axis=1), np.sum(g**2, axis=0)
    h = np.sqrt(np.outer(rows, columns) / np.sum(rows))
    tangents = np.hstack([np.kron(b, np.eye(n)), np.kron(np.eye(m), a.T)])
    root = np.sqrt(h).ravel()
    best = np.linalg.lstsq(root[:, None] * tangents, root * (g / h).ravel(), rcond=1e-13)[0]
    best = (tangents @ best).reshape(m, n)
    pair = {"A": a, "B": b}
    for method, make in STEP.items():
        grads = {"A": b.T @ g, "B": g @ a.T}
        if method == "adaprelora":
            grads["W"] = g
        transform = make()
        updates, _ = transform.update(grads, transform.init(pair), pair)
        moved = -(b @ updates["A"] + updates["B"] @ a)
        # What a rate can do for the others is done: the best multiple of their step.
        weight = np.sum(h * moved * best) / np.sum(h * moved * moved)
        moved = moved if method == "adaprelora" else weight * moved
        away = np.sqrt(np.sum(h * (moved - best) ** 2) / np.sum(h * best**2))
        yield {"method": method, "m": m, "n": n, "r": r, "distance": away}


def _runs(rng, cell):
    m, n = SHAPE
    target = rng.standard_normal((m, n)) * 10 ** rng.uniform(-1, 1, (m, 1))
    noise = rng.standard_normal((STEPS, m, n))
    a, b = rng.standard_normal((RANK, n)) / n**0.5, rng.standard_normal((m, RANK)) / n**0.5
    left, right = (np.linalg.qr(rng.standard_normal((RANK, RANK)))[0] for _ in "ab")
    condition = cell["condition"]
    t = (left * np.geomspace(condition**-0.5, condition**0.5, RANK)) @ right
    for method, make in RUNS.items():
        ends = [
            _end(make(), *pair, target, noise) for pair in ((a, b), (np.linalg.solve(t, a), b @ t))
        ]
        away = np.linalg.norm(ends[1] - ends[0]) / np.linalg.norm(ends[0] - b @ a)
        yield {"method": method, "difference": away}


def _end(transform, a, b, target, noise):
    """Return the product after the steps of a noisy problem."""
    pair = {"A": a, "B": b}
    state = transform.init(pair)
    for step in noise:
        g = pair["B"] @ pair["A"] - target + 0.1 * step
        grads = {"A": pair["B"].T @ g, "B": g @ pair["A"].T}
        updates, state = transform.update(grads, state, pair)
        pair = optim.apply_updates(pair, updates)
    return pair["B"] @ pair["A"]


def cells(parameters):
    """One cell for each instance of both parts."""
    for instance in range(parameters["instances"]):
        yield {"kind": "projection", "instance": instance}
    for instance in range(parameters["starts"]):
        for condition in parameters["conditions"]:
            yield {"kind": "factors", "instance": instance, "condition": condition}


STUDY = Study(
    name="adapter_exactness",
    title="Exactness and independence of the factors",
    summary=(
        "Steps of adapters B A on random instances: the distance of the step of the product from "
        "the projection of H^-1 G that least squares finds, H being Adafactor's model. And runs "
        "of 30 steps from one product, written as B T and T^-1 A: how far apart they end."
    ),
    compute=compute,
    cells=cells,
    quick={"instances": 100, "starts": 3, "conditions": (10.0, 1e2, 1e3)},
    full={"instances": 1000, "starts": 20, "conditions": (3.0, 10.0, 30.0, 1e2, 3e2, 1e3)},
    quick_seconds=6,
    full_seconds=60,
)
