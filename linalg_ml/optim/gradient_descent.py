"""Stochastic gradient descent."""

from dataclasses import dataclass
from typing import ClassVar

from linalg_ml._core.namespace import astype, is_array, namespace, real_dtype
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.elementwise import combine, first, is_zero
from linalg_ml.optim.momentum import accumulated
from linalg_ml.optim.rules import Rule, from_rule


@dataclass(frozen=True)
class SGD(Rule):
    """The rule of `sgd`."""

    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    elementwise: ClassVar[bool] = True
    takes_complex: ClassVar[bool] = True
    may_begin: ClassVar[tuple] = ("momentum",)

    def init(self, param):
        """Return a buffer of zeros, if there is momentum."""
        if is_zero(self.momentum):
            return {}
        return {"momentum": namespace(param).zeros_like(param)}

    def layout(self):
        """Return whether there is momentum."""
        return {"momentum": not is_zero(self.momentum)}

    def update(self, grad, state, param, step):
        """Return the direction and the buffer."""
        if not is_zero(self.weight_decay):
            weight_decay = hyperparameters.in_type_of(self.weight_decay, first(param))
            grad = combine(grad, 1.0, param, weight_decay)
        if not state:
            return grad, state
        direction, buffer = accumulated(
            grad,
            state["momentum"],
            hyperparameters.in_type_of(self.momentum, first(param)),
            nesterov=self.nesterov,
            dampening=self._dampening(step, first(param)),
        )
        return direction, {"momentum": buffer}

    def _dampening(self, step, like):
        """Return the dampening, which the first gradient does not have."""
        if is_zero(self.dampening):
            return 0.0
        if not is_array(step):
            return self.dampening if step > 1 else 0.0
        later = astype(step > 1, real_dtype(like))
        return later * hyperparameters.in_type_of(self.dampening, like)


def sgd(lr, *, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
    """Descend along the gradient, or along its accumulated form.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or schedule.
    momentum : float
    dampening : float
        Of the gradients that enter the momentum, all but that of the first step.
    nesterov : bool
        Look ahead: follow G + momentum B in place of B.
    weight_decay : float
        Added to the gradient as ``weight_decay * W``, before the momentum, as in PyTorch.

    Returns
    -------
    Transform
        State of a parameter: ``"momentum"``, of its shape, where there is momentum.

    Raises
    ------
    TypeError, ValueError
        If a hyperparameter is no number or out of its range,
        or ``nesterov`` has no momentum to look ahead along.

    Notes
    -----
    With G the gradient: G <- G + weight_decay W; B <- momentum B + (1 - dampening) G, B = G at
    first; D = G + momentum B with ``nesterov``, else B; W <- W - lr D.

    References
    ----------
    I. Sutskever, J. Martens, G. Dahl, G. Hinton, "On the importance of initialization and
    momentum in deep learning", ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.sgd(lr=0.1, momentum=0.9)
    >>> params = np.array([1.0, -1.0])
    >>> state = transform.init(params)
    >>> for _ in range(2):
    ...     updates, state = transform.update(params, state, params)  # of ||W||^2 / 2
    ...     params = optim.apply_updates(params, updates)
    >>> params.round(3)
    array([ 0.72, -0.72])
    """
    momentum = hyperparameters.check(momentum, "momentum")
    dampening = hyperparameters.check(dampening, "dampening")
    if nesterov and (is_zero(momentum) or not is_zero(dampening)):
        raise ValueError("nesterov needs a positive momentum and no dampening")
    weight_decay = hyperparameters.check(weight_decay, "weight_decay")
    return from_rule(SGD(momentum, dampening, bool(nesterov), weight_decay), lr)
