"""Robust low-rank recovery: matrices and tensors as low rank plus sparse."""

from linalg_ml.low_rank.alm import (
    AlternatingDirections,
    AugmentedLagrangian,
    ExactAugmentedLagrangian,
)
from linalg_ml.low_rank.alternating import AlternatingProjections
from linalg_ml.low_rank.automatic import AutomaticPenalised
from linalg_ml.low_rank.corrective import CorrectiveFrankWolfe
from linalg_ml.low_rank.estimator import RobustPCA
from linalg_ml.low_rank.frank_wolfe import FrankWolfe
from linalg_ml.low_rank.godec import GoDec
from linalg_ml.low_rank.norm_constrained import NormConstrainedFrankWolfe
from linalg_ml.low_rank.proximal import Fista, Ista
from linalg_ml.low_rank.robust_pca import robust_pca
from linalg_ml.low_rank.scaled_gradient import ScaledGradient

__all__ = [
    "AlternatingDirections",
    "AlternatingProjections",
    "AugmentedLagrangian",
    "AutomaticPenalised",
    "CorrectiveFrankWolfe",
    "ExactAugmentedLagrangian",
    "Fista",
    "FrankWolfe",
    "GoDec",
    "Ista",
    "NormConstrainedFrankWolfe",
    "RobustPCA",
    "ScaledGradient",
    "robust_pca",
]
