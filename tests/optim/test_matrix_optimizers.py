"""What optimizers for matrices must do whatever the problem: identities, libraries, edge cases."""

import warnings
from itertools import islice, pairwise

import numpy as np
import pytest

from linalg_ml import optim, orthogonalize, schedule
from linalg_ml.optim.matrices import Matrices, map_matrices
from tests.conftest import BACKENDS, backend_ready, parameters
from tests.optim.test_matrix_golden import trajectory
from tests.reference import matrix_optimizers as reference
from tests.reference import optimizer_family as family
from tests.reference.matrix_problem import START, perturbed_gradient, plain_gradient

MAKERS = {
    "muon": lambda **kw: optim.muon(lr=0.1, **kw),
    "polargrad": lambda **kw: optim.polargrad(lr=0.1, **kw),
    "shampoo": lambda **kw: optim.shampoo(lr=0.1, **kw),
    "soap": lambda **kw: optim.soap(lr=0.1, frequency=3, **kw),
    "asgo": lambda **kw: optim.asgo(lr=0.1, **kw),
    "dasgo": lambda **kw: optim.dasgo(lr=0.1, **kw),
    "muon, rows scaled": lambda **kw: optim.muon(lr=0.1, normalization="aol", **kw),
    "dion": lambda **kw: optim.dion(lr=0.1, rank=2, **kw),
    "fismo": lambda **kw: optim.fismo(lr=0.1, **kw),
    "macro": lambda **kw: optim.macro(lr=0.1, manifold="rows", radius=2.0, **kw),
    "spel": lambda **kw: optim.spel(lr=0.1, **kw),
    "frugal, entries": lambda: optim.frugal(lr=0.1, density=0.5, frequency=3, projection="entries"),
    "frugal, singular vectors": lambda: optim.frugal(
        lr=0.1, density=0.7, frequency=3, projection="svd", free="gradient"
    ),
}
MATRICES_ALONE = ("muon", "polargrad", "asgo", "dasgo", "fismo", "macro", "spel")
REFERENCES = {
    "muon": (
        lambda: optim.muon(0.1, weight_decay=0.1, schedule="newton-schulz", steps=40),
        lambda g: reference.muon(START, g, 0.1, weight_decay=0.1, polar=reference.polar_by_svd),
    ),
    "muon without Nesterov, scaled": (
        lambda: optim.muon(0.1, nesterov=False, scale="match-rms", schedule="jordan"),
        lambda g: reference.muon(
            START, g, 0.1, nesterov=False, scale=lambda m, n: 0.2 * max(m, n) ** 0.5
        ),
    ),
    **{
        f"polargrad, {placement}, {method}": (
            lambda p=placement, m=method: optim.polargrad(
                0.1, placement=p, method=m, weight_decay=0.1
            ),
            lambda g, p=placement: reference.polargrad(
                START, g, 0.1, placement=p.removeprefix("momentum-"), weight_decay=0.1
            ),
        )
        for placement, method in (
            ("none", "qdwh"),
            ("momentum-first", "qdwh"),
            ("nesterov", "zolotarev"),
            ("polar-first", "svd"),
        )
    },
    "shampoo, grafted": (
        lambda: optim.shampoo(
            0.1, momentum=0.9, decay=0.999, eps=1e-10, graft="adam", graft_eps=1e-10,
            weight_decay=0.1,
        ),
        lambda g: reference.shampoo_grafted(START, g, 0.1, weight_decay=0.1),
    ),
    "asgo": (
        lambda: optim.asgo(0.1, weight_decay=0.1),
        lambda g: reference.asgo(START, g, 0.1, weight_decay=0.1),
    ),
    "dasgo": (
        lambda: optim.dasgo(0.1, weight_decay=0.1),
        lambda g: reference.dasgo(START, g, 0.1, weight_decay=0.1),
    ),
    "dion": (
        lambda: optim.dion(0.1, rank=2, weight_decay=0.1),
        lambda g: family.dion(
            START, g, 0.1, optim.dion(rank=2).init(START)["params"]["right0"], weight_decay=0.1
        ),
    ),
    "fismo": (
        lambda: optim.fismo(0.1, decay=0.9, weight_decay=0.1, schedule="svd"),
        lambda g: family.fismo(START, g, 0.1, gamma=0.9, weight_decay=0.1),
    ),
    "soap": (
        lambda: optim.soap(0.1, frequency=4, shampoo_beta=0.8, normalize=True),
        lambda g: reference.soap(
            START, g, 0.1, frequency=4, shampoo_beta=0.8, weight_decay=0.01, normalize=True
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFERENCES)
def test_published_formulas(name):
    make, published = REFERENCES[name]
    expected = list(islice(published(perturbed_gradient), 30))
    for found, w in zip(trajectory(make(), perturbed_gradient, 30), expected, strict=True):
        np.testing.assert_allclose(found, w, rtol=0, atol=1e-9)


@pytest.fixture(params=parameters([b for b in BACKENDS if b.library != "jax"]))
def eager(request):
    """Every library but JAX, which is tested compiled."""
    with backend_ready(request.param) as backend:
        yield backend


@pytest.mark.parametrize("name", MAKERS)
def test_every_library_follows_the_same_path(eager, name):
    expected = trajectory(MAKERS[name](), perturbed_gradient, 8)[-1]
    found = trajectory(MAKERS[name](), perturbed_gradient, 8, eager)[-1]
    single = eager.to_numpy(eager.array(START)).dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-5 if single else 1e-12)


@pytest.mark.parametrize("name", [*MAKERS][:11])
def test_updates_trace_under_jit(name):
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        # NumPy outside of update: what JAX does there it would compile, piece by piece.
        transform, w = MAKERS[name](), START
        update, state = jax.jit(transform.update), transform.init(w)
        for t in range(1, 6):
            grad = perturbed_gradient(w, t)
            updates, state = update(grad, state, w)
            assert isinstance(updates, jax.Array) and updates.dtype == "float64"
            w = w + np.asarray(updates)
        bad, after = update(grad * float("nan"), state, w)
        assert not np.any(bad) and int(after["params"]["skipped"]) == 1
    expected = trajectory(MAKERS[name](), perturbed_gradient, 5)[-1]
    np.testing.assert_allclose(w, expected, rtol=0, atol=1e-11)


# Identities -----------------------------------------------------------------------------------


def test_first_steps_along_the_polar_factor():
    g = np.random.default_rng(0).standard_normal((4, 3))
    polar = reference.polar_by_svd(g)
    start = np.zeros((4, 3))
    for transform in (
        optim.shampoo(lr=0.1, eps=1e-14),
        optim.asgo(lr=0.1, betas=(0.0, None), eps=1e-14, rms=None, side="right", weight_decay=0.0),
        optim.muon(lr=0.1, steps=40, schedule="newton-schulz", scale="none"),
    ):
        updates, _ = transform.update(g, transform.init(start), start)
        np.testing.assert_allclose(updates, -0.1 * polar, atol=1e-9)
    soap = optim.soap(lr=0.1, eps=1e-16, weight_decay=0.0)
    updates, state = soap.update(g, soap.init(start), start)
    assert not updates.any()
    np.testing.assert_allclose(abs(soap.update(g, state, start)[0]).max() > 0, True)


def test_soap_repeats_a_gradient_along_its_polar_factor():
    g = np.random.default_rng(0).standard_normal((3, 3))
    soap = optim.soap(lr=0.1, eps=1e-4, weight_decay=0.0)
    start = np.zeros((3, 3))
    _, state = soap.update(1e8 * g, soap.init(start), start)
    # The rounding noise off the diagonal is far below eps, and all of the diagonal far above.
    updates, _ = soap.update(1e8 * g, state, start)
    np.testing.assert_allclose(updates, -0.1 * reference.polar_by_svd(g), atol=1e-3)


def rotated(gradient, left, right):
    """Return the gradient of the same problem in turned coordinates."""
    return lambda w, t: left @ gradient(left.T @ w @ right, t) @ right.T


EQUIVARIANT = {
    "muon": (lambda: optim.muon(lr=0.05), 1e-9),
    "polargrad": (lambda: optim.polargrad(lr=0.05), 1e-10),
    "shampoo": (lambda: optim.shampoo(lr=0.05), 1e-10),
    "soap": (lambda: optim.soap(lr=0.05, frequency=3), 1e-9),
    "asgo": (lambda: optim.asgo(lr=0.05), 1e-10),
}


@pytest.mark.parametrize("name", [*EQUIVARIANT, "dasgo"])
def test_turned_coordinates_turn_the_path(name):
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((k, k)))[0] for k in (3, 3))
    hessian, target = np.diag([1.0, 2.0, 5.0]), rng.standard_normal((3, 3))
    noise = rng.standard_normal((31, 3, 3))

    def gradient(w, t):
        return hessian @ (w - target) + 0.1 * noise[t]

    make, tolerance = EQUIVARIANT.get(name, (lambda: optim.dasgo(lr=0.05), None))
    start = np.zeros((3, 3))
    plain = trajectory(make(), gradient, 30, start=start)[-1]
    turned = trajectory(make(), rotated(gradient, left, right), 30, start=start)[-1]
    distance = abs(turned - left @ plain @ right.T).max()
    assert distance > 1e-3 if tolerance is None else distance < tolerance


@pytest.mark.parametrize("name", ["muon", "soap", "asgo", "shampoo"])
@pytest.mark.parametrize("size", [1e-12, 1e9])
def test_steps_that_do_not_depend_on_the_size_of_gradients(name, size):
    make = {
        "muon": lambda: optim.muon(lr=0.05),
        "soap": lambda: optim.soap(lr=0.05, eps=0.0),
        "asgo": lambda: optim.asgo(lr=0.05, eps=0.0),
        "shampoo": lambda: optim.shampoo(lr=0.05, eps=0.0),
    }[name]
    rng = np.random.default_rng(0)
    grads, start = rng.standard_normal((9, 3, 3)), np.zeros((3, 3))
    plain = trajectory(make(), lambda w, t: grads[t], 8, start=start)[-1]
    scaled = trajectory(make(), lambda w, t: size * grads[t], 8, start=start)[-1]
    np.testing.assert_allclose(scaled, plain, atol=1e-7)


@pytest.mark.parametrize("name", ["asgo", "dasgo"])
def test_a_mean_that_fades_leaves_steps_finite(name):
    """Gradients that stay zero, as of a unit that is never used, leave the smallest numbers."""
    w = np.ones((4, 3), dtype=np.float32)
    transform = getattr(optim, name)(lr=1.0, betas=(0.1, 0.9), weight_decay=0.0)
    state = transform.init(w)
    for t in range(50):
        grad = np.random.default_rng(0).standard_normal((4, 3)) * (t == 0)
        updates, state = transform.update(grad.astype(np.float32), state, w)
        assert np.abs(updates).max() < 1.0
    assert not state["params"]["mean"].any()


def test_polargrad_scales_with_the_gradient_and_converges_linearly():
    rng = np.random.default_rng(0)
    target = rng.standard_normal((6, 4))
    for placement in ("none", "momentum-first", "nesterov", "polar-first"):
        transform = optim.polargrad(lr=0.2, placement=placement, momentum=0.5)
        path = trajectory(transform, lambda w, t: w - target, 150, start=0 * target)
        assert np.linalg.norm(path[-1] - target) < 1e-8, placement
    path = trajectory(optim.muon(lr=0.2), lambda w, t: w - target, 150, start=0 * target)
    assert np.linalg.norm(path[-1] - target) > 1e-2


# Matrices in other shapes -----------------------------------------------------------------------


@pytest.mark.parametrize("name", MATRICES_ALONE)
def test_a_fused_weight_is_as_good_as_its_parts(name):
    rng = np.random.default_rng(0)
    grads = rng.standard_normal((3, 12, 5))
    for fused, rows in ((3, (4, 4, 4)), ((6, 4, 2), (6, 4, 2))):
        whole, parts = MAKERS[name](fused=fused), MAKERS[name]()
        ends = np.cumsum((0, *rows))

        def cut(a, ends=ends):
            return [a[i:j] for i, j in pairwise(ends)]

        w = np.zeros((12, 5))
        state, states = whole.init(w), parts.init(cut(w))
        for g in grads:
            together, state = whole.update(g, state, w)
            apart, states = parts.update(cut(g), states, cut(w))
            np.testing.assert_allclose(together, np.concatenate(apart), atol=1e-12)


@pytest.mark.parametrize("name", MATRICES_ALONE)
def test_convolutions_stacks_and_the_axis_of_the_outputs(name):
    rng = np.random.default_rng(0)
    g = rng.standard_normal((6, 4, 3, 2))

    def first(transform, grad):
        zero = np.zeros_like(grad)
        return transform.update(grad, transform.init(zero), zero)[0]

    convolution = first(MAKERS[name](), g)
    flat = first(MAKERS[name](), g.reshape(6, 24))
    np.testing.assert_allclose(convolution.reshape(6, 24), flat, atol=1e-14)
    # The same weight as other libraries store it: the outputs last.
    last = first(MAKERS[name](out_axis=-1), np.moveaxis(g, 0, -1))
    order = np.moveaxis(np.arange(24).reshape(4, 3, 2), (0, 1, 2), (0, 1, 2)).ravel()
    np.testing.assert_allclose(np.moveaxis(last, -1, 0).reshape(6, 24)[:, order], flat, atol=1e-12)
    fused = first(MAKERS[name](out_axis=-1, fused=2), np.moveaxis(g, 0, -1))
    halves = [first(MAKERS[name](), half) for half in (g[:3], g[3:])]
    np.testing.assert_allclose(np.moveaxis(fused, -1, 0), np.concatenate(halves), atol=1e-12)
    stack = first(MAKERS[name](stacked=True), g)
    one = first(MAKERS[name](), g[2, 1])
    np.testing.assert_allclose(stack[2, 1], one, atol=1e-12)
    turned = first(MAKERS[name](stacked=True, out_axis=-1), g.swapaxes(-1, -2))
    if name != "dasgo":
        np.testing.assert_allclose(turned.swapaxes(-1, -2), stack, atol=1e-12)


def test_small_matrices_of_one_shape_go_in_one_stack():
    calls = []

    def double(a):
        calls.append(a.shape)
        return 2 * a

    rng = np.random.default_rng(0)
    matrices = [rng.standard_normal(s) for s in ((4, 3), (5, 2), (4, 3), (2, 4, 3), (200, 100))]
    found = map_matrices(double, [*matrices, matrices[4]])
    assert sorted(calls) == sorted([(4, 4, 3), (5, 2), (200, 100), (200, 100)])
    for a, b in zip(matrices, found, strict=False):
        np.testing.assert_array_equal(2 * a, b)


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5), (2, 6, 4)])
@pytest.mark.parametrize("options", [{}, {"fused": 2}, {"stacked": True}, {"out_axis": -1}])
def test_splitting_and_joining(shape, options):
    a = np.random.default_rng(0).standard_normal(shape)
    matrices = Matrices(**options)
    np.testing.assert_array_equal(matrices.join(matrices.split(a), a), a)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match=r"^params must .*at least two axes.*partition"):
        optim.muon().init(np.zeros(3))
    with pytest.raises(ValueError, match="must divide the 4 outputs"):
        optim.muon(fused=3).init(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="must add up to the 4 outputs"):
        optim.asgo(fused=(3, 2)).init(np.zeros((4, 2)))
    for make in (
        lambda: optim.muon(scale="moonlight"),
        lambda: optim.muon(out_axis=1),
        lambda: optim.muon(momentum=1.0),
        lambda: optim.muon(schedule="jordna"),
        lambda: optim.polargrad(placement="last"),
        lambda: optim.polargrad(method="QDWH"),
        lambda: optim.shampoo(graft="lion"),
        lambda: optim.shampoo(power=0.3, root="polar-express"),
        lambda: optim.soap(sides="left"),
        lambda: optim.soap(frequency=0),
        lambda: optim.asgo(side="top"),
        lambda: optim.asgo(damping="outside", root="polar-express"),
        lambda: optim.dasgo(betas=(0.9, 1.0)),
    ):
        with pytest.raises(ValueError):
            make()
    for make in (optim.soap, optim.asgo, optim.dasgo, optim.frugal, optim.frugal_blocks):
        with pytest.raises(TypeError, match=r"betas must be two numbers, got 0\.9"):
            make(betas=0.9)
    for make in (optim.muon, optim.fismo, optim.macro, optim.spel):
        with pytest.raises(TypeError, match=r"^schedule must be"):
            make(schedule=np.ones((2, 3)))
        with pytest.raises(ValueError, match="steps must be at least 1, got -1"):
            make(schedule="qdwh", steps=-1)


# Edge cases -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1), (3, 4)])
def test_zero_gradients_and_thin_matrices(name, shape):
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        transform, w = MAKERS[name](), np.zeros(shape, dtype)
        state = transform.init(w)
        for t in range(4):
            zero = t in (0, 2)
            grad = np.zeros(shape, dtype) if zero else rng.standard_normal(shape).astype(dtype)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                updates, state = transform.update(grad, state, w)
            assert np.isfinite(updates).all() and updates.dtype == dtype
            if t == 0:
                assert not updates.any()
            w = optim.apply_updates(w, updates)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_matrices_without_entries(name, shape):
    transform, w = MAKERS[name](), np.zeros(shape)
    state = transform.init(w)
    for _ in range(2):
        updates, state = transform.update(w, state, w)
        assert updates.shape == shape


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_not_finite_does_not_poison_the_state(name):
    def gradient(w, t):
        return perturbed_gradient(w, t)

    transform, w = MAKERS[name](), START + 0
    state, t = transform.init(w), 0
    for call in range(9):
        if call in (0, 3, 6):
            grad = gradient(w, 1) * [[np.nan, 1, 1], [np.inf, 1, 1], [1, 1, 1], [1, 1, 1]]
        else:
            t += 1
            grad = gradient(w, t)
        updates, state = transform.update(grad, state, w)
        assert call not in (0, 3, 6) or not updates.any()
        w = optim.apply_updates(w, updates)
    assert int(state["params"]["skipped"]) == 3
    np.testing.assert_array_equal(w, trajectory(MAKERS[name](), gradient, 6)[-1])


@pytest.mark.parametrize("name", MAKERS)
def test_mixed_dtypes_frozen_parameters_and_missing_gradients(name):
    torch = pytest.importorskip("torch")
    params = {
        "double": torch.zeros(4, 3, dtype=torch.float64),
        "short": torch.zeros(4, 3, dtype=torch.bfloat16),
        "frozen": None,
        "idle": torch.zeros(4, 3),
        "other": [torch.zeros(2, 5), torch.zeros(4, 3)],
    }
    transform = MAKERS[name]()
    state = transform.init(params)
    for t in (1, 2):
        g = perturbed_gradient(START, t)
        grads = {
            "double": torch.tensor(g),
            "short": torch.tensor(g).bfloat16(),
            "frozen": None,
            "idle": None,
            "other": [torch.ones(2, 5), torch.tensor(g).float()],
        }
        updates, state = transform.update(grads, state, params)
    assert updates["frozen"] is None and updates["idle"] is None
    assert int(state["params"]["idle"]["step"]) == 0
    for a, dtype in ((updates["double"], torch.float64), (updates["short"], torch.bfloat16)):
        assert a.dtype == dtype
    np.testing.assert_allclose(
        updates["other"][1].numpy(), updates["double"].numpy(), atol=2e-5, rtol=0
    )
    assert (updates["short"].double() - updates["double"]).abs().max() < 0.02


def test_inputs_are_not_modified():
    for name, make in MAKERS.items():
        transform, w = make(), START + 1.0
        state = transform.init(w)
        for t in (1, 2):
            grad = perturbed_gradient(w, t)
            copies = [a.copy() for a in (w, grad, *state["params"].values())]
            _, after = transform.update(grad, state, w)
            for a, b in zip((w, grad, *state["params"].values()), copies, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=name)
            state = after


# Public optimizers ------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("rule", ["original", "match-rms"])
def test_muon_beside_torch(rule):
    torch = pytest.importorskip("torch")
    torch_rule = {"original": "original", "match-rms": "match_rms_adamw"}[rule]
    w = torch.nn.Parameter(torch.zeros(4, 3, dtype=torch.float64))
    theirs = torch.optim.Muon([w], lr=0.1, weight_decay=0.1, adjust_lr_fn=torch_rule)
    for t in range(1, 11):
        w.grad = torch.tensor(perturbed_gradient(w.detach().numpy(), t))
        theirs.step()
    ours = optim.muon(lr=0.1, weight_decay=0.1, scale=rule, schedule="jordan")
    found = trajectory(ours, perturbed_gradient, 10)[-1]
    # Theirs rounds to bf16, and Jordan's polynomial does not converge.
    np.testing.assert_allclose(found, w.detach().numpy(), atol=0.03)


def test_muon_beside_optax():
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        transform, w = optax.contrib.muon(0.1), START
        update, state = jax.jit(transform.update), transform.init(jax.numpy.asarray(w))
        for t in range(1, 6):
            updates, state = update(perturbed_gradient(w, t), state, w)
            w = w + np.asarray(updates)
    ours = optim.muon(lr=0.1, schedule="jordan", bias_correction=True, out_axis=-1)
    found = trajectory(ours, perturbed_gradient, 5)[-1]
    np.testing.assert_allclose(found, w, atol=1e-6)


# Parts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [None, "bf16"])
def test_muon_takes_any_schedule_and_precision(precision):
    g = np.random.default_rng(0).standard_normal((8, 20))
    zero = np.zeros_like(g)
    for chosen in ("cesista", schedule("you"), [(1.5, -0.5)]):
        transform = optim.muon(
            lr=1.0, schedule=chosen, precision=precision, scale="none", steps=3, nesterov=False
        )
        updates, _ = transform.update(g, transform.init(zero), zero)
        expected = orthogonalize(0.05 * g, schedule=chosen, precision=precision, steps=3)
        np.testing.assert_allclose(updates, -expected, atol=1e-2 if precision else 1e-14)


def test_shampoo_in_blocks_is_shampoo_on_each_block():
    rng = np.random.default_rng(0)
    grads = rng.standard_normal((4, 5, 7))
    blocked, plain = optim.shampoo(lr=0.1, block=3), optim.shampoo(lr=0.1)
    w = np.zeros((5, 7))
    state = blocked.init(w)
    corners = [(slice(i, i + 3), slice(j, j + 3)) for i in (0, 3) for j in (0, 3, 6)]
    states = plain.init([w[c] for c in corners])
    for g in grads:
        whole, state = blocked.update(g, state, w)
        parts, states = plain.update([g[c] for c in corners], states, [w[c] for c in corners])
        for c, part in zip(corners, parts, strict=True):
            np.testing.assert_allclose(whole[c], part, atol=1e-13)


@pytest.mark.parametrize("settings", [
    {}, {"momentum": 0.9, "bias_correction": True}, {"frequency": 2, "decay": 0.9},
    {"block": 2, "graft": "adam"}, {"root": "polar-express", "eps": 1e-3},
], ids=str)  # fmt: skip
def test_shampoo_takes_a_number_for_a_vector_of_one_entry(settings):
    transform, grads = optim.shampoo(lr=0.5, **settings), np.array([2.0, -1.0, 4.0])
    number, vector = np.ones(()), np.ones(1)
    states = [transform.init(w) for w in (number, vector)]
    for g in grads:
        updates, states[0] = transform.update(np.asarray(g), states[0], number)
        expected, states[1] = transform.update(np.full(1, g), states[1], vector)
        assert updates.shape == ()
        assert updates == expected[0]


def test_shampoo_keeps_roots_between_refreshes_and_starts_late():
    rng = np.random.default_rng(0)
    grads, zero = rng.standard_normal((7, 4, 3)), np.zeros((4, 3))
    transform = optim.shampoo(lr=1.0, frequency=3, graft="rmsprop", start=3, decay=0.9, eps=1e-6)
    state, kept = transform.init(zero), []
    square = 0.0
    for t, g in enumerate(grads):
        updates, state = transform.update(g, state, zero)
        square = 0.9 * square + 0.1 * g * g
        graft = g / (np.sqrt(square) + 1e-8)
        np.testing.assert_allclose(np.linalg.norm(updates), np.linalg.norm(graft), rtol=1e-12)
        assert np.allclose(updates, -graft) == (t < 2)
        kept.append(state["params"]["root0.0"])
    same = [np.array_equal(a, b) for a, b in pairwise(kept)]
    assert same == [True, True, False, True, True, False]


def test_roots_by_products_alone():
    exact = trajectory(optim.asgo(lr=0.1, eps=1e-3), perturbed_gradient, 10)[-1]
    found = trajectory(optim.asgo(lr=0.1, eps=1e-3, root="polar-express"), perturbed_gradient, 10)
    np.testing.assert_allclose(found[-1], exact, atol=1e-6)
    exact = trajectory(optim.shampoo(lr=0.1, eps=1e-2), perturbed_gradient, 10)[-1]
    found = trajectory(optim.shampoo(lr=0.1, eps=1e-2, root="cans"), perturbed_gradient, 10)
    np.testing.assert_allclose(found[-1], exact, atol=1e-6)


def test_soap_on_vectors_is_adam_and_on_tensors_turns_every_axis():
    rng = np.random.default_rng(0)
    grads = rng.standard_normal((6, 4))
    soap = optim.soap(lr=0.1, weight_decay=0.0, eps=0.0)
    adam = optim.adam(lr=0.1, betas=(0.95, 0.95), eps=0.0)
    paths = [
        trajectory(transform, lambda w, t: grads[t - 1], 6, start=np.zeros(4))
        for transform in (soap, adam)
    ]
    np.testing.assert_allclose(*paths, atol=1e-12)
    state = soap.init(np.zeros((2, 3, 4)))["params"]
    assert [state[f"basis{axis}"].shape for axis in range(3)] == [(2, 2), (3, 3), (4, 4)]
    q = [np.linalg.qr(rng.standard_normal((d, d)))[0] for d in (2, 3, 4)]
    grads = rng.standard_normal((6, 2, 3, 4))

    def turn(a):
        return np.einsum("ia,jb,kc,abc->ijk", *q, a)

    start = np.zeros((2, 3, 4))
    soap = optim.soap(lr=0.1, frequency=2, weight_decay=0.0)
    plain = trajectory(soap, lambda w, t: grads[t - 1], 6, start=start)[-1]
    turned = trajectory(soap, lambda w, t: turn(grads[t - 1]), 6, start=start)[-1]
    np.testing.assert_allclose(turned, turn(plain), atol=1e-9)


def test_soap_keeps_its_promise_of_memory():
    w = np.zeros((6, 10))
    sizes = {
        sides: sum(a.size for a in optim.soap(sides=sides).init(w)["params"].values()) - 2
        for sides in ("both", "smaller")
    }
    assert sizes == {"both": 2 * 36 + 2 * 100 + 2 * 60, "smaller": 2 * 36 + 2 * 60}
    factored = optim.soap(factored=True, sides="smaller").init(w)["params"]
    assert sum(a.size for a in factored.values()) - 2 == 2 * 36 + 60 + 16
    assert sum(a.size for a in optim.asgo().init(w)["params"].values()) - 2 == 60 + 36
    assert sum(a.size for a in optim.dasgo().init(w)["params"].values()) - 2 == 60 + 10


def test_the_rank_of_the_gradient_limits_polargrad():
    """With zero singular values the step stays in the space of the gradient, more or less."""
    g = plain_gradient(START, 1)
    u, s, vt = np.linalg.svd(g)
    assert s[2] < 1e-15
    for options, noise in (
        ({"method": "polar-express", "steps": 6}, 1e-8),
        ({"method": "qdwh"}, 0.1),
        ({"method": "zolotarev"}, 0.1),
        ({"method": "qdwh", "rcond": 1e-6}, 1e-6),
    ):
        transform = optim.polargrad(lr=1.0, placement="none", **options)
        updates, _ = transform.update(g, transform.init(START), START)
        inner = u.T @ updates @ vt.T
        assert abs(inner[2:, :]).max() < noise * abs(inner).max()
        np.testing.assert_allclose(np.diag(inner)[:2], -s.sum(), rtol=0.1)
