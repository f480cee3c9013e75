"""Colours for the unknowns of a sparse matrix: those of one colour do not depend on each other."""

import numpy as np

from linalg_ml.kernels.dispatch import kernels

_CLOSER = 4.0  # times, from which another order than the numbering pays


def pattern_of(a):
    """Return the graph of a SciPy sparse matrix, both ways, without its diagonal, as CSR."""
    from scipy.sparse import csr_array

    coo = a.tocoo()
    off = (coo.row != coo.col) & (coo.data != 0)
    rows, columns = coo.row[off], coo.col[off]
    ends = np.concatenate([rows, columns]), np.concatenate([columns, rows])
    graph = csr_array((np.ones(2 * rows.size), ends), shape=a.shape)
    graph.sum_duplicates()
    return graph


def color_by_color(a):
    """Colour the graph of a sparse matrix with few colours, and put each colour together.

    Parameters
    ----------
    a : SciPy sparse matrix (n, n)

    Returns
    -------
    order : array of int of shape (n,)
        The unknowns of the first colour, then those of the second, and so on; two colours where
        two are enough (red-black on a grid, the first unknown red). Within a colour they stand as
        they are numbered or, where that brings neighbours much closer together in memory, in
        breadth-first order.
    bounds : tuple of int
        Where the colours begin and end.

    Notes
    -----
    Greedy colouring along a breadth-first order finds two colours if there are two. Otherwise the
    vertices are coloured in the order of decreasing degree (Welsh and Powell, 1967), which needs
    at most one colour more than the largest degree.
    """
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    n = a.shape[0]
    if n == 0:
        return np.zeros(0, np.int64), (0,)
    graph = pattern_of(a)
    breadth_first = reverse_cuthill_mckee(graph, symmetric_mode=True)[::-1].astype(np.int64)
    colors = _colors(graph, breadth_first)
    bounds = np.concatenate([[0], np.cumsum(np.bincount(colors))])
    places, near = np.arange(n), np.empty(n, np.int64)
    near[breadth_first] = places
    if _CLOSER * _mean_distance(graph, near) < _mean_distance(graph, places):
        places = near
    return np.lexsort((places, colors)), tuple(int(bound) for bound in bounds)


def _colors(graph, breadth_first):
    """Return the colour of each vertex, counted from 0."""
    greedy = kernels("numpy").color_labels
    colors, count = greedy(graph, breadth_first, balanced=False)
    if count <= 2:
        return colors if colors[0] == 0 else 1 - colors
    decreasing = np.argsort(-np.diff(graph.indptr), kind="stable").astype(np.int64)
    other, fewer = greedy(graph, decreasing, balanced=False)
    return other if fewer <= count else colors


def _mean_distance(graph, places):
    """Return how far apart neighbours are in memory, on average."""
    rows = np.repeat(places, np.diff(graph.indptr))
    return np.abs(rows - places[graph.indices]).mean() if graph.nnz else 0.0
