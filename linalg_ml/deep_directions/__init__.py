"""Conjugate directions that a model proposes, for Poisson problems on grids with obstacles."""

from linalg_ml.deep_directions.architecture import Architecture
from linalg_ml.deep_directions.model import Model
from linalg_ml.deep_directions.multigrid import LearnedMultigrid, MultigridWeights
from linalg_ml.deep_directions.multigrid_training import contraction, train_multigrid
from linalg_ml.deep_directions.network import Network
from linalg_ml.deep_directions.obstacles import random_obstacles
from linalg_ml.deep_directions.ritz import ritz_mixtures, sine_mixtures
from linalg_ml.deep_directions.solver import deep_conjugate_directions
from linalg_ml.deep_directions.stencil import GridPoisson, open_cells
from linalg_ml.deep_directions.training import one_step_loss, train
from linalg_ml.deep_directions.weights_file import load, save, shipped

__all__ = [
    "Architecture",
    "GridPoisson",
    "LearnedMultigrid",
    "Model",
    "MultigridWeights",
    "Network",
    "contraction",
    "deep_conjugate_directions",
    "load",
    "one_step_loss",
    "open_cells",
    "random_obstacles",
    "ritz_mixtures",
    "save",
    "shipped",
    "sine_mixtures",
    "train",
    "train_multigrid",
]
