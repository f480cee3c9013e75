"""Sketched least squares: as accurate as LAPACK, at the rate of the formula, honest elsewhere."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

from linalg_ml import Status, sketched_lstsq
from linalg_ml._core.precision import Arithmetic
from linalg_ml.sketching.sketched_problem import SketchedProblem

METHODS = ["fossils", "iterative", "lsqr"]


def problem(m=1500, n=40, condition=1e4, residual=1e-3, seed=0):
    """Return A, b, and the solution, which has norm 1."""
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.standard_normal((m, n + 1)))
    v, _ = np.linalg.qr(rng.standard_normal((n, n)))
    a = (u[:, :n] * np.geomspace(1, 1 / condition, n)) @ v.T
    x = rng.standard_normal(n)
    x /= np.linalg.norm(x)
    return a, a @ x + residual * u[:, n], x


def karlson_walden(a, b, x):
    """Return the Karlson-Walden estimate from the singular values of A, relative to ||A||_F."""
    size = np.linalg.norm(a, axis=0)
    _, s, vh = np.linalg.svd(a / size, full_matrices=False)
    r, theta = b - a @ x, np.linalg.norm(s) / np.linalg.norm(b)
    factor = theta / np.sqrt(1 + (theta * np.linalg.norm(size * x)) ** 2)
    c = (factor * np.linalg.norm(r)) ** 2
    return factor * np.linalg.norm((vh @ (a.T @ r / size)) / np.sqrt(s**2 + c)) / np.linalg.norm(s)


# Accuracy ----------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [1e1, 1e6, 1e10])
@pytest.mark.parametrize("residual", [1e-12, 1e-3, 1e3])
def test_forward_error_is_that_of_lapack(condition, residual):
    errors = {"lapack": [], **{method: [] for method in METHODS}}
    for seed in range(3):
        a, b, x = problem(condition=condition, residual=residual, seed=seed)
        errors["lapack"].append(np.linalg.norm(np.linalg.lstsq(a, b)[0] - x))
        for method in METHODS:
            result = sketched_lstsq(a, b, method=method, rng=seed)
            assert result.converged
            errors[method].append(np.linalg.norm(result.x - x))
    lapack = np.mean(errors["lapack"])
    assert np.mean(errors["fossils"]) < 10 * lapack
    assert np.mean(errors["iterative"]) < 10 * lapack
    assert np.mean(errors["lsqr"]) < 50 * lapack


@pytest.mark.parametrize("residual", [1e-12, 1e-3, 1e3])
def test_fossils_is_backward_stable(residual):
    a, b, _ = problem(condition=1e10, residual=residual)
    result = sketched_lstsq(a, b, rng=0)
    assert result.converged and result.residual <= 4 * 2.0**-53
    assert karlson_walden(a, b, result.x) < 10 * 2.0**-53
    assert result.condition < 40 * 1e10


@pytest.mark.parametrize("method", METHODS)
def test_the_backward_error_reported_is_that_of_x(method):
    a, b, _ = problem()
    for maxiter in (0, 5, 10):
        result = sketched_lstsq(a, b, method=method, maxiter=maxiter, rtol=1e-15, rng=0)
        assert result.status is Status.MAXITER
        assert 0.5 < result.residual / karlson_walden(a, b, result.x) < 2
    loose = sketched_lstsq(a, b, method=method, rtol=1e-6, rng=0)
    assert loose.converged and loose.residual <= 1e-6
    assert loose.nit < sketched_lstsq(a, b, method=method, rng=0).nit


@pytest.mark.parametrize("ratio", [4, 9, 16])
def test_rate_is_the_root_of_the_aspect_ratio_of_the_sketch(ratio):
    """||A (x - x*)|| falls by sqrt(n/s) a step but for the draw; LSQR at least as fast."""
    a, b, _ = problem(3000, 60, condition=1e3, residual=1e2)
    exact = np.linalg.lstsq(a, b)[0]
    for method in METHODS:
        rates = []
        for seed in range(4):
            errors = []
            sketched_lstsq(
                a,
                b,
                method=method,
                size=60 * ratio,
                steps=12,
                rng=seed,
                callback=lambda p, errors=errors: errors.append(np.linalg.norm(a @ (p.x - exact))),
            )
            rates.append((errors[11] / errors[3]) ** (1 / 8))
        assert 0.75 < np.mean(rates) * ratio**0.5 < (1.1 if method == "lsqr" else 1.3)


def test_the_start_is_nearly_optimal():
    a, b, _ = problem(4000, 20, residual=1.0)
    losses = []
    for seed in range(100):
        x = sketched_lstsq(a, b, steps=0, sketch="gaussian", size=100, rng=seed).x
        losses.append(np.linalg.norm(b - a @ x) ** 2)
    assert np.mean(losses) == pytest.approx(1 + 20 / (100 - 20 - 1), rel=0.04)


# Libraries and forms -----------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_library(xp, method):
    a, b, _ = problem(200, 8, condition=10.0)
    dtype = "float64" if xp.has_float64 else "float32"
    given_a, given_b = xp.array(a, dtype), xp.array(b, dtype)
    if xp.library == "jax":
        pytest.skip("most of the time would go into compiling")
    result = sketched_lstsq(given_a, given_b, method=method, rng=0)
    assert result.converged
    xp.assert_like(result.x, given_b, (8,))
    expected = np.linalg.lstsq(a, b)[0]
    tolerance = 1e-13 if xp.has_float64 else 1e-4
    np.testing.assert_allclose(xp.to_numpy(result.x), expected, atol=tolerance)
    np.testing.assert_array_equal(xp.to_numpy(given_b), b.astype(dtype))


@pytest.mark.parametrize("method", METHODS)
def test_stacks_and_complex_numbers(method):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((300, 10)) + 1j * rng.standard_normal((300, 10))
    b = rng.standard_normal((2, 3, 300)) + 1j * rng.standard_normal((2, 3, 300))
    b[1, 0] = 0
    result = sketched_lstsq(a, b, method=method, rng=0)
    assert result.converged and result.statuses.shape == result.residual.shape == (2, 3)
    expected = np.linalg.lstsq(a, b.reshape(6, 300).T)[0].T.reshape(2, 3, 10)
    np.testing.assert_allclose(result.x, expected, atol=1e-13)
    assert not result.x[1, 0].any()
    alone = sketched_lstsq(a, b[0, 1], method=method, rng=0)
    np.testing.assert_allclose(alone.x, result.x[0, 1], atol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_forms_of_a_matrix(method):
    a = scipy.sparse.random_array((400, 12), density=0.3, rng=0).tocsr()
    b = np.random.default_rng(0).standard_normal(400)
    expected = np.linalg.lstsq(a.toarray(), b)[0]
    for form in (a, a.tocsc(), aslinearoperator(a), np.asfortranarray(a.toarray())):
        result = sketched_lstsq(form, b, method=method, rng=0)
        assert result.converged
        np.testing.assert_allclose(result.x, expected, atol=1e-13)


@pytest.mark.parametrize("sketch", ["gaussian", "srht", "count", "rows"])
def test_every_sketch(sketch):
    a, b, _ = problem(1000, 10)
    assert sketched_lstsq(a, b, sketch=sketch, size=150, rng=0).converged


def test_single_precision():
    a, b, x = problem(condition=10.0)
    result = sketched_lstsq(a.astype(np.float32), b.astype(np.float32), rng=0)
    assert result.converged and result.x.dtype == np.float32
    assert np.linalg.norm(result.x - x) < 1e-5
    short = sketched_lstsq(a.astype(np.float32), b.astype(np.float32), precision="bf16", rng=0)
    assert np.linalg.norm(short.x - x) < 0.3


def test_large_matrices_are_read_by_blocks():
    from linalg_ml.kernels import agnostic, numpy_

    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.complex64):
        a = rng.standard_normal((3001, 150)).astype(dtype)
        assert a.nbytes > numpy_._SWEPT_BYTES
        x, b = rng.standard_normal(150).astype(dtype), rng.standard_normal(3001).astype(dtype)
        for rhs in (None, b):
            blocks = numpy_.residual_gradient(a, x, rhs)
            for mine, whole in zip(blocks, agnostic.residual_gradient(a, x, rhs), strict=True):
                assert mine.dtype == dtype
                error = np.linalg.norm(mine - whole) / np.linalg.norm(whole)
                assert error < 10 * np.finfo(dtype).eps


# Edges -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_rank_deficient_matrices(method):
    a, b, _ = problem(600, 20, condition=100.0)
    a[:, 7] = a[:, 3] - 2 * a[:, 5]
    a[:, 11] = 0
    result = sketched_lstsq(a, b, method=method, rng=0)
    assert result.status is Status.SINGULAR and not result.success and result.rank == 18
    least = np.linalg.norm(b - a @ np.linalg.lstsq(a, b, rcond=1e-12)[0])
    assert np.linalg.norm(b - a @ result.x) == pytest.approx(least, rel=1e-10)
    assert np.linalg.norm(result.x) < 1e3


@pytest.mark.parametrize("method", METHODS)
def test_edges(method):
    solve = lambda a, b, **o: sketched_lstsq(a, b, method=method, rng=0, **o)  # noqa: E731
    a, b, x = problem(100, 3, condition=2.0)
    zero = solve(a, 0 * b)
    assert zero.converged and not zero.x.any()
    consistent = solve(a, a @ x)
    assert consistent.converged and np.allclose(consistent.x, x, atol=1e-14)
    square = solve(np.diag([1.0, 2.0]), np.array([1.0, 4.0]))
    assert square.converged and np.allclose(square.x, [1, 2])
    assert solve(np.ones((5, 1)), np.arange(5.0)).x == pytest.approx(2)
    empty = solve(np.ones((5, 0)), np.ones(5))
    assert empty.converged and empty.x.shape == (0,)
    for bad in (np.nan, np.inf):
        spoilt = a.copy()
        spoilt[7, 1] = bad
        assert solve(spoilt, b).status is Status.NONFINITE_INPUT
        spoilt = b.copy()
        spoilt[7] = bad
        assert solve(a, spoilt).status is Status.NONFINITE_INPUT
    started = solve(a, b, x0=np.linalg.lstsq(a, b)[0], rtol=1e-12)
    assert started.converged and started.nit == 0
    for scale in (1e-150, 1e150):
        scaled = solve(scale * a, b)
        assert np.allclose(scaled.x * scale, solve(a, b).x, rtol=1e-10)
    recorded = solve(a, b, history=True)
    assert recorded.history[-1]["residual"] <= recorded.history[0]["residual"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_data_of_any_size(method, size):
    a, b, _ = problem(300, 10)
    expected = sketched_lstsq(a, b, method=method, rng=0).x
    for matrix in (a * size, scipy.sparse.csr_array(a * size)):
        result = sketched_lstsq(matrix, b * size, method=method, rng=0)
        assert result.converged
        np.testing.assert_allclose(result.x, expected, rtol=1e-8)
    other = 1e20 if size > 1 else 1e-20  # of A, so that x is neither huge nor tiny
    start = expected * (size / other)
    result = sketched_lstsq(a * other, b * size, method=method, x0=start, rng=0)
    assert result.converged
    np.testing.assert_allclose(result.x / (size / other), expected, rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_finite_spoils_nothing_else(method):
    a, b, _ = problem(300, 10)
    stack = np.stack([b, b * np.nan, 1e-200 * b])
    result = sketched_lstsq(a, stack, method=method, rng=0)
    assert [s is Status.CONVERGED for s in result.statuses] == [True, False, True]
    assert result.statuses[1] is Status.NONFINITE_INPUT
    assert np.isnan(result.x[1]).all() and np.isnan(result.residual[1])
    expected = sketched_lstsq(a, b, method=method, rng=0).x
    np.testing.assert_allclose(result.x[::2] / [[1], [1e-200]], [expected] * 2, rtol=1e-8)
    assert np.isnan(sketched_lstsq(a * np.inf, b, method=method, rng=0).x).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_matrix_of_zeros(method):
    result = sketched_lstsq(np.zeros((20, 3)), np.ones(20), method=method, rng=0)
    assert result.status is Status.SINGULAR and result.rank == 0
    assert not result.x.any() and result.residual == 0


@pytest.mark.parametrize("method", METHODS)
def test_who_stops_before_the_last_negligible_step_has_not_converged(method):
    a, b, x = problem(condition=1e6, residual=1.0)
    least = np.linalg.norm(np.linalg.lstsq(a, b)[0] - x)
    for steps in range(2, 14, 2):
        for stop in ({"maxiter": steps}, {"callback": lambda at, k=steps: at.nit >= k}):
            result = sketched_lstsq(a, b, method=method, rng=0, **stop)
            assert not result.converged or np.linalg.norm(result.x - x) < 50 * least


def test_no_hope_is_admitted():
    a, b, _ = problem(condition=1e8)
    result = sketched_lstsq(a, b, rtol=1e-25, rng=0)
    assert result.status in (Status.STAGNATED, Status.MAXITER) and result.residual > 1e-25


def test_wrong_arguments():
    with pytest.raises(ValueError, match="size must be at most 64 for sketch 'srht', got 65"):
        sketched_lstsq(np.ones((60, 2)), np.ones(60), sketch="srht", size=65)
    with pytest.raises(ValueError, match=r"a must have shape \(60, n\)"):
        sketched_lstsq(np.ones((50, 0)), np.ones(60))
    a, b = np.ones((6, 2)), np.ones(6)
    for call, error, message in (
        (lambda: sketched_lstsq(a, np.ones(5)), ValueError, r"a must have shape \(5, n\)"),
        (lambda: sketched_lstsq(a.T, np.ones(2)), ValueError, "as many rows as columns"),
        (lambda: sketched_lstsq(a, b, method="lsmr"), ValueError, "method must be one of"),
        (lambda: sketched_lstsq(a, b, sketch="sparse"), ValueError, "sketch must be one of"),
        (lambda: sketched_lstsq(a, b, size=1), ValueError, "size must be at least n = 2"),
        (lambda: sketched_lstsq(a, b, x0=np.ones(3)), ValueError, "x0 must have shape"),
        (lambda: sketched_lstsq(a, b, steps=3, rtol=1e-3), ValueError, "excludes"),
        (lambda: sketched_lstsq(a, b[None][0].astype(int)), TypeError, "floating-point"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_the_estimate_of_the_condition_number():
    for condition in (1e1, 1e5, 1e12):
        a, b, _ = problem(800, 20, condition=condition)
        scaled = a / np.linalg.norm(a, axis=0)
        known = SketchedProblem(a, b, Arithmetic(None, b), "sparse-sign", None, 0).condition
        exact = np.linalg.cond(scaled)
        assert 0.3 < known / exact < 10 * 20**0.5


def test_default_size_leaves_nothing_to_chance():
    """At 4 n rows and 30 columns one run in twenty needs hundreds of steps, or does not end."""
    rng = np.random.default_rng(0)
    u, _ = np.linalg.qr(rng.standard_normal((400, 11)))
    v, _ = np.linalg.qr(rng.standard_normal((10, 10)))
    a = (u[:, :10] * np.geomspace(1, 1e-4, 10)) @ v.T
    b = a @ np.ones(10) + 1e-3 * u[:, 10]
    for method in ("fossils", "iterative"):
        results = [sketched_lstsq(a, b, method=method, rng=seed) for seed in range(40)]
        assert all(result.converged for result in results)
        assert max(result.nit for result in results) < 60


@pytest.mark.parametrize("sketch", ["srht", "rows", "sparse-sign"])
def test_hardly_more_rows_than_columns(sketch):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((17, 12)), rng.standard_normal(17)
    x = sketched_lstsq(a, b, sketch=sketch, rng=0).x
    np.testing.assert_allclose(x, np.linalg.lstsq(a, b)[0], rtol=1e-9)
