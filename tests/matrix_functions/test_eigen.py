"""Eigenvalues by the matrix sign: accuracy, difficult spectra, honest reports."""

import numpy as np
import pytest
from scipy.linalg import eigh

from linalg_ml import Status, eigh_by_sign, signm
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions import EighSign
from linalg_ml.matrix_functions.spectral_division import (
    Division,
    SpectralDivision,
    ritz_values,
    shifts,
)
from linalg_ml.problems import haar, real_matrix, symmetric_with_eigenvalues

U = {"float64": 2.0**-53, "float32": 2.0**-24}
N = 60


def wilkinson(n=21):
    """W_n^+, whose larger eigenvalues come in pairs that agree to many digits."""
    half = n // 2
    return np.diag(np.abs(np.arange(-half, half + 1.0))) + np.eye(n, k=1) + np.eye(n, k=-1)


def spectra():
    rng = np.random.default_rng(5)
    alternate = np.where(np.arange(N) % 2, 1, -1)
    return {
        "uniform": np.linspace(-1, 1, N),
        "geometric": np.geomspace(1e-16, 1, N),
        "geometric of both signs": np.geomspace(1e-12, 1, N) * alternate,
        "two points": np.r_[np.ones(N // 3), -np.ones(N - N // 3)],
        "two clusters": np.r_[np.ones(20), -np.ones(40)] + 1e-13 * rng.standard_normal(N),
        "cluster at zero": np.r_[np.zeros(N // 2), rng.random(N - N // 2)],
        "one isolated": np.r_[1e6, rng.random(N - 1)],
        "one apart from equals": np.r_[-1.0, np.ones(N - 1)],
        "random": rng.standard_normal(N),
        "integers": np.arange(N) // 7 - 3.0,
        "equal": np.full(N, 3.0),
        "nearly equal": 1 + 1e-14 * rng.standard_normal(N),
    }


def errors(a, result):
    """Return eigenvalue error, residual and orthogonality in double precision."""
    a, w, v = (
        np.asarray(t).astype(np.result_type(t, np.float64)) for t in (a, result.x, result.vectors)
    )
    size = np.linalg.norm(a) or 1.0
    return (
        np.max(np.abs(w - np.linalg.eigvalsh(a)), initial=0) / size,
        np.linalg.norm(a @ v - v * w) / size,
        np.linalg.norm(v.conj().T @ v - np.eye(len(w))) / len(w) ** 0.5,
    )


@pytest.mark.parametrize("name", spectra())
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
def test_spectra(name, dtype):
    a = symmetric_with_eigenvalues(spectra()[name], rng=1, dtype=np.result_type(dtype, np.float64))
    a = a.astype(dtype)
    result = eigh_by_sign(a, base_size=8, rng=0)
    unit = U["float32" if dtype == "float32" else "float64"]
    assert result.converged
    assert result.x.dtype == a.real.dtype
    assert result.vectors.dtype == a.dtype
    assert np.all(np.diff(result.x) >= 0)
    values, residual, orthogonality = errors(a, result)
    assert values < 8 * N**0.5 * unit
    assert residual < 10 * N**0.5 * unit
    assert orthogonality < 4 * N**0.5 * unit
    rounding = 2 * unit  # of the check itself, in the precision of the matrix
    assert result.residual == pytest.approx(residual, rel=0.2, abs=rounding)
    assert result.orthogonality == pytest.approx(orthogonality, rel=0.2, abs=rounding)


def test_the_work_is_done_by_splitting():
    a = symmetric_with_eigenvalues(np.linspace(-1, 1, 128), rng=0)
    result = eigh_by_sign(a, base_size=16, rng=0, history=True)
    assert result.splits == 7 + result.counts["decompositions"] - 8
    assert 3 <= result.depth <= 6
    accepted = [record for record in result.history if record["accepted"]]
    assert len(accepted) == result.splits
    assert max(record["order"] for record in accepted) == 128
    first = accepted[0]
    assert first["rank"] == np.sum(np.linalg.eigvalsh(a) > first["shift"])
    assert 32 <= first["rank"] <= 96
    assert result.counts["factorizations"] == 2 * result.splits
    assert result.nit == sum(record["nit"] for record in result.history)


def test_against_scipy_on_real_data():
    g = real_matrix("gpt-block3-query-momentum-step500").astype(np.float64)
    a = g @ g.T
    w, v = eigh(a)
    result = eigh_by_sign(a, base_size=10, rng=0)
    assert result.converged
    np.testing.assert_allclose(result.x, w, atol=1e-13 * w[-1])
    np.testing.assert_allclose(np.abs(result.vectors[:, -1]), np.abs(v[:, -1]), atol=1e-12)


def test_wilkinson():
    """The largest eigenvalue of W21+ is 10.746194182903393 (Wilkinson 1965)."""
    result = eigh_by_sign(wilkinson(), base_size=2, rng=0)
    assert result.converged
    np.testing.assert_allclose(result.x[-2:], 10.746194182903393, rtol=1e-14)
    np.testing.assert_allclose(result.x, np.linalg.eigvalsh(wilkinson()), atol=1e-13)
    assert result.splits > 5


@pytest.mark.parametrize("method", ["polar-express", "newton-schulz", "cans", "eigh", EighSign()])
def test_every_method_of_the_sign(method):
    a = symmetric_with_eigenvalues(spectra()["random"], rng=2)
    result = eigh_by_sign(a, method=method, base_size=8, rng=0)
    assert result.converged
    assert result.splits > 4
    assert errors(a, result)[0] < 1e-14


def test_unresolved_signs_are_noticed():
    """A sign that is one only to 30 per cent couples the two halves: no split is accepted."""
    a = symmetric_with_eigenvalues(spectra()["uniform"], rng=2)
    result = eigh_by_sign(a, method="jordan", base_size=8, rng=0, history=True)
    assert result.converged
    assert result.splits == 0
    assert result.counts["decompositions"] == 1
    assert len(result.history) == 4
    assert all(record["coupling"] > 1e-3 for record in result.history)
    assert errors(a, result)[1] < 1e-14


def test_a_shift_at_an_eigenvalue_is_replaced(monkeypatch):
    """A sign that leaves one eigenvalue at 1/3 must not be used; the next shift is."""
    from linalg_ml.matrix_functions import spectral_division

    lam = np.linspace(-1, 1, 20)
    q = haar(20, rng=0)
    a = (q * lam) @ q.T
    a = (a + a.T) / 2
    calls = []

    def partial(shifted, **options):
        calls.append(shifted.shape)
        result = signm(shifted, **options)
        if len(calls) == 1:
            near = q[:, [np.argmin(np.abs(np.diag(q.T @ shifted @ q)))]]
            sign = np.sign((near.T @ shifted @ near).item())
            result.__dict__["x"] = result.x - (2 / 3) * sign * near @ near.T
        return result

    monkeypatch.setattr(spectral_division, "signm", partial)
    result = eigh_by_sign(a, base_size=10, rng=0, history=True)
    assert result.converged
    assert not result.history[0]["accepted"]
    assert result.history[0]["coupling"] > 1e-3
    assert result.history[1]["accepted"]
    assert result.history[1]["shift"] != result.history[0]["shift"]
    np.testing.assert_allclose(result.x, lam, atol=1e-14)


def test_signs_that_blow_up_are_no_disaster(monkeypatch):
    from linalg_ml.matrix_functions import spectral_division

    def infinite(shifted, **options):
        result = signm(shifted, **options)
        result.__dict__["x"] = result.x * np.inf
        return result

    monkeypatch.setattr(spectral_division, "signm", infinite)
    a = symmetric_with_eigenvalues(np.linspace(-1, 1, 20), rng=0)
    result = eigh_by_sign(a, base_size=10, rng=0, history=True)
    assert result.converged
    assert result.splits == 0
    assert {record["rank"] for record in result.history} == {None}


def test_an_empty_side_is_no_split(monkeypatch):
    from linalg_ml.matrix_functions import spectral_division

    def positive(shifted, **options):
        result = signm(shifted, **options)
        result.__dict__["x"] = np.eye(len(shifted))
        return result

    monkeypatch.setattr(spectral_division, "signm", positive)
    a = symmetric_with_eigenvalues(np.linspace(-1, 1, 20), rng=0)
    result = eigh_by_sign(a, base_size=10, rng=0, history=True)
    assert result.converged
    assert result.splits == 0
    assert {record["rank"] for record in result.history} == {20}
    assert len(result.history) == 4


def test_multiple_eigenvalues_need_no_more_splits():
    a = symmetric_with_eigenvalues(np.r_[np.ones(40), -np.ones(24)], rng=0)
    result = eigh_by_sign(a, base_size=4, rng=0)
    assert result.splits == 1
    assert "decompositions" not in result.counts


def test_a_wrong_answer_is_not_a_success(monkeypatch):
    """Whatever the recursion returns is checked against the matrix itself."""
    a = symmetric_with_eigenvalues(np.linspace(-1, 1, 20), rng=0)
    w, v = np.linalg.eigh(a)

    def skewed(self, a, depth=0):
        return w, v + 1e-10 * np.eye(20)

    monkeypatch.setattr(Division, "eigh", skewed)
    result = eigh_by_sign(a)
    assert result.status is Status.STAGNATED
    assert result.orthogonality > 1e-12
    twice = v[:, [0, 0, *range(2, 20)]]  # eigenvectors, but not all of them
    monkeypatch.setattr(Division, "eigh", lambda self, a, depth=0: (w, twice))
    result = eigh_by_sign(a)
    assert result.status is Status.STAGNATED
    assert result.residual < 1e-14
    monkeypatch.setattr(Division, "eigh", lambda self, a, depth=0: (w, np.roll(np.eye(20), 1)))
    result = eigh_by_sign(a)
    assert result.status is Status.STAGNATED
    assert result.residual > 0.1


# Properties ------------------------------------------------------------------------------------


def test_shift_scaling_and_similarity():
    a = symmetric_with_eigenvalues(spectra()["random"], rng=3)
    w = eigh_by_sign(a, base_size=8, rng=0).x
    np.testing.assert_allclose(
        eigh_by_sign(a + 5 * np.eye(N), base_size=8, rng=0).x, w + 5, atol=1e-13
    )
    np.testing.assert_allclose(eigh_by_sign(-a, base_size=8, rng=0).x, -w[::-1], atol=1e-13)
    q = haar(N, rng=4)
    b = q @ a @ q.T
    np.testing.assert_allclose(eigh_by_sign((b + b.T) / 2, base_size=8, rng=0).x, w, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("exponent", [100, -100])
def test_powers_of_two_change_nothing(dtype, exponent):
    a = symmetric_with_eigenvalues(spectra()["random"], rng=3).astype(dtype)
    plain = eigh_by_sign(a, base_size=8, rng=0)
    factor = np.asarray(2.0, dtype) ** exponent
    scaled = eigh_by_sign(a * factor, base_size=8, rng=0)
    np.testing.assert_array_equal(scaled.x, plain.x * factor)
    np.testing.assert_array_equal(scaled.vectors, plain.vectors)


@pytest.mark.parametrize("scale", [1e-310, 1e-30, 1e30, 1e300])
def test_extreme_scales(scale):
    lam = np.linspace(-1, 2, 24)
    result = eigh_by_sign(scale * symmetric_with_eigenvalues(lam, rng=0), base_size=8, rng=0)
    assert result.converged
    np.testing.assert_allclose(result.x, scale * lam, rtol=1e-12, atol=1e-13 * scale)


def test_the_smallest_numbers():
    a = np.zeros((64, 64))
    a[0, 1] = a[1, 0] = 5e-324
    result = eigh_by_sign(a)
    assert result.converged
    np.testing.assert_array_equal(result.x, np.r_[-5e-324, np.zeros(62), 5e-324])


def test_a_stack_is_a_loop():
    a = np.stack(
        [
            symmetric_with_eigenvalues(spectra()[k][:30], rng=1)
            for k in ("random", "equal", "uniform", "geometric")
        ]
    )
    stack = eigh_by_sign(a.reshape(2, 2, 30, 30), base_size=8, rng=np.random.default_rng(7))
    rng = np.random.default_rng(7)
    loop = [eigh_by_sign(one, base_size=8, rng=rng) for one in a]
    assert stack.x.shape == (2, 2, 30)
    for i, one in enumerate(loop):
        np.testing.assert_array_equal(stack.x.reshape(4, 30)[i], one.x)
        np.testing.assert_array_equal(stack.vectors.reshape(4, 30, 30)[i], one.vectors)
        assert stack.residual.ravel()[i] == one.residual
        assert stack.splits.ravel()[i] == one.splits
    assert stack.counts["products"] == sum(one.counts["products"] for one in loop)
    assert stack.nit == sum(one.nit for one in loop)
    assert stack.statuses.shape == (2, 2)


def test_the_seed_decides():
    a = symmetric_with_eigenvalues(spectra()["random"], rng=3)
    first, again, other = (eigh_by_sign(a, base_size=8, rng=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert np.any(first.vectors != other.vectors)
    np.testing.assert_allclose(first.x, other.x, atol=1e-13)


# Edges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 0), (3, 0, 0), (0, 4, 4)])
def test_empty(shape):
    result = eigh_by_sign(np.zeros(shape, np.complex64))
    assert result.converged
    assert result.x.shape == shape[:-1]
    assert result.x.dtype == np.float32
    assert result.vectors.shape == shape


@pytest.mark.parametrize(
    "a", [[[3.0]], [[2.0, 1.0], [1.0, 2.0]], [[1.0, 0], [0, -1]], [[0.0, 1j], [-1j, 0]]]
)
def test_smallest_orders(a):
    result = eigh_by_sign(np.array(a), base_size=1, rng=0)
    assert result.converged
    np.testing.assert_allclose(result.x, np.linalg.eigvalsh(a), atol=1e-15)
    assert errors(np.array(a), result)[1] < 1e-15


def test_diagonal_and_zero_are_read_off():
    d = np.array([3.0, -1.0, 7.0, 0.1] * 10)
    result = eigh_by_sign(np.diag(d), base_size=4)
    np.testing.assert_array_equal(result.x, np.sort(d))
    assert result.converged
    assert result.nit == result.splits == 0
    assert "decompositions" not in result.counts
    zero = eigh_by_sign(np.zeros((5, 5)), base_size=2)
    assert zero.converged
    np.testing.assert_array_equal(zero.x, np.zeros(5))
    np.testing.assert_array_equal(zero.vectors, np.eye(5))


def test_block_diagonal_with_a_zero_block():
    a = np.zeros((40, 40))
    a[:20, :20] = symmetric_with_eigenvalues(np.linspace(1, 2, 20), rng=0)
    result = eigh_by_sign(a, base_size=4, rng=0)
    assert result.converged
    np.testing.assert_allclose(result.x, np.r_[np.zeros(20), np.linspace(1, 2, 20)], atol=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nonfinite_input(bad):
    a = np.stack([symmetric_with_eigenvalues(np.linspace(-1, 1, 20), rng=k) for k in range(2)])
    a[0, 3, 3] = bad
    result = eigh_by_sign(a, base_size=8, rng=0)
    assert result.status is Status.NONFINITE_INPUT
    assert list(result.statuses) == [Status.NONFINITE_INPUT, Status.CONVERGED]
    assert np.all(np.isnan(result.x[0]))
    assert np.all(np.isnan(result.vectors[0]))
    np.testing.assert_allclose(result.x[1], np.linspace(-1, 1, 20), atol=1e-14)


def test_arguments():
    with pytest.raises(ValueError, match="symmetric or Hermitian, but its skew part has relative"):
        eigh_by_sign(np.array([[1.0, 2.0], [0.0, 1.0]]))
    nearly = np.eye(3)
    nearly[0, 1] = 1e-10
    with pytest.raises(ValueError, match=r"its skew part has relative size 4\.\de-11"):
        eigh_by_sign(nearly)
    assert eigh_by_sign(nearly.astype(np.float32)).converged
    with pytest.raises(ValueError, match="must have shape"):
        eigh_by_sign(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"method must be one of .* did you mean 'polar-express'"):
        eigh_by_sign(np.eye(2), method="polar-expres")
    with pytest.raises(ValueError, match="base_size must be at least 1"):
        eigh_by_sign(np.eye(2), base_size=0)
    with pytest.raises(TypeError, match="rng"):
        eigh_by_sign(np.eye(2), rng="seed")
    jax = pytest.importorskip("jax")
    with pytest.raises(ValueError, match="eigh_by_sign cannot run inside"):
        jax.jit(lambda a: eigh_by_sign(a).x)(jax.numpy.eye(3))


# Libraries and precisions ----------------------------------------------------------------------


def test_every_library(xp):
    a = symmetric_with_eigenvalues(np.linspace(-1, 1, 6), rng=1)
    given = xp.array(a)
    result = eigh_by_sign(given, base_size=4, rng=0)
    assert result.converged
    assert result.splits > 0
    xp.assert_like(result.x, given, (6,))
    xp.assert_like(result.vectors, given)
    unit = U[xp.to_numpy(given).dtype.name]
    assert max(errors(xp.to_numpy(given), result_on_host(xp, result))[1:]) < 100 * unit
    np.testing.assert_array_equal(xp.to_numpy(given), a.astype(xp.to_numpy(given).dtype))


def result_on_host(xp, result):
    class Host:
        x, vectors = xp.to_numpy(result.x), xp.to_numpy(result.vectors)

    return Host


def test_complex_stack_on_torch():
    torch = pytest.importorskip("torch")
    a = np.stack(
        [
            symmetric_with_eigenvalues(np.linspace(-1, k, 20), rng=k, dtype=np.complex128)
            for k in (1, 2)
        ]
    )
    result = eigh_by_sign(torch.asarray(a), base_size=8, rng=0)
    assert result.converged
    assert result.x.dtype == torch.float64
    np.testing.assert_allclose(result.x[1].numpy(), np.linspace(-1, 2, 20), atol=1e-14)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
@pytest.mark.parametrize("name", ["uniform", "geometric", "two clusters", "random", "one isolated"])
def test_low_precision(precision, name):
    """Residuals are those of the precision; the eigenvalues are of second order in them."""
    a = symmetric_with_eigenvalues(spectra()[name], rng=1)
    result = eigh_by_sign(a, base_size=8, rng=0, precision=precision)
    assert result.converged
    assert result.x.dtype == result.vectors.dtype == np.float64
    assert result.splits > 0
    unit = {"fp32": 2.0**-24 * N**0.5, "tf32": 2.0**-11, "fp16": 2.0**-11, "bf16": 2.0**-8}[
        precision
    ]
    values, residual, orthogonality = errors(a, result)
    assert values < unit
    assert residual < 8 * unit
    assert orthogonality < 4 * unit
    assert result.precision.startswith(precision)


def test_sixteen_bit_input():
    torch = pytest.importorskip("torch")
    a = torch.asarray(symmetric_with_eigenvalues(np.linspace(-1, 1, 24), rng=0)).to(torch.bfloat16)
    a = (a + a.T) / 2
    result = eigh_by_sign(a, base_size=8, rng=0)
    assert result.converged
    assert result.x.dtype == result.vectors.dtype == torch.bfloat16
    w = np.linalg.eigvalsh(a.double().numpy())
    assert np.max(np.abs(result.x.double().numpy() - w)) < 2.0**-8


# Parts -----------------------------------------------------------------------------------------


def test_ritz_values_are_a_quadrature_rule():
    a = symmetric_with_eigenvalues(np.linspace(-1, 3, 200), rng=0)
    arithmetic = Arithmetic(None, a)
    theta, weight = ritz_values(a, arithmetic, np.random.default_rng(0))
    assert len(theta) == 16
    assert theta[0] >= -1
    assert theta[-1] <= 3
    assert weight.sum() == pytest.approx(1)
    assert (weight * theta).sum() == pytest.approx(1, abs=0.3)
    best = next(shifts(a, arithmetic, np.random.default_rng(0)))
    assert 0.3 < np.mean(np.linspace(-1, 3, 200) < best) < 0.7


def test_ritz_values_end_with_the_krylov_space():
    a = symmetric_with_eigenvalues(np.r_[np.ones(20), np.full(10, -2.0)], rng=0)
    theta, _ = ritz_values(a, Arithmetic(None, a), np.random.default_rng(0))
    np.testing.assert_allclose(theta, [-2, 1], atol=1e-13)
    found = list(shifts(a, Arithmetic(None, a), np.random.default_rng(0)))
    np.testing.assert_allclose(found, [-0.5, 0.0], atol=1e-13)


@pytest.mark.parametrize("k", [1, 7, 12, 19])
def test_bases_of_both_sides(k):
    q = haar(20, rng=0)
    s = (q * np.r_[-np.ones(20 - k), np.ones(k)]) @ q.T
    arithmetic = Arithmetic(None, s)
    division = Division(
        SpectralDivision(EighSign(), 4), arithmetic, arithmetic, 20, 1.0, np.random.default_rng(0)
    )
    v = division.bases(s, k)
    np.testing.assert_allclose(v.T @ v, np.eye(20), atol=1e-14)
    np.testing.assert_allclose(s @ v[:, 20 - k :], v[:, 20 - k :], atol=1e-14)
    np.testing.assert_allclose(s @ v[:, : 20 - k], -v[:, : 20 - k], atol=1e-14)


def test_an_empty_matrix_was_not_split():
    assert eigh_by_sign(np.zeros((0, 0))).splits == eigh_by_sign(np.zeros((0, 0))).depth == 0
    result = eigh_by_sign(np.zeros((0, 4, 4)))
    assert result.residual.shape == result.splits.shape == result.statuses.shape == (0,)
