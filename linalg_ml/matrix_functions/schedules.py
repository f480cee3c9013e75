"""Make schedules of polynomials, and look up the published ones by name."""

from functools import lru_cache
from math import acos, sqrt, tan
from numbers import Integral, Real

from linalg_ml.matrix_functions.composition import PRODUCTS, Schedule, check_safety, check_steps
from linalg_ml.matrix_functions.minimax import minimax_polynomial
from linalg_ml.matrix_functions.odd_polynomials import check_degree, check_interval, evaluate, image
from linalg_ml.matrix_functions.published import POLAR_EXPRESS, schedule, schedule_names

__all__ = [
    "CUSHIONS",
    "PRODUCTS",
    "Schedule",
    "chen_chow_schedule",
    "minimax_schedule",
    "schedule",
    "schedule_names",
    "shortest_schedule",
]

#: By degree, the ratio lower/upper at which the smallest value of the best polynomial on the
#: interval is a tenth of its largest.
CUSHIONS = {
    3: 0.03932719322443936,
    5: 0.0240732742418276,
    7: 0.017297201871536508,
    9: 0.013486970356133063,
    11: 0.011048888744341288,
    13: 0.00935596769453861,
}

# Least cushion: on wider intervals the smallest values of the best polynomial are lost in the
# rounding of its coefficients, and with them their sign.
_LEAST_CUSHION = 1e-12
_EPSILON = 2.0**-52
_LEAST_ERROR = 5e-15
_MAX_STEPS = 200


def minimax_schedule(lower, steps=None, *, upper=1.0, degree=5, safety=0.01, cushion=None):
    """Make the schedule with the smallest worst-case error, stabilised for low precision.

    Parameters
    ----------
    lower, upper : float
        Interval of the singular values, ``0 < lower <= upper``. Only the ratio matters: the
        schedule for another scale differs in its first polynomial alone.
    steps : int
        Number of polynomials. May be left out where `degree` is a sequence.
    degree : int or sequence of int
        Degree of every polynomial or, as a sequence of length `steps`, of each: 3, 5, ..., 13.
    safety : float
        Every polynomial but the last is evaluated at ``x / (1 + safety)``, so that rounding may
        push singular values beyond the interval by that factor. The default, 1 %, is for
        bfloat16 and float16. It costs accuracy: at degree 3 the error cannot fall below about
        ``1.7 safety^4``, as long as none but the last step is without it.
    cushion : float, optional
        Each polynomial is made for an interval no wider than ``[cushion * u, u]``, then scaled to
        be centred on the true one. Without it the best polynomials on a wide interval send
        singular values in the middle close to zero, where rounding destroys them. None takes the
        ratio in `CUSHIONS` for each degree, which keeps the values of each polynomial on its
        interval within a factor of ten; 0 switches it off (down to ``lower = 1e-12 upper``, below
        which the best polynomial does not survive the rounding of its own coefficients).

    Returns
    -------
    Schedule
        With ``after="limit"``.

    Notes
    -----
    With ``safety=0`` and ``cushion=0`` each polynomial is the best approximation of 1 on the
    range of the one before, ``[l, u] -> [1 - E, 1 + E]``, and the composition is optimal among
    all compositions of odd polynomials of these degrees. The error is then about squared by each
    step of degree 3 and cubed by one of degree 5 as soon as it is small.

    The last polynomial carries no safety, so that a schedule of fewer steps is not a prefix of
    one of more: make it for the number of steps that will be run.

    References
    ----------
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932.

    Examples
    --------
    >>> from linalg_ml.matrix_functions.schedules import minimax_schedule
    >>> best = minimax_schedule(1e-3, 5, safety=0, cushion=0)
    >>> round(best.error, 6), best.products
    (0.113448, 15)
    >>> round(minimax_schedule(1e-3, 5).error, 6)
    0.133621
    >>> mixed = minimax_schedule(1e-2, degree=(3, 9, 9), safety=0, cushion=0)
    >>> round(mixed.error, 4), mixed.products
    (0.0936, 10)
    """
    lower, upper = check_interval(lower, upper)
    if isinstance(degree, Integral):
        if steps is None:
            raise TypeError("steps must be given, unless degree is a sequence")
        degrees = (check_degree(degree),) * check_steps(steps)
    else:
        try:
            degrees = tuple(degree)
        except TypeError:
            raise TypeError(
                f"degree must be an integer or a sequence of integers, got {degree!r}"
            ) from None
        degrees = tuple(map(check_degree, degrees))
        if not degrees:
            raise ValueError("degree must not be an empty sequence")
        if steps is not None and check_steps(steps) != len(degrees):
            raise ValueError(
                f"degree must have one entry for each of the {steps} steps, got {len(degrees)}"
            )
    return _minimax_schedule(lower, upper, degrees, check_safety(safety), check_cushion(cushion))


@lru_cache(maxsize=1024)
def _minimax_schedule(lower, upper, degrees, safety, cushion):
    rows = []
    l, u = lower, upper
    for t, degree in enumerate(degrees):
        row, _ = optimal_step(l, u, degree, cushion)
        if t + 1 < len(degrees):
            row = tuple(c / (1.0 + safety) ** (2 * i + 1) for i, c in enumerate(row))
        rows.append(row)
        # In exact arithmetic the range is p(l) to, without safety, 2 - p(l). Rounding exceeds
        # that; a next polynomial that did not allow for it would multiply the excess.
        _, high = image(row, l, u)
        noise = _EPSILON * evaluate(tuple(map(abs, row)), u)
        l = evaluate(row, l)
        u = max(2.0 - l, high + noise)
    degree = degrees[0] if len(set(degrees)) == 1 else degrees
    return Schedule(
        tuple(rows),
        lower=lower,
        upper=upper,
        name="minimax",
        source=f"minimax_schedule({lower!r}, {len(degrees)}, upper={upper!r}, degree={degree!r}, "
        f"safety={safety!r}, cushion={cushion!r}), after {POLAR_EXPRESS}",
        safety=safety,
    )


def optimal_step(lower, upper, degree, cushion):
    """Return the coefficients of the best next step, with its cushion, and the error it leaves."""
    ratio = CUSHIONS[degree] if cushion is None else max(cushion, _LEAST_CUSHION)
    start = max(lower, upper * ratio)
    row, error = minimax_polynomial(start, upper, degree)
    if start > lower:
        centre = 0.5 * (evaluate(row, lower) + 1.0 + error)
        row = tuple(c / centre for c in row)
        error = 1.0 - evaluate(row, lower)
    return row, error


def check_cushion(cushion):
    """Return the cushion as a float or None, or raise."""
    if cushion is None:
        return None
    if not isinstance(cushion, Real) or isinstance(cushion, bool):
        raise TypeError(f"cushion must be None or a real number, got {cushion!r}")
    if not 0.0 <= cushion < 1.0:
        raise ValueError(f"cushion must be None or in [0, 1), got {cushion!r}")
    return float(cushion)


def shortest_schedule(lower, error, *, upper=1.0, degree=5, safety=0.01, cushion=None):
    """Make the schedule with the fewest steps whose worst-case error is at most `error`.

    Parameters
    ----------
    lower, upper, degree, safety, cushion
        As for `minimax_schedule`; `degree` is one integer.
    error : float
        Largest ``abs(1 - x)`` that may be left, at least 5e-15.

    Returns
    -------
    Schedule
        That of `minimax_schedule` or, where its safety keeps the error of any number of steps
        above `error`, a shorter one of those with Newton-Schulz steps added.

    Raises
    ------
    ValueError
        If 200 steps are not enough, as where ``lower / upper`` is 1e-300.

    Examples
    --------
    >>> from linalg_ml.matrix_functions.schedules import shortest_schedule
    >>> s = shortest_schedule(1e-3, 1e-6)
    >>> len(s), s.products, s.error <= 1e-6
    (7, 21, True)
    """
    if not isinstance(error, Real) or isinstance(error, bool):
        raise TypeError(f"error must be a real number, got {error!r}")
    if not error >= _LEAST_ERROR:
        raise ValueError(
            f"error must be at least {_LEAST_ERROR}, got {error!r}: double precision cannot tell "
            "smaller ones"
        )
    if not isinstance(degree, Integral):
        raise TypeError(f"degree must be an integer, got {degree!r}")
    best = None
    for steps in range(1, _MAX_STEPS + 1):
        made = minimax_schedule(
            lower, steps, upper=upper, degree=degree, safety=safety, cushion=cushion
        )
        if best is None:
            best = made
        else:
            best = min(made, best.take(steps), key=lambda s: s.error)
        if best.error <= error:
            return best
    raise ValueError(
        f"error = {error!r} was not reached for this interval, degree, safety and cushion: it is "
        f"{best.error:.3g} after {_MAX_STEPS} steps"
    )


def chen_chow_schedule(lower, steps, *, upper=1.0, contrast=0.0):
    """Make the schedule of the scaled Newton-Schulz iteration of Chen and Chow, of degree 3.

    Its polynomials are those of `minimax_schedule` for degree 3 without the centring: their
    largest value is 1 and not ``1 + E``, so that singular values stay in [0, 1].

    Parameters
    ----------
    lower, upper : float
        Interval of the singular values, ``0 < lower <= upper``.
    steps : int
        Number of polynomials.
    contrast : float
        The smallest value that a polynomial may give to the upper end of its interval; in [0, 1).
        Zero, the default, is fastest in exact arithmetic. A positive value stabilises: the upper
        end is not sent to almost zero.

    Returns
    -------
    Schedule
        With ``after="limit"``.

    Notes
    -----
    ``p(x) = 1.5 a x - 0.5 a^3 x^3`` with ``a = sqrt(3 / (1 + l + l^2))`` on [l, 1], and l
    becomes p(l). With `contrast` k, the l in a is at least
    ``(sqrt(3) tan(acos(-k)/3) - 1)/2``, for which p(1) = k.

    References
    ----------
    J. Chen, E. Chow, "A stable scaling of Newton-Schulz for improving the sign function
    computation of a Hermitian matrix", Argonne National Laboratory, ANL/MCS-P5059-0114, 2014.

    Examples
    --------
    >>> from linalg_ml.matrix_functions.schedules import chen_chow_schedule
    >>> round(chen_chow_schedule(1e-3, 8).error, 6)
    0.101979
    """
    lower, upper = check_interval(lower, upper)
    steps = check_steps(steps)
    if not isinstance(contrast, Real) or isinstance(contrast, bool):
        raise TypeError(f"contrast must be a real number, got {contrast!r}")
    if not 0.0 <= contrast < 1.0:
        raise ValueError(f"contrast must be in [0, 1), got {contrast!r}")
    least = 0.5 * (sqrt(3.0) * tan(acos(-contrast) / 3.0) - 1.0)
    rows = []
    l, u = lower, upper
    for _ in range(steps):
        start = max(l / u, least)
        a = sqrt(3.0 / (1.0 + start + start * start)) / u
        rows.append((1.5 * a, -0.5 * a**3))
        l, u = min(evaluate(rows[-1], l), 1.0), 1.0
    return Schedule(
        tuple(rows),
        lower=lower,
        upper=upper,
        name="chen-chow",
        source='J. Chen, E. Chow, "A stable scaling of Newton-Schulz for improving the sign '
        'function computation of a Hermitian matrix", 2014, ANL/MCS-P5059-0114',
    )
