"""Steps of optimizers for matrices: ``python -m experiments.bench.optim_matrix``.

Beside public ones. Run with OPENBLAS_NUM_THREADS=1: the clock counts the CPU time of one thread.
Everything is in fp32, on tensors of PyTorch where not said otherwise.
"""

import sys

import numpy as np
import torch

from linalg_ml import optim, orthogonalize

from .side_by_side import compare

SHAPES = ((1024, 1024), (4096, 1024))


def report(functions, rounds=5):
    """Print the least seconds of each, and the median ratio to the first."""
    for timing in compare(functions, rounds=rounds, seconds=0.05):
        print(f"    {timing.name:42} {timing.seconds:8.3f} s  ratio {timing.ratio:5.2f}")


def torch_kernel(g):
    """Make the products of the kernel in torch.optim.Muon, without its conversion to bf16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.T if g.size(0) > g.size(1) else g
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if g.size(0) > g.size(1) else x


def muon():
    """Orthogonalise five steps, and the step of Muon around it."""
    for m, n in SHAPES:
        g = torch.randn(m, n, generator=torch.Generator().manual_seed(0))
        array, w = g.numpy(), torch.zeros(m, n)
        transform = optim.muon(schedule="jordan")
        state = transform.init(w)
        print(f"orthogonalisation, {m} x {n}")
        report(
            {
                "torch.optim.Muon's kernel in fp32": lambda g=g: torch_kernel(g),
                "ours, the same polynomial": lambda g=g: orthogonalize(g, schedule="jordan"),
                "ours, Polar Express": lambda g=g: orthogonalize(g),
                "ours, Polar Express, NumPy": lambda a=array: orthogonalize(a),
                "ours, the whole step of Muon": lambda g=g, s=state, w=w, t=transform: t.update(
                    g, s, w
                ),
            }
        )


def published_soap_step(w, g, state, t, lr=3e-3, beta1=0.95, beta2=0.95, eps=1e-8, decay=0.01):
    """Make a step of SOAP with the ten products of the published program, in place."""
    ql, qr = state["ql"], state["qr"]
    rotated = ql.T @ g @ qr
    state["mean"].mul_(beta1).add_(rotated, alpha=1 - beta1)
    state["square"].mul_(beta2).addcmul_(rotated, rotated, value=1 - beta2)
    size = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    step = ql @ (state["mean"] / state["square"].sqrt().add_(eps)) @ qr.T
    w.add_(step, alpha=-size).mul_(1 - lr * decay)
    mean = ql @ state["mean"] @ qr.T
    state["left"].lerp_(g @ g.T, 1 - beta2)
    state["right"].lerp_(g.T @ g, 1 - beta2)
    state["mean"] = ql.T @ mean @ qr


def soap():
    """Make a step between refreshes: ten products beside ours."""
    for m, n in SHAPES:
        g = torch.randn(m, n, generator=torch.Generator().manual_seed(0))
        w = torch.zeros(m, n)
        sides = "both" if m == n else "smaller"
        transform = optim.soap(frequency=10, sides=sides)
        _, state = transform.update(g, transform.init(w), w)
        _, state = transform.update(g, state, w)
        name = "SOAP" if m == n else "SOAP, the smaller side rotated"
        print(f"{name}, between refreshes, {m} x {n}")
        ours = {"ours": lambda g=g, s=state, w=w, t=transform: t.update(g, s, w)}
        if m == n:
            basis = torch.linalg.qr(g)[0]
            kept = {"ql": basis, "qr": basis, "left": g @ g.T, "right": g.T @ g,
                    "mean": g + 0, "square": g * g}  # fmt: skip
            moved = w + 0
            published = {
                "ten products": lambda w=moved, g=g, s=kept: published_soap_step(w, g, s, 5)
            }
            array = {k: v.numpy() for k, v in state["params"].items()}
            as_arrays = {"count": state["count"].numpy(), "params": array}
            a, v = g.numpy(), w.numpy()
            ours |= {"ours, NumPy": lambda a=a, s=as_arrays, v=v, t=transform: t.update(a, s, v)}
        else:
            published = {"the products of a rotation alone": lambda g=g: _one_rotation(g)}
        report(published | ours)


def _one_rotation(g):
    basis = torch.eye(g.shape[1])
    return (g @ basis) @ basis.T, g.T @ g


def directions():
    """Make a step of each of the others, beside Muon's."""
    for m, n in SHAPES:
        g = np.random.default_rng(0).standard_normal((m, n), dtype=np.float32)
        w, functions = np.zeros_like(g), {}
        for name, transform in (
            ("muon", optim.muon()),
            ("polargrad, QDWH", optim.polargrad()),
            ("polargrad, QDWH, rcond 1e-3", optim.polargrad(rcond=1e-3)),
            ("polargrad, Polar Express", optim.polargrad(method="polar-express")),
            ("asgo", optim.asgo()),
            ("asgo, Polar Express", optim.asgo(root="polar-express", eps=1e-6)),
            ("dasgo", optim.dasgo()),
        ):
            state = transform.init(w)
            functions[name] = lambda t=transform, s=state, g=g, w=w: t.update(g, s, w)
        print(f"steps, NumPy, {m} x {n}")
        report(functions, rounds=2)


BENCHMARKS = {"muon": muon, "soap": soap, "directions": directions}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for chosen in sys.argv[1:] or BENCHMARKS:
        BENCHMARKS[chosen]()
