"""Write nested containers of arrays to a file and read them back without loss."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np

from linalg_ml._core.namespace import asarray, astype, dtype_name, dtype_of, is_array, to_numpy
from linalg_ml.optim.trees import is_container, items

_FORMAT = "linalg_ml state 1"


def save_state(path, state, /):
    """Write the state of an optimizer, or parameters, to a file.

    Parameters
    ----------
    path : str or path
        The file, in NumPy's ``npz`` format. One that exists is replaced when all is written.
    state : nested container
        Arrays of any library, None, lists, tuples and dicts with keys that are strings or
        integers.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.sgd(lr=0.1, momentum=0.9)
    >>> state = transform.init([np.zeros(3)])
    >>> optim.save_state("state.npz", state)
    >>> optim.load_state("state.npz")["params"][0]["momentum"]
    array([0., 0., 0.])
    """
    path = Path(path)
    arrays = []
    text = json.dumps({"format": _FORMAT, "tree": _describe(state, arrays, "state")})
    named = {f"a{i}": a for i, a in enumerate(arrays)}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            np.savez(file, tree=np.asarray(text), **named)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load_state(path, /, *, like=None):
    """Read what `save_state` wrote.

    Parameters
    ----------
    path : str or path
    like : nested container of arrays, optional
        A state of the same structure, for instance a fresh one: the arrays are put in its
        library, on its devices, and must have its shapes and dtypes. None gives NumPy arrays.

    Returns
    -------
    nested container

    Raises
    ------
    ValueError
        If the file is not one of these, or does not fit ``like``; the message names the place.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> optim.save_state("params.npz", {"weight": np.arange(3.0), "frozen": None})
    >>> optim.load_state("params.npz")
    {'weight': array([0., 1., 2.]), 'frozen': None}
    >>> optim.load_state("params.npz", like={"weight": np.zeros(4), "frozen": None})
    Traceback (most recent call last):
    ...
    ValueError: state at 'weight' must have shape (4,), got (3,) in the file
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            held = json.loads(str(file["tree"]))
            arrays = {name: file[name] for name in file.files if name != "tree"}
            if held["format"] != _FORMAT:
                raise ValueError
    except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile):
        raise ValueError(f"{path} was not written by save_state, or is damaged") from None
    return _restore(held["tree"], arrays, like, "", like is not None)


def _describe(tree, arrays, path):
    """Return what JSON can hold of a container; its arrays are appended to a list."""
    if tree is None:
        return None
    if is_array(tree):
        arrays.append(np.asarray(_host(tree)))
        return {"array": len(arrays) - 1, "dtype": dtype_name(tree)}
    if not is_container(tree):
        raise TypeError(
            f"{path} must be an array, None, or a list, tuple or dict of these, "
            f"got {type(tree).__name__}"
        )
    kind = "list" if isinstance(tree, list) else "tuple" if isinstance(tree, tuple) else "dict"
    keys = [key for key, _ in items(tree)]
    for key in keys:
        if type(key) not in (str, int):
            raise TypeError(f"{path} must have keys that are strings or integers, got {key!r}")
    return {
        "kind": kind,
        "keys": keys,
        "values": [_describe(value, arrays, f"{path}.{key}") for key, value in items(tree)],
    }


def _host(a):
    """Return a NumPy array of a type that the format knows, with the same values."""
    a = to_numpy(a)
    return a.astype(np.float32) if dtype_name(a) == "bfloat16" else a


def _restore(node, arrays, like, path, checked):
    place = f"state at {path!r}" if path else "state"
    if node is None:
        if checked and like is not None:
            raise ValueError(f"{place} must be {type(like).__name__}, got None in the file")
        return None
    if "array" in node:
        values, dtype = arrays[f"a{node['array']}"], node["dtype"]
        if not checked:
            return astype(values, dtype_of(dtype, values))
        if not is_array(like):
            raise ValueError(f"{place} must be {type(like).__name__}, got an array in the file")
        if tuple(like.shape) != values.shape:
            raise ValueError(
                f"{place} must have shape {tuple(like.shape)}, got {values.shape} in the file"
            )
        if dtype_name(like) != dtype:
            raise ValueError(f"{place} must have dtype {dtype_name(like)}, got {dtype} in the file")
        return astype(asarray(values, like=like), like.dtype)
    keys, kind = node["keys"], node["kind"]
    if checked:
        theirs = [key for key, _ in items(like)] if is_container(like) else None
        if theirs is None or set(theirs) != set(keys):
            raise ValueError(f"{place} must have the entries {theirs}, got {keys} in the file")
    values = []
    for key, child in zip(keys, node["values"], strict=True):
        below = like[key] if checked else None
        inside = f"{path}.{key}" if path else str(key)
        values.append(_restore(child, arrays, below, inside, checked))
    if kind == "dict":
        return dict(zip(keys, values, strict=True))
    return values if kind == "list" else tuple(values)
