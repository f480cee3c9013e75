"""The optimizers as gradient transformations of optax."""

from typing import NamedTuple

import numpy as np
import pytest

from linalg_ml import optim

jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")

from linalg_ml.optim.optax import gradient_transformation  # noqa: E402


class Layer(NamedTuple):
    weight: object
    bias: object


def test_any_pytree_in_a_chain_under_jit():
    params = {"b": Layer(np.ones((2, 3)), np.zeros(3)), "a": [np.ones(2)]}
    params = jax.tree.map(lambda a: jax.numpy.asarray(a, jax.numpy.float32), params)
    schedule = optax.linear_schedule(0.1, 0.0, 10)
    ours = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.inject_hyperparams(lambda lr: gradient_transformation(optim.adamw(lr)))(lr=schedule),
    )
    theirs = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=0.01))
    ends = []
    for solver in (ours, theirs):

        @jax.jit
        def step(held, state, solver=solver):
            updates, state = solver.update(jax.tree.map(lambda p: p - 2, held), state, held)
            return optax.apply_updates(held, updates), state

        held, state = params, solver.init(params)
        for _ in range(5):
            held, state = step(held, state)
        ends.append(held)
    assert jax.tree.structure(ends[0]) == jax.tree.structure(params)
    # In fp32 optax computes 1 - 0.999^t by a difference, which loses four digits.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=2e-5), *ends)


def test_labels_see_dotted_paths():
    seen = []

    def label(path, array):
        seen.append((path, array.ndim))
        return "slow"

    params = {"layers": [Layer(jax.numpy.ones((1, 1)), jax.numpy.ones(1))]}
    gradient_transformation(optim.partition({"slow": optim.sgd(0.1)}, label)).init(params)
    assert set(seen) == {("layers.0.weight", 2), ("layers.0.bias", 1)}


def test_frozen_parameters_stay():
    label = lambda path, array: "frozen" if path == "a" else "free"  # noqa: E731
    transform = optim.partition({"free": optim.sgd(0.5), "frozen": None}, label)
    solver = gradient_transformation(transform)
    params = {"a": jax.numpy.ones(2, jax.numpy.float16), "b": jax.numpy.ones(1)}
    updates, _ = jax.jit(solver.update)(params, solver.init(params), params)
    assert updates["a"].dtype == jax.numpy.float16
    moved = optax.apply_updates(params, updates)
    assert moved["a"].tolist() == [1.0, 1.0] and moved["b"].tolist() == [0.5]


def test_missing_gradients_and_parameters():
    solver = gradient_transformation(optim.sgd(0.5))
    params = {"a": jax.numpy.ones(1), "b": jax.numpy.ones(1)}
    state = solver.init(params)
    updates, state = solver.update({"a": jax.numpy.ones(1), "b": None}, state, params)
    assert updates["b"] is None and updates["a"].tolist() == [-0.5]
    assert int(state["params"]["b"]["step"]) == 0
    with pytest.raises(ValueError, match="params must be given to update"):
        solver.update(params, state)
    with pytest.raises(ValueError, match=r"got more at \['c'\]"):
        solver.update({**params, "c": params["a"]}, state, params)
    with pytest.raises(TypeError, match="transform must be Transform"):
        gradient_transformation(optax.sgd(0.1))
    with pytest.raises(ValueError, match="same dotted path"):
        solver.init({"a": {"b": params["a"]}, "a.b": params["a"]})
