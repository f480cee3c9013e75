"""Odd polynomials ``p(x) = c_0 x + c_1 x^3 + ... + c_q x^(2q+1)``.

One is stored as the tuple ``(c_0, ..., c_q)`` of Python floats, which promote no array that they
are multiplied with.
"""

from math import comb, isfinite, isnan, sqrt
from numbers import Integral, Real

import numpy as np

__all__ = ["DEGREES", "evaluate", "image", "newton_schulz_polynomial"]

DEGREES = (3, 5, 7, 9, 11, 13)


def newton_schulz_polynomial(degree):
    """Return the Newton-Schulz polynomial: the limit of the optimal one on a narrow interval.

    It is ``x`` times the Taylor polynomial of ``(1 + t)^(-1/2)`` at ``t = x^2 - 1``, so that
    ``1 - p(x)`` vanishes like ``(1 - x)^(q+1)`` at 1, with ``degree = 2 q + 1``.

    Parameters
    ----------
    degree : int
        3, 5, 7, 9, 11 or 13.

    Returns
    -------
    tuple of float
        The coefficients ``(c_0, ..., c_q)``, exact in double precision.

    Examples
    --------
    >>> from linalg_ml.matrix_functions.odd_polynomials import newton_schulz_polynomial
    >>> newton_schulz_polynomial(5)
    (1.875, -1.25, 0.375)
    """
    q = (check_degree(degree) - 1) // 2
    taylor = [comb(2 * j, j) * (-0.25) ** j for j in range(q + 1)]
    return tuple(
        sum(comb(j, i) * (-1) ** (j - i) * taylor[j] for j in range(i, q + 1)) for i in range(q + 1)
    )


def evaluate(coefficients, x):
    """Evaluate ``c_0 x + c_1 x^3 + ... + c_q x^(2q+1)`` elementwise by Horner's rule in ``x^2``.

    Parameters
    ----------
    coefficients : sequence of float
        ``(c_0, ..., c_q)``.
    x : float or array
        Any shape.

    Returns
    -------
    float or array
        Like `x`.

    Examples
    --------
    >>> from linalg_ml.matrix_functions.odd_polynomials import evaluate
    >>> evaluate((1.5, -0.5), 0.5)
    0.6875
    """
    return x * evaluate_even(coefficients, x * x)


def evaluate_even(coefficients, y):
    """Evaluate ``h(y) = c_0 + c_1 y + ... + c_q y^q``, with which ``p(x) = x h(x^2)``."""
    value = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = value * y + c
    return value


def image(coefficients, lower, upper):
    """Return the smallest and the largest value of an odd polynomial on an interval.

    Both are taken at an end or at a critical point inside, and are exact to rounding.

    Parameters
    ----------
    coefficients : sequence of float
        ``(c_0, ..., c_q)``.
    lower, upper : float
        Any interval, ``lower <= upper``.

    Returns
    -------
    tuple of float
        The minimum and the maximum; infinite where the values overflow.

    Examples
    --------
    >>> from linalg_ml.matrix_functions.odd_polynomials import image
    >>> image((1.5, -0.5), 0.5, 1.5)
    (0.5625, 1.0)
    """
    points = [float(lower), float(upper)]
    reach = max(lower * lower, upper * upper)
    for y in _stationary_squares(coefficients, reach) if reach < 1e40 else []:
        if y > 0.0:
            x = sqrt(y)
            points += [z for z in (x, -x) if lower < z < upper]
    values = [float(evaluate(coefficients, x)) for x in points]
    if any(map(isnan, values)):
        return float("-inf"), float("inf")
    return min(values), max(values)


def _stationary_squares(coefficients, reach):
    """Return the real parts of all ``x^2`` in reach at which the polynomial has slope 0.

    With `image` an extra point inside the interval does no harm, while a multiple root, as of a
    Newton-Schulz polynomial at 1, comes out slightly complex and must not be dropped.
    """
    slopes = [(2 * i + 1) * c for i, c in enumerate(coefficients)]
    sizes = [abs(s) * reach**i for i, s in enumerate(slopes)]
    # Highest terms below rounding make the roots inaccurate and the polynomial no different.
    while len(slopes) > 1 and sizes[len(slopes) - 1] <= 1e-18 * max(sizes):
        slopes.pop()
    if len(slopes) == 2:
        return [-slopes[0] / slopes[1]]
    if len(slopes) == 3:
        c, b, a = slopes
        discriminant = b * b - 4.0 * a * c
        if discriminant <= 0.0:
            return [-0.5 * b / a]
        larger = -0.5 * (b + (sqrt(discriminant) if b > 0.0 else -sqrt(discriminant)))
        return [larger / a, c / larger]
    return np.roots(slopes[::-1]).real.tolist()


def check_degree(degree):
    """Return the degree as an int, or raise."""
    if not isinstance(degree, Integral) or isinstance(degree, bool):
        raise TypeError(f"degree must be an integer, got {degree!r}")
    if degree not in DEGREES:
        raise ValueError(f"degree must be one of {DEGREES}, got {degree!r}")
    return int(degree)


def check_interval(lower, upper):
    """Return the ends of an interval of positive numbers as floats, or raise."""
    for name, value in (("lower", lower), ("upper", upper)):
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"{name} must be a real number, got {value!r}")
    lower, upper = float(lower), float(upper)
    if not (0.0 < lower <= upper and isfinite(upper)):
        raise ValueError(
            f"the interval must satisfy 0 < lower <= upper, got lower = {lower!r}, "
            f"upper = {upper!r}"
        )
    return lower, upper
