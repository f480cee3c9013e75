"""A rule is the mathematics of one optimizer on one parameter; here it becomes a Transform."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from linalg_ml._core.namespace import (
    REAL_OF,
    astype,
    dtype_name,
    is_array,
    is_complex,
    is_full,
    is_readable,
    library,
    namespace,
)
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.base import Transform
from linalg_ml.optim.elementwise import combine
from linalg_ml.optim.trees import align, flatten, rebuild

_COUNTERS = ("step", "skipped")


@dataclass(frozen=True)
class Rule:
    """The mathematics of one optimizer on one parameter, or on a bundle of them.

    A rule is a frozen dataclass of hyperparameters. It sees gradients, parameters and states in
    at least fp32, and never a gradient with NaN or infinity: what surrounds it converts, counts
    steps, skips, decays and multiplies by the learning rate.

    ``elementwise`` says that every array of the state has the shape of the parameter and that
    the formulas use nothing but the functions of `linalg_ml.optim.elementwise`, so that they
    also run on a `Bundle`. ``takes_complex`` says that complex parameters are right.
    ``may_begin`` are the names in `layout` that may change between two steps.
    """

    elementwise: ClassVar[bool] = False
    takes_complex: ClassVar[bool] = False
    may_begin: ClassVar[tuple] = ()

    def check(self, param, name):
        """Raise unless the rule is made for a parameter of this shape, called ``name``."""

    def init(self, param):
        """Return the state of a parameter: a dict of arrays."""
        return {}

    def layout(self):
        """Return what a state depends on besides the parameter, by names of hyperparameters."""
        return {}

    def adopt(self, state, param, step):
        """Return a state of another `layout` as it goes on here: what is new begins as in init."""
        return {name: state.get(name, a) for name, a in self.init(param).items()}

    def update(self, grad, state, param, step):
        """Return (direction, state): the parameter will move against the direction.

        ``step`` counts the steps of this parameter from 1, an integer array without axes (a
        Python int on a bundle).
        """
        raise NotImplementedError

    def finish(self, direction, param, step, lr, weight_decay):
        """Return -lr (direction + weight_decay param); consumes the direction."""
        return combine(direction, -lr, param, -lr * weight_decay)

    def cost(self, param):
        """Return about how many multiplications a step takes; it may be a mean over many."""
        entries = float(math.prod(param.shape))
        return entries if param.ndim < 2 else entries * min(param.shape)

    def update_all(self, grads, states, params, steps):
        """Return the (direction, state) of many parameters: one after the other, or stacked."""
        return [self.update(*one) for one in zip(grads, states, params, steps, strict=True)]


@dataclass(frozen=True)
class Leafwise:
    """A rule with its learning rate and decoupled weight decay, on lists of parameters."""

    rule: Rule
    lr: object
    weight_decay: object = 0.0
    _expected: dict = field(default_factory=dict, compare=False, repr=False)

    def init(self, param, name="params"):
        """Return the state of one parameter, with its counters of steps and of skipped ones."""
        self.check_param(param, name)
        state = self.rule.init(working(param))
        counter = hyperparameters.counter(param)
        return {"step": counter, "skipped": counter + 0, **state}

    def check_param(self, param, name):
        """Raise unless a parameter is a full floating-point array that the rule can work on."""
        if not is_full(param):
            raise TypeError(f"{name} must be a full tensor, got layout {param.layout}")
        if dtype_name(param) not in REAL_OF:
            raise TypeError(
                f"{name} must hold floating-point numbers, got dtype {dtype_name(param)}; "
                "put None in the place of what is not to be learned"
            )
        if is_complex(param) and not self.rule.takes_complex:
            raise TypeError(
                f"{name} is complex, which {type(self.rule).__name__} is not defined for; "
                "optimize its real and imaginary parts"
            )
        self.rule.check(param, name)

    def check_state(self, state, param, name):
        """Raise unless a state has the entries and shapes that its parameter asks for."""
        expected = self._entries(param, f"params{name}")
        if not isinstance(state, dict) or state.keys() != expected.keys():
            keys = sorted(state) if isinstance(state, dict) else type(state).__name__
            raise ValueError(f"state{name} must be a dict with keys {sorted(expected)}, got {keys}")
        for k, (shape, _) in expected.items():
            if tuple(state[k].shape) != shape:
                raise ValueError(
                    f"state{name}[{k!r}] must have shape {shape} for a parameter of shape "
                    f"{tuple(param.shape)}, got {tuple(state[k].shape)}"
                )

    def state_dtypes(self, param):
        """Return the types of the arrays in the state of a parameter, by their names."""
        return {k: dtype for k, (_, dtype) in self._entries(param, "params").items()}

    def adopt(self, state, param):
        """Return a state that was made with other hyperparameters as it goes on with these."""
        own = {k: a for k, a in state.items() if k not in _COUNTERS}
        after = self.rule.adopt(own, working(param), state["step"])
        return {**{k: state[k] for k in _COUNTERS}, **after}

    def update(self, grads, states, params, count, finite=None):
        """Return the updates and states of parameters that all have a gradient.

        Where a gradient holds NaN or infinity, the update is zero and the state stays what it
        was, but for the count of skipped steps. ``finite`` says where they do not, if it is
        known.
        """
        if finite is None:
            finite = [all_finite(grad) for grad in grads]
        inputs, where = [], []
        for i, (grad, state, param, ok) in enumerate(
            zip(grads, states, params, finite, strict=True)
        ):
            if isinstance(ok, bool) and not ok:
                continue
            grad = astype(grad, working_dtype(param))
            if not isinstance(ok, bool):
                xp = namespace(grad)
                grad = xp.where(ok, grad, xp.zeros_like(grad))
            own = {k: a for k, a in state.items() if k not in _COUNTERS}
            inputs.append((grad, own, working(param), hyperparameters.advanced(state["step"])))
            where.append(i)
        updates, after = [None] * len(grads), [None] * len(grads)
        made = self.rule.update_all(*map(list, zip(*inputs, strict=True))) if inputs else []
        lr = hyperparameters.current(self.lr, count)
        for i, (direction, own), (_, _, param, step) in zip(where, made, inputs, strict=True):
            update = self.rule.finish(
                direction,
                param,
                step,
                hyperparameters.in_type_of(lr, param),
                hyperparameters.in_type_of(self.weight_decay, param),
            )
            updates[i] = astype(update, params[i].dtype)
            after[i] = {"step": step, "skipped": states[i]["skipped"], **own}
        for i, ok in enumerate(finite):
            if not isinstance(ok, bool):
                updates[i], after[i] = _where(ok, updates[i], after[i], states[i])
            elif not ok:
                updates[i] = namespace(params[i]).zeros_like(params[i])
                skipped = hyperparameters.advanced(states[i]["skipped"])
                after[i] = {**states[i], "skipped": skipped}
        return updates, after

    def _entries(self, param, name):
        """Return (shape, type) of each array in the state of a parameter, by its name."""
        key = (tuple(param.shape), dtype_name(param))
        if key not in self._expected:
            made = self.init(param, name)
            self._expected[key] = {k: (tuple(a.shape), a.dtype) for k, a in made.items()}
        return self._expected[key]


def from_rule(rule, lr, weight_decay=0.0):
    """Return the Transform W <- W - lr (direction + weight_decay W) with the direction of a rule.

    Parameters
    ----------
    rule : Rule
    lr : float, array without axes, or callable
        A callable is a schedule: it is given the number of updates made before, an integer array
        without axes.
    weight_decay : float or array without axes

    Returns
    -------
    Transform
        Its state is ``{"count": updates made, "params": states}``, with a dict for each
        parameter: ``"step"``, ``"skipped"`` and what the rule remembers.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> @dataclass(frozen=True)
    ... class Normalised(optim.Rule):
    ...     def update(self, grad, state, param, step):
    ...         return grad / np.linalg.norm(grad), state
    >>> transform = optim.from_rule(Normalised(), lr=0.5)
    >>> params = np.zeros(2)
    >>> transform.update(np.array([3.0, 4.0]), transform.init(params), params)[0].round(3)
    array([-0.3, -0.4])
    """
    leafwise = Leafwise(
        rule,
        hyperparameters.check_rate(lr),
        hyperparameters.check(weight_decay, "weight_decay"),
    )

    def init(params):
        paths, leaves = flatten(params, "params")
        states = [
            None if p is None else leafwise.init(p, f"params{_at(path)}")
            for path, p in zip(paths, leaves, strict=True)
        ]
        arrays = [p for p in leaves if p is not None]
        like = arrays[0] if arrays else np.zeros(())
        count = hyperparameters.counter(like, on_host=True)
        return {"count": count, "params": rebuild(params, states)}

    def update(grads, state, params):
        paths, leaves = flatten(params, "params")
        if not isinstance(state, dict) or state.keys() != {"count", "params"}:
            raise ValueError("state must be a dict with keys 'count' and 'params', as init made it")
        given = align(params, grads, ("params", "grads"))
        states = align(params, state["params"], ("params", "state['params']"))
        active = []
        for i, (path, p, grad, own) in enumerate(zip(paths, leaves, given, states, strict=True)):
            if grad is None:
                continue
            if p is None:
                raise ValueError(f"grads{_at(path)} has no parameter: params{_at(path)} is None")
            check_grad(grad, p, _at(path))
            leafwise.check_state(own, p, _at(path))
            active.append(i)
        updates, after = [None] * len(leaves), list(states)
        made = leafwise.update(
            [given[i] for i in active],
            [states[i] for i in active],
            [leaves[i] for i in active],
            state["count"],
        )
        for i, u, own in zip(active, *made, strict=True):
            updates[i], after[i] = u, own
        count = hyperparameters.advanced(state["count"])
        return rebuild(params, updates), {"count": count, "params": rebuild(params, after)}

    return Transform(init, update, leafwise)


def working_dtype(a):
    """Return the type in which a parameter is worked on: its own, but at least fp32."""
    return namespace(a).float32 if dtype_name(a) in ("float16", "bfloat16") else a.dtype


def working(a):
    """Return a parameter in the type in which it is worked on."""
    return astype(a, working_dtype(a))


def check_grad(grad, param, name=""):
    """Raise unless a gradient has the library and shape of its parameter and is full."""
    if not is_array(grad) or library(grad) != library(param):
        raise TypeError(
            f"grads{name} must be an array of {library(param)} like its parameter, "
            f"got {type(grad).__name__}"
        )
    if not is_full(grad):
        raise TypeError(
            f"grads{name} must be a full tensor, got layout {grad.layout}; "
            "use its to_dense(), or layers without sparse gradients"
        )
    if tuple(grad.shape) != tuple(param.shape):
        raise ValueError(
            f"grads{name} must have shape {tuple(param.shape)}, got shape {tuple(grad.shape)}"
        )
    if dtype_name(grad) not in REAL_OF or is_complex(grad) != is_complex(param):
        raise TypeError(
            f"grads{name} must hold floating-point numbers like its parameter of dtype "
            f"{dtype_name(param)}, got dtype {dtype_name(grad)}"
        )


def all_finite(a):
    """Say whether every entry is finite: a bool where that costs nothing to know, else an array.

    That is on a CPU, with NumPy and PyTorch; the array has no axes.
    """
    xp = namespace(a)
    if is_readable(a):
        with np.errstate(all="ignore"):
            if bool(xp.isfinite(a.sum())):  # one pass; the sum of finite numbers may overflow
                return True
            return bool(xp.all(xp.isfinite(a)))
    return xp.all(xp.isfinite(a))


def _where(ok, update, after, before):
    """Choose between a step made and one skipped, without reading which."""
    xp = namespace(update)
    chosen = {
        k: a if a is before[k] else xp.where(ok, a, before[k])
        for k, a in after.items()
        if k != "skipped"
    }
    bad = xp.astype(xp.logical_not(ok), xp.int32)
    chosen["skipped"] = hyperparameters.advanced(before["skipped"], bad)
    return xp.where(ok, update, xp.zeros_like(update)), chosen


def _at(path):
    return f"[{path!r}]" if path else ""
