"""Systems on forests: against dense solves, and the edge that closes a cycle."""

import numpy as np
import pytest
import scipy.sparse as sp

from linalg_ml import Status
from linalg_ml.problems import lattice_labels
from linalg_ml.relaxation import grow_forest, solve_forest


def random_forest(n, rng, roots=3):
    """Return a diagonally dominant matrix whose graph is a forest, in random order."""
    a = np.zeros((n, n))
    for i in range(roots, n):
        j = rng.integers(i)
        a[i, j] = a[j, i] = rng.standard_normal()
    a += np.diag(np.abs(a).sum(axis=1) + rng.uniform(0.1, 1, n))
    shuffle = rng.permutation(n)
    return a[np.ix_(shuffle, shuffle)]


@pytest.mark.parametrize("n", [1, 2, 3, 10, 200])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_against_a_dense_solve(n, dtype, rng):
    a = random_forest(n, rng)
    b = rng.standard_normal(n).astype(dtype)
    result = solve_forest(sp.csr_array(a), b)
    assert result.converged and result.x.dtype == dtype
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(result.x, np.linalg.solve(a, b), rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(solve_forest(a, b).x, result.x)


def test_empty():
    assert solve_forest(np.zeros((0, 0)), np.zeros(0)).x.shape == (0,)


def test_a_forest_in_the_lattice_problem():
    problem = lattice_labels()
    order = np.random.default_rng(0).permutation(2400)
    block = grow_forest(problem.a, order)
    assert 1400 < block.size < 1650
    inside = problem.a[block][:, block]
    result = solve_forest(inside, problem.b[block])
    size = abs(inside) @ np.abs(result.x) + np.abs(problem.b[block])
    assert np.all(np.abs(inside @ result.x - problem.b[block]) <= 1e-15 * size)


def test_unsorted_and_duplicate_entries(rng):
    a = sp.coo_array(random_forest(30, rng))
    halves = sp.csr_array(
        (np.r_[a.data, a.data] / 2, (np.r_[a.row, a.row], np.r_[a.col, a.col])), shape=a.shape
    )
    flipped = sp.csr_array(halves[:, ::-1])[:, ::-1]
    b = rng.standard_normal(30)
    np.testing.assert_allclose(solve_forest(flipped, b).x, np.linalg.solve(a.toarray(), b))


@pytest.mark.parametrize("n", [3, 4, 9])
def test_the_edge_that_closes_a_cycle(n):
    ring = 3 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    solve_forest(ring, np.ones(n))
    ring[0, -1] = ring[-1, 0] = -1
    with pytest.raises(ValueError, match=r"edge \((\d+), (\d+)\) closes a cycle") as caught:
        solve_forest(ring, np.ones(n))
    u, v = (int(word) for word in str(caught.value).split("(")[1].split(")")[0].split(","))
    assert ring[u, v] == -1
    ring[u, v] = ring[v, u] = 0  # without that edge it is a forest
    assert solve_forest(ring, np.ones(n)).converged


def test_a_stored_zero_is_no_edge():
    full = np.full((3, 3), 1.0)
    a = sp.csr_array(full)
    a.data[:] = [4, 1, 0, 1, 4, 1, 0, 1, 4]
    assert solve_forest(a, np.ones(3)).converged


def test_statuses():
    a = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert solve_forest(np.diag([1.0, 0.0]), np.ones(2)).status is Status.BREAKDOWN
    assert solve_forest(a, np.ones(2)).status is Status.BREAKDOWN
    assert solve_forest(np.eye(2), np.array([1, np.nan])).status is Status.NONFINITE_INPUT


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.eye(3), np.ones(2), "a must have shape"),
        (np.eye(3)[:2], np.ones(2), "a must have shape"),
        (np.eye(3), np.ones((3, 1)), "b must have shape"),
        (np.triu(np.ones((2, 2))), np.ones(2), "symmetric"),
    ],
)
def test_wrong_arguments(a, b, message):
    with pytest.raises(ValueError, match=message):
        solve_forest(a, b)


def test_complex_is_refused():
    with pytest.raises(TypeError, match="real"):
        solve_forest(np.eye(2), np.ones(2) * 1j)
