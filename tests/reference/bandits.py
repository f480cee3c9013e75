"""The bandits written out: every round of the past is kept, every fit starts from all of it."""

import numpy as np
from scipy.optimize import brentq, lsq_linear


def tsallis_probabilities(losses, eta):
    """Return p_i = 4 / (eta (k_i - x))^2 of sum 1, x by bisection."""
    losses = np.asarray(losses, dtype=float)
    low = losses.min() - 2 * np.sqrt(losses.size) / eta
    high = losses.min() - 2 / eta

    def excess(x):
        return np.sum(4 / (eta * (losses - x)) ** 2) - 1

    x = high if losses.size == 1 or excess(low) >= 0 else brentq(excess, low, high, xtol=1e-15)
    p = 4 / (eta * (losses - x)) ** 2
    return p / p.sum(), x


def pick(probabilities, u):
    """Return the first index at which the cumulative probability exceeds u."""
    return min(
        int(np.searchsorted(np.cumsum(probabilities), u, side="right")), len(probabilities) - 1
    )


def tsallis_run(table, seed, estimator, least_cost):
    """Play Tsallis-INF on a table of costs (rounds, arms); return the arms chosen."""
    rng = np.random.default_rng(seed)
    weighted, shift = np.zeros(table.shape[1]), np.zeros(table.shape[1])
    losses, chosen = [], []
    for t, costs in enumerate(table, start=1):
        scale = np.mean(losses) if losses else 1.0
        rate = 2.0 if estimator == "importance" else 4.0
        p, _ = tsallis_probabilities(weighted / scale + shift, rate / np.sqrt(t))
        arm = pick(p, rng.random())
        chosen.append(arm)
        losses.append(costs[arm] - least_cost)
        weighted[arm] += losses[-1] / p[arm]
        if estimator == "reduced-variance":
            for j in range(p.size):
                if t * p[j] >= 16:
                    shift[j] += 0.5 - (0.5 / p[j] if j == arm else 0.0)
    return chosen


class ChebyshevBandit:
    """The fits and the learning rate of ChebCB from all rounds so far."""

    def __init__(self, arms, features, low, high):
        self.arms, self.m, self.low, self.high = arms, features, low, high
        self.rows, self.played, self.costs, self.predicted = [], [], [], []

    def features(self, context):
        """Return cos(j arccos x), j = 0 .. m - 1."""
        x = 2 * (context - self.low) / (self.high - self.low) - 1
        return np.cos(np.arange(self.m) * np.arccos(x))

    def constants(self):
        """Return K N and the bounds on theta."""
        n = 2 + 4 * (1 + np.log(self.m))
        return max(self.costs) * n, np.array([1 / n, *(2 / (n * np.arange(1, self.m)))])

    def add(self, context, arm, cost, predicted):
        """Append a round."""
        self.rows.append(self.features(context))
        self.played.append(arm)
        self.costs.append(cost)
        self.predicted.append(predicted)

    def fit(self, arm, least_cost):
        """Return theta, its squared error if the bounds mattered, and the rank of the rows."""
        unit, bound = self.constants()
        mine = np.array(self.played) == arm
        rows, y = np.array(self.rows)[mine], (np.array(self.costs)[mine] - least_cost) / unit
        theta, _, rank, _ = np.linalg.lstsq(rows, y, rcond=None)
        if np.all(np.abs(theta) <= bound):
            return theta, 0.0, rank
        found = lsq_linear(rows, y, (-bound, bound), method="bvls", tol=1e-15)
        return found.x, 2 * found.cost, rank

    def eta(self, left):
        """Return the learning rate of the next round."""
        unit, _ = self.constants()
        t, d, m = len(self.costs), self.arms, self.m
        alpha = (np.pi + 2 / np.pi * np.log(2 * m + 1)) / (2 * unit * (m + 1)) * max(self.costs)
        r = np.sum((np.array(self.predicted) - np.array(self.costs) / unit) ** 2)
        return 2 * t * np.sqrt(d * t / (r - left + 2 * alpha**2 * t))
