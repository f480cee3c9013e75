"""cg, minres and gmres beside those of scipy.sparse.linalg, and what is each one's own."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg as sla

from linalg_ml import Status, cg, deflated_cg, gmres, minres
from linalg_ml.krylov import ic0, jacobi, ssor
from linalg_ml.problems import symmetric_with_eigenvalues
from tests.krylov.poisson import poisson


def random(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


def symmetric(values, seed=0):
    return symmetric_with_eigenvalues(np.asarray(values, float), rng=seed)


def count_scipy(function, a, b, **options):
    steps = [0]

    def callback(_):
        steps[0] += 1

    x, info = function(a, b, callback=callback, **options)
    assert info == 0
    return x, steps[0]


# Conjugate gradients ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [None, jacobi, ssor, ic0])
@pytest.mark.parametrize("rtol", [1e-5, 1e-10])
def test_cg_makes_the_steps_of_scipy(make, rtol):
    a, b = poisson(24), random(576)
    a = a + scipy.sparse.diags_array(np.linspace(0, 3, 576))
    M = make and make(a)
    x, steps = count_scipy(sla.cg, a, b, rtol=rtol, M=M)
    result = cg(a, b, rtol=rtol, M=M)
    assert abs(result.nit - steps) <= 1
    assert np.linalg.norm(result.x - x) <= 10 * rtol * np.linalg.norm(x)


def test_the_default_tolerance_is_scipys():
    a, b = poisson(16), random(256)
    assert abs(cg(a, b).nit - count_scipy(sla.cg, a, b)[1]) <= 1


def test_cg_ends_after_as_many_steps_as_there_are_eigenvalues():
    a = symmetric(np.repeat([1.0, 2.0, 5.0, 9.0], 5))
    assert cg(a, random(20), rtol=1e-12).nit == 4


@pytest.mark.parametrize("function", [cg, deflated_cg])
def test_an_indefinite_matrix_breaks_cg_down(function):
    a = symmetric(np.r_[-1.0, np.linspace(1, 2, 19)])
    result = function(a, random(20), **({"subspace": 1} if function is deflated_cg else {}))
    assert result.status is Status.BREAKDOWN
    assert np.all(np.isfinite(result.x))


@pytest.mark.parametrize("function", [cg, deflated_cg, minres])
def test_an_indefinite_preconditioner_is_noticed(function):
    a = symmetric(np.linspace(1, 20, 30))
    M = np.diag(np.where(np.arange(30) % 3, 1.0, -1.0))
    assert function(a, random(30), M=M).status is Status.BREAKDOWN
    assert function(a, random(30), M=-np.eye(30)).status is Status.BREAKDOWN


def test_one_bad_system_of_a_stack_does_not_spoil_the_others():
    good, bad = symmetric(np.linspace(1, 50, 20)), -symmetric(np.linspace(1, 50, 20))
    b = random((2, 20))
    result = cg(np.stack([good, bad]), b, rtol=1e-10)
    assert list(result.statuses) == [Status.CONVERGED, Status.BREAKDOWN]
    np.testing.assert_allclose(good @ result.x[0], b[0], atol=1e-8)
    assert result.status is Status.BREAKDOWN


def test_a_system_that_is_solved_early_stays_solved():
    """The others go on for hundreds of steps; in fp32 its residual would underflow."""
    a, b = poisson(32).astype(np.float32), random(1024).astype(np.float32)
    easy = np.zeros_like(b)
    easy[0] = 1
    result = cg(a, np.stack([a @ easy, b]), rtol=1e-5)
    assert result.converged
    assert np.linalg.norm(result.x[0] - easy) < 1e-4


# Minimal residuals ------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_minres_agrees_with_scipy(shift):
    a, b = poisson(16) - shift * scipy.sparse.eye_array(256), random(256)
    x, steps = count_scipy(sla.minres, a, b, rtol=1e-12)
    result = minres(a, b, rtol=np.linalg.norm(b - a @ x) / np.linalg.norm(b))
    assert abs(result.nit - steps) <= 1
    assert np.linalg.norm(result.x - x) <= 1e-6 * np.linalg.norm(x)


def test_minres_with_a_preconditioner_knows_its_residual():
    a = poisson(16) - 0.5 * scipy.sparse.eye_array(256)
    a = a + scipy.sparse.diags_array(np.linspace(0, 1, 256))
    b, M = random(256), ic0(poisson(16))
    seen = []
    result = minres(a, b, M=M, rtol=1e-9, callback=lambda p: seen.append((p.measures, p.x)))
    assert result.converged
    for measures, x in seen:
        assert measures["residual"] == pytest.approx(np.linalg.norm(b - a @ x), rel=1e-3)


def test_minres_never_lets_the_residual_grow():
    a = symmetric(np.geomspace(0.01, 1, 30) * np.where(np.arange(30) % 2, 1, -1))
    history = minres(a, random(30), rtol=1e-8, history=True).history
    residuals = np.array([record["residual"] for record in history])
    assert np.all(np.diff(residuals) <= 1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_minres_on_singular_systems(dtype):
    a = symmetric(np.r_[np.zeros(4), np.linspace(1, 9, 12), -np.linspace(1, 5, 8)]).astype(dtype)
    b = random(24).astype(dtype)
    inside = a @ b
    consistent = minres(a, inside, rtol=1e-5)
    assert consistent.converged
    other = minres(a, b)
    assert other.status is Status.SINGULAR
    best = np.linalg.lstsq(a.astype(float), b.astype(float), rcond=1e-4)[0]
    least = np.linalg.norm(b - a @ best)
    assert other.residual == pytest.approx(least, rel=1e-3)
    assert np.linalg.norm(other.x) < 100 * np.linalg.norm(best)
    both = minres(a, np.stack([inside, b]), rtol=1e-5)
    assert list(both.statuses) == [Status.CONVERGED, Status.SINGULAR]


def test_minres_does_not_take_an_ill_conditioned_system_for_a_singular_one():
    values = np.geomspace(1e-5, 1, 40) * np.where(np.arange(40) % 2, 1, -1)
    for seed in range(3):
        assert minres(symmetric(values, seed), random(40), rtol=1e-6, maxiter=4000).converged


# Generalised minimal residuals ------------------------------------------------------------------


def upwind(n=16):
    ahead = scipy.sparse.diags_array([0.8], offsets=[1], shape=(n * n, n * n))
    return (poisson(n) + ahead).tocsr()


@pytest.mark.parametrize("restart", [7, 20, 300])
@pytest.mark.parametrize("rtol", [1e-5, 1e-10])
def test_gmres_makes_the_steps_of_scipy(restart, rtol):
    a, b = upwind(), random(256)
    options = {"restart": restart, "rtol": rtol, "callback_type": "pr_norm"}
    x, steps = count_scipy(sla.gmres, a, b, **options)
    result = gmres(a, b, restart=restart, rtol=rtol)
    assert abs(result.nit - steps) <= 1
    assert np.linalg.norm(result.x - x) <= 100 * rtol * np.linalg.norm(x)


def test_gmres_in_fp32_keeps_its_basis_orthogonal():
    """An ill-conditioned system in one long cycle: in exact arithmetic it ends after n steps."""
    rng = np.random.default_rng(0)
    q, p = (np.linalg.qr(rng.standard_normal((60, 60)))[0] for _ in range(2))
    a = (q * np.geomspace(1e-3, 1, 60)) @ p
    b = rng.standard_normal(60).astype(np.float32)
    result = gmres(a.astype(np.float32), b, restart=60, rtol=1e-4)
    assert result.converged
    assert result.nit <= 62


def test_gmres_ends_happily():
    a = np.diag(np.repeat([1.0, 2.0, 3.0], 4)) + 0.5 * np.eye(12, k=4)
    result = gmres(a, np.r_[1.0, np.zeros(11)])
    assert (result.converged, result.nit) == (True, 1)
    result = gmres(np.eye(12), np.ones(12))
    assert (result.converged, result.nit) == (True, 1)


def test_gmres_on_singular_systems():
    a = np.diag([1.0, 2.0, 0.0])
    assert gmres(a, np.array([1.0, 1.0, 0.0])).converged
    result = gmres(a, np.ones(3))
    assert result.status is Status.SINGULAR
    np.testing.assert_allclose(result.x[:2], [1, 0.5])
    assert result.residual == pytest.approx(1)
    nilpotent = gmres(np.eye(5, k=1), np.eye(5)[4])
    assert nilpotent.status is Status.SINGULAR
    both = gmres(a, np.array([[1.0, 1, 0], [1, 1, 1]]))
    assert list(both.statuses) == [Status.CONVERGED, Status.SINGULAR]


def test_gmres_stagnates_where_the_cycle_is_too_short():
    shift, b = np.roll(np.eye(30), 1, axis=0), np.eye(30)[0]
    result = gmres(shift, b)
    assert result.status is Status.STAGNATED
    assert result.nit < 300
    assert gmres(shift, b, restart=30).converged


def test_gmres_with_a_preconditioner_tests_the_true_residual():
    a, b = upwind(), random(256)
    a = scipy.sparse.diags_array(np.geomspace(1, 1e4, 256)) @ a
    seen = []
    result = gmres(a, b, M=jacobi(a), callback=lambda p: seen.append((p.measures, p.x)))
    assert result.converged
    assert result.nit < gmres(a, b).nit
    for measures, x in seen:
        assert measures["residual"] == pytest.approx(np.linalg.norm(b - a @ x), rel=1e-3)


@pytest.mark.parametrize("restart", [0, 2.5, "long"])
def test_gmres_checks_restart(restart):
    with pytest.raises((TypeError, ValueError), match="restart must be"):
        gmres(np.eye(2), np.ones(2), restart=restart)
