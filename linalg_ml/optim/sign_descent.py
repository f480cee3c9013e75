"""Steps of the same length in every entry: signs of gradients and of their averages."""

from dataclasses import dataclass
from typing import ClassVar

from linalg_ml._core.namespace import namespace
from linalg_ml.optim.elementwise import each, first, is_zero, lerp, sign
from linalg_ml.optim.hyperparameters import check, check_betas, in_type_of
from linalg_ml.optim.momentum import WithMean, averaged
from linalg_ml.optim.rules import Rule, from_rule


@dataclass(frozen=True)
class Lion(WithMean):
    """The rule of `lion`."""

    betas: tuple = (0.9, 0.99)

    elementwise: ClassVar[bool] = True

    def update(self, grad, state, param, step):
        """Return the signs of one average, and another average."""
        beta1, beta2 = (in_type_of(beta, first(param)) for beta in self.betas)
        ahead = lerp(grad, state["mean"], beta1)
        return sign(ahead, consume=True), {"mean": lerp(state["mean"], grad, 1 - beta2)}


@dataclass(frozen=True)
class Signum(WithMean):
    """The rule of `signum`."""

    beta: float = 0.9
    nesterov: bool = False
    mollifier: float = 0.0

    elementwise: ClassVar[bool] = True

    def update(self, grad, state, param, step):
        """Return the signs of the mean, and the mean."""
        beta = in_type_of(self.beta, first(param))
        direction, mean = averaged(grad, state["mean"], beta, nesterov=self.nesterov)
        return self._sign(direction), {"mean": mean}

    def _sign(self, direction):
        if is_zero(self.mollifier):
            return sign(direction)
        soft = in_type_of(self.mollifier, first(direction))
        return each(lambda m: m / (namespace(m).abs(m) + soft), direction)


@dataclass(frozen=True)
class SignSGD(Rule):
    """The rule of `sign_sgd`."""

    elementwise: ClassVar[bool] = True

    def update(self, grad, state, param, step):
        """Return the signs of the gradient."""
        return sign(grad), {}


@dataclass(frozen=True)
class MeanOfSigns(WithMean):
    """The rule of `mean_of_signs`."""

    beta: float = 0.9

    elementwise: ClassVar[bool] = True

    def update(self, grad, state, param, step):
        """Return the mean of the signs, twice."""
        mean = lerp(state["mean"], sign(grad), 1 - in_type_of(self.beta, first(param)))
        return mean, {"mean": mean}


def lion(lr=1e-4, *, betas=(0.9, 0.99), weight_decay=0.0):
    """Follow the sign of an average in which the newest gradient counts more than later on.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or schedule; a third to a tenth of what Adam takes.
    betas : two floats
        Decay rates of the average that makes the step, and of the one that is remembered.
    weight_decay : float
        Each step multiplies the parameters by ``1 - lr * weight_decay``; three to ten times what
        Adam takes.

    Returns
    -------
    Transform
        State of a parameter: ``"mean"``, of its shape.

    Raises
    ------
    TypeError, ValueError
        If a hyperparameter is no number or out of its range.

    Notes
    -----
    W <- (1 - lr weight_decay) W - lr sign(b1 M + (1 - b1) G), M <- b2 M + (1 - b2) G.

    References
    ----------
    X. Chen et al., "Symbolic discovery of optimization algorithms", 2023, arXiv:2302.06675.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.lion(lr=0.1)
    >>> params = np.zeros(3)
    >>> transform.update(np.array([5.0, -1e-3, 0.0]), transform.init(params), params)[0]
    array([-0.1,  0.1, -0. ])
    """
    return from_rule(Lion(check_betas(betas)), lr, weight_decay)


def signum(lr=1e-3, *, beta=0.9, nesterov=False, mollifier=0.0, weight_decay=0.0):
    """Follow the sign of the mean gradient.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or schedule.
    beta : float
        Decay rate of the mean.
    nesterov : bool
        Look ahead: the sign of (1 - beta) G + beta M.
    mollifier : float
        If positive, M / (abs(M) + mollifier) takes the place of the sign.
    weight_decay : float
        Each step multiplies the parameters by ``1 - lr * weight_decay``.

    Returns
    -------
    Transform
        State of a parameter: ``"mean"``, of its shape.

    Raises
    ------
    TypeError, ValueError
        If a hyperparameter is no number or out of its range.

    Notes
    -----
    M <- beta M + (1 - beta) G, W <- (1 - lr weight_decay) W - lr sign(M).

    References
    ----------
    J. Bernstein, Y.-X. Wang, K. Azizzadenesheli, A. Anandkumar, "signSGD: Compressed
    optimisation for non-convex problems", 2018, arXiv:1802.04434.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.signum(lr=0.1, mollifier=0.1)
    >>> params = np.zeros(2)
    >>> transform.update(np.array([5.0, -1.0]), transform.init(params), params)[0].round(4)
    array([-0.0833,  0.05  ])
    """
    beta, mollifier = check(beta, "beta", below=1.0), check(mollifier, "mollifier")
    return from_rule(Signum(beta, bool(nesterov), mollifier), lr, weight_decay)


def sign_sgd(lr=1e-3, *, weight_decay=0.0):
    """Follow the sign of the gradient.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or schedule.
    weight_decay : float
        Each step multiplies the parameters by ``1 - lr * weight_decay``.

    Returns
    -------
    Transform
        It remembers nothing of the gradients.

    Raises
    ------
    TypeError, ValueError
        If a hyperparameter is no number or out of its range.

    Notes
    -----
    W <- (1 - lr weight_decay) W - lr sign(G).

    References
    ----------
    J. Bernstein, Y.-X. Wang, K. Azizzadenesheli, A. Anandkumar, "signSGD: Compressed
    optimisation for non-convex problems", 2018, arXiv:1802.04434.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.sign_sgd(lr=0.5)
    >>> params = np.zeros(2)
    >>> transform.update(np.array([5.0, -1.0]), transform.init(params), params)[0]
    array([-0.5,  0.5])
    """
    return from_rule(SignSGD(), lr, weight_decay)


def mean_of_signs(lr=1e-3, *, beta=0.9, weight_decay=0.0):
    """Follow the mean of the signs of the gradients.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or schedule.
    beta : float
        Decay rate of the mean.
    weight_decay : float
        Each step multiplies the parameters by ``1 - lr * weight_decay``.

    Returns
    -------
    Transform
        State of a parameter: ``"mean"``, of its shape.

    Raises
    ------
    TypeError, ValueError
        If a hyperparameter is no number or out of its range.

    Notes
    -----
    M <- beta M + (1 - beta) sign(G), W <- (1 - lr weight_decay) W - lr M.

    References
    ----------
    A. Orvieto, R. M. Gower, "In search of Adam's secret sauce", 2025, arXiv:2505.21829.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.mean_of_signs(lr=1.0, beta=0.5)
    >>> params = np.zeros(2)
    >>> transform.update(np.array([5.0, -1.0]), transform.init(params), params)[0]
    array([-0.5,  0.5])
    """
    return from_rule(MeanOfSigns(check(beta, "beta", below=1.0)), lr, weight_decay)
