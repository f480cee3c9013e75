"""Plan a composition of odd polynomials: the degrees that reach a tolerance at the least cost."""

import heapq
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from math import floor, inf, log2
from numbers import Integral
from operator import gt

from linalg_ml._core import checks
from linalg_ml._core.precision import UNIT_ROUNDOFF
from linalg_ml.matrix_functions.composition import check_safety
from linalg_ml.matrix_functions.forward_error import predict_rounding
from linalg_ml.matrix_functions.odd_polynomials import DEGREES, check_degree, evaluate
from linalg_ml.matrix_functions.product_costs import ProductCosts
from linalg_ml.matrix_functions.schedules import (
    check_cushion,
    minimax_schedule,
    optimal_step,
    shortest_schedule,
)

__all__ = ["SAFETY", "plan"]

#: Headroom that rounding needs, by precision.
SAFETY = {"fp64": 1e-3, "fp32": 1e-3, "tf32": 0.01, "fp16": 0.01, "bf16": 0.01}
_SHORT = ("tf32", "fp16", "bf16")  # in which nothing goes without safety
# Rounding errors may be this many times those of degree 5. In TF32 the prediction is too high for
# low degrees, most of whose result is never rounded, but not for high ones.
_GROWTH = {"fp64": 3.0, "fp32": 3.0, "tf32": 1.5, "fp16": 3.0, "bf16": 3.0}
_HARMLESS = 0.01  # as may those below this part of the tolerance
_LEAST_RTOL = 5e-15
# Sums of the sizes of the coefficients that a step may have, on an interval [r, 1]. Degree 5
# never exceeds 55, on the widest interval; degree 13 without a cushion 30000.
_SIZES = (inf, 3000.0, 1000.0, 300.0, 100.0, 60.0)
_TIE = 1e-9
_WIDE, _WIDEST = 3e-3, -20.0  # ratio, and logarithm of one to base 2
_KNOTS = 2  # for each factor of two


def plan(
    shape,
    lower,
    rtol,
    precision="fp64",
    *,
    costs="products",
    degrees=DEGREES,
    safety=None,
    cushion=None,
    harmless=None,
    choose_restarts=None,
):
    """Plan the cheapest composition of minimax polynomials that reaches a tolerance.

    Parameters
    ----------
    shape : (..., int, int)
        Shape of the matrix, or of the stack.
    lower : float
        The singular values are in ``[lower, 1]``, ``0 < lower <= 1``.
    rtol : float
        Largest ``abs(1 - p(x))`` on that interval in exact arithmetic, 5e-15 <= rtol < 1.
    precision : {"fp64", "fp32", "tf32", "fp16", "bf16"}
        What the matrix products are computed in.
    costs : "products" or ProductCosts
        What is to be least: the number of matrix products, whatever the shape, or a time.
    degrees : sequence of int
        Degrees to choose from; 5 is always among them.
    safety, cushion : float, optional
        As for `minimax_schedule`. None tries several and takes the cheapest that is sound: in fp64
        and fp32 none at all, then 0.001 and the cushion of each degree; in the others safety is
        0.01.
    harmless : float, optional
        Predicted rounding error that is never objected to; rtol / 100 if None. Give 0 where the
        result is to be refined further.
    choose_restarts : callable, optional
        ``choose_restarts(schedule, precision)`` returns the steps at which the Gram form restarts
        or, where that form is not safe, None. Without it only the direct form is considered.

    Returns
    -------
    Schedule
        Its ``degrees`` are the plan, its ``error`` is at most `rtol`. Its cost is never above that
        of degree 5 alone.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range or of the wrong kind, or `rtol` out of reach within 200
        steps.

    Notes
    -----
    For a given sequence of degrees the best composition takes, at each step, the best polynomial
    on the range of the one before: this holds whatever the degrees are. All that is left to know
    of a range is the ratio of its ends, and a larger ratio is better for everything that follows.
    So the search goes over (cost, ratio), cheapest first, and drops what has a smaller
    ratio at no smaller cost. Degrees 7 and 9 cost the same 4 products, 11 and 13 the same 5.

    High degrees on wide intervals have large coefficients of alternating sign, which multiply
    rounding errors. A composition is refused if the forward or the backward error predicted for
    the precision is more than 3 times (in TF32 1.5 times) that of degree 5 alone
    (stabilised) and above `harmless`, or if values run away.
    Then compositions with smaller coefficients are tried, in the end degree 5 alone. The
    prediction is for a spectrum spread evenly in the logarithm, and is within a factor of
    about 3 of what such matrices show.

    References
    ----------
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932 (Theorem 3.1, for a
    fixed degree).

    Examples
    --------
    >>> from linalg_ml import plan
    >>> best = plan((512, 512), 1e-3, 1e-2)
    >>> best.degrees, best.products, round(best.error, 5)
    ((9, 9, 9, 9), 16, 0.00998)
    >>> plan((512, 512), 1e-3, 1e-2, "bf16").degrees
    (3, 5, 5, 3, 5, 9)
    >>> from linalg_ml.matrix_functions import ProductCosts
    >>> plan((128, 512), 1e-3, 1e-6, costs=ProductCosts()).degrees
    (13, 13, 13, 13)
    """
    aspect = _aspect(shape)
    lower = checks.number(lower, "lower", above=0, maximum=1)
    rtol = checks.number(rtol, "rtol", minimum=_LEAST_RTOL, below=1)
    checks.choice(precision, tuple(UNIT_ROUNDOFF), "precision")
    if costs == "products":
        costs, aspect = ProductCosts(), 1.0
    checks.instance(costs, ProductCosts, "costs")
    try:
        degrees = tuple(sorted({5, *map(check_degree, degrees)}))
    except TypeError:
        raise TypeError(f"degrees must be a sequence of odd integers, got {degrees!r}") from None
    if safety is not None:
        safety = check_safety(safety)
    cushion = check_cushion(cushion)
    if harmless is None:
        harmless = _HARMLESS * rtol
    harmless = checks.number(harmless, "harmless", minimum=0, below=inf)
    if choose_restarts is not None and not isinstance(choose_restarts, Callable):
        raise TypeError(f"choose_restarts must be None or a function, got {choose_restarts!r}")
    return _plan(
        aspect, float(lower), float(rtol), precision, costs, degrees, safety, cushion,
        float(harmless), choose_restarts,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _plan(aspect, lower, rtol, precision, costs, degrees, safety, cushion, harmless, restarts):
    default = SAFETY[precision] if safety is None else safety
    quintic = shortest_schedule(lower, rtol, degree=5, safety=default, cushion=cushion)
    growth = _GROWTH[precision]
    allowed = [max(harmless, growth * error) for error in predict_rounding(quintic, precision)]
    variants = [(default, cushion)]
    if cushion is None:
        variants.insert(0, (default, 0.0))
    if safety is None and precision not in _SHORT:
        variants.insert(0, (0.0, 0.0))

    def direct(degree):
        return costs.direct_step(degree, aspect)

    best = _cheapest(lower, rtol, quintic, direct, degrees, variants, precision, allowed)
    if restarts is None:
        return best

    def small(degree):
        return costs.gram_step(degree)

    found = _cheapest(lower, rtol, quintic, small, degrees, variants, precision, allowed)
    least, chosen, at = costs.direct(best.degrees, aspect) - _TIE, best, None
    for schedule in dict.fromkeys((found, best, quintic)):
        steps = restarts(schedule, precision)
        if steps is not None:
            cost = costs.in_gram_form(schedule.degrees, aspect, len(steps))
            if cost < least:
                least, chosen, at = cost, schedule, tuple(steps)
    return chosen if at is None else replace(chosen, restarts=at)


def _cheapest(lower, rtol, quintic, cost_of, degrees, variants, precision, allowed):
    """Return the cheapest schedule that is sound; of equal cost the one with least rounding."""

    def total(schedule):
        return sum(cost_of(degree) for degree in schedule.degrees)

    best = quintic
    for safety, cushion in variants:
        tried = set()
        for size in _SIZES:
            budget = total(best)
            found = _search(lower, rtol, cost_of, degrees, safety, cushion, size, budget)
            if found is None:
                break  # nor is there one with smaller coefficients
            if found in tried:
                continue
            tried.add(found)
            made = minimax_schedule(lower, degree=found, safety=safety, cushion=cushion)
            rounding = predict_rounding(made, precision)
            if made.error > rtol or any(map(gt, rounding, allowed)):
                continue
            if total(made) < budget - _TIE or rounding < predict_rounding(best, precision):
                best = made
            break
    return best


def _search(lower, rtol, cost_of, degrees, safety, cushion, size, budget):
    """Return the degrees of the cheapest composition, or None if none costs at most the budget.

    Best first over (cost, ratio): what is taken from the heap costs no less than all before it, so
    that it is of use only if its ratio is larger than all of theirs.
    """
    prices = {degree: cost_of(degree) for degree in degrees}
    # Of degrees that cost the same the highest is at least as good.
    ranked = sorted(degrees, key=lambda degree: (prices[degree], -degree))
    heap = [(0.0, -lower, ())]
    largest, goal = 0.0, None
    least = (budget + _TIE, inf)
    while heap:
        cost, ratio, path = heapq.heappop(heap)
        ratio = -ratio
        if cost + prices[ranked[0]] > least[0]:
            break
        if ratio <= largest:
            continue
        largest, paid = ratio, None
        for degree in ranked:
            price = prices[degree]
            if price == paid:
                continue
            if cost + price > least[0]:
                break
            row, error, following = _step(ratio, degree, safety, cushion)
            if row > size:
                continue
            paid = price
            if error <= rtol and (cost + price, error) < least:
                least, goal = (cost + price, error), (*path, degree)
            if following > largest:
                heapq.heappush(heap, (cost + price, -following, (*path, degree)))
    return goal


def _step(ratio, degree, safety, cushion):
    """Return the size of the coefficients on [ratio, 1], the error, and the ratio after it.

    The error is that of the polynomial as a last step, without safety. On wide intervals the
    polynomials hardly change any more: what they gain is interpolated there, to about 1e-5.
    """
    if cushion is None or not cushion < ratio < _WIDE:
        return _exact_step(ratio, degree, safety, cushion)
    place = max(log2(ratio), _WIDEST) * _KNOTS
    knot = floor(place)
    size, error, following = _exact_step(2.0 ** (knot / _KNOTS), degree, safety, cushion)
    _, error_after, following_after = _exact_step(
        2.0 ** ((knot + 1) / _KNOTS), degree, safety, cushion
    )
    part, step = place - knot, 2.0 ** (-1.0 / _KNOTS)
    scale = ratio * 2.0 ** (-knot / _KNOTS)
    low = (1.0 - part) * (1.0 - error) + part * step * (1.0 - error_after)
    following = (1.0 - part) * following + part * step * following_after
    return size, 1.0 - scale * low, scale * following


@lru_cache(maxsize=16384)
def _exact_step(ratio, degree, safety, cushion):
    row, error = optimal_step(ratio, 1.0, degree, cushion)
    size = sum(map(abs, row))
    low = evaluate(row, ratio / (1.0 + safety))
    return size, error, low / (2.0 - low)


def _aspect(shape):
    """Return the longer side over the shorter one."""
    try:
        m, n = tuple(shape)[-2:]
    except (TypeError, ValueError):
        raise TypeError(
            f"shape must be a sequence of at least two integers, got {shape!r}"
        ) from None
    for size in (m, n):
        if not isinstance(size, Integral) or isinstance(size, bool):
            raise TypeError(f"shape must hold integers, got {shape!r}")
        if size < 0:
            raise ValueError(f"shape must hold sizes of at least 0, got {shape!r}")
    return max(m, n) / min(m, n) if min(m, n) else 1.0
