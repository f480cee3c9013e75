"""Tsallis-INF: a bandit that needs no assumption on how the costs come about."""

from math import sqrt

import numpy as np

from linalg_ml._core import checks
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.relaxation.tuner import Tuner

ESTIMATORS = ("importance", "reduced-variance")
# The rate of the step size that each estimator comes with, and the t p_i from which an arm has
# a baseline.
_RATES = {"importance": 2.0, "reduced-variance": 4.0}
_ENOUGH = 16


def tsallis_probabilities(losses, eta, /):
    """Find the probabilities that follow the leader under Tsallis regularisation.

    Parameters
    ----------
    losses : array of shape (d,)
        Cumulative losses k_i in units of the largest loss.
    eta : float > 0
        Step size.

    Returns
    -------
    probabilities : ndarray of shape (d,)
        argmin over the simplex of <k, p> - (4 / eta) sum sqrt(p_i).
    root : float
        The x of p_i = 4 / (eta (k_i - x))^2.

    Notes
    -----
    With h = min k the root lies between h - 2 sqrt(d) / eta and h - 2 / eta. Newton's method is
    applied to (sum p)^(-1/2) = 1 from the right end, from where it goes to the root without
    overshooting; losses enter as k - h, so that large ones cost no accuracy.

    References
    ----------
    J. Zimmert, Y. Seldin, "Tsallis-INF: an optimal algorithm for stochastic and adversarial
    bandits", JMLR 22, 2021, arXiv 1807.07623.

    Examples
    --------
    >>> from linalg_ml.relaxation import tsallis_probabilities
    >>> probabilities, root = tsallis_probabilities([0.0, 1.0, 2.0, 5.0], 1.0)
    >>> probabilities.round(6)
    array([0.494102, 0.270526, 0.170383, 0.06499 ])
    >>> round(root, 6)
    -2.84526
    """
    losses = np.asarray(losses, dtype=np.float64)
    if losses.ndim != 1 or losses.size == 0 or not np.all(np.isfinite(losses)):
        raise ValueError(f"losses must be finite, of shape (d,), got {losses!r}")
    unit = 2 / checks.number(eta, "eta", above=0)
    out = np.empty(losses.size)
    z = kernels("numpy").tsallis(losses, unit, 1.0, out)
    return out, float(losses.min() - z * unit)


class TsallisINF(Tuner):
    """Choose arms by follow the regularised leader with Tsallis entropy.

    Parameters
    ----------
    arms : sequence
        The parameters to choose from; any objects. For SOR a grid of omega whose last point is
        the largest omega ever needed: an omega too large costs less than one too small.
    rng : None, int or numpy.random.Generator
    estimator : "importance" or "reduced-variance"
        How the losses of the arms not played are estimated, see Notes.
    rate : float, optional
        Step size eta_t = rate / sqrt(t); 2 for "importance" and 4 for "reduced-variance" if None.
    horizon : int, optional
        Number of rounds, if known: the step size is then 1 / sqrt(horizon) throughout.
    scale : float, optional
        Largest loss. The mean loss so far if None, which adapts to any unit of cost.
    least_cost : float
        What every solve costs at least; the loss is what it cost above that.

    Attributes
    ----------
    probabilities : ndarray of shape (d,)
        With which the arm asked for last was drawn.
    best : object
        The arm most probable now, that of least estimated loss; None before the first round.

    Notes
    -----
    With L_i the cumulative estimated losses, arm i is drawn with the probability
    p_i = 4 / (eta_t (L_i / K - x))^2, K the scale (`tsallis_probabilities`). Once its loss is
    known, "importance" adds loss / p_i to L_i. "reduced-variance" takes half the mean loss as a
    baseline for the arms with t p_i >= 16: those all gain it, and the arm played gains
    (loss - baseline) / p_i on top. Both estimates are unbiased.

    With the scale given and losses between 0 and it, the expected total exceeds that of the best
    fixed arm by at most 4 K sqrt(d T) + K (with ``horizon``: 2 K sqrt(2 d T)) after T rounds,
    for any sequence of costs, also one that the past choices influence only through the
    systems. Contexts are ignored; see `ContextBins`. A round costs a few microseconds.

    The paper's experiments count iterations with ``least_cost=1`` and leave the rest as it is.

    References
    ----------
    J. Zimmert, Y. Seldin, "Tsallis-INF: an optimal algorithm for stochastic and adversarial
    bandits", JMLR 22, 2021, arXiv 1807.07623.

    M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, "Learning to relax: setting solver parameters
    across a sequence of linear system instances", ICLR 2024, arXiv 2310.02246.

    M. Khodak et al., "PCGBandit: one-shot acceleration of transient PDE solvers via
    online-learned preconditioners", 2025, arXiv 2509.08765 ("reduced-variance").

    Examples
    --------
    >>> from linalg_ml.relaxation import TsallisINF
    >>> tuner = TsallisINF([1.0, 1.5, 1.9], rng=0)
    >>> for _ in range(300):
    ...     omega = tuner.ask()
    ...     tuner.tell(20 + 100 * abs(omega - 1.5))
    >>> tuner.probabilities.round(1)
    array([0., 1., 0.])
    >>> tuner.best
    1.5
    """

    _state = ("_losses", "_baselines", "_total", "_z", "probabilities")

    def __init__(
        self,
        arms,
        *,
        rng=None,
        estimator="importance",
        rate=None,
        horizon=None,
        scale=None,
        least_cost=0.0,
    ):
        super().__init__(arms, rng=rng, least_cost=least_cost)
        self.estimator = checks.choice(estimator, ESTIMATORS, "estimator")
        if rate is not None and horizon is not None:
            raise ValueError("rate and horizon exclude each other: both set the step size")
        self.rate = _RATES[estimator] if rate is None else checks.number(rate, "rate", above=0)
        self.horizon = None if horizon is None else checks.count(horizon, "horizon")
        self.scale = None if scale is None else checks.number(scale, "scale", above=0)
        d = len(self.arms)
        self._losses, self._total, self._z = np.zeros(d), 0.0, 1.0
        self._baselines = np.zeros(0 if estimator == "importance" else d)
        self.probabilities = np.full(d, 1 / d)

    @property
    def best(self):
        return None if not self.rounds else self.arms[self._estimates(self._scale()).argmin()]

    def eta(self):
        """Return the step size of the round to come."""
        if self.horizon is not None:
            return 1 / sqrt(self.horizon)
        return self.rate / sqrt(self.rounds + 1)

    def _mean_loss(self):
        mean = self._total / self.rounds if self.rounds else 0.0
        return mean if mean > 0 else 1.0

    def _scale(self):
        return self.scale or self._mean_loss()

    def _estimates(self, scale):
        """Return the cumulative estimated losses L."""
        return self._losses + scale * self._baselines if self._baselines.size else self._losses

    def _choose(self, context):
        scale = self._scale()
        index, self._z = kernels("numpy").tsallis_draw(
            self._estimates(scale),
            2 * scale / self.eta(),
            self._z,
            self.rng.random(),
            self.probabilities,
        )
        return index

    def _learn(self, index, cost):
        loss, p = self._loss(cost), self.probabilities
        self._total += loss
        self._losses[index] += loss / p[index]
        if self._baselines.size:  # in units of the scale, whatever it will be
            kernels("numpy").add_baselines(self._baselines, p, _ENOUGH / self.rounds, index)
