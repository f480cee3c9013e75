"""Results: what they hold, what they say, and what they do not let happen to them."""

import copy
import pickle
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from linalg_ml._core.result import ConvergenceError, Result, Status, worst


def make(**changes):
    values = {
        "x": np.ones(3),
        "status": Status.CONVERGED,
        "nit": 4,
        "residual": 1.5e-7,
        "criterion": "residual <= 1e-06",
        "extras": {"hermitian": np.eye(3), "rcond": 0.5},
        "counts": {"products": 12, "flops": 3456},
        "precision": "fp64",
    }
    return Result(**{**values, **changes})


def test_fields_and_defaults():
    result = Result(1.0, Status.MAXITER, 3, None, "none")
    assert dict(result.extras) == dict(result.counts) == {}
    assert result.history is result.method is result.statuses is None and result.precision == ""
    assert [field.name for field in fields(Result)] == [
        "x", "status", "nit", "residual", "criterion", "extras", "counts", "history", "precision",
        "method", "statuses",
    ]  # fmt: skip


def test_extras_are_attributes():
    result = make()
    assert result.rcond == 0.5 and result.hermitian.shape == (3, 3)
    assert "rcond" in dir(result) and "message" in dir(result)
    with pytest.raises(
        AttributeError, match="no attribute 'factors'; its extras are hermitian, rcond"
    ):
        result.factors  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'factors'$"):
        make(extras={}).factors  # noqa: B018


def test_a_result_is_frozen():
    given = {"rcond": 0.5}
    result = make(extras=given)
    with pytest.raises(FrozenInstanceError):
        result.x = 0
    with pytest.raises(FrozenInstanceError):
        del result.status
    with pytest.raises(TypeError):
        result.extras["rcond"] = 1
    with pytest.raises(TypeError):
        result.counts["products"] = 1
    given["rcond"] = 7
    assert result.rcond == 0.5


@pytest.mark.parametrize("status", Status)
def test_success(status):
    result = make(status=status)
    assert result.converged == (status is Status.CONVERGED)
    assert result.success == (status in (Status.CONVERGED, Status.FIXED_STEPS))
    assert result.message == status.message
    if result.success:
        assert result.unwrap() is result.x
    else:
        with pytest.raises(
            ConvergenceError, match=rf"{status.name} after 4 steps \(residual 1.5e-07\)"
        ) as error:
            result.unwrap()
        assert error.value.result is result and status.message in str(error.value)


def test_success_of_fixed_steps_is_looked_at_when_first_read(xp):
    looked = []

    class Watched(Result):
        def __getattribute__(self, name):
            if name == "x":
                looked.append(name)
            return super().__getattribute__(name)

    result = Watched(xp.array(np.ones(2)), Status.FIXED_STEPS, 1, None, "none")
    assert not looked
    assert result.success and looked
    count = len(looked)
    assert result.success and len(looked) == count
    for bad in (np.nan, np.inf):
        assert not make(status=Status.FIXED_STEPS, x=xp.array(np.array([1.0, bad]))).success
    parts = (xp.array(np.ones(2)), xp.array(np.array([np.nan])))
    assert not make(status=Status.FIXED_STEPS, x=parts).success
    assert make(status=Status.FIXED_STEPS, x=parts[:1]).success


def test_success_under_jit():
    jax = pytest.importorskip("jax")

    def traced(x):
        result = make(x=x, status=Status.FIXED_STEPS)
        with pytest.raises(ValueError, match=r"cannot be read inside jax.jit"):
            result.success  # noqa: B018
        return result.x

    jax.jit(traced)(jax.numpy.ones(2))


def test_repr():
    assert repr(make()) == (
        "<Result CONVERGED (residual <= 1e-06); nit=4; residual=1.50e-07; products=12; "
        "flops=3456; precision='fp64'; extras: hermitian, rcond>"
    )
    assert "<=" not in repr(make(status=Status.MAXITER))
    assert "residual=" not in repr(make(residual=None))
    assert "residual=" not in repr(make(residual=np.nan))
    assert "residual=3.00e+00" in repr(make(residual=np.array([1.0, 3.0])))
    assert "extras" not in repr(make(extras={}))
    repr(make(residual=np.ones(0)))


def test_statuses():
    assert [status.severity for status in Status] == list(range(len(Status)))
    assert worst([Status.CONVERGED, Status.MAXITER, Status.FIXED_STEPS]) is Status.MAXITER
    assert worst([]) is Status.CONVERGED
    assert repr(Status.SINGULAR) == "Status.SINGULAR"
    assert all(status.message.endswith(".") for status in Status)
    assert [status.name for status in Status] == [
        "CONVERGED", "FIXED_STEPS", "STOPPED", "MAXITER", "STAGNATED", "BREAKDOWN", "SINGULAR",
        "DIVERGED", "USER_FUNCTION", "NONFINITE_INPUT",
    ]  # fmt: skip


def test_results_travel():
    result = make(statuses=np.array([Status.CONVERGED]), history=({"nit": 0},))
    assert result.success
    for twin in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), copy.copy(result)):
        assert twin.status is Status.CONVERGED and twin.statuses[0] is Status.CONVERGED
        assert np.array_equal(twin.x, result.x) and twin.rcond == 0.5 and twin.success
        assert repr(twin) == repr(result)
    error = ConvergenceError(make(status=Status.MAXITER))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert b"maxiter was reached" not in pickle.dumps(Status.MAXITER)  # messages may change


def test_unpacking_says_what_to_take():
    with pytest.raises(TypeError, match=r"a Result is no tuple: take result.x, result.hermitian"):
        _, _ = make()
