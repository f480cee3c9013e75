"""Predict what rounding does to a composition of polynomials, before it is run."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from linalg_ml._core.precision import UNIT_ROUNDOFF
from linalg_ml.matrix_functions.odd_polynomials import evaluate, image

__all__ = ["Rounding", "predict_rounding"]

_POINTS = 33  # singular values the model looks at, evenly spaced in the logarithm,
_DENSE = 1025  # and those it chooses the worst from
_RUNAWAY = 2.5  # beyond the range of any polynomial that is used
# Root mean square of what a product leaves in one entry, in unit roundoffs: where sums are
# accumulated in more digits a single rounding to nearest, elsewhere that of a whole sum.
_ROUNDINGS = {"fp64": 1.5, "fp32": 1.4, "tf32": 0.5, "fp16": 0.4, "bf16": 0.4}
_CLOSE = 1e-6  # relative gap below which a divided difference is taken as the derivative


class Rounding(NamedTuple):
    """Errors that rounding is predicted to leave; infinite where values blow up."""

    forward: float  # ||X - p(X_0)||_F / sqrt(m)
    backward: float  # ||A - X H||_F / ||A||_F, with H the Hermitian part of X^H A


@lru_cache(maxsize=4096)
def predict_rounding(schedule, precision):
    """Predict the errors that rounding leaves in the polar factor.

    Parameters
    ----------
    schedule : Schedule
        What is run, on a matrix with singular values spread evenly, in the logarithm, over
        its interval.
    precision : str
        Name of the precision it is run in.

    Returns
    -------
    Rounding
        ``forward`` estimates ``||X - p(X_0)||_F / sqrt(m)``, with p the composition in exact
        arithmetic, and ``backward`` what the input would have to be changed by. They are not
        bounds; 1 stands for directions that are lost, infinity for values that blow up.

    Notes
    -----
    In the singular basis of ``X_0`` a perturbation E of the iterate after step t changes the end
    result, to first order, by its symmetric part times the divided differences
    ``(F(x_i) - F(x_j)) / (x_i - x_j)`` and its antisymmetric part times
    ``(F(x_i) + F(x_j)) / (x_i + x_j)``, where F is the composition of the steps that remain and
    the x are the singular values after step t. The second is large where a step leaves some
    of them close to zero: about ``2 / (x_i + x_j)``. Times half the sum of the original singular
    values it is the backward error: no harm is done where only what was small before is small.

    Step t, ``X' = c_0 X + B X`` with ``B = b(A)``, rounds what it stores, each by the unit
    roundoff times the root mean square of its entries: X', B, A and, for degrees from 7, what
    `apply_polynomial` forms on the way from A to B. An error of A enters B through the divided
    differences of b, the others through the factor they are multiplied with. Large
    coefficients of alternating sign, which high degrees have on wide intervals, enter there.
    All errors are taken as random and independent, besides a relative change of each singular value
    by one roundoff: it matters at the upper end of the interval, where an optimal polynomial is
    steepest, as long as no safety keeps the values away from there.
    """
    u = _ROUNDINGS[precision] * UNIT_ROUNDOFF[precision]
    x = _singular_values(schedule)
    values, slopes, errors = [x], [], [_size(x) * np.ones((len(x), len(x)))]
    high, excess = schedule.upper, 0.0
    for row in schedule:
        products = _error_of_even_part(row[1:], x * x)
        following = evaluate(row, x)
        error = np.hypot(products * x[None, :], _size(following))
        slopes.append(_slope(row, x))
        errors.append(error)
        # The largest singular value moves with the perturbation, whose spectral norm is twice
        # the size of its entries; beyond the range of the next step it must not run away.
        high = image(row, 0.0, high + excess)[1]
        excess = 2.0 * u * _size(error)
        values.append(x := following)
        if not high < _RUNAWAY:
            return Rounding(float("inf"), float("inf"))
    last, rest = values[-1], np.ones(len(x))
    total = np.zeros((len(x), len(x)))
    turned = np.zeros((len(x), len(x)))  # what of it is antisymmetric
    for t in range(len(schedule), -1, -1):
        x = values[t]
        variance = 0.5 * (u * errors[t]) ** 2
        turned += variance * _sums(x, last)
        total += variance * _differences(x, last, rest)
        total += np.diag(len(x) * (u * x * rest) ** 2)
        if t:
            rest = rest * slopes[t - 1]
    x = values[0]
    weights = 0.5 * (x[:, None] + x[None, :]) / _size(x)
    return Rounding(
        float(np.sqrt(np.mean(np.minimum(total + turned, 1.0)))),
        float(np.sqrt(np.mean(np.minimum(turned, 1.0) * weights**2))),
    )


def _singular_values(schedule):
    """Return an even spread, and for each step what it sends closest to zero."""
    dense = np.geomspace(schedule.lower, schedule.upper, _DENSE)
    chosen = list(dense[:: (_DENSE - 1) // (_POINTS - 1)])
    for t in range(1, len(schedule)):
        least = dense
        for _ in range(3):  # ever closer around the smallest value inside
            x = least
            for row in schedule.coefficients[:t]:
                x = evaluate(row, x)
            inner = 1 + np.flatnonzero((x[1:-1] < x[:-2]) & (x[1:-1] <= x[2:]))
            if not len(inner):
                break
            k = inner[np.argmin(x[inner])]
            least = np.linspace(least[k - 1], least[k + 1], 33)
        else:
            chosen.append(least[16])
    return np.asarray(chosen)


def _error_of_even_part(c, y):
    """Return the errors of B = c[0] A + c[1] A^2 + ... in units of the roundoff, entry by entry."""
    b = y * _horner(c, y)
    slope = _horner([(k + 1) * ck for k, ck in enumerate(c)], y)
    # Storing A, and B.
    squares = _size(y) ** 2 * _differences(y, b, slope) + _size(b) ** 2 * (len(c) > 1)
    if len(c) > 2:  # A^2
        inner = (
            c[1] + c[2] * y
            if len(c) == 3
            else c[1] + c[2] * y + 2 * c[3] * y * y
            if len(c) == 4
            else _horner(c[1:], y)
        )
        squares = squares + (_size(y * y) * _size(inner)) ** 2
        low = 2 if len(c) < 5 else 3
        squares = squares + _size(y * _horner(c[:low], y)) ** 2
    if len(c) > 3:  # the two factors of the last product
        power = 2 if len(c) == 4 else 3
        high = y * _horner(c[power:], y)
        squares = squares + (_size(high) * _size(y**power)) ** 2
        if power == 3:
            squares = squares + (_size(y**3) * _size(c[2] + high + c[-1] * y**3)) ** 2
    return np.sqrt(squares)


def _horner(c, y):
    value = c[-1]
    for ck in c[-2::-1]:
        value = value * y + ck
    return value + 0.0 * y


def _size(values):
    """Return the root mean square."""
    return float(np.sqrt(np.mean(values * values)))


def _slope(row, x):
    y = x * x
    return sum((2 * k + 1) * c * y**k for k, c in enumerate(row))


def _sums(x, last):
    return ((last[:, None] + last[None, :]) / (x[:, None] + x[None, :])) ** 2


def _differences(x, last, slope):
    gap = x[:, None] - x[None, :]
    near = np.abs(gap) <= _CLOSE * (x[:, None] + x[None, :])
    quotient = (last[:, None] - last[None, :]) / np.where(near, 1.0, gap)
    return np.where(near, slope[:, None], quotient) ** 2
