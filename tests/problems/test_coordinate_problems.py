"""The problems of coordinate descent: what they are made of, and what is refused."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from linalg_ml import coordinate_descent
from linalg_ml.problems import (
    lattice_labels,
    sparse_least_squares,
    sparse_logistic,
    sparse_softmax,
    two_moons_labels,
)


def test_features_are_sparse_shifted_and_badly_scaled():
    a, b = sparse_least_squares(400, 600)
    density = a.nnz / (400 * 600)
    assert density == pytest.approx(10 * np.log(400) / 400, rel=0.02)
    scales = np.array([np.std(a[:, [j]].data) for j in range(600)])
    means = np.array([np.mean(a[:, [j]].data) for j in range(600)])
    assert np.median(scales) == pytest.approx(6.7, rel=0.15)  # the median of 10 |c|
    assert np.median(np.abs(means) / scales) == pytest.approx(1, abs=0.15)
    assert b.shape == (400,)


def test_draws_are_those_of_the_legacy_generator():
    """The same calls in the same order, written out for a small problem."""
    np.random.seed(3)  # noqa: NPY002
    x = np.random.randn(30, 20) + 1  # noqa: NPY002
    x = x @ np.diag(10 * np.random.randn(20))  # noqa: NPY002
    x = x * (np.random.rand(30, 20) < 10 * np.log(30) / 30)  # noqa: NPY002
    w = np.random.randn(20) * (np.random.rand(20) < 0.1)  # noqa: NPY002
    b = np.sign(x @ w) * np.sign(np.random.rand(30) - 0.1)  # noqa: NPY002
    a, labels = sparse_logistic(30, 20, seed=3)
    np.testing.assert_allclose(a.toarray(), x)
    np.testing.assert_array_equal(labels[b != 0], b[b != 0])


def test_softmax_classes_can_be_told_apart():
    a, b = sparse_softmax(60, 80, 5)
    assert set(b.tolist()) == set(range(5))
    result = coordinate_descent(
        a, b, loss="softmax", rule="gsl", block=20, update="newton", steps=150
    )
    assert result.objective < 1e-3 * 60 * np.log(5)


def test_two_moons():
    problem = two_moons_labels(500, labelled=40)
    assert problem.a.shape == (460, 460)
    assert np.linalg.eigvalsh(problem.a.toarray())[0] > 0
    weights = -problem.a.toarray()
    np.fill_diagonal(weights, 0)
    assert set(np.unique(weights)) == {0, 1}
    x = coordinate_descent(problem.a, problem.b, block="trees").unwrap()
    assert np.all(np.abs(x) <= 1 + 1e-4)  # labels in between
    upper = problem.unknown < 250
    assert np.mean(np.sign(x) == np.where(upper, 1, -1)) > 0.95
    degree = weights.sum(axis=1)
    assert degree.min() >= 5 - 3 and degree.mean() < 9


def test_the_graph_joins_points_of_one_moon():
    problem = two_moons_labels(1000, labelled=2, noise=0.02)
    count, part = connected_components(problem.a)
    assert count >= 2
    upper = problem.unknown < 500
    assert all(len(set(upper[part == k].tolist())) == 1 for k in range(count))


def test_lattice_right_hand_side():
    problem = lattice_labels(4, 3, labelled=2, weight=2.0, seed=0)
    dense = np.zeros(12)
    dense[problem.labelled] = problem.labels
    b = [
        2.0 * sum(dense[other] for other in range(12) if _neighbours(node, other))
        for node in problem.unknown
    ]
    np.testing.assert_allclose(problem.b, b)


def _neighbours(i, j):
    (r, c), (s, d) = (i % 4, i // 4), (j % 4, j // 4)
    return abs(r - s) + abs(c - d) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sparse_least_squares(1, 5), "m must be at least 2"),
        (lambda: sparse_softmax(5, 5, 0), "classes must be at least 1"),
        (lambda: lattice_labels(3, 3, labelled=10), "labelled must be at most 9"),
        (lambda: lattice_labels(weight=0.0), "weight must be > 0"),
        (lambda: two_moons_labels(5, neighbors=5), "neighbors must be less than n = 5"),
        (lambda: two_moons_labels(5, labelled=6, neighbors=2), "labelled must be at most n = 5"),
        (lambda: two_moons_labels(noise=-1.0), "noise must be >= 0"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
