"""Low-rank adapters for PyTorch: the layer, and the optimizers for its two factors."""

import math
from functools import partial

import torch

from linalg_ml._core import checks
from linalg_ml.optim import equilibrated_adapters, preconditioned_adapters, projected_adapters
from linalg_ml.optim.pairs import Pair
from linalg_ml.optim.rules import check_grad
from linalg_ml.optim.torch import LeafwiseOptimizer, optimizer_class

_PARAMS = """\
params : Module, or iterable of LoRALinear, of (A, B) pairs, or of dicts
    All adapters of a model, or single ones. A dict is a group: its "params", and
    hyperparameters of its own. Where there is a ``scaling``, that of each layer is taken."""
_EXAMPLE = """\
>>> import torch
>>> from linalg_ml.optim.torch_lora import LoRALinear, {name}
>>> _ = torch.manual_seed(0)
>>> layer = LoRALinear(torch.nn.Linear(6, 4), rank=2)
>>> optimizer = {name}(layer, lr=0.05)
>>> x, y, losses = torch.randn(32, 6), torch.randn(32, 4), []
>>> for _ in range(20):
...     loss = (layer(x) - y).square().mean()
...     optimizer.zero_grad()
...     loss.backward()
...     optimizer.step()
...     losses.append(loss.item())
>>> losses[-1] < losses[0]
True"""


class LoRALinear(torch.nn.Module):
    """Add a low-rank term to a linear layer that stays as it is: W x + s B A x.

    Parameters
    ----------
    base : torch.nn.Linear
        Its parameters are frozen.
    rank : int
        Rows of A (rank, inputs) and columns of B (outputs, rank).
    alpha : float, optional
        The scaling s is alpha / rank; None: s = 1.
    keep_gradient : bool
        Whether the gradient of the product B A is formed too, at the cost of a frozen weight's;
        for ``AdaPreLoRA(statistics="full")``.

    Notes
    -----
    B starts at zero, so that nothing changes at first, and A uniform between the bounds
    -1 / sqrt(inputs) and 1 / sqrt(inputs).

    References
    ----------
    E. J. Hu and others, "LoRA: Low-rank adaptation of large language models", 2021,
    arXiv:2106.09685.

    Examples
    --------
    >>> import torch
    >>> from linalg_ml.optim.torch_lora import LoRALinear
    >>> layer = LoRALinear(torch.nn.Linear(6, 4), rank=2)
    >>> [name for name, p in layer.named_parameters() if p.requires_grad]
    ['A', 'B']
    """

    def __init__(self, base, rank, *, alpha=None, keep_gradient=False):
        super().__init__()
        self.base = checks.instance(base, torch.nn.Linear, "base")
        rank = checks.count(rank, "rank")
        self.scaling = 1.0 if alpha is None else checks.number(alpha, "alpha", above=0) / rank
        self.keep_gradient = bool(keep_gradient)
        for param in base.parameters():
            param.requires_grad_(False)
        outputs, inputs = base.weight.shape
        made = torch.empty(rank, inputs, dtype=base.weight.dtype, device=base.weight.device)
        bound = 1 / math.sqrt(max(inputs, 1))
        self.A = torch.nn.Parameter(made.uniform_(-bound, bound))
        self.B = torch.nn.Parameter(made.new_zeros(outputs, rank))

    def forward(self, x):
        """Return the outputs for inputs of shape (..., inputs)."""
        added = (x @ self.A.T) @ self.B.T
        y = self.base(x) + self.scaling * added
        if self.keep_gradient and y.requires_grad:
            y.register_hook(partial(self._keep, x.detach()))
        return y

    def extra_repr(self):
        """Return what the representation shows besides the layer."""
        return f"rank={self.A.shape[0]}, scaling={self.scaling:g}"

    def merged(self):
        """Return a linear layer with the weight W + s B A."""
        with torch.no_grad():
            weight = self.base.weight + self.scaling * (self.B @ self.A)
            layer = torch.nn.Linear(
                *reversed(weight.shape), bias=self.base.bias is not None,
                device=weight.device, dtype=weight.dtype,
            )  # fmt: skip
            layer.weight.copy_(weight)
            if layer.bias is not None:
                layer.bias.copy_(self.base.bias)
        return layer

    def _keep(self, x, grad):
        """Add the gradient of W to that of the product, where optimizers look for it."""
        found = grad.reshape(-1, grad.shape[-1]).T @ x.reshape(-1, x.shape[-1]).to(grad.dtype)
        held = getattr(self.A, "full_grad", None)
        self.A.full_grad = found if held is None else held + found


def add_lora(model, rank, *, alpha=None, where=None, keep_gradient=False):
    """Put adapters beside the linear layers of a model, and freeze everything else.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    rank, alpha, keep_gradient
        As for `LoRALinear`.
    where : callable, optional
        ``where(name, layer) -> bool``: which linear layers. None: all.

    Returns
    -------
    torch.nn.Module
        The model.

    Raises
    ------
    ValueError
        If no layer is chosen.

    Examples
    --------
    >>> import torch
    >>> from linalg_ml.optim.torch_lora import add_lora
    >>> model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    >>> _ = add_lora(model, 2, where=lambda name, layer: layer.out_features > 1)
    >>> [name for name, p in model.named_parameters() if p.requires_grad]
    ['0.A', '0.B']
    """
    chosen = [
        (name, layer)
        for name, layer in model.named_modules()
        if name and type(layer) is torch.nn.Linear and (where is None or where(name, layer))
    ]
    if not chosen:
        raise ValueError("model must hold torch.nn.Linear layers that where says yes to, got none")
    model.requires_grad_(False)
    for name, layer in chosen:
        adapter = LoRALinear(layer, rank, alpha=alpha, keep_gradient=keep_gradient)
        model.set_submodule(name, adapter)
    return model


def merge_lora(model):
    """Put the sums in the place of all adapters of a model.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.

    Returns
    -------
    torch.nn.Module
        The model.

    Examples
    --------
    >>> import torch
    >>> from linalg_ml.optim.torch_lora import add_lora, merge_lora
    >>> model = add_lora(torch.nn.Sequential(torch.nn.Linear(6, 8)), 2)
    >>> merge_lora(model)
    Sequential(
      (0): Linear(in_features=6, out_features=8, bias=True)
    )
    """
    for name, layer in list(model.named_modules()):
        if name and isinstance(layer, LoRALinear):
            model.set_submodule(name, layer.merged())
    return model


class PairOptimizer(LeafwiseOptimizer):
    """Step with a `Transform` for pairs of factors; the base of the classes here.

    In a group of parameters A and B of each adapter stand behind each other, and the state of a
    pair is that of its A.
    """

    def __init__(self, params, defaults):
        if isinstance(params, torch.nn.Module):
            params = [params]
        super().__init__(params, defaults)

    def add_param_group(self, param_group):
        """Add adapters; those of another scaling become a group of their own."""
        given = dict(param_group)
        by_scaling = {}
        for a, b, scaling in _pairs_of(given.pop("params")):
            known = "scaling" in self.hyperparameters and "scaling" not in given
            by_scaling.setdefault(scaling if known else None, []).extend([a, b])
        if not by_scaling:
            raise ValueError("params must hold adapters, got none")
        for scaling, params in by_scaling.items():
            own = {} if scaling is None else {"scaling": scaling}
            super().add_param_group({**given, **own, "params": params})

    def zero_grad(self, set_to_none=True):
        """Forget the gradients, those of products too."""
        super().zero_grad(set_to_none)
        for group in self.param_groups:
            for param in group["params"]:
                if getattr(param, "full_grad", None) is not None:
                    param.full_grad = None

    def _check_params(self, leafwise, params):
        for a, b in zip(params[::2], params[1::2], strict=True):
            leafwise.check_pair(a, b, "params")

    def _step_group(self, leafwise, params, number):
        pairs = []
        for i, (a, b) in enumerate(zip(params[::2], params[1::2], strict=True)):
            if a.grad is None and b.grad is None:
                continue
            for factor in (a, b):
                if factor.grad is None:
                    raise ValueError(
                        f"pair {i} of group {number} has a gradient for one factor alone; both "
                        "are to be learned, or neither"
                    )
                check_grad(factor.grad, factor, f" of pair {i} of group {number}")
            state = self.state[a]
            if not state:
                state.update(leafwise.init(a, b))
            pairs.append(Pair(a, b, a.grad, b.grad, getattr(a, "full_grad", None), state, None))
        for pair, made in zip(pairs, leafwise.update(pairs, None), strict=True):
            pair.a.add_(made[0])
            pair.b.add_(made[1])
            pair.state.update(made[2])

    def _check_state(self, leafwise, state, param):
        for group in self.param_groups:
            for a, b in zip(group["params"][::2], group["params"][1::2], strict=True):
                if a is param:
                    place = f" of a pair of shapes {tuple(a.shape)}, {tuple(b.shape)}"
                    leafwise.check_state(state, a, b, place)


def _pairs_of(params):
    """Yield (A, B, scaling or None) of what may be given as parameters."""
    if isinstance(params, torch.nn.Module):
        params = [params]
    for entry in params:
        if isinstance(entry, torch.nn.Module):
            for layer in entry.modules():
                if isinstance(layer, LoRALinear):
                    yield layer.A, layer.B, layer.scaling
        elif isinstance(entry, (tuple, list)) and len(entry) == 2:
            yield *entry, None
        else:
            raise TypeError(
                "params must be modules with adapters or (A, B) pairs of tensors, "
                f"got {type(entry).__name__}"
            )


def _made(constructor, name):
    return optimizer_class(constructor, name, PairOptimizer, (_PARAMS, _EXAMPLE))


AdaPreLoRA = _made(projected_adapters.adaprelora, "AdaPreLoRA")
ScaledAdam = _made(preconditioned_adapters.scaled_adam, "ScaledAdam")
LoRAPro = _made(preconditioned_adapters.lora_pro, "LoRAPro")
LoRARITE = _made(equilibrated_adapters.lora_rite, "LoRARITE")
