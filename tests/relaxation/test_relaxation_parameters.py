"""Omega found during the solve, and the surrogates of the theory, against dense references."""

import numpy as np
import pytest
import scipy.sparse

from linalg_ml import Status, relaxation
from linalg_ml.relaxation import GridLaplacian, sor, surrogates
from tests.relaxation.grids import laplacian, rhs, unstructured

BETA = 0.9594929736144974
RTOL = 1e-8


def model():
    return laplacian(10).toarray()


@pytest.mark.parametrize("ordering", ["natural", "multicolor"])
@pytest.mark.parametrize("points", [10, 20, 50])
def test_adaptive_omega_is_near_the_best(points, ordering):
    a = relaxation.prepare(laplacian(points), ordering=ordering)
    best = relaxation.optimal_omega(a)
    for name in ("ones", "tg", "sin"):
        b = rhs(name, points)
        known = sor(a, b, omega=best, rtol=RTOL).nit
        result = sor(a, b, omega="adaptive", rtol=RTOL)
        assert result.converged and result.nit <= 1.4 * known + 10
        assert 1 < result.omega <= 2 - 0.7 * (2 - best)


@pytest.mark.parametrize(
    ("precision", "rtol"), [("bf16", 1e-2), ("fp16", 1e-3), ("fp32", 1e-7), ("fp64", 1e-15)]
)
@pytest.mark.parametrize("kind", ["csr", "full", "grid"])
def test_adaptive_omega_is_not_led_astray_by_rounding(precision, rtol, kind):
    """At the limit of the precision the residual tells nothing: omega stays, and the sweeps end."""
    a = laplacian(16)
    b = np.random.default_rng(0).standard_normal(256)
    b = b if precision == "fp64" else b.astype(np.float32)
    given = {"csr": a, "full": a.toarray().astype(b.dtype), "grid": GridLaplacian((16, 16))}[kind]
    best = relaxation.optimal_omega(a)
    result = sor(given, b, omega="adaptive", precision=precision, rtol=rtol)
    assert result.status is Status.STAGNATED or result.converged
    assert result.nit < 10000 and result.omega < best + 0.5 * (2 - best)
    known = sor(given, b, omega=best, precision=precision, rtol=rtol)
    assert result.residual < 4 * known.residual


def test_adaptive_omega_in_chunks():
    """However often somebody looks, the sweeps are the same."""
    a, b = laplacian(12), rhs("tg", 12)
    expected = sor(a, b, omega="adaptive", rtol=RTOL)
    for options in ({"check_every": 1}, {"check_every": 7}, {"history": True}):
        result = sor(a, b, omega="adaptive", rtol=RTOL, **options)
        assert result.nit == expected.nit and np.array_equal(result.x, expected.x)
    fixed = sor(a, b, omega="adaptive", steps=expected.nit)
    assert np.array_equal(fixed.x, expected.x)


def test_adaptive_omega_where_theory_is_silent(rng):
    b = rng.standard_normal(60)
    for a in (unstructured(), scipy.sparse.csr_array(np.diag(rng.random(60) + 1))):
        assert sor(a, b, omega="adaptive", rtol=1e-9).nit <= sor(a, b, rtol=1e-9).nit + 8


def test_adaptive_omega_over_shifts_of_the_published_experiment():
    """Every fixed omega takes more than 59 sweeps on the average, Young's 42."""
    rng = np.random.default_rng(1000)
    a, counts = relaxation.prepare(laplacian(10)), []
    for _ in range(400):
        c = -0.15 + 0.6 * rng.beta(2, 6)
        b = rng.standard_normal(100)
        while np.linalg.norm(b) > 10:
            b = rng.standard_normal(100)
        counts.append(sor(a.shifted(c), b, omega="adaptive", rtol=RTOL).nit)
    assert np.mean(counts) < 53


def test_radius_of_sor():
    for omega, expected in ((1.0, 0.97778640), (1.5, 0.93168974), (1.7, 0.84791371), (1.9, 0.9)):
        beta = GridLaplacian((20, 20)).jacobi_radius
        assert surrogates.sor_radius(omega, beta) == pytest.approx(expected, abs=1e-8)
    for omega in (0.5, 1.0, 1.4, 1.7, 1.95):
        for way in ("forward", "backward"):
            values = np.linalg.eigvals(surrogates.defect_matrix(model(), omega, way))
            assert np.abs(values).max() == pytest.approx(
                float(surrogates.sor_radius(omega, BETA)), abs=1e-10
            )


def test_defect_matrices_reduce_residuals():
    a, b = laplacian(5), rhs("tg", 5)
    for way in ("forward", "backward", "symmetric"):
        c = surrogates.defect_matrix(a, 1.3, way)
        x = sor(a, b, omega=1.3, sweep=way, steps=3).x
        np.testing.assert_allclose(b - a @ x, np.linalg.matrix_power(c, 3) @ b, atol=1e-13)


def test_near_asymptotic_surrogate():
    a, b = laplacian(10), rhs("tg", 10)
    omegas = np.append(np.arange(1, 2, 0.03), relaxation.young(BETA))
    counts = [sor(a, b, omega=omega, rtol=RTOL).nit for omega in omegas]
    taus = [surrogates.asymptocity(a, *pair, BETA) for pair in zip(omegas, counts, strict=True)]
    assert np.argmax(taus) == len(omegas) - 1  # at Young's omega, where C is defective
    tau = max(taus)
    assert tau == pytest.approx(0.189516, abs=1e-6)
    bound, lipschitz = surrogates.surrogate_bound(1.99, BETA, tau, RTOL)
    values = surrogates.sweeps_surrogate(omegas, BETA, tau, RTOL)
    assert (counts < values).all() and (values <= bound * (1 + 1e-12)).all()
    fine = np.linspace(relaxation.young(BETA), 1.99, 1000)
    slopes = np.diff(surrogates.sweeps_surrogate(fine, BETA, tau, RTOL)) / np.diff(fine)
    assert slopes.min() >= 0 and slopes.max() <= lipschitz
    at = [1.0, 1.2, 1.4, 1.6, 1.7, 1.8, 1.95]
    assert surrogates.sweeps_surrogate(at, BETA, tau, RTOL) == pytest.approx(
        [278.03, 181.45, 108.62, 48.01, 67.12, 105.16, 446.29], abs=6e-3
    )
    assert surrogates.sweeps_asymptotic(at, BETA, RTOL) == pytest.approx(
        [222.74, 144.43, 85.36, 36.06, 51.65, 82.55, 359.12], abs=6e-3
    )


def test_energy_norm_and_the_error_in_its_published_bound():
    a = model()
    strict = surrogates.strict_radius(a)
    assert strict == pytest.approx(0.243882, abs=1e-6)
    root = np.linalg.cholesky(a).T
    for omega in np.arange(0.3, 2, 0.05):
        w = np.diag(np.diag(a)) / omega + np.tril(a, -1)
        m = np.eye(100) - np.linalg.solve(w, a)
        true = np.linalg.norm(root @ m @ np.linalg.inv(root), 2)
        assert true <= surrogates.energy_norm(omega, BETA, strict) <= true + 0.03
        published = surrogates.energy_norm(omega, BETA, strict, published=True)
        assert (published < true) == (omega > 1.73)
    at = [1.0, 1.6, 1.9, 1.95]
    assert surrogates.energy_norm(at, BETA, strict) == pytest.approx(
        [0.926048, 0.842141, 0.948405, 0.974527], abs=1e-6
    )
    nu = surrogates.energy_norm([1.0, 1.4, 1.7, 1.95], BETA, strict, published=True)
    assert surrogates.sweeps_energy(nu, 48.374150, RTOL) == pytest.approx(
        [274.0, 144.6, 128.0, 579.5], abs=0.06
    )


def test_surrogate_of_ssor_cg():
    a = laplacian(10)
    mu, nu, condition = surrogates.ssor_constants(a)
    assert (mu, nu) == pytest.approx((24.687075039, -0.003522141637), abs=1e-8)
    assert condition == pytest.approx(48.374150, abs=1e-6)
    best = surrogates.optimal_cg_omega(mu, nu)
    assert best == pytest.approx(1.558086963609, abs=1e-9)
    omegas = np.array([0.828427, 1.0, 1.4, 1.6, 1.8, 1.9])
    bounds = surrogates.ssor_condition(omegas, mu, nu)
    assert bounds == pytest.approx(
        [9.57926, 7.16825, 4.30349, 4.02885, 5.65405, 10.25791], abs=1e-5
    )
    steps = surrogates.cg_surrogate(omegas, mu, nu, condition, RTOL)
    assert steps == pytest.approx([32.41, 27.82, 21.03, 20.25, 24.48, 33.59], abs=6e-3)
    grid = np.linspace(0.9, 1.9, 2001)
    least = grid[np.argmin(surrogates.cg_surrogate(grid, mu, nu, condition, RTOL))]
    assert least == pytest.approx(best, abs=1e-3)
    true = [9.37822, 6.88557, 3.67744, 3.08978, 4.84520, 7.99217]
    for omega, expected, bound in zip(omegas, true, bounds, strict=True):
        preconditioned = np.eye(100) - surrogates.defect_matrix(a, omega, "symmetric")
        values = np.linalg.eigvals(preconditioned).real
        assert values.min() > 0 and values.max() <= 1 + 1e-12
        assert values.max() / values.min() == pytest.approx(expected, rel=1e-5) and expected < bound


def test_radius_of_other_matrices(rng):
    for dtype in (np.float64, np.complex128, np.float32):
        a = unstructured(dtype=dtype)
        root = np.sqrt(a.diagonal().real)
        expected = 1 - np.linalg.eigvalsh(a.toarray() / np.outer(root, root))[0]
        for matrix in (a, a.toarray()):
            value = relaxation.jacobi_radius(matrix, rtol=1e-6)
            assert value == pytest.approx(expected, abs=1e-5)
    assert relaxation.jacobi_radius(np.diag([1.0, 2.0, 3.0])) == pytest.approx(0, abs=1e-12)
    assert relaxation.optimal_omega(np.eye(1)) == pytest.approx(1)
    with pytest.raises(ValueError, match="one matrix of shape"):
        relaxation.optimal_omega(np.stack([np.eye(3)] * 2))
