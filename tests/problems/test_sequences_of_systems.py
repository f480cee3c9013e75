"""Grids, shifted systems and the heat equation, against definitions and published numbers."""

import numpy as np
import pytest
import scipy.sparse

from linalg_ml.problems import (
    HeatEquation,
    delsq,
    numgrid,
    shifted_systems,
    truncated_gaussian,
)


@pytest.mark.parametrize(("domain", "n", "points"), [("S", 12, 100), ("L", 32, 675), ("L", 11, 56)])
def test_number_of_points(domain, n, points):
    numbers = numgrid(domain, n)
    assert numbers.max() == points == delsq(numbers).shape[0]
    assert np.array_equal(np.sort(numbers[numbers > 0]), np.arange(1, points + 1))
    assert not numbers[[0, -1]].any() and not numbers[:, [0, -1]].any()
    flat = numbers.T[numbers.T > 0]
    assert np.array_equal(flat, np.sort(flat))  # column by column


def test_the_square_is_a_kronecker_sum():
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(10, 10))
    assert abs(delsq(numgrid("S", 12)) - scipy.sparse.kronsum(line, line)).max() == 0


def test_the_l_couples_neighbours_and_nothing_else():
    numbers = numgrid("L", 9)
    a = delsq(numbers)
    assert abs(a - a.T).max() == 0 and a.has_canonical_format
    for row, column in np.argwhere(numbers):
        around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        near = {int(numbers[place]) - 1 for place in around} - {-1}
        entries = a[[numbers[row, column] - 1]].tocoo()
        assert dict(zip(entries.col.tolist(), entries.data.tolist(), strict=True)) == {
            int(numbers[row, column]) - 1: 4.0,
            **dict.fromkeys(near, -1.0),
        }


def test_grids_that_make_no_sense():
    with pytest.raises(ValueError, match="domain must be one of"):
        numgrid("C", 12)
    with pytest.raises(ValueError, match="each of 1, 2"):
        delsq(np.array([[1, 1]]))
    with pytest.raises(ValueError, match="integers of shape"):
        delsq(np.ones((2, 2)))


@pytest.mark.parametrize(
    ("n", "norm"), [(100, 9.655422), (400, 19.915527), (2500, 49.888454), (10000, 99.809682)]
)
def test_truncated_gaussian(n, norm):
    b = truncated_gaussian(n, rng=0)
    assert np.linalg.norm(b) == pytest.approx(norm, abs=5e-7)
    np.testing.assert_allclose(b[:2], [0.12573022, -0.13210486], atol=5e-9)
    rng = np.random.default_rng(1)
    assert all(np.linalg.norm(truncated_gaussian(9, rng=rng)) <= 3 for _ in range(100))


SHIFTS = {
    (2, 6): (-0.08555227, 0.12543916, -0.03846738),
    (0.5, 1.5): (-0.11249822, -0.09276797, 0.18932915),
}
COUNTS = {1.0: (413, 111, 246), 1.6: (87, 41, 42)}  # for Beta(2, 6)


def sweeps(shifts, vectors, omega):
    """Count SOR sweeps to ||r|| < 1e-8 ||b|| for many systems at once, on 10 by 10 points."""
    x, b = np.zeros((12, 12, len(shifts))), np.zeros((12, 12, len(shifts)))
    b[1:-1, 1:-1] = np.transpose(vectors).reshape(10, 10, -1)
    diagonal, target = 4 + np.array(shifts), 1e-8 * np.linalg.norm(vectors, axis=1)
    counts, left, k = np.zeros(len(shifts), int), np.arange(len(shifts)), 0
    while left.size:
        k += 1
        for i in range(1, 11):
            for j in range(1, 11):
                around = x[i - 1, j] + x[i, j - 1] + x[i + 1, j] + x[i, j + 1]
                x[i, j] += omega * ((b[i, j] + around) / diagonal - x[i, j])
        around = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]
        r = b[1:-1, 1:-1] + around - diagonal * x[1:-1, 1:-1]
        done = np.einsum("ijk,ijk->k", r, r) < target**2
        counts[left[done]] = k
        if done.any():
            left, diagonal, target = left[~done], diagonal[~done], target[~done]
            x, b = x[..., ~done], b[..., ~done]
    return counts


@pytest.mark.parametrize("shape", SHIFTS)
def test_shifted_systems(shape):
    a = delsq(numgrid("S", 12))
    drawn = list(shifted_systems(a, 3, shape=shape, rng=1000))
    np.testing.assert_allclose([c for _, _, c in drawn], SHIFTS[shape], atol=5e-9)
    for matrix, b, c in drawn:
        assert abs(matrix - a - c * scipy.sparse.eye_array(100)).max() < 1e-15
        assert np.linalg.norm(b) <= 10
    assert np.all(a.diagonal() == 4)
    if shape == (2, 6):
        vectors = [b for _, b, _ in drawn]
        for omega, counts in COUNTS.items():
            assert sweeps(SHIFTS[shape], vectors, omega).tolist() == list(counts)


def test_mean_sweeps_over_the_published_sequence():
    drawn = list(shifted_systems(delsq(numgrid("S", 12)), 5000, rng=1000))
    counts = sweeps([c for _, _, c in drawn], [b for _, b, _ in drawn], 1.65)
    assert counts.mean() == pytest.approx(60.040, abs=1e-9)


def test_shifted_systems_need_a_whole_diagonal():
    with pytest.raises(ValueError, match="each diagonal entry once"):
        shifted_systems(scipy.sparse.csr_array([[0.0, 1.0], [1.0, 2.0]]), 1)
    with pytest.raises(ValueError, match=r"a must have shape \(n, n\), got shape \(2, 3\)"):
        shifted_systems(scipy.sparse.csr_array(np.ones((2, 3))), 1)
    with pytest.raises(ValueError, match="shape must hold two numbers, got 3"):
        shifted_systems(delsq(numgrid("S", 4)), 1, shape=3)


def test_heat_equation_step():
    equation = HeatEquation(8)
    line = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(7, 7))
    laplacian = scipy.sparse.kronsum(line, line).toarray() * 64
    u = np.random.default_rng(0).random(49)
    for step in (0, 260, 700, 4999):
        t = step / 1000
        middle = t + 0.0005
        kappa = max(0.1 * np.sin(2 * np.pi * middle), -10 * np.sin(2 * np.pi * middle))
        s = kappa * 0.0005
        centre = 0.5 + np.array([np.cos(16 * np.pi * middle), np.sin(16 * np.pi * middle)]) / 4
        f = np.zeros(49)
        for k in range(49):
            point = np.array([k // 7 + 1, k % 7 + 1]) / 8
            ratio = np.sum((point - centre) ** 2) * 64
            f[k] = 32 * np.exp(1 - 1 / (1 - ratio)) if ratio < 1 else 0
        a, b, context = equation(step, u)
        np.testing.assert_allclose(a.toarray(), np.eye(49) - s * laplacian, atol=1e-12)
        np.testing.assert_allclose(b, u + s * laplacian @ u + 0.001 * f, atol=1e-11)
        assert context == max(0.1 * np.sin(2 * np.pi * t), -10 * np.sin(2 * np.pi * t))
    assert equation(5000, u) is None
    assert equation.start[24] == 1.0 and equation.start.max() == 1.0  # the centre
    assert equation.start.min() == 0.0


def test_heat_equation_setting():
    assert HeatEquation(25)(0)[0].shape == (576, 576)
    low, high = HeatEquation(25).context_range
    assert low == 0.0 and 9.999 < high < 10
    assert HeatEquation(4, trough=0.01).kappa(0.25) == 0.01
    assert HeatEquation(4).kappa(0.75) == 10.0
    with pytest.raises(ValueError, match="cells must be at least 2"):
        HeatEquation(1)
