"""Relaxation: SOR and its kin, tuners that learn their parameter, sequences of systems."""

from linalg_ml.relaxation.adaptive import young
from linalg_ml.relaxation.baselines import EpsilonGreedy, Fixed
from linalg_ml.relaxation.chebyshev_bandit import ChebCB
from linalg_ml.relaxation.context_bins import ContextBins
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
    "jacobi_radius",
    "optimal_omega",
    "prepare",
    "solve_sequence",
    "sor",
    "ssor",
    "ssor_cg",
    "tsallis_probabilities",
    "young",
]
