"""The optimizers of the training runs, by name."""

from dataclasses import dataclass

import torch

from linalg_ml import polar
from linalg_ml.optim import from_rule
from linalg_ml.optim.orthogonalized import SCALES, STEPS
from linalg_ml.optim.orthogonalized import Muon as MuonRule
from linalg_ml.optim.torch import SOAP, Muon, PolarGrad, Signum, optimizer_class


@dataclass(frozen=True)
class EstimatedMuonRule(MuonRule):
    """Muon whose polynomials are made for the smallest singular value estimated at each step."""

    def _orthogonal(self, a):
        return SCALES["original"](*a.shape[-2:]) * polar(a, steps=STEPS).x


def estimated_muon(lr=0.02):
    """Return Muon with polynomials made for each stack of momenta."""
    return from_rule(EstimatedMuonRule(), lr)


EstimatedMuon = optimizer_class(estimated_muon, "EstimatedMuon")


def muon(schedule):
    """Return what makes a Muon of weights, rate and perhaps precision, momentum and decay."""
    return lambda p, lr, **options: Muon(p, lr=lr, schedule=schedule, **options)


# Optimizers for the matrices of the blocks: name to what makes one of weights and rate. In all
# Muons the momentum is 0.95 with Nesterov's form, and the step is scaled by sqrt(max(1, m / n)).
MATRIX = {
    "muon-jordan": muon("jordan"),
    "muon-you": muon("you"),
    "muon-polar-express": muon("polar-express"),
    "muon-estimated": EstimatedMuon,
    "muon-svd": muon("svd"),
    "torch-muon": lambda p, lr, momentum=0.95, weight_decay=0.0: torch.optim.Muon(
        p, lr=lr, momentum=momentum, weight_decay=weight_decay
    ),
    "polargrad": PolarGrad,
    "soap": lambda p, lr, beta1=0.95, beta2=0.95, weight_decay=0.0: SOAP(
        p, lr=lr, betas=(beta1, beta2), weight_decay=weight_decay
    ),
}
# Optimizers for all weights: name to what makes one of weights, rate and decay rates.
ALL = {
    "adamw": lambda p, lr, beta1=0.9, beta2=0.95, weight_decay=0.0: torch.optim.AdamW(
        p, lr=lr, betas=(beta1, beta2), weight_decay=weight_decay
    ),
    "signum": lambda p, lr, beta1: Signum(p, lr=lr, beta=beta1),
    "sgd": lambda p, lr, beta1: torch.optim.SGD(p, lr=lr, momentum=beta1, dampening=beta1),
}
OPTIONS = ("beta1", "beta2", "precision", "momentum", "weight_decay")


def make(cell, model):
    """Return the optimizers of a run: one for all weights, or one for the matrices and AdamW.

    Parameters
    ----------
    cell : dict
        "method", "lr", those of `OPTIONS` that the method takes, and "others", the rate of AdamW
        for embedding, places, head and gains beside a matrix optimizer.
    model : Transformer
    """
    options = {name: cell[name] for name in OPTIONS if name in cell}
    if cell["method"] in ALL:
        return [ALL[cell["method"]](model.parameters(), cell["lr"], **options)]
    matrices = MATRIX[cell["method"]](model.matrices(), cell["lr"], **options)
    others = ALL["adamw"](model.others(), cell["others"])
    return [matrices, others]
