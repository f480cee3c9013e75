"""Conjugate directions that a model proposes, for Poisson problems on grids with obstacles."""

from linalg_ml.deep_directions.model import Model
from linalg_ml.deep_directions.multigrid import LearnedMultigrid, MultigridWeights
from linalg_ml.deep_directions.solver import deep_conjugate_directions
from linalg_ml.deep_directions.stencil import GridPoisson, open_cells

__all__ = [
    "GridPoisson",
    "LearnedMultigrid",
    "Model",
    "MultigridWeights",
    "deep_conjugate_directions",
    "open_cells",
]
