"""One tuner for each part of an interval of contexts."""

from copy import deepcopy
from math import ceil

from linalg_ml._core import checks
from linalg_ml.relaxation.tuner import Tuner, context_argument, context_range_argument


class ContextBins(Tuner):
    """Cut the interval of contexts into equal bins, each with a tuner of its own.

    Parameters
    ----------
    tuner : Tuner
        A tuner that has not been used, for instance a `TsallisINF`; each bin gets a copy of it,
        and all draw from its generator.
    context_range : (float, float)
        The interval of contexts; one outside counts as its nearer end.
    bins : int
        How many bins.

    Attributes
    ----------
    tuners : tuple of Tuner
        From the lowest bin to the highest.

    Notes
    -----
    A context belongs to the bin of the nearest centre, the lower one on a tie. Only the tuner
    of that bin is asked and told; rounds, step size and scale are its own. With Tsallis-INF and
    m bins on an interval of width C, costs that change by at most L per unit of context and d
    arms, the regret against the best arm for each context is at most
    m + 4 K sqrt(d m T) + C L T / m and what the grid of arms loses [1]_. More bins follow the
    context closer and learn slower.

    References
    ----------
    .. [1] M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, "Learning to relax: setting solver
       parameters across a sequence of linear system instances", ICLR 2024, arXiv 2310.02246,
       algorithm 5.

    Examples
    --------
    >>> from linalg_ml.relaxation import ContextBins, TsallisINF
    >>> tuner = ContextBins(TsallisINF([1.0, 1.5], rng=0), context_range=(0, 1), bins=2)
    >>> for t in range(400):
    ...     context = t % 2
    ...     omega = tuner.ask(context)
    ...     tuner.tell(10 if (omega == 1.5) == (context == 1) else 50)
    >>> [bin.probabilities.round(1).tolist() for bin in tuner.tuners]
    [[1.0, 0.0], [0.0, 1.0]]
    """

    _state = ("_bin",)

    def __init__(self, tuner, *, context_range, bins=5):
        checks.instance(tuner, Tuner, "tuner")
        if tuner.rounds or tuner._asked is not None:
            raise ValueError("tuner must not have been used before")
        super().__init__(tuner.arms, rng=tuner.rng)
        self.context_range = context_range_argument(context_range)
        self.bins = checks.count(bins, "bins")
        self.tuners = tuple(deepcopy(tuner, {id(tuner.rng): tuner.rng}) for _ in range(self.bins))
        self._bin = None

    def _choose(self, context):
        low, high = self.context_range
        where = (context_argument(context, self.context_range) - low) / (high - low)
        self._bin = max(ceil(where * self.bins) - 1, 0)
        self.tuners[self._bin].ask(context)
        return self.tuners[self._bin]._asked

    def _learn(self, index, cost):
        self.tuners[self._bin].tell(cost)

    def cancel(self):
        """Forget the arm asked for last, as `Tuner.cancel` does."""
        super().cancel()
        for tuner in self.tuners:
            tuner.cancel()

    def state_dict(self):
        """Return what was learned in every bin, as `Tuner.state_dict` does."""
        return {**super().state_dict(), "bins": [tuner.state_dict() for tuner in self.tuners]}

    def _read(self, state):
        pairs = super()._read(state)
        parts = state["bins"]
        if not isinstance(parts, list):
            raise TypeError(f"state must hold a list as bins, got {type(parts).__name__}")
        if len(parts) != self.bins:
            raise ValueError(f"state must be that of {self.bins} bins, got {len(parts)}")
        for tuner, part in zip(self.tuners, parts, strict=True):
            pairs += tuner._read(part)
        return pairs
