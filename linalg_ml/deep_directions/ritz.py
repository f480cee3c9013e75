"""Right-hand sides to train on: random mixtures of Ritz vectors, or of sine modes."""

import math

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.random import generator
from linalg_ml.deep_directions.stencil import GridPoisson
from linalg_ml.krylov.lanczos import ritz_vectors

WEIGHT = 9.0  # of the lower part of the spectrum, over the rest
_NULL = 1e-8  # Ritz values below belong to the solids
_AT_ONCE = 2**24  # numbers


def ritz_mixtures(a, count, /, *, steps=None, theta=None, weight=WEIGHT, rng=None):
    """Draw unit right-hand sides as random mixtures of the Ritz vectors of an operator.

    Parameters
    ----------
    a : GridPoisson
        The operator.
    count : int
        How many.
    steps : int, optional
        Steps of the Lanczos process. None: a quarter of the open cells.
    theta : int, optional
        The lower part holds half of the Ritz vectors and theta more. None: 5 % of the steps, as
        in the paper's 500 of 10 000.
    weight : float
        Size of the coefficients in the lower part, over that in the rest.
    rng : None, int or numpy.random.Generator
        For the start of the process and the coefficients.

    Returns
    -------
    ndarray of shape (count, *grid)
        float32, each of unit 2-norm, zero in solids.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    b = sum_j c_j y_j, c_j normal with standard deviation ``weight`` for the lower Ritz vectors
    y_j and 1 for the others. The Lanczos process starts at A g with a normal g and is fully
    reorthogonalised: k steps on n cells take about 4 k^2 n multiplications, and memory for k n
    numbers.

    References
    ----------
    A. Kaneda, O. Akar, J. Chen, V. Kala, D. Hyde, J. Teran, "A Deep Conjugate Direction Method
    for Iteratively Solving Linear Systems", ICML 2023, arXiv:2205.10763.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.deep_directions import GridPoisson, ritz_mixtures
    >>> a = GridPoisson(np.ones((16, 16), bool))
    >>> b = ritz_mixtures(a, 3, rng=0)
    >>> b.shape, np.linalg.norm(b.reshape(3, -1), axis=1).round(6)
    ((3, 16, 16), array([1., 1., 1.], dtype=float32))
    """
    checks.instance(a, GridPoisson, "a")
    count = checks.count(count, "count", minimum=0)
    weight = checks.number(weight, "weight", above=0)
    rng = generator(rng)
    steps = max(1, a.unknowns // 4) if steps is None else checks.count(steps, "steps")
    if steps > a.unknowns:
        raise ValueError(f"steps must be at most the {a.unknowns} open cells, got {steps}")
    theta = round(0.05 * steps) if theta is None else checks.count(theta, "theta", minimum=0)
    start = a.matvec(rng.standard_normal(a.shape[0]))
    values, vectors = ritz_vectors(a.matvec, start, steps, rng=rng)
    vectors = vectors[:, values > _NULL]
    low = min(steps // 2 + theta, vectors.shape[1])
    sizes = np.where(np.arange(vectors.shape[1]) < low, weight, 1.0)
    made = np.empty((count, a.shape[0]), np.float32)
    for part in _parts(count, steps):
        coefficients = sizes * rng.standard_normal((part.stop - part.start, len(sizes)))
        b = coefficients @ vectors.T
        made[part] = b / np.linalg.norm(b, axis=1, keepdims=True)
    return made.reshape(count, *a.grid)


def sine_mixtures(grid, count, /, *, weight=WEIGHT, theta=0.05, rng=None):
    """Draw unit right-hand sides as random mixtures of the sine modes of an empty box.

    Parameters
    ----------
    grid : tuple of int
        Shape of the grid.
    count : int
        How many.
    weight : float
        Size of the coefficients in the lower part of the spectrum, over that in the rest.
    theta : float
        The lower part ends at the fraction 1/2 + theta of the largest eigenvalue.
    rng : None, int or numpy.random.Generator
        For the coefficients.

    Returns
    -------
    ndarray of shape (count, *grid)
        float32, each of unit 2-norm.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    The sine modes are the eigenvectors that the Ritz vectors of the empty box approach, so this
    is nearly the law of `ritz_mixtures` without a Lanczos process: a product with a dense sine
    matrix along each axis.

    Examples
    --------
    >>> from linalg_ml.deep_directions import sine_mixtures
    >>> sine_mixtures((8, 8, 8), 2, rng=0).shape
    (2, 8, 8, 8)
    """
    if not isinstance(grid, (tuple, list)) or not grid:
        raise ValueError(f"grid must be a tuple of at least one int, got {grid!r}")
    grid = tuple(checks.count(n, f"grid[{i}]") for i, n in enumerate(grid))
    count = checks.count(count, "count", minimum=0)
    weight = checks.number(weight, "weight", above=0)
    theta = checks.number(theta, "theta")
    rng = generator(rng)
    lines = [np.arange(1, n + 1) * (math.pi / (n + 1)) for n in grid]
    eigenvalues = sum(np.meshgrid(*(2 - 2 * np.cos(line) for line in lines), indexing="ij"))
    sizes = np.where(eigenvalues < (0.5 + theta) * eigenvalues.max(), weight, 1.0)
    sines = [np.sin(np.outer(np.arange(1, len(line) + 1), line)) for line in lines]
    made = np.empty((count, *grid), np.float32)
    for part in _parts(count, math.prod(grid)):
        b = sizes * rng.standard_normal((part.stop - part.start, *grid))
        for axis, matrix in enumerate(sines, start=1):
            b = np.moveaxis(np.tensordot(matrix, b, (1, axis)), 0, axis)
        made[part] = b / np.sqrt(np.sum(b * b, axis=tuple(range(1, b.ndim)), keepdims=True))
    return made


def _parts(count, numbers):
    """Cut so many samples into slices of which one fits into memory."""
    length = max(1, _AT_ONCE // max(1, numbers))
    return [slice(i, min(i + length, count)) for i in range(0, count, length)]
