"""Label propagation: known labels spread over a graph by a quadratic that a sparse matrix holds.

With weights w_ij between nodes and labels y at some of them, the others minimise
sum_ij w_ij (x_i - x_j)^2 / 4 summed over ordered pairs, x = y where labels are known: that is
x^T A x / 2 - b^T x + constant with A = diag(W 1) - W on the unknown nodes and b = W_ul y.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.random import generator


@dataclass(frozen=True)
class LabelProblem:
    """A quadratic over the nodes without labels.

    Attributes
    ----------
    a : scipy.sparse.csr_array of shape (n, n)
    b : array of shape (n,)
    unknown, labelled : int arrays
        Nodes of the graph, sorted; in the order they were drawn.
    labels : array
        Those of the labelled nodes.
    positions : array of shape (nodes, 2)
    """

    a: Any
    b: np.ndarray
    unknown: np.ndarray
    labelled: np.ndarray
    labels: np.ndarray
    positions: np.ndarray


def _pose(weights, labelled, labels, positions):
    from scipy.sparse import csr_array, diags_array

    unknown = np.setdiff1d(np.arange(weights.shape[0]), labelled)
    laplacian = csr_array(diags_array(np.asarray(weights.sum(axis=1)).ravel()) - weights)
    rows = laplacian[unknown]
    return LabelProblem(
        rows[:, unknown], -(rows[:, labelled] @ labels), unknown, labelled, labels, positions
    )


def lattice_labels(rows=50, columns=50, *, labelled=100, weight=1e5, seed=1):
    """Return label propagation on a lattice, each node tied to its four neighbours.

    Parameters
    ----------
    rows, columns : int
        Node c * rows + r is in row r and column c.
    labelled : int
        Nodes with labels, drawn without replacement; labels are normal with deviation 10.
    weight : float
        Of every edge.
    seed : int
        Seed of NumPy's legacy generator.

    Returns
    -------
    LabelProblem

    References
    ----------
    J. Nutini, I. Laradji, M. Schmidt, "Let's Make Block Coordinate Descent Converge Faster",
    JMLR 23, 2022. arXiv:1712.08859. With the defaults, their data set D, whose optimal value is
    -1045999575.22707.

    Examples
    --------
    >>> from linalg_ml.problems import lattice_labels
    >>> problem = lattice_labels()
    >>> problem.a.shape, problem.labelled[:3].tolist()
    ((2400, 2400), [1406, 297, 1276])
    """
    from scipy.sparse import coo_array

    rows, columns = checks.count(rows, "rows"), checks.count(columns, "columns")
    n = rows * columns
    if not checks.count(labelled, "labelled") <= n:
        raise ValueError(f"labelled must be at most {n}, the number of nodes, got {labelled}")
    weight = checks.number(weight, "weight", above=0)
    random = np.random.RandomState(checks.count(seed, "seed", minimum=0))
    node = np.arange(n)
    r, c = node % rows, node // rows
    down, right = node[r < rows - 1], node[c < columns - 1]
    ends = np.r_[down, right], np.r_[down + 1, right + rows]
    half = coo_array((np.full(ends[0].size, weight), ends), shape=(n, n)).tocsr()
    drawn = random.choice(n, labelled, replace=False)
    return _pose(half + half.T, drawn, random.randn(labelled) * 10, np.stack([c, r], axis=1))


def two_moons_labels(n=2000, *, labelled=100, neighbors=5, noise=0.05, rng=1):
    """Return label propagation on the graph of nearest neighbours of two interlocking moons.

    Parameters
    ----------
    n : int
        Points, half of them on each moon.
    labelled : int
        Points with labels: 1 on the upper moon, -1 on the lower one.
    neighbors : int
        Points are joined where one is among so many nearest neighbours of the other.
    noise : float
        Standard deviation of the points about the moons, half circles of radius one.
    rng : None, int or numpy.random.Generator

    Returns
    -------
    LabelProblem
        Positive definite unless a part of the graph has no label in it.

    References
    ----------
    J. Nutini, I. Laradji, M. Schmidt, "Let's Make Block Coordinate Descent Converge Faster",
    JMLR 23, 2022. arXiv:1712.08859. Their data set E is of this kind; its points are their own.

    Examples
    --------
    >>> from linalg_ml.problems import two_moons_labels
    >>> two_moons_labels(200, labelled=20).a.shape
    (180, 180)
    """
    from scipy.sparse import coo_array
    from scipy.spatial import cKDTree

    n = checks.count(n, "n", minimum=2)
    neighbors = checks.count(neighbors, "neighbors")
    if not neighbors < n:
        raise ValueError(f"neighbors must be less than n = {n}, got {neighbors}")
    if not checks.count(labelled, "labelled") <= n:
        raise ValueError(f"labelled must be at most n = {n}, got {labelled}")
    noise = checks.number(noise, "noise", minimum=0)
    rng = generator(rng)
    upper = np.arange(n) < (n + 1) // 2
    angle = np.where(upper, np.linspace(0, 2 * np.pi, n), np.linspace(-2 * np.pi, 0, n)) % np.pi
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    points = np.stack([x, y], axis=1) + noise * rng.standard_normal((n, 2))
    _, nearest = cKDTree(points).query(points, neighbors + 1)
    ends = np.repeat(np.arange(n), neighbors), nearest[:, 1:].reshape(-1)
    graph = coo_array((np.ones(ends[0].size), ends), shape=(n, n)).tocsr()
    graph = graph.maximum(graph.T)
    graph.setdiag(0)
    graph.eliminate_zeros()
    drawn = rng.choice(n, labelled, replace=False)
    return _pose(graph.tocsr(), drawn, np.where(upper[drawn], 1.0, -1.0), points)
