"""One factor for each axis: statistics G G^T of an array along an axis, and products with it."""

from linalg_ml._core.namespace import namespace
from linalg_ml._core.precision import Arithmetic


def unfold(a, axis):
    """Return an array as a matrix whose rows belong to one axis; a view for matrices."""
    if a.ndim == 2:
        return a if axis == 0 else a.mT
    xp = namespace(a)
    return xp.reshape(xp.moveaxis(a, axis, 0), (a.shape[axis], -1))


def fold(matrix, axis, shape):
    """Return the array of the given shape that `unfold` made a matrix of."""
    if len(shape) == 2:
        return matrix if axis == 0 else matrix.mT
    xp = namespace(matrix)
    rest = [size for i, size in enumerate(shape) if i != axis]
    return xp.moveaxis(xp.reshape(matrix, (matrix.shape[0], *rest)), 0, axis)


def statistic(a, axis, arithmetic=None):
    """Return the sum of a a^T over all other axes, of shape (d, d) for an axis of length d."""
    arithmetic = arithmetic or Arithmetic(None, a)
    return arithmetic.gram(unfold(a, axis))


def multiply(q, a, axis, arithmetic=None):
    """Return Q applied to one axis of an array: sum_j Q[i, j] a[..., j, ...]."""
    arithmetic = arithmetic or Arithmetic(None, a)
    if a.ndim == 2 and axis == 1:
        return arithmetic.mm(a, q.mT)
    return fold(arithmetic.mm(q, unfold(a, axis)), axis, tuple(a.shape))
