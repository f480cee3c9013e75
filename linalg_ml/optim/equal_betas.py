"""Adam with one decay rate, as an estimate of mean and variance of the gradient."""

from dataclasses import dataclass
from typing import ClassVar

from linalg_ml._core import checks
from linalg_ml._core.namespace import namespace
from linalg_ml.optim.elementwise import (
    add_square,
    combine,
    first,
    lerp,
    lerp_square,
    lerp_variance,
    over_root,
)
from linalg_ml.optim.hyperparameters import bias_correction, check, in_type_of
from linalg_ml.optim.rules import Rule, from_rule


@dataclass(frozen=True)
class EqualBetaAdam(Rule):
    """The rule of `equal_beta_adam`."""

    beta: float = 0.95
    eps: float = 1e-8
    form: str = "variance"
    correct_bias: bool = False

    elementwise: ClassVar[bool] = True

    def init(self, param):
        """Return a mean of zero, and a variance or mean square of zero."""
        zeros_like = namespace(param).zeros_like
        second = "variance" if self.form == "variance" else "square"
        return {"mean": zeros_like(param), second: zeros_like(param)}

    def layout(self):
        """Return which moments there are."""
        return {"form": self.form}

    def update(self, grad, state, param, step):
        """Return the direction without its factor, and the estimates."""
        like = first(param)
        beta, eps = in_type_of(self.beta, like), in_type_of(self.eps, like)
        if self.correct_bias:
            eps = eps * bias_correction(beta, step, like) ** 0.5
        if self.form == "moments":
            mean = lerp(state["mean"], grad, 1 - beta)
            square = lerp_square(state["square"], grad, 1 - beta)
            return over_root(mean, square, eps), {"mean": mean, "square": square}
        variance = lerp_variance(state["variance"], state["mean"], grad, 1 - beta)
        mean = lerp(state["mean"], grad, 1 - beta)
        square = add_square(variance, mean)
        direction = over_root(mean, square, eps, consume=True)
        return direction, {"mean": mean, "variance": variance}

    def finish(self, direction, param, step, lr, weight_decay):
        """Multiply by (1 - beta^t)^(-1/2) too, where the bias is corrected."""
        rate = lr
        if self.correct_bias:
            like = first(param)
            rate = lr / bias_correction(in_type_of(self.beta, like), step, like) ** 0.5
        return combine(direction, -rate, param, -lr * weight_decay)


def equal_beta_adam(
    lr=1e-3, *, beta=0.95, eps=1e-8, weight_decay=0.0, form="variance", correct_bias=False
):
    """Make the step of Adam with equal decay rates from estimates of mean and variance.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or schedule.
    beta : float
        Decay rate of both estimates.
    eps : float
        Added to the root. With 0, an entry whose gradient was always zero becomes NaN.
    weight_decay : float
        Each step multiplies the parameters by ``1 - lr * weight_decay``.
    form : {"variance", "moments"}
        What is remembered besides the mean: the variance, or the mean square as in `adam`. The
        steps are the same.
    correct_bias : bool
        As in `adam`; both corrections together multiply the step by (1 - beta^t)^(-1/2).

    Returns
    -------
    Transform
        State of a parameter: ``"mean"`` and ``"variance"`` (or ``"square"``), of its shape.

    Raises
    ------
    TypeError, ValueError
        If a hyperparameter is no number or out of its range.

    Notes
    -----
    D <- beta D + beta (1 - beta) (M - G)^2, M <- beta M + (1 - beta) G,
    W <- W - lr M / (sqrt(M^2 + D) + eps).

    M^2 + D is the V of Adam. So the step is lr sign(M) / sqrt(1 + D / M^2): that of the sign of
    the mean, shortened where the noise D / M^2 is large. M and D are the mean and the variance
    of the normal distribution that explains the new gradient without moving far, in the sense of
    the Kullback-Leibler divergence, from the one before.

    References
    ----------
    A. Orvieto, R. M. Gower, "In search of Adam's secret sauce", 2025, arXiv:2505.21829.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> params = np.zeros(2)
    >>> transform = optim.equal_beta_adam(lr=0.1, beta=0.5)
    >>> state = transform.init(params)
    >>> for grads in ([1.0, 1.0], [1.0, -1.0]):
    ...     updates, state = transform.update(np.array(grads), state, params)
    >>> state["params"]["mean"], state["params"]["variance"]
    (array([ 0.75, -0.25]), array([0.1875, 0.6875]))
    """
    checks.choice(form, ("variance", "moments"), "form")
    rule = EqualBetaAdam(
        check(beta, "beta", below=1.0), check(eps, "eps"), form, bool(correct_bias)
    )
    return from_rule(rule, lr, weight_decay)
