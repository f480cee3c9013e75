"""Training of the multigrid: it learns, can be interrupted, and refuses what is not its own."""

import json

import numpy as np
import pytest

from linalg_ml.deep_directions import (
    GridPoisson,
    LearnedMultigrid,
    contraction,
    open_cells,
    random_obstacles,
    train_multigrid,
)
from linalg_ml.deep_directions.multigrid import GAUSS_SEIDEL, JACOBI, LEARNED


def test_contraction_tends_to_the_spectral_radius():
    a = GridPoisson(random_obstacles((12, 10), rng=5), solids="neumann")
    cycle = LearnedMultigrid(precision="fp64").prepare(a)
    columns = [cycle(unit.reshape(a.grid)).ravel() for unit in np.eye(a.mask.size)]
    f = np.array(columns).T[np.ix_(a.mask.ravel(), a.mask.ravel())]
    error = np.eye(a.unknowns) - f @ a.tosparse().toarray()
    radius = np.abs(np.linalg.eigvals(error)).max()
    assert contraction(a, cycle, steps=200, skipped=199) == pytest.approx(np.log(radius), rel=1e-3)


def test_contraction_at_the_edge():
    a = GridPoisson(np.ones((1, 1), bool))
    assert contraction(a, lambda r: r / 4) == -np.inf  # the exact solution
    cycle = LearnedMultigrid().prepare(a)
    with pytest.raises(TypeError, match="operator must be GridPoisson, got ndarray"):
        contraction(np.eye(4), cycle)
    with pytest.raises(TypeError, match="cycle must be callable, got int"):
        contraction(a, 3)
    with pytest.raises(ValueError, match="steps must be at least 4, got 3"):
        contraction(a, cycle, steps=3)
    with pytest.raises(TypeError, match="rng must be None, an int or"):
        contraction(a, cycle, rng="seed")


@pytest.mark.parametrize("objective", ["steps", "contraction"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_training_improves_on_jacobi(dimensions, objective):
    options = {"points": 16 if dimensions == 2 else 8, "masks": 2, "objective": objective}
    found = train_multigrid(dimensions, evaluations=80, **options)
    assert found.loss == found.losses[-1] == min(found.losses)
    assert found.loss < found.losses[0] - 0.3
    assert found.weights.dimensions == dimensions
    assert found.settings["start"]["stencil"] == list(JACOBI[dimensions].stencil)


def test_an_interrupted_training_goes_on(tmp_path):
    path = tmp_path / "search.json"
    options = {"points": 8, "masks": 2}
    first = train_multigrid(2, evaluations=45, checkpoint=path, **options)
    note = json.loads(path.read_text())
    assert note["losses"] == list(first.losses)
    calls = []
    more = train_multigrid(
        2, evaluations=90, checkpoint=path, callback=lambda *a: calls.append(a), **options
    )
    assert more.losses[: len(first.losses)] == first.losses
    assert more.loss <= first.loss
    assert calls[-1] == (len(more.losses), more.loss)
    again = train_multigrid(2, evaluations=90, checkpoint=path, **options)
    assert again.weights == more.weights


def test_checkpoints_that_are_refused(tmp_path):
    path = tmp_path / "search.json"
    train_multigrid(2, points=8, masks=1, evaluations=10, checkpoint=path)
    with pytest.raises(ValueError, match=r"belongs to another training: it differs in points"):
        train_multigrid(2, points=9, masks=1, evaluations=10, checkpoint=path)
    path.write_text(path.read_text()[:40])
    with pytest.raises(ValueError, match="cannot be read"):
        train_multigrid(2, points=8, masks=1, evaluations=10, checkpoint=path)
    for wrong in (LEARNED["masks"][3], GAUSS_SEIDEL):
        with pytest.raises(ValueError, match="start must hold numbers for 2 dimensions"):
            train_multigrid(2, start=wrong)
    with pytest.raises(TypeError, match="start must be MultigridWeights, got tuple"):
        train_multigrid(2, start=(1.0, 0.5))
    with pytest.raises(ValueError, match="dimensions must be 2 or 3, got '2'"):
        train_multigrid("2")
    with pytest.raises(TypeError, match="callback must be callable, got int"):
        train_multigrid(2, callback=3)
    with pytest.raises(ValueError, match="objective must be one of 'steps', 'contraction'"):
        train_multigrid(2, objective="speed")


def test_random_obstacles():
    drawn = [random_obstacles((24, 30), rng=seed) for seed in range(40)]
    assert all(mask.shape == (24, 30) and mask.any() for mask in drawn)
    assert 3 <= sum(mask.all() for mask in drawn) <= 18
    assert all(np.array_equal(mask, open_cells(mask)) for mask in drawn)
    assert np.array_equal(drawn[7], random_obstacles((24, 30), rng=7))
    assert random_obstacles((8, 9, 10), rng=1).shape == (8, 9, 10)
    for wrong in ((8,), 8):
        with pytest.raises(ValueError, match="grid must have 2 or 3 dimensions"):
            random_obstacles(wrong)
