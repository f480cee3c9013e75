"""Conjugate directions that a model proposes, for Poisson problems on grids with obstacles."""

from linalg_ml.deep_directions.model import Model
from linalg_ml.deep_directions.multigrid import LearnedMultigrid, MultigridWeights
from linalg_ml.deep_directions.multigrid_training import contraction, train_multigrid
from linalg_ml.deep_directions.obstacles import random_obstacles
from linalg_ml.deep_directions.solver import deep_conjugate_directions
from linalg_ml.deep_directions.stencil import GridPoisson, open_cells

__all__ = [
    "GridPoisson",
    "LearnedMultigrid",
    "Model",
    "MultigridWeights",
    "contraction",
    "deep_conjugate_directions",
    "open_cells",
    "random_obstacles",
    "train_multigrid",
]
