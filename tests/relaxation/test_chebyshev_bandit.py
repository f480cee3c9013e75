"""ChebCB: its incremental fits and learning rate are those of the literal method."""

import numpy as np
import pytest

from linalg_ml.kernels.dispatch import kernels
from linalg_ml.relaxation import ChebCB
from tests.reference.bandits import ChebyshevBandit, pick


def cost_of(arm, context, rng):
    return float(rng.poisson(10 + 300 * abs(arm / 5 - context) ** 1.5) + 1)


@pytest.mark.parametrize(("least_cost", "spread"), [(1.0, 1.0), (0.0, 0.05)])
def test_every_round_is_that_of_the_literal_method(rng, least_cost, spread):
    arms, low, high = 6, -0.1, 1.2
    tuner = ChebCB(range(arms), context_range=(low, high), rng=5, least_cost=least_cost)
    literal = ChebyshevBandit(arms, 6, low, high)
    draws = np.random.default_rng(5)
    bounded = 0
    for t in range(160):
        context = 0.5 + spread * (rng.random() - 0.5)  # a narrow range makes the fits harder
        scores = tuner._theta @ literal.features(context)
        p = 1 / (arms + tuner._eta * (scores - scores.min()))
        p[scores.argmin()] = 0
        p[scores.argmin()] = 1 - p.sum()
        arm = tuner.ask(context)
        assert arm == pick(p, draws.random())
        cost = cost_of(arm, context, rng)
        tuner.tell(cost)
        literal.add(context, arm, cost, scores[arm])
        unit, bound = literal.constants()
        errors = 0.0
        for other in range(arms):
            if other not in literal.played:
                assert not tuner._theta[other].any()
                continue
            theta, error, rank = literal.fit(other, least_cost)
            made = tuner._theta[other]
            mine = np.array(literal.played) == other
            rows = np.array(literal.rows)[mine]
            y = (np.array(literal.costs)[mine] - least_cost) / unit
            assert np.all(np.abs(made) <= bound * (1 + 1e-12))
            left = np.sum((rows @ made - y) ** 2)
            assert left <= np.sum((rows @ theta - y) ** 2) + 1e-13
            if error == 0 or (rank == 6 and spread == 1):  # one solution only
                np.testing.assert_allclose(made, theta, atol=1e-9)
            bounded += error > 0
            if other == arm or cost == max(literal.costs) > max(literal.costs[:-1], default=0):
                errors = left if error else errors
        assert tuner._eta == pytest.approx(literal.eta(errors), rel=1e-7), t
    assert bounded > 20  # both kinds of fit were met


@pytest.mark.parametrize("columns", [1, 3, 6])
def test_box_least_squares_meets_the_optimality_conditions(rng, columns):
    for _ in range(200):
        r = np.triu(rng.standard_normal((columns, columns))) * 10.0 ** rng.uniform(-3, 0, columns)
        y, bound = rng.standard_normal(columns), rng.uniform(0.01, 2, columns)
        theta = rng.standard_normal(columns)
        error = kernels("numpy").box_least_squares(r, y, bound, theta)
        assert error == pytest.approx(np.sum((r @ theta - y) ** 2))
        assert np.all(np.abs(theta) <= bound)
        gradient = r.T @ (r @ theta - y) / np.linalg.norm(r, axis=0)
        inside = np.abs(theta) < bound
        assert np.all(np.abs(gradient[inside]) < 1e-11)
        assert np.all((gradient * np.sign(theta))[~inside] < 1e-11)


def test_appended_rows_are_a_triangular_factor(rng):
    rows, factor = rng.standard_normal((30, 7)), np.zeros((6, 7))
    misfit = 0.0
    for row in rows:
        row = row.copy()
        kernels("numpy").append_row(factor, row)
        misfit += row[-1] ** 2
    np.testing.assert_allclose(factor.T @ factor + np.diag([0] * 6 + [misfit]), rows.T @ rows)
    assert np.array_equal(np.triu(factor), factor)


def test_it_finds_the_best_arm_of_each_context(rng):
    tuner = ChebCB(np.linspace(0, 1, 6), context_range=(0, 1), rng=0)
    costs = []
    for _ in range(1500):
        context = rng.random()
        tuner.tell(cost_of(5 * tuner.ask(context), context, rng))
        costs.append(tuner.predict(context).argmin() / 5 - context)
    assert np.abs(costs[-300:]).mean() < 0.1


def test_the_best_arm_of_a_context(rng):
    tuner = ChebCB("abc", context_range=(0, 1), rng=0)
    assert tuner.best_for(0.5) is None
    for _ in range(300):
        context = rng.random()
        arm = "abc".index(tuner.ask(context))
        tuner.tell(10 + 50 * abs(arm / 2 - context))
    assert [tuner.best_for(context) for context in (-1, 0.1, 0.5, 0.9)] == ["a", "a", "b", "c"]


def test_contexts_outside_count_as_the_nearer_end():
    tuner = ChebCB(range(3), context_range=(0, 1), rng=0)
    for context in (-5.0, 0.0, 9.0, 1.0):
        tuner.tell(5 + tuner.ask(context))
    assert np.array_equal(tuner.predict(-100), tuner.predict(0))
    assert np.array_equal(tuner.predict(100), tuner.predict(1))
    for wrong, error in ((None, ValueError), (np.nan, ValueError), ("a", TypeError)):
        with pytest.raises(error, match="context must be"):
            tuner.ask(wrong)


def test_the_settings_of_the_theory():
    tuner = ChebCB(range(4), context_range=(0, 2), rng=0, horizon=1000, scale=50.0, lipschitz=100.0)
    d, m, k, cl, t = 4, 6, 50.0, 200.0, 1000
    n = 2 + 4 * cl / k * (1 + np.log(m))
    r = d * m * (1 + np.log(t * np.sqrt(d * m * (k**2 + 2 * cl**2 * np.pi**2 / 3)) / (k * n)))
    alpha = cl * (np.pi + 2 / np.pi * np.log(2 * m + 1)) / (2 * k * n * (m + 1))
    eta = 2 * np.sqrt(d * t / (r + 2 * alpha**2 * t))
    assert tuner._eta == pytest.approx(eta)
    tuner.tell(10 + tuner.ask(1.0))
    assert tuner._eta == pytest.approx(eta)
    with pytest.raises(ValueError, match="horizon needs scale and lipschitz"):
        ChebCB(range(4), context_range=(0, 2), horizon=1000)


def test_costs_of_zero_and_equal_contexts():
    tuner = ChebCB(range(3), context_range=(0, 1), rng=0)
    for _ in range(30):
        tuner.ask(0.5)
        tuner.tell(0.0)
    assert np.all(tuner.predict(0.5) == 0)
    for _ in range(200):
        tuner.tell(50 if tuner.ask(0.5) else 3)
    assert tuner.predict(0.5).argmin() == 0
    assert np.all(np.isfinite(tuner.predict(0.1)))


UNITS = (1.0, 2.0**-560, 2.0**530, 2.0**-990, 2.0**1010)


@pytest.mark.parametrize("given", ["", "scale", "lipschitz", "scale lipschitz horizon"])
def test_the_unit_of_cost_does_not_matter(given):
    options = {"scale": 300.0, "lipschitz": 300.0, "horizon": 150}
    options = {name: options[name] for name in given.split()}
    known = []
    for unit in UNITS:
        scaled = {name: x if name == "horizon" else x * unit for name, x in options.items()}
        tuner = ChebCB(range(6), context_range=(0, 1), rng=0, **scaled)
        rng = np.random.default_rng(1)
        known.append([])
        for _ in range(150):
            context = rng.random()
            arm = tuner.ask(context)
            tuner.tell(unit * cost_of(arm, context, rng))
            known[-1].append((arm, tuner._eta, *(tuner.predict(context) / unit)))
    assert all(run == known[0] for run in known)


@pytest.mark.parametrize("options", [{}, {"scale": 1e-170}, {"scale": 1.0}, {"lipschitz": 1.0}])
def test_costs_of_any_size(options):
    """The predictions stay finite, and keep the size of the mean cost."""
    tuner = ChebCB(range(3), context_range=(0, 1), rng=0, **options)
    for cost in (0.0, 1e-320, 1e-170, 3.0, 0.0, 1e160, 1e306):
        for _ in range(20):
            context = tuner.rng.random()
            arm = tuner.ask(context)
            tuner.tell(cost * (1 + arm) / 3)
            assert np.isfinite(tuner._eta) and tuner._eta >= 0
            assert np.all(np.isfinite(tuner.predict(context)))
    if "scale" not in options:
        assert 1e304 < tuner.predict(0.5).max() < 1e306


def test_a_bound_on_the_slope_that_is_far_above_or_below_the_costs():
    for lipschitz in (1e-200, 1e200):
        tuner = ChebCB(range(3), context_range=(0, 1), rng=0, lipschitz=lipschitz)
        for cost in (0.0, 1e-150, 1e150):
            for _ in range(20):
                tuner.tell(cost * (1 + tuner.ask(tuner.rng.random())))
                assert np.isfinite(tuner._eta) and np.all(np.isfinite(tuner.predict(0.5)))
