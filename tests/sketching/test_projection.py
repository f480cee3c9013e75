"""Sketch-and-project: exact expectations, rates, every sketch, every library."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

from linalg_ml import Status, sketch_and_project
from linalg_ml.problems import symmetric_with_eigenvalues

SKETCHES = [
    "gaussian-vector", "gaussian", "kaczmarz", "rows", "greedy", "sparse-sign", "count", "srht",
]  # fmt: skip
COSINES = np.cos(1 + np.arange(8)[:, None] * (np.arange(4) + 1.0))
ERROR = np.array([1.0, -2.0, 3.0, -4.0])


def system(m=40, n=12, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((m, n))
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((m, n))
    x = rng.standard_normal(n)
    return a.astype(dtype), (a @ x).astype(dtype), x


def mean_square_error(sketch, steps, draws, **options):
    """Return the mean of ||x_k - x*||^2 over the draws, from the error of the published table."""
    total = 0.0
    for seed in range(draws):
        x = sketch_and_project(
            COSINES, np.zeros(8), sketch=sketch, steps=steps, x0=ERROR, rng=seed, **options
        ).x
        total += np.sum(x**2) / draws
    return total


# Rates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sketch", "expected"),
    [("kaczmarz", (22.3106331462, 16.8161595188)), ("rows", (22.6186770659, 17.2087304390))],
)
def test_expected_error_of_kaczmarz(sketch, expected):
    """Exact expectations, from the recursion for the mean of the squared error."""
    norms = np.sum(COSINES**2, axis=1)
    p = norms / norms.sum() if sketch == "kaczmarz" else np.full(8, 1 / 8)
    moment, bound = np.outer(ERROR, ERROR), 1 - np.linalg.svd(COSINES)[1][-1] ** 2 / norms.sum()
    projections = [np.eye(4) - np.outer(r, r) / (r @ r) for r in COSINES]
    for j in (1, 2):
        moment = sum(q * t @ moment @ t for q, t in zip(p, projections, strict=True))
        assert np.trace(moment) == pytest.approx(expected[j - 1], rel=1e-10)
        measured = mean_square_error(sketch, j, 1000, block=1)
        assert measured == pytest.approx(expected[j - 1], rel=0.06)
        if sketch == "kaczmarz":
            assert np.trace(moment) <= 30 * bound**j


def test_rate_of_a_gaussian_vector_in_two_dimensions():
    """E[Z] = diag(s) / sum(s) exactly, for singular values 3 and 1."""
    a, total = np.diag([3.0, 1.0]), np.zeros(2)
    for seed in range(2500):
        x0 = np.array([1.0, 1.0])
        x = sketch_and_project(a, np.zeros(2), steps=1, x0=x0, rng=seed).x
        total += (x0 - x) / 2500
    np.testing.assert_allclose(total, [0.75, 0.25], atol=0.03)


@pytest.mark.parametrize(("block", "least"), [(5, 1.19e-4), (20, 0.1084), (40, 0.3287)])
def test_gaussian_blocks_see_past_large_singular_values(block, least):
    """lambda_min(E[Z]) jumps once the block holds more than the ten outliers."""
    s = np.r_[np.full(10, 100.0), np.ones(90)]
    gamma_low, gamma_high = 1e-9, 1e9
    for _ in range(200):
        gamma = np.sqrt(gamma_low * gamma_high)
        if np.sum(s**2 / (s**2 + gamma)) > block:
            gamma_low = gamma
        else:
            gamma_high = gamma
    surrogate = 1 / (1 + gamma)
    assert surrogate == pytest.approx(least, rel=0.25)
    x0 = np.zeros(100)
    x0[50] = 1.0
    moved = [
        1 - sketch_and_project(
            np.diag(s), np.zeros(100), sketch="gaussian", block=block, steps=1, x0=x0, rng=k
        ).x[50]
        for k in range(60)
    ]  # fmt: skip
    if block > 10:
        assert np.mean(moved) == pytest.approx(surrogate, rel=0.15)
    else:
        assert np.mean(moved) < 1e-3


@pytest.mark.parametrize("sketch", SKETCHES)
def test_the_error_never_grows(sketch):
    a, b, x = system()
    errors = []
    sketch_and_project(
        a, b, sketch=sketch, steps=40, rng=0,
        callback=lambda p: errors.append(np.linalg.norm(p.x - x)),
    )  # fmt: skip
    assert np.all(np.diff(errors) <= 1e-12)
    assert errors[-1] < 0.9 * np.linalg.norm(x)


def test_rate_of_coordinate_descent():
    w = np.linspace(1, 4, 10)
    a = symmetric_with_eigenvalues(w, rng=0)
    x0 = np.random.default_rng(0).standard_normal(10)
    before, after = x0 @ a @ x0, []
    for seed in range(200):
        x = sketch_and_project(
            a, np.zeros(10), sketch="kaczmarz", metric="energy", steps=20, x0=x0, rng=seed
        ).x
        after.append(x @ a @ x)
    assert np.mean(after) <= 1.02 * (1 - w[0] / w.sum()) ** 20 * before


def test_momentum_helps_where_the_rate_is_slow():
    w = np.geomspace(0.02, 1, 20)
    a = symmetric_with_eigenvalues(w, rng=0)
    b = a @ np.ones(20)
    plain, heavy = (
        sketch_and_project(
            a, b, sketch="gaussian", block=5, momentum=beta, rtol=1e-4, maxiter=20000, rng=0
        )
        for beta in (0.0, 0.5)
    )
    assert plain.converged and heavy.converged and heavy.nit < plain.nit


# Libraries and forms -----------------------------------------------------------------------


@pytest.mark.parametrize("sketch", SKETCHES)
def test_every_library(xp, sketch):
    if xp.library == "jax" and sketch != "kaczmarz":
        pytest.skip("most of the time would go into compiling")
    a, b, _ = system(dtype=np.float32)
    given = xp.array(b)
    result = sketch_and_project(xp.array(a), given, sketch=sketch, rtol=2e-2, rng=0)
    assert result.converged
    xp.assert_like(result.x, given, (12,))
    assert np.linalg.norm(b - a @ xp.to_numpy(result.x)) <= 2.01e-2 * np.linalg.norm(b)
    np.testing.assert_array_equal(xp.to_numpy(given), b)


@pytest.mark.parametrize("metric", ["identity", "energy"])
@pytest.mark.parametrize("sketch", SKETCHES)
def test_positive_definite_systems(sketch, metric):
    a = symmetric_with_eigenvalues(np.linspace(1, 3, 15), rng=0, dtype=np.complex128)
    x = np.random.default_rng(0).standard_normal((2, 15)) + 1j
    b = x @ a.T
    result = sketch_and_project(a, b, sketch=sketch, metric=metric, rtol=1e-6, rng=0)
    assert result.converged and result.residual.shape == (2,)
    np.testing.assert_allclose(result.x, x, atol=1e-4)


def test_forms_of_a_matrix():
    a = scipy.sparse.random_array((60, 20), density=0.3, rng=0).tocsr()
    b = a @ np.ones(20)
    for sketch in SKETCHES:
        dense = sketch_and_project(a.toarray(), b, sketch=sketch, steps=30, rng=0).x
        sparse = sketch_and_project(a, b, sketch=sketch, steps=30, rng=0).x
        np.testing.assert_allclose(sparse, dense, atol=1e-10)
    operator = aslinearoperator(a)
    assert sketch_and_project(operator, b, sketch="gaussian", rng=0).converged
    with pytest.raises(ValueError, match="needs the rows of a"):
        sketch_and_project(operator, b, sketch="kaczmarz")


def test_underdetermined_systems_tend_to_the_least_norm():
    a, _, _ = system(6, 20)
    b = np.arange(6.0)
    result = sketch_and_project(a, b, sketch="rows", block=2, rtol=1e-10, rng=0)
    assert result.converged
    np.testing.assert_allclose(result.x, np.linalg.lstsq(a, b)[0], atol=1e-8)


# Edges -------------------------------------------------------------------------------------


def test_edges():
    a, b, _ = system()
    zero = sketch_and_project(a, 0 * b, rng=0)
    assert zero.converged and zero.nit == 0 and not zero.x.any()
    assert sketch_and_project(np.zeros((3, 2)), np.zeros(3), rng=0).converged
    none = sketch_and_project(np.zeros((3, 2)), np.ones(3), sketch="kaczmarz", maxiter=9, rng=0)
    assert none.status is Status.MAXITER and not none.x.any()
    assert sketch_and_project(np.ones((1, 1)), np.ones(1), rng=0).x == pytest.approx(1)
    assert sketch_and_project(np.ones((0, 3)), np.ones(0)).x.shape == (3,)
    for bad in (np.nan, np.inf):
        spoilt = a.copy()
        spoilt[3, 4] = bad
        for sketch in SKETCHES:
            result = sketch_and_project(spoilt, b, sketch=sketch, rng=0)
            assert result.status is Status.NONFINITE_INPUT
    twice = np.repeat(a[:, :4], 2, axis=1)
    assert sketch_and_project(twice, twice.sum(1), sketch="gaussian", block=12, rng=0).converged
    inconsistent = sketch_and_project(a, np.arange(40.0), sketch="kaczmarz", maxiter=400, rng=0)
    assert inconsistent.status is Status.MAXITER
    indefinite = sketch_and_project(
        np.diag([1.0, -1.0, 2.0]), np.ones(3), sketch="gaussian", block=2, metric="energy", rng=0
    )
    assert indefinite.status is Status.BREAKDOWN
    short = sketch_and_project(a.astype(np.float32), b.astype(np.float32), precision="bf16", rng=0)
    assert short.converged and short.precision.startswith("bf16")


@pytest.mark.parametrize("metric", ["identity", "energy"])
@pytest.mark.parametrize("sketch", ["gaussian-vector", "rows", "greedy", "count"])
def test_data_of_any_size(sketch, metric):
    a, b, _ = system(12, 12)
    a, b = a.T @ a + np.eye(12), a.T @ b
    options = {"sketch": sketch, "metric": metric, "maxiter": 20, "rng": 0}
    expected = sketch_and_project(a, b, **options)
    for size in (1e-300, 1e-160, 1e160, 1e300):
        result = sketch_and_project(a * size, b * size, **options)
        assert result.status is expected.status
        np.testing.assert_allclose(result.x, expected.x, rtol=1e-6, atol=1e-9)
        assert result.residual == pytest.approx(size * expected.residual)


@pytest.mark.parametrize("sketch", ["kaczmarz", "greedy", "gaussian"])
def test_a_right_hand_side_that_is_not_finite_spoils_no_other(sketch):
    a, b, _ = system()
    result = sketch_and_project(a, np.stack([b, b * np.nan]), sketch=sketch, rng=0)
    assert tuple(result.statuses) == (Status.CONVERGED, Status.NONFINITE_INPUT)


def test_wrong_arguments():
    a, b, _ = system()
    for options, error, message in (
        ({"sketch": "kaczmarz++"}, ValueError, "did you mean 'kaczmarz'"),
        ({"metric": "a"}, ValueError, "metric must be one of"),
        ({"metric": "energy"}, ValueError, "must be square"),
        ({"momentum": 1.0}, ValueError, "momentum must be"),
        ({"block": 2}, ValueError, "block must be 1"),
        ({"block": 41, "sketch": "rows"}, ValueError, "at most m = 40"),
        ({"x0": np.ones(3)}, ValueError, "x0 must have shape"),
    ):
        with pytest.raises(error, match=message):
            sketch_and_project(a, b, **options)
    with pytest.raises(ValueError, match=r"a must have shape \(3, n\)"):
        sketch_and_project(a, np.ones(3))
