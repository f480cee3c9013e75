"""Tsallis-INF: published probability vectors, invariants of Newton's method, literal runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linalg_ml.relaxation import TsallisINF, tsallis_probabilities
from tests.reference import bandits


@pytest.mark.parametrize(
    ("losses", "eta", "expected", "root"),
    [
        ((0, 1, 2, 5), 1.0, (0.49410154, 0.27052579, 0.17038286, 0.06498982), -2.84525958),
        (
            (3, 0.5, 10, 4, 0.5),
            0.2,
            (0.19878466, 0.25178626, 0.11546518, 0.18217764, 0.25178626),
            -19.42893037,
        ),
        ((0,) * 20, 2.0, (0.05,) * 20, -np.sqrt(20)),
        ((7,), 0.3, (1,), 7 - 2 / 0.3),
    ],
)
def test_probability_vectors(losses, eta, expected, root):
    probabilities, x = tsallis_probabilities(losses, eta)
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=5.1e-9)
    assert x == pytest.approx(root, abs=5.1e-9)


losses = st.lists(st.floats(0, 1e300), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(losses, st.floats(1e-6, 1e3))
def test_probabilities_are_normalised_and_ordered_whatever_the_losses(losses, eta):
    probabilities, x = tsallis_probabilities(losses, eta)
    assert abs(probabilities.sum() - 1) < 1e-14 * len(losses)
    assert np.all(probabilities >= 0)
    order = np.argsort(losses)
    assert np.all(np.diff(probabilities[order]) <= 1e-15)
    low, high = min(losses) - 2 * np.sqrt(len(losses)) / eta, min(losses) - 2 / eta
    slack = 1e-12 * (abs(low) + abs(high))
    assert low - slack <= x <= high + slack


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1e3), min_size=2, max_size=20), st.floats(0.01, 10), st.floats(0, 1e8))
def test_probabilities_are_the_minimiser(losses, eta, common):
    """The gradient of <k, p> - (4 / eta) sum sqrt(p) is the same for all arms."""
    probabilities, _ = tsallis_probabilities(losses, eta)
    gradient = np.array(losses) - 2 / (eta * np.sqrt(probabilities))
    assert np.ptp(gradient) <= 1e-9 * (1 + np.abs(gradient).max())
    shifted, _ = tsallis_probabilities(np.array(losses) + common, eta)
    np.testing.assert_allclose(shifted, probabilities, atol=1e-6)


def test_probabilities_match_bisection(rng):
    for _ in range(50):
        k, eta = rng.exponential(50, 20), rng.uniform(0.01, 3)
        made, x = tsallis_probabilities(k, eta)
        expected, root = bandits.tsallis_probabilities(k, eta)
        np.testing.assert_allclose(made, expected, rtol=1e-9)
        assert x == pytest.approx(root, rel=1e-11)


@pytest.mark.parametrize("losses", [[], [1.0, np.nan], [np.inf, 1.0], [[1.0]]])
def test_losses_that_make_no_sense(losses):
    with pytest.raises(ValueError, match="losses must be finite"):
        tsallis_probabilities(losses, 1.0)


def table(rng, rounds, arms=8):
    return np.round(rng.gamma(2, 20 + 10 * np.abs(np.arange(arms) - 5), (rounds, arms))) + 1


@pytest.mark.parametrize("estimator", ["importance", "reduced-variance"])
def test_choices_are_those_of_the_method_written_out(rng, estimator):
    costs = table(rng, 600)
    tuner = TsallisINF(range(8), rng=3, estimator=estimator, least_cost=1)
    chosen = []
    for row in costs:
        chosen.append(tuner.ask())
        tuner.tell(row[chosen[-1]])
        assert abs(tuner.probabilities.sum() - 1) < 1e-14
    assert chosen == bandits.tsallis_run(costs, 3, estimator, 1)
    assert chosen[-100:].count(5) > 30


def test_estimated_losses_are_unbiased(rng):
    """Over many draws of one round, the loss added to each arm is its true one on average."""
    truth = np.array([30.0, 50.0, 80.0])
    for estimator in ("importance", "reduced-variance"):
        gained = np.zeros(3)
        for seed in range(3000):
            tuner = TsallisINF(range(3), rng=seed, estimator=estimator, scale=100.0)
            tuner.rounds = 400  # so that t p >= 16
            tuner.tell(truth[tuner.ask()])
            gained += tuner._losses
            if tuner._baselines.size:
                gained += 100.0 * tuner._baselines
        np.testing.assert_allclose(gained / 3000, truth, rtol=0.1)


def test_the_unit_of_cost_does_not_matter(rng):
    costs = table(rng, 300)
    chosen = []
    for unit in (1.0, 2.0**-30):  # iterations, or seconds
        tuner = TsallisINF(range(8), rng=0)
        chosen.append([])
        for row in costs:
            chosen[-1].append(tuner.ask())
            tuner.tell(unit * row[chosen[-1][-1]])
    assert chosen[0] == chosen[1]


def test_the_settings_of_the_theory(rng):
    tuner = TsallisINF(range(4), rng=0, horizon=100, scale=50.0)
    assert tuner.eta() == 0.1
    tuner.tell(10.0 if tuner.ask() else 20.0)
    assert tuner.eta() == 0.1
    expected, _ = bandits.tsallis_probabilities(tuner._losses / 50, 0.1)
    tuner.ask()
    np.testing.assert_allclose(tuner.probabilities, expected, rtol=1e-10)
    with pytest.raises(ValueError, match="rate and horizon"):
        TsallisINF(range(4), horizon=100, rate=2.0)


@pytest.mark.parametrize("estimator", ["importance", "reduced-variance"])
def test_the_best_arm_is_the_most_probable_one(rng, estimator):
    tuner = TsallisINF(range(8), rng=0, estimator=estimator)
    assert tuner.best is None
    for row in table(rng, 300):
        best = tuner.best
        arm = tuner.ask()
        assert best is None or tuner.probabilities[best] == tuner.probabilities.max()
        assert tuner.best == best  # before the answer nothing is known
        tuner.tell(row[arm])
    assert tuner.best == 5


def test_costs_below_the_least_count_as_the_least():
    tuner = TsallisINF(range(3), rng=0, least_cost=1)
    for _ in range(20):
        tuner.ask()
        tuner.tell(0)
    np.testing.assert_allclose(tuner.probabilities, 1 / 3)
