"""The convolution kernel of every library against scipy.ndimage."""

import numpy as np
import pytest
from scipy.ndimage import correlate

from linalg_ml._core.namespace import library
from linalg_ml._core.precision import Arithmetic
from linalg_ml.kernels import agnostic, numpy_
from linalg_ml.kernels.dispatch import kernels


def reference(x, weights, bias):
    """Convolve channel by channel, in float64."""
    x, weights = np.asarray(x, float), np.asarray(weights, float)
    y = np.zeros((*x.shape[:-1], weights.shape[-1])) + bias
    for image, into in zip(x, y, strict=True):
        for i, o in np.ndindex(*weights.shape[-2:]):
            into[..., o] += correlate(image[..., i], weights[..., i, o], mode="constant")
    return y


def draw(rng, shape, out):
    stencil = (3,) * (len(shape) - 2)
    return (
        rng.standard_normal(shape).astype(np.float32),
        rng.standard_normal((*stencil, shape[-1], out)).astype(np.float32),
        rng.standard_normal(out).astype(np.float32),
    )


@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 4, 5, 3, 2), (1, 1, 1, 2)], ids=str)
def test_every_library(xp, rng, shape):
    x, weights, bias = draw(rng, shape, 4)
    wanted = reference(x, weights, bias)
    x, weights, bias = map(xp.array, (x, weights, bias))
    for rectify, values in ((False, wanted), (True, np.maximum(wanted, 0))):
        y = kernels(library(x)).convolve(x, weights, bias, rectify)
        xp.assert_like(y, x, wanted.shape)
        np.testing.assert_allclose(xp.to_numpy(y), values, atol=2e-5)


@pytest.mark.parametrize("shape", [(1, 0, 4, 2), (0, 4, 4, 2), (1, 4, 0, 2)], ids=str)
def test_nothing_to_convolve(shape):
    x = np.zeros(shape, np.float32)
    assert numpy_.convolve(x, np.ones((3, 3, 2, 5), np.float32)).shape == (*shape[:-1], 5)


@pytest.mark.parametrize("shape", [(2, 40, 9, 3), (1, 11, 6, 5, 2)], ids=str)
@pytest.mark.parametrize("budget", [1, 4000, 1 << 20])
def test_slabs_of_any_thickness_fit_together(monkeypatch, rng, shape, budget):
    monkeypatch.setattr(numpy_, "_CONVOLVED_BYTES", budget)
    x, weights, bias = draw(rng, shape, 3)
    np.testing.assert_allclose(
        numpy_.convolve(x, weights, bias), reference(x, weights, bias), atol=2e-5
    )


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_nan_stays_nan(name, rng):
    make = pytest.importorskip("torch").from_numpy if name == "torch" else np.asarray
    x, weights, bias = draw(rng, (1, 6, 6, 2), 2)
    x[0, 2, 2, 0] = np.nan
    y = np.asarray(kernels(name).convolve(make(x), make(weights), make(bias), True))
    assert np.isnan(y[0, 1:4, 1:4]).all() and np.isfinite(y[0, 4:, 4:]).all()


def test_short_formats_round_once(rng):
    """Native 16-bit arrays are summed in fp32, as the emulation does."""
    jnp = pytest.importorskip("jax.numpy")
    x, weights, bias = draw(rng, (1, 6, 6, 4), 3)
    short = [jnp.asarray(a).astype(jnp.bfloat16) for a in (x, weights, bias)]
    wide = [np.asarray(a.astype(jnp.float32)) for a in short]
    wanted = reference(*wide)
    for convolve in (agnostic.convolve, kernels("jax").convolve):
        y = convolve(*short)
        assert y.dtype == jnp.bfloat16
        assert np.abs(np.asarray(y.astype(jnp.float32)) - wanted).max() < 2**-8 * 16


@pytest.mark.parametrize("rounding", ["fused", "each"])
def test_arithmetic_rounds_and_counts(rng, rounding):
    from linalg_ml import Precision, round_to

    x, weights, bias = (round_to(a, "bf16") for a in draw(rng, (2, 6, 5, 4), 3))
    arithmetic = Arithmetic(Precision("bf16", rounding=rounding), x)
    y = arithmetic.convolve(x, weights, bias, rectify=True)
    exact = reference(x, weights, 0 * bias)
    if rounding == "each":
        exact = np.asarray(round_to(exact, "bf16"), float)
    np.testing.assert_array_equal(y, round_to(y, "bf16"))
    wanted = np.maximum(exact + bias, 0)
    assert np.all(np.abs(y - wanted) <= 2**-8 * np.abs(wanted) + 1e-5)
    assert arithmetic.counts == {"products": 1, "flops": 2 * 60 * 36 * 3}
