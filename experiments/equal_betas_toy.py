"""SGD, Adam with equal decay rates and Signum on two quadratics with the same eigenvalues."""

import numpy as np

from experiments.study import Study
from linalg_ml import optim

BLOCKS = {
    "homogeneous": ((1, 99, 4998), (2, 100, 4999), (3, 101, 5000)),
    "heterogeneous": ((1, 2, 3), (99, 100, 101), (4998, 4999, 5000)),
}
BATCH = 3
BETA = 0.95
METHODS = {
    "sgd": lambda lr, soft: optim.sgd(lr=lr, momentum=BETA, dampening=BETA),
    "adam": lambda lr, soft: optim.equal_beta_adam(lr=lr, beta=BETA, eps=1e-8),
    "signum": lambda lr, soft: optim.signum(lr=lr, beta=BETA, mollifier=soft),
}


def factor(landscape, rng):
    """Return X of shape (9, 9) with X X^T / 9 = H, whose three blocks are rotated diagonals."""
    x = np.zeros((9, 9))
    for k, values in enumerate(BLOCKS[landscape]):
        rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        x[3 * k : 3 * k + 3, 3 * k : 3 * k + 3] = rotation.T * np.sqrt(values)
    return 3 * x


def compute(cell, context):
    """Run one method at one rate, all draws of the batches together: each entry is by itself."""
    landscape, steps, draws = cell["landscape"], cell["steps"], cell["draws"]
    x = factor(landscape, context.rng("rotations"))
    generators = [context.rng("batches", draw) for draw in range(draws)]
    schedule = optim.cosine(cell["lr"], steps, warmup=steps // 20)
    transform = METHODS[cell["method"]](schedule, cell["mollifier"])
    w = np.ones((draws, 9))
    state = transform.init(w)
    for step in range(steps + 1):
        if step % cell["every"] == 0:
            yield {"step": step, "last": step == steps, **measures(w, x, state)}
        if step == steps:
            return
        chosen = np.stack([g.choice(9, BATCH, replace=False) for g in generators])
        columns = x.T[chosen]  # (draws, batch, 9)
        grad = np.einsum("dbi,dbj,dj->di", columns, columns, w) / BATCH
        updates, state = transform.update(grad, state, w)
        w = optim.apply_updates(w, updates)


def measures(w, x, state):
    """Return median and quartiles of the loss, and of Adam the noise D / M^2 in each block."""
    losses = 0.5 / 9 * np.sum((w @ x) ** 2, axis=1)
    low, median, high = np.quantile(losses, (0.25, 0.5, 0.75))
    found = {"loss": median, "loss_low": low, "loss_high": high}
    held = state["params"]
    if "variance" in held and np.all(held["mean"]):
        noise = held["variance"] / held["mean"] ** 2
        for k in range(3):
            found[f"noise_{k}"] = np.median(noise[:, 3 * k : 3 * k + 3])
    return found


def cells(parameters):
    """List each method at each of its rates on both landscapes, softened Signum on the second."""
    return [
        {"landscape": landscape, "method": method, "lr": lr, "mollifier": soft,
         **{name: parameters[name] for name in ("steps", "every", "draws")}}
        for landscape in BLOCKS
        for method, rates, softs in parameters["runs"]
        for soft in softs
        if not soft or landscape == "heterogeneous"
        for lr in rates
    ]  # fmt: skip


_RUNS = (
    ("sgd", (3e-5, 1e-4, 3e-4), (0.0,)),
    ("adam", (3e-3, 1e-2, 3e-2), (0.0,)),
    ("signum", (3e-3, 1e-2, 3e-2), (0.0,)),
    ("signum", (1e-2, 3e-2), (0.01, 0.1, 1.0, 10.0)),
)

STUDY = Study(
    name="equal_betas_toy",
    title="Adam against SGD and Signum on homogeneous and heterogeneous quadratics",
    summary=(
        "f(w) = w^T H w / 2 in nine dimensions. H has three blocks; in the homogeneous problem "
        "each has a small, a middle and a large eigenvalue, in the heterogeneous one each block "
        "has its own size. Gradients of three of nine terms; the rate grows over a twentieth of "
        "the steps and falls with a cosine. Loss (median and quartiles of the draws of batches) "
        "and the noise-to-signal ratio D / M^2 that Adam with equal decay rates sees."
    ),
    compute=compute,
    cells=cells,
    quick={"runs": _RUNS, "steps": 500, "every": 10, "draws": 10},
    full={"runs": _RUNS, "steps": 500, "every": 5, "draws": 100},
    quick_seconds=5,
    full_seconds=15,
)
