"""Adam, with weight decay in the gradient or apart from it."""

from dataclasses import dataclass
from typing import ClassVar

from linalg_ml._core.namespace import namespace
from linalg_ml.optim.elementwise import combine, first, is_zero, lerp, lerp_square, over_root
from linalg_ml.optim.hyperparameters import bias_correction, check, check_betas, in_type_of
from linalg_ml.optim.rules import Rule, from_rule


@dataclass(frozen=True)
class Adam(Rule):
    """The rule of `adam` and `adamw`."""

    betas: tuple = (0.9, 0.999)
    eps: float = 1e-8
    coupled_decay: float = 0.0
    correct_bias: bool = True

    elementwise: ClassVar[bool] = True

    def init(self, param):
        """Return two moments of zero."""
        zeros_like = namespace(param).zeros_like
        return {"mean": zeros_like(param), "square": zeros_like(param)}

    def update(self, grad, state, param, step):
        """Return the direction without its factor, and the moments."""
        like = first(param)
        beta1, beta2, eps = (in_type_of(value, like) for value in (*self.betas, self.eps))
        if not is_zero(self.coupled_decay):
            grad = combine(grad, 1.0, param, in_type_of(self.coupled_decay, like))
        mean = lerp(state["mean"], grad, 1 - beta1)
        square = lerp_square(state["square"], grad, 1 - beta2)
        if self.correct_bias:
            eps = eps * bias_correction(beta2, step, like) ** 0.5
        return over_root(mean, square, eps), {"mean": mean, "square": square}

    def finish(self, direction, param, step, lr, weight_decay):
        """Multiply by sqrt(1 - beta2^t) / (1 - beta1^t) too, which costs no pass here."""
        rate = lr
        if self.correct_bias:
            like = first(param)
            beta1, beta2 = (in_type_of(beta, like) for beta in self.betas)
            mean, square = (bias_correction(beta, step, like) for beta in (beta1, beta2))
            rate = lr * (square**0.5 / mean)
        return combine(direction, -rate, param, -lr * weight_decay)


def adam(lr=1e-3, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, correct_bias=True):
    """Divide the mean of the gradients by the root of their mean square, entry by entry.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or schedule.
    betas : two floats
        Decay rates of the mean and of the mean square. ``(0, beta)`` is RMSprop with
        correction of its bias.
    eps : float
        Added to the root. With 0, an entry whose gradient was always zero becomes NaN.
    weight_decay : float
        Added to the gradient as ``weight_decay * W``. See `adamw` for the decay that is usually
        wanted.
    correct_bias : bool
        Divide both means by the sum of their weights.

    Returns
    -------
    Transform
        State of a parameter: ``"mean"`` and ``"square"``, of its shape.

    Raises
    ------
    TypeError, ValueError
        If a hyperparameter is no number or out of its range.

    Notes
    -----
    M <- b1 M + (1 - b1) G, V <- b2 V + (1 - b2) G^2,
    W <- W - lr (M / (1 - b1^t)) / (sqrt(V / (1 - b2^t)) + eps).

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: A method for stochastic optimization", 2014, arXiv:1412.6980.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.adam(lr=0.1)
    >>> params = np.zeros(3)
    >>> grads = np.array([3.0, -1e-3, 0.0])
    >>> transform.update(grads, transform.init(params), params)[0].round(4)
    array([-0.1,  0.1, -0. ])
    """
    weight_decay = check(weight_decay, "weight_decay")
    rule = Adam(check_betas(betas), check(eps, "eps"), weight_decay, bool(correct_bias))
    return from_rule(rule, lr)


def adamw(lr=1e-3, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    """Make the step of `adam`, and let the parameters decay apart from it.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or schedule.
    betas : two floats
        Decay rates of the mean and of the mean square.
    eps : float
        Added to the root. With 0, an entry whose gradient was always zero becomes NaN.
    weight_decay : float
        Each step multiplies the parameters by ``1 - lr * weight_decay``.

    Returns
    -------
    Transform
        State of a parameter: ``"mean"`` and ``"square"``, of its shape.

    Raises
    ------
    TypeError, ValueError
        If a hyperparameter is no number or out of its range.

    Notes
    -----
    M <- b1 M + (1 - b1) G, V <- b2 V + (1 - b2) G^2,
    W <- (1 - lr weight_decay) W - lr (M / (1 - b1^t)) / (sqrt(V / (1 - b2^t)) + eps).

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2017, arXiv:1711.05101.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.adamw(lr=0.1, weight_decay=0.5)
    >>> params = np.array([1.0, 1.0])
    >>> grads = np.array([2.0, 0.0])
    >>> transform.update(grads, transform.init(params), params)[0].round(4)
    array([-0.15, -0.05])
    """
    return from_rule(Adam(check_betas(betas), check(eps, "eps")), lr, weight_decay)
