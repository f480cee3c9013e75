"""What every tuner promises: the order of calls, its state, reproducibility."""

import json
import pickle
from copy import deepcopy

import numpy as np
import pytest

from linalg_ml.relaxation import (
    ChebCB,
    ContextBins,
    EpsilonGreedy,
    Fixed,
    TsallisINF,
    UnimodalThompson,
)

ARMS = (1.0, 1.25, 1.5, 1.75, 1.9)
MAKERS = {
    "fixed": lambda rng: Fixed(1.5),
    "epsilon-greedy": lambda rng: EpsilonGreedy(ARMS, rng=rng, epsilon=0.3, decay=0.1),
    "tsallis": lambda rng: TsallisINF(ARMS, rng=rng),
    "reduced-variance": lambda rng: TsallisINF(ARMS, rng=rng, estimator="reduced-variance"),
    "bins": lambda rng: ContextBins(TsallisINF(ARMS, rng=rng), context_range=(0, 1), bins=3),
    "chebyshev": lambda rng: ChebCB(ARMS, context_range=(0, 1), rng=rng),
    "unimodal": lambda rng: UnimodalThompson(ARMS, rng=rng),
    "forgetful": lambda rng: UnimodalThompson(ARMS, rng=rng, memory=20),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def cost(omega, context, noise):
    return 20 + 100 * abs(omega - 1.2 - 0.5 * context) + 5 * noise


def play(tuner, rounds, start=0):
    chosen = []
    for t in range(start, start + rounds):
        context, noise = np.random.default_rng(t).random(2)
        chosen.append(tuner.ask(context))
        tuner.tell(cost(chosen[-1], context, noise))
    return chosen


def test_the_same_generator_gives_the_same_choices(make):
    first = play(make(7), 200)
    assert first == play(make(7), 200)
    assert first == play(make(np.random.default_rng(7)), 200)
    assert set(first) <= {*ARMS}


def test_costs_may_be_any_numbers_at_least_zero(make):
    tuner = make(0)
    for value in (0, 3, 0.25, np.float32(1.5), np.int64(4), 1e100, 1e-300):
        tuner.ask(0.5)
        tuner.tell(value)
    assert tuner.rounds == 7


@pytest.mark.parametrize("value", [-1, -1e-300, np.nan, np.inf, "3", None])
def test_other_costs_are_refused_and_the_question_stays_open(make, value):
    tuner, twin = make(0), make(0)
    tuner.ask(0.5), twin.ask(0.5)
    with pytest.raises((ValueError, TypeError), match="cost must be"):
        tuner.tell(value)
    tuner.tell(3), twin.tell(3)
    assert play(tuner, 50) == play(twin, 50)


def test_ask_and_tell_alternate(make):
    tuner = make(0)
    with pytest.raises(RuntimeError, match=r"tell\(cost\) must follow ask"):
        tuner.tell(1)
    tuner.ask(0.5)
    with pytest.raises(RuntimeError, match=r"ask\(\) must be followed by tell"):
        tuner.ask(0.5)
    tuner.cancel()
    tuner.ask(0.1)
    tuner.tell(1)
    with pytest.raises(RuntimeError, match="must follow"):
        tuner.tell(1)
    assert tuner.rounds == 1


@pytest.mark.parametrize("rounds", [0, 1, 130])
@pytest.mark.parametrize("between", [False, True], ids=["", "asked"])
def test_a_simulation_resumes_bit_for_bit(make, rounds, between):
    tuner = make(3)
    play(tuner, rounds)
    if between:
        tuner.ask(0.3)
    copies = [pickle.loads(pickle.dumps(tuner)), deepcopy(tuner)]
    for state in (tuner.state_dict(), json.loads(json.dumps(tuner.state_dict()))):
        copies.append(make(99))
        play(copies[-1], 7)
        copies[-1].load_state_dict(state)
    if between:
        tuner.tell(20)
        for copy in copies:
            copy.tell(20)
    expected = play(tuner, 100, rounds)
    assert all(play(copy, 100, rounds) == expected for copy in copies)
    last = tuner.state_dict()
    assert all(copy.state_dict() == last for copy in copies)


def test_a_state_is_a_copy(make):
    tuner = make(0)
    play(tuner, 20)
    state = tuner.state_dict()
    before = deepcopy(state)
    play(tuner, 20)
    assert state == before
    tuner.load_state_dict(state)
    play(tuner, 20)
    assert state == before


def test_states_of_other_tuners_are_refused():
    tuner = TsallisINF(ARMS, rng=0)
    with pytest.raises(ValueError, match="tuner 'TsallisINF', got 'EpsilonGreedy'"):
        tuner.load_state_dict(EpsilonGreedy(ARMS).state_dict())
    with pytest.raises(ValueError, match="arms 5, got 2"):
        tuner.load_state_dict(TsallisINF([1, 2]).state_dict())
    bins = ContextBins(tuner, context_range=(0, 1), bins=3)
    other = ContextBins(tuner, context_range=(0, 1), bins=2)
    with pytest.raises(ValueError, match="of 3 bins, got 2"):
        bins.load_state_dict(other.state_dict())


def unfit(state):
    """Yield states that lack something or hold something else, and what is said of them."""
    for name in state:
        yield {key: value for key, value in state.items() if key != name}, f"{name}|keys"
        yield {**state, name: "junk"}, name
        if not isinstance(state[name], list):
            yield {**state, name: [[1.0], []]}, name
    yield {**state, "rng": {**state["rng"], "state": None}}, "rng"
    yield {**state, "rng": np.random.MT19937(0).state}, "PCG64 as rng"
    yield [], "mapping"


def test_a_state_that_does_not_fit_changes_nothing(make):
    tuner, donor = make(0), make(1)
    play(tuner, 20), play(donor, 30)
    tuner.ask(0.5), donor.ask(0.5)
    before = tuner.state_dict()
    for state, said in unfit(donor.state_dict()):
        with pytest.raises((ValueError, TypeError), match=f"state must.*({said})"):
            tuner.load_state_dict(state)
        assert tuner.state_dict() == before
    tuner.load_state_dict(donor.state_dict())
    assert tuner.state_dict() == donor.state_dict()


@pytest.mark.parametrize(
    ("tuner", "other", "said"),
    [
        (
            ChebCB(ARMS, context_range=(0, 1), features=6),
            ChebCB(ARMS, context_range=(0, 1), features=4),
            r"ChebCB with the same options: _theta must have shape \(5, 6\), got shape \(5, 4\)",
        ),
        (
            TsallisINF(ARMS, estimator="reduced-variance"),
            TsallisINF(ARMS),
            r"with the same options: _baselines must have shape \(5,\), got shape \(0,\)",
        ),
        (
            TsallisINF(ARMS),
            TsallisINF(ARMS, estimator="reduced-variance"),
            r"with the same options: _baselines must have shape \(0,\), got shape \(5,\)",
        ),
    ],
)
def test_states_of_other_options_are_refused(tuner, other, said):
    before = tuner.state_dict()
    with pytest.raises(ValueError, match=said):
        tuner.load_state_dict(other.state_dict())
    assert tuner.state_dict() == before


def test_a_bin_that_does_not_fit_changes_no_other():
    tuner, donor = MAKERS["bins"](0), MAKERS["bins"](1)
    play(tuner, 20), play(donor, 30)
    before, state = tuner.state_dict(), donor.state_dict()
    del state["bins"][2]["probabilities"]
    with pytest.raises(ValueError, match=r"state must.*probabilities"):
        tuner.load_state_dict(state)
    assert tuner.state_dict() == before


def test_generators_of_other_kinds_resume_too():
    tuner = TsallisINF(ARMS, rng=np.random.Generator(np.random.MT19937(0)))
    play(tuner, 10)
    twin = TsallisINF(ARMS, rng=np.random.Generator(np.random.MT19937(1)))
    twin.load_state_dict(json.loads(json.dumps(tuner.state_dict())))
    assert play(tuner, 50) == play(twin, 50)


@pytest.mark.parametrize("kind", ["epsilon-greedy", "tsallis", "bins", "chebyshev", "unimodal"])
def test_they_find_the_good_arms(kind):
    chosen = play(MAKERS[kind](1), 1500)[-300:]
    costs = [cost(omega, 0.5, 0.5) for omega in chosen]
    assert np.mean(costs) < 40  # a random arm: 51


def test_arms_may_be_anything_and_one_is_enough():
    for maker in (TsallisINF, EpsilonGreedy, UnimodalThompson):
        tuner = maker(["ilu"], rng=0)
        for _ in range(5):
            assert tuner.ask() == "ilu"
            tuner.tell(2)
    tuner = ChebCB(["ilu"], context_range=(0, 1), rng=0)
    assert tuner.ask(0.5) == "ilu"
    assert TsallisINF(np.linspace(1, 2, 3)).arms == (1.0, 1.5, 2.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TsallisINF([]), "arms must hold at least one"),
        (lambda: TsallisINF(3), "arms must be a sequence"),
        (lambda: TsallisINF(ARMS, rng="seed"), "rng must be"),
        (lambda: TsallisINF(ARMS, estimator="best"), "estimator must be one of"),
        (lambda: TsallisINF(ARMS, rate=0), "rate must be > 0"),
        (lambda: TsallisINF(ARMS, least_cost=-1), "least_cost must be >= 0"),
        (lambda: EpsilonGreedy(ARMS, epsilon=1.5), "epsilon must be <= 1"),
        (lambda: ChebCB(ARMS, context_range=3), "context_range must be two numbers"),
        (lambda: ChebCB(ARMS, context_range=(1, 1)), r"context_range\[1\] must be > 1"),
        (lambda: ChebCB(ARMS, context_range=(0, 1), features=0), "features must be at least 1"),
        (lambda: ContextBins(3, context_range=(0, 1)), "tuner must be Tuner"),
        (lambda: UnimodalThompson(ARMS, memory=0.5), "memory must be >= 1"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_bins_are_those_of_the_nearest_centre():
    tuner = ContextBins(TsallisINF(ARMS, rng=0), context_range=(-1.0, 1.0), bins=4)
    contexts = (-7, -1, -0.51, -0.5, -0.49, 0.0, 0.01, 0.5, 0.51, 1, 7)
    expected = (0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 3)  # the lower bin on a tie
    for context, index in zip(contexts, expected, strict=True):
        before = [learner.rounds for learner in tuner.tuners]
        tuner.ask(context)
        tuner.tell(1)
        after = [learner.rounds for learner in tuner.tuners]
        assert np.flatnonzero(np.subtract(after, before)).tolist() == [index]
    with pytest.raises(ValueError, match="context must be a number"):
        tuner.ask()
    used = TsallisINF(ARMS)
    used.ask()
    with pytest.raises(ValueError, match="must not have been used"):
        ContextBins(used, context_range=(0, 1))


def test_bins_draw_from_one_generator():
    tuner = ContextBins(TsallisINF(ARMS, rng=0), context_range=(0, 1), bins=4)
    assert len({id(learner.rng) for learner in (tuner, *tuner.tuners)}) == 1
    tuner = pickle.loads(pickle.dumps(tuner))
    assert len({id(learner.rng) for learner in (tuner, *tuner.tuners)}) == 1


def test_unimodal_moves_to_a_new_minimum_when_it_forgets():
    last = {}
    for memory in (None, 50):
        tuner = UnimodalThompson(range(20), rng=0, memory=memory)
        for t in range(2000):
            arm = tuner.ask()
            tuner.tell(20 + 5 * abs(arm - (15 if t < 1000 else 4)) + t % 3)
        last[memory] = tuner.best
    assert abs(last[50] - 4) <= 1
    assert tuner.best != 15


def test_unimodal_tries_the_neighbours_only():
    tuner = UnimodalThompson(range(20), rng=0)
    noise = np.random.default_rng(0).normal(0, 8, 1000)
    chosen = []
    for t in range(1000):
        chosen.append(tuner.ask())
        tuner.tell(60 + 4 * abs(chosen[-1] - 12) + abs(noise[t]))
    assert chosen[:20] == list(range(19, -1, -1))
    assert {*chosen[300:]} <= {11, 12, 13}
    assert chosen[300:].count(12) > 600
