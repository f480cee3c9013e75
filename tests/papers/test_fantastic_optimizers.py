"""Equal tuning: the search, the gradient of the autoencoder, the law, and the study itself."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from experiments import fair_comparison, registry
from experiments.autoencoder import Autoencoder, images
from experiments.autoencoder_optimizers import OPTIMIZERS
from experiments.study import Context
from experiments.tuning import CoordinateDescent
from figures import fair_autoencoder, gallery
from figures.fair_style import Law, baseline
from figures.style import style
from paper_repro import papers

ROOT = Path(__file__).parents[2]
GRIDS = {"x": tuple(range(-5, 6)), "y": tuple(range(-5, 6)), "kind": ("a", "b")}
START = {"x": 0, "y": 0, "kind": "a"}


def bowl(x, y, kind):
    return 1 + (x - 3) ** 2 + (y + 2) ** 2 + (kind == "a")


def search(budget, function=bowl):
    found = CoordinateDescent(GRIDS, START, budget)
    while (settings := found.ask()) is not None:
        found.tell(function(**settings))
    return found


def test_the_search_finds_the_minimum_and_tries_nothing_twice():
    tried = []

    def count(**settings):
        tried.append(tuple(settings.values()))
        return bowl(**settings)

    found = search(100, count)
    assert found.best == {"x": 3, "y": -2, "kind": "b"} and found.loss == 1
    assert len(set(tried)) == len(tried) < 20
    assert found.at_an_end() == []


@pytest.mark.parametrize("budget", [1, 2, 5, 8])
def test_the_budget_is_kept_and_the_best_is_of_what_was_tried(budget):
    tried = []

    def count(**settings):
        tried.append(bowl(**settings))
        return tried[-1]

    found = search(budget, count)
    assert len(tried) == budget and found.loss == min(tried) == bowl(**found.best)
    with pytest.raises(ValueError, match="has ended"):
        found.tell(0.0)


def test_runs_that_diverge_are_left_behind():
    found = search(50, lambda x, y, kind: math.nan if x < 2 else bowl(x, y, kind))
    assert found.loss == math.inf  # the start and its neighbours diverged: nothing to go by
    found = search(50, lambda x, y, kind: math.nan if x > 1 else bowl(x, y, kind))
    assert found.best == {"x": 1, "y": -2, "kind": "b"}


def test_small_gains_are_noise_and_ends_of_grids_are_told():
    assert search(50, lambda x, y, kind: 100 - 0.01 * x).best == START
    found = search(50, lambda x, y, kind: 100 - x)
    assert found.best["x"] == 5 and found.at_an_end() == ["x"]
    with pytest.raises(ValueError, match="not on its grid"):
        CoordinateDescent(GRIDS, {**START, "x": 0.5}, 3)


@pytest.mark.parametrize("budget", [1, 2, 3, 9, 50])
def test_the_last_run_of_the_budget_moves_by_the_same_rule(budget):
    found = search(budget, lambda x, y, kind: 1 - 0.0005 * abs(x))
    assert found.best == START and found.loss == 1
    found = search(2, lambda x, y, kind: 1 - 0.1 * x)
    assert found.best == {**START, "x": 1} and found.loss == 0.9


@pytest.mark.parametrize(
    "grids, start, budget, message",
    [
        (GRIDS, {"x": 0, "y": 0}, 3, r"start must name a value for each of \['kind', 'x', 'y'\]"),
        ({"x": (0, 1)}, START, 3, r"start must name a value for each of \['x'\], got"),
        (GRIDS, START, 0, "budget must be at least 1"),
    ],
)
def test_arguments_of_the_search(grids, start, budget, message):
    with pytest.raises(ValueError, match=message):
        CoordinateDescent(grids, start, budget)


def test_gradient_of_the_autoencoder():
    training, validation = images(ROOT, 7)
    assert training.shape == (4000, 49) and validation.shape == (1000, 49)
    assert training.min() == 0 and 0.9 < training.max() <= 1
    model, rng = Autoencoder((49, 12, 5)), np.random.default_rng(0)
    params = model.start(rng)
    params = {kind: [a.astype(float) for a in arrays] for kind, arrays in params.items()}
    params["biases"] = [rng.standard_normal(b.shape) / 10 for b in params["biases"]]
    x = training[::500].astype(float)
    found = model.gradient(params, x)
    for kind, arrays in params.items():
        for k, a in enumerate(arrays):
            direction, h = rng.standard_normal(a.shape), 1e-6
            change = []
            for sign in (1, -1):
                moved = {name: list(own) for name, own in params.items()}
                moved[kind][k] = a + sign * h * direction
                change.append(model.loss(moved, x))
            slope = (change[0] - change[1]) / (2 * h)
            assert slope == pytest.approx(np.sum(found[kind][k] * direction), rel=1e-5, abs=1e-7)
    logits = [50.0, -800.0, 800.0]  # the loss at extreme outputs, against its definition
    flat = Autoencoder((3, 3))
    params = {"weights": [np.zeros((3, 3))], "biases": [np.array(logits)]}
    assert flat.loss(params, np.array([[1.0, 0.0, 1.0]])) == pytest.approx(0, abs=1e-12)
    assert flat.loss(params, np.array([[0.0, 1.0, 0.0]])) == pytest.approx(1650)


def test_the_law_goes_through_its_points():
    def loss(d):
        return 3.0 * d**-0.7 + 2.0

    law = Law({d: [loss(d) - 0.01, loss(d) + 0.01] for d in (100, 200, 400)})
    assert law.beta == pytest.approx(2.0) and law.loss(800) == pytest.approx(loss(800))
    assert law.steps(loss(650)) == pytest.approx(650) and law.steps(1.9) == math.inf
    with pytest.raises(ValueError, match="must double"):
        Law({1: [3.0], 2: [2.0], 3: [1.0]})
    with pytest.raises(ValueError, match="follow no such law"):
        Law({1: [3.0], 2: [2.0], 4: [0.0]})


def test_losses_without_a_law_are_interpolated():
    found = baseline({100: [3.0], 200: [2.9], 400: [2.5]})
    assert found.loss(200) == pytest.approx(2.9) and found.steps(2.7) == pytest.approx(200 * 2**0.5)
    assert found.steps(2.1) == pytest.approx(800) and found.steps(3.1) == pytest.approx(50)
    assert found.loss(800) == pytest.approx(2.1) and found.loss(50) == pytest.approx(3.1)
    assert isinstance(baseline({100: [3.0], 200: [2.0], 400: [1.5]}), Law)


CELLS = list(
    fair_comparison.cells(
        {"optimizers": tuple(OPTIMIZERS), "steps": (3,), "longer": (6, 12), "side": 7,
         "widths": "8-4", "batch": 16, "budget": 3, "seeds": 2}
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def records():
    compute = registry.load("fair_autoencoder").compute
    return [
        {**cell, **record}
        for cell in CELLS
        for record in compute(dict(cell), Context("numpy", 0, ROOT))
    ]


def test_every_optimizer_gets_the_same_budget(records):
    for name in OPTIMIZERS:
        own = [r for r in records if r["optimizer"] == name and r["steps"] == 3]
        trials = [r for r in own if r["kind"] == "trial"]
        finals = [r for r in own if r["kind"] == "final"]
        assert len(trials) == 3 and len(finals) == 2
        best = min(trials, key=lambda r: r["loss"])
        assert all(json.loads(r["settings"]) == json.loads(best["settings"]) for r in finals)
        assert all(math.isfinite(r["loss"]) for r in own)


@pytest.mark.parametrize("kept", [0, 2, 3, 4])
def test_an_interrupted_search_goes_on_where_it_was(records, kept):
    cell = CELLS[0]
    whole = [r for r in records if r["optimizer"] == cell["optimizer"] and r["steps"] == 3]
    context = Context("numpy", 0, ROOT, tuple(whole[:kept]))
    again = [
        {**cell, **record}
        for record in registry.load("fair_autoencoder").compute(dict(cell), context)
    ]
    assert again == whole[kept:] and context.goes_on


def test_the_text_model():
    pytest.importorskip("torch")
    from experiments import fair_text

    sizes = {"width": 8, "layers": 1, "length": 6, "batch": 2, "budget": 2, "seeds": 1}
    shared = {"optimizers": tuple(fair_text.OPTIMIZERS), "steps": (3,), "longer": (), **sizes}
    for cell in fair_text.cells(shared):
        made = list(fair_text.compute(dict(cell), Context("numpy", 0, ROOT)))
        assert [r["kind"] for r in made] == ["trial", "trial", "final"]
        assert all(1 < r["loss"] < 10 for r in made) and made[0]["loss"] != made[1]["loss"]


def test_drawing(records):
    # So few steps follow no law: losses that do, in the records' form.
    smooth = [
        {**r, "loss": 10 + 100 / r["steps"]} if r["optimizer"] == "adamw" else r for r in records
    ]
    with style():
        fair_autoencoder.draw(smooth).savefig(picture := io.BytesIO(), format="svg")
    assert b"<svg" in picture.getvalue() and gallery.caption("fair_autoencoder")


def test_claims_ask_for_fields_that_are_there(records):
    fields = {key for record in records for key in record}
    for claim in papers.load("fantastic_optimizers", registry.names(), gallery.names()).claims:
        if "cannot_check" not in claim.spec:
            asked = {claim.spec[k] for k in ("field", "against") if k in claim.spec}
            for table in ("select", "over", "under"):
                asked |= set(claim.spec.get(table, {}))
            assert asked <= fields, claim.id
