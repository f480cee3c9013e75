"""Trace estimators: exact where they must be, unbiased, and as accurate as published."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from linalg_ml import Status, sketching

METHODS = ["xtrace", "hutch++", "hutchinson"]
SPECTRA = {
    "linear": np.linspace(3, 1, 500),
    "power": np.arange(1, 501) ** -2.0,
    "geometric": 0.7 ** np.arange(1, 501),
}


def estimate(*arguments, **options):
    return sketching.estimate_trace(*arguments, **options)


def relative_error(d, **options):
    """Return the mean over 10 seeds, on a diagonal matrix turned by a random reflection."""
    v = np.random.default_rng(0).standard_normal(d.size)
    v *= (2 / (v @ v)) ** 0.5
    a = np.diag(d) - np.outer(v, d * v) - np.outer(d * v, v) + np.outer(v, v) * (v @ (d * v))
    errors = [abs(estimate(a, rng=k, **options).x / d.sum() - 1) for k in range(10)]
    return float(np.mean(errors))


@pytest.mark.parametrize(
    ("spectrum", "products", "hutch", "xtrace"),
    [
        ("linear", 60, 2.0e-3, 1.9e-3),
        ("power", 30, 3.5e-3, 3.9e-3),
        ("power", 120, 2.4e-4, 1.5e-4),
        ("geometric", 60, 1.1e-4, 4.8e-6),
        ("geometric", 120, 7.0e-8, 8.3e-11),
    ],
)
def test_published_accuracy(spectrum, products, hutch, xtrace):
    """Mean relative errors computed independently, within a factor of 3."""
    for method, expected in (("hutch++", hutch), ("xtrace", xtrace)):
        error = relative_error(SPECTRA[spectrum], products=products, method=method)
        assert expected / 3 < error < 3 * expected


def leave_one_out(a, omega):
    """Return the trace estimates of XNysTrace by its definition, one vector left out at a time."""
    n, m = omega.shape
    samples = []
    for i in range(m):
        others = np.delete(omega, i, axis=1)
        y = a @ others
        rest = a - y @ np.linalg.solve(others.T @ y, y.T)
        q, _ = np.linalg.qr(others)
        w = omega[:, i] - q @ (q.T @ omega[:, i])
        samples.append(np.trace(a - rest) + (n - m + 1) * (w @ rest @ w) / (w @ w))
    return np.array(samples)


def test_xnystrace_is_what_it_says():
    rng = np.random.default_rng(2)
    a = rng.standard_normal((20, 20))
    a = a @ a.T
    result = estimate(a, products=8, method="xnystrace", rng=5)
    samples = leave_one_out(a, np.random.default_rng(5).standard_normal((20, 8)))
    assert float(result.x) == pytest.approx(samples.mean(), rel=1e-10)
    assert result.standard_error == pytest.approx(samples.std(ddof=1) / 8**0.5, rel=1e-8)


def test_xnystrace_is_better_on_definite_matrices():
    for spectrum, products in (("power", 120), ("geometric", 60)):
        options = {"products": products}
        ours = relative_error(SPECTRA[spectrum], method="xnystrace", **options)
        assert ours < relative_error(SPECTRA[spectrum], method="xtrace", **options)
    assert relative_error(SPECTRA["geometric"], products=60, method="xnystrace") < 1e-7


def test_xnystrace_is_unbiased_and_refuses_other_matrices():
    rng = np.random.default_rng(1)
    a = rng.standard_normal((12, 12)) + 1j * rng.standard_normal((12, 12))
    a = a @ a.conj().T
    draws = np.array([estimate(a, products=7, method="xnystrace", rng=k).x for k in range(800)])
    assert abs(draws.mean() - np.trace(a)) < 4.5 * draws.std() / 800**0.5
    result = estimate(-a, products=7, method="xnystrace", rng=0)
    assert result.status is Status.BREAKDOWN and np.isnan(result.x)
    assert estimate(0 * a, products=7, method="xnystrace", rng=0).x == 0
    low = np.outer(np.arange(30.0), np.arange(30.0))
    assert estimate(low, products=12, method="xnystrace", rng=0).x == pytest.approx(np.trace(low))
    result = estimate(np.diag([1.0, np.nan] * 9), products=12, method="xnystrace", rng=0)
    assert result.status is Status.NONFINITE_INPUT


def test_variance_of_random_signs():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((30, 30))
    a = a + a.T
    draws = [
        estimate(a, products=5, method="hutchinson", rng=k).x - np.trace(a) for k in range(2000)
    ]
    expected = 2 * (np.sum(a**2) - np.sum(np.diag(a) ** 2)) / 5
    assert np.var(draws) == pytest.approx(expected, rel=0.1)
    assert abs(np.mean(draws)) < 4 * (expected / 2000) ** 0.5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_estimates_are_unbiased(method, kind):
    rng = np.random.default_rng(1)
    a = rng.standard_normal((12, 12))
    if kind == "complex":
        a = a + 1j * rng.standard_normal((12, 12))
    results = [estimate(a, products=7, method=method, rng=k) for k in range(800)]
    draws = np.array([result.x for result in results])
    assert all(result.counts["matvecs"] <= 7 for result in results)
    deviation = np.std(draws) / len(draws) ** 0.5
    assert abs(np.mean(draws) - np.trace(a)) < 4.5 * deviation
    claimed = np.mean([result.standard_error**2 for result in results]) ** 0.5
    assert 0.3 < claimed / np.std(draws) < 3


@pytest.mark.parametrize("method", [*METHODS, "xnystrace"])
def test_every_library(xp, method):
    if xp.library == "jax" and method != "hutchinson":
        pytest.skip("most of the time would go into compiling")
    rng = np.random.default_rng(0)
    a = rng.standard_normal((2, 40, 6)) if xp.library != "jax" else rng.standard_normal((40, 6))
    a = (a @ a.mT).astype(np.float32)
    given = xp.array(a)
    result = estimate(given, products=20, method=method, rng=0)
    assert result.status is Status.FIXED_STEPS and result.success
    xp.assert_like(result.x, given, a.shape[:-2])
    assert result.standard_error is not None
    trace = np.trace(a, axis1=-2, axis2=-1)
    tolerance = 0.7 if method == "hutchinson" else 1e-5
    np.testing.assert_allclose(xp.to_numpy(result.x), trace, rtol=tolerance)
    np.testing.assert_array_equal(xp.to_numpy(given), a)
    for index in np.ndindex(*a.shape[:-2]):
        alone = estimate(xp.array(a[index]), products=20, method=method, rng=0)
        assert float(alone.x) == pytest.approx(float(xp.to_numpy(result.x)[index]), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_forms_of_a_matrix(method):
    a = scipy.sparse.random_array((50, 50), density=0.1, rng=0).tocsr()
    dense = estimate(a.toarray(), products=20, method=method, rng=0).x
    assert estimate(a, products=20, method=method, rng=0).x == pytest.approx(dense)
    operator = LinearOperator((50, 50), matvec=lambda x: a @ x, dtype=float)
    assert estimate(operator, products=20, method=method, rng=0).x == pytest.approx(dense)
    for form in (a, a.toarray(), operator):
        read = estimate(form, products=50, method=method)
        assert read.x == pytest.approx(a.trace()) and read.standard_error == 0


@pytest.mark.parametrize("method", METHODS)
def test_edges(method):
    assert estimate(np.zeros((30, 30)), products=10, method=method).x == 0
    assert estimate(np.ones((1, 1)), products=4, method=method).x == 1
    assert estimate(np.zeros((0, 0)), products=4, method=method).x == 0
    if method != "hutch++":  # there every sample is exact
        assert estimate(np.eye(30), products=10, method=method, rng=0).x == pytest.approx(30)
    low = np.outer(np.arange(30.0), np.ones(30))
    if method != "hutchinson":
        assert estimate(low, products=12, method=method, rng=0).x == pytest.approx(435)
    for bad in (np.nan, np.inf):
        a = np.eye(30)
        a[3, 4] = bad
        result = estimate(a, products=10, method=method)
        assert result.status is Status.NONFINITE_INPUT and np.isnan(result.x)
    broken = LinearOperator((30, 30), matvec=lambda x: x * np.nan, dtype=float)
    assert estimate(broken, products=10, method=method).status is Status.USER_FUNCTION


@pytest.mark.parametrize("method", ["xtrace", "xnystrace", "hutch++", "hutchinson"])
def test_every_matrix_of_a_stack_has_its_status(method):
    g = np.diag(0.5 ** np.arange(12.0))
    stack = np.stack([g, g * np.nan, g * 1e-300, -g])
    result = sketching.estimate_trace(stack, products=8, method=method, rng=0)
    plain = sketching.estimate_trace(g, products=8, method=method, rng=0)
    last = Status.BREAKDOWN if method == "xnystrace" else Status.FIXED_STEPS
    expected = (Status.FIXED_STEPS, Status.NONFINITE_INPUT, Status.FIXED_STEPS, last)
    assert tuple(result.statuses) == expected
    assert np.isnan(result.x[1]) and np.isnan(result.standard_error[1])
    for i, size in ((0, 1), (2, 1e-300)):
        assert result.x[i] / size == pytest.approx(float(plain.x), rel=1e-9)
        found = result.standard_error[i] / size
        assert found == pytest.approx(plain.standard_error, rel=1e-6, abs=1e-12)
    assert sketching.estimate_trace(stack[:0], products=8, method=method).x.shape == (0,)


def test_short_formats_keep_about_their_digits():
    a = np.diag(0.7 ** np.arange(60)).astype(np.float32)
    for precision, roundoff in (("bf16", 2.0**-8), ("fp16", 2.0**-11)):
        result = estimate(a, products=40, precision=precision, rng=0)
        assert abs(result.x / np.trace(a) - 1) < 4 * roundoff
        assert result.precision.startswith(precision)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((np.ones((3, 4)),), {"products": 9}, ValueError, r"shape \(..., n, n\)"),
        ((np.eye(3),), {"products": 3}, ValueError, "products must be at least 4"),
        ((np.eye(3),), {"products": 9, "method": "hutch"}, ValueError, r"did you mean 'hutch\+\+'"),
        ((len,), {"products": 9}, TypeError, "a must be an array, a sparse matrix or an operator"),
    ],
)
def test_wrong_arguments(arguments, options, error, message):
    with pytest.raises(error, match=message):
        estimate(*arguments, **options)
