"""Projections: onto the semidefinite matrices, and onto a ball in the spectral norm."""

import numpy as np
import pytest

from linalg_ml import Status, clip_singular_values, project_psd, signm
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions import QDWH, EighSign
from linalg_ml.matrix_functions.clipping import CLIP_METHODS, proves_below
from linalg_ml.matrix_functions.projections import PSD_METHODS
from linalg_ml.problems import haar, symmetric_with_eigenvalues, with_singular_values

EPS = np.finfo(np.float64).eps
norm = np.linalg.norm


def indefinite(condition, n=32, **kwargs):
    w = np.geomspace(1 / condition, 1, n) * np.where(np.arange(n) % 2, 1, -1)
    return symmetric_with_eigenvalues(w, rng=0, **kwargs)


def positive_part(a):
    w, v = np.linalg.eigh((a + np.conj(np.swapaxes(a, -1, -2))) / 2)
    return (v * np.maximum(w, 0)[..., None, :]) @ np.conj(np.swapaxes(v, -1, -2))


def clipped(a, bound):
    p, s, qh = np.linalg.svd(a, full_matrices=False)
    return (p * np.minimum(s, bound)[..., None, :]) @ qh


# The semidefinite matrices -----------------------------------------------------------------


@pytest.mark.parametrize("method", sorted(PSD_METHODS))
@pytest.mark.parametrize("condition", [1, 1e4, 1e16])
def test_nearest_semidefinite(method, condition):
    a = indefinite(condition)
    result = project_psd(a, method=method)
    if method in ("cans", "chen-chow") and condition == 1e16:
        assert result.status in (Status.CONVERGED, Status.STAGNATED)
        return
    assert result.converged
    assert norm(result.x - positive_part(a)) < 8 * 32**0.5 * EPS * norm(a)
    np.testing.assert_allclose(result.x - result.negative, a, atol=1e-15)
    np.testing.assert_allclose(result.negative, positive_part(-a), atol=1e-13)
    np.testing.assert_array_equal(result.x, result.x.T)
    assert np.linalg.eigvalsh(result.x)[0] > -1e-13


def test_paper_size_example():
    """n = 64, smallest eigenvalue 7.8e-4 of the norm, eight steps: 2.6e-15."""
    w = np.linspace(-1, 1, 64)
    w[31] = 7.8e-4 * norm(w)
    a = symmetric_with_eigenvalues(w, rng=0)
    result = project_psd(a, steps=9, rcond=7.8e-4)
    assert norm(result.x - positive_part(a)) / norm(a) < 3 * 2.6e-15


def test_small_eigenvalues_may_stay_unresolved():
    """Each is an error of at most half of it, so a loose tolerance is cheap."""
    a = indefinite(1e12)
    exact, loose = project_psd(a), project_psd(a, rtol=1e-4)
    assert loose.converged
    assert loose.nit < exact.nit - 5
    assert norm(loose.x - positive_part(a)) <= loose.residual * norm(a) * (1 + 1e-9)
    assert loose.residual < 1e-4
    few = project_psd(a, steps=7, rcond=1e-3).x
    assert norm(few - positive_part(a), 2) < 0.5e-3


def test_low_rank_definite_zero():
    b = np.random.default_rng(0).standard_normal((12, 4))
    for a, expected in (
        (b @ b.T, b @ b.T),
        (-(b @ b.T), np.zeros((12, 12))),
        (np.eye(5), np.eye(5)),
        (np.zeros((3, 3)), np.zeros((3, 3))),
        (np.array([[-2.0]]), np.array([[0.0]])),
    ):
        result = project_psd(a)
        assert result.converged
        np.testing.assert_allclose(result.x, expected, atol=1e-13 * max(1, norm(a)))


def test_nonsymmetric_and_hermitian():
    a = np.random.default_rng(0).standard_normal((8, 8))
    np.testing.assert_allclose(project_psd(a).x, positive_part(a), atol=1e-13)
    a = indefinite(50, 8, dtype=np.complex128)
    np.testing.assert_allclose(project_psd(a).x, positive_part(a), atol=1e-13)


def test_nearest_of_all_semidefinite_matrices(rng):
    a = rng.standard_normal((6, 6))
    x = project_psd(a).x
    for _ in range(20):
        b = rng.standard_normal((6, 6))
        assert norm(x - a) <= norm(x + 1e-2 * b @ b.T - a)
        other = (1 - 1e-3) * x + 1e-3 * b @ b.T
        assert norm(x - a) <= norm(other - a)
    np.testing.assert_allclose(project_psd(x).x, x, atol=1e-13)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_invariants(scale):
    a, q = indefinite(10, 8), haar(8, rng=1)
    x = project_psd(a).x
    np.testing.assert_allclose(project_psd(a * scale).x / scale, x, atol=1e-14)
    np.testing.assert_allclose(project_psd(q @ a @ q.T).x, q @ x @ q.T, atol=1e-13)
    np.testing.assert_allclose(x, (a + signm(a).absolute) / 2, atol=1e-13)


def test_stacks_and_outcomes():
    stack = np.stack([indefinite(10, 6), -np.eye(6), np.full((6, 6), np.nan)])
    for method in ("polar-express", "eigh"):
        result = project_psd(stack, method=method)
        names = [s.name for s in result.statuses]
        assert names == ["CONVERGED", "CONVERGED", "NONFINITE_INPUT"]
        np.testing.assert_allclose(result.x[0], project_psd(stack[0]).x, atol=1e-13)
    assert project_psd(np.zeros((0, 0))).converged
    assert project_psd(indefinite(10), rtol=0).status is Status.STAGNATED
    assert project_psd(indefinite(10), steps=2).status is Status.FIXED_STEPS


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
@pytest.mark.parametrize("condition", [10, 1e4, 1e12])
def test_low_precision(precision, condition):
    u = {"fp32": 2**-24, "tf32": 2**-11, "fp16": 2**-11, "bf16": 2**-8}[precision]
    a = indefinite(condition)
    result = project_psd(a, precision=precision)
    assert result.converged
    error = norm(result.x - positive_part(a)) / norm(a)
    assert error < (8 * 32**0.5 if precision == "fp32" else 4) * u
    assert error <= result.residual * 1.2 + 4 * 2**-24 * 32**0.5


# Clipped singular values -------------------------------------------------------------------


@pytest.mark.parametrize("method", sorted(CLIP_METHODS))
@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (16, 16)])
@pytest.mark.parametrize("bound", [1e-3, 0.5, 0.9999, 1.0, 2.0])
def test_clipping(method, shape, bound):
    a = with_singular_values(shape, np.geomspace(1e-6, 1, min(shape)), rng=0)
    result = clip_singular_values(a, bound, method=method)
    error = norm(result.x - clipped(a, bound)) / norm(a)
    assert error < 1e-13
    if method in ("cans", "chen-chow"):  # not made for singular matrices, as the second may be
        assert result.status in (Status.CONVERGED, Status.STAGNATED)
    else:
        assert result.converged
        assert result.residual < 2e-14
    assert np.linalg.svd(result.x, compute_uv=False)[0] < bound + 1e-13


def test_two_signs_formula():
    """The published form (bound O + A - |bound O - A| O)/2 with two polar factors."""
    a = with_singular_values((10, 14), np.linspace(0.1, 1, 10), rng=1)
    p, _, qh = np.linalg.svd(a, full_matrices=False)
    o = p @ qh
    delta = 0.55 * o - a
    p, _, qh = np.linalg.svd(delta, full_matrices=False)
    expected = (0.55 * o + a - delta @ (p @ qh).T @ o) / 2
    np.testing.assert_allclose(clip_singular_values(a, 0.55).x, expected, atol=1e-13)


def test_rank_deficient_and_complex():
    b = np.random.default_rng(0).standard_normal((10, 2))
    a = b @ np.random.default_rng(1).standard_normal((2, 14))
    for bound in (0.1, 5.0):
        result = clip_singular_values(a, bound)
        assert result.converged
        np.testing.assert_allclose(result.x, clipped(a, bound), atol=1e-12)
    a = with_singular_values((6, 9), np.linspace(0.1, 1, 6), rng=1, dtype=np.complex128)
    np.testing.assert_allclose(clip_singular_values(a, 0.4).x, clipped(a, 0.4), atol=1e-13)


def test_zero_bound_zero_matrix_nonfinite_empty():
    np.testing.assert_array_equal(clip_singular_values(np.ones((3, 4)), 0.0).x, 0)
    zero = clip_singular_values(np.zeros((3, 4)), 1.0)
    assert zero.converged
    np.testing.assert_array_equal(zero.x, 0)
    bad = np.ones((3, 4))
    bad[0, 0] = np.nan
    assert clip_singular_values(bad, 1.0).status is Status.NONFINITE_INPUT
    assert clip_singular_values(np.zeros((0, 4)), 1.0).x.shape == (0, 4)
    with pytest.raises(ValueError, match="bound must be >= 0"):
        clip_singular_values(np.eye(2), -1)
    with pytest.raises(ValueError, match="method must be one of"):
        clip_singular_values(np.eye(2), 1, method="jordan")


def test_stacks_scaling_and_idempotence():
    stack = np.stack(
        [with_singular_values((5, 7), s * np.linspace(0.1, 1, 5), rng=0) for s in (0.2, 1, 30)]
    )
    result = clip_singular_values(stack, 0.6)
    assert result.converged
    np.testing.assert_allclose(result.x, clipped(stack, 0.6), atol=1e-12)
    for x, a in zip(result.x, stack, strict=True):
        np.testing.assert_allclose(x, clip_singular_values(a, 0.6).x, atol=1e-12)
    np.testing.assert_allclose(clip_singular_values(result.x, 0.6).x, result.x, atol=1e-12)
    for scale in (1e-8, 1e-30, 1e-200):  # far below the bound, nothing is clipped
        small = clip_singular_values(stack[1] * scale, 1.0)
        assert small.converged
        np.testing.assert_allclose(small.x, stack[1] * scale, atol=1e-14 * scale)
    big = clip_singular_values(stack[1] * 1e200, 0.6e200)
    np.testing.assert_allclose(big.x / 1e200, result.x[1], atol=1e-12)
    mixed = np.stack([stack[0], np.full((5, 7), np.inf)])
    for method in ("polar-express", "svd"):
        names = [s.name for s in clip_singular_values(mixed, 0.1, method=method).statuses]
        assert names == ["CONVERGED", "NONFINITE_INPUT"]


def test_accuracy_is_checked_and_steps_are_not():
    a = with_singular_values((8, 8), np.linspace(0.1, 1, 8), rng=0)
    assert clip_singular_values(a, 0.5, rtol=1e-20).status is Status.STAGNATED
    assert clip_singular_values(a, 0.5, maxiter=1).status is Status.MAXITER
    fixed = clip_singular_values(a, 0.5, steps=8, rcond=0.1)
    assert fixed.status is Status.FIXED_STEPS
    assert fixed.nit == 16
    np.testing.assert_allclose(fixed.x, clipped(a, 0.5), atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
@pytest.mark.parametrize("bound", [0.01, 0.5, 1.0])
def test_clipping_in_low_precision(precision, bound):
    u = {"fp32": 2**-24, "tf32": 2**-11, "fp16": 2**-11, "bf16": 2**-8}[precision]
    a = with_singular_values((12, 20), np.geomspace(1e-4, 1, 12), rng=0)
    result = clip_singular_values(a, bound, precision=precision)
    assert result.converged
    assert norm(result.x - clipped(a, bound)) / norm(a) < 16 * u


def test_libraries(xp):
    if xp.library == "jax":
        pytest.skip("the table of solvers has it")
    a = indefinite(20, 6)
    given = xp.array(a)
    tolerance = 1e-13 if xp.has_float64 else 1e-5
    result = project_psd(given)
    xp.assert_like(result.x, given)
    xp.assert_like(result.negative, given)
    np.testing.assert_allclose(xp.to_numpy(result.x), positive_part(a), atol=tolerance)
    wide = xp.array(a[:4])
    result = clip_singular_values(wide, 0.3)
    assert result.converged
    xp.assert_like(result.x, wide)
    np.testing.assert_allclose(xp.to_numpy(result.x), clipped(a[:4], 0.3), atol=tolerance)


def test_a_singular_value_above_the_bound_is_seen():
    """Where it belongs to a direction that was not clipped, no residual would show it."""
    x = np.diag([1.0 + 1e-9, 0.5, 0.1])
    exact = Arithmetic(None, x)
    assert not proves_below(x, np.asarray(1.0), 1e-10, exact)
    assert proves_below(x, np.asarray(1.0), 1e-8, exact)


def test_subnormal_entries_are_projected_too():
    a = (np.array([[3.0, 1.0], [1.0, 3.0]]) * 2.0**-24).astype(np.float16)
    np.testing.assert_array_equal(project_psd(a).x, a)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bound", [1e-9, 1e-17, 1e-25, 1e-200])
def test_bounds_below_rounding_are_alike(dtype, bound):
    a = with_singular_values((6, 6), np.geomspace(0.1, 1, 6), rng=0).astype(dtype)
    for method in ("polar-express", "svd"):
        result = clip_singular_values(a, bound, method=method)
        assert result.converged
        assert np.linalg.norm(result.x, 2) <= bound + 100 * np.finfo(dtype).eps


def test_methods_of_other_functions_are_refused():
    for method in (QDWH(), EighSign()):
        with pytest.raises(TypeError, match="method must be one of"):
            clip_singular_values(np.eye(2), 0.5, method=method)
    with pytest.raises(TypeError, match="got QDWH"):
        project_psd(np.eye(2), method=QDWH())
