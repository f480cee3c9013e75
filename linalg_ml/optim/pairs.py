"""Rules for low-rank adapters: a pair of parameters A, B that stand for the matrix B A."""

from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar

import numpy as np

from linalg_ml._core.namespace import REAL_OF, astype, dtype_name, library, namespace
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.base import Transform
from linalg_ml.optim.rules import all_finite, check_grad, working, working_dtype
from linalg_ml.optim.trees import align, flatten, is_container, items, rebuild


@dataclass(frozen=True)
class Pair:
    """What a rule sees of one adapter W_0 + s B A, all in at least fp32.

    ``a`` (r, n), ``b`` (m, r), their gradients, the full gradient (m, n) or None, the state, and
    the number of the step from 1.
    """

    a: object
    b: object
    grad_a: object
    grad_b: object
    grad: object
    state: dict
    step: object


@dataclass(frozen=True)
class PairRule:
    """The mathematics of one optimizer on adapters: a frozen dataclass of hyperparameters."""

    may_begin: ClassVar[tuple] = ()  # as of a Rule

    def init(self, a, b):
        """Return the state of a pair: a dict of arrays."""
        return {}

    def layout(self):
        """Return what a state depends on besides the pair, by names of hyperparameters."""
        return {}

    def update(self, pair):
        """Return (direction of A, direction of B, state)."""
        raise NotImplementedError

    def update_all(self, pairs):
        """Return what `update` does of many pairs."""
        return [self.update(pair) for pair in pairs]


@dataclass(frozen=True)
class Pairwise:
    """A rule for pairs with its learning rate and decoupled weight decay."""

    rule: PairRule
    lr: object
    weight_decay: object = 0.0
    _shapes: dict = field(default_factory=dict, compare=False, repr=False)

    def init(self, a, b, name="params"):
        """Return the state of one pair, with its counters of steps and of skipped ones."""
        self.check_pair(a, b, name)
        counter = hyperparameters.counter(a)
        return {"step": counter, "skipped": counter + 0, **self.rule.init(working(a), working(b))}

    def check_pair(self, a, b, name):
        """Raise unless A (r, n) and B (m, r) belong together."""
        if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1] or a.shape[0] == 0:
            raise ValueError(
                f"{name} must be a pair A of shape (r, n) and B of shape (m, r), r > 0, "
                f"got {tuple(a.shape)} and {tuple(b.shape)}"
            )
        for factor in (a, b):
            if REAL_OF.get(dtype_name(factor)) != dtype_name(factor):
                raise TypeError(
                    f"{name} must hold real floating-point numbers, got dtype {dtype_name(factor)}"
                )
        if library(a) != library(b) or a.dtype != b.dtype:
            raise TypeError(f"{name} must have A and B of one library and dtype")

    def check_state(self, state, a, b, name):
        """Raise unless a state has the entries and shapes that its pair asks for."""
        key = (tuple(a.shape), tuple(b.shape), dtype_name(a))
        expected = self._shapes.get(key)
        if expected is None:
            made = self.init(a, b, f"params{name}")
            expected = self._shapes[key] = {k: tuple(v.shape) for k, v in made.items()}
        found = {k: tuple(v.shape) for k, v in state.items()} if isinstance(state, dict) else state
        if found != expected:
            raise ValueError(
                f"state{name} must hold arrays of shapes {expected} for a pair of shapes "
                f"{key[0]} and {key[1]}, got {found}"
            )

    def state_dtypes(self, a):
        """Return the types of the arrays in the state of a pair, by their names."""
        smallest = namespace(a).zeros_like(a[:1, :1])
        return {k: v.dtype for k, v in self.init(smallest, smallest).items()}

    def update(self, pairs, count):
        """Return the updates of A and of B, and the states, of pairs that have gradients.

        ``pairs`` are `Pair`, with parameters and gradients as they came and whole states. Where a
        gradient holds NaN or infinity, the updates are zero and the state stays what it was, but
        for the count of skipped steps.
        """
        return update_together([(self, pairs)], count)[0]

    def _ready(self, pairs):
        """Return {place: (pair as the rule sees it, whether it is finite or None if known)}."""
        ready = {}
        for i, pair in enumerate(pairs):
            given = [g for g in (pair.grad_a, pair.grad_b, pair.grad) if g is not None]
            ok = all_finite(given[0])
            for grad in given[1:]:
                ok = ok & all_finite(grad)
            if isinstance(ok, bool) and not ok:
                continue
            dtype = working_dtype(pair.a)
            grads = [None if g is None else astype(g, dtype)
                     for g in (pair.grad_a, pair.grad_b, pair.grad)]  # fmt: skip
            if not isinstance(ok, bool):
                xp = namespace(pair.a)
                grads = [None if g is None else xp.where(ok, g, xp.zeros_like(g)) for g in grads]
            own = {k: v for k, v in pair.state.items() if k not in ("step", "skipped")}
            step = hyperparameters.advanced(pair.state["step"])
            used = Pair(working(pair.a), working(pair.b), *grads, own, step)
            ready[i] = used, None if isinstance(ok, bool) else ok
        return ready

    def _finished(self, pairs, ready, made, count):
        """Return the updates and states of all pairs from the directions of those ready."""
        results = [None] * len(pairs)
        lr = hyperparameters.current(self.lr, count)
        for (i, (used, ok)), (da, db, own) in zip(ready.items(), made, strict=True):
            before = pairs[i].state
            rate, decay = (hyperparameters.in_type_of(v, used.a) for v in (lr, self.weight_decay))
            ua = astype(-rate * (da + decay * used.a), pairs[i].a.dtype)
            ub = astype(-rate * (db + decay * used.b), pairs[i].b.dtype)
            after = {"step": used.step, "skipped": before["skipped"], **own}
            if ok is not None:
                ua, ub, after = _where(ok, ua, ub, after, before)
            results[i] = (ua, ub, after)
        for i, pair in enumerate(pairs):
            if results[i] is None:
                xp = namespace(pair.a)
                skipped = hyperparameters.advanced(pair.state["skipped"])
                after = {**pair.state, "skipped": skipped}
                results[i] = (xp.zeros_like(pair.a), xp.zeros_like(pair.b), after)
        return results


def update_together(groups, count):
    """Return what `Pairwise.update` does, for groups (Pairwise, pairs) that make one step.

    A rule sees the pairs of all groups that have the same: they may differ in rate and decay.
    """
    ready = [own._ready(pairs) for own, pairs in groups]
    made = [None] * len(groups)
    for k, (own, _) in enumerate(groups):
        if made[k] is not None:
            continue
        same = [k, *(j for j in range(k + 1, len(groups)) if groups[j][0].rule == own.rule)]
        inputs = [used for j in same for used, _ in ready[j].values()]
        directions = iter(own.rule.update_all(inputs) if inputs else [])
        for j in same:
            made[j] = list(islice(directions, len(ready[j])))
    return [own._finished(pairs, ready[k], made[k], count) for k, (own, pairs) in enumerate(groups)]


def from_pair_rule(rule, lr, weight_decay=0.0):
    """Return the Transform of a rule for adapters.

    In its parameters every array is called "A" or "B", the last part of its path, and has its
    partner beside it. The state is ``{"count": updates made, "params": states}``, with that of a
    pair in the place of its A. Gradients may hold "W" beside "A" and "B": that of the whole
    matrix.
    """
    pairwise = Pairwise(
        rule,
        hyperparameters.check_rate(lr),
        hyperparameters.check(weight_decay, "weight_decay"),
    )

    def init(params):
        paths, leaves = flatten(params, "params")
        states = [None] * len(leaves)
        for name, i, j in _partners(paths, leaves):
            states[i] = pairwise.init(leaves[i], leaves[j], _named("params", name))
        arrays = [p for p in leaves if p is not None]
        count = hyperparameters.counter(arrays[0] if arrays else np.zeros(()), on_host=True)
        return {"count": count, "params": rebuild(params, states)}

    def update(grads, state, params):
        paths, leaves = flatten(params, "params")
        if not isinstance(state, dict) or state.keys() != {"count", "params"}:
            raise ValueError("state must be a dict with keys 'count' and 'params', as init made it")
        full = {}
        grads = _without_full(grads, full, "")
        given = align(params, grads, ("params", "grads"))
        states = align(params, state["params"], ("params", "state['params']"))
        pairs, places = [], []
        for name, i, j in _partners(paths, leaves):
            if given[i] is None and given[j] is None:
                continue
            for k in (i, j):
                if given[k] is None:
                    raise ValueError(
                        f"grads[{paths[k]!r}] is None, but its partner has a gradient: both "
                        "factors of a pair are to be learned, or neither"
                    )
                check_grad(given[k], leaves[k], f"[{paths[k]!r}]")
            a, b, whole = leaves[i], leaves[j], full.get(name)
            if whole is not None and tuple(whole.shape) != (b.shape[0], a.shape[1]):
                raise ValueError(
                    f"{_named('grads', name)}['W'] must have shape {(b.shape[0], a.shape[1])}, "
                    f"got {tuple(whole.shape)}"
                )
            pairwise.check_state(states[i], a, b, f"[{name!r}]" if name else "")
            pairs.append(Pair(a, b, given[i], given[j], whole, states[i], None))
            places.append((i, j))
        updates, after = [None] * len(leaves), list(states)
        made = pairwise.update(pairs, state["count"])
        for (i, j), (ua, ub, own) in zip(places, made, strict=True):
            updates[i], updates[j], after[i] = ua, ub, own
        count = hyperparameters.advanced(state["count"])
        return rebuild(params, updates), {"count": count, "params": rebuild(params, after)}

    return Transform(init, update, pairwise)


def _partners(paths, leaves):
    """Return (name, place of A, place of B) of each pair, or raise."""
    place = {path: i for i, path in enumerate(paths)}
    found = []
    for path, i in place.items():
        if leaves[i] is None:
            continue
        stem, letter = path[:-1], path[-1:]
        known = letter in ("A", "B") and (stem == "" or stem.endswith("."))
        j = place.get(stem + "BA"["AB".index(letter)]) if known else None
        if j is None or leaves[j] is None:
            raise ValueError(
                f"params at {path!r} must be 'A' or 'B' with its partner beside it; send other "
                "parameters to another optimizer, see linalg_ml.optim.partition"
            )
        if letter == "A":
            found.append((stem.removesuffix("."), i, j))
    return found


def _without_full(grads, full, path):
    """Return gradients without those of whole matrices, which go to a dict by name."""
    if not is_container(grads) or not hasattr(grads, "keys"):
        if is_container(grads):
            below = [_without_full(g, full, f"{path}{k}.") for k, g in items(grads)]
            return type(grads)(*below) if hasattr(grads, "_fields") else type(grads)(below)
        return grads
    kept = {}
    for key, value in grads.items():
        if str(key)[-1:] == "W" and f"{str(key)[:-1]}A" in grads:
            full[f"{path}{key}"[:-1].removesuffix(".")] = value
        else:
            kept[key] = _without_full(value, full, f"{path}{key}.")
    return kept


def _where(ok, ua, ub, after, before):
    """Choose between a step made and one skipped, without reading which."""
    xp = namespace(ua)
    chosen = {k: xp.where(ok, v, before[k]) for k, v in after.items() if k != "skipped"}
    bad = xp.astype(xp.logical_not(ok), xp.int32)
    chosen["skipped"] = hyperparameters.advanced(before["skipped"], bad)
    return xp.where(ok, ua, xp.zeros_like(ua)), xp.where(ok, ub, xp.zeros_like(ub)), chosen


def _named(what, name):
    return f"{what}[{name!r}]" if name else what
