"""Square reshaping: a tensor as the matrix nearest to a square, and that matrix's nuclear norm."""

import math
from itertools import combinations

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.verdict import host

_MOST_AXES = 16  # whose subsets are all looked at


def square_modes(shape, /):
    """Choose the axes that become the rows of the square reshaping.

    Parameters
    ----------
    shape : tuple of int

    Returns
    -------
    tuple of int
        Axis 0 and others, whose sizes have the product nearest to that of the rest; of several
        such sets the one with the most rows, then the one with the first axes. For equal sizes
        these are the first half, rounded up.

    Examples
    --------
    >>> from linalg_ml.low_rank import square_modes
    >>> square_modes((10, 10, 10, 10, 10)), square_modes((3, 40, 12, 10))
    ((0, 1, 2), (0, 1))
    """
    shape = integers(shape, "shape")
    if not shape:
        raise ValueError("shape must have at least one axis")
    if len(shape) > _MOST_AXES:
        raise ValueError(f"modes must be given for a tensor with more than {_MOST_AXES} axes")
    sizes = [max(1, size) for size in shape]
    total = math.prod(sizes)
    best = None
    for more in range(len(shape)):
        for others in combinations(range(1, len(shape)), more):
            modes = (0, *others)
            rows = math.prod(sizes[mode] for mode in modes)
            long, short = max(rows, total // rows), min(rows, total // rows)
            key = long / short, -rows, modes
            best = key if best is None else min(best, key)
    return best[2]


def square_reshape(t, /, *, modes=None):
    """Reshape a tensor to the matrix that is nearest to a square.

    Parameters
    ----------
    t : array of shape (n_1, ..., n_K)
    modes : sequence of int, optional
        The axes that become rows; those of `square_modes` if None.

    Returns
    -------
    array of shape (rows, columns)
        The axes in ``modes`` in their order make the rows, the others in their order the
        columns.

    Raises
    ------
    TypeError, ValueError
        If ``t`` is not an array or ``modes`` are not different axes of it.

    Notes
    -----
    The rank is at most the product of the Tucker ranks of either group of axes, and at most the
    CP rank. A K-way tensor of size n and Tucker rank r is determined by the least nuclear norm of
    this matrix from some r^floor(K/2) n^ceil(K/2) random measurements, by the least sum of the
    nuclear norms of its unfoldings only from r n^(K-1). For K = 3 there is no gain.

    References
    ----------
    C. Mu, B. Huang, J. Wright, D. Goldfarb, "Square deal: Lower bounds and improved relaxations
    for tensor recovery", ICML 2014, arXiv:1307.5870.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import square_reshape
    >>> square_reshape(np.zeros((4, 5, 6, 7))).shape
    (28, 30)
    """
    t = checks.array(t, "t")
    rows, columns = _split_axes(t.shape, modes)
    xp = namespace(t)
    size = math.prod(t.shape[mode] for mode in rows), math.prod(t.shape[mode] for mode in columns)
    return xp.reshape(xp.permute_dims(t, rows + columns), size)


def square_fold(a, shape, /, *, modes=None):
    """Fold a matrix made by `square_reshape` back to a tensor.

    Parameters
    ----------
    a : array of shape (rows, columns)
    shape : tuple of int
        Of the tensor.
    modes : sequence of int, optional
        As given to `square_reshape`.

    Returns
    -------
    array of shape ``shape``

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.low_rank import square_fold, square_reshape
    >>> t = np.arange(24.0).reshape(2, 3, 4)
    >>> bool((square_fold(square_reshape(t), t.shape) == t).all())
    True
    """
    a, shape = checks.array(a, "a"), integers(shape, "shape")
    rows, columns = _split_axes(shape, modes)
    order = rows + columns
    sizes = tuple(shape[mode] for mode in order)
    matrix = math.prod(shape[mode] for mode in rows), math.prod(shape[mode] for mode in columns)
    checks.same_shape(a, matrix, "a")
    back = tuple(order.index(mode) for mode in range(len(shape)))
    xp = namespace(a)
    return xp.permute_dims(xp.reshape(a, sizes), back)


@np.errstate(all="ignore")
def square_norm(t, /, *, modes=None):
    """Compute the nuclear norm of the square reshaping.

    Parameters
    ----------
    t : array of shape (n_1, ..., n_K)
    modes : sequence of int, optional
        As for `square_reshape`.

    Returns
    -------
    float
        NaN where ``t`` holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.low_rank import square_norm
    >>> round(square_norm(np.ones((2, 3, 4, 5))), 6)
    10.954451
    """
    a = square_reshape(t, modes=modes)
    wide = Arithmetic(None, a).at_least_fp32(a)
    if not math.isfinite(host(wide.frobenius(a))):
        return math.nan
    return 0.0 if 0 in a.shape else host(wide.xp.sum(wide.kernels.thin_svd(wide.enter(a))[1]))


def integers(values, name):
    """Return ``values`` as a tuple of integers that are not negative."""
    try:
        values = tuple(values)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of integers, got {values!r}") from None
    return tuple(checks.count(value, name, minimum=0) for value in values)


def check_modes(modes, order):
    """Return ``modes`` as a tuple of different axes of a tensor with ``order`` axes."""
    modes = integers(modes, "modes")
    if len(set(modes)) < len(modes) or any(mode >= order for mode in modes):
        raise ValueError(f"modes must be different axes of a tensor with {order}, got {modes}")
    return modes


def _split_axes(shape, modes):
    """Return the axes of the rows and those of the columns."""
    modes = square_modes(shape) if modes is None else check_modes(modes, len(shape))
    return modes, tuple(mode for mode in range(len(shape)) if mode not in modes)
