"""Sequences of systems: what is solved, charged, told, compared and kept."""

import numpy as np
import pytest

from linalg_ml import Status, cg, krylov, relaxation
from linalg_ml.problems import HeatEquation, delsq, numgrid, shifted_systems
from linalg_ml.relaxation import (
    ChebCB,
    Comparison,
    Fixed,
    Price,
    TsallisINF,
    UnimodalThompson,
    optimal_omega,
    solve_sequence,
)

A = delsq(numgrid("S", 12))
OMEGAS = (1.0, 1.3, 1.6, 1.9)


def ssor_cg(a, b, omega, **options):
    return cg(a, b, M=krylov.ssor(a, omega), **options)


def plain_cg(a, b, **options):
    return cg(a, b, **options)


def systems(count=6, seed=0):
    return shifted_systems(A, count, rng=seed)


class Spy(Fixed):
    """A fixed choice that remembers what it was asked and told."""

    def __init__(self, arm):
        super().__init__(arm)
        self.contexts, self.told = [], []

    def _choose(self, context):
        self.contexts.append(context)
        return super()._choose(context)

    def _learn(self, index, cost):
        self.told.append(cost)


@pytest.mark.parametrize("name", ["sor", "ssor-cg"])
def test_a_solver_is_named_or_given(name):
    function = {"sor": relaxation.sor, "ssor-cg": relaxation.ssor_cg}[name]
    named = solve_sequence(systems(), tuner=Fixed(1.3), solver=name)
    given = solve_sequence(systems(), tuner=Fixed(1.3), solver=function)
    assert named.costs.tolist() == given.costs.tolist() and not given.failures


def test_each_system_is_solved_and_charged():
    tuner = Spy(1.3)
    done = solve_sequence(systems(), tuner=tuner, solver=ssor_cg, rtol=1e-10)
    expected = [ssor_cg(a, b, 1.3, rtol=1e-10) for a, b, _ in systems()]
    assert done.costs.tolist() == [result.nit for result in expected] == tuner.told
    assert done.total == sum(result.nit for result in expected)
    for (a, b, _), result in zip(systems(), done.results, strict=True):
        assert np.linalg.norm(b - a @ result.x) <= 1e-10 * np.linalg.norm(b)
    assert done.omegas == [1.3] * 6
    assert done.converged.all() and not done.fell_back.any() and done.failures == []
    assert np.array_equal(done.x, done.results[-1].x)
    assert done.comparison is None
    assert repr(done) == f"<SequenceResult: 6 systems, total={done.total:g}>"


def test_contexts_come_with_the_systems_or_beside_them():
    shifts = [c for _, _, c in systems()]
    pairs = [(a, b) for a, b, _ in systems()]
    for given, options in (
        (systems(), {}),
        (pairs, {"contexts": shifts}),
        (iter(pairs), {"contexts": iter(shifts)}),
        (pairs, {"contexts": lambda a, b: a[0, 0] - 4}),
        (lambda t, x: list(systems())[t] if t < 6 else None, {}),
    ):
        tuner = Spy(1.3)
        solve_sequence(given, tuner=tuner, solver=ssor_cg, **options)
        np.testing.assert_allclose(tuner.contexts, shifts, atol=1e-14)
    with pytest.raises(ValueError, match="contexts must be None where the systems"):
        solve_sequence(systems(), tuner=Spy(1.3), solver=ssor_cg, contexts=shifts)
    with pytest.raises(ValueError, match="one number for each system, got fewer"):
        solve_sequence(pairs, tuner=Spy(1.3), solver=ssor_cg, contexts=shifts[:2])


def test_warm_starts():
    b = np.ones(100)
    same = [(A, b)] * 4
    cold = solve_sequence(same, tuner=Fixed(1.3), solver=ssor_cg)
    warm = solve_sequence(same, tuner=Fixed(1.3), solver=ssor_cg, warm_start=True)
    assert cold.costs.min() > 0
    assert warm.costs.tolist() == [cold.costs[0], 0, 0, 0]
    first = solve_sequence(
        same, tuner=Fixed(1.3), solver=ssor_cg, warm_start=True, x0=warm.results[0].x
    )
    assert first.total == 0


def test_x0_starts_the_first_solve_with_a_warm_start_or_without():
    b = np.ones(100)
    x0 = np.linalg.solve(A.toarray(), b)
    done = solve_sequence([(A, b)] * 2, tuner=Fixed(1.3), x0=x0, compare=True, optimal=lambda *_: 1)
    cold = solve_sequence([(A, b)], tuner=Fixed(1.3))
    assert done.costs.tolist() == done.comparison.costs[:, 0].tolist() == [0, cold.total]
    assert done.comparison.optimal_costs[0] == 0


def test_a_system_solved_without_a_step_says_nothing_of_omega():
    """It is charged, but not told: with mean cost 0 its arm would be the best for long."""
    b = np.ones(100)
    tuner = UnimodalThompson(OMEGAS, rng=0)
    posed = [(A, right) for right in (b, 0 * b, 2 * b, 0 * b)]
    done = solve_sequence(posed, tuner=tuner, solver=ssor_cg, warm_start=True)
    assert done.converged.all() and done.costs[[1, 3]].tolist() == [0, 0]
    assert not done.x.any()
    assert tuner.rounds == 2 and done.omegas == [1.9, 1.6, 1.6, 1.3]
    dear = Spy(1.3)
    done = solve_sequence(posed, tuner=dear, solver=ssor_cg, cost=Price(setup=7))
    assert dear.told == done.costs.tolist() and dear.told[1] == 7  # the setup is paid


def test_time_steps_know_the_solution_before():
    equation = HeatEquation(8, steps=40, end=0.04)
    done = solve_sequence(
        equation,
        tuner=ChebCB(OMEGAS, context_range=equation.context_range, rng=0),
        solver=ssor_cg,
        warm_start=True,
        x0=equation.start,
        rtol=1e-12,
    )
    u = equation.start
    for step in range(40):
        a, b, _ = equation(step, u)
        u = np.linalg.solve(a.toarray(), b)
    assert len(done.results) == 40
    np.testing.assert_allclose(done.x, u, atol=1e-10)


def test_costs_in_seconds_or_of_the_callers_making():
    tuner = Spy(1.3)
    done = solve_sequence(systems(), tuner=tuner, solver=ssor_cg, cost="seconds")
    assert (done.costs > 0).all() and done.total < 60 and tuner.told == done.costs.tolist()
    done = solve_sequence(
        systems(), tuner=Fixed(1.3), solver=ssor_cg, cost=lambda result, omega: omega * result.nit
    )
    assert done.costs == pytest.approx([1.3 * result.nit for result in done.results])
    price = Price(setup={1.3: 100}, per_iteration=2)
    done = solve_sequence(systems(), tuner=Fixed(1.3), solver=ssor_cg, cost=price)
    assert done.costs.tolist() == [100 + 2 * result.nit for result in done.results]
    with pytest.raises(ValueError, match="what cost returns must be >= 0"):
        solve_sequence(systems(), tuner=Fixed(1.3), solver=ssor_cg, cost=lambda *_: -1)


def test_an_unequal_price_changes_the_choice():
    """Without a preconditioner there are more iterations, each for less."""

    def solver(a, b, name, **options):
        return ssor_cg(a, b, 1.3, **options) if name == "ssor" else cg(a, b, **options)

    last = {}
    for ssor in (1.0, 10.0):
        tuner = TsallisINF(["none", "ssor"], rng=0)
        price = Price(per_iteration={"none": 1.0, "ssor": ssor})
        done = solve_sequence(systems(300), tuner=tuner, solver=solver, cost=price)
        last[ssor] = done.omegas[-100:].count("ssor")
    assert last[1.0] > 80 and last[10.0] < 20


def test_prices_of_a_fallback_and_of_the_best_omega():
    """A fallback that is a function has the price of None; no price is no reason to end."""
    price = Price(setup={0.01: 1, 1.3: 2, None: 50})
    options = {"tuner": Fixed(0.01), "solver": ssor_cg, "cost": price, "budget": 5}
    done = solve_sequence(systems(), fallback=plain_cg, optimal=lambda *_: 1.3, **options)
    assert done.costs.tolist() == [1 + 5 + 50 + result.nit for result in done.results]
    assert np.isfinite(done.comparison.optimal_costs).all()
    omegas = iter([1.3, 1.7, 1.3, 1.7, 1.7, 1.3])
    done = solve_sequence(systems(), fallback=1.3, optimal=lambda *_: next(omegas), **options)
    unknown = [False, True, False, True, True, False]
    assert np.isnan(done.comparison.optimal_costs).tolist() == unknown
    assert np.isnan(done.comparison.instance_optimal) and done.converged.all()


def refuse(*_):
    raise AssertionError("solved before the arguments were checked")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tuner": Fixed(1.7)}, "cost must have a price for each arm of tuner, but has none for 1"),
        ({"compare": [1.5, 1.3]}, "a price for each arm of compare, but has none for 1.3"),
        ({"budget": 5, "fallback": 1.3}, "a price for fallback, but has none for 1.3"),
        ({"budget": 5, "fallback": refuse}, "a price for fallback, but has none for None"),
    ],
)
@pytest.mark.parametrize("which", ["setup", "per_iteration"])
def test_prices_are_looked_up_before_the_first_solve(options, message, which):
    options = {"tuner": Fixed(1.5), "cost": Price(**{which: {1.5: 1}}), **options}
    with pytest.raises(ValueError, match=message):
        solve_sequence(refuse, solver=refuse, **options)


@pytest.mark.parametrize(
    "solver", ["sor", "ssor-cg", relaxation.sor, relaxation.ssor, relaxation.ssor_cg]
)
def test_omegas_are_checked_before_the_first_solve(solver):
    for options, name in (
        ({"tuner": TsallisINF([1.0, 2.0])}, "each arm of tuner must be < 2, got 2.0"),
        ({"tuner": TsallisINF([1.0, 0])}, "each arm of tuner must be > 0, got 0"),
        ({"tuner": Fixed("jung")}, "each arm of tuner must be "),
        ({"compare": [1.0, 2.5]}, "each arm of compare must be < 2, got 2.5"),
        ({"budget": 5, "fallback": -1}, "fallback must be > 0, got -1"),
        ({"budget": 5, "fallback": "smart"}, "fallback must be"),
    ):
        with pytest.raises((TypeError, ValueError), match=name):
            solve_sequence(refuse, solver=solver, **{"tuner": Fixed(1.5), **options})


def test_rules_are_omegas_too():
    arms = [1.3, "young", "adaptive"]
    done = solve_sequence(systems(), tuner=Fixed("young"), compare=arms, budget=5, fallback=1.3)
    assert done.converged.all() and done.comparison.arms == (1.3, "young", "adaptive")
    own = solve_sequence(
        systems(), tuner=Fixed(2.5), solver=lambda a, b, shift, **options: cg(a, b, **options)
    )
    assert own.converged.all()  # what other solvers take is for them to say


def test_the_budget_bounds_a_bad_choice():
    tuner = Spy(0.01)
    done = solve_sequence(
        systems(), tuner=tuner, solver=ssor_cg, budget=5, fallback=1.3, rtol=1e-10
    )
    direct = [ssor_cg(a, b, 1.3, rtol=1e-10).nit for a, b, _ in systems()]
    assert done.fell_back.all() and done.converged.all()
    assert done.costs.tolist() == [5 + result.nit for result in done.results]
    assert np.all(done.costs <= 5 + np.array(direct))
    assert tuner.told == done.costs.tolist()
    assert done.omegas == [0.01] * 6
    assert "6 fell back" in repr(done)
    for (a, b, _), result in zip(systems(), done.results, strict=True):
        assert np.linalg.norm(b - a @ result.x) <= 1e-10 * np.linalg.norm(b)
    other = solve_sequence(
        systems(), tuner=Spy(0.01), solver=ssor_cg, budget=5, fallback=plain_cg, rtol=1e-10
    )
    assert other.converged.all() and other.fell_back.all()
    enough = solve_sequence(systems(), tuner=Fixed(1.3), solver=ssor_cg, budget=99, fallback=1.0)
    assert not enough.fell_back.any()


def test_a_fallback_does_not_start_from_where_the_first_solve_diverged():
    starts = []

    def solver(a, b, omega, *, x0=None, maxiter=None, **options):
        if omega == 2:
            bad = cg(a, b, steps=1)
            return type(bad)(bad.x * np.nan, Status.DIVERGED, 3, None, "")
        starts.append(x0)
        return cg(a, b, x0=x0, **options)

    done = solve_sequence(systems(), tuner=Fixed(2), solver=solver, budget=5, fallback=1)
    assert starts == [None] * 6 and done.converged.all()


def test_failures_are_recorded_charged_and_dear():
    """An early end without a solution is not taken for a cheap solve."""

    def solver(a, b, omega, **options):
        good = cg(a, b, **options)
        if omega == 1 or solver.healthy:
            return good
        return type(good)(good.x * np.nan, Status.DIVERGED, 2, np.inf, "")

    tuner = Spy(2)
    solver.healthy = True
    first = solve_sequence(systems(3), tuner=tuner, solver=solver)
    solver.healthy = False
    states = []

    def callback(number, result, omega, cost):
        states.append((number, result.status, omega, cost))
        solver.healthy = number == 1

    done = solve_sequence(
        systems(4), tuner=tuner, solver=solver, warm_start=True, callback=callback
    )
    assert done.failures == [0, 1, 3]
    assert done.results[0].status is Status.DIVERGED
    assert done.costs[[0, 1, 3]].tolist() == [2, 2, 2]
    assert tuner.told == [*first.costs, 2, 2, done.costs[2], done.costs[2]]
    assert states[1] == (1, Status.DIVERGED, 2, 2)
    assert np.array_equal(done.x, done.results[2].x)  # the last finite one
    assert "3 failed" in repr(done)
    tuner = Spy(2)
    solve_sequence(systems(1), tuner=tuner, solver=solver, failure_cost=500)
    assert tuner.told == [500]


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_system_without_a_solution_is_a_failure(warm_start):
    """Its preconditioner returned NaN before there was an x."""

    def solver(a, b, omega, **options):
        bad = omega == 2 and b[0] == 2
        return cg(a, b, M=(lambda r: r * np.nan) if bad else None, **options)

    ones = np.ones(100)
    posed = [(A, ones), (A, 2 * ones), (A, 3 * ones)]
    options = {"solver": solver, "warm_start": warm_start}
    alone = solve_sequence(posed, tuner=Fixed(2), compare=True, **options)
    assert alone.results[1].x is None and alone.failures == [1]
    assert alone.comparison.converged[:, 0].tolist() == [True, False, True]
    done = solve_sequence(posed, tuner=Fixed(2), budget=99, fallback=1, **options)
    assert done.converged.all() and done.fell_back.tolist() == [False, True, False]
    last = solve_sequence(posed[:2], tuner=Fixed(2), **options)
    assert np.array_equal(last.x, alone.results[0].x)  # the last there was


def test_running_into_maxiter_is_a_failure():
    done = solve_sequence(systems(3), tuner=Fixed(1.0), solver=ssor_cg, maxiter=2)
    assert done.failures == [0, 1, 2] and done.total == 6
    assert [result.status for result in done.results] == [Status.MAXITER] * 3


def test_a_fixed_number_of_steps_is_no_failure():
    def size(result, omega):
        return float(np.linalg.norm(result.x))

    posed, tuner = list(systems()), Spy(1.5)
    done = solve_sequence(posed, tuner=tuner, cost=size, steps=7, compare=OMEGAS)
    assert tuner.told == done.costs.tolist() and len(set(tuner.told)) == len(posed)
    assert not done.failures and not done.converged.any() and "failed" not in repr(done)
    assert np.isfinite(done.comparison.best_fixed[1])
    with pytest.raises(ValueError, match='cost must be "seconds" or a function'):
        solve_sequence(posed, tuner=tuner, steps=7)


def test_comparison_with_what_is_known_afterwards():
    done = solve_sequence(
        systems(20),
        tuner=TsallisINF(OMEGAS, rng=0),
        solver=ssor_cg,
        compare=True,
        optimal=lambda a, b, c: 1.5 + c,
        rtol=1e-8,
    )
    table = [[ssor_cg(a, b, omega, rtol=1e-8).nit for omega in OMEGAS] for a, b, _ in systems(20)]
    table = np.array(table)
    comparison = done.comparison
    assert np.array_equal(comparison.costs, table)
    best = table.sum(axis=0).argmin()
    assert comparison.best_fixed == (OMEGAS[best], table.sum(axis=0)[best])
    assert comparison.best_of_each == table.min(axis=1).sum()
    optimal = sum(ssor_cg(a, b, 1.5 + c, rtol=1e-8).nit for a, b, c in systems(20))
    assert comparison.instance_optimal == optimal
    chosen = [OMEGAS.index(omega) for omega in done.omegas]
    assert np.array_equal(done.costs, table[np.arange(20), chosen])


def test_the_best_omega_of_each_system_without_other_arms():
    comparison = solve_sequence(systems(), tuner=Fixed(1.3), optimal=lambda *_: 1.3).comparison
    alone = solve_sequence(systems(), tuner=Fixed(1.3))
    assert comparison.optimal_costs.tolist() == alone.costs.tolist()
    assert comparison.instance_optimal == alone.total
    assert comparison.costs.shape == comparison.converged.shape == (6, 0)
    assert comparison.best_fixed is None and comparison.best_of_each is None


def test_comparison_leaves_out_arms_that_fail():
    done = solve_sequence(
        systems(3), tuner=Fixed(1.3), solver=ssor_cg, compare=[0.001, 1.3], maxiter=20, rtol=1e-8
    )
    assert not done.comparison.converged[:, 0].any()
    assert done.comparison.best_fixed == (1.3, done.total)
    assert done.comparison.best_of_each == done.total
    assert done.comparison.instance_optimal is None


def test_an_arm_that_failed_early_is_not_the_best():
    costs = np.array([[2.0, 10.0], [7.0, 9.0], [3.0, 4.0]])
    converged = np.array([[False, True], [True, True], [False, False]])
    comparison = Comparison((1.0, 1.5), costs, converged, None)
    assert comparison.best_of_each == 10 + 7 + 3
    assert comparison.best_fixed is None
    assert Comparison((1.0, 1.5), costs[:2], converged[:2], None).best_fixed == (1.5, 19.0)


@pytest.mark.parametrize("true", [True, np.True_])
def test_nothing_is_read_ahead_and_a_callback_ends_it(true):
    drawn = []

    def generate():
        for t, system in enumerate(systems(10)):
            drawn.append(t)
            yield system

    def callback(t, *_):
        return true if t == 3 else t  # no other answer ends it

    done = solve_sequence(generate(), tuner=Fixed(1.3), solver=ssor_cg, callback=callback)
    assert drawn == [0, 1, 2, 3] and len(done.costs) == 4


def test_a_later_call_goes_on_with_what_the_tuner_knows():
    whole = TsallisINF(OMEGAS, rng=0)
    together = solve_sequence(systems(40), tuner=whole, solver=ssor_cg)
    parts, stream = TsallisINF(OMEGAS, rng=0), systems(40)
    omegas = []
    for count in (15, 25):
        some = (next(stream) for _ in range(count))
        omegas += solve_sequence(some, tuner=parts, solver=ssor_cg).omegas
    assert omegas == together.omegas


def test_results_need_not_be_kept():
    done = solve_sequence(systems(), tuner=Fixed(1.3), solver=ssor_cg, keep_results=False)
    assert done.results == () and len(done.costs) == 6 and done.x.shape == (100,)


def test_no_systems():
    done = solve_sequence([], tuner=TsallisINF(OMEGAS), solver=ssor_cg, compare=True)
    assert done.total == 0 and done.x is None and done.comparison.costs.shape == (0, 4)


def test_an_error_of_the_solver_leaves_the_tuner_usable():
    def broken(a, b, omega):
        raise ZeroDivisionError

    tuner = TsallisINF(OMEGAS, rng=0)
    with pytest.raises(ZeroDivisionError):
        solve_sequence(systems(), tuner=tuner, solver=broken)
    assert tuner.rounds == 0
    assert len(solve_sequence(systems(), tuner=tuner, solver=ssor_cg).costs) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tuner": [1.3]}, r"UnimodalThompson\(arms\), got list"),
        ({"solver": "sorr"}, "did you mean 'sor'"),
        ({"solver": lambda a, b, omega: b}, "solver must return a Result"),
        ({"cost": "second"}, "did you mean 'seconds'"),
        ({"budget": 5}, "budget and fallback go together"),
        ({"fallback": 1.0}, "budget and fallback go together"),
        ({"budget": 0, "fallback": 1.0}, "budget must be at least 1"),
        ({"optimal": 1.5}, "optimal must be a function"),
        ({"failure_cost": -1}, "failure_cost must be >= 0"),
        ({"systems": 3}, "systems must be an iterable or a function"),
        ({"systems": [A]}, "number 0 is csr_array"),
    ],
)
def test_wrong_arguments(options, message):
    options = {"systems": systems(), "tuner": Fixed(1.3), "solver": ssor_cg, **options}
    with pytest.raises((ValueError, TypeError), match=message):
        solve_sequence(options.pop("systems"), **options)


def test_every_library(xp):
    """The arrays of the systems are the solver's business."""
    a, b = xp.array(np.diag([1.0, 2.0, 3.0])), xp.array([1.0, 1.0, 1.0])
    done = solve_sequence(
        [(a, b)] * 3,
        tuner=TsallisINF([1.0, 1.5], rng=0),
        solver=lambda a, b, omega, **options: cg(a, b, **options),
        warm_start=True,
    )
    assert done.converged.all()
    xp.assert_like(done.x, b)
    np.testing.assert_allclose(xp.to_numpy(done.x), [1, 1 / 2, 1 / 3], rtol=1e-4)


def test_sor_by_name_repeats_the_published_counts():
    """And no omega of the grid does as well as that of each matrix."""
    omegas = np.linspace(1, 1.95, 20)
    done = solve_sequence(
        systems(60, seed=1000),
        solver="sor",
        tuner=ChebCB(omegas, context_range=(-0.15, 0.65), rng=0, least_cost=1),
        relative_to="initial",
        rtol=1e-8,
        compare=[1.0, 1.6, 1.65],
        optimal=lambda a, b, c: optimal_omega(a),
    )
    assert done.converged.all()
    assert done.comparison.costs[:3, :2].T.tolist() == [[413, 111, 246], [87, 41, 42]]
    assert done.comparison.instance_optimal < 0.8 * done.comparison.best_fixed[1]


def test_ssor_cg_by_name():
    done = solve_sequence(systems(), solver="ssor-cg", tuner=Fixed(1.3), rtol=1e-10)
    expected = solve_sequence(systems(), solver=ssor_cg, tuner=Fixed(1.3), rtol=1e-10)
    assert np.abs(done.costs - expected.costs).max() <= 1
    budget = solve_sequence(
        systems(), solver="ssor-cg", tuner=Fixed(0.01), budget=5, fallback=1.3, warm_start=True
    )
    assert budget.converged.all() and budget.fell_back.all()
