"""Robust low-rank recovery: matrices and tensors as low rank plus sparse."""

from linalg_ml.low_rank.automatic import AutomaticPenalised
from linalg_ml.low_rank.corrective import CorrectiveFrankWolfe
from linalg_ml.low_rank.frank_wolfe import FrankWolfe
from linalg_ml.low_rank.norm_constrained import NormConstrainedFrankWolfe
from linalg_ml.low_rank.proximal import Fista, Ista
from linalg_ml.low_rank.robust_pca import robust_pca

__all__ = [
    "AutomaticPenalised",
    "CorrectiveFrankWolfe",
    "Fista",
    "FrankWolfe",
    "Ista",
    "NormConstrainedFrankWolfe",
    "robust_pca",
]
