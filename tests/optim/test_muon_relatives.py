"""Relatives of Muon: rows scaled beforehand, low-rank steps, Fisher factors, manifolds."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from linalg_ml import optim, orthogonalize, schedule
from tests.optim.test_matrix_golden import trajectory
from tests.reference import optimizer_family as family
from tests.reference.matrix_optimizers import polar_by_svd
from tests.reference.matrix_problem import START, perturbed_gradient


def gaussian(*shape):
    return np.random.default_rng(0).standard_normal(shape)


# Scaling before the polynomials -----------------------------------------------------------------


def by_hand(a, rows, normalization):
    """Return the polynomials of a wide matrix after a scaling, with nothing saved."""
    gram = a @ a.T
    if normalization == "aol":
        x = a / np.sqrt(abs(gram).sum(axis=1))[:, None]
    else:
        x = a / (np.sqrt(np.linalg.norm(gram)) * (1 + rows.safety))
    for c0, c1, c2 in rows:
        square = x @ x.T
        x = c0 * x + (c1 * square + c2 * square @ square) @ x
    return x


@pytest.mark.parametrize("normalization", ["schatten", "aol"])
@pytest.mark.parametrize("shape", [(9, 9), (5, 40), (40, 5)])
def test_the_scaling_shares_the_first_gram_matrix(normalization, shape):
    a = gaussian(*shape)
    wide = a if shape[0] <= shape[1] else a.T
    for name, steps in (("polar-express", 5), ("turbo", 4)):
        rows = replace(schedule(name).take(steps), normalization=normalization)
        expected = by_hand(wide, rows, normalization)
        found = orthogonalize(a, schedule=rows, steps=steps)
        np.testing.assert_allclose(found, expected if wide is a else expected.T, atol=1e-11)
        for size in (1e-30, 1e30):  # the scale of the matrix does not matter
            scaled = orthogonalize(size * a, schedule=rows, steps=steps)
            np.testing.assert_allclose(scaled, found, atol=1e-11)
        errors = []  # in bf16, beside the scaling that takes no Gram matrix
        for own in (rows, replace(rows, normalization="frobenius")):
            exact = orthogonalize(a, schedule=own, steps=steps)
            short = orthogonalize(a, schedule=own, steps=steps, precision="bf16")
            errors.append(np.linalg.norm(short - exact))
        assert 0 < errors[0] < 4 * errors[1]


def test_turbo_muon():
    g, zero = gaussian(6, 20), np.zeros((6, 20))
    transform = optim.muon(lr=1.0, normalization="aol", scale="none", nesterov=False)
    updates, _ = transform.update(g, transform.init(zero), zero)
    expected = by_hand(0.05 * g, schedule("turbo").take(4), "aol")
    np.testing.assert_allclose(updates, -expected, atol=1e-12)
    named = optim.muon(lr=1.0, schedule="turbo", scale="none", nesterov=False)
    np.testing.assert_array_equal(named.update(g, named.init(zero), zero)[0], updates)
    # No singular value exceeds one after the scaling, whatever the matrix.
    for a in (g, g * 10.0 ** np.arange(-3, 3)[:, None], np.ones((4, 9))):
        rows = np.sqrt(abs(a @ a.T).sum(axis=1))[:, None]
        assert np.linalg.norm(a / rows, 2) <= 1 + 1e-12
    # The limit is the polar factor of the scaled matrix: another one, but close to it.
    g = gaussian(64, 64)
    long = optim.muon(lr=1.0, normalization="aol", scale="none", schedule="polar-express", steps=14)
    found = -long.update(g, long.init(g), g)[0]
    scaled = g / np.sqrt(abs(g @ g.T).sum(axis=1))[:, None]
    np.testing.assert_allclose(found, polar_by_svd(scaled), atol=1e-9)
    cosine = np.sum(found * polar_by_svd(g)) / 64
    assert 0.999 < cosine < 0.9999


def test_scalings_are_checked():
    with pytest.raises(ValueError, match="normalization must be one of"):
        optim.muon(normalization="spectral")
    with pytest.raises(ValueError, match="normalization must be None with schedule = 'svd'"):
        optim.muon(normalization="aol", schedule="svd")


# Dion -------------------------------------------------------------------------------------------


def test_dion_of_full_rank_accumulates_and_orthogonalises():
    grads = np.random.default_rng(1).standard_normal((6, 5, 5))
    transform, w, buffer = optim.dion(lr=1.0, rank=1.0, momentum=0.8), np.zeros((5, 5)), 0.0
    state = transform.init(w)
    for g in grads:
        _, state = transform.update(g, state, w)
        buffer = 0.8 * (buffer + g)
        np.testing.assert_allclose(state["params"]["buffer"], buffer, atol=1e-12)
    target = np.diag([5.0, 3.0, 2.0, 1.0, 0.5]) @ np.linalg.qr(grads[0])[0]
    state = transform.init(w)
    for _ in range(200):
        updates, state = transform.update(target, state, w)
    np.testing.assert_allclose(-updates, polar_by_svd(target), atol=1e-9)


def test_dion_steps_along_the_leading_directions_and_keeps_the_rest():
    g = gaussian(8, 6)
    u, s, vt = np.linalg.svd(g)
    g = u[:, :6] @ np.diag(s) @ vt
    transform, w = optim.dion(lr=1.0, rank=2, momentum=0.0, scale="none"), np.zeros((8, 6))
    updates, state = transform.update(g, transform.init(w), w)
    assert np.linalg.matrix_rank(updates) == 2
    np.testing.assert_allclose(np.linalg.svd(state["params"]["buffer"])[1][4:], 0, atol=1e-12)
    norm = np.linalg.norm(updates)
    assert 1.2 < norm < 2**0.5 + 1e-12  # two unit columns, not yet orthogonal
    moved = sum((state := transform.update(0 * g, state, w)[1]) and 0 for _ in range(2))
    assert moved == 0 and np.linalg.norm(state["params"]["buffer"]) < 1e-12  # all has been used


def test_dion_treats_a_stack_as_a_loop():
    g, w = gaussian(3, 4, 5), np.zeros((3, 4, 5))
    stack, one = optim.dion(lr=1.0, rank=0.5, stacked=True), optim.dion(lr=1.0, rank=0.5)
    state = stack.init(w)
    own = one.init(w[1])
    own["params"]["right0"] = state["params"]["right0"][1]
    for _ in range(3):
        whole, state = stack.update(g, state, w)
        part, own = one.update(g[1], own, w[1])
        np.testing.assert_allclose(whole[1], part, atol=1e-12)
    assert optim.dion(rank=0.01).init(w[0])["params"]["right0"].shape == (5, 1)
    for rank in (0, 0.0, 1.5):
        with pytest.raises(ValueError, match="rank must be"):
            optim.dion(rank=rank)


# FISMO ------------------------------------------------------------------------------------------


def test_fismo_of_small_gradients_is_muon():
    def small(w, t):
        return 1e-9 * perturbed_gradient(w, t)

    plain = optim.muon(lr=0.1, nesterov=False, scale="none", schedule="svd")
    expected = trajectory(plain, small, 10)[-1]
    found = trajectory(optim.fismo(lr=0.1, schedule="svd"), small, 10)[-1]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_fismo_keeps_factors_of_unit_mean():
    transform, w = optim.fismo(lr=0.1), START
    state = transform.init(w)
    for t in range(1, 20):
        _, state = transform.update(1e3 * perturbed_gradient(w, t), state, w)
    own = state["params"]
    for name, order in (("left0", 4), ("right0", 3)):
        np.testing.assert_allclose(np.trace(own[name]), order, rtol=1e-12)
        np.testing.assert_array_equal(own[name], own[name].T)
    root = own["root0"]
    np.testing.assert_allclose(root @ own["right0"] @ root, np.eye(3), atol=1e-9)


# Manifolds --------------------------------------------------------------------------------------

NORMS = {
    "frobenius": lambda w: np.linalg.norm(w),
    "spectral": lambda w: np.linalg.norm(w, 2),
    "rows": lambda w: np.linalg.norm(w, axis=1),
    "columns": lambda w: np.linalg.norm(w, axis=0),
}
ON_MANIFOLDS = {
    f"{name}, {'twice' if again else 'once'}": (
        lambda name=name, again=again: optim.macro(
            0.1, manifold=name, radius=2.0, schedule="svd", project_direction=again, iterations=300
        ),
        lambda w, g, name=name, again=again: family.macro(w, g, 0.1, name, 2.0, again=again),
    )
    for name, again in zip(NORMS, (True, True, False, True), strict=True)
}
ON_MANIFOLDS["stiefel"] = (
    lambda: optim.spel(0.1, weight_decay=0.1, schedule="svd"),
    lambda w, g: family.spel(w, g, 0.1, weight_decay=0.1),
)
ON_MANIFOLDS["stiefel, no tangents"] = (
    lambda: optim.spel(0.1, tangent=False, schedule="svd", retraction="qdwh"),
    lambda w, g: family.spel(w, g, 0.1, tangent=False),
)


@pytest.mark.parametrize("name", ON_MANIFOLDS)
def test_formulas_on_manifolds(name):
    make, published = ON_MANIFOLDS[name]
    start = gaussian(4, 3)
    start = polar_by_svd(start) if "stiefel" in name else start
    expected = list(islice(published(start, perturbed_gradient), 20))
    found = trajectory(make(), perturbed_gradient, 20, start=start)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("shape", [(4, 3), (3, 5), (1, 4), (2, 3, 4)])
def test_norms_are_kept(name, shape):
    start = gaussian(*shape)
    transform = optim.macro(lr=0.05, manifold=name, stacked=len(shape) == 3)
    path = trajectory(transform, lambda w, t: w - np.sin(t), 40, start=start)
    split = (lambda w: w) if len(shape) == 3 else (lambda w: [w])
    for w in path[10:]:
        for own, first in zip(split(w), split(start), strict=True):
            error = abs(NORMS[name](own) / NORMS[name](first) - 1).max()
            assert error < (2e-3 if name == "spectral" else 1e-13)


def test_orthonormal_columns_and_rows_are_kept():
    for shape in ((5, 3), (3, 5), (4, 4), (1, 3)):
        start = polar_by_svd(gaussian(*shape))
        for dtype, tolerance in ((np.float64, 1e-13), (np.float32, 3e-6)):
            transform = optim.spel(lr=0.1)
            w = start.astype(dtype)
            state = transform.init(w)
            for t in range(20):
                grad = (w - np.sin(t)).astype(dtype)
                updates, state = transform.update(grad, state, w)
                w = optim.apply_updates(w, updates)
            small = w @ w.T if shape[0] < shape[1] else w.T @ w
            assert abs(small - np.eye(len(small))).max() < tolerance, (shape, dtype)


def test_manifolds_find_constrained_minima():
    """The largest <W, A> on each manifold is known."""
    a = gaussian(5, 4)
    best = {
        "frobenius": np.linalg.norm(a),
        "rows": np.linalg.norm(a, axis=1).sum(),
        "columns": np.linalg.norm(a, axis=0).sum(),
    }
    start = np.random.default_rng(3).standard_normal((5, 4))
    for name, value in best.items():
        transform = optim.macro(
            optim.linear_decay(0.5, 200), manifold=name, radius=1.0, momentum=0.5
        )
        w = trajectory(transform, lambda w, t: -a, 200, start=start)[-1]
        assert 0.999 * value < np.sum(w * a) <= value * (1 + 1e-9), name
    transform = optim.spel(optim.linear_decay(0.2, 200), momentum=0.5)
    w = trajectory(transform, lambda w, t: -a, 200, start=polar_by_svd(start))[-1]
    nuclear = np.linalg.svd(a, compute_uv=False).sum()
    assert 0.999 * nuclear < np.sum(w * a) <= nuclear * (1 + 1e-9)


def test_what_has_no_radius_is_said():
    with pytest.raises(ValueError, match="params is zero, and so would stay: give radius"):
        optim.macro().init(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="manifold must be one of"):
        optim.macro(manifold="stiefel")
    with pytest.raises(ValueError, match="radius must be > 0"):
        optim.macro(radius=0.0)
    with pytest.raises(ValueError, match="retraction must be"):
        optim.spel(retraction="qr")
    with pytest.raises(TypeError, match="retraction must be"):
        optim.spel(retraction=3)
