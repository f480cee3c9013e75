"""Methods that know the rank: the published errors, missing entries, special inputs."""

import numpy as np
import pytest

from linalg_ml import Status
from linalg_ml.low_rank import AlternatingProjections, GoDec, ScaledGradient, robust_pca
from tests.conftest import BACKENDS, backend_ready
from tests.low_rank.random_problems import error, moderate_outliers

METHODS = ("alternating", "scaled-gradient", "godec")

# Share and size of the outliers, decay of the threshold, steps and error.
PUBLISHED = [
    (0.1, 1, 0.5, 13, 1.76e-6),
    (0.1, 1, 0.7, 24, 1.88e-6),
    (0.3, 1, 0.5, 14, 8.3e-6),
    (0.3, 1, 0.7, 25, 3.5e-6),
    (0.1, 5, 0.5, 12, 2.3e-6),
    (0.1, 5, 0.7, 22, 2.9e-6),
]


@pytest.mark.parametrize(("share", "times", "decay", "nit", "low_error"), PUBLISHED)
def test_published_alternating_projections(share, times, decay, nit, low_error):
    low, sparse = moderate_outliers(500, 5, share, times)
    result = robust_pca(low + sparse, method=AlternatingProjections(decay), rank=5, rng=0)
    assert result.converged and result.nit == nit and result.rank == 5
    assert error(result.x, low) == pytest.approx(low_error, rel=0.02)


@pytest.mark.parametrize(
    ("share", "errors"), [(0.1, (1.95e-2, 5.4e-3, 8.7e-5)), (0.3, (3.4e-2, 1.2e-2, 2.15e-4))]
)
def test_published_scaled_gradient(share, errors):
    low, sparse = moderate_outliers(500, 5, share)
    method = ScaledGradient(threshold=np.max(np.abs(low)))
    for steps, expected in zip((20, 40, 80), errors, strict=True):
        result = robust_pca(low + sparse, method=method, rank=5, rng=0, steps=steps)
        assert error(result.x, low) == pytest.approx(expected, rel=0.03)


def test_alternating_projections_at_order_1000():
    low, sparse = moderate_outliers(1000, 5)
    result = robust_pca(low + sparse, method="alternating", rank=5, rng=0)
    assert result.converged and error(result.x, low) < 1e-5
    # A step makes three products with blocks of 5 vectors, and nothing of order n^3.
    assert result.counts["flops"] < 100 * result.nit * 1000 * 1000


@pytest.mark.parametrize("shape", [(120, 80), (80, 120)])
@pytest.mark.parametrize("method", METHODS)
def test_recovery(method, shape, rng):
    low = rng.standard_normal((shape[0], 3)) @ rng.standard_normal((3, shape[1]))
    sparse = 5 * rng.standard_normal(shape) * (rng.random(shape) < 0.05)
    result = robust_pca(low + sparse, method=method, rank=3, rng=0)
    assert result.converged and result.rank == 3
    assert error(result.x, low) < 1e-4
    np.testing.assert_allclose(result.x + result.sparse, low + sparse, atol=2e-3)
    u, s, vh = result.factors
    np.testing.assert_allclose((u * s) @ vh, result.x, atol=1e-9)
    np.testing.assert_allclose(u.T @ u, np.eye(3), atol=1e-9)
    factored = robust_pca(low + sparse, method=method, rank=3, rng=0, factored=True).x
    np.testing.assert_allclose((factored[0] * factored[1]) @ factored[2], result.x, atol=1e-9)


@pytest.mark.parametrize("method", ["alternating", "scaled-gradient"])
def test_missing_entries(method):
    low, sparse = moderate_outliers(200, 4, 0.05)
    observed = np.random.default_rng(1).random(low.shape) < 0.6
    matrix = np.where(observed, low + sparse, np.nan)
    result = robust_pca(matrix, method=method, rank=4, observed=observed, rng=0)
    assert result.converged and error(result.x, low) < 1e-4
    assert not result.sparse[~observed].any()


def test_godec_separates_noise(rng):
    low = rng.standard_normal((150, 4)) @ rng.standard_normal((4, 100))
    places = rng.choice(low.size, 300, replace=False)
    sparse = np.zeros(low.shape)
    sparse.flat[places] = 20 * rng.choice([-1, 1], 300)
    noise = 0.01 * rng.standard_normal(low.shape)
    method = GoDec(share=300 / low.size)
    result = robust_pca(low + sparse + noise, method=method, rank=4, rng=0)
    assert result.converged and "L before" in result.criterion
    np.testing.assert_array_equal(result.sparse != 0, sparse != 0)
    assert error(result.x, low) < 0.005
    assert 0.9 < result.noise / np.linalg.norm(noise) < 1
    seen = rng.random(low.shape) < 0.9
    part = np.where(seen, low + sparse + noise, np.nan)
    roomy = GoDec(share=400 / low.size)  # it must have room for all wrong entries that are seen
    partial = robust_pca(part, method=roomy, rank=4, observed=seen, rng=0)
    assert error(partial.x, low) < 0.02


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["numpy-fortran", "strict", "torch"])
def test_array_libraries(method, name):
    low, sparse = moderate_outliers(60, 2, 0.05)
    observed = np.random.default_rng(1).random(low.shape) < 0.95
    options = {"method": method, "rank": 2, "rng": 0, "steps": 6}
    expected = robust_pca(low + sparse, observed=observed, **options)
    with backend_ready(next(b for b in BACKENDS if b.name == name)) as xp:
        matrix, seen = xp.array(low + sparse), xp.array(observed)
        result = robust_pca(matrix, observed=seen, **options)
        xp.assert_like(result.x, matrix)
        xp.assert_like(result.sparse, matrix)
        assert error(xp.to_numpy(result.x), expected.x) < 1e-7


@pytest.mark.parametrize("method", METHODS)
def test_precision_and_dtype(method):
    low, sparse = moderate_outliers(80, 2, 0.05)
    single = robust_pca(np.float32(low + sparse), method=method, rank=2, rng=0)
    assert single.converged and single.x.dtype == np.float32 and error(single.x, low) < 1e-3
    short = robust_pca(low + sparse, method=method, rank=2, rng=0, precision="bf16")
    assert short.x.dtype == np.float64 and error(short.x, low) < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_special_matrices(method, rng):
    m = rng.standard_normal((12, 8))
    nothing = robust_pca(m, method=method, rank=0, rng=0)
    assert nothing.converged and not nothing.x.any() and nothing.rank == 0
    if method != "godec":
        np.testing.assert_array_equal(nothing.sparse, m)
    zero = robust_pca(np.zeros((6, 4)), method=method, rank=2)
    assert zero.converged and not zero.x.any() and not zero.sparse.any()
    assert not robust_pca(np.zeros((6, 4)), method=method, rank=2, steps=3).x.any()
    constant = robust_pca(np.full((30, 20), 2.0), method=method, rank=1, rng=0)
    assert constant.converged
    np.testing.assert_allclose(constant.x, 2.0, atol=1e-3)
    column = robust_pca(m[:, :1], method=method, rank=1, rng=0)
    np.testing.assert_allclose(column.x + column.sparse, m[:, :1], atol=1e-3)
    m[1, 1] = np.nan
    assert robust_pca(m, method=method, rank=2).status is Status.NONFINITE_INPUT
    empty = robust_pca(np.zeros((0, 4)), method=method, rank=0)
    assert empty.converged and empty.x.shape == (0, 4)


@pytest.mark.parametrize("method", METHODS)
def test_rank_deficient(method, rng):
    """A rank that is too large does no harm where nothing is wrong."""
    m = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 30))
    result = robust_pca(m, method=method, rank=4, rng=0, maxiter=300)
    assert error(result.x + result.sparse, m) < 1e-3


def test_arguments():
    m = np.ones((5, 4))
    with pytest.raises(ValueError, match="rank must be given"):
        robust_pca(m, method="alternating")
    with pytest.raises(ValueError, match="rank must be at most"):
        robust_pca(m, method="alternating", rank=5)
    with pytest.raises(ValueError, match="lam does not belong"):
        robust_pca(m, method="alternating", rank=1, lam=0.1)
    with pytest.raises(ValueError, match="share must be"):
        GoDec(share=2.0)
    with pytest.raises(ValueError, match=r"observed must have shape \(5, 4\)"):
        robust_pca(m, method="alternating", rank=1, observed=np.ones((4, 5), bool))
