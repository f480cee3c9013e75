"""The polynomial methods that the studies of the polar factor compare, by name."""

from linalg_ml import minimax_schedule, schedule
from linalg_ml.matrix_functions.schedules import PRODUCTS, chen_chow_schedule

LISTS = {
    "newton-schulz-3": "newton-schulz-3",
    "newton-schulz": "newton-schulz",
    "newton-schulz-7": "newton-schulz-7",
    "jordan": "jordan",
    "you": "you",
    "cesista": "cesista",
    "deepseek-v4": "deepseek-v4",
    "published": "polar-express",  # Implementation 1 of the paper, with its safety factor
    "published-raw": "polar-express-raw",
    "modded-nanogpt": "polar-express-modded",
    "cubic5": "cubic5",
}
OPTIMAL = {"optimal-3": 3, "optimal-5": 5, "optimal-7": 7}
# Lists that say nothing about further steps: longer runs make no sense.
LONGEST = {"cesista": 5, "modded-nanogpt": 5, "cubic5": 5}
NAMES = (*LISTS, "chen-chow", *OPTIMAL)


def method_schedule(name, lower, steps):
    """Return the polynomials of a method.

    Parameters
    ----------
    name : str
        One of `NAMES`. "optimal-d" is the composition of Theorem 3.1 of the Polar Express paper
        for degree d, without safety factor and cushion: each step is the same whatever the number
        of steps that follow.
    lower : float
        What "optimal-d" and "chen-chow" are made for; the lists have no such parameter.
    steps : int

    Returns
    -------
    linalg_ml.Schedule
    """
    if name in OPTIMAL:
        return minimax_schedule(lower, steps, degree=OPTIMAL[name], safety=0, cushion=0)
    if name == "chen-chow":
        return chen_chow_schedule(lower, steps)
    return schedule(LISTS[name]).take(steps)


def steps_of(name, steps):
    """Return how many steps of a method make sense, at most ``steps``."""
    return min(steps, LONGEST.get(name, steps))


def mixed_degrees(lower, products, degrees=(3, 5, 7, 9, 11, 13)):
    """Find, for each number of products, the degrees whose optimal composition is best.

    The error of the next step depends only on the ratio of the ends of the interval, and falls
    as it grows: so the best composition of k products ends with some degree, after the best one
    of the products that are left.

    Parameters
    ----------
    lower : float
    products : int
        The largest number of products.
    degrees : tuple of int
        Degrees to choose from.

    Returns
    -------
    dict
        Products to a Schedule, for every number that some composition has.
    """
    best = {0: ()}
    made = {}
    for budget in range(1, products + 1):
        tried = [
            minimax_schedule(lower, degree=(*best[budget - PRODUCTS[d]], d), safety=0, cushion=0)
            for d in degrees
            if budget - PRODUCTS[d] in best
        ]
        if tried:
            made[budget] = min(tried, key=lambda s: s.error)
            best[budget] = made[budget].degrees
    return made
