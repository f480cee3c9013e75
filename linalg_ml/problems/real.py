"""Real matrices shipped with the package: gradients and momenta of networks in training.

They were made by ``experiments/make_real_matrices.py``; ``data/real_matrices.json`` says from
what, and under which licence.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from linalg_ml._core import checks


@dataclass(frozen=True)
class RealMatrix:
    """What is known about a shipped matrix.

    Attributes
    ----------
    name : str
        ``model-layer-kind-step``.
    shape : tuple (m, n)
        Rows are the layer's outputs, columns its inputs, as in PyTorch.
    kind : "gradient" or "momentum"
        Momentum is Muon's: M <- 0.95 M + G, up to the same step.
    model : "gpt" or "digits"
    layer : str
    step : int
        Optimizer steps before it was taken; 0 is random initialisation.
    frobenius_norm, sigma_max, sigma_min : float
        In double precision.
    effective_rank : float
        Exponential of the entropy of sigma / sum(sigma) [1]_.
    numerical_rank : int
        Singular values above max(m, n) times the float32 machine epsilon times sigma_max.
    sigma_resolved : float
        The smallest of those.
    provenance : dict
        The model (``"model"``), the data behind it with its licence (``"data_set"``), versions,
        seed, command and date.

    References
    ----------
    .. [1] O. Roy, M. Vetterli, "The effective rank: a measure of effective dimensionality",
       EUSIPCO 2007
    """

    name: str
    shape: tuple
    kind: str
    model: str
    layer: str
    step: int
    frobenius_norm: float
    sigma_max: float
    sigma_min: float
    effective_rank: float
    numerical_rank: int
    sigma_resolved: float
    provenance: dict


def real_matrix_names():
    """Return the names of the shipped matrices, sorted.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from linalg_ml.problems import real_matrix_names
    >>> real_matrix_names()[0]
    'digits-first-gradient-step0'
    """
    return tuple(sorted(_provenance()["matrices"]))


def real_matrix(name):
    """Load a real matrix: a gradient or a momentum of a network in training.

    Parameters
    ----------
    name : str
        One of `real_matrix_names`.

    Returns
    -------
    array (m, n), float32
        A fresh array on every call, so it may be changed or handed to a library that wants to
        write to it. Loading takes a few milliseconds; only the matrix asked for is unpacked.

    Raises
    ------
    ValueError
        If the name is not known; the message lists those that are.

    Notes
    -----
    Many of these matrices are singular to working precision, and for a reason: a layer norm
    takes the mean out of what it feeds or reads (one null direction in a GPT's gradients), and
    a gradient of a batch has at most the batch's rank (the digits network).

    Examples
    --------
    >>> from linalg_ml.problems import real_matrix
    >>> a = real_matrix("digits-first-gradient-step0")
    >>> a.shape, a.dtype
    ((256, 784), dtype('float32'))
    """
    checks.choice(name, real_matrix_names(), "name")
    with _data("real_matrices.npz").open("rb") as file, np.load(file, allow_pickle=False) as npz:
        return npz[name]


def real_matrix_info(name):
    """Say what a real matrix is, how its spectrum looks and where it comes from.

    Parameters
    ----------
    name : str
        One of `real_matrix_names`.

    Returns
    -------
    RealMatrix

    Raises
    ------
    ValueError
        If the name is not known; the message lists those that are.

    Examples
    --------
    >>> from linalg_ml.problems import real_matrix_info
    >>> info = real_matrix_info("digits-first-gradient-step0")
    >>> info.kind, info.numerical_rank
    ('gradient', 127)
    >>> info.provenance["data_set"]["licence"]
    'CC BY-SA 3.0'
    """
    checks.choice(name, real_matrix_names(), "name")
    whole = _provenance()
    about = dict(whole["matrices"][name])
    model = whole["models"][about["model"]]
    kept = ("made_by", "date", "versions", "seed", "momentum", "licence")
    provenance = {key: whole[key] for key in kept}
    provenance.update(model=model, data_set=whole["data_sets"][model["data_set"]])
    about["shape"] = tuple(about["shape"])
    return RealMatrix(name=name, provenance=json.loads(json.dumps(provenance)), **about)


def _data(filename):
    return resources.files("linalg_ml.problems") / "data" / filename


@cache
def _provenance():
    return json.loads(_data("real_matrices.json").read_text(encoding="utf-8"))
