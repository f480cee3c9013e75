"""Sequences of systems that differ by a random multiple of the identity."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.random import generator


def truncated_gaussian(n, *, rng=None):
    """Draw a standard normal vector whose norm is at most sqrt(n).

    Parameters
    ----------
    n : int
    rng : None, int or numpy.random.Generator

    Returns
    -------
    ndarray of shape (n,)

    Notes
    -----
    Vectors are drawn until one is short enough, about two on average. The direction is uniform.

    Examples
    --------
    >>> from linalg_ml.problems import truncated_gaussian
    >>> b = truncated_gaussian(100, rng=0)
    >>> round(float(b @ b) ** 0.5, 6)
    9.655422
    """
    n, rng = checks.count(n, "n"), generator(rng)
    while True:
        b = rng.standard_normal(n)
        if b @ b <= n:
            return b


def shifted_systems(a, count, /, *, shape=(2.0, 6.0), low=-0.15, width=0.6, rng=None):
    """Draw systems (A + c I) x = b one by one, with c from a beta distribution.

    Parameters
    ----------
    a : sparse matrix of shape (n, n)
        With a diagonal that has no holes.
    count : int
        How many systems.
    shape : (float, float)
        Parameters p and q of the beta distribution.
    low, width : float
        The shifts are low + width * Beta(p, q).
    rng : None, int or numpy.random.Generator
        Each system draws its shift, then its right-hand side.

    Yields
    ------
    matrix : scipy.sparse.csr_array
        A + c I.
    b : ndarray of shape (n,)
        From `truncated_gaussian`.
    c : float
        The shift, to serve as context.

    References
    ----------
    M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, "Learning to relax: setting solver parameters
    across a sequence of linear system instances", ICLR 2024, arXiv 2310.02246: the five-point
    Laplacian on 10 by 10 points with Beta(2, 6) and Beta(1/2, 3/2).

    Examples
    --------
    >>> from linalg_ml.problems import delsq, numgrid, shifted_systems
    >>> a = delsq(numgrid("S", 12))
    >>> for matrix, b, c in shifted_systems(a, 2, rng=1000):
    ...     print(round(c, 8), round(float(matrix[0, 0]), 8))
    -0.08555227 3.91444773
    0.12543916 4.12543916
    """
    from scipy.sparse import csr_array

    count = checks.count(count, "count", minimum=0)
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise ValueError(f"shape must hold two numbers, got {shape!r}")
    p, q = (checks.number(value, "shape", above=0) for value in shape)
    low, width = checks.number(low, "low"), checks.number(width, "width", minimum=0)
    a = csr_array(a, dtype=np.float64)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ValueError(f"a must have shape (n, n), got shape {a.shape}")
    rows = np.repeat(np.arange(a.shape[0]), np.diff(a.indptr))
    diagonal = np.flatnonzero(rows == a.indices)
    if diagonal.size != a.shape[0]:
        raise ValueError("a must store each diagonal entry once; sum duplicates, fill holes")
    return _draw(a, diagonal, count, (p, q), (low, width), generator(rng))


def _draw(a, diagonal, count, shape, interval, rng):
    from scipy.sparse import csr_array

    low, width = interval
    for _ in range(count):
        c = low + width * rng.beta(*shape)
        data = a.data.copy()
        data[diagonal] += c
        matrix = csr_array((data, a.indices, a.indptr), shape=a.shape)
        yield matrix, truncated_gaussian(a.shape[0], rng=rng), c
