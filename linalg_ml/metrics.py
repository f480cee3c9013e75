"""Errors of a computed decomposition, in double precision on the host."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import to_numpy
from linalg_ml._core.units import power_of_two


@np.errstate(all="ignore")
def orthogonality_error(x, /):
    """Measure how far the rows or columns of X, whichever are fewer, are from orthonormal.

    Parameters
    ----------
    x : array of shape (..., m, n)
        Of any array library.

    Returns
    -------
    float or ndarray
        ||X X^H - I||_F / sqrt(m) for m <= n, else ||X^H X - I||_F / sqrt(n); for a stack, one
        number per matrix. It sees only the singular values: a small value does not say that X
        is close to the polar factor.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.metrics import orthogonality_error
    >>> orthogonality_error(np.array([[0.0, 2.0], [1.0, 0.0]])).round(4)
    np.float64(2.1213)
    """
    x = _double(x, "x")
    if x.shape[-2] > x.shape[-1]:
        x = x.conj().mT
    m = x.shape[-2]
    return _frobenius(x @ x.conj().mT - np.eye(m)) / np.sqrt(max(m, 1))


@np.errstate(all="ignore")
def polar_error(x, u, /):
    """Measure the distance of X from the unitary factor U.

    Parameters
    ----------
    x, u : arrays of shape (..., m, n)
        Computed and exact factor, of any array libraries.

    Returns
    -------
    float or ndarray
        ||X - U||_F / sqrt(min(m, n)); for a stack, one number per matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.metrics import polar_error
    >>> polar_error(np.eye(4) * 1.01, np.eye(4)).round(4)
    np.float64(0.01)
    """
    x, u = _double(x, "x"), _double(u, "u")
    checks.same_shape(x, u.shape, "x")
    return _frobenius(x - u) / np.sqrt(max(min(x.shape[-2:]), 1))


@np.errstate(all="ignore")
def backward_error(a, x, h, /, *, side="right"):
    """Measure how well the factors multiply to A.

    Parameters
    ----------
    a, x : arrays of shape (..., m, n)
        The matrix and its computed unitary factor, of any array libraries.
    h : array of shape (..., n, n), or (..., m, m) for side="left"
        The computed Hermitian factor.
    side : {"right", "left"}
        Whether A = X H or A = H X.

    Returns
    -------
    float or ndarray
        ||A - X H||_F / ||A||_F, or 0 where A and X H are zero; for a stack, one number per
        matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.metrics import backward_error
    >>> backward_error(2 * np.eye(2), np.eye(2), 2.002 * np.eye(2)).round(6)
    np.float64(0.001)
    """
    a, x, h = _double(a, "a"), _double(x, "x"), _double(h, "h")
    checks.choice(side, ("right", "left"), "side")
    checks.same_shape(x, a.shape, "x")
    order = a.shape[-1 if side == "right" else -2]
    checks.same_shape(h, (*a.shape[:-2], order, order), "h")
    scale = _toward_one(a)
    a, h = a * scale, h * scale
    gap = _frobenius(a - (x @ h if side == "right" else h @ x))
    return np.where(gap == 0, 0.0, gap / _frobenius(a))[()]


def _double(a, name):
    a = to_numpy(checks.matrix(a, name))
    return a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)


def _frobenius(a):
    scale = _toward_one(a)
    return np.linalg.norm(a * scale, axis=(-2, -1)) / scale[..., 0, 0]


def _toward_one(a):
    """Return for each matrix what brings its largest entry near one and rounds nothing."""
    largest = np.max(np.abs(a), axis=(-2, -1), keepdims=True, initial=0.0)
    return 1 / power_of_two(largest, 1022)
