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
from linalg_ml.low_rank.square import square_fold, square_modes, square_norm, square_reshape
from linalg_ml.low_rank.tensor import complete_tensor, robust_tensor_pca
from linalg_ml.low_rank.tensor_methods import Mixture, RankConstrained, SumOfNuclearNorms

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
    "Mixture",
    "NormConstrainedFrankWolfe",
    "RankConstrained",
    "RobustPCA",
    "ScaledGradient",
    "SumOfNuclearNorms",
    "complete_tensor",
    "robust_pca",
    "robust_tensor_pca",
    "square_fold",
    "square_modes",
    "square_norm",
    "square_reshape",
]
