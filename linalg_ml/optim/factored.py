"""Adafactor: mean squares kept as one number for each row and each column."""

import math
from dataclasses import dataclass

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, namespace
from linalg_ml.optim.elementwise import combine
from linalg_ml.optim.hyperparameters import check, in_type_of
from linalg_ml.optim.rules import Rule, from_rule


@dataclass(frozen=True)
class Adafactor(Rule):
    """The rule of `adafactor`."""

    decay: float = -0.8
    eps: tuple = (None, 1e-3)
    threshold: float = 1.0
    scale_by_parameter: bool = True

    def init(self, param):
        """Return mean squares of zero, of rows and columns or of the entries of a vector."""
        xp = namespace(param)
        if param.ndim < 2:
            return {"square": xp.zeros_like(param)}
        zeros = xp.zeros_like(param)
        return {"rows": zeros[..., :1], "columns": zeros[..., :1, :]}

    def update(self, grad, state, param, step):
        """Return the direction, no longer than the threshold on average, and the mean squares."""
        xp = namespace(grad)
        weight = astype(step, grad.dtype) ** self.decay
        eps = xp.finfo(grad.dtype).eps if self.eps[0] is None else in_type_of(self.eps[0], grad)
        if grad.ndim < 2:
            square = state["square"] + weight * (grad * grad - state["square"])
            state = {"square": square}
        else:
            rows = state["rows"]
            rows = rows + weight * (_mean_square(grad, -1) - rows)
            columns = state["columns"]
            columns = columns + weight * (_mean_square(grad, -2) - columns)
            total = xp.mean(rows, axis=-2, keepdims=True)
            square = rows * columns / _at_least(total, eps)
            state = {"rows": rows, "columns": columns}
        direction = grad / xp.sqrt(_at_least(square, eps * eps))
        return direction / _at_least(_rms(direction) / self.threshold, 1.0), state

    def finish(self, direction, param, step, lr, weight_decay):
        """Bound the rate by 1 / sqrt(t) and multiply it by the size of the parameter."""
        root = astype(step, param.dtype) ** 0.5
        rate = in_type_of(lr, param) + 0 * root
        rate = namespace(param).where(rate * root > 1, 1 / root, rate)
        if self.scale_by_parameter:
            rate = rate * _at_least(_rms(param), in_type_of(self.eps[1], param))
        return combine(direction, -rate, param, -lr * weight_decay)


def adafactor(
    lr=1e-2,
    *,
    decay=-0.8,
    eps=(None, 1e-3),
    threshold=1.0,
    scale_by_parameter=True,
    weight_decay=0.0,
):
    """Divide gradients by the root of a rank-one model of their mean squares.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or schedule, relative to the size of the parameter.
    decay : float
        Negative: the squares of step t enter their mean with weight t^decay.
    eps : two floats
        Least mean of squares (None: the machine epsilon), and least size of a parameter.
    threshold : float
        A direction whose entries are larger than that in root mean square is scaled down.
    scale_by_parameter : bool
        Multiply the learning rate by the root mean square of the parameter.
    weight_decay : float
        Each step multiplies the parameters by ``1 - lr * weight_decay``.

    Returns
    -------
    Transform
        State of a matrix: ``"rows"`` of shape (..., m, 1), ``"columns"`` of shape (..., 1, n);
        of a vector ``"square"``.

    Raises
    ------
    TypeError, ValueError
        If a hyperparameter is no number or out of its range.

    Notes
    -----
    With w = t^decay: r <- (1 - w) r + w mean(G^2, over rows), c likewise over columns,
    V = r c^T / max(mean(r), eps_1), U = G / sqrt(max(V, eps_1^2)),
    U <- U / max(1, rms(U) / threshold), and
    W <- (1 - lr weight_decay) W - max(eps_2, rms(W)) min(lr, 1 / sqrt(t)) U.

    An array of more than two axes is a stack of matrices in its last two.

    References
    ----------
    N. Shazeer, M. Stern, "Adafactor: Adaptive learning rates with sublinear memory cost", 2018,
    arXiv:1804.04235.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.adafactor(lr=0.1)
    >>> params = np.ones((2, 3))
    >>> grads = np.outer([1.0, -10.0], [1.0, 2.0, 3.0])
    >>> updates, state = transform.update(grads, transform.init(params), params)
    >>> updates.round(3)
    array([[-0.1, -0.1, -0.1],
           [ 0.1,  0.1,  0.1]])
    >>> state["params"]["rows"].shape, state["params"]["columns"].shape
    ((2, 1), (1, 3))
    """
    if not checks.number(decay, "decay") < 0:
        raise ValueError(f"decay must be a negative number, got {decay!r}")
    try:
        square, size = eps
    except (TypeError, ValueError):
        raise TypeError(f"eps must be two numbers, got {eps!r}") from None
    eps = (None if square is None else check(square, "eps[0]"), check(size, "eps[1]"))
    threshold = check(threshold, "threshold", minimum=math.ulp(0.0))
    rule = Adafactor(float(decay), eps, threshold, bool(scale_by_parameter))
    return from_rule(rule, lr, weight_decay)


def _mean_square(a, axis):
    """Return the mean square along an axis, kept with length one, without an array of squares."""
    norm = namespace(a).linalg.vector_norm(a, axis=axis, keepdims=True)
    return norm * norm / max(1, a.shape[axis])


def _rms(a):
    """Return the root mean square of all entries, 0 of none."""
    return namespace(a).linalg.vector_norm(a) / max(1, math.prod(a.shape)) ** 0.5


def _at_least(a, bound):
    return namespace(a).clip(a, min=bound)
