"""Steps of optimizers on PyTorch tensors: ``python -m experiments.bench.optim``.

Each is timed beside `torch.optim.AdamW` with ``foreach=True``, in turn, on one thread of the CPU
in fp32; PyTorch's own form of the same optimizer, where there is one, stands behind it.
"""

import torch

from linalg_ml.optim import torch as optim

from .side_by_side import compare

SHAPES = {
    "1 of 1024 x 1024": [(1024, 1024)],
    "1 of 4096 x 1024": [(4096, 1024)],
    "60 of 128 x 128, 60 of 128": [(128, 128)] * 60 + [(128,)] * 60,
}
PEERS = {
    "AdamW": lambda params: torch.optim.AdamW(params, lr=1e-3, foreach=True),
    "SGD": lambda params: torch.optim.SGD(params, lr=1e-3, momentum=0.9, foreach=True),
    "Adafactor": lambda params: torch.optim.Adafactor(params, lr=1e-3, foreach=True),
}
OURS = {
    "AdamW": lambda params: optim.AdamW(params, lr=1e-3),
    "SGD": lambda params: optim.SGD(params, lr=1e-3, momentum=0.9),
    "Adafactor": lambda params: optim.Adafactor(params, lr=1e-3),
    "Lion": lambda params: optim.Lion(params, lr=1e-3),
    "Signum": lambda params: optim.Signum(params, lr=1e-3),
    "EqualBetaAdam": lambda params: optim.EqualBetaAdam(params, lr=1e-3),
}


def step_of(make, shapes):
    """Return the step of an optimizer whose parameters have random gradients."""
    params = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    for param in params:
        param.grad = torch.randn_like(param)
    return make(params).step


def main(rounds=25):
    """Print milliseconds per step, the ratio to AdamW of PyTorch, and the ratio to the peer."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for title, shapes in SHAPES.items():
        steps = {"torch AdamW": step_of(PEERS["AdamW"], shapes)}
        steps |= {f"torch {name}": step_of(PEERS[name], shapes) for name in ("SGD", "Adafactor")}
        steps |= {name: step_of(make, shapes) for name, make in OURS.items()}
        found = {timing.name: timing for timing in compare(steps, rounds=rounds)}
        print(f"{title}\n{'':>16} {'ms':>8} {'to AdamW':>9} {'to peer':>8}")
        for name, timing in found.items():
            peer = found.get(f"torch {name}")
            to_peer = f"{timing.ratio / peer.ratio:8.2f}" if peer else ""
            print(f"{name:>16} {timing.seconds * 1e3:8.2f} {timing.ratio:9.2f} {to_peer}")


if __name__ == "__main__":
    main()
