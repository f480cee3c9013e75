"""The convergence loop, on methods so small that every outcome can be foreseen."""

from dataclasses import dataclass

import numpy as np
import pytest
from fakes import Compiled, Shrink, State

from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import ConvergenceError, Status, UserFunctionError
from linalg_ml._core.solve import Method, check_limits, iterate, solve

ARITHMETIC = Arithmetic(None, np.zeros(1))


def run(method, **options):
    return solve(method, None, ARITHMETIC, **options)


# The stopping rule -----------------------------------------------------------------------------


def test_converged_at_the_first_step_that_meets_the_target():
    method = Shrink()
    result = run(method, rtol=0.1)
    assert result.status is Status.CONVERGED and result.converged and result.success
    assert result.nit == 4 and result.x == 0.0625 and result.residual == 0.0625
    assert result.criterion == "residual <= 0.1"
    assert result.method is method and result.precision == "fp64"
    assert method.calls.exact == 1 and method.calls.cheap == 5 and method.calls.scale == 1
    assert isinstance(result.residual, float)


@pytest.mark.parametrize(
    ("options", "size", "nit"),
    [
        ({"rtol": 0.1}, 1.0, 4),
        ({"rtol": 0.1}, 8.0, 1),
        ({"rtol": 0.1, "atol": 0.3}, 1.0, 2),
        ({"rtol": 0.1, "atol": 0.01}, 1.0, 4),
        ({"rtol": 0.1, "atol": 0.1}, 1.0, 4),
        ({"rtol": 0.0, "atol": 0.3}, 1.0, 2),
        ({"atol": 0.3}, 1.0, 2),
        ({}, 1.0, 17),
        ({"rtol": 1.0}, 1.0, 0),
    ],
)
def test_target_is_the_larger_of_both_tolerances(options, size, nit):
    result = run(Shrink(size=size), **options)
    assert result.converged and result.nit == nit


def test_a_tolerance_of_zero_is_met_by_zero_alone():
    assert run(Shrink(), rtol=0, maxiter=50).status is Status.MAXITER
    assert run(Shrink(sequence=(1.0, 0.5, 0.0)), rtol=0).nit == 2


def test_the_default_tolerance_may_depend_on_the_precision():
    class Precise(Shrink):
        default_rtol = {"fp64": 0.1, "bf16": 0.5}  # noqa: RUF012

    assert run(Precise()).nit == 4
    assert solve(Precise(), None, Arithmetic("bf16", np.zeros(1))).nit == 1


def test_the_methods_own_targets_replace_the_residual_unless_a_tolerance_is_given():
    class Targets(Shrink):
        def targets(self, problem, arithmetic):
            return {"residual": 0.5, "other": 0.1}

        def measure(self, problem, state, arithmetic, exact):
            measures = super().measure(problem, state, arithmetic, exact)
            return {**measures, "other": 0.2 * measures["residual"]} if exact else measures

    result = run(Targets())
    assert result.nit == 1 and result.criterion == "residual <= 0.5 and other <= 0.1"
    assert run(Targets(), rtol=0.2).criterion == "residual <= 0.2"
    assert run(Targets(), atol=0.2).nit == 3

    class Unmet(Targets):
        def targets(self, problem, arithmetic):
            return {"residual": 0.5, "other": 0.01}

    assert run(Unmet()).nit == 5  # the exact measures are asked again until both are met


@pytest.mark.parametrize(
    ("maxiter", "status", "nit"),
    [(0, Status.MAXITER, 0), (3, Status.MAXITER, 3), (4, Status.CONVERGED, 4)],
)
def test_maxiter(maxiter, status, nit):
    result = run(Shrink(), rtol=0.1, maxiter=maxiter)
    assert result.status is status and result.nit == nit
    assert result.residual == 0.5**nit
    if status is Status.MAXITER:
        with pytest.raises(
            ConvergenceError, match=rf"MAXITER after {nit} steps \(residual .*Raise"
        ):
            result.unwrap()


def test_default_maxiter_is_the_methods():
    class Slow(Shrink):
        default_maxiter = 7

    assert run(Slow(rate=0.999)).nit == 7


@pytest.mark.parametrize("check_every", [1, 3, 5])
def test_check_every(check_every):
    method = Shrink()
    result = run(method, rtol=0.1, check_every=check_every)
    assert result.converged and result.nit == -(-4 // check_every) * check_every
    assert method.calls.cheap == 1 + result.nit // check_every
    assert run(Shrink(), rtol=1e-9, maxiter=8, check_every=5).nit == 8


# Honesty ---------------------------------------------------------------------------------------


def test_a_method_whose_cheap_residual_lies_never_converges():
    @dataclass(frozen=True)
    class Liar(Shrink):
        def refresh(self, problem, state, arithmetic):
            self.calls.refresh += 1
            return State(state.x, state.x, state.step)

    method = Liar(rate=0.95, lie=0.0)
    result = run(method, rtol=1e-3)
    assert result.status is Status.STAGNATED and not result.success
    assert result.nit == 2 and method.calls.refresh == 2
    assert result.residual == pytest.approx(0.95**2)
    assert "STAGNATED" in repr(result)


def test_a_lie_is_forgiven_while_the_exact_residual_halves():
    result = run(Shrink(rate=0.4, lie=0.0), rtol=1e-3)
    assert result.converged and result.residual <= 1e-3


@pytest.mark.parametrize("lie", [0.999, 0.5, 0.01])
def test_an_optimistic_cheap_residual_is_asked_for_more(lie):
    method = Shrink(rate=0.999, lie=lie)
    result = run(method, rtol=1e-3, maxiter=100_000)
    assert result.converged
    assert 0.8e-3 <= result.residual <= 1e-3
    assert method.calls.exact <= 3


def test_an_optimistic_stack_is_asked_for_more_where_it_was_optimistic():
    method = Shrink(rate=np.array([0.99, 0.99]), start=np.ones(2), lie=np.array([1.0, 0.5]))
    result = run(method, rtol=1e-3, maxiter=10_000)
    assert result.converged and np.all(result.residual <= 1e-3)
    assert method.calls.exact <= 3


def test_pessimistic_cheap_residual_still_converges():
    assert run(Shrink(lie=3.0), rtol=0.1).nit == 5


def test_stagnated_by_patience():
    @dataclass(frozen=True)
    class Patient(Shrink):
        def patience(self, problem, arithmetic):
            return 10, 3

    result = run(Patient(floor=0.01), rtol=1e-3)
    assert result.status is Status.STAGNATED and result.residual == 0.01
    assert result.nit == 13  # the check at step 10 is the one to improve on
    assert run(Patient(rate=0.9), rtol=1e-3).converged
    assert run(Shrink(floor=0.01), rtol=1e-3, maxiter=99).status is Status.MAXITER


def test_verify_may_withdraw_a_success():
    class Doubtful(Shrink):
        def verify(self, problem, state, arithmetic):
            return Status.SINGULAR

    result = run(Doubtful(), rtol=0.1)
    assert result.status is Status.SINGULAR and not result.success and result.nit == 4
    assert run(Doubtful(), rtol=0.1, maxiter=2).status is Status.MAXITER
    stopped = run(Doubtful(), rtol=0.1, callback=lambda progress: progress.nit == 4)
    assert stopped.status is Status.SINGULAR  # though the target was met at that moment


@dataclass(frozen=True)
class Ruled(Shrink):
    """Stops by a rule of its own at step 3."""

    rule = "step == 3"
    verdict: Status = Status.CONVERGED

    def stopped(self, problem, state, measures):
        return self.verdict if state.step == 3 else None


def test_a_methods_own_rule_is_named():
    result = run(Ruled(), rtol=1e-9)
    assert (result.status, result.nit) == (Status.CONVERGED, 3)
    assert result.criterion == "step == 3" and result.residual == 0.125
    result = run(Ruled(verdict=Status.BREAKDOWN), rtol=1e-9)
    assert result.status is Status.BREAKDOWN and result.criterion == "step == 3"
    result = run(Ruled(), rtol=0.5)  # the residual is met before
    assert result.nit == 1 and result.criterion == "residual <= 0.5"
    nan = (1.0, 0.5, 0.25, np.nan)
    assert run(Ruled(sequence=nan), rtol=1e-9).status is Status.DIVERGED


# Numbers that are none -------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nonfinite(bad):
    assert run(Shrink(start=bad)).status is Status.NONFINITE_INPUT
    assert run(Shrink(size=bad)).status is Status.NONFINITE_INPUT
    result = run(Shrink(sequence=(1.0, 0.5, bad)))
    assert result.status is Status.DIVERGED and result.nit == 2
    assert not result.success
    with pytest.raises(ConvergenceError, match="DIVERGED"):
        result.unwrap()


def test_nonfinite_exact_residual_is_no_success():
    class Hidden(Shrink):
        def measure(self, problem, state, arithmetic, exact):
            return {"residual": np.nan} if exact else {"residual": 0.0}

    assert run(Hidden(), rtol=0.1).status is Status.DIVERGED


def test_a_cheap_residual_that_overflows_first_is_divergence():
    class Overflowing(Shrink):
        def measure(self, problem, state, arithmetic, exact):
            return {"residual": state.x if exact or state.x < 1e3 else np.inf}

    assert run(Overflowing(rate=2.0), rtol=0.1).status is Status.DIVERGED


# A fixed number of steps -----------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 7])
@pytest.mark.parametrize("kind", [Shrink, Compiled])
def test_fixed_steps(kind, steps):
    method = kind()
    result = run(method, steps=steps)
    assert result.status is Status.FIXED_STEPS and result.nit == steps
    assert method.calls.step == steps and result.steps_seen == steps
    assert method.calls.cheap == method.calls.exact == method.calls.scale == 0
    assert result.residual is None and result.criterion == "none: a fixed number of steps"
    assert result.success and not result.converged and result.unwrap() == 0.5**steps


def test_fixed_steps_with_a_nonfinite_result_are_no_success():
    result = run(Shrink(sequence=(1.0, np.nan)), steps=3)
    assert result.status is Status.FIXED_STEPS and not result.success
    with pytest.raises(ConvergenceError, match=r"FIXED_STEPS after 3 steps\. x holds NaN"):
        result.unwrap()


def test_fixed_steps_with_history_and_callback():
    seen = []
    result = run(Shrink(), steps=3, history=True, callback=lambda p: seen.append((p.nit, p.x)))
    assert [record["nit"] for record in result.history] == [0, 1, 2, 3]
    assert [record["residual"] for record in result.history] == [1.0, 0.5, 0.25, 0.125]
    assert seen == [(1, 0.5), (2, 0.25), (3, 0.125)]
    method = Shrink()
    result = run(method, steps=9, callback=lambda p: p.nit == 2)
    assert result.status is Status.STOPPED and result.nit == 2 and method.calls.cheap == 0


# Many steps in one call ------------------------------------------------------------------------


def test_advance_stops_at_the_exact_step():
    method = Compiled(rate=0.9)
    result = run(method, rtol=1e-3)
    assert result.converged and result.nit == 66 == method.calls.step
    assert method.calls.cheap == 2 and method.calls.exact == 1


def test_advance_is_bounded_by_maxiter_and_check_every():
    assert run(Compiled(rate=0.999), rtol=1e-9, maxiter=42).nit == 42
    method = Compiled(rate=0.9)
    assert run(method, rtol=1e-3, check_every=20).nit == 66
    assert method.calls.cheap == 1 + 4
    method = Compiled(rate=0.9)
    assert run(method, rtol=1e-3, history=True).nit == 66
    assert method.calls.cheap == 1 + 66


def test_an_optimistic_kernel_is_given_a_smaller_target():
    method = Compiled(rate=0.999, lie=0.9)
    result = run(method, rtol=1e-3, maxiter=100_000)
    assert result.converged and method.calls.exact == 2


def test_a_kernel_that_makes_no_step_ends_the_run():
    class Stuck(Compiled):
        def advance(self, problem, state, arithmetic, steps, target):
            return state, 0, False

    result = run(Stuck(), rtol=1e-3)
    assert result.status is Status.STAGNATED and result.nit == 0


def test_a_kernel_that_has_nothing_to_stop_at_is_checked_step_by_step():
    start = np.array([1.0, 0.1])
    result = run(Compiled(start=start, rate=np.array([0.5, 0.5])), rtol=1e-2)
    assert result.converged and result.nit == 7


# Callbacks and history -------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [True, np.True_])
def test_a_callback_may_stop(answer):
    result = run(Shrink(), rtol=1e-9, callback=lambda p: answer if p.nit == 3 else None)
    assert result.status is Status.STOPPED and result.nit == 3
    assert result.residual == 0.125 and not result.success


@pytest.mark.parametrize("answer", [None, False, np.False_, 1, "go on", np.ones(2)])
def test_other_answers_do_not_stop(answer):
    assert run(Shrink(), rtol=0.1, callback=lambda p: answer).converged


def test_a_callback_that_stops_on_a_good_iterate_reports_it():
    assert run(Shrink(), rtol=0.1, callback=lambda p: p.nit == 4).status is Status.CONVERGED


def test_callback_sees_each_check():
    seen = []
    run(Shrink(), rtol=0.1, callback=lambda p: seen.append((p.nit, p.measures["residual"], p.x)))
    assert seen == [(k, 0.5**k, 0.5**k) for k in (1, 2, 3, 4)]
    seen.clear()
    run(Shrink(), rtol=0.1, check_every=3, callback=lambda p: seen.append(p.nit))
    assert seen == [3, 6]


def test_x_in_a_callback_is_finished_only_when_read():
    method = Shrink()
    run(method, rtol=0.1, callback=lambda p: None)
    assert method.calls.finish == 1


def test_a_solution_of_several_parts():
    class Pair(Shrink):
        def finish(self, problem, state, arithmetic):
            return (np.float32([state.x]), np.ones(2, np.float32)), {}

    seen = []
    result = run(Pair(), rtol=0.1, callback=lambda p: seen.append(p.x))
    assert isinstance(result.x, tuple) and len(seen[0]) == 2
    assert [part.dtype.name for part in result.x] == ["float64", "float64"]  # as what came in
    assert run(Pair(), steps=1).success


def test_history():
    result = run(Shrink(), rtol=0.1, history=True)
    assert result.history == tuple({"nit": k, "residual": 0.5**k} for k in range(5))
    result = run(Shrink(), rtol=0.1, history=True, check_every=3)
    assert [record["nit"] for record in result.history] == [0, 3, 6]
    assert run(Shrink(), rtol=0.1).history is None


def test_history_of_a_stack_does_not_change_under_the_feet():
    class InPlace(Shrink):
        def step(self, problem, state, arithmetic):
            state.x *= 0.5
            return state

        def measure(self, problem, state, arithmetic, exact):
            return {"residual": state.x}

    result = run(InPlace(start=np.ones(2)), rtol=0.1, history=True)
    assert [record["residual"][0] for record in result.history] == [0.5**k for k in range(5)]


# Going on --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Shrink, Compiled])
def test_going_on_equals_one_long_run(kind):
    first = iterate(kind(), None, ARITHMETIC, rtol=1e-3, maxiter=4, history=True)
    assert first.status is Status.MAXITER
    second = iterate(kind(), None, ARITHMETIC, rtol=1e-3, history=True, state=first)
    once = iterate(kind(), None, ARITHMETIC, rtol=1e-3, history=True)
    assert second.nit == once.nit == 10
    for name in ("status", "residual", "criterion", "history"):
        assert getattr(second, name) == getattr(once, name)
    assert second.result().x == once.result().x


def test_going_on_with_fixed_steps():
    first = iterate(Shrink(), None, ARITHMETIC, steps=3, history=True)
    second = iterate(Shrink(), None, ARITHMETIC, steps=2, history=True, state=first)
    assert second.nit == 5 and [record["nit"] for record in second.history] == list(range(6))
    with pytest.raises(ValueError, match=r"x0 .* excludes state"):
        iterate(Shrink(), None, ARITHMETIC, steps=3, x0=1.0, state=first)


def test_patience_and_maxiter_count_from_where_a_run_goes_on():
    @dataclass(frozen=True)
    class Patient(Shrink):
        def patience(self, problem, arithmetic):
            return 2, 2

    first = iterate(Patient(floor=0.3), None, ARITHMETIC, rtol=1e-3)
    assert first.status is Status.STAGNATED
    again = iterate(Patient(floor=0.3), None, ARITHMETIC, rtol=1e-3, state=first)
    assert again.status is Status.STAGNATED and again.nit == first.nit + 4
    assert iterate(Shrink(), None, ARITHMETIC, rtol=0, maxiter=5, state=first).nit == first.nit + 5


# Functions of the caller -----------------------------------------------------------------------


@pytest.mark.parametrize("where", ["init", "step", "scale", "measure"])
@pytest.mark.parametrize("options", [{"rtol": 1e-3}, {"steps": 9}], ids=["target", "steps"])
def test_a_failing_function_is_a_status(where, options):
    class Broken(Shrink):
        def fail(self, *args):
            raise UserFunctionError("f(x) returned NaN")

    setattr(Broken, where, Broken.fail)
    result = run(Broken(), **options)
    if "steps" in options and where in ("scale", "measure"):
        assert result.success
        return
    assert result.status is Status.USER_FUNCTION and not result.success
    assert result.criterion == "f(x) returned NaN"
    assert (result.x is None) == (where == "init")
    with pytest.raises(ConvergenceError, match="USER_FUNCTION"):
        result.unwrap()


# Stacks ----------------------------------------------------------------------------------------


def test_matrices_of_a_stack_meet_different_fates():
    @dataclass(frozen=True)
    class Fates(Shrink):
        def step(self, problem, state, arithmetic):
            x = state.x * self.rate
            return State(np.where([False, False, True, False, False], np.nan, x), x, state.step + 1)

        def measure(self, problem, state, arithmetic, exact):
            return {"residual": np.abs(state.x)}

        def stopped(self, problem, state, measures):
            own = np.array([None] * 5)
            if state.step >= 2:
                own[3] = Status.SINGULAR
            return own

    start = np.array([1.0, 0.01, 1.0, 1.0, np.nan])
    result = run(Fates(start=start, rate=np.array([0.5, 0.9, 0.5, 1.0, 0.5])), rtol=0.1)
    assert list(result.statuses) == [
        Status.CONVERGED,
        Status.CONVERGED,
        Status.DIVERGED,
        Status.SINGULAR,
        Status.NONFINITE_INPUT,
    ]
    assert result.status is Status.NONFINITE_INPUT and result.nit == 4
    assert not result.success and result.residual.shape == (5,)


def test_a_stack_waits_for_its_slowest_matrix():
    rates = np.array([[0.5, 0.9], [0.1, 0.5]])
    result = run(Shrink(start=np.ones((2, 2)), rate=rates), rtol=0.1)
    assert result.converged and result.nit == 22 and result.statuses.shape == (2, 2)
    assert np.allclose(result.residual, rates**22)
    result = run(Shrink(start=np.ones((2, 2)), rate=rates), rtol=0.1, maxiter=10)
    assert [status.name for status in result.statuses.flat] == [
        "CONVERGED",
        "MAXITER",
        "CONVERGED",
        "CONVERGED",
    ]
    assert result.status is Status.MAXITER


def test_each_matrix_has_a_scale_of_its_own():
    result = run(Shrink(start=np.ones(2), size=np.array([1.0, 8.0])), rtol=0.1)
    assert result.nit == 4 and result.converged
    assert result.criterion == "residual <= 0.8"
    result = run(Shrink(start=np.array([1.0, 1.0]), size=np.array([1.0, np.inf])), rtol=0.1)
    assert [s.name for s in result.statuses] == ["CONVERGED", "NONFINITE_INPUT"]


def test_a_stack_without_matrices():
    result = run(Shrink(start=np.ones(0)), rtol=0.1)
    assert result.nit == 0 and result.residual.shape == (0,)


# Arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rtol": -1.0}, ValueError, "rtol must be >= 0, got -1.0"),
        ({"atol": -1e-3}, ValueError, "atol must be >= 0"),
        ({"rtol": np.nan}, ValueError, "rtol must be >= 0, got nan"),
        ({"rtol": np.inf}, ValueError, "rtol must be finite"),
        ({"rtol": "small"}, TypeError, "rtol must be a number, got 'small'"),
        ({"maxiter": -1}, ValueError, "maxiter must be at least 0, got -1"),
        ({"maxiter": 2.0}, TypeError, "maxiter must be an integer, got 2.0"),
        ({"maxiter": True}, TypeError, "maxiter must be an integer, got True"),
        ({"steps": -1}, ValueError, "steps must be at least 0"),
        ({"check_every": 0}, ValueError, "check_every must be at least 1, got 0"),
        ({"callback": 3}, TypeError, "callback must be callable, got int"),
        ({"steps": 3, "rtol": 1e-3}, ValueError, "steps .* excludes rtol"),
        ({"steps": 3, "atol": 1e-3, "maxiter": 3}, ValueError, "excludes atol and maxiter"),
    ],
)
def test_wrong_arguments(options, error, message):
    with pytest.raises(error, match=message):
        run(Shrink(), **options)


def test_limits_take_numpy_numbers():
    limits = check_limits(np.float32(0.5), 0, np.int64(3), None, np.int8(2), None)
    assert limits == (0.5, 0.0, 3, None, 2)
    assert type(limits.rtol) is float and type(limits.maxiter) is int


def test_a_method_may_leave_everything_optional_out():
    method = Method()
    assert method.targets(None, None) is None and method.stopped(None, None, {}) is None
    assert method.verify(None, None, None) is None and method.patience(None, None) is None
    assert method.refresh(None, "state", None) == "state" and method.advance is None
