"""Who does what: parameters shared out among processes by what their steps cost."""

import math

from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions.orthogonalize import as_schedule, in_form
from linalg_ml.matrix_functions.product_costs import ProductCosts

# Products of order m for (m, m), roughly: what a whole factorisation or iteration takes.
_FACTORISATIONS = {"qdwh": 30.0, "zolotarev": 60.0, "svd": 40.0}
_PLAIN = ProductCosts()


def assign(costs, loads):
    """Give each item to the process that has least to do, the longest items first.

    Parameters
    ----------
    costs : sequence of float
    loads : list of float
        What each process has to do already; added to.

    Returns
    -------
    list of int
        The process of each item. The largest load is at most 4/3 - 1/(3 P) of the smallest
        possible one, from empty loads.

    References
    ----------
    R. L. Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969.

    Examples
    --------
    >>> from linalg_ml.optim.assignment import assign
    >>> loads = [0.0, 0.0]
    >>> assign([3, 3, 2, 2, 2], loads), loads
    ([0, 1, 0, 1, 0], [7.0, 5.0])
    """
    owners = [0] * len(costs)
    for i in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        owners[i] = min(range(len(loads)), key=lambda rank: (loads[rank], rank))
        loads[owners[i]] += costs[i]
    return owners


def shares(length, parts):
    """Return the (start, stop) of consecutive shares of equal size, the last ones smaller.

    Examples
    --------
    >>> from linalg_ml.optim.assignment import shares
    >>> shares(7, 3)
    [(0, 3), (3, 6), (6, 7)]
    """
    size = -(-length // parts)
    return [(min(k * size, length), min((k + 1) * size, length)) for k in range(parts)]


def orthogonalisation_cost(a, method, steps, precision):
    """Return about how many multiplications the polar factors of a stack of matrices take."""
    *batch, m, n = a.shape
    if 0 in a.shape:
        return 0.0
    order, aspect = min(m, n), max(m, n) / min(m, n)
    if method in _FACTORISATIONS:
        products = _FACTORISATIONS[method] * aspect
    else:
        rows = as_schedule(method, steps)
        if m != n and rows.restarts is None:
            rows = in_form("auto", rows, Arithmetic(precision, a), aspect, order)
        if rows.restarts is None:
            products = _PLAIN.direct(rows.degrees, aspect)
        else:
            products = _PLAIN.in_gram_form(rows.degrees, aspect, len(rows.restarts))
    return math.prod(batch) * products * float(order) ** 3
