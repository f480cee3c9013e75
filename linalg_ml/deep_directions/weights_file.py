"""Weights of networks in files: what stands in them, and what is refused."""

import json
import os
import zipfile
import zlib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from linalg_ml._core import checks
from linalg_ml.deep_directions.architecture import Architecture
from linalg_ml.deep_directions.network import Network

FORMAT, VERSION = "linalg_ml.deep_directions.network", 1
FOLDER = Path(__file__).parent / "weights"


def shipped():
    """Return the names of the networks that come with the package.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from linalg_ml import deep_directions
    >>> "paper-64-2d" in deep_directions.shipped()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def load(path, /, *, precision="fp32"):
    """Load a network from a file, or one of those that come with the package by name.

    Parameters
    ----------
    path : str or path
        A file written by `save`, or a name out of `shipped`.
    precision : str or Precision
        Arithmetic of the network.

    Returns
    -------
    Network

    Raises
    ------
    FileNotFoundError
        If there is neither such a file nor such a name.
    ValueError
        If the file is damaged, is something else, or of another version.

    Examples
    --------
    >>> from linalg_ml import deep_directions
    >>> net = deep_directions.load("paper-64-2d", precision="bf16")
    >>> net.provenance["grid"], net.provenance["data"]
    (32, 'ritz')
    """
    file = Path(checks.instance(path, (str, os.PathLike), "path"))
    if str(path) in shipped():
        file = FOLDER / f"{path}.npz"
    elif not file.is_file():
        known = ", ".join(shipped())
        raise FileNotFoundError(f"there is no file {str(path)!r}, nor a network of that name; "
                                f"those that come with the package: {known}")  # fmt: skip
    header, weights = read(file, FORMAT)
    try:
        architecture = Architecture(**header["architecture"])
        network = Network(architecture, weights, provenance=header["provenance"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} does not hold the network it says it holds: {error}") from error
    return replace(network, precision=precision)


def save(path, network, /):
    """Write a network to a file.

    Parameters
    ----------
    path : str or path
        The file to write; it ends in .npz.
    network : Network
        What to write: the architecture, the weights as float32, and the provenance.

    Raises
    ------
    ValueError
        If the name of the file ends in anything else.
    """
    checks.instance(network, Network, "network")
    header = {"architecture": asdict(network.architecture), "provenance": network.provenance}
    write(path, FORMAT, header, network.weights)


def write(path, kind, header, arrays):
    """Write arrays and a header of JSON; the file is complete or not there."""
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"path must end in .npz, got {str(path)!r}")
    text = json.dumps({"format": kind, "version": VERSION, **header}, sort_keys=True)
    part = path.with_name(f".{path.stem}.part.npz")
    np.savez_compressed(part, header=np.asarray(text), **arrays)
    part.replace(path)


def read(path, kind):
    """Return the header and the arrays of a file of the given format."""
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop("header")))
        found = header["format"], header["version"]
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError,
            ValueError, TypeError, KeyError) as error:  # fmt: skip
        raise ValueError(f"{path} is damaged, or no file of weights: {error}") from error
    if found != (kind, VERSION):
        raise ValueError(
            f"{path} must be {kind!r} in version {VERSION}, got {found[0]!r} in version "
            f"{found[1]!r}"
        )
    return header, arrays
