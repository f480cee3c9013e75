"""The Gram form: the same polynomials, fewer large products, safe where it says so."""

from dataclasses import replace

import numpy as np
import pytest

from linalg_ml import orthogonalize, polar, schedule
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.matrix_functions.gram_form import apply_in_gram_form, choose_restarts
from linalg_ml.matrix_functions.iteration import apply_polynomial
from linalg_ml.matrix_functions.product_costs import ProductCosts

PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "bf16")
NEWTON_SCHULZ = Schedule(((1.875, -1.25, 0.375),), 1e-3, after="repeat")
LISTS = {
    "polar-express": schedule("polar-express").take(5),
    "eight": schedule("polar-express").take(8),
    "newton-schulz": NEWTON_SCHULZ.take(10),
    "jordan": schedule("jordan").take(5),
    "mixed": Schedule(((3.0, -3.2), (2.1875, -2.1875, 1.3125, -0.3125), (1.5, -0.5)), 0.1),
}
ORDER, COLUMNS = 48, 192
SPECTRA = {
    "six decades": np.logspace(-0.01, -6, ORDER),
    "even": np.linspace(0.99, 0.1, ORDER),
    "rank 8": np.r_[np.ones(8), np.zeros(ORDER - 8)],
    "one large": np.r_[1.0, np.logspace(-2.5, -3, ORDER - 1)],
    "two sizes": np.r_[np.ones(ORDER // 2), np.full(ORDER // 2, 0.02)],
}


def wide(values):
    """Return a matrix of Frobenius norm 1/1.01, and a function of its singular values."""
    rng = np.random.default_rng(0)
    u = np.linalg.qr(rng.standard_normal((ORDER, ORDER)))[0]
    v = np.linalg.qr(rng.standard_normal((COLUMNS, ORDER)))[0]
    s = values / np.linalg.norm(values) / 1.01
    return (u * s) @ v.T, lambda f: (u * f(s)) @ v.T


def error(x, exact):
    return np.linalg.norm(x - exact) / ORDER**0.5


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("restarts", [(), (1,), (2,), (1, 2)])
def test_it_applies_the_same_polynomials(name, restarts):
    rows = replace(LISTS[name], restarts=restarts)
    a, of = wide(SPECTRA["even"])
    arithmetic = Arithmetic("fp64", a)
    assert error(apply_in_gram_form(a, rows, arithmetic), of(rows)) < 1e-11
    steps, starts = len(rows), 1 + len(restarts)
    small = sum((d + 1) // 2 - 2 if d < 9 else 2 for d in rows.degrees) + 3 * (steps - starts)
    assert arithmetic.counts["products"] == small + 2 * starts
    assert small + 2 * starts == ProductCosts().in_gram_form(rows.degrees, 1.0, len(restarts))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", LISTS)
def test_where_it_is_not_refused_rounding_stays_below_the_tolerance(name, precision):
    rows = LISTS[name]
    restarts = choose_restarts(rows, precision)
    if restarts is None:
        assert precision in ("tf32", "fp16", "bf16")
        return
    u = Arithmetic(precision, np.zeros((1, 1))).unit_roundoff
    for values in SPECTRA.values():
        a, of = wide(values)
        arithmetic = Arithmetic(precision, a)
        x = x0 = arithmetic.enter(a)
        for row in rows:
            x = apply_polynomial(x, row, arithmetic)
        found = apply_in_gram_form(x0, replace(rows, restarts=restarts), arithmetic)
        allowed = 4 * error(x, of(rows)) + max(rows.error, min(1200 * u, 0.01))
        assert error(found, of(rows)) <= allowed


def test_published_blow_up_and_its_cure():
    # Newton-Schulz with 2 % of headroom on a spectrum of six decades with largest value one.
    a, _ = wide(SPECTRA["six decades"])
    a /= np.linalg.norm(a, 2)
    rows = Schedule(tuple((15 / 8 / s, -10 / 8 / s**3, 3 / 8 / s**5) for s in (1.02,)), 1e-3)
    rows = replace(rows, after="repeat").take(10)
    arithmetic = Arithmetic("bf16", a)

    def largest(restarts):
        with np.errstate(all="ignore"):
            x = apply_in_gram_form(
                arithmetic.enter(a), replace(rows, restarts=restarts), arithmetic
            )
        return np.linalg.norm(x, 2) if np.isfinite(x).all() else np.inf

    assert largest(()) > 1e3
    assert largest((5,)) < 1.1


def test_choices():
    five = LISTS["polar-express"]
    assert choose_restarts(five, "fp64") == () and choose_restarts(five, "fp32") == ()
    assert choose_restarts(five, "bf16") is None
    assert len(choose_restarts(five, "fp16")) == 2
    # Without restart q(0) is the product of all leading coefficients, and a negative eigenvalue
    # of -0.8 u makes it a little larger.
    growth = np.prod([row[0] for row in five])
    u = 2.0**-24
    assert choose_restarts(five, "fp32", 1.3 * u * growth**2) == ()
    assert choose_restarts(five, "fp32", 0.99 * u * growth**2) != ()


def test_orthogonalize_takes_it_where_it_is_cheaper_and_safe(xp, rng):
    a = xp.array(rng.standard_normal((8, 100)).astype(np.float32))
    direct = xp.to_numpy(orthogonalize(a, form="direct"))
    gram = xp.to_numpy(orthogonalize(a, form="gram"))
    auto = orthogonalize(a)
    xp.assert_like(auto, a)
    assert np.array_equal(xp.to_numpy(auto), gram) and not np.array_equal(gram, direct)
    np.testing.assert_allclose(gram, direct, atol=2e-5)
    tall = xp.to_numpy(orthogonalize(a.mT))
    np.testing.assert_allclose(tall.T, gram, atol=2e-5)


def test_orthogonalize_in_either_form():
    rng = np.random.default_rng(0)
    square, stack = rng.standard_normal((9, 9)), rng.standard_normal((3, 4, 20))
    assert np.array_equal(orthogonalize(square), orthogonalize(square, form="direct"))
    for one, x in zip(orthogonalize(stack), stack, strict=True):
        np.testing.assert_allclose(one, orthogonalize(x), atol=1e-12)
    wide_one = rng.standard_normal((6, 40)).astype(np.float32)
    same = orthogonalize(wide_one, precision="bf16", form="direct")
    assert np.array_equal(orthogonalize(wide_one, precision="bf16"), same)
    with pytest.raises(ValueError, match="not safe for this schedule in bf16"):
        orthogonalize(wide_one, precision="bf16", form="gram")
    with pytest.raises(ValueError, match="form must be one of"):
        orthogonalize(wide_one, form="wide")
    rows = replace(LISTS["polar-express"], restarts=(3,))
    np.testing.assert_allclose(
        orthogonalize(square, schedule=rows), orthogonalize(square), atol=1e-11
    )
    zeros = np.zeros((3, 12))
    assert np.array_equal(orthogonalize(zeros), zeros)
    assert np.isnan(orthogonalize(np.full((3, 12), np.nan))).all()


@pytest.mark.parametrize("restarts", [(0,), (5,), (2, 2), (3, 1), "12", (1.5,), (True,), 3])
def test_wrong_restarts(restarts):
    with pytest.raises((TypeError, ValueError), match="restarts must be None or steps from 1 to 4"):
        replace(LISTS["polar-express"], restarts=restarts)


def test_shorter_schedules_keep_the_restarts_they_have_steps_for():
    rows = replace(LISTS["polar-express"], restarts=(1, 3))
    assert rows.take(3).restarts == (1,) and rows.take(9).restarts == (1, 3)
    assert eval(repr(rows), {"Schedule": Schedule}) == rows


@pytest.mark.parametrize("condition", [1.0, 30.0, 1e4])
@pytest.mark.parametrize("precision", ["fp64", "fp32"])
def test_polar_by_gram_matrices(condition, precision):
    if precision == "fp32" and condition == 1e4:
        condition = 1e3
    rng = np.random.default_rng(1)
    u = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    v = np.linalg.qr(rng.standard_normal((96, 24)))[0]
    a = (u * np.geomspace(1, 1 / condition, 24)) @ v.T
    direct = polar(a, precision=precision)
    gram = polar(a, method="gram", precision=precision)
    assert gram.converged
    eps = np.finfo(np.float64 if precision == "fp64" else np.float32).eps
    assert np.linalg.norm(gram.x - u @ v.T) < 30 * condition * eps
    assert gram.counts["flops"] < direct.counts["flops"]
    if condition < 100:
        assert gram.counts["flops"] < 0.85 * direct.counts["flops"]
    left = polar(a.T, method="gram", side="left", precision=precision)
    np.testing.assert_allclose(left.x.T, gram.x, atol=30 * condition * eps)


@pytest.mark.parametrize("order", [6, 48])
def test_compiled_by_jax_it_is_as_accurate(order):
    jax = pytest.importorskip("jax")
    a = np.random.default_rng(0).standard_normal((order, 3 * order)).astype(np.float32)
    exact = orthogonalize(a.astype(np.float64), steps=5)
    compiled = jax.jit(lambda x: orthogonalize(x, steps=5, form="gram"))(jax.numpy.asarray(a))
    ours = error(orthogonalize(a, steps=5, form="gram"), exact)
    assert error(np.asarray(compiled), exact) < 4 * ours
