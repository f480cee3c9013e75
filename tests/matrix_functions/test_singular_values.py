"""Singular values by the polar decomposition: accuracy, every rank and shape, honest reports."""

import numpy as np
import pytest

from linalg_ml import Status, polar, svd_by_polar
from linalg_ml.matrix_functions import SvdPolar, singular_values
from linalg_ml.problems import haar, with_singular_values

U = {"float64": 2.0**-53, "float32": 2.0**-24}
TESTED = {"base_size": 8, "rng": 0}


def errors(a, result):
    """Return errors of values and product, and orthogonality of both sides, in double."""
    u, s, vh = (
        np.asarray(part).astype(np.result_type(part, np.float64))
        for part in (result.u, result.x, result.vh)
    )
    size = np.linalg.norm(a) or 1.0
    eye = np.eye(len(s))
    return (
        np.max(np.abs(s - np.linalg.svd(a, compute_uv=False)), initial=0) / size,
        np.linalg.norm((u * s) @ vh - a) / size,
        np.linalg.norm(u.conj().T @ u - eye) / len(s) ** 0.5,
        np.linalg.norm(vh @ vh.conj().T - eye) / len(s) ** 0.5,
    )


def check(a, result, unit):
    assert result.converged
    k = min(a.shape)
    assert result.x.shape == (k,)
    assert result.u.shape == (a.shape[0], k)
    assert result.vh.shape == (k, a.shape[1])
    assert result.x.dtype == a.real.dtype
    assert result.u.dtype == result.vh.dtype == a.dtype
    assert np.all(np.diff(result.x) <= 0)
    assert np.all(result.x >= 0)
    values, product, ours, theirs = errors(a, result)
    assert values < 4 * k**0.5 * unit
    assert product < 33 * k**0.5 * unit
    assert max(ours, theirs) < 8 * k**0.5 * unit


@pytest.mark.parametrize("shape", [(30, 30), (50, 24), (24, 50), (1, 6), (6, 1), (1, 1)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "complex64"])
def test_shapes(shape, dtype):
    s = np.geomspace(1, 1e-3, min(shape))
    a = with_singular_values(shape, s, rng=0, dtype=dtype)
    single = dtype in ("float32", "complex64")
    check(a, svd_by_polar(a, **TESTED), U["float32" if single else "float64"])


SPECTRA = {
    "random": np.random.default_rng(0).random(40),
    "down to nothing": np.geomspace(1, 1e-20, 40),
    "equal": np.ones(40),
    "two clusters": np.r_[np.ones(10), np.full(30, 1e-8)],
    "one large": np.r_[1e8, np.ones(39)],
    "rank 39": np.r_[np.linspace(2, 1, 39), 0],
    "rank 20": np.r_[np.linspace(2, 1, 20), np.zeros(20)],
    "rank 1": np.r_[1, np.zeros(39)],
    "at the level of rounding": np.r_[np.ones(20), np.geomspace(1e-14, 1e-18, 20)],
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("eigensolver", ["sign", "library"])
@pytest.mark.parametrize("shape", [(40, 40), (40, 64)])
def test_spectra(name, eigensolver, shape):
    a = with_singular_values(shape, SPECTRA[name], rng=1)
    check(a, svd_by_polar(a, eigensolver=eigensolver, **TESTED), U["float64"])


@pytest.mark.parametrize("rank", [1, 20, 39])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_exactly_deficient(rank, dtype):
    """Zero rows and columns, where the polar factor is exactly zero in some directions."""
    a = np.zeros((60, 40), dtype)
    s = np.linspace(2, 1, rank)
    a[:rank, :rank] = with_singular_values((rank, rank), s, rng=2, dtype=dtype)
    result = svd_by_polar(a, **TESTED)
    check(a, result, U["float64"])
    assert np.max(result.x[rank:], initial=0) < 1e-15
    assert np.linalg.norm(result.u.conj().T @ result.u - np.eye(40)) < 1e-13


@pytest.mark.parametrize("method", ["polar-express", "newton-schulz", "cans", "svd", SvdPolar()])
def test_methods(method):
    a = with_singular_values((40, 30), np.geomspace(1, 1e-2, 30), rng=3)
    result = svd_by_polar(a, method=method, **TESTED)
    check(a, result, U["float64"])
    assert result.counts["decompositions"] > 3


def test_unconverged_factors_are_repaired():
    """Jordan's list leaves singular values of U_p anywhere in [0.7, 1.2], but V is right."""
    a = with_singular_values((40, 30), np.geomspace(1, 1e-2, 30), rng=3)
    result = svd_by_polar(a, method="jordan", **TESTED)
    assert not polar(a, method="jordan").converged
    check(a, result, U["float64"])


def test_the_answer_is_checked(monkeypatch):
    a = with_singular_values((20, 12), np.linspace(2, 1, 12), rng=0)
    q = haar(12, rng=1)
    wrong = singular_values._Decomposition
    monkeypatch.setattr(wrong, "eigenvectors", lambda self, h: q)
    assert svd_by_polar(a).status is Status.STAGNATED
    monkeypatch.setattr(wrong, "eigenvectors", lambda self, h: np.linalg.eigh(h)[1] * 1.001)
    result = svd_by_polar(a)
    assert result.status is Status.STAGNATED
    assert result.orthogonality == pytest.approx(0.002, rel=0.01)


def test_invariances():
    a = with_singular_values((40, 30), SPECTRA["random"][:30], rng=4)
    s = svd_by_polar(a, **TESTED).x
    p, q = haar(40, rng=5), haar(30, rng=6)
    for other in (a.T, -a, p @ a @ q, a[::-1]):
        np.testing.assert_allclose(svd_by_polar(other, **TESTED).x, s, atol=1e-14)


@pytest.mark.parametrize("scale", [1e-305, 1e-30, 1e30, 1e300])
def test_extreme_scales(scale):
    s = np.geomspace(1, 1e-3, 20)
    result = svd_by_polar(scale * with_singular_values((20, 24), s, rng=0), **TESTED)
    assert result.converged
    np.testing.assert_allclose(result.x, scale * s, rtol=1e-11)


def test_a_stack_is_a_loop():
    a = np.stack(
        [with_singular_values((12, 9), s, rng=0) for s in (np.ones(9), np.geomspace(1, 0.1, 9))]
    )
    stack = svd_by_polar(a[None], **TESTED)
    assert stack.converged
    assert stack.x.shape == (1, 2, 9)
    assert stack.statuses.shape == stack.residual.shape == (1, 2)
    for i in range(2):
        one = svd_by_polar(a[i], **TESTED)
        np.testing.assert_allclose(stack.x[0, i], one.x, atol=1e-14)
        product = (stack.u[0, i] * stack.x[0, i]) @ stack.vh[0, i]
        np.testing.assert_allclose(product, a[i], atol=1e-14)


@pytest.mark.parametrize("eigensolver", ["sign", "library"])
def test_one_bad_matrix_in_a_stack(eigensolver):
    a = np.stack([with_singular_values((9, 6), np.linspace(2, 1, 6), rng=k) for k in range(4)])
    a[1] = 0.0
    a[2, 3, 3] = np.nan
    a[3, :, 1] = 0.0
    result = svd_by_polar(a, eigensolver=eigensolver, rng=0)
    expected = [Status.CONVERGED, Status.CONVERGED, Status.NONFINITE_INPUT, Status.CONVERGED]
    assert list(result.statuses) == expected
    assert result.status is Status.NONFINITE_INPUT
    for part in (result.x, result.u, result.vh):
        assert np.all(np.isnan(part[2]))
    assert np.all(result.x[1] == 0)
    for i in (0, 1, 3):
        np.testing.assert_allclose((result.u[i] * result.x[i]) @ result.vh[i], a[i], atol=1e-14)
        np.testing.assert_allclose(result.u[i].T @ result.u[i], np.eye(6), atol=1e-14)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 0, 3), (0, 2, 3)])
def test_empty(shape):
    result = svd_by_polar(np.zeros(shape, np.complex128))
    *stack, m, n = shape
    k = min(m, n)
    assert result.converged
    assert result.x.shape == (*stack, k)
    assert result.x.dtype == np.float64
    assert result.u.shape == (*stack, m, k)
    assert result.vh.shape == (*stack, k, n)


def test_arguments():
    with pytest.raises(ValueError, match="eigensolver must be one of 'sign', 'library'"):
        svd_by_polar(np.eye(2), eigensolver="lapack")
    with pytest.raises(ValueError, match="method must be one of"):
        svd_by_polar(np.eye(2), method="qr")
    with pytest.raises(ValueError, match="must have shape"):
        svd_by_polar(np.ones(3))
    with pytest.raises(TypeError, match="floating-point"):
        svd_by_polar(np.eye(2, dtype=bool))


def test_every_library(xp):
    a = with_singular_values((6, 6), np.linspace(2, 1, 6), rng=1)
    given = xp.array(a)
    result = svd_by_polar(given, eigensolver="library")
    assert result.converged
    xp.assert_like(result.x, given, (6,))
    for part in (result.u, result.vh):
        xp.assert_like(part, given)
    u, s, vh = (xp.to_numpy(part).astype(np.float64) for part in (result.u, result.x, result.vh))
    unit = U[xp.to_numpy(given).dtype.name]
    np.testing.assert_allclose((u * s) @ vh, a, atol=50 * unit)
    np.testing.assert_allclose(u.T @ u, np.eye(6), atol=50 * unit)


def test_deficient_stack_on_torch_by_signs():
    torch = pytest.importorskip("torch")
    a = np.stack(
        [with_singular_values((10, 14), s, rng=0) for s in (np.r_[1, np.zeros(9)], np.arange(10.0))]
    )
    result = svd_by_polar(torch.asarray(a), base_size=4, rng=0)
    assert result.converged
    np.testing.assert_allclose((result.u * result.x[:, None, :] @ result.vh).numpy(), a, atol=1e-13)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
@pytest.mark.parametrize("name", ["random", "down to nothing", "rank 20"])
def test_low_precision(precision, name):
    a = with_singular_values((50, 40), SPECTRA[name], rng=1)
    result = svd_by_polar(a, precision=precision, **TESTED)
    unit = {"fp32": 40**0.5 * 2.0**-24, "tf32": 2.0**-11, "fp16": 2.0**-11, "bf16": 2.0**-8}
    unit = unit[precision]
    assert result.converged
    assert result.x.dtype == np.float64
    values, product, ours, theirs = errors(a, result)
    assert values < 2 * unit
    assert product < 8 * unit
    assert max(ours, theirs) < 4 * unit
    assert result.precision.startswith(precision)
