"""Saving, schedules, clipping, decay and averages."""

import warnings

import numpy as np
import pytest

from linalg_ml import optim


def trained(xp, dtype=None):
    transform = optim.chain(
        optim.clip_by_global_norm(1.0),
        optim.partition(
            {"a": optim.adamw(0.1), "b": optim.sgd(0.1, momentum=0.9)},
            lambda path, array: "a" if array.ndim == 2 else "b",
        ),
    )
    values = np.random.default_rng(0).standard_normal((3, 2))
    params = {"w": xp.array(values, dtype), "b": [xp.array(values[0]), None]}
    state = transform.init(params)
    for _ in range(2):
        updates, state = transform.update(params, state, params)
        params = optim.apply_updates(params, updates)
    return transform, params, state


def test_a_state_survives_a_file(xp, tmp_path):
    if xp.library == "jax":
        pytest.skip("slow to compile, and covered by the types below")
    transform, params, state = trained(xp)
    optim.save_state(tmp_path / "state.npz", state)
    again = optim.load_state(tmp_path / "state.npz", like=transform.init(params))
    first, after = transform.update(params, state, params)
    second, after_again = transform.update(params, again, params)
    for a, b in zip(first["b"] + [first["w"]], second["b"] + [second["w"]], strict=True):
        if a is not None:
            xp.assert_like(b, a)
            assert np.array_equal(xp.to_numpy(a), xp.to_numpy(b))
    assert isinstance(again, tuple) and isinstance(again[1]["b"]["params"]["b"], list)
    assert int(after[1]["a"]["count"]) == int(after_again[1]["a"]["count"]) == 3


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float32", "float64", "complex64", "int32", "bool"]
)
def test_every_type_survives_a_file(dtype, tmp_path):
    torch = pytest.importorskip("torch")
    a = torch.tensor([[0.0, 1.0], [3.140625, -2.0]]).to(getattr(torch, dtype))
    optim.save_state(tmp_path / "a.npz", [a])
    (b,) = optim.load_state(tmp_path / "a.npz", like=[torch.zeros_like(a)])
    assert b.dtype == a.dtype and torch.equal(a, b)
    (host,) = optim.load_state(tmp_path / "a.npz")
    assert isinstance(host, np.ndarray) and str(host.dtype) == dtype


def test_a_file_that_does_not_fit(tmp_path):
    path = tmp_path / "state.npz"
    optim.save_state(path, {"a": [np.zeros(2), None], 3: (np.zeros(1),)})
    loaded = optim.load_state(path)
    assert list(loaded) == ["a", 3] and isinstance(loaded[3], tuple)
    for like, message in (
        ({"a": [np.zeros(2), None]}, r"state must have the entries \['a'\], got \['a', 3\]"),
        ({"a": [np.zeros(2)], 3: (np.zeros(1),)}, "state at 'a' must have the entries"),
        ({"a": [np.zeros(3), None], 3: (np.zeros(1),)}, r"state at 'a.0' must have shape \(3,\)"),
        (
            {"a": [np.zeros(2, dtype=np.float32), None], 3: (np.zeros(1),)},
            "state at 'a.0' must have dtype float32, got float64",
        ),
        ({"a": [None, None], 3: (np.zeros(1),)}, "state at 'a.0' must be NoneType"),
        ({"a": [np.zeros(2), np.zeros(1)], 3: (np.zeros(1),)}, "got None in the file"),
    ):
        with pytest.raises(ValueError, match=message):
            optim.load_state(path, like=like)


def test_damaged_files_and_failed_writes(tmp_path):
    path = tmp_path / "state.npz"
    optim.save_state(path, [np.zeros(100)])
    with pytest.raises(TypeError, match=r"state.0 must be an array, None, .* got float"):
        optim.save_state(path, [1.0])
    with pytest.raises(TypeError, match="keys that are strings or integers"):
        optim.save_state(path, {1.5: np.zeros(1)})
    assert len(optim.load_state(path)[0]) == 100  # what was there is untouched
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="was not written by save_state, or is damaged"):
        optim.load_state(path)
    np.savez(path, a=np.zeros(1))
    with pytest.raises(ValueError, match="was not written by save_state"):
        optim.load_state(path)
    with pytest.raises(FileNotFoundError):
        optim.load_state(tmp_path / "absent.npz")


SCHEDULES = [
    optim.constant(0.3),
    optim.linear_warmup(0.3, 4, initial=0.1),
    optim.cosine(0.3, 20, warmup=5, final=0.01),
    optim.cosine(0.3, 20),
    optim.linear_decay(0.3, 20, warmup=3),
    optim.warmup_stable_decay(0.3, warmup=3, stable=5, decay=6, shape="sqrt", final=0.1),
    optim.warmup_stable_decay(0.3, warmup=0, stable=5, decay=6, shape="cosine"),
    optim.warmup_stable_decay(0.3, warmup=3, stable=0, decay=0),
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_of_arrays_and_of_numbers_agree(schedule, xp):
    if xp.library == "jax":
        pytest.skip("covered by the transforms under jit")
    for count in (0, 1, 3, 7, 13, 14, 40):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value = schedule(xp.array(np.asarray(count, dtype=np.int32)))
        assert value.ndim == 0
        assert float(value) == pytest.approx(schedule(count), abs=2e-7 * 0.3)


def test_schedules_beside_optax():
    optax = pytest.importorskip("optax")
    peers = [
        (
            optim.cosine(0.3, 20, warmup=5, final=0.03),
            optax.warmup_cosine_decay_schedule(0.0, 0.3, 5, 20, end_value=0.03),
        ),
        (optim.linear_decay(0.3, 20), optax.linear_schedule(0.3, 0.0, 20)),
        (optim.linear_warmup(0.3, 7), optax.linear_schedule(0.0, 0.3, 7)),
    ]
    for ours, theirs in peers:
        for count in (0, 3, 5, 11, 20, 30):
            assert ours(count) == pytest.approx(float(theirs(count)), abs=1e-7)


def test_wrong_schedules():
    with pytest.raises(ValueError, match="warmup must be less than steps = 5, got 5"):
        optim.cosine(0.1, 5, warmup=5)
    with pytest.raises(ValueError, match="shape must be one of"):
        optim.warmup_stable_decay(0.1, warmup=1, stable=1, decay=1, shape="step")
    for make, match in (
        (lambda: optim.cosine(-1.0, 10), "peak must be >= 0, got -1"),
        (lambda: optim.linear_warmup(-1.0, 10), "peak must be"),
        (lambda: optim.linear_decay(1.0, 10, final=-1.0), "final must be"),
        (lambda: optim.linear_decay(1.0, 10, initial=-1.0), "initial must be"),
        (lambda: optim.warmup_stable_decay(-1.0, warmup=1, stable=1, decay=1), "peak must be"),
    ):
        with pytest.raises(ValueError, match=f"^{match}"):
            make()


def test_the_norm_to_clip_by():
    clip = optim.clip_by_global_norm(1.0)
    grads = {
        "a": np.array([3e200, 0.0]),
        "b": np.array([4e200]),
        "c": np.array([np.nan]),
        "d": None,
    }
    clipped, _ = clip.update(grads, (), grads)
    np.testing.assert_allclose(clipped["a"], [0.6, 0.0])
    np.testing.assert_allclose(clipped["b"], [0.8])
    assert np.isnan(clipped["c"]).all() and clipped["d"] is None
    small = {"a": np.array([0.3]), "b": np.array([0.4])}
    assert clip.update(small, (), small)[0] == small
    assert clip.update([None], (), [None])[0] == [None]
    assert optim.global_norm([np.zeros((0, 3)), np.zeros(2)]) == 0
    with pytest.raises(ValueError, match="max_norm must be > 0"):
        optim.clip_by_global_norm(0.0)


def test_clipping_beside_torch():
    torch = pytest.importorskip("torch")
    grads = [torch.arange(1.0, 5.0), torch.ones(2, 2)]
    held = [torch.nn.Parameter(torch.zeros_like(g)) for g in grads]
    for p, g in zip(held, grads, strict=True):
        p.grad = g.clone()
    torch.nn.utils.clip_grad_norm_(held, 1.0)
    clipped, _ = optim.clip_by_global_norm(1.0).update(grads, (), held)
    for p, g in zip(held, clipped, strict=True):
        np.testing.assert_allclose(g, p.grad, rtol=1e-5)


def test_values_are_cut_off_and_infinity_is_seen():
    grads = np.array([-3.0, 0.5, np.nan, np.inf])
    clipped, _ = optim.clip_by_value(1.0).update(grads, (), grads)
    np.testing.assert_array_equal(clipped, [-1.0, 0.5, np.nan, np.inf])


def test_decay_apart_is_that_of_adamw():
    params = [np.ones((2, 2)), np.ones(2)]
    schedule = optim.cosine(0.1, 10, warmup=3)
    whole = optim.adamw(schedule, weight_decay=0.3)
    parts = optim.chain(optim.adam(schedule), optim.decoupled_decay(0.3, lr=schedule))
    states = [whole.init(params), parts.init(params)]
    held = [params, params]
    for _ in range(5):
        for i, transform in enumerate((whole, parts)):
            updates, states[i] = transform.update(held[i], states[i], held[i])
            held[i] = optim.apply_updates(held[i], updates)
    np.testing.assert_allclose(held[0][0], held[1][0], rtol=1e-14)
    coupled = optim.chain(optim.coupled_decay(0.3), optim.sgd(0.1, momentum=0.9))
    inside = optim.sgd(0.1, momentum=0.9, weight_decay=0.3)
    first = coupled.update(params, coupled.init(params), params)[0]
    second = inside.update(params, inside.init(params), params)[0]
    np.testing.assert_array_equal(first[0], second[0])


def test_averages(xp):
    values = np.array([1.0, 4.0, 2.0])
    params = [xp.array(values), None]
    for average, weights in (
        (optim.ema(0.5), [1 / 7, 2 / 7, 4 / 7]),
        (optim.polyak(), [1 / 3] * 3),
        (optim.polyak(start=1), [0, 1 / 2, 1 / 2]),
        (optim.polyak(start=5), [0, 0, 1]),
        (optim.ema(0.0), [0, 0, 1]),
    ):
        state = average.init(params)
        for factor in (1.0, 2.0, 3.0):
            state = average.update([xp.array(factor * values), None], state)
        mean, nothing = average.value(state, params)
        xp.assert_like(mean, params[0])
        assert nothing is None
        expected = values * np.dot(weights, [1, 2, 3])
        np.testing.assert_allclose(xp.to_numpy(mean), expected, rtol=2e-6)


def test_an_average_of_short_numbers_is_kept_in_fp32():
    torch = pytest.importorskip("torch")
    average = optim.ema(0.999)
    params = torch.ones(1, dtype=torch.bfloat16)
    state = average.update(params * 0, average.update(params, average.init(params)))
    assert state["average"].dtype == torch.float32
    assert average.value(state, params).dtype == torch.bfloat16
    assert state["average"].item() == pytest.approx(0.999 / 1.999, rel=1e-4)
