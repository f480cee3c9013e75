"""Training runs of the text model: which optimizer gets which weights, and what is recorded."""

import contextlib
import math

import torch

from experiments.text_model import Text, Transformer
from experiments.training_optimizers import make
from linalg_ml.optim import warmup_stable_decay

HELD_BACK = 192  # windows of the validation text
_TEXTS = {}


def train(cell, context):
    """Train one model and yield a record at the start, on the way and at the end.

    Parameters
    ----------
    cell : dict
        What `training_optimizers.make` takes; "seed", which decides the initial weights and the
        batches; "steps", "every", "batch", "length", "width" and "layers"; perhaps "clip", a
        bound on the norm of the gradient.
    context : Context

    Yields
    ------
    dict
        "step", "loss" (the mean over the batches since the last record), "validation_loss", and
        "last". A run whose loss is not finite ends there, with infinite losses.
    """
    text = _text(context.root)
    seed = int(context.rng("text model", cell["seed"]).integers(2**31))
    with one_thread():
        sizes = {name: cell[name] for name in ("width", "layers", "length")}
        model = Transformer(len(text.characters), seed=seed, **sizes)
        optimizers = make(cell, model)
        factor = rate_factor(cell["steps"])
        rates = [torch.optim.lr_scheduler.LambdaLR(o, factor) for o in optimizers]
        held_back = text.held_back(HELD_BACK, cell["length"])
        generator = torch.Generator().manual_seed(seed)
        losses = []
        for step in range(cell["steps"] + 1):
            last = step == cell["steps"]
            if last or step % cell["every"] == 0:
                mean = sum(losses) / len(losses) if losses else None
                losses, found = [], validation_loss(model, held_back)
                yield {"step": step, "loss": mean, "validation_loss": found, "last": last}
            if last:
                return
            loss = model.loss(*text.batch(cell["batch"], cell["length"], generator))
            if not math.isfinite(loss.item()):
                break
            losses.append(loss.item())
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            if "clip" in cell:
                torch.nn.utils.clip_grad_norm_(model.parameters(), cell["clip"])
            for optimizer, rate in zip(optimizers, rates, strict=True):
                optimizer.step()
                rate.step()
    yield {"step": step, "loss": math.inf, "validation_loss": math.inf, "last": True}


def rate_factor(steps):
    """Return the schedule of all runs: up over a tenth of the steps, then linearly to zero."""
    warmup = steps // 10
    schedule = warmup_stable_decay(1.0, warmup=warmup, stable=0, decay=steps - warmup)
    return lambda count: float(schedule(count))


@torch.no_grad()
def validation_loss(model, held_back, batch=64):
    """Return the mean loss over windows of the same length."""
    parts = zip(*(part.split(batch) for part in held_back), strict=True)
    total = sum(model.loss(inputs, targets).item() * len(inputs) for inputs, targets in parts)
    return total / len(held_back[0])


@contextlib.contextmanager
def one_thread():
    """Let PyTorch use one thread: with more, sums come in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _text(root):
    if root not in _TEXTS:
        _TEXTS[root] = Text(root)
    return _TEXTS[root]
