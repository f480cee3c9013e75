"""Design odd polynomials that are as close to 1 as possible on an interval."""

from functools import cache, lru_cache
from math import comb, sqrt
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from linalg_ml.matrix_functions.odd_polynomials import (
    DEGREES,
    check_degree,
    check_interval,
    evaluate,
    image,
    newton_schulz_polynomial,
)

__all__ = [
    "DEGREES",
    "MinimaxPolynomial",
    "evaluate",
    "image",
    "minimax_polynomial",
    "newton_schulz_polynomial",
]

# Above this ratio lower/upper the error is expanded about the middle of the interval.
_NARROW = 1.0 / 3.0
_MAX_EXCHANGES = 30
_SMALLEST, _LARGEST = 1e-300, 1e300


class MinimaxPolynomial(NamedTuple):
    """An odd polynomial and its largest distance from 1 on the interval it was made for."""

    coefficients: tuple[float, ...]
    error: float


def minimax_polynomial(lower, upper=1.0, degree=5):
    """Find the odd polynomial that stays closest to 1 on an interval.

    Parameters
    ----------
    lower, upper : float
        The interval, ``0 < lower <= upper``. Any ratio is allowed, from 1e-16 (and below) to 1.
    degree : int
        Degree of the polynomial: 3, 5, 7, 9, 11 or 13.

    Returns
    -------
    MinimaxPolynomial
        ``.coefficients``, the tuple ``(c_0, ..., c_q)`` of ``p(x) = sum c_i x^(2i+1)``, and
        ``.error``, the largest ``abs(1 - p(x))`` on the interval.

    Raises
    ------
    ValueError
        If the interval or the degree is not one of the above, or if the coefficients do not fit
        into double precision (they grow as ``upper**-degree``).
    TypeError
        If an argument is not a number.
    ArithmeticError
        If the exchange algorithm did not reach equioscillation.

    Notes
    -----
    The minimiser is the polynomial whose error reaches ``+E`` and ``-E`` in turn at ``q + 2``
    points, both ends among them; its range over the interval is ``[1 - E, 1 + E]``, and the lower
    end is always a minimum. Degree 3 has a closed form. Other degrees use the exchange algorithm
    of Remez. All ``q`` critical points of the polynomial are real and lie between the ends in
    every exchange, so that all points are exchanged at once and convergence is quadratic from
    any start.

    Monomials are a bad basis for this in floating point, hopelessly so when `lower` is close to
    `upper`. Here the unknowns are Chebyshev coefficients in ``y = x^2``. For ``lower < upper/3``
    the second unknown is ``(1 - E)/lower``, which keeps its relative accuracy as `lower` goes to
    zero. Otherwise the unknown is the difference from the limit polynomial
    (`newton_schulz_polynomial`, scaled to the middle of the interval), divided by the power of
    the width that it shrinks with. Coefficients are accurate to about ``1e-15 * max(abs(c))``
    and the error to about 1e-12 relative, even where it is as small as 1e-100.

    If p is optimal on ``[lower, upper]``, then ``p(x / s)`` is optimal on
    ``[s * lower, s * upper]`` with the same error.

    References
    ----------
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932.

    E. Grishina, M. Smirnov, M. Rakhuba, "Accelerating Newton-Schulz iteration for
    orthogonalization via Chebyshev-type polynomials", 2025, arXiv:2506.10935.

    E. Ya. Remez, "Sur la determination des polynomes d'approximation de degre donnee", 1934.

    Examples
    --------
    >>> from linalg_ml.matrix_functions.minimax import minimax_polynomial
    >>> p = minimax_polynomial(1e-3)
    >>> [round(c, 4) for c in p.coefficients]
    [8.4703, -25.1081, 18.6293]
    >>> round(p.error, 4)
    0.9915
    """
    lower, upper = check_interval(lower, upper)
    degree = check_degree(degree)
    return _minimax_polynomial(lower, upper, degree)


@lru_cache(maxsize=4096)
def _minimax_polynomial(lower, upper, degree):
    q = (degree - 1) // 2
    ratio = lower / upper
    gap = (upper - lower) / upper  # not 1 - ratio, which loses digits as the ratio goes to 1
    if q == 1:
        scaled, error = _cubic(ratio, gap)
    elif ratio < _NARROW:
        scaled, error = _wide(q, ratio)
    else:
        scaled, error = _narrow(q, ratio, gap)
    coefficients = tuple(_over_power(float(c), upper, 2 * i + 1) for i, c in enumerate(scaled))
    if not all(_SMALLEST < abs(c) < _LARGEST for c in coefficients):
        raise ValueError(
            f"upper = {upper!r} is too far from 1 for degree {degree}: coefficients of size "
            f"upper**-{degree} exceed the range of double precision; scale the input first"
        )
    return MinimaxPolynomial(coefficients, float(error))


def _over_power(c, upper, power):
    """Return c / upper**power, infinite where that is beyond double precision."""
    try:
        return c * upper**-power
    except OverflowError:
        return float("inf")


def _cubic(ratio, gap):
    """Solve degree 3 on [ratio, 1] in closed form, without cancellation at either end."""
    span = 1.0 + ratio + ratio * ratio
    alpha = sqrt(3.0 / span)
    k = 0.5 * ratio * (1.0 + ratio) * alpha**3
    beta = 2.0 / (1.0 + k)
    if ratio < _NARROW:
        error = 1.0 - k * beta
    else:
        # E = (1 - k)/(1 + k), and 1 - k^2 = (gap (2 + ratio) (1 + 2 ratio))^2 / (4 span^3).
        error = (gap * (2.0 + ratio) * (1.0 + 2.0 * ratio) / (1.0 + k)) ** 2 / (4.0 * span**3)
    return (1.5 * alpha * beta, -0.5 * alpha**3 * beta), error


def _wide(q, ratio):
    """Exchange on [ratio, 1] with p(x) = x h(x^2), h a Chebyshev series on [0, 1]."""
    slope, slope_z, to_powers = _chebyshev_tables(q)
    derivative = 0.5 * np.eye(q + 1) + slope + slope_z  # of x h(x^2), up to a factor
    angle = np.pi * np.arange(q + 2) / (q + 1)
    x = 0.5 * (1.0 + ratio) - 0.5 * (1.0 - ratio) * np.cos(angle)
    x[0] = ratio
    high = np.arange(q + 2) % 2 == 1  # where p is 1 + E; elsewhere it is 1 - E
    for _ in range(_MAX_EXCHANGES):
        matrix = np.empty((q + 2, q + 2))
        matrix[:, :-1] = chebyshev.chebvander(2.0 * x * x - 1.0, q)
        matrix[1:, :-1] *= x[1:, None]
        matrix[:, -1] = np.where(high, ratio, -ratio)
        matrix[0, -1] = -1.0  # the unknown is (1 - E) / ratio
        solution = np.linalg.solve(matrix, np.where(high, 2.0, 0.0))
        series, level = solution[:-1], ratio * solution[-1]
        z = _critical_points(derivative @ series)
        previous = x.copy()
        x[1:-1] = np.sqrt(0.5 * (1.0 + z))
        if np.max(np.abs(x - previous)) <= 1e-9:
            break
    coefficients = to_powers @ series
    _check_levels(coefficients, x, np.where(high, 2.0 - level, level))
    return coefficients, 1.0 - level


def _narrow(q, ratio, gap):
    """Exchange on [ratio, 1] for the difference from the limit polynomial.

    With ``y = x^2 = middle (1 + delta z)``, ``z`` in [-1, 1], the polynomial is
    ``x / sqrt(middle)`` times the Taylor polynomial of ``(1 + delta z)^(-1/2)`` plus
    ``delta^(q+1)`` times the Chebyshev series sought here.
    """
    slope, slope_z, _ = _chebyshev_tables(q)
    middle = 0.5 * (1.0 + ratio * ratio)
    delta = 0.5 * gap * (1.0 + ratio) / middle
    shrink = delta ** np.arange(q + 1, -1, -1.0)  # delta^(q+1-k), k = 0 .. q+1
    terms = 2 if delta < 1e-16 else 2 + int(38.0 / -np.log(delta))
    taylor = _taylor(q + 1 + terms)
    derivative = 0.5 * delta * np.eye(q + 1) + slope + delta * slope_z
    top = np.zeros(q + 1)
    top[q] = (q + 0.5) * taylor[q]
    top = chebyshev.poly2cheb(top)
    z = -np.cos(np.pi * np.arange(q + 2) / (q + 1))
    sign = np.where(np.arange(q + 2) % 2 == 0, 1.0, -1.0)
    for _ in range(_MAX_EXCHANGES):
        matrix = np.empty((q + 2, q + 2))
        matrix[:, :-1] = chebyshev.chebvander(z, q)
        matrix[:, -1] = sign / np.sqrt(1.0 + delta * z)
        remainder = np.vander(delta * z, terms, increasing=True) @ taylor[q + 1 :]
        solution = np.linalg.solve(matrix, z ** (q + 1) * remainder)
        series, level = solution[:-1], solution[-1]
        previous = z.copy()
        z[1:-1] = _critical_points(derivative @ series + top)
        if np.max(np.abs(z - previous)) <= 1e-9:
            break
    powers = np.zeros(q + 1)  # of x^2 / middle - 1
    converted = chebyshev.cheb2poly(series)
    powers[: len(converted)] = converted
    powers *= shrink[:-1]
    error = level * shrink[0]
    shifted = [
        sum(comb(j, i) * (-1.0) ** (j - i) * powers[j] for j in range(i, q + 1))
        for i in range(q + 1)
    ]
    limit = newton_schulz_polynomial(2 * q + 1)
    coefficients = np.add(limit, shifted) / middle ** (np.arange(q + 1) + 0.5)
    _check_levels(coefficients, np.sqrt(middle * (1.0 + delta * z)), 1.0 - sign * error)
    return coefficients, error


def _critical_points(series):
    """Return the real roots in [-1, 1] of a Chebyshev series, which must be all its roots."""
    roots = chebyshev.chebroots(series)
    points = np.sort(roots.real)
    if (
        len(points) != len(series) - 1
        or np.any(np.abs(roots.imag) > 1e-6)
        or points[0] < -1.0
        or points[-1] > 1.0
    ):
        raise ArithmeticError(
            "the exchange algorithm met a polynomial that does not oscillate; its critical points "
            f"are {roots}"
        )
    return points


def _check_levels(coefficients, x, levels):
    """Raise unless the polynomial takes the given values, to rounding, at the points x."""
    values = evaluate(coefficients, x)
    size = evaluate(np.abs(coefficients), x)
    worst = np.max(np.abs(values - levels) / (1.0 + size))
    if not worst <= 1e-13:
        raise ArithmeticError(
            f"the exchange algorithm did not reach equioscillation: at {x} the polynomial is "
            f"{values}, not {levels}"
        )


@cache
def _chebyshev_tables(q):
    """Tabulate, on Chebyshev series g(z) of degree q, the maps to g', to z g' and to powers.

    The powers are those of ``y = (1 + z)/2``.
    """
    size = q + 1
    slope, slope_z, to_powers = np.zeros((3, size, size))
    for k, unit in enumerate(np.eye(size)):
        unit = unit[: k + 1]
        d = chebyshev.chebder(unit)
        slope[: len(d), k] = d
        d = chebyshev.chebmulx(d)[:size]
        slope_z[: len(d), k] = d
        powers = np.polynomial.Polynomial(chebyshev.cheb2poly(unit))
        powers = powers(np.polynomial.Polynomial([-1.0, 2.0])).coef
        to_powers[: len(powers), k] = powers
    return slope, slope_z, to_powers


@cache
def _taylor(count):
    """Return the first Taylor coefficients of (1 + t)^(-1/2)."""
    j = np.arange(1, count)
    return np.concatenate(([1.0], np.cumprod((0.5 - j) / j)))
