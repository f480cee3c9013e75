"""Robust low-rank recovery: matrices and tensors as low rank plus sparse."""

from linalg_ml.low_rank.alm import (
    AlternatingDirections,
    AugmentedLagrangian,
    ExactAugmentedLagrangian,
)
from linalg_ml.low_rank.alternating import AlternatingProjections
from linalg_ml.low_rank.godec import GoDec
from linalg_ml.low_rank.proximal import Fista, Ista
from linalg_ml.low_rank.robust_pca import robust_pca
from linalg_ml.low_rank.scaled_gradient import ScaledGradient

__all__ = [
    "AlternatingDirections",
    "AlternatingProjections",
    "AugmentedLagrangian",
    "ExactAugmentedLagrangian",
    "Fista",
    "GoDec",
    "Ista",
    "ScaledGradient",
    "robust_pca",
]
