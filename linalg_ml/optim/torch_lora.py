"""Low-rank adapters for PyTorch: the layer, and the optimizers for its two factors."""

import math
from collections import Counter

import torch

from linalg_ml._core import checks
from linalg_ml.optim import equilibrated_adapters, preconditioned_adapters, projected_adapters
from linalg_ml.optim.pairs import Pair, update_together
from linalg_ml.optim.rules import check_grad
from linalg_ml.optim.torch import LeafwiseOptimizer, optimizer_class

_PARAMS = """\
params : Module, or iterable of LoRALinear, of (A, B) or (A, B, W), or of dicts
    All adapters of a model, or single ones. A dict is a group: its "params", and
    hyperparameters of its own. Where there is a ``scaling``, that of each layer is taken.
    Of W, the frozen weight of a layer with ``keep_gradient``, the gradient alone is used."""
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
        Whether the gradient of the whole matrix is formed too, for
        ``AdaPreLoRA(statistics="full")``. It is that of ``base.weight``, which then requires a
        gradient; the optimizers here read it and leave the weight as it is. Give this weight to
        no other optimizer.

    Attributes
    ----------
    weight, bias : tensor
        What the layer stands for: W + s B A, computed each time it is read, and the bias of
        ``base``. `torch.nn.TransformerEncoderLayer` and `torch.nn.MultiheadAttention` read them.

    Notes
    -----
    B starts at zero, so that nothing changes at first, and A uniform between the bounds
    -1 / sqrt(inputs) and 1 / sqrt(inputs).

    With ``keep_gradient``, whatever scales, averages or clears gradients must do so for A, B and
    ``base.weight`` alike: ``zero_grad`` of the model or the optimizer, ``GradScaler`` and
    ``DistributedDataParallel`` do. So does ``clip_grad_norm_(model.parameters(), ...)``, whose
    norm then counts all three; do not clip A and B without the weight.

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
        base.requires_grad_(False)
        base.weight.requires_grad_(self.keep_gradient)
        outputs, inputs = base.weight.shape
        made = torch.empty(rank, inputs, dtype=base.weight.dtype, device=base.weight.device)
        bound = 1 / math.sqrt(max(inputs, 1))
        self.A = torch.nn.Parameter(made.uniform_(-bound, bound))
        self.B = torch.nn.Parameter(made.new_zeros(outputs, rank))

    def forward(self, x):
        """Return the outputs for inputs of shape (..., inputs)."""
        added = (x @ self.A.T) @ self.B.T
        return self.base(x) + self.scaling * added

    @property
    def weight(self):
        """The matrix that the layer stands for; gradients of it reach A and B."""
        return self.base.weight + self.scaling * (self.B @ self.A)

    @property
    def bias(self):
        """The bias of the layer below."""
        return self.base.bias

    def extra_repr(self):
        """Return what the representation shows besides the layer."""
        return f"rank={self.A.shape[0]}, scaling={self.scaling:g}"

    def merged(self):
        """Return a linear layer with the weight W + s B A."""
        with torch.no_grad():
            weight = self.weight
            layer = torch.nn.Linear(
                *reversed(weight.shape), bias=self.base.bias is not None,
                device=weight.device, dtype=weight.dtype,
            )  # fmt: skip
            layer.weight.copy_(weight)
            if layer.bias is not None:
                layer.bias.copy_(self.base.bias)
        return layer


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
        If no layer is chosen; if ``keep_gradient`` is asked for a weight that another layer
        has too, as its gradient would be of both.

    Notes
    -----
    Layers that have an adapter keep it, and it stays as trainable as it is, so that a second call
    can give other layers another rank. To start anew, call `merge_lora` first. A layer with
    several names gets one adapter, if ``where`` says yes to one of them, and stays one layer; two
    layers that share a weight get an adapter each. Layers of a subclass of `torch.nn.Linear`, such
    as ``out_proj`` of `torch.nn.MultiheadAttention`, are left: put a `LoRALinear` in their place.

    Examples
    --------
    >>> import torch
    >>> from linalg_ml.optim.torch_lora import add_lora
    >>> model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    >>> _ = add_lora(model, 2, where=lambda name, layer: layer.out_features > 1)
    >>> [name for name, p in model.named_parameters() if p.requires_grad]
    ['0.A', '0.B']
    """
    adapters = [layer for layer in model.modules() if isinstance(layer, LoRALinear)]
    adapted = {adapter.base for adapter in adapters}
    names = {}
    for name, layer in model.named_modules(remove_duplicate=False):
        free = name and type(layer) is torch.nn.Linear and layer not in adapted
        if free and (where is None or where(name, layer)):
            names.setdefault(layer, name)
    if not names:
        raise ValueError(
            "model must hold torch.nn.Linear layers without an adapter that where says yes to, "
            "got none"
        )
    if keep_gradient:
        _check_own_weights(model, names)
    held = {param for adapter in adapters for param in adapter.parameters()}
    for param in model.parameters():
        if param not in held:
            param.requires_grad_(False)
    options = {"alpha": alpha, "keep_gradient": keep_gradient}
    return _replaced(model, {layer: LoRALinear(layer, rank, **options) for layer in names})


def merge_lora(model):
    """Put the sums in the place of all adapters of a model.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.

    Returns
    -------
    torch.nn.Module
        The model; the merged layer if the model is an adapter itself.

    Notes
    -----
    An adapter with several names becomes one layer. A base weight that other layers have too
    stays theirs: the sum is a weight of its own.

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
    adapters = [layer for layer in model.modules() if isinstance(layer, LoRALinear)]
    return _replaced(model, {adapter: adapter.merged() for adapter in adapters})


def _replaced(model, made):
    """Put the values of a dict in the place of the layers that are its keys, under every name."""
    for name, layer in list(model.named_modules(remove_duplicate=False)):
        if name and layer in made:
            model.set_submodule(name, made[layer])
    return made.get(model, model)


def _check_own_weights(model, names):
    """Raise if a layer shares its weight: the gradient of that is the sum over all its users."""
    users = Counter(param for layer in model.modules() for param in layer.parameters(recurse=False))
    for layer, name in names.items():
        if users[layer.weight] > 1:
            raise ValueError(
                f"keep_gradient needs weights of one layer each, but {name!r} shares its own with "
                "another layer"
            )


class PairOptimizer(LeafwiseOptimizer):
    """Step with a `Transform` for pairs of factors; the base of the classes here.

    In a group of parameters the A, the B and, if the group says ``keep_gradient``, the frozen
    weight of each adapter stand behind each other, so that what clears or scales gradients of the
    group reaches all three. The state of a pair is that of its A.
    """

    def __init__(self, params, defaults):
        if isinstance(params, torch.nn.Module):
            params = [params]
        super().__init__(params, defaults)

    def add_param_group(self, param_group):
        """Add adapters, in groups of their own by scaling and by ``keep_gradient``."""
        given = dict(param_group)
        by_kind = {}
        for *factors, weight, scaling in _adapters_of(given.pop("params")):
            known = "scaling" in self.hyperparameters and "scaling" not in given
            kind = scaling if known else None, weight is not None
            by_kind.setdefault(kind, []).extend(factors if weight is None else [*factors, weight])
        if not by_kind:
            raise ValueError("params must hold adapters, got none")
        for (scaling, keeps), params in by_kind.items():
            own = {} if scaling is None else {"scaling": scaling}
            own |= {"keep_gradient": True} if keeps else {}
            super().add_param_group({**given, **own, "params": params})

    def _check_params(self, leafwise, params):
        for a, b, weight in _members(self.param_groups[-1]):
            leafwise.check_pair(a, b, "params")
            if weight is not None and weight.shape != (b.shape[0], a.shape[1]):
                raise ValueError(
                    f"the W of params must have shape {(b.shape[0], a.shape[1])}, "
                    f"got {tuple(weight.shape)}"
                )

    def _step_group(self, leafwise, params, number):
        """Step with all groups at the turn of the first: a rule may clip them together."""
        if number > 0:
            return
        groups = [
            (self._leafwise(group), self._pairs_to_step(group, k))
            for k, group in enumerate(self.param_groups)
        ]
        for (_, pairs), updates in zip(groups, update_together(groups, None), strict=True):
            for pair, made in zip(pairs, updates, strict=True):
                pair.a.add_(made[0])
                pair.b.add_(made[1])
                pair.state.update(made[2])

    def _pairs_to_step(self, group, number):
        """Return the pairs of a group that have gradients, with their states."""
        pairs = []
        for i, (a, b, weight) in enumerate(_members(group)):
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
                state.update(self._leafwise(group).init(a, b))
            whole = None if weight is None else weight.grad
            pairs.append(Pair(a, b, a.grad, b.grad, whole, state, None))
        return pairs

    def _check_state_dict(self, state_dict):
        groups = zip(state_dict["param_groups"], self.param_groups, strict=False)
        for number, pair in enumerate(groups):
            saved, own = (group.get("keep_gradient", False) for group in pair)
            if saved != own:
                raise ValueError(
                    f"state_dict must have keep_gradient={own} in group {number}, got {saved}"
                )
        super()._check_state_dict(state_dict)

    def _check_state(self, leafwise, state, param):
        for group in self.param_groups:
            for a, b, _ in _members(group):
                if a is param:
                    place = f" of a pair of shapes {tuple(a.shape)}, {tuple(b.shape)}"
                    leafwise.check_state(state, a, b, place)


def _members(group):
    """Return (A, B, frozen weight or None) of each adapter of a group of parameters."""
    params = group["params"]
    if group.get("keep_gradient", False):
        return zip(params[::3], params[1::3], params[2::3], strict=True)
    return zip(params[::2], params[1::2], [None] * (len(params) // 2), strict=True)


def _adapters_of(params):
    """Yield (A, B, frozen weight or None, scaling or None) of what may be given as parameters."""
    if isinstance(params, torch.nn.Module):
        params = [params]
    for entry in params:
        if isinstance(entry, torch.nn.Module):
            for layer in entry.modules():
                if isinstance(layer, LoRALinear):
                    weight = layer.base.weight if layer.keep_gradient else None
                    yield layer.A, layer.B, weight, layer.scaling
        elif isinstance(entry, (tuple, list)) and len(entry) in (2, 3):
            yield *entry[:2], entry[2] if len(entry) == 3 else None, None
        else:
            raise TypeError(
                "params must be modules with adapters or tuples (A, B) or (A, B, W) of tensors, "
                f"got {type(entry).__name__}"
            )


def _made(constructor, name):
    return optimizer_class(constructor, name, PairOptimizer, (_PARAMS, _EXAMPLE))


AdaPreLoRA = _made(projected_adapters.adaprelora, "AdaPreLoRA")
ScaledAdam = _made(preconditioned_adapters.scaled_adam, "ScaledAdam")
LoRAPro = _made(preconditioned_adapters.lora_pro, "LoRAPro")
LoRARITE = _made(equilibrated_adapters.lora_rite, "LoRARITE")
