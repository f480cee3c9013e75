"""Conjugate gradients against SciPy and exact solutions, on every array library."""

import numpy as np
import pytest
from conjugate_gradients import cg

from linalg_ml._core.result import Status

sparse = pytest.importorskip("scipy.sparse")
linalg = pytest.importorskip("scipy.sparse.linalg")


def spd(rng, n=40, condition=100.0):
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return (q * np.geomspace(1 / condition, 1, n)) @ q.T


@pytest.mark.parametrize("kind", ["dense", "function"])
def test_every_library(xp, rng, kind):
    host_a, host_b = spd(rng), rng.standard_normal(40)
    a, b = xp.array(host_a), xp.array(host_b)
    before = xp.to_numpy(a), xp.to_numpy(b)
    result = cg(a if kind == "dense" else (lambda v: a @ v), b)
    assert result.converged, result
    xp.assert_like(result.x, b)
    rtol = 1e-8 if xp.has_float64 else 1e-5
    x = xp.to_numpy(result.x).astype(float)
    residual = np.linalg.norm(host_b - host_a @ x)
    assert residual <= 1.05 * rtol * np.linalg.norm(host_b)
    assert np.linalg.norm(
        x - np.linalg.solve(host_a, host_b)
    ) <= 100 * 1.05 * rtol * np.linalg.norm(host_b)
    assert result.counts["matvecs"] == result.nit + 2  # the start, the steps, the confirmation
    assert np.array_equal(xp.to_numpy(a), before[0]) and np.array_equal(xp.to_numpy(b), before[1])


@pytest.mark.parametrize("kind", ["csr", "operator"])
def test_as_scipy_does(rng, kind):
    a = sparse.csr_array(spd(rng) * 1.0)
    b = rng.standard_normal(40)
    given = a if kind == "csr" else linalg.aslinearoperator(a)
    steps = []
    theirs, info = linalg.cg(a, b, rtol=1e-6, callback=steps.append)
    ours = cg(given, b, rtol=1e-6)
    assert info == 0 and ours.converged
    assert abs(ours.nit - len(steps)) <= 1
    assert np.allclose(ours.x, theirs, atol=1e-4 * np.linalg.norm(theirs))
    start = np.linalg.solve(a.toarray(), b) * (1 + 1e-4)
    assert cg(given, b, rtol=1e-6, x0=start).nit < ours.nit


def test_complex(rng):
    a = spd(rng)
    g = rng.standard_normal((40, 40)) * 1e-3
    a = a + 1j * (g - g.T)
    b = rng.standard_normal(40) + 1j * rng.standard_normal(40)
    result = cg(a, b)
    assert result.converged and np.allclose(a @ result.x, b, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_low_precision_is_honest(rng, precision):
    a, b = spd(rng, condition=4.0), rng.standard_normal(40)
    result = cg(a, b, precision=precision)
    assert result.converged and result.x.dtype == np.float64
    assert precision in result.precision
    unit = {"fp32": 2.0**-24, "tf32": 2.0**-11, "bf16": 2.0**-8, "fp16": 2.0**-11}[precision]
    rtol = {"fp32": 1e-5, "tf32": 1e-3, "bf16": 3e-2, "fp16": 1e-2}[precision]
    true = np.linalg.norm(b - a @ result.x) / np.linalg.norm(b)
    assert true <= rtol + 20 * unit


def test_float32_below_what_it_can_do_does_not_claim_success(rng):
    a = spd(rng, n=200, condition=1e5).astype(np.float32)
    b = rng.standard_normal(200).astype(np.float32)
    result = cg(a, b, rtol=1e-6, maxiter=20_000)
    true = np.linalg.norm(b - a.astype(float) @ result.x) / np.linalg.norm(b)
    assert not result.converged and true > 1e-6, result
    assert result.status in (Status.STAGNATED, Status.MAXITER)
    assert result.residual == pytest.approx(true * np.linalg.norm(b), rel=0.5)


def test_maxiter_and_breakdown(rng):
    a, b = spd(rng, condition=1e6), rng.standard_normal(40)
    result = cg(a, b, maxiter=3)
    assert result.status is Status.MAXITER and result.nit == 3
    assert result.residual == pytest.approx(np.linalg.norm(b - a @ result.x))
    result = cg(-spd(rng), b)
    assert result.status is Status.BREAKDOWN and not result.success
    result = cg(np.eye(40), b)  # one step, and then nothing is left
    assert result.converged and result.nit == 1
    assert cg(np.eye(40), b, steps=3).success


def test_special_right_hand_sides(xp, rng):
    a = xp.array(spd(rng))
    zero = xp.array(np.zeros(40))
    result = cg(a, zero)
    assert result.converged and result.nit == 0 and np.all(xp.to_numpy(result.x) == 0)
    bad = np.ones(40)
    bad[3] = np.nan
    result = cg(a, xp.array(bad))
    assert result.status is Status.NONFINITE_INPUT and not result.success
    for scale in (1e-30, 1e30):
        result = cg(a, xp.array(rng.standard_normal(40) * scale), rtol=1e-4)
        # dot products of 1e-30 underflow in float32: not converged, and said so
        assert result.converged or not xp.has_float64


def test_a_function_that_returns_nan_is_named():
    calls = []

    def broken(v):
        calls.append(1)
        return v * (np.nan if len(calls) > 2 else 0.5)

    result = cg(broken, np.arange(1.0, 5.0), rtol=0)
    assert result.status is Status.USER_FUNCTION and not result.success
    assert result.criterion == "a(x) returned NaN or infinity for a finite x"
    result = cg(lambda v: v * np.nan, np.ones(4))
    assert result.status is Status.USER_FUNCTION and result.x is None


def test_one_long_run_is_two_short_ones(rng):
    from conjugate_gradients import ConjugateGradients, Problem

    from linalg_ml._core.operators import operator
    from linalg_ml._core.precision import Arithmetic
    from linalg_ml._core.solve import iterate

    a, b = spd(rng), rng.standard_normal(40)

    def go(arithmetic, **options):
        problem = Problem(operator(a, arithmetic), b)
        return iterate(ConjugateGradients(), problem, arithmetic, **options)

    arithmetic = Arithmetic(None, b)
    first = go(arithmetic, steps=7)
    both = go(arithmetic, steps=5, state=first).result()
    once = go(Arithmetic(None, b), steps=12).result()
    assert both.nit == once.nit == 12 and np.array_equal(both.x, once.x)
    assert both.counts == once.counts
