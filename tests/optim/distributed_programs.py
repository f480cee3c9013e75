"""What the processes of the distributed tests do; each returns what the tests then look at."""

import datetime
import multiprocessing
import os
import signal
import traceback
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from linalg_ml.matrix_functions.orthogonalize import as_schedule
from linalg_ml.optim import torch_distributed as shared
from linalg_ml.optim import torch_processes
from linalg_ml.optim.torch_processes import Processes
from linalg_ml.optim.torch_row_shards import _orthogonal

SHAPES = ((12, 8), (30, 6), (6, 24), (9, 9), (4, 3, 3, 3))
# Name: class, its arguments, and which matrices all processes share.
CASES = {
    "muon": ("Muon", {"weight_decay": 0.1}, "auto"),
    "muon, rows": ("Muon", {"scale": "match-rms", "weight_decay": 0.1}, 1),
    "muon, large rows": ("Muon", {"bias_correction": True}, 100),
    "muon, qdwh": ("Muon", {"schedule": "qdwh"}, 1),
    "muon, fused": ("Muon", {"fused": (2, 1)}, 1),
    "muon, frobenius rows": ("Muon", {"normalization": "frobenius"}, 1),
    "muon, schatten rows": ("Muon", {"normalization": "schatten"}, 1),
    "muon, aol rows": ("Muon", {"normalization": "aol"}, 1),
    "muon, turbo rows": ("Muon", {"schedule": "turbo"}, 1),
    "polargrad": ("PolarGrad", {"placement": "polar-first"}, "auto"),
    "polargrad, rows": ("PolarGrad", {"method": "polar-express", "placement": "nesterov"}, 1),
    "polargrad, rows, polar first": (
        "PolarGrad",
        {"method": "jordan", "placement": "polar-first"},
        1,
    ),
    "polargrad, turbo rows": ("PolarGrad", {"method": "turbo", "steps": 4}, 1),
    "soap": ("SOAP", {"frequency": 3}, "auto"),
    "soap, one side": ("SOAP", {"frequency": 2, "sides": "smaller", "weight_decay": 0.1}, None),
}
STEPS, SAVED = 4, 2
OPTIONS = (
    {},
    {"form": "direct"},
    {"form": "gram", "steps": 8},
    {"schedule": "turbo", "steps": 4},
    {"precision": "fp32"},
    {"precision": "bf16"},
)
NORMALIZATIONS = ("frobenius", "schatten", "aol")


def parameters(case):
    """Return the parameters of a case, the same in every process."""
    rng = np.random.default_rng(1)
    shapes = ((3, 7), (6, 2)) if "fused" in case else SHAPES
    if case.startswith("soap"):
        shapes = (*shapes, (5,))
    return [
        torch.nn.Parameter(torch.tensor(rng.standard_normal(shape), dtype=torch.float64))
        for shape in shapes
    ]


def constructor(case, module):
    """Return the class of a case and its arguments."""
    name, arguments, row_shards = CASES[case]
    if case == "muon, fused":
        arguments = {"fused": 1}
    if module is shared:
        arguments = {**arguments, "row_shards": row_shards}
    return getattr(module, name), {"lr": 0.05, **arguments}


def train(optimizer, params, first=0, last=STEPS):
    """Make steps whose gradients depend on nothing but the parameters and the number."""
    for step in range(first, last):
        for i, param in enumerate(params):
            param.grad = torch.sin(3 * param.detach() + step) + 0.1 * (i + step)
        if step == 1:  # one parameter has no gradient, another a bad one
            params[0].grad = None
            params[1].grad[0, 0] = torch.nan
        optimizer.step()
    return [param.detach().clone() for param in params]


def run_case(case, module, state=None, values=None):
    """Return the parameters at the end, and the optimizer."""
    params = parameters(case)
    kind, arguments = constructor(case, module)
    optimizer = kind(params, **arguments)
    if state is None:
        return train(optimizer, params), optimizer
    for param, value in zip(params, values, strict=True):
        param.data.copy_(value)
    optimizer.load_state_dict(state)
    return train(optimizer, params, SAVED), optimizer


def size_of(state):
    """Return the entries in the states of some parameters, but for the counters."""
    return sum(a.numel() for own in state.values() for a in own.values() if a.ndim)


def equality(rank, size, folder):
    """Run all cases, with a checkpoint on the way, and shards of matrices."""
    found = {"cases": {}, "sizes": {}, "loads": {}, "resumed": {}}
    for case in CASES:
        found["cases"][case], optimizer = run_case(case, shared)
        found["sizes"][case] = size_of(optimizer.state)
        found["loads"][case] = list(optimizer._loads)
    for case in ("muon, large rows", "soap"):
        params = parameters(case)
        kind, arguments = constructor(case, shared)
        optimizer = kind(params, **arguments)
        values = train(optimizer, params, 0, SAVED)
        path = f"{folder}/{case}.{size}.pt"
        shared.save_checkpoint(path, optimizer, values=values)
        other = f"{folder}/{case}.{2 if size == 4 else size}.pt"
        held = shared.load_checkpoint(other)
        found["resumed"][case], _ = run_case(case, shared, held["optimizer"], held["values"])
    optimizer.consolidate_state_dict(to=1)
    found["state at 1"] = _caught(optimizer.state_dict)
    optimizer.consolidate_state_dict(to=None)
    found["state"] = optimizer.state_dict()["state"]
    other = shared.SOAP(parameters("soap")[::-1])
    found["unfit"] = _caught(lambda: other.load_state_dict(optimizer.state_dict()))
    found["shards"] = shards(rank, size)
    found["errors"] = errors(rank, size, folder)
    return found


def shards(rank, size):
    """Return parts of orthogonalised matrices."""
    rng, found = np.random.default_rng(5), {}
    whole = {
        "tall": rng.standard_normal((23, 5)),
        "wide": rng.standard_normal((5, 23)),
        "square": rng.standard_normal((8, 8)),
        "few": rng.standard_normal((1, 4)),
        "graded": rng.standard_normal((40, 6)) @ np.diag(10.0 ** -np.arange(6)),
        "huge": rng.standard_normal((16, 4)) * 1e200,
        "zero": np.zeros((6, 3)),
        "nan": np.full((6, 3), np.nan),
    }
    whole["inf"] = whole["tall"].copy()
    whole["inf"][0, 0] = np.inf
    for name, a in whole.items():
        axis = -1 if name == "wide" else -2
        a = torch.tensor(a)
        # Uneven: the last process has nothing of a short matrix, the first one less than others.
        cut = torch.tensor_split(a, size, dim=axis) if name != "graded" else [a[:1], a[1:2], a[2:]]
        mine = cut[rank] if rank < len(cut) else a[:0]
        if name == "graded" and size == 2:
            mine = a[:1] if rank == 0 else a[1:]
        for options in OPTIONS if name == "graded" else OPTIONS[:1]:
            x = shared.orthogonalize_shards(mine, axis=axis, **options)
            found[name, repr(options)] = (a, x, axis, options)
    for name, normalization in product(("tall", "wide", "square"), NORMALIZATIONS):
        options = {"schedule": replace(as_schedule("jordan", 5), normalization=normalization)}
        a = torch.tensor(whole[name])
        for axis in (-2, -1):
            mine = torch.tensor_split(a, size, dim=axis)[rank]
            x = shared.orthogonalize_shards(mine, axis=axis, **options)
            found[name, normalization, axis] = (a, x, axis, options)
    a = torch.tensor(whole["graded"])
    cut, rows = torch.tensor_split(a, size), as_schedule(None, 7)
    lengths = [len(part) for part in cut]
    x = _orthogonal(cut[rank], -2, lengths, rows, None, "auto", Processes(), split_from=2)
    found["split", "products"] = (a, x, -2, {"steps": 7})
    return found


class Breaking(shared.Muon):
    """Muon whose step breaks on the last rank."""

    def _own_steps(self, active):
        if self.processes.rank == self.processes.size - 1:
            raise ArithmeticError("no decomposition")
        return super()._own_steps(active)


def errors(rank, size, folder):
    """Return what is raised where processes do not agree, or one cannot do its part."""
    found = {}
    params = parameters("muon")
    before = [param.detach().clone() for param in params]
    optimizer = Breaking(params, lr=0.1)
    found["broken"] = _caught(lambda: train(optimizer, params, 0, 1))
    found["unchanged"] = all(torch.equal(a, b) for a, b in zip(before, params, strict=True))

    optimizer = shared.Muon(params, lr=0.1)
    for param in params:
        param.grad = torch.ones_like(param)
    if rank == 1:
        params[2].grad = None
    found["other gradients"] = _caught(optimizer.step)
    if rank == 1:
        params[2].grad = torch.ones_like(params[2]).to_sparse()
    else:
        params[2].grad = torch.ones_like(params[2])
    found["sparse"] = _caught(shared.Muon(params, lr=0.1).step)
    others = params[: 2 + rank]
    found["other model"] = _caught(shared.Muon(others, lr=0.1).step)
    optimizer, nowhere = shared.Muon(params, lr=0.1), "/nowhere/at/all.pt"
    found["no folder"] = _caught(lambda: shared.save_checkpoint(nowhere, optimizer))
    # Only what rank 0 gives is written.
    given = {"folder": Path(nowhere)} if rank == 0 else {}
    found["unreadable"] = _caught(lambda: shared.save_checkpoint(nowhere, optimizer, **given))
    adamw, path = torch.optim.AdamW(params), f"{folder}/adamw.{size}.pt"

    def both():
        shared.save_checkpoint(path, adamw, epoch=1)
        adamw.load_state_dict(shared.load_checkpoint(path)["optimizer"])

    found["plain"] = _caught(both)
    return found


def _caught(function):
    try:
        function()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def network():
    """Return a small model, the same everywhere."""
    torch.manual_seed(3)
    layers = (torch.nn.Linear(6, 10), torch.nn.Tanh(), torch.nn.Linear(10, 4))
    return torch.nn.Sequential(*layers).double()


def data(part=0, parts=1):
    """Return a part of the samples of one batch."""
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((16, 6)), rng.standard_normal((16, 4))
    return (torch.tensor(a)[part::parts] for a in (x, y))


def fit(model, module, part=0, parts=1, **options):
    """Train a model: matrices by Muon or PolarGrad, the rest by SOAP, with a schedule."""
    plain = getattr(model, "module", model)
    matrices = [p for p in plain.parameters() if p.ndim == 2]
    others = [p for p in plain.parameters() if p.ndim < 2]
    optimizers = [
        module.Muon(matrices, lr=0.1, **options),
        module.SOAP([{"params": others, "lr": 0.03}], **options),
    ]
    schedules = [torch.optim.lr_scheduler.ExponentialLR(o, 0.9) for o in optimizers]
    x, y = data(part, parts)
    for _ in range(5):
        for one in optimizers:
            one.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        for one in (*optimizers, *schedules):
            one.step()
    return [p.detach().clone() for p in plain.parameters()]


def under_ddp(rank, size, folder):
    """Train under DistributedDataParallel, each process on its part of the batch."""
    model = torch.nn.parallel.DistributedDataParallel(network())
    fitted = fit(model, shared, rank, size, row_shards=30)
    members, found = dist.new_group([0, size - 1][: size - 1]), {"fitted": fitted}
    if 0 < rank < size - 1:
        found["stranger"] = _caught(lambda: shared.Muon([], lr=1.0, process_group=members))
    elif size > 2:
        params = parameters("muon")
        optimizer = shared.Muon(params, lr=0.05, weight_decay=0.1, process_group=members)
        found["subgroup"] = train(optimizer, params)
        optimizer.consolidate_state_dict(to=1)
        if optimizer.processes.rank == 1:
            found["subgroup state"] = size_of(optimizer.state_dict()["state"])
    return found


def killed(rank, size, folder):
    """Save, then lose rank 2 in the middle of training."""
    params = parameters("muon")
    optimizer = shared.Muon(params, lr=0.05, weight_decay=0.1, row_shards=100)
    values = train(optimizer, params, 0, SAVED)
    shared.save_checkpoint(f"{folder}/before.pt", optimizer, values=values)
    if rank == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"error": _caught(lambda: train(optimizer, params, SAVED))}


def killed_in_backward(rank, size, folder):
    """Lose rank 1 where DistributedDataParallel averages gradients."""
    model = torch.nn.parallel.DistributedDataParallel(network())
    x, y = data(rank, size)

    def steps():
        with shared.explain_lost_ranks(during="the backward pass"):
            for step in range(3):
                if step == 1 and rank == 1:
                    os._exit(3)
                torch.nn.functional.mse_loss(model(x), y).backward()

    return {"error": _caught(steps)}


def run(programs, size, folder):
    """Run programs one after the other in some processes; return what each one of them returned.

    A process that is killed returns None from there on.
    """
    # What takes seconds to import is imported once, and every process is a fork of that.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "linalg_ml.optim.torch_distributed"])
    workers = [
        context.Process(target=_work, args=(programs, rank, size, str(folder)))
        for rank in range(size)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
        assert not worker.is_alive(), "a process hangs"
    results = []
    for rank in range(size):
        held = {}
        for program in programs:
            path = f"{folder}/{program.__name__}.{size}.{rank}"
            held[program.__name__] = (
                torch.load(path, weights_only=False) if os.path.exists(path) else None
            )
        results.append(held)
    return results


def _work(programs, rank, size, folder):
    torch.set_num_threads(1)
    torch_processes._GRACE = 1.0
    for program in programs:
        name = f"{folder}/{program.__name__}.{size}"
        dist.init_process_group(
            "gloo",
            init_method=f"file://{name}.store",
            rank=rank,
            world_size=size,
            timeout=datetime.timedelta(seconds=60),
        )
        try:
            found = program(rank, size, folder)
        except Exception:
            found = traceback.format_exc()
        torch.save(found, f"{name}.{rank}")
        dist.destroy_process_group()
