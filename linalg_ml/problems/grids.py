"""The five-point Laplacian on a square or an L, numbered as MATLAB does."""

import numpy as np

from linalg_ml._core import checks

DOMAINS = ("S", "L")


def numgrid(domain, n, /):
    """Number the interior points of a domain on an n by n grid, column by column.

    Parameters
    ----------
    domain : "S" or "L"
        The whole square, or an L: the square without the quadrant of x <= 0 and y <= 0.
    n : int
        Points along a side, with those on the boundary.

    Returns
    -------
    ndarray of shape (n, n), int64
        1, 2, ... in the interior, 0 on the boundary and outside.

    Notes
    -----
    As MATLAB's function of the same name: rows go down in y, columns right in x.

    Examples
    --------
    >>> from linalg_ml.problems import numgrid
    >>> numgrid("L", 6)
    array([[ 0,  0,  0,  0,  0,  0],
           [ 0,  1,  3,  5,  9,  0],
           [ 0,  2,  4,  6, 10,  0],
           [ 0,  0,  0,  7, 11,  0],
           [ 0,  0,  0,  8, 12,  0],
           [ 0,  0,  0,  0,  0,  0]])
    """
    checks.choice(domain, DOMAINS, "domain")
    n = checks.count(n, "n", minimum=2)
    x = np.linspace(-1, 1, n)[None, :]
    y = -x.T
    inside = (np.abs(x) < 1) & (np.abs(y) < 1)
    if domain == "L":
        inside &= (x > 1e-12) | (y > 1e-12)  # 0 is not met exactly for every n
    numbers = np.zeros((n, n), dtype=np.int64)
    columns = inside.T.nonzero()
    numbers.T[columns] = np.arange(1, columns[0].size + 1)
    return numbers


def delsq(numbers, /):
    """Make the five-point Laplacian of a numbered grid, with zero boundary values.

    Parameters
    ----------
    numbers : array of int, shape (m, n)
        As from `numgrid`: 1, 2, ..., N inside, each once, and 0 elsewhere, so on the border.

    Returns
    -------
    scipy.sparse.csr_array of shape (N, N), float64
        4 on the diagonal and -1 for each neighbour inside. The matrix is not divided by the
        square of the mesh width.

    Examples
    --------
    >>> from linalg_ml.problems import delsq, numgrid
    >>> delsq(numgrid("S", 4)).toarray()
    array([[ 4., -1., -1.,  0.],
           [-1.,  4.,  0., -1.],
           [-1.,  0.,  4., -1.],
           [ 0., -1., -1.,  4.]])
    """
    from scipy.sparse import coo_array

    numbers = np.asarray(numbers)
    if numbers.ndim != 2 or numbers.dtype.kind not in "iu":
        raise ValueError(
            f"numbers must be integers of shape (m, n), got {numbers.dtype} {numbers.shape}"
        )
    size = int(numbers.max(initial=0))
    inside = np.sort(numbers[numbers > 0])
    if not np.array_equal(inside, np.arange(1, size + 1)):
        raise ValueError("numbers must hold each of 1, 2, ..., N once, and 0 elsewhere")
    pairs = [np.stack([inside - 1, inside - 1])]
    for here, there in ((numbers[:-1], numbers[1:]), (numbers[:, :-1], numbers[:, 1:])):
        both = (here > 0) & (there > 0)
        one, other = here[both] - 1, there[both] - 1
        pairs += [np.stack([one, other]), np.stack([other, one])]
    rows, columns = np.concatenate(pairs, axis=1).astype(np.int32)
    values = np.where(rows == columns, 4.0, -1.0)
    return coo_array((values, (rows, columns)), shape=(size, size)).tocsr()
