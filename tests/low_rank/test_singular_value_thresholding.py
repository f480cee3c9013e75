"""Thresholding against SciPy's decomposition: every way, every array library, hard matrices."""

import numpy as np
import pytest
import scipy.linalg

from linalg_ml._core.precision import Arithmetic
from linalg_ml.low_rank.singular_value_thresholding import (
    SVDS,
    refine_factors,
    spectral_norm,
    threshold_singular_values,
    truncate_singular_values,
)
from tests.conftest import BACKENDS, backend_ready

SHAPES = (40, 12), (12, 40), (15, 15), (9, 1), (1, 9)


def reference(a, threshold):
    """Return the thresholded matrix and its singular values."""
    u, s, vh = scipy.linalg.svd(a, full_matrices=False)
    s = np.maximum(s - threshold, 0)
    return (u * s) @ vh, s[s > 0]


def decaying(shape, rng, least=1e-3):
    """Return a matrix with singular values from 1 to ``least``."""
    k = min(shape)
    u, _ = np.linalg.qr(rng.standard_normal((shape[0], k)))
    v, _ = np.linalg.qr(rng.standard_normal((shape[1], k)))
    return (u * np.geomspace(1, least, k)) @ v.T


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("svd", SVDS)
def test_every_way_agrees_with_scipy(svd, shape, rng):
    a = decaying(shape, rng)
    low, (u, s, vh) = threshold_singular_values(a, 0.05, Arithmetic(None, a), svd, rng=rng)
    expected, values = reference(a, 0.05)
    np.testing.assert_allclose(low, expected, atol=1e-12)
    np.testing.assert_allclose(s, values, atol=1e-12)
    np.testing.assert_allclose((u * s) @ vh, low, atol=1e-13)
    np.testing.assert_allclose(u.T @ u, np.eye(len(s)), atol=1e-9)
    np.testing.assert_allclose(vh @ vh.T, np.eye(len(s)), atol=1e-9)


@pytest.mark.parametrize("name", ["numpy-fortran", "strict-float32", "torch"])
def test_array_libraries(name, rng):
    with backend_ready(next(b for b in BACKENDS if b.name == name)) as xp:
        check_library(xp, xp.array(decaying((20, 8), rng), "float32"))


def check_library(xp, a):
    for matrix in (a, a.mT):
        low, factors = threshold_singular_values(matrix, 0.1, Arithmetic(None, a))
        xp.assert_like(low, matrix)
        expected, values = reference(np.float64(xp.to_numpy(matrix)), 0.1)
        np.testing.assert_allclose(xp.to_numpy(low), expected, atol=1e-5)
        assert factors[1].shape == values.shape


@pytest.mark.parametrize("svd", SVDS)
def test_a_threshold_above_everything_gives_zero(svd, rng):
    a = rng.standard_normal((8, 5))
    low, (u, s, vh) = threshold_singular_values(a, 1e3, Arithmetic(None, a), svd, rng=rng)
    assert not low.any() and u.shape == (8, 0) and s.shape == (0,) and vh.shape == (0, 5)


def test_auto_leaves_the_gram_matrix_where_that_is_not_exact_enough(rng):
    a = decaying((60, 30), rng, 1e-12)
    arithmetic = Arithmetic(None, a)
    by_gram = threshold_singular_values(a, 1e-10, arithmetic, "gram")[1][1]
    automatic = threshold_singular_values(a, 1e-10, arithmetic)[1][1]
    values = reference(a, 1e-10)[1]
    assert automatic.shape == values.shape
    np.testing.assert_allclose(automatic, values, rtol=1e-3, atol=1e-14)
    assert np.max(np.abs(by_gram - values[: len(by_gram)]) / values[: len(by_gram)]) > 0.1


@pytest.mark.parametrize("shape", [(50, 20), (20, 50)])
def test_one_side_is_enough_to_refine_the_factors(shape, rng):
    a = decaying(shape, rng, 0.5)
    arithmetic = Arithmetic(None, a)
    low, factors = threshold_singular_values(a, 0.1, arithmetic, both=False)
    assert any(factor is None for factor in factors)
    expected, values = reference(a, 0.1)
    np.testing.assert_allclose(low, expected, atol=1e-12)
    u, s, vh = refine_factors(low, factors, arithmetic)
    np.testing.assert_allclose((u * s) @ vh, expected, atol=1e-12)
    np.testing.assert_allclose(s, values, atol=1e-12)
    np.testing.assert_allclose(u.T @ u, np.eye(len(s)), atol=1e-12)


@pytest.mark.parametrize("svd", SVDS)
def test_truncation(svd, rng):
    a = decaying((40, 100), rng)
    low, (_, s, _) = truncate_singular_values(a, 4, Arithmetic(None, a), svd, rng=rng)
    values = scipy.linalg.svdvals(a)
    best = np.linalg.norm(values[4:])
    assert s.shape == (4,)
    assert np.linalg.norm(a - low) <= best * (1 + 1e-9)


def test_a_subspace_that_is_too_small_is_widened(rng):
    a = rng.standard_normal((200, 40)) @ rng.standard_normal((40, 150))
    low, (_, s, vh) = threshold_singular_values(a, 1.0, Arithmetic(None, a), "randomized", rng=rng)
    expected, values = reference(a, 1.0)
    assert s.shape == values.shape
    np.testing.assert_allclose(low, expected, atol=1e-9)
    again, _ = threshold_singular_values(
        a, 1.0, Arithmetic(None, a), "randomized", rng=rng, previous=vh
    )
    np.testing.assert_allclose(again, expected, atol=1e-9)


def test_arguments(rng):
    a = rng.standard_normal((5, 4))
    with pytest.raises(ValueError, match="svd must be one of"):
        threshold_singular_values(a, 1.0, Arithmetic(None, a), "full")
    with pytest.raises(ValueError, match="needs a rng"):
        threshold_singular_values(a, 1.0, Arithmetic(None, a), "randomized")


@pytest.mark.parametrize("shape", SHAPES)
def test_spectral_norm(shape, rng):
    a = rng.standard_normal(shape)
    expected = np.linalg.norm(a, 2)
    assert abs(spectral_norm(a, Arithmetic(None, a)) - expected) < 1e-12
