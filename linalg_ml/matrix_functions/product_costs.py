"""What the matrix products of a composition cost, in the direct and in the Gram form."""

from dataclasses import dataclass
from math import inf

from linalg_ml._core import checks
from linalg_ml.matrix_functions.composition import PRODUCTS

__all__ = ["ProductCosts", "product_costs"]


@dataclass(frozen=True)
class ProductCosts:
    """Hold what a matrix product costs, in units of a general one of order m.

    Parameters
    ----------
    gram : float
        X X^H with X of shape (m, m); for (m, n) it is multiplied with n / m.
    symmetric : float
        A product of two matrices of order m whose result is known to be symmetric.
    general : float
        B X with X of shape (m, m); for (m, n) it is multiplied with n / m.

    Notes
    -----
    The default counts products on a square matrix. A library that computes one half of a
    symmetric result has `gram` and `symmetric` between 0.5 and 1.

    Examples
    --------
    >>> from linalg_ml.matrix_functions import ProductCosts
    >>> costs = ProductCosts(gram=0.6, symmetric=0.7)
    >>> round(costs.direct((5, 9), aspect=4.0), 6)
    14.9
    >>> round(costs.in_gram_form((5, 9), aspect=4.0), 6)
    10.6
    """

    gram: float = 1.0
    symmetric: float = 1.0
    general: float = 1.0

    def __post_init__(self):
        for name in ("gram", "symmetric", "general"):
            value = checks.number(getattr(self, name), name, above=0, below=inf)
            object.__setattr__(self, name, float(value))

    def direct(self, degrees, aspect=1.0):
        """Return the cost of X <- p(X) for each degree in turn; `aspect` is n / m >= 1."""
        return sum(self.direct_step(degree, aspect) for degree in degrees)

    def in_gram_form(self, degrees, aspect=1.0, restarts=0):
        """Return the cost with all products but the first and the last of order m.

        Each step forms a symmetric Z from R = X X^H, then Q <- Q Z and R <- Z R Z; at the end, and
        at each restart, X <- Q X. Right after a start Q is Z itself, and right before X is formed
        R is not needed any more.
        """
        starts = 1 + restarts
        if not 0 <= restarts < len(degrees):
            raise ValueError(
                f"restarts must be at least 0 and below the {len(degrees)} steps, got {restarts!r}"
            )
        ends = (self.gram + self.general) * aspect
        small = sum(PRODUCTS[degree] - 2 for degree in degrees) + 3 * (len(degrees) - starts)
        return starts * ends + small * self.symmetric

    def direct_step(self, degree, aspect):
        """Return the cost of one step."""
        ends = (self.gram + self.general) * aspect
        return ends + (PRODUCTS[degree] - 2) * self.symmetric

    def gram_step(self, degree):
        """Return the cost of a step in Gram form that is neither before nor after a start."""
        return (PRODUCTS[degree] + 1) * self.symmetric


_PLAIN = ProductCosts()
# Measured on a CPU, one thread: where half of a symmetric result is computed.
_HALVED = {
    "numpy": (256, ProductCosts(gram=0.6, symmetric=0.65)),
    "torch": (640, ProductCosts(gram=1.0, symmetric=0.75)),
}


def product_costs(arithmetic, order):
    """Return what products of this order cost in the library of an `Arithmetic`."""
    least, costs = _HALVED.get(arithmetic.library, (0, _PLAIN))
    return costs if order >= least and not arithmetic.on_gpu else _PLAIN
