"""FRUGAL: its projections, its two halves, and whole parameters in turn."""

from itertools import islice

import numpy as np
import pytest

from linalg_ml import optim
from linalg_ml.optim import draws
from linalg_ml.optim.split_models import active_blocks
from linalg_ml.optim.subspaces import PROJECTIONS, Subspace
from tests.optim.test_matrix_golden import trajectory
from tests.reference import optimizer_family as reference
from tests.reference.matrix_problem import START, perturbed_gradient


@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (6, 6)])
@pytest.mark.parametrize("projection", PROJECTIONS)
def test_each_projection_is_one(projection, shape):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, *shape))
    space = Subspace(projection, 0.4)
    held = space.choose(a, 3)
    assert {k: v.shape for k, v in held.items()} == {k: v.shape for k, v in space.init(a).items()}
    x = space.project(a, held)
    assert x.shape == space.shape(a)
    once = space.expand(x, held, a)
    np.testing.assert_allclose(space.project(once, held), x, atol=1e-14)
    rest = b - space.expand(space.project(b, held), held, b)
    assert abs(np.sum(once * rest)) < 1e-13
    # The dimension, as the trace of the projector.
    units = np.eye(a.size).reshape(-1, *shape)
    trace = sum(np.sum(e * space.expand(space.project(e, held), held, e)) for e in units)
    assert abs(trace - x.size) < 1e-10
    another = space.choose(a, 4)
    if projection != "svd":
        assert any(not np.array_equal(held[k], another[k]) for k in held)
    else:
        error = np.linalg.svd(a, compute_uv=False)[2:]
        assert abs(np.linalg.norm(a - once) - np.linalg.norm(error)) < 1e-12


def test_what_each_projection_keeps():
    g = np.arange(1.0, 41.0).reshape(5, 8)
    kept = {}
    for projection in ("columns", "rows", "permutation", "entries"):
        space = Subspace(projection, 0.5, seed=1)
        held = space.choose(g, 0)
        mask = space.expand(space.project(g, held), held, g) != 0
        kept[projection] = mask
        assert np.array_equal(mask * g, space.expand(space.project(g, held), held, g))
    assert kept["columns"].all(axis=0).sum() == 4 and kept["columns"].sum() == 20
    assert kept["rows"].all(axis=1).sum() == 2 and kept["rows"].sum() == 16
    assert np.array_equal(kept["rows"], kept["permutation"])
    assert kept["entries"].sum() == 20 and not kept["entries"].all(axis=0).any()


def test_draws_are_spread_and_do_not_depend_on_the_library():
    torch = pytest.importorskip("torch")
    z = draws.normal(0, 1, (100_000,), np.zeros(1))
    moments = [np.mean(z**k) for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, (0, 1, 0, 3), atol=0.06)
    for other in (draws.normal(0, 2, z.shape, z), draws.normal(1, 1, z.shape, z), np.roll(z, 1)):
        assert abs(np.mean(z * other)) < 0.02
    counts = np.zeros((6, 6))
    for epoch in range(1200):
        counts[np.arange(6), draws.permutation(5, epoch, 6, z)] += 1
    assert np.sum((counts - 200) ** 2) / 200 < 60  # chi squared, 25 degrees of freedom
    bits = draws.random_bits(7, 3, 50, z)
    assert np.array_equal(bits, draws.random_bits(7, 3, 50, torch.zeros(1)).numpy())
    counter = torch.tensor(3, dtype=torch.int32)
    assert np.array_equal(bits, draws.random_bits(7, counter, 50, torch.zeros(1)).numpy())


FORMULAS = {
    "columns": (
        lambda: optim.frugal(
            0.1, density=0.67, frequency=4, order="cyclic", free_scale=0.3, weight_decay=0.1
        ),
        lambda g: reference.frugal_columns(
            START, g, 0.1, 2, 4, free_scale=0.3, weight_decay=0.1
        ),
    ),
    "singular vectors": (
        lambda: optim.frugal(0.1, density=0.67, frequency=4, projection="svd"),
        lambda g: reference.frugal_svd(START, g, 0.1, 2, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_published_formulas(name):
    make, published = FORMULAS[name]
    expected = list(islice(published(perturbed_gradient), 30))
    for found, w in zip(trajectory(make(), perturbed_gradient, 30), expected, strict=True):
        np.testing.assert_allclose(found, w, rtol=0, atol=1e-9)


def test_between_adam_and_signs():
    adam = trajectory(optim.adam(0.1), perturbed_gradient, 10)[-1]
    signs = trajectory(optim.sign_sgd(0.1), perturbed_gradient, 10)[-1]
    for projection in PROJECTIONS:
        options = {"projection": projection, "frequency": 3}
        everything = optim.frugal(0.1, density=1.0, reset=False, **options)
        if projection not in ("orthogonal", "svd"):  # where Adam runs in other coordinates
            found = trajectory(everything, perturbed_gradient, 10)[-1]
            np.testing.assert_allclose(found, adam, atol=1e-12)
        found = trajectory(optim.frugal(0.1, density=0.0, **options), perturbed_gradient, 10)[-1]
        np.testing.assert_allclose(found, signs, atol=1e-12)
    vectors = trajectory(optim.frugal(0.1), lambda w, t: np.sin(t + w), 5, start=np.zeros(3))
    expected = trajectory(optim.adam(0.1), lambda w, t: np.sin(t + w), 5, start=np.zeros(3))
    np.testing.assert_allclose(vectors, expected, atol=1e-12)


def test_settings_are_checked():
    for options, match in (
        ({"projection": "column"}, "did you mean 'columns'"),
        ({"density": 1.5}, "density must be"),
        ({"frequency": 0}, "frequency must be at least 1"),
        ({"free": "none"}, "free must be one of"),
        ({"order": "mirror"}, "order must be one of 'random', 'cyclic'"),
        ({"rng": -1}, "rng must be at least 0"),
        ({"betas": (0.9, 1.0)}, r"betas\[1\]"),
    ):
        with pytest.raises(ValueError, match=match):
            optim.frugal(**options)


# Whole parameters in turn ----------------------------------------------------------------------


def test_orders_of_blocks():
    def rounds(order, count, kept, epochs):
        found = [active_blocks(order, e, count, kept, 0, np.zeros(1)) for e in range(epochs)]
        return [sorted(np.flatnonzero(f).tolist()) for f in found]

    assert rounds("ascending", 5, 2, 4) == [[0, 1], [2, 3], [0, 4], [1, 2]]
    assert rounds("descending", 5, 2, 3) == [[3, 4], [1, 2], [0, 4]]
    assert rounds("mirror", 3, 1, 7) == [[0], [1], [2], [2], [1], [0], [0]]
    drawn = rounds("random", 4, 2, 60)
    assert {len(r) for r in drawn} == {2} and len({tuple(r) for r in drawn}) == 6
    assert rounds("random", 4, 0, 1) == [[]]


def model(make=np.asarray):
    rng = np.random.default_rng(0)
    shapes = [(3, 2), (2, 4), (3, 3), (2, 2)]
    return {"w": [make(rng.standard_normal(s)) for s in shapes], "b": make(np.ones(3))}


def gradients(params, t):
    return optim.tree_map(lambda p: p - np.sin(t), params)


def walk(transform, params, steps, state=None, start=1):
    state = transform.init(params) if state is None else state
    for t in range(start, start + steps):
        updates, state = transform.update(gradients(params, t), state, params)
        params = optim.apply_updates(params, updates)
    return params, state


def test_active_matrices_step_by_adam_and_others_by_signs():
    transform = optim.frugal_blocks(
        0.1, density=0.25, frequency=3, order="ascending", weight_decay=0.1, free_scale=0.5
    )
    params, adam = model(), optim.adamw(0.1, weight_decay=0.1)
    expected, signs = model(), optim.sign_sgd(0.05, weight_decay=0.2)
    for block in range(4):
        params, _ = walk(transform, model(), 3 * block + 3)
        expected = model()
        for r in range(block + 1):  # moments start anew in each round
            for i, p in enumerate(expected["w"]):
                own = adam if i == r else signs
                expected["w"][i], _ = walk(own, p, 3, start=3 * r + 1)
        expected["b"], _ = walk(optim.adamw(0.1, weight_decay=0.1), model()["b"], 3 * block + 3)
        for found, p in zip([*params["w"], params["b"]], [*expected["w"], expected["b"]],
                            strict=True):  # fmt: skip
            np.testing.assert_allclose(found, p, atol=1e-12)


def test_moments_that_go_on():
    """One of one matrix is always active; whether it starts anew is for reset to say."""
    w = np.ones((2, 3))
    for reset, steps in ((False, 7), (True, 1)):
        transform = optim.frugal_blocks(0.1, density=1.0, frequency=3, reset=reset)
        _, state = walk(transform, w, 7)
        assert int(state["params"]["age"]) == steps
    adam, _ = walk(optim.adam(0.1), w, 7)
    found, _ = walk(optim.frugal_blocks(0.1, density=1.0, frequency=3, reset=False), w, 7)
    np.testing.assert_allclose(found, adam, atol=1e-13)


def test_blocks_on_other_libraries_and_saved(tmp_path):
    transform = optim.frugal_blocks(0.1, density=0.5, frequency=2)
    expected, state = walk(transform, model(), 7)
    torch = pytest.importorskip("torch")
    found, _ = walk(transform, model(torch.tensor), 7)
    optim.tree_map(lambda a, b: np.testing.assert_allclose(b, a, atol=1e-12), expected, found)
    params, state = walk(transform, model(), 3)
    optim.save_state(tmp_path / "state.npz", state)
    state = optim.load_state(tmp_path / "state.npz", like=state)
    again, _ = walk(transform, params, 4, state, start=4)
    optim.tree_map(np.testing.assert_array_equal, expected, again)


def test_blocks_trace_under_jit():
    jax = pytest.importorskip("jax")
    transform = optim.frugal_blocks(0.1, density=0.5, frequency=2, order="mirror")
    params = {"a": jax.numpy.ones((2, 3)), "b": jax.numpy.ones((3, 2)), "c": jax.numpy.ones(2)}
    update, state, w = jax.jit(transform.update), transform.init(params), params
    for t in range(1, 6):
        updates, state = update(gradients(w, t), state, w)
        w = optim.apply_updates(w, updates)
    expected, _ = walk(transform, {k: np.ones(p.shape) for k, p in params.items()}, 5)
    optim.tree_map(lambda a, b: np.testing.assert_allclose(b, a, atol=1e-5), expected, w)


def test_blocks_with_what_is_missing_or_bad():
    transform = optim.frugal_blocks(0.1, density=0.5, order="ascending", frequency=2)
    params = {"a": np.ones((2, 2)), "frozen": None, "b": np.ones((2, 2))}
    state = transform.init(params)
    grads = {"a": np.full((2, 2), np.nan), "frozen": None, "b": None}
    updates, state = transform.update(grads, state, params)
    assert not updates["a"].any() and updates["b"] is None and updates["frozen"] is None
    own = state["params"]["a"]
    assert [int(own[k]) for k in ("step", "skipped", "active", "age")] == [0, 1, 1, 0]
    with pytest.raises(ValueError, match=r"\['mean'\] must have shape \(2, 2\)"):
        wrong = {**own, "mean": np.zeros(3)}
        transform.update(params, {**state, "params": {**state["params"], "a": wrong}}, params)
    with pytest.raises(ValueError, match="order must be one of"):
        optim.frugal_blocks(order="cyclic")


@pytest.mark.torch
def test_blocks_in_pytorch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    transform = optim.frugal_blocks(0.05, density=0.5, frequency=5)
    optimizer = optim.torch.TransformOptimizer(net.named_parameters(), transform)
    x = torch.randn(64, 4)
    losses = []
    for step in range(30):
        optimizer.zero_grad()
        loss = (net(x) - torch.sin(x.sum(1, keepdim=True))).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step == 12:
            saved = optimizer.state_dict()
            optimizer = optim.torch.TransformOptimizer(net.named_parameters(), transform)
            optimizer.load_state_dict(saved)
    assert losses[-1] < 0.5 * losses[0]
