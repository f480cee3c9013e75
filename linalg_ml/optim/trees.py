"""Nested containers of arrays: an array, or a list, tuple or dict of such things, or None."""

from collections.abc import Mapping, MutableMapping
from copy import copy

from linalg_ml._core.namespace import is_array


def flatten(tree, name):
    """Return the dotted paths and the leaves of a nested container; None is a leaf.

    Raises
    ------
    TypeError
        If a leaf is neither an array nor None.
    """
    paths, leaves = [], []
    for path, leaf in _walk(tree, ""):
        if leaf is not None and not is_array(leaf):
            raise TypeError(
                f"{_place(name, path)} must be an array, None, or a list, tuple or dict of these, "
                f"got {type(leaf).__name__}"
            )
        paths.append(path)
        leaves.append(leaf)
    return paths, leaves


def align(tree, other, names):
    """Return what ``other`` holds in the places of the leaves of ``tree``.

    None in ``other`` stands for None in every place below it.

    Raises
    ------
    ValueError
        If ``other`` has other keys or another length somewhere.
    """
    found = []
    _align(tree, other, "", names, found)
    return found


def rebuild(tree, leaves):
    """Return a container like ``tree`` that holds ``leaves``, given in the order of `flatten`."""
    return _rebuild(tree, iter(leaves))


def tree_map(function, tree, *others):
    """Apply a function to each array of a nested container, and to what others hold there.

    Parameters
    ----------
    function : callable
        Called with an array of ``tree`` and what each of the others has in its place.
    tree : array, or nested list, tuple or dict of arrays
        None in it stays None.
    *others : nested containers of the same structure

    Returns
    -------
    nested container
        Like ``tree``, of what ``function`` returned.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.optim import tree_map
    >>> tree_map(lambda a: a.shape, {"weight": np.zeros((2, 3)), "bias": (np.zeros(3), None)})
    {'weight': (2, 3), 'bias': ((3,), None)}
    """
    _, leaves = flatten(tree, "tree")
    aligned = [align(tree, other, ("tree", "the other tree")) for other in others]
    mapped = [
        None if leaf is None else function(leaf, *rest)
        for leaf, *rest in zip(leaves, *aligned, strict=True)
    ]
    return rebuild(tree, mapped)


def is_container(tree):
    """Say whether something is a list, a tuple or a mapping."""
    return isinstance(tree, (list, tuple, Mapping))


def items(tree):
    """Return the (key, value) pairs of a container."""
    return tree.items() if isinstance(tree, Mapping) else enumerate(tree)


def like(tree, values):
    """Return a container of the kind of another, of values in the order of its `items`."""
    if type(tree) is dict:
        return dict(zip(tree, values, strict=True))
    if isinstance(tree, MutableMapping):  # may hold more than its entries, as a defaultdict does
        made = copy(tree)
        made.update(zip(tree, values, strict=True))
        return made
    if isinstance(tree, Mapping):
        return type(tree)(dict(zip(tree, values, strict=True)))
    return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)


def _walk(tree, path):
    if not is_container(tree):
        yield path, tree
        return
    for key, value in items(tree):
        yield from _walk(value, f"{path}.{key}" if path else str(key))


def _align(tree, other, path, names, found):
    if not is_container(tree):
        found.append(other)
        return
    if other is not None:
        same_kind = isinstance(tree, Mapping) == isinstance(other, Mapping)
        if not is_container(other) or not same_kind:
            raise ValueError(
                f"{_place(names[1], path)} must be a {type(tree).__name__} as in {names[0]}, "
                f"got {type(other).__name__}"
            )
        ours, theirs = [key for key, _ in items(tree)], [key for key, _ in items(other)]
        if set(ours) != set(theirs):
            missing = [key for key in ours if key not in set(theirs)]
            extra = [key for key in theirs if key not in set(ours)]
            raise ValueError(
                f"{_place(names[1], path)} must have the entries of {names[0]}: "
                f"missing {missing}, not known {extra}"
            )
    for key, value in items(tree):
        below = None if other is None else other[key]
        _align(value, below, f"{path}.{key}" if path else str(key), names, found)


def _rebuild(tree, leaves):
    if not is_container(tree):
        return next(leaves)
    return like(tree, [_rebuild(value, leaves) for _, value in items(tree)])


def _place(name, path):
    return f"{name} at {path!r}" if path else name
