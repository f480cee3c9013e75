"""Right-hand sides to train on: their law, against eigenvectors known in closed form."""

import numpy as np
import pytest

from linalg_ml.deep_directions import GridPoisson, ritz_mixtures, sine_mixtures


def modes(n):
    """Return the sine modes of the empty n x n box as rows, and their eigenvalues."""
    k = np.arange(1, n + 1)
    sines = np.sin(np.pi * np.outer(k, k) / (n + 1)) * np.sqrt(2 / (n + 1))
    line = 2 - 2 * np.cos(np.pi * k / (n + 1))
    return np.kron(sines, sines), np.add.outer(line, line).ravel()


def test_sine_mixtures_have_the_weights_asked_for():
    vectors, values = modes(12)
    samples = sine_mixtures((12, 12), 4000, weight=9, theta=0.05, rng=0).reshape(4000, -1)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(samples, axis=1), 1, rtol=1e-6)
    spread = np.std(samples @ vectors.T, axis=0)
    low = values < 0.55 * values.max()
    assert np.ptp(spread[low]) < 0.15 * spread[low].mean()
    np.testing.assert_allclose(spread[low].mean() / spread[~low].mean(), 9, rtol=0.05)


def test_all_ritz_vectors_are_the_eigenvectors():
    """On a line of cells no eigenvalue is multiple, so n steps find every eigenvector."""
    n, weight = 12, 5.0
    k = np.arange(1, n + 1)
    vectors = np.sin(np.pi * np.outer(k, k) / (n + 1)) * np.sqrt(2 / (n + 1))  # ascending
    a = GridPoisson(np.ones((1, n), bool))
    samples = ritz_mixtures(a, 4000, steps=n, theta=2, weight=weight, rng=1).reshape(4000, -1)
    np.testing.assert_allclose(np.linalg.norm(samples, axis=1), 1, rtol=1e-6)
    spread = np.std(samples @ vectors.T, axis=0)
    sizes = np.where(np.arange(n) < n // 2 + 2, weight, 1.0)
    drawn = sizes * np.random.default_rng(2).standard_normal((200_000, n))
    expected = np.std(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), axis=0)
    np.testing.assert_allclose(spread, expected, rtol=0.06)


@pytest.mark.parametrize("solids", ["dirichlet", "neumann"])
@pytest.mark.parametrize("shape", [(10, 9), (5, 4, 6)], ids=str)
def test_solids_stay_empty(shape, solids):
    mask = np.ones(shape, bool)
    mask[tuple(n // 2 for n in shape)] = False
    a = GridPoisson(mask, solids=solids)
    samples = ritz_mixtures(a, 5, rng=0)
    assert samples.shape == (5, *shape)
    assert np.abs(samples[:, ~mask]).max() < 1e-7
    assert np.count_nonzero(samples[:, mask]) == 5 * a.unknowns
    np.testing.assert_allclose(np.sum(samples**2, axis=tuple(range(1, samples.ndim))), 1, rtol=1e-5)


def test_seeds_and_counts():
    a = GridPoisson(np.ones((8, 8), bool))
    for draw in (lambda rng, k=3: ritz_mixtures(a, k, rng=rng),
                 lambda rng, k=3: sine_mixtures((8, 8), k, rng=rng)):  # fmt: skip
        np.testing.assert_array_equal(draw(5), draw(5))
        assert np.abs(draw(5) - draw(6)).max() > 0.01
        assert draw(0, 0).shape == (0, 8, 8)


def test_wrong_arguments():
    a = GridPoisson(np.ones((4, 4), bool))
    with pytest.raises(TypeError, match="a must be GridPoisson, got ndarray"):
        ritz_mixtures(np.eye(16), 3)
    with pytest.raises(ValueError, match="steps must be at most the 16 open cells, got 17"):
        ritz_mixtures(a, 3, steps=17)
    with pytest.raises(ValueError, match="weight must be > 0"):
        ritz_mixtures(a, 3, weight=0)
    for wrong in ((), 4):
        with pytest.raises(ValueError, match="grid must be a tuple of at least one int"):
            sine_mixtures(wrong, 3)
    with pytest.raises(ValueError, match=r"grid\[1\] must be at least 1, got 0"):
        sine_mixtures((4, 0), 3)
    with pytest.raises(ValueError, match="count must be at least 0, got -1"):
        sine_mixtures((4, 4), -1)
