"""Partitions of the coordinates into blocks: by position, by size of the constants, by graph."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_sparse
from linalg_ml.kernels.dispatch import kernels

ORDERS = ("order", "sort", "average")


def split_coordinates(keys, size, *, order="order"):
    """Cut the coordinates into blocks of equal size.

    Parameters
    ----------
    keys : array of shape (n,)
        What "sort" and "average" sort by, usually the Lipschitz constants; only its length
        matters to "order".
    size : int
        Coordinates in a block; the last block has fewer where ``size`` does not divide n.
    order : {"order", "sort", "average"}
        "order": as they come. "sort": by key, so that coordinates with large constants share
        blocks and spoil no others. "average": smallest, largest, second smallest, second
        largest, and so on, so that all blocks are alike.

    Returns
    -------
    tuple of int arrays

    Examples
    --------
    >>> from linalg_ml.relaxation import split_coordinates
    >>> [block.tolist() for block in split_coordinates([4.0, 1.0, 3.0, 2.0], 2, order="sort")]
    [[1, 3], [2, 0]]
    >>> [block.tolist() for block in split_coordinates([4.0, 1.0, 3.0, 2.0], 2, order="average")]
    [[1, 0], [3, 2]]
    """
    keys = np.asarray(keys)
    size = checks.count(size, "size")
    checks.choice(order, ORDERS, "order")
    ranked = np.arange(keys.size)
    if order != "order":
        ranked = np.argsort(keys, kind="stable")
    if order == "average":
        folded = np.empty_like(ranked)
        half = (keys.size + 1) // 2
        folded[::2], folded[1::2] = ranked[:half], ranked[half:][::-1]
        ranked = folded
    return tuple(ranked[first : first + size] for first in range(0, keys.size, size))


def red_black(shape, *, keep=None):
    """Colour the nodes of a lattice like a chessboard.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the lattice; node c * rows + r is in row r and column c.
    keep : int array, optional
        Sorted nodes that are unknowns; blocks number them from zero.

    Returns
    -------
    tuple of two int arrays
        The nodes with r + c even, and the others. Neighbours are never in one block.

    Examples
    --------
    >>> from linalg_ml.relaxation import red_black
    >>> [block.tolist() for block in red_black((2, 3))]
    [[0, 3, 4], [1, 2, 5]]
    """
    r, c = _lattice(shape)
    return _two_blocks((r + c) % 2 == 0, keep)


def lattice_trees(shape, *, keep=None):
    """Divide the nodes of a lattice into two interlocking combs, each of them a tree.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the lattice; node c * rows + r is in row r and column c.
    keep : int array, optional
        Sorted nodes that are unknowns; blocks number them from zero.

    Returns
    -------
    tuple of two int arrays
        The last row with the odd columns, and the first row with the even ones.

    Examples
    --------
    >>> from linalg_ml.relaxation import lattice_trees
    >>> [block.tolist() for block in lattice_trees((3, 2))]
    [[2, 4, 5], [0, 1, 3]]
    """
    r, c = _lattice(shape)
    rows = shape[0]
    return _two_blocks(~((r == 0) | ((c % 2 == 0) & (r < rows - 1))), keep)


def _lattice(shape):
    rows, columns = (checks.count(length, "shape", minimum=0) for length in shape)
    node = np.arange(rows * columns)
    return (node % rows, node // rows) if rows else (node, node)


def _two_blocks(first, keep):
    if keep is not None:
        first = first[np.asarray(keep)]
    return np.flatnonzero(first), np.flatnonzero(~first)


def color_graph(a, /, *, order=None):
    """Colour the graph of a matrix greedily: no two neighbours are in one block.

    Parameters
    ----------
    a : sparse matrix of shape (n, n), or array
        Symmetric; i and j are neighbours where a_ij is not zero.
    order : int array of shape (n,), optional
        In which order nodes are coloured; None takes decreasing diagonal entries.

    Returns
    -------
    tuple of int arrays
        One block for each colour. Each node gets the least used of the colours that its
        coloured neighbours leave.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.relaxation import color_graph
    >>> path = np.diag([2.0] * 4) - np.diag(np.ones(3), 1) - np.diag(np.ones(3), -1)
    >>> [block.tolist() for block in color_graph(path)]
    [[0, 2], [1, 3]]
    """
    return _blocks(kernels("numpy").color_labels, a, order)


def tree_partition(a, /, *, order=None):
    """Divide the graph of a matrix greedily into forests: the graph of each block has no cycle.

    Parameters
    ----------
    a : sparse matrix of shape (n, n), or array
        Symmetric; i and j are neighbours where a_ij is not zero.
    order : int array of shape (n,), optional
        In which order nodes are placed; None takes decreasing diagonal entries.

    Returns
    -------
    tuple of int arrays
        Each node is in the first forest in which it closes no cycle.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.relaxation import tree_partition
    >>> [block.tolist() for block in tree_partition(np.ones((4, 4)))]
    [[0, 1], [2, 3]]
    """
    return _blocks(kernels("numpy").forest_labels, a, order)


def grow_forest(a, order, /):
    """Return the nodes that, taken in this order, close no cycle in the graph of a matrix.

    Parameters
    ----------
    a : sparse matrix of shape (n, n), or array
        Symmetric; i and j are neighbours where a_ij is not zero.
    order : int array
        Nodes, the most wanted first.

    Returns
    -------
    int array
        In increasing order. A node is taken where its neighbours taken before belong to
        different trees.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.relaxation import grow_forest
    >>> grow_forest(np.ones((4, 4)), np.array([2, 0, 1, 3])).tolist()
    [0, 2]
    """
    a = as_graph(a)
    labels, _ = kernels("numpy").forest_labels(a, np.asarray(order, np.int64), 1)
    return np.flatnonzero(labels == 0)


def as_graph(a):
    """Return a symmetric matrix as a CSR array with 32-bit indices and merged entries."""
    from scipy.sparse import csr_array

    a = csr_array(a if is_sparse(a) else checks.square(a, "a"))
    if a.shape[0] != a.shape[1]:
        raise ValueError(f"a must have shape (n, n), got shape {a.shape}")
    if not a.has_canonical_format:
        a = a.copy()
        a.sum_duplicates()
    indices = (a.indices.astype(np.int32, copy=False), a.indptr.astype(np.int32, copy=False))
    return csr_array((a.data, *indices), shape=a.shape)


def _blocks(label_nodes, a, order):
    a = as_graph(a)
    if order is None:
        order = np.argsort(-a.diagonal(), kind="stable")
    order = np.asarray(order, np.int64)
    if not np.array_equal(np.sort(order), np.arange(a.shape[0])):
        raise ValueError(f"order must hold each node from 0 to {a.shape[0] - 1} once")
    labels, count = label_nodes(a, order)
    return tuple(np.flatnonzero(labels == k) for k in range(count))
