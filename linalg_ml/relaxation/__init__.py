"""Relaxation: SOR, coordinate descent, tuners that learn a parameter, sequences of systems."""

from linalg_ml.relaxation.adaptive import young
from linalg_ml.relaxation.baselines import EpsilonGreedy, Fixed
from linalg_ml.relaxation.block_partitions import (
    color_graph,
    grow_forest,
    lattice_trees,
    red_black,
    split_coordinates,
    tree_partition,
)
from linalg_ml.relaxation.chebyshev_bandit import ChebCB
from linalg_ml.relaxation.context_bins import ContextBins
from linalg_ml.relaxation.coordinate import coordinate_descent
from linalg_ml.relaxation.forests import solve_forest
from linalg_ml.relaxation.grid import GridLaplacian
from linalg_ml.relaxation.optimal_omega import jacobi_radius, optimal_omega
from linalg_ml.relaxation.preparation import prepare
from linalg_ml.relaxation.sequence import SequenceResult, solve_sequence
from linalg_ml.relaxation.sequence_costs import Comparison, Price
from linalg_ml.relaxation.sor import chebyshev_sor, sor, ssor
from linalg_ml.relaxation.ssor_cg import ssor_cg
from linalg_ml.relaxation.tsallis import TsallisINF, tsallis_probabilities
from linalg_ml.relaxation.tuner import Tuner
from linalg_ml.relaxation.unimodal_thompson import UnimodalThompson

__all__ = [
    "ChebCB",
    "Comparison",
    "ContextBins",
    "EpsilonGreedy",
    "Fixed",
    "GridLaplacian",
    "Price",
    "SequenceResult",
    "TsallisINF",
    "Tuner",
    "UnimodalThompson",
    "chebyshev_sor",
    "color_graph",
    "coordinate_descent",
    "grow_forest",
    "jacobi_radius",
    "lattice_trees",
    "optimal_omega",
    "prepare",
    "red_black",
    "solve_forest",
    "solve_sequence",
    "sor",
    "split_coordinates",
    "ssor",
    "ssor_cg",
    "tree_partition",
    "tsallis_probabilities",
    "young",
]
