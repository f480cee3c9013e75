"""Golub-Kahan bidiagonalisation, Ritz vectors, and deflation with them."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg as sla

from linalg_ml import cg, deflated_cg
from linalg_ml.krylov import bidiagonalize, ritz_vectors
from linalg_ml.problems import conditioned, gaussian, symmetric_with_eigenvalues
from tests.conftest import Backend
from tests.krylov.poisson import poisson

SHAPES = [(12, 12), (20, 7), (7, 20), (3, 9, 6), (1, 1), (5, 1), (1, 5)]


def orthonormality(u):
    return np.abs(u.conj().swapaxes(-1, -2) @ u - np.eye(u.shape[-1])).max()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_factorisation_of_many_shapes(shape):
    check_factorisation(Backend("numpy", "numpy"), shape, "float64")


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_factorisation_in_every_library(xp, dtype):
    check_factorisation(xp, (3, 4, 6), dtype)


def check_factorisation(xp, shape, dtype):
    if not xp.has_float64 and dtype in ("float64", "complex128"):
        pytest.skip("this device has no float64")
    a = conditioned(shape, 1e3, rng=0, dtype=dtype)
    steps = min(shape[-2:])
    made = bidiagonalize(xp.array(a), steps, rng=1)
    u, v, b = (xp.to_numpy(part) for part in (made.u, made.v, made.b))
    eps = 2e-15 if dtype in ("float64", "complex128") else 1e-6
    assert u.dtype == v.dtype == a.dtype
    assert b.dtype == a.real.dtype
    assert orthonormality(u) < 10 * eps
    assert orthonormality(v) < 10 * eps
    assert np.abs(a @ v - u @ b).max() < 10 * eps
    assert np.all(np.diagonal(b, axis1=-2, axis2=-1) >= 0)
    if shape[-1] <= shape[-2]:
        values = np.linalg.svd(a, compute_uv=False)
        np.testing.assert_allclose(np.linalg.svd(b, compute_uv=False), values, atol=10 * eps)


def test_the_largest_singular_values_come_first():
    a = gaussian((80, 60), rng=0) * np.geomspace(10, 0.1, 60)
    made = bidiagonalize(a, 25, rng=0)
    u, s, vh, errors = made.singular_triplets()
    exact = np.linalg.svd(a, compute_uv=False)
    np.testing.assert_allclose(s[:3], exact[:3], rtol=1e-6)
    np.testing.assert_allclose(a @ vh.T, u * s, atol=1e-11)
    actual = np.linalg.norm(a.T @ u - vh.T * s, axis=0)
    np.testing.assert_allclose(actual, errors, atol=1e-11)
    for few, every in zip(
        made.singular_triplets(3), (u[:, :3], s[:3], vh[:3], errors[:3]), strict=True
    ):
        np.testing.assert_allclose(few, every, rtol=1e-12, atol=1e-14)
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        made.singular_triplets(0)


@pytest.mark.parametrize("kind", ["dense", "sparse", "operator"])
def test_kinds_of_matrices(kind):
    a = scipy.sparse.random_array((30, 20), density=0.3, rng=np.random.default_rng(0)).tocsr()
    given = {"dense": a.toarray(), "sparse": a, "operator": sla.aslinearoperator(a)}[kind]
    made = bidiagonalize(given, 10, rng=3)
    np.testing.assert_allclose(a @ made.v, made.u @ made.b, atol=1e-13)
    reference = bidiagonalize(a.toarray(), 10, rng=3)
    np.testing.assert_allclose(made.diagonal, reference.diagonal, rtol=1e-8)


def test_step_by_step_is_the_same():
    a = gaussian((30, 20), rng=0)
    whole, made = bidiagonalize(a, 9, rng=0), bidiagonalize(a, 2, rng=0)
    first = made
    for steps in (1, 5, 1):
        made = made.extend(steps)
    for name in ("u", "v", "b", "remainder"):
        np.testing.assert_allclose(getattr(made, name), getattr(whole, name), atol=1e-12)
    np.testing.assert_allclose(a @ first.v, first.u @ first.b, atol=1e-12)
    with pytest.raises(ValueError, match="has been extended"):
        first.extend(1)
    with pytest.raises(ValueError, match=r"at most min\(m, n\) = 20"):
        made.extend(12)


def test_a_start_near_a_singular_vector_leads_to_it_at_once():
    a = conditioned((40, 30), 1e2, rng=0)
    u, s, vh = np.linalg.svd(a)
    start = vh[2] + 1e-6 * np.random.default_rng(0).standard_normal(30)
    made = bidiagonalize(a, 1, start=start)
    assert made.diagonal[0] == pytest.approx(s[2], rel=1e-6)
    assert abs(made.u[:, 0] @ u[:, 2]) > 1 - 1e-8
    np.testing.assert_allclose(made.v[:, 0], start / np.linalg.norm(start), atol=1e-14)


@pytest.mark.parametrize("rank", [0, 1, 4])
def test_matrices_of_low_rank(rank):
    a = gaussian((15, rank), rng=0) @ gaussian((rank, 12), rng=1)
    made = bidiagonalize(a, 12, rng=2)
    assert orthonormality(made.u) < 1e-13
    assert orthonormality(made.v) < 1e-13
    assert np.abs(a @ made.v - made.u @ made.b).max() < 1e-12
    values = np.linalg.svd(made.b, compute_uv=False)
    np.testing.assert_allclose(values, np.linalg.svd(a, compute_uv=False), atol=1e-12)
    assert np.count_nonzero(made.diagonal) == rank
    assert made.remainder == 0


def test_without_reorthogonalisation():
    a = gaussian((60, 50), rng=0) * np.geomspace(100, 0.1, 50)
    plain = bidiagonalize(a, 30, rng=0, reorthogonalize=False)
    assert orthonormality(plain.u) > 1e-10
    assert orthonormality(bidiagonalize(a, 30, rng=0).u) < 1e-13
    top = np.linalg.svd(plain.b, compute_uv=False)[0]
    assert top == pytest.approx(np.linalg.norm(a, 2), rel=1e-10)


def test_bf16():
    a = conditioned((30, 20), 10, rng=0, dtype=np.float32)
    made = bidiagonalize(a, 8, rng=0, precision="bf16")
    assert made.u.dtype == np.float32
    assert np.abs(a @ made.v - made.u @ made.b).max() < 3e-2
    np.testing.assert_array_equal(made.u.view(np.uint32) & 0xFFFF, 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bidiagonalize(np.eye(3), 4), ValueError, r"at most min\(m, n\) = 3, got 4"),
        (lambda: bidiagonalize(np.eye(3), 0), ValueError, "steps must be at least 1"),
        (lambda: bidiagonalize(np.ones(3), 1), ValueError, r"\(..., m, n\)"),
        (lambda: bidiagonalize(lambda x: x, 1), TypeError, "a must be"),
        (lambda: bidiagonalize(np.eye(3), 1, start=np.ones(2)), ValueError, "start must have"),
        (lambda: bidiagonalize(np.eye(3), 1, reorthogonalize="yes"), TypeError, "reorthogonalize"),
        (lambda: bidiagonalize(np.eye(3), 1, rng="seed"), TypeError, "rng must be"),
        (lambda: ritz_vectors(np.eye(3), np.ones(3), 4), ValueError, "at most n = 3"),
        (lambda: ritz_vectors(np.eye(3), np.ones(4), 2), ValueError, "to match start"),
        (lambda: deflated_cg(np.eye(3), np.ones(3), subspace=0), ValueError, "subspace must be"),
        (
            lambda: deflated_cg(np.eye(3), np.ones(3), subspace=np.ones((2, 1))),
            ValueError,
            r"subspace must have shape \(3, k\)",
        ),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Ritz vectors and deflation ---------------------------------------------------------------------


def test_ritz_vectors_of_what_is_not_finite():
    a = np.eye(3)
    for given, start in ((a * np.nan, np.ones(3)), (a, np.array([1.0, np.nan, np.inf]))):
        values, vectors = ritz_vectors(given, start, 2)
        assert np.isnan(values).all() and np.isnan(vectors).all()


def test_ritz_vectors(xp):
    dtype = "complex64"
    a = symmetric_with_eigenvalues(np.r_[-3.0, np.linspace(0, 1, 20), 5], rng=0, dtype=dtype)
    start = gaussian((2, 22), rng=0, dtype=dtype)
    values, vectors = ritz_vectors(xp.array(a), xp.array(start), 12)
    values, vectors = xp.to_numpy(values), xp.to_numpy(vectors)
    assert values.shape == (2, 12)
    assert vectors.shape == (2, 22, 12)
    assert orthonormality(vectors) < 1e-5
    np.testing.assert_allclose(values[:, [0, -1]], [[-3, 5], [-3, 5]], rtol=1e-4)
    projected = vectors.conj().swapaxes(-1, -2) @ a @ vectors
    for k in range(2):
        np.testing.assert_allclose(projected[k], np.diag(values[k]), atol=1e-4)


def test_ritz_vectors_where_the_krylov_space_ends():
    a = np.diag([1.0, 1, 1, 2, 2, 3])
    values, vectors = ritz_vectors(a, np.ones(6), 6, rng=0)
    np.testing.assert_allclose(values, [1, 1, 1, 2, 2, 3], atol=1e-12)
    assert orthonormality(vectors) < 1e-13


def test_deflating_the_smallest_eigenvectors_leaves_the_rest():
    values = np.r_[1e-6, 1e-5, 1e-4, np.linspace(1, 2, 60)]
    a, b = np.diag(values), np.ones(63)
    rest = cg(np.diag(values[3:]), b[3:], rtol=1e-8).nit
    w = np.eye(63)[:, :3]
    result = deflated_cg(a, b, subspace=w, rtol=1e-8)
    assert result.converged
    assert abs(result.nit - rest) <= 1
    mixed = w @ np.random.default_rng(0).standard_normal((3, 3))
    again = deflated_cg(a, b, subspace=np.hstack([mixed, mixed[:, :1], 0 * w]), rtol=1e-8)
    assert abs(again.nit - rest) <= 1  # a basis of any kind, even with vectors too many


def test_a_subspace_for_each_right_hand_side():
    a, b = poisson(16), np.random.default_rng(0).standard_normal((3, 256))
    _, vectors = ritz_vectors(a, b, 10)
    given, made = deflated_cg(a, b, subspace=vectors), deflated_cg(a, b, subspace=10)
    assert given.converged
    assert given.nit == made.nit
    np.testing.assert_allclose(given.x, made.x, rtol=1e-6)
