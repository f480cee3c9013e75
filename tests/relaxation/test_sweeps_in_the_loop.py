"""Compiled sweeps in the loop: they stop at the exact sweep that meets the target."""

import numpy as np
import pytest

from linalg_ml._core.result import Status
from linalg_ml.relaxation import sor

sparse = pytest.importorskip("scipy.sparse")


def poisson(n=12):
    one = sparse.diags_array([-np.ones(n - 1), 2 * np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1])
    eye = sparse.eye_array(n)
    return sparse.csr_array(sparse.kron(one, eye) + sparse.kron(eye, one))


def reference(a, b, omega, target=None, sweeps=None):
    """Sweep in plain Python; return (x, sweeps, residual norms)."""
    dense, x, norms = a.toarray().astype(float), np.zeros(b.size), []
    while len(norms) != sweeps:
        for i in range(b.size):
            x[i] += omega * (b[i] - dense[i] @ x) / dense[i, i]
        norms.append(np.linalg.norm(b - dense @ x))
        if target is not None and norms[-1] <= target:
            break
    return x, len(norms), norms


@pytest.mark.parametrize("omega", [0.7, 1.0, 1.6])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_stops_at_the_exact_sweep(rng, omega, dtype):
    a = poisson().astype(dtype)
    b = rng.standard_normal(a.shape[0]).astype(dtype)
    rtol = 1e-3
    x, sweeps, norms = reference(a, b, omega, target=rtol * np.linalg.norm(b))
    result = sor(a, b, omega=omega, rtol=rtol)
    assert result.converged and result.nit == sweeps == result.counts["sweeps"]
    assert result.residual == pytest.approx(norms[-1], rel=1e-3)
    assert np.allclose(
        result.x,
        x,
        rtol=1e-4 if dtype == np.float32 else 1e-12,
        atol=1e-4 if dtype == np.float32 else 1e-12,
    )
    assert result.x.dtype == dtype
    for check_every in (1, 7):
        again = sor(a, b, omega=omega, rtol=rtol, check_every=check_every)
        assert again.nit == sweeps and np.array_equal(again.x, result.x)


def test_fixed_sweeps_and_history(rng):
    a, b = poisson(), rng.standard_normal(144)
    x, _, norms = reference(a, b, 1.2, sweeps=9)
    result = sor(a, b, omega=1.2, steps=9)
    assert result.status is Status.FIXED_STEPS and result.nit == 9 and np.allclose(result.x, x)
    result = sor(a, b, omega=1.2, steps=9, history=True)
    assert np.allclose([record["residual"] for record in result.history[1:]], norms)
    result = sor(a, b, omega=1.2, rtol=0, maxiter=9, history=True)
    assert np.allclose([record["residual"] for record in result.history[1:]], norms)


def test_what_a_callback_sees_is_the_iterate_of_its_moment(rng):
    a, b = poisson(), rng.standard_normal(144)
    seen = []
    sor(a, b, steps=5, callback=lambda p: seen.append(p.x))
    for sweeps, x in enumerate(seen, 1):
        assert np.allclose(x, reference(a, b, 1.0, sweeps=sweeps)[0])


def test_outcomes(rng):
    a, b = poisson(), rng.standard_normal(144)
    kept = a.data.copy(), b.copy()
    result = sor(a, b, rtol=1e-9, maxiter=11)
    assert result.status is Status.MAXITER and result.nit == 11
    assert result.residual == pytest.approx(np.linalg.norm(b - a @ result.x))
    assert sor(a, b * np.nan).status is Status.NONFINITE_INPUT
    assert sor(a, 0 * b).converged
    assert np.array_equal(a.data, kept[0]) and np.array_equal(b, kept[1])


def test_float32_at_its_limit_does_not_claim_success(rng):
    a = poisson(24).astype(np.float32)
    b = rng.standard_normal(a.shape[0]).astype(np.float32)
    result = sor(a, b, omega=1.7, rtol=1e-8, maxiter=3000)
    assert not result.success and result.status in (Status.MAXITER, Status.STAGNATED)
    assert np.linalg.norm(b - a.astype(float) @ result.x) > 1e-8 * np.linalg.norm(b)
