"""Hermitian parts, and distances from the identity."""

import numpy as np
import pytest

from linalg_ml.kernels import agnostic
from linalg_ml.kernels.dispatch import kernels

KINDS = ["float32", "float64", "complex64", "complex128"]


def matrix(rng, shape, kind):
    a = rng.standard_normal(shape)
    if kind.startswith("complex"):
        a = a + 1j * rng.standard_normal(shape)
    return a.astype(kind)


# Orders that are and are not multiples of the tile, above and below where loops are compiled.
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (64, 64), (77, 77), (2, 70, 70), (0, 0)])
@pytest.mark.parametrize("kind", ["float32", "complex64"])
def test_hermitian_part(xp, rng, shape, kind):
    a = matrix(rng, shape, kind)
    h, rest = kernels(xp.library).hermitian_part(xp.array(a.copy()))
    expected = (a + a.conj().mT) / 2
    h = xp.to_numpy(h)
    assert h.dtype == a.dtype
    np.testing.assert_allclose(h, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(h, h.conj().mT)
    gap = np.linalg.norm(a - expected, axis=(-2, -1))
    np.testing.assert_allclose(xp.to_numpy(rest), gap, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (64, 64), (77, 77), (2, 70, 70)])
@pytest.mark.parametrize("kind", ["float32", "complex64"])
def test_identity_distance(xp, rng, shape, kind):
    near = np.eye(shape[-1]) + 1e-3 * matrix(rng, shape, kind)
    for a in (matrix(rng, shape, kind), near.astype(kind)):
        found = kernels(xp.library).identity_distance(xp.array(a))
        expected = np.linalg.norm(a - np.eye(shape[-1]), axis=(-2, -1))
        np.testing.assert_allclose(xp.to_numpy(found), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_loops_agree_with_the_definition(rng, kind):
    a = matrix(rng, (90, 96), kind)[:, 3:93]  # rows apart
    compiled, eps = kernels("numpy"), float(np.finfo(kind).eps)
    h, rest = compiled.hermitian_part(a.copy())
    expected, gap = agnostic.hermitian_part(a)
    np.testing.assert_allclose(h, expected, rtol=eps, atol=eps)
    assert rest == pytest.approx(gap, rel=1e3 * eps) and rest.dtype == gap.dtype
    distance = compiled.identity_distance(a)
    assert distance == pytest.approx(agnostic.identity_distance(a), rel=1e3 * eps)
    assert distance.dtype == gap.dtype
    assert compiled.identity_distance(np.eye(80, dtype=kind)) == 0


def test_what_is_not_finite_shows(rng):
    a = rng.standard_normal((80, 80))
    a[70, 3] = np.nan
    assert np.isnan(kernels("numpy").identity_distance(a))
    assert np.isnan(kernels("numpy").hermitian_part(a.copy())[1])
