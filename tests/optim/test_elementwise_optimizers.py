"""Adam and its relatives: golden traces, literal formulas, PyTorch and optax side by side."""

from itertools import islice

import numpy as np
import pytest

from linalg_ml import optim
from tests.reference import elementwise_optimizers as formulas
from tests.reference.matrix_problem import START, loss, perturbed_gradient, plain_gradient

# Values of the objective after 1, 2, 3, 10 and 100 steps.
GOLDEN = {
    ("sgd", 1): (3.749365943, 3.689749627, 3.639849752, 3.446067677, 3.019231623),
    ("adam", 1): (3.663999931, 3.544097563, 3.477222710, 3.265885456, 1.894110385),
    ("adam", 2): (3.642627916, 3.532158415, 3.461690563, 3.266632284, 1.970646725),
    ("adamw", 1): (3.663999931, 3.544168333, 3.477381925, 3.265634701, 1.909522042),
    ("adamw", 2): (3.642627916, 3.532244196, 3.461876377, 3.266330336, 1.994479307),
    ("adamw .95/.95", 1): (3.663999931, 3.545505297, 3.475613600, 3.286308874, 1.863401044),
    ("adamw .95/.95", 2): (3.642627916, 3.533476648, 3.460448622, 3.288640745, 1.931659701),
    ("equal betas", 1): (3.771482832, 3.714500390, 3.662261185, 3.383189924, 1.870587067),
    ("equal betas", 2): (3.773424186, 3.718178980, 3.665479659, 3.405619329, 2.008551305),
    ("adafactor", 1): (3.823207240, 3.822958429, 3.822709810, 3.820974888, 3.036542894),
    ("adafactor", 2): (3.823215309, 3.822981016, 3.822732745, 3.821081413, 3.254495198),
    ("adafactor unscaled", 1): (3.668881687, 3.716322711, 3.588501214, 3.431459552, 2.640429847),
    ("lion", 1): (3.799051198, 3.776526026, 3.755880722, 3.640543664, 3.047088887),
    ("lion", 2): (3.800397874, 3.779171132, 3.758229769, 3.641985457, 3.055118280),
    ("signum", 1): (3.799051198, 3.776526026, 3.755880722, 3.645573942, 3.013277250),
    ("signum", 2): (3.800397874, 3.779171132, 3.758229769, 3.646311234, 3.012777406),
    ("mean of signs", 1): (3.820931141, 3.816185245, 3.809533525, 3.734516351, 3.063273267),
    ("mean of signs", 2): (3.821100647, 3.816642017, 3.810231954, 3.736246245, 3.209409950),
    ("sign sgd", 1): (3.799051198, 3.776526026, 3.755880722, 3.637859459, 3.000036253),
}
TRANSFORMS = {
    "sgd": [optim.sgd(0.1)],
    "adam": [optim.adam(0.1)],
    "adamw": [optim.adamw(0.1)],
    "adamw .95/.95": [
        optim.adamw(0.1, betas=(0.95, 0.95), weight_decay=0.0),
        optim.equal_beta_adam(0.1, correct_bias=True),
        optim.equal_beta_adam(0.1, form="moments", correct_bias=True),
    ],
    "equal betas": [
        optim.equal_beta_adam(0.1),
        optim.equal_beta_adam(0.1, form="moments"),
        optim.adam(0.1, betas=(0.95, 0.95), correct_bias=False),
    ],
    "adafactor": [optim.adafactor(0.1)],
    "adafactor unscaled": [optim.adafactor(0.1, scale_by_parameter=False)],
    "lion": [optim.lion(0.01)],
    "signum": [optim.signum(0.01)],
    "mean of signs": [optim.mean_of_signs(0.01)],
    "sign sgd": [optim.sign_sgd(0.01)],
}


def trace(transform, steps, number, dtype="float64"):
    """Return the parameters after each step on a golden problem."""
    gradient = plain_gradient if number == 1 else perturbed_gradient
    w, held = START.astype(dtype), []
    state = transform.init(w)
    for t in range(1, steps + 1):
        updates, state = transform.update(gradient(w, t).astype(dtype), state, w)
        w = optim.apply_updates(w, updates)
        held.append(w)
    return held


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "number"), GOLDEN)
def test_golden_traces(name, number, dtype):
    # The unscaled values are those of optax, which bounds the squares from below another way.
    digits = 5.01e-10 if name != "adafactor unscaled" else 5e-9
    checked = (1, 2, 3, 10, 100)
    if dtype == "float32":
        digits = 5e-7
        if (name, number) == ("adafactor", 1):  # rounding grows; PyTorch's fp32 ends at 3.10
            checked = checked[:-1]
    for transform in TRANSFORMS[name]:
        held = trace(transform, 100, number, dtype)
        assert held[-1].dtype == dtype
        values = [loss(held[t - 1].astype("float64")) for t in checked]
        expected = GOLDEN[name, number][: len(checked)]
        np.testing.assert_allclose(values, expected, rtol=0, atol=digits)


def test_the_end_point_of_adam():
    assert abs(trace(optim.adam(0.1), 100, 2)[-1][0, 0] - 3.53722557) < 5e-9


SETTINGS = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9, "weight_decay": 0.01}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("sgd", {"momentum": 0.9, "dampening": 0.3}),
    ("adam", {}),
    ("adam", {"weight_decay": 0.1, "eps": 1e-3}),
    ("adam", {"betas": (0.0, 0.9)}),
    ("adamw", {}),
    ("adamw", {"betas": (0.95, 0.95), "weight_decay": 0.1}),
    ("equal_beta_adam", {"beta": 0.9, "weight_decay": 0.1, "eps": 1e-3}),
    ("lion", {"weight_decay": 0.1}),
    ("signum", {"weight_decay": 0.1, "nesterov": True}),
    ("signum", {"mollifier": 0.1}),
    ("sign_sgd", {"weight_decay": 0.1}),
    ("mean_of_signs", {"weight_decay": 0.1}),
    ("adafactor", {"weight_decay": 0.1}),
    ("adafactor", {"threshold": 0.5, "scale_by_parameter": False, "decay": -0.5}),
]
IDS = [f"{name}-{'-'.join(settings) or 'plain'}" for name, settings in SETTINGS]


def shaken(w, t):
    """Return a gradient that depends on the step as well, for a parameter of any shape."""
    return w - 1 + np.sin(t + 3.0 * np.arange(w.size)).reshape(w.shape)


@pytest.mark.parametrize("shape", [(4, 3), (5,), (1, 3), (3, 1), (1,)], ids=str)
@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_literal_formulas(name, settings, shape):
    start = np.linspace(-1.0, 2.0, int(np.prod(shape))).reshape(shape)
    transform = getattr(optim, name)(0.05, **settings)
    literal = getattr(formulas, name)(start, shaken, 0.05, **settings)
    w, state = start, transform.init(start)
    for t, expected in enumerate(islice(literal, 20), 1):
        updates, state = transform.update(shaken(w, t), state, w)
        w = optim.apply_updates(w, updates)
        np.testing.assert_allclose(w, expected, rtol=1e-12, atol=1e-14)


LIBRARIES = [
    ("sgd", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("adamw", {}),
    ("equal_beta_adam", {"correct_bias": True}),
    ("lion", {"weight_decay": 0.1}),
    ("signum", {"mollifier": 0.1}),
    ("adafactor", {}),
]


@pytest.mark.parametrize(("name", "settings"), LIBRARIES, ids=[name for name, _ in LIBRARIES])
def test_libraries_agree(name, settings, xp):
    transform = getattr(optim, name)(0.05, **settings)
    start = {"w": np.linspace(-1.0, 2.0, 12).reshape(4, 3), "b": np.linspace(-1.0, 1.0, 3)}
    held = {key: xp.array(a) for key, a in start.items()}
    update = transform.update
    if xp.library == "jax":
        update = pytest.importorskip("jax").jit(update)
    state, expected = transform.init(held), {k: start[k] for k in start}
    reference = transform.init(start)
    for t in range(1, 4):
        grads = {key: shaken(a, t) for key, a in expected.items()}
        updates, state = update({k: xp.array(g) for k, g in grads.items()}, state, held)
        held = optim.apply_updates(held, updates)
        updates, reference = transform.update(grads, reference, expected)
        expected = optim.apply_updates(expected, updates)
    for key in start:
        xp.assert_like(held[key], xp.array(start[key]))
        tolerance = 1e-5 if "float32" in str(held[key].dtype) else 1e-13
        np.testing.assert_allclose(xp.to_numpy(held[key]), expected[key], rtol=0, atol=tolerance)


PEERS = [
    ("sgd", "SGD", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("sgd", "SGD", {"momentum": 0.9, "nesterov": True}),
    ("adam", "Adam", {"weight_decay": 0.1}),
    ("adamw", "AdamW", {"weight_decay": 0.1}),
    ("adafactor", "Adafactor", {"weight_decay": 0.1}),
]


@pytest.mark.torch
@pytest.mark.parametrize(("name", "peer", "settings"), PEERS, ids=[p[1] for p in PEERS])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-12)])
def test_beside_torch(name, peer, settings, dtype, tolerance):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Parameter(
        torch.linspace(-1, 2, 12, dtype=getattr(torch, dtype)).reshape(4, 3)
    )
    ours = theirs.detach().clone()
    other = getattr(torch.optim, peer)([theirs], lr=0.05, **settings)
    transform = getattr(optim, name)(0.05, **settings)
    state = transform.init(ours)
    for t in range(1, 41):
        theirs.grad = torch.asarray(shaken(theirs.detach().numpy(), t)).to(theirs.dtype)
        grad = torch.asarray(shaken(ours.numpy(), t)).to(ours.dtype)
        updates, state = transform.update(grad, state, ours)
        ours = optim.apply_updates(ours, updates)
        other.step()
    np.testing.assert_allclose(ours, theirs.detach(), rtol=0, atol=tolerance)


def test_adafactor_bounds_a_large_rate():
    transform = optim.adafactor(0.7)
    literal = formulas.adafactor(START + 1, shaken, 0.7)
    w, state = START + 1, transform.init(START)
    for t, expected in enumerate(islice(literal, 10), 1):
        updates, state = transform.update(shaken(w, t), state, w)
        w = optim.apply_updates(w, updates)
        np.testing.assert_allclose(w, expected, rtol=1e-12)


def optax_peers(optax):
    return {
        "adamw": (optim.adamw(0.1), optax.adamw(0.1, weight_decay=0.01)),
        "lion": (optim.lion(0.01), optax.lion(0.01, weight_decay=0.0)),
        "adafactor": (optim.adafactor(0.1), optax.adafactor(0.1, min_dim_size_to_factor=1)),
    }


@pytest.mark.parametrize("name", ["adamw", "lion", "adafactor"])
def test_beside_optax(name):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    with jax.enable_x64(True):
        transform, peer = optax_peers(optax)[name]
        ours = theirs = START
        update, other = jax.jit(transform.update), jax.jit(peer.update)
        state, their_state = transform.init(ours), peer.init(jax.numpy.asarray(theirs))
        for t in range(1, 21):
            updates, state = update(perturbed_gradient(ours, t), state, ours)
            ours = ours + np.asarray(updates)
            grads = perturbed_gradient(theirs, t)
            updates, their_state = other(grads, their_state, theirs)
            theirs = theirs + np.asarray(updates)
    # optax bounds the squares from below in another way.
    tolerance = 1e-6 if name == "adafactor" else 1e-12
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def test_bias_correction_keeps_its_digits_in_fp32():
    from linalg_ml.optim.hyperparameters import bias_correction

    for t in (1, 2, 1000):
        exact = 1 - 0.999**t
        step = np.asarray(t, dtype=np.int32)
        assert abs(bias_correction(0.999, step, np.float32(1)) / exact - 1) < 3e-7
        assert abs(bias_correction(0.999, t, np.float32(1)) / exact - 1) < 1e-12


def test_mean_and_variance_are_those_of_the_gradients():
    rng = np.random.default_rng(0)
    transform = optim.equal_beta_adam(0.0, beta=0.99)
    params = np.zeros(2000)
    state = transform.init(params)
    for _ in range(1500):
        _, state = transform.update(3.0 + 2.0 * rng.standard_normal(2000), state, params)
    assert abs(state["params"]["mean"].mean() - 3.0) < 0.03
    assert abs(state["params"]["variance"].mean() - 4.0) < 0.1


def test_complex_parameters():
    params = np.array([1.0 + 2.0j])
    transform = optim.sgd(0.5, momentum=0.9)
    updates, _ = transform.update(params, transform.init(params), params)
    assert updates.tolist() == [-0.5 - 1.0j]
    with pytest.raises(TypeError, match="complex, which Adam is not defined for"):
        optim.adamw().init(params)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "lion", "signum", "sign_sgd",
                                  "mean_of_signs", "equal_beta_adam", "adafactor"])  # fmt: skip
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_gradients_of_any_size_give_finite_steps(name, scale):
    params = np.ones((2, 3))
    transform = getattr(optim, name)(0.1)
    updates, _ = transform.update(scale * params, transform.init(params), params)
    assert np.all(np.isfinite(updates))


def test_wrong_hyperparameters():
    with pytest.raises(ValueError, match=r"betas\[1\] must be < 1, got 1"):
        optim.adamw(betas=(0.9, 1.0))
    with pytest.raises(TypeError, match="betas must be two numbers"):
        optim.adamw(betas=0.9)
    with pytest.raises(ValueError, match="form must be one of"):
        optim.equal_beta_adam(form="std")
    with pytest.raises(ValueError, match="decay must be a negative number"):
        optim.adafactor(decay=0.9)
    with pytest.raises(TypeError, match="decay must be a number, got 'x'"):
        optim.adafactor(decay="x")
    for eps in (1e-8, (1e-8,), None):
        with pytest.raises(TypeError, match="eps must be two numbers"):
            optim.adafactor(eps=eps)
