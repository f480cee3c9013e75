"""Training: the loss is what a solve does, gradients are right, interruptions change nothing."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from linalg_ml import deep_conjugate_directions
from linalg_ml._core.precision import Arithmetic
from linalg_ml.deep_directions import (
    Architecture,
    GridPoisson,
    Network,
    one_step_loss,
    train,
)
from linalg_ml.deep_directions.network import forward

TINY = Architecture(channels=3, coarse=1, after=1)
LINEAR = replace(TINY, bias=False, rectify=False, geometry=True, upsampling="linear", levels=2)
SHORT = {"grid": 8, "samples": 60, "steps": 6, "batch": 4}


@pytest.fixture(autouse=True)
def one_thread():
    """Threads are slow for arrays as small as these."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(before)


def samples(count, *grid):
    b = np.random.default_rng(1).standard_normal((count, *grid))
    return b / np.linalg.norm(b.reshape(count, -1), axis=1).reshape(-1, *[1] * len(grid))


@pytest.mark.parametrize("solids", ["dirichlet", "neumann"])
def test_the_root_of_the_loss_is_the_residual_after_one_step(solids):
    mask = np.ones((8, 8), bool)
    mask[3:5, 3:5] = False
    a = GridPoisson(mask, solids=solids)
    net = Network(LINEAR, LINEAR.start(0), precision="fp64").prepare(a)
    b = a.restrict(samples(1, 8, 8))
    b = b / np.linalg.norm(b)
    result = deep_conjugate_directions(a, b[0], model=net, steps=1)
    left = np.linalg.norm(b[0] - a.apply(result.x))
    q = a.restrict(net(b))
    np.testing.assert_allclose(float(one_step_loss(b, q, a.apply(q))) ** 0.5, left, rtol=1e-10)


def test_loss_of_nothing_and_of_the_solution():
    a = GridPoisson(np.ones((4, 4), bool))
    b = samples(3, 4, 4)
    dense = a.tosparse().toarray()
    exact = np.linalg.solve(dense, b.reshape(3, -1).T).T.reshape(b.shape)
    assert float(one_step_loss(b, -2 * exact, -2 * b)) < 1e-25
    np.testing.assert_allclose(float(one_step_loss(b, 0 * b, 0 * b)), 1)


@pytest.mark.parametrize("architecture", [TINY, LINEAR], ids=["paper", "linear"])
def test_gradients(architecture):
    """Two ways through one forward: PyTorch and, in float64, central differences."""
    torch = pytest.importorskip("torch")
    a = GridPoisson(np.ones((6, 6), bool))
    b, weights = samples(2, 6, 6), architecture.start(0)
    name = "coarse.0.a.weights"

    def loss(values, r, convert):
        used = {key: convert(w) for key, w in weights.items()} | {name: values}
        q = forward(architecture, used, r, Arithmetic(None, r))
        return one_step_loss(r, q, a.apply(q))

    values = torch.tensor(weights[name], dtype=torch.float64, requires_grad=True)
    loss(values, torch.tensor(b), lambda w: torch.tensor(w, dtype=torch.float64)).backward()
    by_torch = values.grad.numpy()

    def shifted(place, step):
        moved = weights[name].astype(float)
        moved[place] += step
        return float(loss(moved, b, lambda w: w.astype(float)))

    for place in ((0, 1, 2, 0), (1, 1, 0, 0), (2, 0, 1, 2)):
        slope = (shifted(place, 1e-6) - shifted(place, -1e-6)) / 2e-6
        np.testing.assert_allclose(by_torch[place], slope, atol=1e-7)


def test_jax_differentiates_the_same_forward(one_thread):
    jax, torch = pytest.importorskip("jax"), one_thread
    b, weights = samples(2, 6, 6).astype(np.float32), TINY.start(0)
    a = GridPoisson(np.ones((6, 6), bool))

    def loss(used, r):
        q = forward(TINY, used, r, Arithmetic(None, r))
        return one_step_loss(r, q, a.apply(q))

    by_jax = jax.jit(jax.grad(loss))({k: jax.numpy.asarray(w) for k, w in weights.items()}, b)
    used = {k: torch.tensor(w, requires_grad=True) for k, w in weights.items()}
    loss(used, torch.tensor(b)).backward()
    for name, values in used.items():
        scale = float(values.grad.abs().max())
        np.testing.assert_allclose(by_jax[name], values.grad, atol=1e-4 * scale, err_msg=name)


@pytest.mark.torch
def test_training_lowers_the_loss_on_samples_it_has_not_seen():
    pytest.importorskip("torch")
    wider = replace(TINY, channels=8)
    before = train(wider, grid=8, samples=400, steps=1, lr=1e-30)
    after = train(wider, grid=8, samples=400, steps=60, lr=1e-2)
    assert after.provenance["validation"] < 0.5 * before.provenance["validation"]
    assert after.provenance["steps_made"] == 60 and len(after.provenance["losses"]) == 60


@pytest.mark.torch
@pytest.mark.parametrize(
    "options",
    [{}, {"geometries": 2, "rollout": 2, "loss": "energy", "data": "sine"}],
    ids=["paper", "energy"],
)
def test_interruptions_change_nothing(tmp_path, options):
    pytest.importorskip("torch")
    architecture = LINEAR if options else TINY
    options = {**SHORT, **options}
    whole = train(architecture, **options)
    path = tmp_path / "state.npz"
    for _ in range(2):
        seen = []

        def stop(progress, seen=seen):
            seen.append(progress)
            return len(seen) == 2

        train(architecture, checkpoint=path, callback=stop, **options)
    assert [p.step for p in seen] == [3, 4] and seen[0].steps == 6
    resumed = train(architecture, checkpoint=path, **options)
    for name, values in whole.weights.items():
        np.testing.assert_array_equal(resumed.weights[name], values)
    for field in ("losses", "validations", "seed", "loss"):
        assert resumed.provenance[field] == whole.provenance[field]


@pytest.mark.torch
def test_a_crash_leaves_a_checkpoint(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "state.npz"

    def crash(progress):
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TINY, checkpoint=path, callback=crash, **SHORT)
    steps = []
    train(TINY, checkpoint=path, callback=lambda p: steps.append(p.step), **SHORT)
    assert steps == [4, 5, 6]
    with pytest.raises(ValueError, match=r"of another training: lr is 0\.001 there and 0\.1 here"):
        train(TINY, checkpoint=path, **SHORT, lr=0.1)
    with pytest.raises(ValueError, match="of another training: levels is 1 there and 2 here"):
        train(LINEAR, checkpoint=path, **SHORT)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="is damaged"):
        train(TINY, checkpoint=path, **SHORT)


@pytest.mark.torch
def test_the_command_line_trains_writes_and_draws(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    from linalg_ml.deep_directions import __main__ as command
    from linalg_ml.deep_directions import load

    monkeypatch.chdir(tmp_path)
    sizes = {"grid": 8, "samples": 40, "steps": 3, "geometries": 1, "plot": "losses.png"}
    options = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
    assert command.main(["train", "linear", *options]) == 0
    assert "step 3 of 3" in capsys.readouterr().out
    net = load("linear-2d.npz")
    assert net.provenance["loss"] == "energy" and net.provenance["steps"] == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["linear-2d.npz", "losses.png"]


def test_the_command_line_trains_the_multigrid(tmp_path, monkeypatch, capsys):
    from linalg_ml.deep_directions import MultigridWeights, train_multigrid
    from linalg_ml.deep_directions import __main__ as command

    def short(dimensions, **options):
        return train_multigrid(dimensions, points=8, masks=1, evaluations=3, **options)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "train_multigrid", short)
    assert command.main(["train", "multigrid"]) == 0
    said = capsys.readouterr().out
    assert "evaluations" in said and MultigridWeights.__name__ in said
    assert [p.name for p in tmp_path.iterdir()] == ["multigrid-2d.json"]
    assert command.main(["train", "multigrid", "--grid", "8"]) == 2
    assert "--grid is an option of networks" in capsys.readouterr().err


def test_wrong_arguments(monkeypatch):
    for arguments, message in (
        ({"data": "noise"}, "data must be one of"),
        ({"loss": "cosine"}, "loss must be one of"),
        ({"grid": 1}, "grid must be at least 2"),
        ({"samples": 3}, "samples must be at least 20"),
        ({"lr": 0.0}, "lr must be > 0"),
        ({"dimensions": 4}, "dimensions must be 2 or 3"),
    ):
        with pytest.raises(ValueError, match=message):
            train(**arguments)
    with pytest.raises(ValueError, match="did you mean 'paper-64'"):
        train("paper64")
    with pytest.raises(TypeError, match="callback must be callable"):
        train(callback=3)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="training needs PyTorch"):
        train()
