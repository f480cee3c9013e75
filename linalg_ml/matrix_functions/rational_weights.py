"""Odd rational functions that send an interval of singular values as close to one as possible."""

import math
from functools import lru_cache
from typing import NamedTuple

HIGHEST_ORDER = 8  # from here on two steps reach double precision at every condition number
_CLOSE = 8  # units of roundoff that count as one


class PartialFractions(NamedTuple):
    """The function f(x) = scale (x + sum_j residues[j] x / (x^2 + shifts[j])).

    All numbers are positive, so that nothing cancels.
    """

    scale: float
    residues: tuple
    shifts: tuple

    def __call__(self, x):
        """Evaluate f."""
        poles = zip(self.residues, self.shifts, strict=True)
        return self.scale * x * (1 + sum(a / (x * x + c) for a, c in poles))


def qdwh_weights(lower):
    """Return (a, b, c) of the dynamically weighted Halley step x (a + b x^2) / (1 + c x^2).

    Parameters
    ----------
    lower : float
        The interval is [lower, 1].

    References
    ----------
    Y. Nakatsukasa, Z. Bai, F. Gygi, "Optimizing Halley's iteration for computing the matrix polar
    decomposition", SIAM J. Matrix Anal. Appl. 31, 2010.
    """
    square = lower * lower
    d = math.cbrt(4 * (1 - lower) * (1 + lower)) / math.cbrt(lower) ** 4
    root = math.sqrt(1 + d)
    a = root + math.sqrt(8 - 4 * d + 8 * (2 - square) / (square * root)) / 2
    b = (a - 1) ** 2 / 4
    return a, b, a + b - 1


def qdwh_function(lower):
    """Return the Halley step for [lower, 1] as partial fractions."""
    a, b, c = qdwh_weights(lower)
    return PartialFractions(b / c, ((a - b / c) / b,), (1 / c,))


def zolotarev_function(lower, order):
    """Return Zolotarev's function of type (2 r + 1, 2 r) for [lower, 1], with largest value one.

    It is the best approximation of the sign by odd rational functions of its type, up to a
    factor; r = 1 is the Halley step.

    Parameters
    ----------
    lower : float
        The interval is [lower, 1].
    order : int
        The number r of poles on each half of the imaginary axis.

    References
    ----------
    Y. Nakatsukasa, R. W. Freund, "Computing fundamental matrix decompositions accurately via the
    matrix sign function in two iterations: The power of Zolotarev's functions", SIAM Review 58,
    2016.
    """
    shifts, zeros = zolotarev_coefficients(lower, order)
    residues = []
    for j, pole in enumerate(shifts):
        residue = zeros[j] - pole
        for k in range(order):
            if k != j:
                residue *= (pole - zeros[k]) / (pole - shifts[k])
        residues.append(residue)
    unscaled = PartialFractions(1.0, tuple(residues), shifts)
    return unscaled._replace(scale=1 / unscaled(1.0))


def zolotarev_coefficients(lower, order):
    """Return (c_1, c_3, ...), (c_2, c_4, ...): the squares of poles and zeros, but for the sign.

    c_i = lower^2 sn^2(u_i) / cn^2(u_i), u_i = i K / (2 r + 1), where the complementary modulus is
    ``lower``.
    """
    parts = 2 * order + 1
    angles = (math.pi * i / (2 * parts) for i in range(1, parts))
    c = tuple((lower * _sn_over_cn(angle, lower)) ** 2 for angle in angles)
    return c[::2], c[1::2]


def _sn_over_cn(angle, lower):
    """Return sn(u) / cn(u) at u = (2 K / pi) angle, where the complementary modulus is ``lower``.

    The arithmetic-geometric mean of 1 and ``lower`` with Gauss's transformation. It works on
    the cotangent and on positive numbers alone, so that it is accurate to the last digits
    although the modulus itself rounds to one.
    """
    means = [(1.0, lower)]
    while True:
        a, b = means[-1]
        if a - b <= 1e-8 * a:  # the next mean is good to twice as many digits
            break
        means.append(((a + b) / 2, math.sqrt(a * b)))
    above = (a + b) / 2
    cotangent, dn = above / math.tan(angle), 1.0
    for a, b in reversed(means):
        ratio = cotangent * cotangent / above
        cotangent *= dn
        dn = (b + ratio) / (a + ratio)
        above = a
    return 1 / cotangent


@lru_cache(maxsize=256)
def zolotarev_order(lower, steps, unit_roundoff):
    """Return the least order, at most 8, that sends [lower, 1] to one in so many steps."""
    for order in range(1, HIGHEST_ORDER):
        reached = lower
        for _ in range(steps):
            reached = min(zolotarev_function(reached, order)(reached), 1.0)
        if 1 - reached <= _CLOSE * unit_roundoff:
            return order
    return HIGHEST_ORDER


def newton_interval(lower, upper):
    """Return mu and what [lower, upper] becomes under x <- (mu x + 1 / (mu x)) / 2.

    With mu = (lower upper)^(-1/2), the best one, both ends go to the same value above one.

    References
    ----------
    R. Byers, H. Xu, "A new scaling for Newton's iteration for the polar decomposition and its
    backward stability", SIAM J. Matrix Anal. Appl. 30, 2008.
    """
    ratio = math.sqrt(upper / lower)
    return 1 / math.sqrt(lower * upper), 1.0, (ratio + 1 / ratio) / 2
