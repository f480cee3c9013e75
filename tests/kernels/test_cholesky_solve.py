"""Systems with a positive definite matrix and matrices on the right."""

import numpy as np
import pytest

from linalg_ml.kernels.dispatch import kernels


def definite(rng, batch, n, kind):
    a = rng.standard_normal((*batch, n, n))
    if kind == "complex":
        a = a + 1j * rng.standard_normal((*batch, n, n))
    return a @ a.conj().mT + 0.1 * np.eye(n)


# A second triangular system solved with the wrong triangle, or transposed and not conjugated,
# gives plausible numbers: full right-hand sides and complex matrices tell.
@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize(
    ("batch_a", "batch_b"), [((), ()), ((3,), (3,)), ((), (2,)), ((2, 1), (3,)), ((2,), ())]
)
def test_solution(xp64, rng, kind, batch_a, batch_b):
    a = definite(rng, batch_a, 6, kind)
    b = rng.standard_normal((*batch_b, 6, 4)) + (1j if kind == "complex" else 0)
    given = xp64.array(a), xp64.array(b)
    x = kernels(xp64.library).cholesky_solve(*given)
    expected = np.linalg.solve(a, b)
    assert x.shape == expected.shape
    assert x.dtype == given[1].dtype
    np.testing.assert_allclose(xp64.to_numpy(x), expected, rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(xp64.to_numpy(given[0]), a)
    np.testing.assert_array_equal(xp64.to_numpy(given[1]), b)


def test_what_is_not_finite_spoils_only_itself(xp, rng):
    a = definite(rng, (2,), 5, "real").astype(np.float32)
    a[1, 2, 2] = np.nan
    b = rng.standard_normal((2, 5, 3)).astype(np.float32)
    x = xp.to_numpy(kernels(xp.library).cholesky_solve(xp.array(a), xp.array(b)))
    np.testing.assert_allclose(x[0], np.linalg.solve(a[0], b[0]), rtol=2e-3, atol=1e-3)
    assert np.isnan(x[1]).any()
