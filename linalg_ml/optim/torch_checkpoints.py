"""Checkpoints of runs on several processes: written as a whole or not at all."""

import os
import pickle
import zipfile
from pathlib import Path

import torch

from linalg_ml._core.precision import Precision
from linalg_ml.matrix_functions.composition import Schedule


def save_checkpoint(path, optimizer, /, **others):
    """Write the state of a distributed optimizer, and what else is given, to a file.

    All processes call this together; rank 0 writes. When it returns, the file is complete.

    Parameters
    ----------
    path : str or path
        One that exists is replaced when all is written: a run that is ended meanwhile leaves the
        old one.
    optimizer : DistributedOptimizer
    **others
        What else belongs to the run, for instance ``model=model.state_dict(), epoch=3``; rank 0's
        is written.

    Raises
    ------
    RankError
        In all processes, if one is lost or the file cannot be written.
    """
    processes, error = optimizer.processes, None
    optimizer.consolidate_state_dict(to=0)
    if processes.rank == 0:
        try:
            _write(Path(path), {**others, "optimizer": optimizer.state_dict()})
        except Exception as caught:  # the others are waiting, and must know
            error = caught
    processes.confirm(f"writing {path}", error)


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
        If the file is damaged.
    FileNotFoundError
        If there is none.
    """
    try:
        with torch.serialization.safe_globals([Schedule, Precision]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is empty"
        raise ValueError(
            f"{path} was not written by save_checkpoint, or is damaged: {reason}"
        ) from error


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
