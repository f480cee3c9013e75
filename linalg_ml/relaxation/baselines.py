"""Tuners to compare others with: a fixed arm, and the best arm so far with random trials."""

from linalg_ml._core import checks
from linalg_ml.relaxation.tuner import Tuner


class Fixed(Tuner):
    """Always choose the same arm.

    Parameters
    ----------
    arm : object
        For instance a value of omega.

    Examples
    --------
    >>> from linalg_ml.relaxation import Fixed
    >>> tuner = Fixed(1.5)
    >>> tuner.ask()
    1.5
    >>> tuner.tell(20)
    """

    def __init__(self, arm):
        super().__init__([arm])

    def _choose(self, context):
        return 0

    def _learn(self, index, cost):
        pass


class EpsilonGreedy(Tuner):
    """Choose the arm of least mean cost so far, now and then another at random.

    Parameters
    ----------
    arms : sequence
        For instance values of omega.
    rng : None, int or numpy.random.Generator
    epsilon : float between 0 and 1
        Probability of a random arm in round t: epsilon t^-decay.
    decay : float >= 0
        0 explores for ever; 1/3 balances exploration and regret on a grid whose arms differ
        little.

    Notes
    -----
    Each arm is tried once first, from the last to the first. Contexts are ignored.

    Examples
    --------
    >>> from linalg_ml.relaxation import EpsilonGreedy
    >>> tuner = EpsilonGreedy([1.0, 1.5, 1.9], rng=0)
    >>> for _ in range(100):
    ...     omega = tuner.ask()
    ...     tuner.tell(abs(omega - 1.6))
    >>> tuner.best
    1.5
    """

    _state = ("_tries", "_means")

    def __init__(self, arms, *, rng=None, epsilon=0.1, decay=0.0):
        super().__init__(arms, rng=rng)
        self.epsilon = checks.number(epsilon, "epsilon", minimum=0, maximum=1)
        self.decay = checks.number(decay, "decay", minimum=0)
        self._tries, self._means = [0] * len(self.arms), [0.0] * len(self.arms)

    @property
    def best(self):
        """The arm of least mean cost among those tried; None before the first."""
        return None if not self.rounds else self.arms[self._leader()]

    def _leader(self):
        tried = [index for index, tries in enumerate(self._tries) if tries]
        return min(tried, key=self._means.__getitem__)

    def _choose(self, context):
        if self.rounds < len(self.arms):
            return len(self.arms) - 1 - self.rounds
        if self.rng.random() < self.epsilon * (self.rounds + 1) ** -self.decay:
            return int(self.rng.integers(len(self.arms)))
        return self._leader()

    def _learn(self, index, cost):
        self._tries[index] += 1
        self._means[index] += (cost - self._means[index]) / self._tries[index]
