"""Transforms of gradients into updates, and what combines them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype
from linalg_ml.optim.trees import align, flatten, is_container, items, like, rebuild


@dataclass(frozen=True)
class Transform:
    """A pure pair of functions that turns gradients into updates.

    Parameters
    ----------
    init : callable
        ``init(params) -> state``.
    update : callable
        ``update(grads, state, params) -> (updates, state)``. Updates are *added* to the
        parameters, see `apply_updates`. Nothing given is modified.
    leafwise : object, optional
        Where each parameter is treated alone: the rule, its learning rate and its decay, for the
        adapters.

    Notes
    -----
    Parameters, gradients and updates are an array, or a list, tuple or dict of arrays, nested in
    any way. None in place of a parameter is nothing, and None in place of a gradient leaves the
    parameter and its state as they are. A state is a nested container of arrays too, and can be
    saved with `save_state`.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> params = {"w": np.array([1.0, -2.0])}
    >>> transform = optim.sgd(lr=0.1)
    >>> state = transform.init(params)
    >>> grads = {"w": np.array([2.0, 4.0])}
    >>> updates, state = transform.update(grads, state, params)
    >>> optim.apply_updates(params, updates)["w"]
    array([ 0.8, -2.4])
    """

    init: Callable
    update: Callable
    leafwise: Any = None


def apply_updates(params, updates, /):
    """Add updates to parameters.

    Parameters
    ----------
    params, updates : arrays, or nested containers of arrays
        None among the updates leaves a parameter as it is.

    Returns
    -------
    nested container
        New parameters, each in its own dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> optim.apply_updates([np.ones(2), np.ones(1)], [np.array([0.5, -0.5]), None])
    [array([1.5, 0.5]), array([1.])]
    """
    _, leaves = flatten(params, "params")
    added = [
        p if p is None or u is None else astype(p + u, p.dtype)
        for p, u in zip(leaves, align(params, updates, ("params", "updates")), strict=True)
    ]
    return rebuild(params, added)


def chain(*transforms):
    """Apply transforms one after the other: the updates of one are the gradients of the next.

    Parameters
    ----------
    *transforms : Transform

    Returns
    -------
    Transform
        Its state is the tuple of theirs.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.chain(optim.clip_by_global_norm(1.0), optim.sgd(lr=0.1))
    >>> params = np.zeros(2)
    >>> updates, _ = transform.update(np.array([3.0, 4.0]), transform.init(params), params)
    >>> updates.round(3)
    array([-0.06, -0.08])
    """
    for i, transform in enumerate(transforms):
        checks.instance(transform, Transform, f"transforms[{i}]")

    def init(params):
        return tuple(transform.init(params) for transform in transforms)

    def update(grads, state, params):
        if not isinstance(state, (tuple, list)) or len(state) != len(transforms):
            raise ValueError(f"state must be a tuple of {len(transforms)} states, as init made it")
        after = []
        for transform, own in zip(transforms, state, strict=True):
            grads, own = transform.update(grads, own, params)
            after.append(own)
        return grads, tuple(after)

    return Transform(init, update)


def partition(transforms, label, /):
    """Send each parameter to one of several transforms.

    Parameters
    ----------
    transforms : dict of str to Transform
        A value None freezes the parameters with that label.
    label : callable
        ``label(path, array) -> str``, a key of ``transforms``; the path is the dotted one, for
        instance ``"blocks.0.weight"``. It may look at the shape and dtype of the array.

    Returns
    -------
    Transform
        Its state is a dict of theirs.

    Examples
    --------
    Hidden matrices to one optimizer, everything else to another:

    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.partition(
    ...     {"matrix": optim.sgd(lr=1.0), "other": optim.sgd(lr=0.1)},
    ...     lambda path, array: "matrix" if array.ndim == 2 and "embed" not in path else "other",
    ... )
    >>> params = {"embed": np.zeros((1, 1)), "hidden": np.zeros((1, 1)), "bias": np.zeros(1)}
    >>> grads = {"embed": np.ones((1, 1)), "hidden": np.ones((1, 1)), "bias": np.ones(1)}
    >>> updates, _ = transform.update(grads, transform.init(params), params)
    >>> {name: float(update.sum()) for name, update in updates.items()}
    {'embed': -0.1, 'hidden': -1.0, 'bias': -0.1}
    """
    checks.instance(transforms, dict, "transforms")
    for name, transform in transforms.items():
        if transform is not None:
            checks.instance(transform, Transform, f"transforms[{name!r}]")
    if not callable(label):
        raise TypeError(f"label must be a function of path and array, got {label!r}")
    active = {name: transform for name, transform in transforms.items() if transform is not None}

    def labels_of(paths, leaves):
        labels = [
            None if p is None else label(path, p) for path, p in zip(paths, leaves, strict=True)
        ]
        for path, found in zip(paths, labels, strict=True):
            if found is not None and found not in transforms:
                raise ValueError(
                    f"label must return one of {', '.join(map(repr, transforms))}, "
                    f"got {found!r} for {path!r}"
                )
        return labels

    def only(name, labels, leaves, params):
        kept = [a if own == name else None for own, a in zip(labels, leaves, strict=True)]
        return rebuild(params, kept)

    def init(params):
        paths, leaves = flatten(params, "params")
        labels = labels_of(paths, leaves)
        return {
            name: transform.init(only(name, labels, leaves, params))
            for name, transform in active.items()
        }

    def update(grads, state, params):
        paths, leaves = flatten(params, "params")
        labels = labels_of(paths, leaves)
        if not isinstance(state, dict) or set(state) != set(active):
            raise ValueError(f"state must be a dict with keys {sorted(active)}, as init made it")
        given = align(params, grads, ("params", "grads"))
        updates, after = [None] * len(leaves), {}
        for name, transform in active.items():
            own, after[name] = transform.update(
                only(name, labels, given, params),
                state[name],
                only(name, labels, leaves, params),
            )
            for i, u in enumerate(align(params, own, ("params", "updates"))):
                updates[i] = u if u is not None else updates[i]
        return rebuild(params, updates), after

    return Transform(init, update)


def stateless(function):
    """Return the Transform of a function ``(grads, params) -> updates`` that remembers nothing.

    Parameters
    ----------
    function : callable
        Takes and returns nested containers.

    Returns
    -------
    Transform
        Its state is an empty tuple.

    Examples
    --------
    >>> from linalg_ml import optim
    >>> negate = optim.stateless(lambda grads, params: optim.tree_map(lambda g: -g, grads))
    >>> maximize = optim.chain(negate, optim.sgd(lr=0.1))
    """
    return Transform(lambda params: (), lambda grads, state, params: (function(grads, params), ()))


def extend_state(transform, state, params, /):
    """Give a state what it lacks for parameters that were added.

    Parameters
    ----------
    transform : Transform
    state : nested container
        Made for some of ``params``.
    params : nested container of arrays
        The parameters from now on.

    Returns
    -------
    nested container
        As ``transform.init(params)``, with what ``state`` holds in the same places.

    Raises
    ------
    ValueError
        If an array of ``state`` does not have the shape that its parameter asks for.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.sgd(lr=0.1, momentum=0.9)
    >>> params = {"a": np.zeros(2)}
    >>> _, state = transform.update({"a": np.ones(2)}, transform.init(params), params)
    >>> params["b"] = np.zeros(3)
    >>> state = optim.extend_state(transform, state, params)
    >>> state["params"]["a"]["momentum"], state["params"]["b"]["momentum"]
    (array([1., 1.]), array([0., 0., 0.]))
    """
    return _merged(transform.init(params), state, "")


def _merged(new, old, path):
    if old is None or new is None:
        return new
    if is_container(new):
        if not is_container(old):
            raise ValueError(f"state at {path!r} must be a {type(new).__name__}")
        held = dict(items(old))
        merged = [
            _merged(value, held.get(key), f"{path}.{key}" if path else str(key))
            for key, value in items(new)
        ]
        return like(new, merged)
    if tuple(new.shape) != tuple(old.shape):
        raise ValueError(
            f"state at {path!r} must have shape {tuple(new.shape)}, got {tuple(old.shape)}"
        )
    return old
