"""Averages of the parameters over the steps."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, namespace
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.rules import working
from linalg_ml.optim.trees import align, flatten, rebuild, tree_map


@dataclass(frozen=True)
class Average:
    """Functions that keep an average of parameters.

    Parameters
    ----------
    init : callable
        ``init(params) -> state``.
    update : callable
        ``update(params, state) -> state``, after each step or as often as is wished.
    value : callable
        ``value(state, params) -> averaged parameters``, in the dtypes of ``params``.
    """

    init: Callable
    update: Callable
    value: Callable


def ema(decay, /):
    """Average the parameters with weights that fall off exponentially into the past.

    Parameters
    ----------
    decay : float
        In [0, 1).

    Returns
    -------
    Average

    Notes
    -----
    The weights are proportional to decay^(t - s) for s = 1, ..., t and add up to one from the
    first update on: A <- A + w_t (W - A), w_t = (1 - decay) / (1 - decay^t). The first update
    takes the parameters themselves; what they were at ``init`` has no weight.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> average = optim.ema(0.5)
    >>> state = average.init(np.zeros(1))
    >>> for value in (1.0, 4.0):
    ...     state = average.update(np.array([value]), state)
    >>> average.value(state, np.zeros(1))
    array([3.])
    """
    decay = checks.number(decay, "decay", minimum=0, below=1)
    return _average(lambda count, a: (1 - decay) / hyperparameters.bias_correction(decay, count, a))


def polyak(*, start=0):
    """Average the parameters with equal weights.

    Parameters
    ----------
    start : int
        Updates after which the average begins; until then it is the parameters themselves.

    Returns
    -------
    Average

    Notes
    -----
    A <- A + (W - A) / max(1, t - start).

    References
    ----------
    B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM
    J. Control Optim. 30, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> average = optim.polyak()
    >>> state = average.init(np.zeros(1))
    >>> for value in (1.0, 4.0):
    ...     state = average.update(np.array([value]), state)
    >>> average.value(state, np.zeros(1))
    array([2.5])
    """
    start = checks.count(start, "start", minimum=0)

    def weight(count, a):
        xp = namespace(a)
        number = astype(count - start, a.dtype)
        return 1 / xp.where(number > 1, number, xp.ones_like(number))

    return _average(weight)


def _average(weight):
    def init(params):
        arrays = [p for p in flatten(params, "params")[1] if p is not None]
        like = arrays[0] if arrays else np.zeros(())
        held = tree_map(lambda p: working(p) + 0, params)
        return {"count": hyperparameters.counter(like), "average": held}

    def update(params, state):
        _, leaves = flatten(params, "params")
        held = align(params, state["average"], ("params", "state['average']"))
        count = hyperparameters.advanced(state["count"])
        moved = [
            None if p is None else a + weight(count, a) * (working(p) - a)
            for p, a in zip(leaves, held, strict=True)
        ]
        return {"count": count, "average": rebuild(params, moved)}

    def value(state, params):
        return tree_map(lambda p, a: astype(a, p.dtype), params, state["average"])

    return Average(init, update, value)
