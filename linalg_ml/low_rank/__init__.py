"""Robust low-rank recovery: matrices and tensors as low rank plus sparse."""

from linalg_ml.low_rank.alm import (
    AlternatingDirections,
    AugmentedLagrangian,
    ExactAugmentedLagrangian,
)
from linalg_ml.low_rank.proximal import Fista, Ista
from linalg_ml.low_rank.robust_pca import robust_pca

__all__ = [
    "AlternatingDirections",
    "AugmentedLagrangian",
    "ExactAugmentedLagrangian",
    "Fista",
    "Ista",
    "robust_pca",
]
