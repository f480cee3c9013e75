"""Relaxation: SOR and its kin, and the choice of their parameter."""

from linalg_ml.relaxation.adaptive import young
from linalg_ml.relaxation.grid import GridLaplacian
from linalg_ml.relaxation.optimal_omega import jacobi_radius, optimal_omega
from linalg_ml.relaxation.preparation import prepare
from linalg_ml.relaxation.sor import chebyshev_sor, sor, ssor
from linalg_ml.relaxation.ssor_cg import ssor_cg

__all__ = [
    "GridLaplacian",
    "chebyshev_sor",
    "jacobi_radius",
    "optimal_omega",
    "prepare",
    "sor",
    "ssor",
    "ssor_cg",
    "young",
]
