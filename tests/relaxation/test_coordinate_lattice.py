"""The lattice problem: the optimal value and the progress of exact block updates, as published."""

import numpy as np
import pytest
import scipy.sparse.linalg

from linalg_ml import Status, coordinate_descent
from linalg_ml.problems import lattice_labels, two_moons_labels
from linalg_ml.relaxation import color_graph, grow_forest, lattice_trees, red_black

OPTIMUM = -1045999575.2270697
# f(x_k) - f* after k = 1, 2, 5, ... updates, x_0 = 0.
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
RED_BLACK = (7.1410e8, 3.7340e8, 1.6897e8, 8.7072e7, 4.0693e7, 1.0989e7, 2.1270e6, 1.0321e5, 20.5)
TREES = (7.2055e8, 2.7383e8, 9.8085e7, 4.2740e7, 1.5936e7, 1.9225e6, 8.2423e4, 221.0, 2.8e-5)
# The greedy rules meet ties, which rounding decides: these break them by index, on a gradient
# that is computed afresh before each step.
FORESTS = {
    "gs": (3.4410e8, 1.9471e8, 8.0777e7, 3.7503e7, 1.4405e7, 1.6470e6, 6.4407e4),
    "gsl": (3.4410e8, 1.9471e8, 8.1101e7, 3.7621e7, 1.4276e7, 1.6154e6, 6.2259e4),
}
GENERAL = (9.0447e8, 8.1945e8, 6.6282e8, 5.1679e8, 3.8493e8, 2.5376e8, 1.7901e8)


@pytest.fixture(scope="module")
def lattice():
    return lattice_labels()


def gaps(lattice, steps, **options):
    """Return f(x_k) - f* for k = 0, ..., steps."""
    result = coordinate_descent(lattice.a, lattice.b, steps=steps, history=True, **options)
    return np.array([record["objective"] for record in result.history]) - OPTIMUM


def test_the_problem(lattice):
    assert lattice.labelled[:5].tolist() == [1406, 297, 1276, 2368, 438]
    x = scipy.sparse.linalg.spsolve(lattice.a.tocsc(), lattice.b)
    assert abs(-0.5 * lattice.b @ x - OPTIMUM) < 1e-6
    assert lattice.a.diagonal().max() == 4e5


def test_it_starts_from_zero(lattice):
    assert gaps(lattice, 0) == pytest.approx([-OPTIMUM])


@pytest.mark.parametrize(
    ("make", "table"), [(red_black, RED_BLACK), (lattice_trees, TREES)], ids=["red-black", "trees"]
)
def test_fixed_partitions(lattice, make, table):
    gap = gaps(lattice, 500, block=make((50, 50), keep=lattice.unknown))
    digits = [5e-5 if value > 1e3 else 3e-3 if value > 1 else 0.02 for value in table]
    for k, value, rel in zip(STEPS, table, digits, strict=True):
        assert gap[k] == pytest.approx(value, rel=rel), k


@pytest.mark.parametrize("rule", ["gs", "gsl"])
def test_greedy_forests(lattice, rule):
    """The first step to all digits; the others within what the ties decide."""
    gap = gaps(lattice, 100, block="forest", rule=rule)
    assert gap[1] == pytest.approx(FORESTS[rule][0], rel=5e-5)
    for k, value in zip(STEPS, FORESTS[rule], strict=False):
        assert gap[k] == pytest.approx(value, rel=0.1), k


@pytest.mark.parametrize("rule", ["gs", "gsl"])
def test_the_published_forests_by_their_own_ties(lattice, rule):
    """A literal loop with a fresh gradient gives the published digits."""
    a, b = lattice.a, lattice.b
    x = np.zeros(b.size)
    scale = np.sqrt(a.diagonal()) if rule == "gsl" else 1.0
    for k in range(1, 21):
        g = a @ x - b
        block = grow_forest(a, np.argsort(-np.abs(g) / scale, kind="stable"))
        x[block] += scipy.sparse.linalg.spsolve(a[block][:, block].tocsc(), -g[block])
        if k in STEPS:
            value = 0.5 * x @ (a @ x) - b @ x - OPTIMUM
            assert value == pytest.approx(FORESTS[rule][STEPS.index(k)], rel=5e-5), k


def test_the_largest_gradients(lattice):
    gap = gaps(lattice, 100, block=13, rule="gs")
    assert gap[[1, 2]] == pytest.approx(GENERAL[:2], rel=5e-5)
    for k, value in zip(STEPS, GENERAL, strict=False):
        assert gap[k] == pytest.approx(value, rel=0.01), k


def test_random_forests(lattice):
    gap = gaps(lattice, 100, block="forest", rule="random", rng=0)
    for k, value in {1: 5.5e8, 5: 1.35e8, 20: 2.8e7, 100: 6.2e5}.items():
        assert gap[k] == pytest.approx(value, rel=0.15), k


def test_forests_beat_red_black_to_a_solution(lattice):
    """General graph partitions converge, confirmed on the exact gradient."""
    nit = {}
    for block in ("colors", "trees"):
        result = coordinate_descent(lattice.a, lattice.b, block=block, rtol=1e-8)
        assert result.converged
        g = lattice.a @ result.x - lattice.b
        assert np.linalg.norm(g) <= 1.001e-8 * np.linalg.norm(lattice.b)
        nit[block] = result.nit
    assert nit["trees"] < nit["colors"]


def test_a_pass_is_as_many_updates_as_there_are_blocks():
    problem = two_moons_labels(300, labelled=30)
    blocks = len(color_graph(problem.a))
    assert blocks > 2
    for block, expected in (("colors", 1000 * blocks), (1, 1000 * problem.b.size)):
        result = coordinate_descent(problem.a, problem.b, block=block, rtol=0)
        assert result.status is Status.MAXITER and result.nit == expected
        assert result.counts["columns"] == 1000 * problem.b.size


def test_greedy_forests_without_ties(rng):
    """The first forest, of different weights everywhere, is that of a literal loop."""
    problem = lattice_labels(12, 12, labelled=20)
    scale = rng.uniform(0.5, 2, 124)
    a = scale[:, None] * problem.a.toarray() / 1e5 * scale
    b = rng.standard_normal(124)
    block = grow_forest(a, np.argsort(-np.abs(b) / np.sqrt(np.diagonal(a))))
    x = np.zeros(124)
    x[block] = np.linalg.solve(a[np.ix_(block, block)], b[block])
    result = coordinate_descent(a, b, rule="gsl", block="forest", steps=1)
    np.testing.assert_allclose(result.x, x, rtol=1e-10)
