"""Colours for the unknowns of a sparse matrix: those of one colour do not depend on each other."""

import numpy as np

from linalg_ml.kernels.dispatch import kernels


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


def color(a):
    """Colour the graph of a sparse matrix with few colours.

    Parameters
    ----------
    a : SciPy sparse matrix (n, n)

    Returns
    -------
    array of int of shape (n,)
        The colours, counted from 0: two where two are enough (red-black on a grid, the first
        unknown red), else those of the greedy algorithm.

    Notes
    -----
    Greedy colouring along a breadth-first order finds two colours if there are two. Otherwise the
    vertices are coloured in the order of decreasing degree (Welsh and Powell, 1967), which needs
    at most one colour more than the largest degree.
    """
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    n = a.shape[0]
    if n == 0:
        return np.zeros(0, np.int64)
    graph = pattern_of(a)
    greedy = kernels("numpy").color_labels
    breadth_first = reverse_cuthill_mckee(graph, symmetric_mode=True)[::-1].astype(np.int64)
    colors, count = greedy(graph, breadth_first, balanced=False)
    if count <= 2:
        return colors if colors[0] == 0 else 1 - colors
    decreasing = np.argsort(-np.diff(graph.indptr), kind="stable").astype(np.int64)
    other, fewer = greedy(graph, decreasing, balanced=False)
    return other if fewer <= count else colors


def color_by_color(colors):
    """Return the order that puts each colour together, and where the colours begin and end."""
    bounds = np.concatenate([[0], np.cumsum(np.bincount(colors))])
    return np.argsort(colors, kind="stable"), tuple(int(bound) for bound in bounds)
