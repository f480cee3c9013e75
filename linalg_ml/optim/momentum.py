"""Averages of the gradients that an optimizer follows in their place."""

from linalg_ml._core.namespace import namespace
from linalg_ml.optim.elementwise import combine, lerp
from linalg_ml.optim.rules import Rule


def averaged(grad, mean, beta, *, nesterov=False):
    """Return the direction and the mean of the averaged form of momentum.

    M <- beta M + (1 - beta) G; the direction is M, or with ``nesterov``
    (1 - beta) G + beta M, that is where the mean would be after the same gradient once more.
    """
    mean = lerp(mean, grad, 1 - beta)
    return (lerp(grad, mean, beta) if nesterov else mean), mean


def accumulated(grad, buffer, beta, *, nesterov=False, dampening=0.0):
    """Return the direction and the buffer of the accumulated form of momentum.

    B <- beta B + (1 - dampening) G; the direction is B, or with ``nesterov`` G + beta B.
    """
    buffer = combine(buffer, beta, grad, 1 - dampening)
    return (combine(grad, 1.0, buffer, beta) if nesterov else buffer), buffer


class WithMean(Rule):
    """A rule whose state is one array of zeros like the parameter, called "mean"."""

    def init(self, param):
        """Return a mean of zero."""
        return {"mean": namespace(param).zeros_like(param)}
