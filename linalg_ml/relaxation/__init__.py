"""Relaxation solvers, tuners that learn their parameter, and sequences of systems."""

from linalg_ml.relaxation.baselines import EpsilonGreedy, Fixed
from linalg_ml.relaxation.chebyshev_bandit import ChebCB
from linalg_ml.relaxation.context_bins import ContextBins
from linalg_ml.relaxation.sequence import SequenceResult, solve_sequence
from linalg_ml.relaxation.sequence_costs import Comparison, Price
from linalg_ml.relaxation.tsallis import TsallisINF, tsallis_probabilities
from linalg_ml.relaxation.tuner import Tuner
from linalg_ml.relaxation.unimodal_thompson import UnimodalThompson

__all__ = [
    "ChebCB",
    "Comparison",
    "ContextBins",
    "EpsilonGreedy",
    "Fixed",
    "Price",
    "SequenceResult",
    "TsallisINF",
    "Tuner",
    "UnimodalThompson",
    "solve_sequence",
    "tsallis_probabilities",
]
