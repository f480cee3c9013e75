"""Relatives of Muon: rows scaled beforehand, low-rank steps, Fisher factors, manifolds."""

from dataclasses import replace

import numpy as np
import pytest

from linalg_ml import optim, orthogonalize, schedule
from tests.optim.test_matrix_golden import trajectory
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
