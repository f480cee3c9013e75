"""Principal component pursuit: the published recoveries, optimality, inputs that are special."""

import numpy as np
import pytest
import scipy.linalg

from linalg_ml import Status
from linalg_ml.low_rank import (
    AlternatingDirections,
    AugmentedLagrangian,
    robust_pca,
)
from tests.conftest import BACKENDS, backend_ready
from tests.low_rank.random_problems import error, large_outliers, moderate_outliers, signs

LOW_RANK_FIRST = AlternatingDirections(growth=1.5, penalty=1.25)
METHODS = ("alm", "exact-alm", "adm", LOW_RANK_FIRST)

# Steps, entries of S, and the errors of L and S on matrices of order 500 and rank 25.
TABLE = [
    (signs, 0.05, "alm", 18, 12500, 9.84e-7, 8.6e-8),
    (signs, 0.1, LOW_RANK_FIRST, 20, 25000, 3.46e-6, 6.5e-8),
    (large_outliers, 0.05, "alm", 23, 12500, 6.44e-8, 1.1e-8),
]


@pytest.mark.parametrize(("make", "share", "method", "nit", "entries", "low_error", "rest"), TABLE)
def test_published_recoveries(make, share, method, nit, entries, low_error, rest):
    low, sparse = make(share=share)
    result = robust_pca(low + sparse, method=method)
    assert result.converged and result.nit == nit and result.rank == 25
    assert np.count_nonzero(result.sparse) == entries
    assert error(result.x, low) == pytest.approx(low_error, rel=0.01)
    assert error(result.sparse, sparse) == pytest.approx(rest, rel=0.05)


def test_published_recoveries_with_fixed_mu():
    small, outliers = signs(200, 10)
    result = robust_pca(small + outliers, method="adm")
    assert result.nit == 43
    assert error(result.x, small) == pytest.approx(1.66e-6, rel=0.01)
    result = robust_pca(small + outliers, method="alm")
    assert result.nit == 18 and np.count_nonzero(result.sparse) == 2000
    assert error(result.x, small) == pytest.approx(6.34e-7, rel=0.01)


def test_large_outliers_with_fixed_mu():
    """Outliers up to 500 slow a fixed mu down, 4.6 times here: it is set by their mean."""
    low, sparse = large_outliers(200, 10)
    result = robust_pca(low + sparse, method="adm")
    quick = robust_pca(low + sparse, method="alm")
    assert result.converged and result.rank == quick.rank == 10
    assert error(result.x, low) < 1e-6 and error(result.sparse, sparse) < 2e-8
    assert 4 * quick.nit < result.nit < 6 * quick.nit


@pytest.mark.parametrize("svd", ["lapack", "qr", "gram", "randomized"])
def test_every_decomposition_gives_the_same(svd):
    low, sparse = signs(120, 4)
    result = robust_pca(low + sparse, method=AugmentedLagrangian(svd=svd), rng=0)
    expected = robust_pca(low + sparse, method="alm")
    assert result.converged and result.nit == expected.nit
    assert error(result.x, expected.x) < 1e-6


@pytest.mark.parametrize("shape", [(30, 18), (18, 30)])
def test_the_objective_is_minimal(shape, rng):
    """The multipliers of plain steps, scaled to be feasible, bound the minimum from below."""
    m = rng.standard_normal((shape[0], 2)) @ rng.standard_normal((2, shape[1]))
    m = m + 4 * rng.standard_normal(shape) * (rng.random(shape) < 0.1)
    lam = max(shape) ** -0.5
    bound, objective = plain_steps(m, lam)
    assert bound == pytest.approx(objective, rel=1e-5)
    for method in METHODS:
        result = robust_pca(m, method=method)
        assert result.converged
        values = np.linalg.svd(result.x, compute_uv=False)
        assert result.objective == pytest.approx(
            values.sum() + lam * np.abs(result.sparse).sum(), rel=1e-9
        )
        assert result.lower_bound <= objective
        assert bound * (1 - 1e-6) <= result.objective
        if method in ("adm", "exact-alm"):
            assert result.objective <= bound * (1 + 1e-5)
    assert robust_pca(m, method="adm").lower_bound == pytest.approx(bound, rel=1e-5)
    # The inexact method stops where the constraint holds, and that near the minimum as mu is slow.
    slow = robust_pca(m, method=AugmentedLagrangian(growth=1.1))
    assert slow.lower_bound == pytest.approx(bound, rel=2e-3)
    assert slow.objective == pytest.approx(bound, rel=1e-5)


def plain_steps(m, lam):
    """Make the literal steps of Candes, Li, Ma and Wright; return a lower bound and a value."""
    mu = m.size / (4 * np.abs(m).sum())
    sparse, y = np.zeros_like(m), np.zeros_like(m)
    for _ in range(4000):
        low, values = thresholded(m - sparse + y / mu, 1 / mu)
        rest = m - low + y / mu
        sparse = np.sign(rest) * np.maximum(np.abs(rest) - lam / mu, 0)
        y = y + mu * (m - low - sparse)
    y = y / max(np.linalg.norm(y, 2), np.abs(y).max() / lam)
    return np.sum(m * y), values.sum() + lam * np.abs(sparse).sum()


def thresholded(a, threshold):
    """Return a with its singular values shrunk, and those."""
    u, s, vh = scipy.linalg.svd(a, full_matrices=False)
    s = np.maximum(s - threshold, 0)
    return (u * s) @ vh, s


@pytest.mark.parametrize("method", ["alm", "exact-alm", LOW_RANK_FIRST])
def test_missing_entries(method):
    low, sparse = moderate_outliers(150, 3)
    observed = np.random.default_rng(1).random(low.shape) < 0.7
    matrix = np.where(observed, low + sparse, np.nan)
    result = robust_pca(matrix, method=method, observed=observed)
    assert result.converged and result.rank in (3, 4)
    assert error(result.x, low) < 1e-5
    assert not result.sparse[~observed].any()
    everything = robust_pca(low + sparse, method=method, observed=np.ones_like(observed))
    plain = robust_pca(low + sparse, method=method)
    np.testing.assert_allclose(everything.x, plain.x, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_factored_output(method):
    low, sparse = signs(60, 3)
    u, s, vh = robust_pca(low + sparse, method=method, factored=True).x
    plain = robust_pca(low + sparse, method=method)
    np.testing.assert_allclose((u * s) @ vh, plain.x, atol=1e-8)
    np.testing.assert_allclose(u.T @ u, np.eye(len(s)), atol=1e-12)
    np.testing.assert_allclose(vh @ vh.T, np.eye(len(s)), atol=1e-10)
    assert plain.rank == len(s) and s[3:].sum() < 1e-6


@pytest.mark.parametrize("method", ["alm", "exact-alm", "adm"])
@pytest.mark.parametrize("name", ["numpy-fortran", "strict", "torch", "numpy-readonly"])
def test_array_libraries(method, name):
    low, sparse = signs(40, 2)
    observed = np.random.default_rng(1).random(low.shape) < 0.95
    expected = robust_pca(low + sparse, method=method, observed=observed, rtol=1e-6)
    (backend,) = [b for b in BACKENDS if b.name == name]
    with backend_ready(backend) as xp:
        matrix = xp.array(low + sparse)
        seen = xp.array(observed)
        result = robust_pca(matrix, method=method, observed=seen, rtol=1e-6)
        assert result.converged and result.nit == expected.nit
        xp.assert_like(result.x, matrix)
        xp.assert_like(result.sparse, matrix)
        np.testing.assert_allclose(xp.to_numpy(result.x), expected.x, atol=1e-9)
        np.testing.assert_array_equal(xp.to_numpy(matrix), low + sparse)


def test_jax_in_fp32():
    jnp = pytest.importorskip("jax.numpy")
    low, sparse = signs(40, 2)
    matrix = np.float32(low + sparse)
    expected = robust_pca(matrix, method="alm", steps=2)
    result = robust_pca(jnp.asarray(matrix), method="alm", steps=2)
    assert result.x.dtype == jnp.float32
    assert error(result.x, expected.x) < 1e-5


@pytest.mark.parametrize("size", [1e-30, 1e30, 1e-3])
def test_scaling(size):
    low, sparse = signs(60, 3)
    plain = robust_pca(low + sparse, method="alm")
    scaled = robust_pca(size * (low + sparse), method="alm")
    assert scaled.converged and scaled.nit == plain.nit
    np.testing.assert_allclose(scaled.x / size, plain.x, atol=1e-9)
    assert scaled.objective == pytest.approx(size * plain.objective, rel=1e-9)
    single = robust_pca(np.float32(size) * np.float32(low + sparse), method="alm")
    assert single.converged and error(np.float64(single.x) / size, low) < 1e-3


@pytest.mark.parametrize("precision", ["bf16", "fp16", "tf32", "fp32"])
def test_precision(precision):
    low, sparse = signs(80, 3)
    result = robust_pca(np.float32(low + sparse), method="alm", precision=precision)
    assert result.converged and precision in result.precision
    limit = {"bf16": 0.2, "fp16": 0.05, "tf32": 0.05, "fp32": 1e-4}[precision]
    assert error(result.x, low) < limit


@pytest.mark.parametrize("method", METHODS)
def test_special_matrices(method):
    zero = robust_pca(np.zeros((6, 4)), method=method)
    assert zero.converged and zero.nit == 0 and not zero.x.any() and not zero.sparse.any()
    fixed = robust_pca(np.zeros((6, 4)), method=method, steps=2)
    assert fixed.success and not fixed.x.any()
    empty = robust_pca(np.zeros((0, 4)), method=method)
    assert empty.converged and empty.x.shape == (0, 4)
    constant = robust_pca(np.full((30, 20), 2.0), method=method)
    assert constant.converged and constant.rank == 1
    np.testing.assert_allclose(constant.x, 2.0, atol=1e-5)
    nothing = robust_pca(np.ones((6, 4)), method=method, observed=np.zeros((6, 4), bool))
    assert nothing.converged and not nothing.x.any()


@pytest.mark.parametrize("method", METHODS)
def test_one_column(method, rng):
    """||l||_2 + lam ||s||_1 with l + s = m is at most ||m||_2."""
    m = rng.standard_normal((50, 1))
    result = robust_pca(m, method=method)
    assert result.converged
    best = np.linalg.norm(m)
    assert result.objective <= best * (1 + 1e-3)
    single = robust_pca(np.array([[3.0]]), method=method)
    assert single.converged and abs(single.x + single.sparse - 3) < 1e-5


def test_weights_at_the_ends(rng):
    m = rng.standard_normal((20, 15))
    everything_low = robust_pca(m, method="alm", lam=2.0)  # |Y| <= ||Y||_2 <= 1 < lam
    np.testing.assert_allclose(everything_low.x, m, atol=1e-5)
    assert not everything_low.sparse.any()
    everything_sparse = robust_pca(m, method="alm", lam=1e-3)
    np.testing.assert_allclose(everything_sparse.sparse, m, atol=1e-5)
    assert everything_sparse.rank == 0


def test_only_outliers(rng):
    m = np.zeros((100, 100))
    m.flat[rng.choice(m.size, 200, replace=False)] = 5.0
    result = robust_pca(m, method="alm")
    assert result.converged and result.rank == 0
    np.testing.assert_allclose(result.sparse, m, atol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite(bad):
    m = np.ones((5, 4))
    m[2, 3] = bad
    result = robust_pca(m, method="alm")
    assert result.status is Status.NONFINITE_INPUT and np.isnan(result.x).all()
    observed = np.isfinite(m)
    assert robust_pca(m, method="alm", observed=observed).converged


def test_arguments():
    m = np.ones((5, 4))
    for lam in (0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="lam must be"):
            robust_pca(m, method="alm", lam=lam)
    with pytest.raises(ValueError, match=r"observed must have shape \(5, 4\)"):
        robust_pca(m, method="alm", observed=np.ones((4, 5), bool))
    with pytest.raises(TypeError, match="observed must hold booleans"):
        robust_pca(m, method="alm", observed=np.ones((5, 4)))
    with pytest.raises(ValueError, match="rank does not belong"):
        robust_pca(m, method="alm", rank=2)
    with pytest.raises(ValueError, match="svd must be one of"):
        robust_pca(m, method=AugmentedLagrangian(svd="full"))


def test_resuming_from_a_low_rank_part():
    low, sparse = signs(60, 3)
    for method in METHODS:
        result = robust_pca(low + sparse, method=method, x0=low)
        assert result.converged and error(result.x, low) < 1e-4
    with pytest.raises(ValueError, match="x0 must have shape"):
        robust_pca(low, method="alm", x0=low[:5])
