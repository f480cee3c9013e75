"""QDWH, Zolotarev and scaled Newton: backward stable always, honest where that is too little."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import polar as scipy_polar

from linalg_ml import Status, polar, signm
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions import QDWH, ScaledNewton, Zolotarev
from linalg_ml.matrix_functions.row_mixing import RowMixing
from linalg_ml.metrics import backward_error, orthogonality_error, polar_error
from linalg_ml.problems import (
    conditioned,
    exact_polar_problem,
    polar_problem,
    symmetric_with_eigenvalues,
)

EPS = np.finfo(np.float64).eps
METHODS = ["qdwh", "zolotarev", "newton", ScaledNewton("norm")]
EVERY = [*METHODS, QDWH("qr"), Zolotarev(solver="qr")]
STEPS = {"qdwh": 6, "zolotarev": 3, "newton": 10}


def spectral(a):
    return np.linalg.norm(a, 2)


# Accuracy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [1, 1e1, 1e2, 1e4, 1e7, 1e10, 1e13, 1e15])
@pytest.mark.parametrize("method", EVERY, ids=str)
def test_backward_stable_at_every_condition_number(method, condition):
    for n in (4, 64):
        problem = exact_polar_problem((n, n), condition, rng=1)
        result = polar(problem.a, method=method)
        assert result.status is Status.CONVERGED
        assert result.nit <= STEPS.get(method, 11)
        assert spectral(result.x.T @ result.x - np.eye(n)) <= 20 * n * EPS
        assert spectral(problem.a - result.x @ result.hermitian) <= 20 * n * EPS
        assert spectral(result.hermitian - problem.hermitian) <= 20 * n * EPS
        assert spectral(result.x - problem.unitary) <= 20 * n * EPS * condition


def near_dependent_groups(n, size, gap, rng):
    """Columns in groups of nearly equal ones, where QR without pivoting is not row-wise stable."""
    a = rng.standard_normal((n, n))
    for j in range(0, n - size + 1, size):
        a[:, j + 1 : j + size] = a[:, j : j + 1] + gap * a[:, j + 1 : j + size]
    return a


@pytest.mark.parametrize("gap", [1e-4, 1e-8, 1e-12])
@pytest.mark.parametrize(("n", "size"), [(10, 2), (33, 4), (50, 2)])
@pytest.mark.parametrize("method", EVERY, ids=str)
def test_stable_without_pivoting(method, n, size, gap):
    """Unmixed, the factorisations give backward errors of up to 1e-3 on these matrices."""
    a = near_dependent_groups(n, size, gap, np.random.default_rng(0))
    for matrix in (a, a.T):
        result = polar(matrix, method=method)
        assert result.status in (Status.CONVERGED, Status.SINGULAR)
        assert backward_error(matrix, result.x, result.hermitian) < 5 * n**0.5 * EPS


@pytest.mark.parametrize("kind", ["columns", "rows", "triangular", "kahan"])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_graded_and_triangular(method, kind):
    n, rng = 50, np.random.default_rng(1)
    a = rng.standard_normal((n, n))
    if kind == "columns":
        a = a * np.geomspace(1e-14, 1, n)
    elif kind == "rows":
        a = a * np.geomspace(1e-14, 1, n)[:, None]
    elif kind == "triangular":
        a = np.triu(a)
    else:
        a = np.diag(0.6 ** np.arange(n)) @ (np.eye(n) - 0.8 * np.triu(np.ones((n, n)), 1))
    result = polar(a, method=method)
    assert result.status in (Status.CONVERGED, Status.SINGULAR)
    assert backward_error(a, result.x, result.hermitian) < 5 * n**0.5 * EPS
    assert orthogonality_error(result.x) < 1e-14 or result.status is Status.SINGULAR


@pytest.mark.parametrize("shape", [(7, 7), (12, 5), (5, 12), (1, 1), (1, 6), (6, 1), (40, 3)])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("method", EVERY, ids=str)
def test_same_factors_as_scipy(method, shape, side, kind):
    rng = np.random.default_rng(3)
    a = rng.standard_normal(shape)
    if kind == "complex":
        a = a + 1j * rng.standard_normal(shape)
    result = polar(a, side=side, method=method)
    u, h = scipy_polar(a, side=side)
    assert result.converged
    np.testing.assert_allclose(result.x, u, atol=1e-13 * result.rcond**-1)
    np.testing.assert_allclose(result.hermitian, h, atol=1e-12)


@pytest.mark.parametrize("condition", [1, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_single_precision(method, dtype, condition):
    problem = polar_problem((40, 60), np.geomspace(1, 1 / condition, 40), rng=0)
    a = problem.a.astype(dtype)
    result = polar(a, method=method)
    assert result.converged
    assert result.x.dtype == dtype
    assert backward_error(a, result.x, result.hermitian) < 30 * 2.0**-24
    assert polar_error(result.x, scipy_polar(a.astype(np.complex128))[0]) < 2e-6 * condition


@pytest.mark.parametrize("precision", ["fp64", "fp32", "tf32", "fp16", "bf16"])
@pytest.mark.parametrize("condition", [1, 1e2, 1e5])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_every_precision(method, condition, precision):
    problem = polar_problem((48, 48), np.geomspace(1, 1 / condition, 48), rng=0)
    result = polar(problem.a, method=method, precision=precision)
    assert result.converged
    assert polar_error(result.x, problem.unitary) <= 2 * result.residual


# Steps and costs -----------------------------------------------------------------------------


def test_steps_and_factorisations_at_the_largest_condition_number():
    a = conditioned((50, 50), 1e16, rng=0)
    halley = polar(a, method="qdwh")
    assert halley.nit <= 7 if halley.status is Status.SINGULAR else halley.nit <= 6
    assert halley.counts["qr"] == 2
    assert halley.counts["cholesky"] <= 4
    two = polar(conditioned((50, 50), 1e12, rng=0), method="zolotarev")
    assert two.nit <= 3
    assert two.counts["qr"] + two.counts["cholesky"] == 2 * 7
    assert polar(a, method="newton").counts["inverses"] <= 10
    assert polar(a[:, :30], method="newton").counts["qr"] >= 1


def test_qr_and_cholesky_agree_where_both_are_sound():
    a = conditioned((30, 45), 20, rng=0)
    by_qr, by_cholesky = (polar(a, method=QDWH(s)) for s in ("qr", "cholesky"))
    np.testing.assert_allclose(by_qr.x, by_cholesky.x, atol=1e-13)
    assert by_qr.counts["qr"] == by_cholesky.counts["cholesky"]
    assert "cholesky" not in by_qr.counts
    assert "qr" not in by_cholesky.counts
    hard = polar(conditioned((30, 30), 1e8, rng=0), method=QDWH("cholesky"))
    assert hard.status is Status.STAGNATED


def test_the_last_step_is_one_of_products_where_that_is_enough():
    a = conditioned((24, 24), 1e8, rng=0)
    for method, kinds in (("qdwh", ("qr", "cholesky")), ("newton", ("inverses",))):
        result = polar(a, method=method, rcond=1e-16, history=True)
        assert 1e-16 < result.history[-2]["orthogonality"] < 1e-8
        assert sum(result.counts[kind] for kind in kinds) == result.nit - 1


def test_order_one_makes_the_steps_of_halley():
    a = conditioned((20, 30), 1e3, rng=0)
    one = polar(a, method=Zolotarev(1), steps=3).x
    np.testing.assert_allclose(one, polar(a, method="qdwh", steps=3).x, atol=1e-12)


def test_fixed_steps():
    a = conditioned((16, 16), 1e3, rng=0)
    u = scipy_polar(a)[0]
    for method, steps in (("qdwh", 6), ("zolotarev", 1), ("zolotarev", 3), ("newton", 9)):
        result = polar(a, method=method, steps=steps)
        assert result.status is Status.FIXED_STEPS
        assert result.nit == steps
        assert polar_error(result.x, u) < (1e-2 if steps == 1 else 1e-12)
    assert polar(a, method="zolotarev", steps=1).counts["qr"] >= 5  # the highest order


def test_a_wrong_rcond_costs_steps_and_no_accuracy():
    a = conditioned((24, 24), 1e8, rng=0)
    for rcond in (0.5, 1e-4, 1e-16):
        for method in ("qdwh", "zolotarev", ScaledNewton("norm")):
            result = polar(a, method=method, rcond=rcond)
            assert result.converged
            assert orthogonality_error(result.x) < 1e-14
            assert backward_error(a, result.x, result.hermitian) < 1e-14
    misled = polar(a, method="newton", rcond=0.5)
    assert misled.status is Status.STAGNATED
    assert backward_error(a, misled.x, misled.hermitian) > 1e-12


# Invariants and edge cases -------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.floats(-30, 30))
def test_scaling_transposition_rotation(seed, m, n, exponent):
    rng = np.random.default_rng(seed)
    a = conditioned((m, n), 50, rng=rng)
    q = np.linalg.qr(rng.standard_normal((m, m)))[0]
    for method in METHODS[:3]:
        x = polar(a, method=method).x
        np.testing.assert_allclose(polar(a * 10.0**exponent, method=method).x, x, atol=1e-11)
        np.testing.assert_allclose(polar(a.T, method=method).x, x.T, atol=1e-11)
        np.testing.assert_allclose(polar(q @ a, method=method).x, q @ x, atol=1e-11)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_stack_with_different_fates(method):
    good = conditioned((6, 6), 1e5, rng=0)
    nan = good.copy()
    nan[2, 3] = np.nan
    rank_one = np.outer(np.arange(1.0, 7), np.ones(6))
    stack = np.stack([good, np.zeros((6, 6)), nan, good[:, ::-1], rank_one])
    before = stack.copy()
    result = polar(stack, method=method)
    assert [s.name for s in result.statuses] == [
        "CONVERGED",
        "SINGULAR",
        "NONFINITE_INPUT",
        "CONVERGED",
        "SINGULAR",
    ]
    np.testing.assert_allclose(result.x[0], scipy_polar(good)[0], atol=1e-9)
    assert not result.x[1].any()
    assert backward_error(rank_one, result.x[4], result.hermitian[4]) < 1e-13
    np.testing.assert_array_equal(stack, before)


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("shape", [(20, 20), (24, 20), (20, 24)])
def test_rank_deficient(method, shape):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((shape[0], 5)) @ rng.standard_normal((5, shape[1]))
    a[:, 4] = 0
    result = polar(a, method=method)
    assert result.status is Status.SINGULAR
    assert backward_error(a, result.x, result.hermitian) < 1e-13
    np.testing.assert_allclose(result.hermitian, scipy_polar(a)[1], atol=1e-11)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_zero_empty_and_not_finite(method):
    zero = polar(np.zeros((4, 3)), method=method)
    assert zero.status is Status.SINGULAR
    assert not zero.x.any()
    assert polar(np.zeros((0, 3)), method=method).converged
    for value in (np.nan, np.inf):
        a = np.eye(4)
        a[1, 2] = value
        assert polar(a, method=method).status is Status.NONFINITE_INPUT
        assert not polar(a, method=method, steps=3, rcond=0.1).success


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_sign_of_symmetric_and_hermitian_matrices(method):
    eigenvalues = np.geomspace(1e-9, 1, 20) * np.where(np.arange(20) % 3, 1, -1)
    a = symmetric_with_eigenvalues(eigenvalues, rng=0)
    result = signm(a, method=method)
    assert result.converged
    np.testing.assert_array_equal(result.x, result.x.T)
    np.testing.assert_allclose(result.x @ result.x, np.eye(20), atol=1e-13)
    np.testing.assert_allclose(result.x @ a, a @ result.x, atol=1e-14)
    assert np.trace(result.x) == pytest.approx(np.sum(np.sign(eigenvalues)), abs=1e-6)
    rng = np.random.default_rng(1)
    v = np.linalg.qr(rng.standard_normal((6, 6)) + 1j * rng.standard_normal((6, 6)))[0]
    w = np.array([-3, -1, 0.5, 1, 2, 4])
    hermitian = (v * w) @ v.conj().T
    expected = (v * np.sign(w)) @ v.conj().T
    np.testing.assert_allclose(signm(hermitian, method=method).x, expected, atol=1e-13)


# Row mixing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 2, 5, 32, 33, 63, 97, 200, 1025])
def test_row_mixing_is_orthogonal_and_leaves_no_row_out(m):
    identity = np.eye(m)
    mixing = RowMixing(identity, Arithmetic(None, identity))
    g = mixing.apply(identity)
    np.testing.assert_allclose(g.T @ g, identity, atol=1e-13)
    np.testing.assert_allclose(mixing.undo(g), identity, atol=1e-13)
    assert m < 2 or np.count_nonzero(g) > 0.5 * m * m
    assert np.abs(g).max() < max(6 / m**0.5, 0.9) or m < 3


def test_row_mixing_of_stacks(xp):
    a = np.random.default_rng(0).standard_normal((2, 3, 40, 5)).astype(np.float32)
    given = xp.array(a)
    mixing = RowMixing(given, Arithmetic("fp32", given))
    mixed = mixing.apply(given)
    xp.assert_like(mixed, given)
    alone = RowMixing(a, Arithmetic("fp32", a)).apply(a[1, 2])
    np.testing.assert_allclose(xp.to_numpy(mixed)[1, 2], alone, atol=1e-5)
    np.testing.assert_allclose(xp.to_numpy(mixing.undo(mixed)), a, atol=1e-5)


# Arguments -----------------------------------------------------------------------------------


def test_wrong_arguments():
    with pytest.raises(ValueError, match="solver must be one of 'auto', 'qr', 'cholesky'"):
        QDWH("lu")
    with pytest.raises(ValueError, match="order must be at most 8, got 9"):
        Zolotarev(9)
    with pytest.raises(ValueError, match="order must be at least 1"):
        Zolotarev(0)
    with pytest.raises(ValueError, match="scaling must be one of"):
        ScaledNewton("frobenius")
    with pytest.raises(ValueError, match="degree is fixed for method 'qdwh'"):
        polar(np.eye(2), method="qdwh", degree=5)
    with pytest.raises(ValueError, match="method must be one of"):
        signm(np.eye(2), method="qdwh", spectrum="real")


def test_methods_repeat_their_arguments():
    for method in (QDWH("qr"), Zolotarev(3, "auto"), ScaledNewton("norm")):
        assert eval(repr(method)) == method
