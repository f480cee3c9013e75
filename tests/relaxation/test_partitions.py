"""Partitions: every coordinate once, no neighbours in a colour, no cycles in a forest."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from linalg_ml.problems import lattice_labels, two_moons_labels
from linalg_ml.relaxation import (
    color_graph,
    grow_forest,
    lattice_trees,
    red_black,
    split_coordinates,
    tree_partition,
)


def is_partition(blocks, n):
    return np.array_equal(np.sort(np.concatenate([np.empty(0, int), *blocks])), np.arange(n))


def edges_and_parts(a, block):
    inside = sp.csr_array(a)[block][:, block]
    edges = (np.count_nonzero(inside.toarray()) - block.size) // 2
    return edges, connected_components(inside)[0]


def is_forest(a, block):
    edges, parts = edges_and_parts(a, block)
    return edges == block.size - parts


@pytest.mark.parametrize("order", ["order", "sort", "average"])
@pytest.mark.parametrize(("n", "size"), [(0, 3), (1, 3), (7, 3), (12, 3), (12, 12), (5, 9)])
def test_split_coordinates(order, n, size, rng):
    keys = rng.standard_normal(n)
    blocks = split_coordinates(keys, size, order=order)
    assert is_partition(blocks, n)
    assert all(block.size == size for block in blocks[:-1])
    if order == "sort":
        assert np.all(np.diff(keys[np.concatenate([np.empty(0, int), *blocks])]) >= 0)


def test_average_balances_the_blocks(rng):
    keys = rng.exponential(size=100)
    sums = {
        order: [keys[block].sum() for block in split_coordinates(keys, 4, order=order)]
        for order in ("sort", "average")
    }
    assert np.std(sums["average"]) < 0.5 * np.std(sums["sort"])
    # The first pairs hold the smallest and the largest.
    first = split_coordinates(keys, 2, order="average")[0]
    assert first.tolist() == [np.argmin(keys), np.argmax(keys)]


def test_the_lattice_of_the_paper():
    problem = lattice_labels()
    colours = red_black((50, 50), keep=problem.unknown)
    assert [block.size for block in colours] == [1199, 1201]
    assert [edges_and_parts(problem.a, block)[0] for block in colours] == [0, 0]
    trees = lattice_trees((50, 50), keep=problem.unknown)
    assert [block.size for block in trees] == [1197, 1203]
    assert is_partition(trees, 2400) and all(is_forest(problem.a, block) for block in trees)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2), (4, 7), (7, 4)])
def test_combs_are_trees(shape):
    a = lattice_labels(*shape, labelled=1).a  # only for the code path of a small lattice
    assert a.shape[0] == shape[0] * shape[1] - 1
    path = [sp.eye_array(k, k=1) + sp.eye_array(k, k=-1) for k in shape]
    graph = sp.kron(path[1], sp.eye_array(shape[0])) + sp.kron(sp.eye_array(shape[1]), path[0])
    graph = sp.csr_array(graph + 5 * sp.eye_array(shape[0] * shape[1]))
    blocks = lattice_trees(shape)
    assert is_partition(blocks, graph.shape[0])
    for block in blocks:
        assert block.size == 0 or edges_and_parts(graph, block) == (block.size - 1, 1)


@pytest.mark.parametrize("seed", range(3))
def test_general_graphs(seed):
    problem = two_moons_labels(300, labelled=10, rng=seed)
    colours = color_graph(problem.a)
    assert is_partition(colours, 290)
    assert all(edges_and_parts(problem.a, block)[0] == 0 for block in colours)
    forests = tree_partition(problem.a)
    assert is_partition(forests, 290)
    assert all(is_forest(problem.a, block) for block in forests)
    assert len(forests) < len(colours)
    # Nothing fits into an earlier forest: each node closes a cycle in all of them.
    order = np.argsort(-problem.a.diagonal(), kind="stable")
    place = np.argsort(order)
    for node in forests[-1]:
        for forest in forests[:-1]:
            before = forest[place[forest] < place[node]]
            assert not is_forest(problem.a, np.r_[before, node])


@pytest.mark.parametrize("seed", range(3))
def test_a_grown_forest_is_maximal(seed):
    problem = two_moons_labels(200, labelled=10, rng=seed)
    order = np.random.default_rng(seed).permutation(190)
    block = grow_forest(problem.a, order)
    assert is_forest(problem.a, block)
    for node in np.setdiff1d(np.arange(190), block):
        assert not is_forest(problem.a, np.r_[block, node])
    assert order[0] in block and order[1] in block


def test_wrong_arguments():
    with pytest.raises(ValueError, match="order must be one of"):
        split_coordinates(np.ones(4), 2, order="sorted")
    with pytest.raises(ValueError, match="size must be at least 1"):
        split_coordinates(np.ones(4), 0)
    with pytest.raises(ValueError, match="order must hold each node"):
        color_graph(np.eye(3), order=[0, 1, 1])
    with pytest.raises(ValueError, match="a must have shape"):
        tree_partition(np.ones((2, 3)))
