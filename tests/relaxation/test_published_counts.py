"""Spectra and iteration counts of the model problem, as they were computed independently."""

import numpy as np
import pytest

from linalg_ml import relaxation
from tests.relaxation.grids import laplacian, rhs

BETA = {10: 0.959492973614, 20: 0.988830826225, 50: 0.998103328737, 100: 0.999516282292}
BEST = {10: 1.560387921275, 20: 1.740580010739, 50: 1.884018136353, 100: 1.939676333190}
NAMES = ("ones", "tg", "sin")
# (points, omega): sweeps for each right-hand side to ||r|| < 1e-8 ||r_0||.
SOR = {
    (10, 0.5): (677, 609, 352),
    (10, 1.0): (223, 201, 131),
    (10, 1.6): (43, 41, 41),
    (10, 1.95): (383, 361, 361),
    (20, 0.5): (2451, 2021, 1256),
    (20, 1.0): (814, 673, 407),
    (20, 1.2): (540, 448, 264),
    (20, 1.4): (342, 285, 158),
    (20, 1.5): (262, 218, 106),
    (20, 1.7): (118, 100, 67),
    (20, 1.8): (93, 89, 89),
    (20, 1.9): (192, 180, 177),
    (20, "best"): (79, 71, 70),
    (50, 1.8): (499, 406, 189),
    (50, 1.9): (204, 197, 194),
    (50, "best"): (194, 173, 173),
    (100, 1.9): (917, 688, 258),
    (100, 1.95): (408, 400, 397),
    (100, "best"): (389, 342, 346),
}
SSOR_CG = {
    (10, 1.0): (13, 15, 15),
    (10, 1.95): (17, 20, 19),
    (20, 0.828427): (26, 31, 29),
    (20, 1.6): (17, 18, 17),
    (50, 1.0): (48, 61, 52),
    (50, 1.4): (36, 42, 38),
    (50, 1.8): (27, 28, 26),
    (50, 1.95): (38, 37, 35),
    (100, 1.7): (45, 53, 40),
    (100, 1.9): (40, 40, 32),
}


@pytest.mark.parametrize("points", BETA)
def test_spectra(points):
    a = relaxation.GridLaplacian((points, points))
    assert relaxation.jacobi_radius(a) == pytest.approx(BETA[points], abs=1e-11)
    assert relaxation.optimal_omega(a) == pytest.approx(BEST[points], abs=1e-11)
    estimate = relaxation.jacobi_radius(laplacian(points), rtol=1e-8)
    assert estimate == pytest.approx(BETA[points], abs=1e-10)
    rough = relaxation.optimal_omega(laplacian(points))
    assert 2 - rough == pytest.approx(2 - BEST[points], rel=1e-3)


@pytest.mark.parametrize(("points", "omega"), SOR)
def test_sweeps(points, omega):
    a = relaxation.prepare(laplacian(points))
    value = BEST[points] if omega == "best" else omega
    for name, expected in zip(NAMES, SOR[points, omega], strict=True):
        result = relaxation.sor(a, rhs(name, points), omega=value, rtol=1e-8)
        assert result.converged and abs(result.nit - expected) <= 1


@pytest.mark.parametrize(("points", "omega"), SSOR_CG)
def test_steps_of_ssor_cg(points, omega):
    a = relaxation.prepare(laplacian(points))
    for name, expected in zip(NAMES, SSOR_CG[points, omega], strict=True):
        result = relaxation.ssor_cg(a, rhs(name, points), omega=omega, rtol=1e-8)
        assert result.converged and abs(result.nit - expected) <= 1


def test_red_black_sweeps():
    for points, name, counts in (
        (50, "ones", (4893, 195, 203)),
        (50, "tg", (3999, 182, 174)),
        (100, "ones", (None, 1051, 412)),
        (100, "tg", (None, 825, 335)),
    ):
        a, b = relaxation.prepare(laplacian(points), ordering="multicolor"), rhs(name, points)
        assert a.bounds == (0, points**2 // 2, points**2)
        for omega, expected in zip((1.0, 1.9, BEST[points]), counts, strict=True):
            if expected:
                assert abs(relaxation.sor(a, b, omega=omega, rtol=1e-8).nit - expected) <= 1


def test_chebyshev_sweeps():
    for points, name, expected, constant in (
        (20, "ones", 73, 81),
        (20, "tg", 65, 69),
        (50, "ones", 183, 203),
        (50, "tg", 160, 174),
        (100, "ones", 372, 412),
        (100, "tg", 315, 335),
    ):
        a, b = relaxation.prepare(laplacian(points), ordering="multicolor"), rhs(name, points)
        grid = relaxation.GridLaplacian((points, points))
        for matrix in (a, grid):
            result = relaxation.chebyshev_sor(matrix, b, radius=BETA[points], rtol=1e-8)
            assert abs(result.nit - expected) <= 1
            assert result.omega == pytest.approx(BEST[points], abs=1e-3)
        assert relaxation.sor(grid, b, omega="young", rtol=1e-8).nit == pytest.approx(constant, 1)


def test_red_black_preconditioning_does_not_profit_from_omega():
    for omega, counts in ((1.0, (17, 32, 78)), (1.4, (20, 38, 92)), (1.8, (28, 54, 130))):
        for points, expected in zip((10, 20, 50), counts, strict=True):
            a = relaxation.prepare(laplacian(points), ordering="multicolor")
            b = rhs("tg", points)
            result = relaxation.ssor_cg(a, b, omega=omega, rtol=1e-8)
            assert abs(result.nit - expected) <= 1
            if points == 10:
                grid = relaxation.GridLaplacian((10, 10))
                again = relaxation.ssor_cg(grid, b, omega=omega, rtol=1e-8)
                assert abs(again.nit - expected) <= 1


def test_three_by_three():
    a, b = laplacian(3), np.ones(9)
    first = [0.3, 0.39, 0.417, 0.39, 0.534, 0.5853, 0.417, 0.5853, 0.65118]
    result = relaxation.sor(a, b, omega=1.2, steps=3, history=True)
    norms = [record["residual"] / 3 for record in result.history]
    assert norms == pytest.approx([1, 0.5237135599, 0.2607447869, 0.1053135968], abs=1e-9)
    assert relaxation.sor(a, b, omega=1.2, steps=1).x == pytest.approx(first, abs=1e-12)
    assert result.x[4] == pytest.approx(1.0969056, abs=1e-12)


def test_a_sequence_of_shifted_systems():
    """Sums of sweeps over shifts c = -0.15 + 0.6 Beta(2, 6), the published experiment's."""
    rng = np.random.default_rng(1000)
    a = relaxation.prepare(laplacian(10))
    shifts, counts = [], {1.0: [], 1.6: []}
    for _ in range(300):
        c = -0.15 + 0.6 * rng.beta(2, 6)
        b = rng.standard_normal(100)
        while np.linalg.norm(b) > 10:
            b = rng.standard_normal(100)
        shifts.append(c)
        for omega, seen in counts.items():
            result = relaxation.sor(a.shifted(c), b, omega=omega, rtol=1e-8, relative_to="initial")
            seen.append(result.nit)
    assert shifts[:3] == pytest.approx([-0.08555227, 0.12543916, -0.03846738], abs=1e-8)
    assert counts[1.0][:3] == [413, 111, 246] and counts[1.6][:3] == [87, 41, 42]
