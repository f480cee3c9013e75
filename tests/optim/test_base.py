"""Nested containers, chains, partitions, and the policy for gradients that are not finite."""

from collections import defaultdict, namedtuple

import numpy as np
import pytest

from linalg_ml import optim
from linalg_ml.optim.trees import flatten


def steps(transform, params, gradient, count):
    """Return parameters and state after some steps along ``gradient(params)``."""
    state = transform.init(params)
    for _ in range(count):
        updates, state = transform.update(gradient(params), state, params)
        params = optim.apply_updates(params, updates)
    return params, state


def compiled(transform, xp):
    """Compile the update on JAX, where op by op is slow."""
    if xp.library != "jax":
        return transform
    return optim.Transform(transform.init, pytest.importorskip("jax").jit(transform.update))


def test_paths_are_dotted_and_None_is_a_leaf():
    tree = {"a": [np.zeros(1), None], "b": (np.zeros(2), {"c": np.zeros(3)})}
    assert flatten(tree, "params")[0] == ["a.0", "a.1", "b.0", "b.1.c"]
    mapped = optim.tree_map(lambda a: a + 1, tree)
    assert mapped["a"][1] is None
    assert isinstance(mapped["b"], tuple)
    assert mapped["b"][1]["c"].tolist() == [1, 1, 1]


def test_what_is_no_array_is_refused():
    with pytest.raises(TypeError, match=r"params at 'a.1' must be an array, .* got float"):
        optim.sgd(lr=0.1).init({"a": [np.zeros(1), 1.0]})
    with pytest.raises(TypeError, match="put None in the place of what is not to be learned"):
        optim.sgd(lr=0.1).init(np.zeros(3, dtype=int))


Layer = namedtuple("Layer", ["weight"])
CONTAINERS = {
    "array": np.asarray,
    "list": lambda a: [a],
    "tuple": lambda a: (a,),
    "dict": lambda a: {"a": a},
    "namedtuple": Layer,
    "defaultdict": lambda a: defaultdict(list, a=a),
}


@pytest.mark.parametrize("shape", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_comes_back(shape):
    params, transform = shape(np.ones(3)), optim.sgd(lr=0.5)
    made, state = steps(transform, params, lambda p: p, 1)
    assert type(made) is type(params)
    extended = optim.extend_state(transform, state, params)
    assert flatten(extended, "state")[0] == flatten(state, "state")[0]
    assert type(extended["params"]) is type(state["params"])
    assert np.asarray(flatten(made, "params")[1][0]).tolist() == [0.5] * 3
    if isinstance(params, defaultdict):
        assert made.default_factory is list


def test_libraries(xp):
    transform = optim.chain(
        optim.clip_by_global_norm(1.0),
        optim.clip_by_value(0.5),
        optim.coupled_decay(0.1),
        optim.sgd(lr=optim.cosine(0.1, 10, warmup=2), momentum=0.9, dampening=0.1),
        optim.decoupled_decay(0.1, lr=optim.constant(0.1)),
    )
    values = np.arange(6.0).reshape(2, 3) / 7
    params = {"w": xp.array(values), "b": xp.array(values[0])}
    made, state = steps(compiled(transform, xp), params, lambda p: p, 3)
    expected, _ = steps(transform, {"w": values, "b": values[0]}, lambda p: p, 3)
    for name in params:
        xp.assert_like(made[name], params[name])
        np.testing.assert_allclose(xp.to_numpy(made[name]), expected[name], rtol=1e-6)
        assert (
            xp.to_numpy(params[name]).tolist()
            == np.asarray(
                values if name == "w" else values[0], dtype=xp.to_numpy(params[name]).dtype
            ).tolist()
        )
    assert int(state[3]["count"]) == 3


def test_traces_under_jit():
    jax = pytest.importorskip("jax")
    schedule = optim.warmup_stable_decay(0.1, warmup=2, stable=2, decay=2)
    transform = optim.chain(
        optim.clip_by_global_norm(1.0),
        optim.partition({"all": optim.sgd(lr=schedule, momentum=0.9)}, lambda path, a: "all"),
    )
    params = {"w": jax.numpy.ones((2, 3)), "b": (jax.numpy.ones(3), None)}
    grads = {"w": params["w"].at[0, 0].set(jax.numpy.nan), "b": (params["b"][0], None)}
    host = optim.tree_map(np.asarray, params)
    same = optim.tree_map(np.asarray, grads)
    update, traced, eager = jax.jit(transform.update), transform.init(params), transform.init(host)
    for _ in range(3):
        updates, traced = update(grads, traced, params)
        expected, eager = transform.update(same, eager, host)
    np.testing.assert_allclose(updates["b"][0][0], expected["b"][0][0], rtol=1e-6)
    assert traced[1]["all"]["params"]["w"]["skipped"] == 3
    assert traced[1]["all"]["params"]["b"][0]["step"] == 3
    assert not np.any(updates["w"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_step_with_a_bad_gradient_is_skipped(xp, bad):
    transform = optim.sgd(lr=0.1, momentum=0.9)
    params = [xp.array(np.ones(3)), xp.array(np.ones(2))]
    good = [xp.array(np.ones(3)), xp.array(np.ones(2))]
    poisoned = [xp.array(np.array([1.0, bad, 1.0])), good[1]]
    _, state = transform.update(good, transform.init(params), params)
    updates, after = transform.update(poisoned, state, params)
    assert xp.to_numpy(updates[0]).tolist() == [0, 0, 0]
    first, second = after["params"]
    assert (int(first["step"]), int(first["skipped"])) == (1, 1)
    assert (int(second["step"]), int(second["skipped"])) == (2, 0)
    assert xp.to_numpy(first["momentum"]).tolist() == [1, 1, 1]
    for name, a in after["params"][0].items():
        xp.assert_like(a, state["params"][0][name])


def test_huge_gradients_are_not_taken_for_infinite():
    transform = optim.sgd(lr=1e-38)
    params = np.zeros(4, dtype=np.float32)
    updates, _ = transform.update(np.full_like(params, 3e38), transform.init(params), params)
    np.testing.assert_allclose(updates, -3.0, rtol=1e-6)


def test_None_gradients_and_None_parameters():
    transform = optim.sgd(lr=0.1, momentum=0.9)
    params = {"a": np.ones(2), "frozen": None, "b": [np.ones(1), np.ones(1)]}
    state = transform.init(params)
    grads = {"a": np.ones(2), "frozen": None, "b": None}
    updates, after = transform.update(grads, state, params)
    assert updates["b"] == [None, None] and updates["frozen"] is None
    assert after["params"]["b"][0] is state["params"]["b"][0]
    with pytest.raises(ValueError, match=r"grads\['frozen'\] has no parameter"):
        transform.update({**grads, "frozen": np.ones(1)}, state, params)
    made = optim.apply_updates(params, updates)
    assert made["b"][0] is params["b"][0]


def test_nothing_to_learn():
    transform = optim.sgd(lr=0.1, momentum=0.9)
    for params in ([], {}, [None], np.zeros((0, 3))):
        made, state = steps(transform, params, lambda p: p, 2)
        assert int(state["count"]) == 2
        assert type(made) is type(params)


def test_wrong_structures_are_named():
    transform = optim.sgd(lr=0.1, momentum=0.9)
    params = {"a": np.ones(2), "b": [np.ones(1)]}
    state = transform.init(params)
    with pytest.raises(ValueError, match=r"missing \['b'\], not known \['c'\]"):
        transform.update({"a": np.ones(2), "c": np.ones(1)}, state, params)
    with pytest.raises(ValueError, match=r"grads\['b.0'\] must have shape \(1,\)"):
        transform.update({"a": np.ones(2), "b": [np.ones(2)]}, state, params)
    with pytest.raises(TypeError, match=r"grads\['a'\] must hold floating-point numbers"):
        transform.update({"a": np.ones(2, dtype=int), "b": [np.ones(1)]}, state, params)
    other = transform.init({"a": np.ones(3), "b": [np.ones(1)]})
    with pytest.raises(ValueError, match=r"state\['a'\]\['momentum'\] must have shape \(2,\)"):
        transform.update(params, other, params)
    with pytest.raises(ValueError, match="must be a dict with keys 'count' and 'params'"):
        transform.update(params, state["params"], params)
    with pytest.raises(ValueError, match=r"state\['a'\] must be a dict with keys"):
        transform.update(params, optim.sgd(lr=0.1).init(params), params)


def test_parameters_added_later():
    transform = optim.chain(optim.clip_by_value(1.0), optim.sgd(lr=0.1, momentum=0.9))
    params = {"a": np.ones(2)}
    _, state = steps(transform, params, lambda p: p, 2)
    more = {**params, "b": np.ones(3)}
    with pytest.raises(ValueError, match="params"):
        transform.update(more, state, more)
    extended = optim.extend_state(transform, state, more)
    _, after = transform.update(more, extended, more)
    assert int(after[1]["params"]["a"]["step"]) == 3
    assert int(after[1]["params"]["b"]["step"]) == 1
    with pytest.raises(ValueError, match=r"must have shape \(4,\), got \(2,\)"):
        optim.extend_state(transform, state, {"a": np.ones(4)})


@pytest.mark.parametrize("short", ["bfloat16", "float16"])
def test_mixed_dtypes(xp, short):
    if xp.library == "array_api_strict" or (xp.library == "numpy" and short == "bfloat16"):
        pytest.skip("has no short dtype")
    transform = optim.sgd(lr=0.125, momentum=0.5)
    params = [xp.array(np.ones(2), short), xp.array(np.ones(2), "float32")]
    grads = [xp.array(np.ones(2), "float32"), xp.array(np.ones(2), short)]
    updates, state = transform.update(grads, transform.init(params), params)
    for update, param, own in zip(updates, params, state["params"], strict=True):
        xp.assert_like(update, param)
        assert "float32" in str(own["momentum"].dtype)
        assert xp.to_numpy(update).tolist() == [-0.125, -0.125]


def test_partition():
    transform = optim.partition(
        {"fast": optim.sgd(lr=1.0), "slow": optim.sgd(lr=0.1, momentum=0.9), "frozen": None},
        lambda path, a: "frozen" if path == "b.0" else "fast" if a.ndim == 2 else "slow",
    )
    params = {"w": np.ones((2, 2)), "b": [np.ones(1), np.ones(2), None]}
    made, state = steps(transform, params, lambda p: p, 1)
    assert made["w"].tolist() == [[0, 0], [0, 0]]
    assert made["b"][0].tolist() == [1]
    np.testing.assert_allclose(made["b"][1], 0.9)
    assert set(state) == {"fast", "slow"}
    assert state["slow"]["params"]["w"] is None
    with pytest.raises(ValueError, match="label must return one of 'a', got 'b' for 'w'"):
        optim.partition({"a": optim.sgd(lr=1.0)}, lambda path, a: "b").init({"w": np.ones(1)})


def test_chain_checks_what_it_gets():
    with pytest.raises(TypeError, match=r"transforms\[1\] must be Transform, got function"):
        optim.chain(optim.sgd(lr=0.1), optim.sgd)
    with pytest.raises(ValueError, match="state must be a tuple of 1 states"):
        optim.chain(optim.sgd(lr=0.1)).update(np.ones(1), (), np.ones(1))


def test_hyperparameters_are_checked():
    with pytest.raises(ValueError, match="lr must be >= 0, got -1"):
        optim.sgd(lr=-1)
    with pytest.raises(ValueError, match="nesterov needs a positive momentum"):
        optim.sgd(lr=1, nesterov=True)
    with pytest.raises(TypeError, match="lr must be a number, got 'fast'"):
        optim.sgd(lr="fast")


def test_no_input_is_modified(xp):
    values = np.array([1.0, np.nan]), np.array([1.0, 2.0])
    transform = optim.sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1)
    params = [xp.array(np.ones(2)), xp.array(np.ones(2))]
    grads = [xp.array(v) for v in values]
    _, state = transform.update(grads, transform.init(params), params)
    before = [xp.to_numpy(own["momentum"]) for own in state["params"]]
    transform.update(grads, state, params)
    for own, held in zip(state["params"], before, strict=True):
        np.testing.assert_array_equal(xp.to_numpy(own["momentum"]), held)
    for grad, v in zip(grads, values, strict=True):
        np.testing.assert_array_equal(xp.to_numpy(grad), v.astype(xp.to_numpy(grad).dtype))


@pytest.mark.torch
def test_a_step_can_be_differentiated():
    torch = pytest.importorskip("torch")
    lr = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    params = torch.tensor([1.0, 2.0], dtype=torch.float64)
    transform = optim.adamw(lr, weight_decay=0.5)
    updates, _ = transform.update(3 * params, transform.init(params), params)
    updates.sum().backward()
    np.testing.assert_allclose(lr.grad, -(1 + 0.5) - (1 + 1.0), rtol=1e-7)


def test_every_public_name_is_there_and_documented():
    for name in optim.__all__:
        thing = getattr(optim, name)
        assert thing.__doc__ and not isinstance(thing, type(np))
        if not isinstance(thing, type):
            assert "Examples\n" in thing.__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'admw'"):
        _ = optim.admw
