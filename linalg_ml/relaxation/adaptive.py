"""Relaxation parameters: Young's formula, and its use on the rate seen in the sweeps themselves."""

import math

# Chosen on six matrices that no test uses (a line, a box, an anisotropic and a shifted grid, a
# rectangle, a triangulation); the count of sweeps depends on these little. A stage is long enough
# for what a change of omega stirs up to die down by exp(-_REST).
_REST = 3.0
_LEAST = 6
_GAIN = 0.95  # a smaller gain in 2 - omega is not worth a new omega
_LEAP = 0.1  # 2 - omega shrinks by no smaller factor at once


def young(radius):
    """Return the best omega of SOR for a consistently ordered matrix.

    Parameters
    ----------
    radius : float
        Spectral radius beta of the Jacobi iteration, below 1.

    Returns
    -------
    float
        2 / (1 + sqrt(1 - beta^2)).

    References
    ----------
    D. M. Young, "Iterative methods for solving partial difference equations of elliptic type",
    Trans. Amer. Math. Soc. 76, 1954.

    Examples
    --------
    >>> from linalg_ml import relaxation
    >>> round(relaxation.young(0.9), 6)
    1.392864
    """
    return 2 / (1 + math.sqrt((1 - radius) * (1 + radius)))


def stage(omega):
    """Return after how many sweeps the rate is looked at, and over how many of the last of them."""
    length = max(_LEAST, math.ceil(_REST / (2 - omega)))
    return length, length // 2


def improved(omega, rate):
    """Return a better relaxation parameter from the rate of convergence seen with ``omega``.

    Below the best omega the residual falls by the factor lambda a sweep, and
    (lambda + omega - 1)^2 = lambda omega^2 beta^2 gives the spectral radius beta of Jacobi's
    iteration. At and above the best omega, lambda is omega - 1 and tells nothing: omega stays.
    The rates seen are seldom above the true one, so this makes omega grow towards the best.
    """
    if not omega - 1 < rate < 1:
        return omega
    radius = min((rate + omega - 1) / (math.sqrt(rate) * omega), 1.0)
    better = min(young(radius), 2 - _LEAP * (2 - omega))
    return better if 2 - better < _GAIN * (2 - omega) else omega
