"""Optimizers for adapters: exactness, independence of the factors, formulas, edge cases."""

import warnings
from itertools import islice

import numpy as np
import pytest

from linalg_ml import optim
from linalg_ml.optim.adapter_steps import (
    closest_step,
    energies,
    inverse_root,
    plain_step,
    projected_step,
    sylvester,
    tangent_gradient,
)
from linalg_ml.optim.pairs import Pair
from linalg_ml.optim.projected_adapters import root_weights
from tests.conftest import BACKENDS, backend_ready, parameters
from tests.reference import adapter_optimizers as reference

MAKERS = {
    "adaprelora": lambda lr=0.02, **kw: optim.adaprelora(lr, **kw),
    "scaled_adam": lambda lr=0.02, **kw: optim.scaled_adam(lr, **kw),
    "lora_pro": lambda lr=0.02, **kw: optim.lora_pro(lr, **kw),
    "lora_rite": lambda lr=0.02, **kw: optim.lora_rite(lr, **kw),
}
_I, _J, _K = np.arange(5.0), np.arange(4.0), np.arange(2.0)
B = np.cos(_I[:, None] + 2 * _K)
A = np.sin(1 + _K[:, None] + 3 * _J)
G = 1 / (1 + _I[:, None] + 2 * _J) - 0.1 * _I[:, None]


def pair_of(a, b, g, scaling=1.0):
    return Pair(a, b, scaling * b.T @ g, scaling * g @ a.T, None, {}, 1)


def random_instance(rng):
    m, n = rng.integers(2, 12, 2)
    r = int(rng.integers(1, min(m, n) + 1))
    return rng.standard_normal((r, n)), rng.standard_normal((m, r)), rng.standard_normal((m, n))


# Recorded values ----------------------------------------------------------------------------------


def test_recorded_values_of_the_projection():
    weights = root_weights(np.sum(G**2, axis=1), np.sum(G**2, axis=0))
    da, db = projected_step(pair_of(A, B, G), weights, 1.0)
    np.testing.assert_allclose(
        da,
        [[0.31212888, 0.77605788, 1.05011425, 0.73855565],
         [-0.42718989, -0.82377501, -0.39229564, -0.02119051]], atol=5.1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(
        db,
        [[1.92091891, -1.20486841], [1.6209559, -1.00499524], [0.55566217, 0.08063461],
         [-1.39616365, 1.37755576], [-1.58109477, 1.45132347]], atol=5.1e-9,
    )  # fmt: skip
    h = np.outer(*weights)

    def square(x):
        return np.sum(h * x * x)

    moved = B @ da + db @ A
    found = [
        square(B @ da), square(db @ A), square(B @ da - db @ A), square(moved - G / h),
        square(G / h), np.sum(B.T @ G * da) + np.sum(G @ A.T * db),
    ]  # fmt: skip
    expected = (
        2.9034368870, 0.6001372832, 2.9346233452, 0.9788694323, 5.0513944274, 4.0725249951,
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=0, atol=5.1e-11)


def test_recorded_values_of_lora_pro():
    pair = pair_of(A, B, G)
    x = sylvester(B.T @ B, A @ A.T, -plain_step(pair, 1.0)[0] @ A.T)
    expected = [[-0.02994717, -0.00352702], [0.00734782, 0.01495888]]
    np.testing.assert_allclose(x, expected, atol=5.1e-9)
    da, db = closest_step(pair, 1.0)
    distance = np.sum((da - pair.grad_a) ** 2) + np.sum((db - pair.grad_b) ** 2)
    np.testing.assert_allclose(distance, 6.5269278823, rtol=0, atol=5.1e-11)


# Exactness ----------------------------------------------------------------------------------------


def test_the_step_is_the_exact_projection_on_a_hundred_instances():
    """It solves the weighted least-squares problem over all pairs of steps."""
    rng, worst = np.random.default_rng(0), 0.0
    for _ in range(100):
        a, b, g = random_instance(rng)
        weights = [rng.uniform(0.1, 3.0, k) for k in g.shape]
        s = rng.uniform(0.5, 4.0)
        da, db = projected_step(pair_of(a, b, g, s), weights, s)
        moved = s * (b @ da + db @ a)
        h = np.outer(*weights)
        columns = np.hstack([np.kron(b, np.eye(a.shape[1])), np.kron(np.eye(len(b)), a.T)])
        root = np.sqrt(h).ravel()
        x = np.linalg.lstsq(root[:, None] * columns, root * (g / h).ravel(), rcond=1e-12)[0]
        expected = (columns @ x).reshape(g.shape)
        worst = max(worst, np.linalg.norm(moved - expected) / np.linalg.norm(expected))
        # Even shares: no other pair of steps for the same product is better balanced.
        inner = b.T @ (h * (b @ da - db @ a)) @ a.T
        assert np.linalg.norm(inner) < 1e-9 * np.linalg.norm(b) * np.linalg.norm(a) * 10
        slope = s * (np.sum(b.T @ g * da) + np.sum(g @ a.T * db))
        np.testing.assert_allclose(slope, np.sum(h * moved**2), rtol=1e-9)
    assert worst < 1e-11


def test_the_product_does_not_depend_on_the_factors():
    rng, worst = np.random.default_rng(1), 0.0
    for _ in range(100):
        a, b, g = random_instance(rng)
        r = len(a)
        t = np.linalg.qr(rng.standard_normal((r, r)))[0] * rng.uniform(0.2, 5.0, r)
        t = t @ np.linalg.qr(rng.standard_normal((r, r)))[0]
        weights = [rng.uniform(0.1, 3.0, k) for k in g.shape]
        found = []
        for other in (pair_of(a, b, g), pair_of(np.linalg.solve(t, a), b @ t, g)):
            da, db = projected_step(other, weights, 1.0)
            found.append(other.b @ da + db @ other.a)
        worst = max(worst, np.linalg.norm(found[1] - found[0]) / np.linalg.norm(found[0]))
    assert worst < 1e-11


def test_lora_pro_and_scaled_gradients_move_the_product_as_they_say():
    rng = np.random.default_rng(2)
    for _ in range(20):
        a, b, g = random_instance(rng)
        p = b @ np.linalg.pinv(b)
        q = np.linalg.pinv(a) @ a
        outside = (np.eye(len(p)) - p) @ g @ (np.eye(len(q)) - q)
        da, db = closest_step(pair_of(a, b, g, 2.0), 2.0)
        np.testing.assert_allclose(2 * (b @ da + db @ a), g - outside, atol=1e-9)
        left, right = tangent_gradient(pair_of(a, b, g, 2.0), 2.0)
        np.testing.assert_allclose(left @ right, g - outside, atol=1e-9)
        rows, columns = energies(left, right)
        np.testing.assert_allclose(rows, np.sum((left @ right) ** 2, axis=1), atol=1e-9)
        np.testing.assert_allclose(columns, np.sum((left @ right) ** 2, axis=0), atol=1e-9)
        transform = optim.scaled_adam(1.0, betas=None, damping=0.0)
        pair = {"A": a, "B": b}
        grads = {"A": b.T @ g, "B": g @ a.T}
        updates, _ = transform.update(grads, transform.init(pair), pair)
        np.testing.assert_allclose(b @ updates["A"] + updates["B"] @ a, -(p @ g + g @ q), atol=1e-7)


def test_deficient_factors():
    """Pseudoinverses: what the factors cannot reach is left out, and nothing blows up."""
    rng = np.random.default_rng(0)
    a, g = rng.standard_normal((3, 6)), rng.standard_normal((7, 6))
    weights = rng.uniform(0.5, 2, 7), rng.uniform(0.5, 2, 6)
    for b in (np.zeros((7, 3)), np.outer(rng.standard_normal(7), [1.0, 2, 3])):
        da, db = projected_step(pair_of(a, b, g), weights, 1.0)
        h = np.outer(*weights)
        columns = np.hstack([np.kron(b, np.eye(6)), np.kron(np.eye(7), a.T)])
        root = np.sqrt(h).ravel()
        x = np.linalg.lstsq(root[:, None] * columns, root * (g / h).ravel(), rcond=1e-12)[0]
        np.testing.assert_allclose((b @ da + db @ a).ravel(), columns @ x, atol=1e-11)
        da, db = closest_step(pair_of(a, b, g), 1.0)
        assert np.isfinite(da).all() and np.isfinite(db).all()
    np.testing.assert_array_equal(inverse_root(np.zeros((4, 2))), np.zeros((2, 2)))
    x = np.diag([1.0, 1e-3])
    root = inverse_root(x, 0.1)
    np.testing.assert_allclose(root @ root.T, np.diag(1 / (np.diag(x) ** 2 + 0.05 * 1.000001)))


# Whole runs ---------------------------------------------------------------------------------------


def gradient(w, t):
    i, j = np.arange(w.shape[0])[:, None], np.arange(w.shape[1])
    return w - np.cos(i - 2 * j) + 0.1 * np.sin(t + 2 * i + 3 * j)


def run(transform, a, b, steps, *, scaling=1.0, full=False, make=np.asarray, back=np.asarray):
    """Return the pairs after each step, with gradients computed on the host."""
    pair = {"A": make(a), "B": make(b)}
    state, path = transform.init(pair), []
    for t in range(1, steps + 1):
        a, b = (np.asarray(back(pair[k]), dtype=float) for k in "AB")
        g = gradient(b @ a, t)
        grads = {"A": scaling * b.T @ g, "B": scaling * g @ a.T, **({"W": g} if full else {})}
        grads = {k: make(v.astype(back(pair["A"]).dtype)) for k, v in grads.items()}
        updates, state = transform.update(grads, state, pair)
        pair = optim.apply_updates(pair, updates)
        path.append((np.asarray(back(pair["A"])), np.asarray(back(pair["B"]))))
    return path


FORMULAS = {
    **{
        f"adaprelora, {mean}": (
            lambda mean=mean: optim.adaprelora(
                0.02, statistics="full", weight_decay=0.1, momentum_of=mean
            ),
            lambda mean=mean: reference.adaprelora(
                A, B, gradient, 0.02, weight_decay=0.1, momentum_of=mean
            ),
            1.0,
        )
        for mean in ("gradients", "steps")
    },
    "scaled_adam": (
        lambda: optim.scaled_adam(0.02, betas=(0.9, 0.98)),
        lambda: reference.scaled_adam(A, B, gradient, 0.02, betas=(0.9, 0.98)),
        1.0,
    ),
    "lora_pro": (
        lambda: optim.lora_pro(0.02, scaling=2.0),
        lambda: reference.lora_pro(A, B, gradient, 0.02, s=2.0),
        2.0,
    ),
    "lora_rite": (
        lambda: optim.lora_rite(0.02, clip=0.5, skip_above=1.2),
        lambda: reference.lora_rite(A, B, gradient, 0.02, clip=0.5, skip=1.2),
        1.0,
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_published_formulas(name):
    make, published, scaling = FORMULAS[name]
    found = run(make(), A, B, 25, scaling=scaling, full="adaprelora" in name)
    for (a, b), (ra, rb) in zip(found, islice(published(), 25), strict=True):
        np.testing.assert_allclose(a, ra, atol=1e-9)
        np.testing.assert_allclose(b, rb, atol=1e-9)


INVARIANT = {
    "adaprelora": lambda: optim.adaprelora(0.02),
    "adaprelora, full": lambda: optim.adaprelora(0.02, statistics="full", momentum_of="steps"),
    "lora_rite": lambda: optim.lora_rite(0.02),
    "adaprelora, product": lambda: optim.adaprelora(0.02, statistics="product"),
    "scaled_adam": lambda: optim.scaled_adam(0.02),
    "lora_pro": lambda: optim.lora_pro(0.02),
}


@pytest.mark.parametrize("name", INVARIANT)
@pytest.mark.parametrize("start", ["random", "zero"])
def test_whole_runs_do_not_depend_on_the_factors(name, start):
    t = np.array([[2.0, 1.0], [-0.5, 0.4]])
    b = B if start == "random" else 0 * B
    products = []
    for pair in ((A, b), (np.linalg.solve(t, A), b @ t)):
        path = run(INVARIANT[name](), *pair, 12, full="full" in name)
        products.append(np.array([rb @ ra for ra, rb in path]))
    distance = abs(products[1] - products[0]).max()
    invariant = name in ("adaprelora", "adaprelora, full", "lora_rite")
    assert distance < 1e-9 if invariant else distance > 1e-4


def test_from_zero_the_first_step_moves_b_alone():
    for name, make in MAKERS.items():
        (a, b), *_ = run(make(), A, 0 * B, 1)
        np.testing.assert_array_equal(a, A, err_msg=name)
        assert abs(b).max() > 0


@pytest.fixture(params=parameters([b for b in BACKENDS if b.name in (
    "numpy-readonly", "strict", "strict-float32", "torch")]))  # fmt: skip
def eager(request):
    with backend_ready(request.param) as backend:
        yield backend


@pytest.mark.parametrize("name", MAKERS)
def test_every_library_follows_the_same_path(eager, name):
    expected = run(MAKERS[name](), A, B, 6)[-1]
    found = run(MAKERS[name](), A, B, 6, make=eager.array, back=eager.to_numpy)[-1]
    tolerance = 1e-4 if found[0].dtype == np.float32 else 1e-11
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, atol=tolerance)


@pytest.mark.parametrize("name", ["adaprelora", "lora_rite"])
def test_updates_trace_under_jit(name):
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        transform = MAKERS[name]()
        pair = {"A": jax.numpy.asarray(A), "B": jax.numpy.asarray(B)}
        update, state = jax.jit(transform.update), transform.init(pair)
        for t in range(1, 4):
            g = gradient(np.asarray(pair["B"] @ pair["A"]), t)
            grads = {"A": pair["B"].T @ g, "B": g @ pair["A"].T}
            updates, state = update(grads, state, pair)
            pair = optim.apply_updates(pair, updates)
        bad, after = update({**grads, "A": grads["A"] * float("nan")}, state, pair)
        assert not np.any(bad["A"]) and not np.any(bad["B"])
        assert int(after["params"]["A"]["skipped"]) == 1
    for found, expected in zip((pair["A"], pair["B"]), run(MAKERS[name](), A, B, 3)[-1],
                               strict=True):  # fmt: skip
        np.testing.assert_allclose(np.asarray(found), expected, atol=1e-10)


# Edge cases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("shapes", [((1, 5), (4, 1)), ((2, 1), (3, 2)), ((3, 4), (1, 3))])
def test_zero_gradients_and_thin_pairs(name, shapes):
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        transform = MAKERS[name]()
        pair = {k: rng.standard_normal(s).astype(dtype) for k, s in zip("AB", shapes, strict=True)}
        state = transform.init(pair)
        for t in range(4):
            g = np.zeros((shapes[1][0], shapes[0][1]), dtype)
            if t in (1, 3):
                g = rng.standard_normal(g.shape).astype(dtype)
            grads = {"A": pair["B"].T @ g, "B": g @ pair["A"].T}
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                updates, state = transform.update(grads, state, pair)
            for k, u in updates.items():
                assert np.isfinite(u).all() and u.dtype == dtype
                assert t != 0 or not u.any(), k
            pair = optim.apply_updates(pair, updates)


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_not_finite_or_missing_leaves_the_pair(name):
    transform = MAKERS[name]()
    pairs = {"layers": [{"A": A, "B": B}, {"A": A + 1, "B": B}, {"A": A, "B": B}], "head": None}
    state = transform.init(pairs)
    good = {"A": B.T @ G, "B": G @ A.T}
    bad = {"A": good["A"], "B": good["B"] * np.nan}
    updates, after = transform.update(
        {"layers": [good, bad, {"A": None, "B": None}], "head": None}, state, pairs
    )
    one, two, three = updates["layers"]
    assert abs(one["A"]).max() > 0 and not two["A"].any() and not two["B"].any()
    assert three["A"] is None and three["B"] is None and updates["head"] is None
    counters = [[int(s["A"][k]) for k in ("step", "skipped")] for s in after["params"]["layers"]]
    assert counters == [[1, 0], [0, 1], [0, 0]]
    for key, array in after["params"]["layers"][1]["A"].items():
        if key != "skipped":
            np.testing.assert_array_equal(array, state["params"]["layers"][1]["A"][key])


def test_short_types_and_inputs():
    torch = pytest.importorskip("torch")
    for name, make in MAKERS.items():
        transform = make()
        pair = {k: torch.tensor(v).bfloat16() for k, v in (("A", A), ("B", B))}
        state = transform.init(pair)
        copies = {k: v.clone() for k, v in pair.items()}
        grads = {"A": torch.tensor(B.T @ G).float(), "B": torch.tensor(G @ A.T).float()}
        updates, state = transform.update(grads, state, pair)
        for k in "AB":
            assert updates[k].dtype == torch.bfloat16, name
            assert torch.equal(pair[k], copies[k])
        held = [v for k, v in state["params"]["A"].items() if k not in ("step", "skipped")]
        assert all(v.dtype == torch.float32 for v in held)


def test_what_is_no_pair_is_refused():
    transform = optim.adaprelora()
    with pytest.raises(ValueError, match=r"params at 'w' must be 'A' or 'B' with its partner"):
        transform.init({"w": A})
    with pytest.raises(ValueError, match=r"params at 'x.A' must be"):
        transform.init({"x": {"A": A, "B": None}})
    with pytest.raises(ValueError, match=r"pair A of shape \(r, n\) and B of shape \(m, r\)"):
        transform.init({"A": A, "B": B.T})
    with pytest.raises(TypeError, match="real floating-point"):
        transform.init({"A": A.astype(int), "B": B.astype(int)})
    pair = {"A": A, "B": B}
    state = transform.init(pair)
    with pytest.raises(ValueError, match=r"grads\['B'\] is None, but its partner has a gradient"):
        transform.update({"A": A, "B": None}, state, pair)
    with pytest.raises(ValueError, match=r"grads\['A'\] must have shape"):
        transform.update({"A": B, "B": B}, state, pair)
    with pytest.raises(ValueError, match=r"state must hold arrays of shapes"):
        other = transform.init({"A": A, "B": np.ones((9, 2))})
        transform.update(pair, other, pair)
    with pytest.raises(ValueError, match="grads must hold 'W'"):
        full = optim.adaprelora(statistics="full")
        full.update(pair, full.init(pair), pair)
    with pytest.raises(ValueError, match=r"\['W'\] must have shape \(5, 4\)"):
        full.update({**pair, "W": A}, full.init(pair), pair)
    for make in (
        lambda: optim.adaprelora(scaling=0.0),
        lambda: optim.adaprelora(statistics="rank"),
        lambda: optim.adaprelora(momentum_of="products"),
        lambda: optim.adaprelora(betas=(1.0, 0.9)),
        lambda: optim.scaled_adam(damping=-1.0),
        lambda: optim.lora_pro(scaling=-1.0),
        lambda: optim.lora_rite(clip=-1.0),
    ):
        with pytest.raises(ValueError):
            make()
    for make in (optim.adaprelora, optim.scaled_adam, optim.lora_pro, optim.lora_rite):
        with pytest.raises(TypeError, match=r"betas must be two numbers, got 0\.9"):
            make(betas=0.9)


def test_flat_paths_partitions_and_saved_states(tmp_path):
    """The same pairs by dotted names, as optax and PyTorch give them, beside other parameters."""
    nested = {"q": {"A": A, "B": B}, "v": [{"A": A + 1, "B": B - 1}]}
    flat = {"q.A": A, "q.B": B, "v.0.A": A + 1, "v.0.B": B - 1}
    transform = optim.adaprelora(0.1, statistics="full")
    given = {"q": {"A": B.T @ G, "B": G @ A.T, "W": G},
             "v": [{"A": (B - 1).T @ G, "B": G @ (A + 1).T, "W": G}]}  # fmt: skip
    names = {"q": given["q"], "v.0": given["v"][0]}
    by_name = {f"{n}.{k}": g for n, pair in names.items() for k, g in pair.items()}
    one, state = transform.update(given, transform.init(nested), nested)
    two, _ = transform.update(by_name, transform.init(flat), flat)
    np.testing.assert_array_equal(one["q"]["B"], two["q.B"])
    np.testing.assert_array_equal(one["v"][0]["A"], two["v.0.A"])
    optim.save_state(tmp_path / "s.npz", state)
    again = optim.load_state(tmp_path / "s.npz", like=state)
    np.testing.assert_array_equal(
        again["params"]["q"]["A"]["rows"], state["params"]["q"]["A"]["rows"]
    )
    both = optim.partition(
        {"pairs": optim.adaprelora(0.1), "rest": optim.adamw(0.1)},
        lambda path, array: "pairs" if path.rsplit(".", 1)[-1] in ("A", "B") else "rest",
    )
    params = {**nested, "bias": np.ones(3)}
    grads = {"q": {k: given["q"][k] for k in "AB"}, "v": [{k: given["v"][0][k] for k in "AB"}],
             "bias": np.ones(3)}  # fmt: skip
    updates, state = both.update(grads, both.init(params), params)
    np.testing.assert_allclose(updates["bias"], -0.101, atol=1e-6)
    alone = optim.adaprelora(0.1)
    expected, _ = alone.update({k: grads[k] for k in "qv"}, alone.init(nested), nested)
    np.testing.assert_array_equal(updates["q"]["A"], expected["q"]["A"])
    grown = optim.extend_state(alone, alone.init(nested), {**nested, "k": {"A": A, "B": B}})
    assert set(grown["params"]) == {"q", "v", "k"}
