"""What iterations with one inversion or more in each step share."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core.namespace import to_numpy
from linalg_ml._core.result import Status
from linalg_ml.matrix_functions.iterated_method import IteratedMethod
from linalg_ml.matrix_functions.polar_problem import one_or_many
from linalg_ml.matrix_functions.spectrum import inverse


@dataclass
class InversionState:
    """The iterate, what tends to I, how far it has to go, and where an inverse did not exist."""

    x: Any
    square: Any
    distance: Any
    broken: Any
    step: int = 0


class InversionMethod(IteratedMethod):
    """What iterations with inversions share; these are made in at least fp32."""

    default_maxiter = 100

    def patience(self, problem, arithmetic):
        """Wait for eigenvalues at a small angle from where the function is not defined."""
        return self._longest(problem), 4

    def _longest(self, problem):
        return 8 + int(-np.log2(problem.exact.unit_roundoff))

    def stopped(self, problem, state, measures):
        """Give up where an inverse did not exist, and where the iterates wander for too long."""
        given = problem.hopeless(True)
        broken = to_numpy(state.broken)
        if state.step >= self._longest(problem):
            broken = broken | (np.asarray(measures["residual"]) > 0.01)
        if not np.any(broken):
            return given
        given = np.array(given)
        unknown = given == np.array(None)
        return one_or_many(np.where(broken & unknown, Status.BREAKDOWN, given))


def inverted_or_zero(x, arithmetic):
    """Return X^-1, or zero where it does not exist, and where that is."""
    xp = arithmetic.xp
    inverted = inverse(x, arithmetic)
    broken = ~xp.isfinite(arithmetic.frobenius(inverted))
    return xp.where(broken[..., None, None], xp.zeros_like(inverted), inverted), broken


def determinantal_scaling(x, wanted, power, arithmetic):
    """Return |det X|^(-1 / (power n)) where it is wanted and usable, else one."""
    xp = arithmetic.xp
    mu = xp.exp(-xp.linalg.slogdet(x)[1] / (power * x.shape[-1]))
    return usable_scaling(mu, wanted, xp)


def usable_scaling(mu, wanted, xp):
    """Return mu where it is wanted and a positive number, else one."""
    usable = xp.isfinite(mu) & (mu > 0) & wanted
    return xp.where(usable, mu, xp.ones_like(mu))
