"""Checkpoints of runs on several processes: written as a whole or not at all."""

import copy
import io
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from linalg_ml._core.precision import Precision
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.optim.torch_processes import Processes, RankError

_PLAIN = (type(None), bool, int, float, str, torch.Tensor, torch.nn.Parameter)


def save_checkpoint(path, optimizer, /, **others):
    """Write the state of an optimizer, and what else is given, to a file.

    All processes call this together; rank 0 writes. When it returns, the file is complete.

    Parameters
    ----------
    path : str or path
        One that exists is replaced when all is written: a run that is ended meanwhile leaves the
        old one.
    optimizer : DistributedOptimizer or torch.optim.Optimizer
        Of one of PyTorch's own, all processes have the whole state; they are those of the default
        group, if there is one.
    **others
        What else belongs to the run, for instance ``model=model.state_dict(), epoch=3``; rank 0's
        is written. Tensors, numbers, strings and what else `torch.load` reads with
        ``weights_only=True``, in dicts, lists and tuples; scalars of NumPy become Python's.

    Raises
    ------
    TypeError
        If the file could not be read again, or one of the others is called ``optimizer``. The
        file that exists is kept.
    RankError
        In all processes, if one is lost or the file cannot be written; in all but rank 0, if that
        has a TypeError.
    """
    if not callable(getattr(optimizer, "state_dict", None)):
        raise TypeError(f"optimizer must have a state_dict, got {type(optimizer).__name__}")
    processes, error = _processes_of(optimizer), None
    if hasattr(optimizer, "consolidate_state_dict"):
        optimizer.consolidate_state_dict(to=0)
    if processes is None or processes.rank == 0:
        try:
            _write(Path(path), _readable(optimizer, others))
        except Exception as caught:  # the others are waiting, and must know
            error = caught
    try:
        if processes is not None:
            processes.confirm(f"writing {path}", error)
    except RankError:
        if not isinstance(error, TypeError):
            raise
    if error is not None:
        raise error


def load_checkpoint(path, /):
    """Read what `save_checkpoint` wrote, to the host, in any process.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict
        "optimizer", a state for ``optimizer.load_state_dict`` on any number of processes, and
        what else was given.

    Raises
    ------
    ValueError
        If the file is damaged, or another kind of file.
    OSError
        If it cannot be opened; if there is none, FileNotFoundError.
    """
    with open(path, "rb") as file:
        try:
            held = _load(file)
            if type(held) is not dict or "optimizer" not in held:
                raise ValueError("it holds something else")
        except Exception as error:  # on bytes of another kind unpickling may raise anything
            reason = str(error).splitlines()[0] if str(error) else "it is empty"
            raise ValueError(
                f"{path} was not written by save_checkpoint, or is damaged: {reason}"
            ) from error
    return held


def _processes_of(optimizer):
    """Return the processes that save an optimizer together, None in a single process."""
    known = getattr(optimizer, "processes", None)
    if known is None and dist.is_available() and dist.is_initialized():
        return Processes()
    return known


def _readable(optimizer, others):
    """Return what is to be written; raise where it could not be read again."""
    if "optimizer" in others:
        raise TypeError("optimizer is given twice: give the state of another one another name")
    held = {**others, "optimizer": optimizer.state_dict()}
    return {name: _checked(value, name) for name, value in held.items()}


def _checked(value, place):
    """Return a value with Python's numbers for NumPy's; raise if it could not be read again."""
    if isinstance(value, np.generic):
        value = value.item()
    kind = type(value)
    if kind in _PLAIN and not getattr(value, "__dict__", None):  # a tensor may have attributes
        return value
    if kind in (list, tuple):
        return kind(_checked(one, f"{place}[{i}]") for i, one in enumerate(value))
    if kind in (dict, OrderedDict):
        made = copy.copy(value)  # with the attributes that the state of a module has
        made.clear()
        for key, one in value.items():
            made[_checked(key, f"a key of {place}")] = _checked(one, f"{place}[{key!r}]")
        return made
    file = io.BytesIO()
    try:
        torch.save(value, file)
        file.seek(0)
        _load(file)
    except Exception:  # what pickling raises depends on the type
        hint = "; torch.as_tensor makes a tensor of it" if kind is np.ndarray else ""
        raise TypeError(
            f"{place} must be what torch.load reads with weights_only=True, "
            f"got {kind.__name__}{hint}"
        ) from None
    return value


def _load(file):
    with torch.serialization.safe_globals([Schedule, Precision]):
        return torch.load(file, map_location="cpu", weights_only=True)


def _write(path, held):
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            torch.save(held, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
