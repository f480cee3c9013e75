"""The few entry by entry operations that optimizers are made of, on one array or on a bundle.

A `Bundle` is a list of arrays of one dtype on one device that go through the same formula. What
is written here once runs on an array of any library, and on a bundle in a few fused calls that
may work in place. The first argument of the functions that say so is consumed: where a bundle
owns its arrays, they are overwritten.
"""

from dataclasses import dataclass
from functools import cached_property

from linalg_ml._core.namespace import library, namespace
from linalg_ml.kernels.dispatch import kernels


@dataclass(frozen=True)
class Bundle:
    """Arrays of one dtype and device; ``owned`` if they may be overwritten."""

    arrays: list
    owned: bool = False

    @cached_property
    def kernels(self):
        """The kernels of their array library."""
        return kernels(library(self.arrays[0]))

    def fresh(self, arrays):
        """Return a bundle of new arrays, which nobody else holds."""
        return Bundle(arrays, owned=True)


class Target(Bundle):
    """Parameters that are to be moved where they are: what is combined with them is added."""


class Ratio(Bundle):
    """A quotient of bundles that is computed when it is needed, or never by itself."""

    def __init__(self, above, below):
        object.__setattr__(self, "above", above)
        object.__setattr__(self, "below", below)
        object.__setattr__(self, "owned", True)

    @cached_property
    def arrays(self):
        """The quotients."""
        return [a / b for a, b in zip(self.above, self.below, strict=True)]


def first(a):
    """Return an array that says what kind ``a`` is of."""
    return a.arrays[0] if isinstance(a, Bundle) else a


def lerp(a, b, weight):
    """Return a + weight (b - a); consumes a."""
    if isinstance(a, Bundle):
        return a.fresh(a.kernels.foreach_lerp(a.arrays, b.arrays, weight, a.owned))
    return (1 - weight) * a + weight * b


def lerp_square(a, b, weight):
    """Return a + weight (b^2 - a); consumes a."""
    if isinstance(a, Bundle):
        return a.fresh(a.kernels.foreach_lerp_square(a.arrays, b.arrays, weight, a.owned))
    return (1 - weight) * a + weight * (b * b)


def over_root(a, square, eps, *, consume=False):
    """Return a / (sqrt(square) + eps); may consume the square."""
    if isinstance(a, Bundle):
        owned = consume and square.owned
        return Ratio(a.arrays, a.kernels.foreach_root(square.arrays, eps, owned))
    return a / (namespace(square).sqrt(square) + eps)


def lerp_variance(a, mean, b, weight):
    """Return (1 - weight) (a + weight (b - mean)^2), mean being that before b; consumes a."""
    if isinstance(a, Bundle):
        lists = a.arrays, mean.arrays, b.arrays
        return a.fresh(a.kernels.foreach_lerp_variance(*lists, weight, a.owned))
    away = b - mean
    return (1 - weight) * (a + weight * (away * away))


def add_square(a, b):
    """Return a + b^2."""
    if isinstance(a, Bundle):
        return a.fresh(a.kernels.foreach_add_square(a.arrays, b.arrays))
    return a + b * b


def sign(a, *, consume=False):
    """Return the signs of the entries, 0 for 0; may consume a."""
    if isinstance(a, Bundle):
        return a.fresh(a.kernels.foreach_sign(a.arrays, consume and a.owned))
    return namespace(a).sign(a)


def combine(a, alpha, b, beta):
    """Return alpha a + beta b; consumes a. A beta that is the number 0 leaves b out.

    Where b is a `Target`, alpha a + beta b is added to b at once.
    """
    if isinstance(b, Target):
        if isinstance(a, Ratio):
            b.kernels.foreach_add_ratio(b.arrays, 1 + beta, a.above, a.below, alpha)
        else:
            b.kernels.foreach_combine(b.arrays, 1 + beta, a.arrays, alpha, True)
        return b
    if isinstance(a, Bundle):
        return a.fresh(a.kernels.foreach_combine(a.arrays, alpha, b.arrays, beta, a.owned))
    return alpha * a if is_zero(beta) else alpha * a + beta * b


def each(function, *operands):
    """Apply a function of arrays to arrays, or to the arrays of bundles one after the other."""
    if isinstance(operands[0], Bundle):
        lists = [operand.arrays for operand in operands]
        return operands[0].fresh([function(*arrays) for arrays in zip(*lists, strict=True)])
    return function(*operands)


def is_zero(value):
    """Say whether a hyperparameter is the number 0; an array may be anything."""
    return isinstance(value, (int, float)) and value == 0
