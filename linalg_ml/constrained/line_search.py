"""Backtracking on a merit function."""

from math import isfinite
from typing import Any, NamedTuple

from linalg_ml._core.result import UserFunctionError

_HALVINGS = 60
_ROUNDING = 20  # units of roundoff by which the merit function may seem to grow


class Accepted(NamedTuple):
    """A point that passed the test, how far it lies, and what the merit function fell by."""

    point: Any
    alpha: float
    gain: float


def backtrack(space, point, step, slope, merit, beta, halvings=_HALVINGS):
    """Return the first of the points z + alpha dz, alpha = 1, 1/2, 1/4, ..., that is good enough.

    Good enough is M(z + alpha dz) <= M(z) + alpha beta slope. M is known up to some rounding,
    20 u max(1, |M|), where |M| is the sum of the sizes of its terms. Near a solution the decrease
    falls below that, and a full step may seem to grow by as much. Shorter ones are tried only
    where their decrease, -alpha slope, would be seen: of the others every one would do, whether
    they lead anywhere or not. A point where a function is not finite, or has no derivative, is
    not good enough.

    Parameters
    ----------
    space : Evaluation
    point : Point
    step : (dx, dlam)
    slope : float
        The directional derivative of the merit function.
    merit : callable
        From a `Point` to the value of the merit function and the sum of its terms' sizes.
    beta : float
    halvings : int
        How often alpha may be halved.

    Returns
    -------
    accepted : Accepted or None
        None where there is none.
    culprit : str or None
        The function that was not finite at the last trial point, if it was.
    """
    value, size = merit(point)
    slack = _ROUNDING * space.unit_roundoff * max(1.0, size)
    dx, dlam = step
    alpha, culprit = 1.0, None
    for halved in range(halvings + 1):
        if halved and -alpha * slope <= slack:
            break
        trial, culprit = attempt(space, point.x + alpha * dx, point.lam + alpha * dlam)
        if culprit is None:
            reached, _ = merit(trial)
            if reached <= value + alpha * beta * slope + (0 if halved else slack):
                return Accepted(trial, alpha, value - reached), None
        alpha /= 2
    return None, culprit


def attempt(space, x, lam):
    """Return the point (x, lam) and None, or what is wrong there in its place."""
    try:
        trial = space.point(x, lam)
    except UserFunctionError as error:
        return None, str(error)
    finite = isfinite(trial.value) and isfinite(trial.residual)
    name = None if finite else space.culprit(trial)
    return trial, name and f"{name} returned NaN or infinity"
