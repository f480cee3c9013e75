"""Regression and classification with sparse random features, as block coordinate descent meets it.

The draws are those of NumPy's legacy generator in a fixed order, so that the logistic and the
softmax problem of the default size are those of the paper.
"""

import numpy as np

from linalg_ml._core import checks

_DENSITY = 10.0  # times log(m) / m
_SCALE = 10.0
_SOLUTION_DENSITY = 0.1
_FLIPPED = 0.1


def _design(random, m, n):
    """Return (m, n) features: shifted normal numbers, badly scaled columns, most entries zero."""
    from scipy.sparse import csc_array

    features = random.randn(m, n) + 1
    features *= _SCALE * random.randn(n)
    kept = random.rand(m, n) < _DENSITY * np.log(m) / m
    return csc_array(features * kept)


def _start(m, n, seed):
    m, n = checks.count(m, "m", minimum=2), checks.count(n, "n")
    return m, n, np.random.RandomState(checks.count(seed, "seed", minimum=0))


def _coefficients(random, n):
    return random.randn(n) * (random.rand(n) < _SOLUTION_DENSITY)


def sparse_least_squares(m=1000, n=10000, *, seed=1):
    """Return A and b of a least squares problem with sparse, badly scaled features.

    Parameters
    ----------
    m, n : int
        Rows and columns.
    seed : int
        Seed of NumPy's legacy generator.

    Returns
    -------
    a : scipy.sparse.csc_array of shape (m, n)
        (z_ij + 1) 10 c_j with normal z and c, each entry kept with probability 10 log(m) / m.
    b : array of shape (m,)
        A w + noise, w normal with nine entries in ten zero, noise normal.

    References
    ----------
    J. Nutini, I. Laradji, M. Schmidt, "Let's Make Block Coordinate Descent Converge Faster",
    JMLR 23, 2022. arXiv:1712.08859. Their data set A is drawn so, by another generator.

    Examples
    --------
    >>> from linalg_ml.problems import sparse_least_squares
    >>> a, b = sparse_least_squares(50, 80)
    >>> a.shape, b.shape
    ((50, 80), (50,))
    """
    m, n, random = _start(m, n, seed)
    a = _design(random, m, n)
    return a, a @ _coefficients(random, n) + random.randn(m)


def sparse_logistic(m=1000, n=10000, *, seed=1):
    """Return A and labels 1 and -1: the signs of A w, one in ten of them wrong.

    Parameters
    ----------
    m, n : int
        Rows and columns.
    seed : int
        Seed of NumPy's legacy generator.

    Returns
    -------
    a : scipy.sparse.csc_array of shape (m, n)
        As in `sparse_least_squares`.
    b : array of shape (m,)

    References
    ----------
    J. Nutini, I. Laradji, M. Schmidt, "Let's Make Block Coordinate Descent Converge Faster",
    JMLR 23, 2022. arXiv:1712.08859. With the defaults, their data set B.

    Examples
    --------
    >>> from linalg_ml.problems import sparse_logistic
    >>> a, b = sparse_logistic(50, 80)
    >>> sorted(set(b.tolist()))
    [-1.0, 1.0]
    """
    m, n, random = _start(m, n, seed)
    a = _design(random, m, n)
    sides = np.where(a @ _coefficients(random, n) < 0, -1.0, 1.0)
    return a, np.where(random.rand(m) < _FLIPPED, -sides, sides)


def sparse_softmax(m=1000, n=1000, classes=50, *, seed=1):
    """Return A and classes 0, 1, ...: the largest of the columns of A W + noise.

    Parameters
    ----------
    m, n, classes : int
        Rows, columns and classes.
    seed : int
        Seed of NumPy's legacy generator.

    Returns
    -------
    a : scipy.sparse.csc_array of shape (m, n)
        As in `sparse_least_squares`.
    b : int array of shape (m,)

    References
    ----------
    J. Nutini, I. Laradji, M. Schmidt, "Let's Make Block Coordinate Descent Converge Faster",
    JMLR 23, 2022. arXiv:1712.08859. With the defaults, their data set C.

    Examples
    --------
    >>> from linalg_ml.problems import sparse_softmax
    >>> a, b = sparse_softmax(50, 20, 3)
    >>> sorted(set(b.tolist()))
    [0, 1, 2]
    """
    m, n, random = _start(m, n, seed)
    classes = checks.count(classes, "classes")
    a = _design(random, m, n)
    scores = a @ random.randn(n, classes)
    return a, np.argmax(scores + random.randn(m, classes), axis=1)
