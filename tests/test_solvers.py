"""Every solver of the table on every array library, in every precision."""

import numpy as np
import pytest

from linalg_ml import Result, polar
from tests.solver_table import TABLE, hermitian_reference, tall

PRECISIONS = ["fp32", "tf32", "fp16", "bf16"]


def answer(outcome):
    return outcome.x if isinstance(outcome, Result) else outcome


def error(xp, x, reference):
    difference = xp.to_numpy(x).astype(np.float64) - reference
    return np.max(np.linalg.norm(difference, axis=(-2, -1))) / reference.shape[-1] ** 0.5


@pytest.mark.parametrize("row", TABLE, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_the_precision_of_the_input(xp, row, dtype):
    if dtype == "float64" and not xp.has_float64:
        pytest.skip("this device has no float64")
    a = row.problem()
    given = xp.array(a, dtype)
    outcome = row.function(given, **row.options)
    x = answer(outcome)
    xp.assert_like(x, given)
    assert error(xp, x, row.reference(a)) < row.tolerance["fp64" if dtype == "float64" else "fp32"]
    np.testing.assert_array_equal(xp.to_numpy(given), a.astype(dtype))
    if row.converges:
        assert outcome.converged
        assert outcome.precision == ("fp64" if dtype == "float64" else "fp32")


@pytest.mark.parametrize("row", TABLE, ids=repr)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.filterwarnings("ignore:a minimax schedule with safety=0:UserWarning")
def test_in_a_named_precision(xp, row, precision):
    a = row.problem()
    given = xp.array(a, "float32")
    outcome = row.function(given, **row.options, precision=precision)
    x = answer(outcome)
    xp.assert_like(x, given)
    assert error(xp, x, row.reference(a)) < row.tolerance[precision]


def test_hermitian_factor(xp):
    a = tall()
    given = xp.array(a, "float32")
    h = polar(given).hermitian
    xp.assert_like(h, xp.array(np.zeros((10, 10)), "float32"))
    np.testing.assert_allclose(xp.to_numpy(h), hermitian_reference(a), atol=1e-5)


@pytest.mark.parametrize("row", [r for r in TABLE if "steps" in r.options], ids=repr)
def test_under_jit(row):
    jax = pytest.importorskip("jax")
    a = jax.numpy.asarray(row.problem(), dtype="float32")
    traced = jax.jit(lambda a: answer(row.function(a, **row.options)))(a)
    plain = answer(row.function(a, **row.options))
    np.testing.assert_allclose(np.asarray(traced), np.asarray(plain), atol=2e-4)
