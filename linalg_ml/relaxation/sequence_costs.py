"""What a solve costs, and what other choices of the parameter would have cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from linalg_ml._core import checks

NAMES = ("iterations", "seconds")


@dataclass(frozen=True)
class Price:
    """Cost of a solve whose arms have unequal prices: setup + per_iteration * iterations.

    Parameters
    ----------
    setup, per_iteration : float or mapping
        One number >= 0, or one for each omega: flops, seconds, or matrix products. A mapping must
        hold the arms of the tuner and of ``compare``, and the fallback: its omega, or None if
        it is a function.

    Notes
    -----
    For the argument ``cost`` of `solve_sequence`. A model of the work is free of the noise of a
    clock, and its bandit runs can be repeated bit for bit.

    References
    ----------
    M. Khodak et al., "PCGBandit: one-shot acceleration of transient PDE solvers via
    online-learned preconditioners", 2025, arXiv 2509.08765.

    Examples
    --------
    >>> from linalg_ml import cg
    >>> from linalg_ml.relaxation import Price
    >>> price = Price(setup={"none": 0, "ssor": 1}, per_iteration={"none": 1, "ssor": 2.5})
    >>> result = cg([[4.0, 1.0], [1.0, 3.0]], [1.0, 2.0])
    >>> price(result, "none"), price(result, "ssor")
    (2.0, 6.0)
    """

    setup: float | Mapping = 0.0
    per_iteration: float | Mapping = 1.0

    def __post_init__(self):
        for name in ("setup", "per_iteration"):
            prices = getattr(self, name)
            values = prices.values() if isinstance(prices, Mapping) else [prices]
            for value in values:
                checks.number(value, name, minimum=0)

    def __call__(self, result, omega):
        if not self.knows(omega):
            raise ValueError(f"Price must know each omega, but has none for {omega!r}")
        setup, each = (
            prices[omega] if isinstance(prices, Mapping) else prices
            for prices in (self.setup, self.per_iteration)
        )
        return float(setup + each * result.nit)

    def knows(self, omega):
        """Return whether there is a price for this omega."""
        mappings = [p for p in (self.setup, self.per_iteration) if isinstance(p, Mapping)]
        return all(omega in prices for prices in mappings)


def cost_function(cost):
    """Return a function of (result, omega, seconds) from the argument ``cost``."""
    if callable(cost):
        return lambda result, omega, seconds: checks.number(
            cost(result, omega), "what cost returns", minimum=0
        )
    if checks.choice(cost, NAMES, "cost") == "seconds":
        return lambda result, omega, seconds: seconds
    return lambda result, omega, seconds: float(result.nit)


@dataclass(frozen=True, repr=False)
class Comparison:
    """What other choices would have cost.

    Attributes
    ----------
    arms : tuple
        The arms compared.
    costs : ndarray of shape (T, d)
        Cost of each system with each arm.
    converged : ndarray of bool, shape (T, d)
        Whether it was solved.
    optimal_costs : ndarray of shape (T,) or None
        Cost of each system with the omega that ``optimal`` returned for it; NaN where ``cost``
        has no price for that omega.
    best_fixed : tuple (arm, total) or None
        The arm of least total cost among those that solved every system; None if there is none.
    best_of_each : float or None
        Sum over the systems of the least cost among the arms that solved it; of all arms where
        none did. None if no arms were compared.
    instance_optimal : float or None
        Sum of ``optimal_costs``.
    """

    arms: tuple
    costs: np.ndarray
    converged: np.ndarray
    optimal_costs: np.ndarray | None

    @cached_property
    def best_fixed(self):
        able = np.flatnonzero(self.converged.all(axis=0))
        if not able.size:
            return None
        totals = self.costs.sum(axis=0)
        best = able[np.argmin(totals[able])]
        return self.arms[best], float(totals[best])

    @cached_property
    def best_of_each(self):
        if not self.arms:
            return None
        able = self.converged | ~self.converged.any(axis=1, keepdims=True)
        return float(np.where(able, self.costs, np.inf).min(axis=1).sum())

    @cached_property
    def instance_optimal(self):
        return None if self.optimal_costs is None else float(self.optimal_costs.sum())

    def __repr__(self):
        return (
            f"<Comparison: best_fixed={self.best_fixed}, best_of_each={self.best_of_each}, "
            f"instance_optimal={self.instance_optimal}>"
        )
