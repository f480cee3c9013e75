"""The optimizers as classes of `torch.optim.Optimizer`.

They know parameter groups, schedulers, closures, hooks and ``state_dict``; the mathematics is
that of `linalg_ml.optim`. A parameter whose gradient is None, or holds NaN or infinity, is left
as it is, and so is its state.
"""

import inspect
from dataclasses import asdict

import torch

from linalg_ml._core.precision import Precision
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.optim import (
    adam_family,
    eigenbasis,
    equal_betas,
    factored,
    fisher_structured,
    gradient_descent,
    kronecker,
    low_rank_updates,
    manifold_descent,
    one_sided,
    orthogonalized,
    polar_gradient,
    sign_descent,
    split_gradients,
)
from linalg_ml.optim.docstrings import adapted
from linalg_ml.optim.in_place import fits, step_in_place
from linalg_ml.optim.rules import check_grad
from linalg_ml.optim.torch_transforms import TransformOptimizer as TransformOptimizer

_PARAMS = """\
params : iterable of tensors, of (name, tensor) pairs, or of dicts
    A dict is a group: its "params", and hyperparameters of its own."""
_EXAMPLE = """\
>>> import torch
>>> from linalg_ml.optim.torch import {name}
>>> weight = torch.nn.Parameter(torch.ones(4, 3))
>>> optimizer = {name}([weight], lr=0.01)
>>> for _ in range(2):
...     loss = (weight[0] ** 2).sum()
...     optimizer.zero_grad()
...     loss.backward()
...     optimizer.step()
>>> bool((weight[0] ** 2).sum() < loss)
True"""
_AT_ONCE = 2**22  # entries of parameters whose steps are in memory together, before they are made
_CLASSES = {known.__name__: known for known in (Schedule, Precision)}  # of hyperparameters


class LeafwiseOptimizer(torch.optim.Optimizer):
    """Step with a `Transform` that treats each parameter alone; the base of all classes here.

    Parameters
    ----------
    params : iterable
        As for every optimizer of PyTorch.
    defaults : dict
        The hyperparameters of groups that do not say otherwise.

    Notes
    -----
    A subclass has ``constructor``, a function of the hyperparameters of a group that returns a
    `Transform`, and their names in ``hyperparameters``. It is called again when one of them has
    changed in a group, and the next step is made with what it returns. What the state lacks then,
    such as the buffer of `SGD` without momentum, begins as at the first step. What the shapes or
    the meaning of a state depend on, as the ``density`` of `FRUGAL`, cannot change after the first
    step, which raises ValueError; see `Rule.layout`.
    """

    constructor = None
    hyperparameters = ()

    def __init__(self, params, defaults):
        self._made = {}
        super().__init__(params, defaults)

    def add_param_group(self, param_group):
        """Add a group of parameters, with hyperparameters of its own or the defaults."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            for name in self.hyperparameters:
                if name not in group:
                    raise TypeError(f"missing a required argument: {name!r}")
            self._check_params(self._leafwise(group), group["params"])
        except Exception:
            self.param_groups.pop()
            raise

    @torch.no_grad()
    def step(self, closure=None):
        """Make one step.

        Parameters
        ----------
        closure : callable, optional
            Computes the gradients anew and returns the loss.

        Returns
        -------
        tensor or None
            What the closure returned.

        Raises
        ------
        TypeError
            If a gradient is sparse.
        ValueError
            If a hyperparameter was changed that cannot change after the first step.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        made = [self._leafwise(group) for group in self.param_groups]
        for number, (leafwise, group) in enumerate(zip(made, self.param_groups, strict=True)):
            self._step_group(leafwise, group["params"], number)
        return loss

    def _check_params(self, leafwise, params):
        for param in params:
            leafwise.check_param(param, "params")

    def _step_group(self, leafwise, params, number):
        together, alone = [], []
        for i, param in enumerate(params):
            if param.grad is None:
                continue
            if param.grad.layout != torch.strided:
                check_grad(param.grad, param, f" of parameter {i} of group {number}")
            state = self.state[param]
            if not state:
                state.update(leafwise.init(param))
            quick = param.device.type == "cpu" and fits(leafwise.rule, param, param.grad)
            (together if quick else alone).append((param, param.grad, state))
        for part in _parts(together):
            step_in_place(leafwise, *map(list, zip(*part, strict=True)))
        for part in _parts(alone):
            _step_alone(leafwise, *map(list, zip(*part, strict=True)))

    def state_dict(self):
        """Return the state and the hyperparameters, all that `load_state_dict` needs.

        Returns
        -------
        dict
            As of every optimizer of PyTorch, of plain containers and tensors.
        """
        for group in self.param_groups:
            self._leafwise(group)  # states are those of the hyperparameters beside them
        found = super().state_dict()
        return {**found, "param_groups": _each_value(_stored, found["param_groups"])}

    def load_state_dict(self, state_dict):
        """Load a state that `state_dict` returned; steps go on as if they had not been stopped.

        The state of a parameter of another dtype than before takes the dtype that it has here
        from the start.

        Parameters
        ----------
        state_dict : dict

        Raises
        ------
        ValueError
            If the state of a parameter is not one of this optimizer, or has another shape. Then
            nothing is loaded.
        """
        loaded = []

        def hold(_, found):
            found = {**found, "param_groups": _each_value(_restored, found["param_groups"])}
            self._check_state_dict(found)
            loaded.append(found)
            return found

        handle = self.register_load_state_dict_pre_hook(hold)
        try:
            super().load_state_dict(state_dict)
        finally:
            handle.remove()
        # PyTorch converts states to the type of the parameter: counters too.
        for _, group, held in self._groups_of(loaded[-1]):
            for param, state in held:
                dtypes = self._leafwise(group).state_dtypes(param)
                self.state[param] = {
                    name: a.detach().to(param.device, dtypes[name], copy=True)
                    for name, a in state.items()
                }

    def __setstate__(self, state):
        """Restore what was pickled or copied."""
        super().__setstate__(state)
        self._made = {}
        for group in self.param_groups:
            self._leafwise(group)

    def _leafwise(self, group):
        """Return the rule, rate and decay that belong to the hyperparameters of a group.

        Where these have changed, the states of its parameters go on with them.
        """
        values = self._values(group)
        known = self._made.get(id(group))
        if known is None or known[0] != values:
            before, known = known, (values, self._constructed(values))
            if before is not None:
                self._go_on(group["params"], before, known)
            self._made[id(group)] = known
        return known[1]

    def _values(self, group):
        return {name: _plain(group[name]) for name in self.hyperparameters}

    def _constructed(self, values):
        if callable(values.get("lr")):
            raise TypeError(
                "lr must be a number or a tensor; to change it while training use "
                "torch.optim.lr_scheduler, for instance LambdaLR(optimizer, schedule)"
            )
        made = type(self).constructor(**values).leafwise
        if made is None:
            raise TypeError(
                f"{type(self).__name__} must step with a transform that treats each parameter "
                "alone; for a chain, a partition and the like use TransformOptimizer"
            )
        return made

    def _go_on(self, params, before, after):
        """Fit the states of parameters to changed hyperparameters, or raise if that cannot be."""
        (old, was), (new, made) = before, after
        layout, held = made.rule.layout(), [param for param in params if self.state.get(param)]
        changed = [name for name, v in was.rule.layout().items() if v != layout[name]]
        if not changed or not held:
            return
        for name in changed:
            if name not in made.rule.may_begin:
                raise ValueError(
                    f"{name} cannot change after the first step, from {old[name]!r} to "
                    f"{new[name]!r}: the state depends on it; make a new optimizer"
                )
        for param in held:
            self.state[param] = made.adopt(self.state[param], param.detach())

    def _groups_of(self, state_dict):
        """Yield (group as saved, group here, (parameter, state) of those that have a state)."""
        states = state_dict["state"]
        for saved, own in zip(state_dict["param_groups"], self.param_groups, strict=True):
            pairs = zip(saved["params"], own["params"], strict=True)
            yield saved, own, [(param, states[key]) for key, param in pairs if key in states]

    def _check_state_dict(self, state_dict):
        sizes = [
            [len(group["params"]) for group in groups]
            for groups in (state_dict["param_groups"], self.param_groups)
        ]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"state_dict must have groups of {sizes[1]} parameters, got {sizes[0]}"
            )
        for saved, _, held in self._groups_of(state_dict):
            missing = [name for name in self.hyperparameters if name not in saved]
            if missing:
                raise ValueError(
                    f"state_dict must be one of {type(self).__name__}; its groups lack {missing}"
                )
            leafwise = self._constructed(self._values(saved))
            for param, state in held:
                self._check_state(leafwise, state, param)

    def _check_state(self, leafwise, state, param):
        leafwise.check_state(state, param, f" of a parameter of shape {tuple(param.shape)}")


def optimizer_class(constructor, name, base=LeafwiseOptimizer, texts=(_PARAMS, _EXAMPLE)):
    """Make the class of an optimizer from the function that makes its `Transform`.

    Parameters
    ----------
    constructor : callable
        Returns a `Transform` with ``leafwise``.
    name : str
        The class is called so.
    base : type
        `LeafwiseOptimizer`, or a subclass that knows how parameters belong together.
    texts : (str, str)
        What the docstring says of ``params``, and its example, with {name} in it.

    Returns
    -------
    type
        A subclass of `torch.optim.Optimizer`, with the signature and docstring of
        ``constructor`` and ``params`` before its hyperparameters.

    Examples
    --------
    >>> from linalg_ml import optim
    >>> from linalg_ml.optim.torch import optimizer_class
    >>> optimizer_class(optim.signum, "Signum").__name__
    'Signum'
    """
    signature = inspect.signature(constructor)

    def __init__(self, params, *args, **kwargs):
        bound = signature.bind_partial(*args, **kwargs)  # groups may hold what is missing
        bound.apply_defaults()
        base.__init__(self, params, dict(bound.arguments))

    first = inspect.Parameter("params", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [first, *signature.parameters.values()]
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    __init__.__signature__ = signature.replace(parameters=[own, *parameters])
    return type(
        name,
        (base,),
        {
            "__init__": __init__,
            "__doc__": adapted(constructor, texts[0], texts[1].format(name=name)),
            "__module__": base.__module__,
            "__signature__": signature.replace(parameters=parameters),
            "constructor": staticmethod(constructor),
            "hyperparameters": tuple(signature.parameters),
        },
    )


def _parts(held):
    """Yield lists of consecutive (parameter, ...) of at most `_AT_ONCE` entries, or of one."""
    part, entries = [], 0
    for one in held:
        if part and entries + one[0].numel() > _AT_ONCE:
            yield part
            part, entries = [], 0
        part.append(one)
        entries += one[0].numel()
    if part:
        yield part


def _step_alone(leafwise, params, grads, states):
    """Make the step by the pure functions, and write what they return where it belongs."""
    finite = None
    if all(param.device.type == "cpu" for param in params):  # where reading costs nothing
        finite = kernels("torch").foreach_finite(grads)
    for param, grad in zip(params, grads, strict=True):
        check_grad(grad, param)
    updates, after = leafwise.update(grads, states, params, None, finite)
    for param, update, state, new in zip(params, updates, states, after, strict=True):
        param.add_(update)
        state.update(new)


def _plain(value):
    """Return a tensor without axes on the host as a number, and a list, which may change, copied.

    Anything else is returned as it is.
    """
    if isinstance(value, list):
        return list(value)
    if isinstance(value, torch.Tensor) and value.ndim == 0 and value.device.type == "cpu":
        return value.item()
    return value


def _each_value(function, groups):
    """Return groups with a function applied to each of their values."""
    return [{name: function(value) for name, value in group.items()} for group in groups]


def _stored(value):
    """Return a hyperparameter as ``torch.load`` reads it without trusting the file."""
    return {type(value).__name__: asdict(value)} if type(value) in _CLASSES.values() else value


def _restored(value):
    """Return a hyperparameter from what `_stored` made of it."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, settings),) = value.items()
        if name in _CLASSES:
            return _CLASSES[name](**settings)
    return value


SGD = optimizer_class(gradient_descent.sgd, "SGD")
Adam = optimizer_class(adam_family.adam, "Adam")
AdamW = optimizer_class(adam_family.adamw, "AdamW")
EqualBetaAdam = optimizer_class(equal_betas.equal_beta_adam, "EqualBetaAdam")
Lion = optimizer_class(sign_descent.lion, "Lion")
Signum = optimizer_class(sign_descent.signum, "Signum")
SignSGD = optimizer_class(sign_descent.sign_sgd, "SignSGD")
MeanOfSigns = optimizer_class(sign_descent.mean_of_signs, "MeanOfSigns")
Adafactor = optimizer_class(factored.adafactor, "Adafactor")
Muon = optimizer_class(orthogonalized.muon, "Muon")
PolarGrad = optimizer_class(polar_gradient.polargrad, "PolarGrad")
Shampoo = optimizer_class(kronecker.shampoo, "Shampoo")
SOAP = optimizer_class(eigenbasis.soap, "SOAP")
ASGO = optimizer_class(one_sided.asgo, "ASGO")
DASGO = optimizer_class(one_sided.dasgo, "DASGO")
FRUGAL = optimizer_class(split_gradients.frugal, "FRUGAL")
Dion = optimizer_class(low_rank_updates.dion, "Dion")
FISMO = optimizer_class(fisher_structured.fismo, "FISMO")
MACRO = optimizer_class(manifold_descent.macro, "MACRO")
SPEL = optimizer_class(manifold_descent.spel, "SPEL")
