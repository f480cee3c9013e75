"""SOR on full matrices and on grids, for every array library."""

import numpy as np
import pytest

from linalg_ml import Status, relaxation
from linalg_ml.relaxation import GridLaplacian, sor
from tests.relaxation.grids import laplacian, sweep, unstructured

WAYS = {"forward": [range(12)], "backward": [range(11, -1, -1)]}
WAYS["symmetric"] = WAYS["forward"] + WAYS["backward"]


def tolerance(array):
    return 1e-11 if str(array.dtype).endswith("64") else 3e-5


@pytest.mark.parametrize("way", WAYS)
def test_full_matrices(xp, rng, way):
    a = unstructured(12).toarray()
    b = rng.standard_normal(12)
    x = np.zeros(12)
    for order in WAYS[way] * 2:
        x = sweep(a, b, x, 1.3, order)
    given = xp.array(a), xp.array(b)
    result = sor(*given, omega=1.3, sweep=way, steps=2)
    xp.assert_like(result.x, given[1])
    np.testing.assert_allclose(xp.to_numpy(result.x), x, atol=tolerance(given[1]))
    np.testing.assert_array_equal(xp.to_numpy(given[0]), a.astype(xp.to_numpy(given[0]).dtype))
    result = sor(*given, omega=1.1, sweep=way, rtol=1e-4)
    assert result.converged
    assert np.linalg.norm(b - a @ xp.to_numpy(result.x)) <= 1.01e-4 * np.linalg.norm(b)


def test_stacks_of_full_matrices(xp, rng):
    if xp.library == "jax":
        pytest.skip("compiling takes long")
    a = np.stack([unstructured(12, seed=seed).toarray() for seed in range(3)])
    b = rng.standard_normal((3, 12))
    a[1, 2, 2] = np.nan
    result = sor(xp.array(a), xp.array(b), omega=1.2, rtol=1e-4)
    assert list(result.statuses) == [Status.CONVERGED, Status.NONFINITE_INPUT, Status.CONVERGED]
    for index in (0, 2):
        alone = sor(xp.array(a[index]), xp.array(b[index]), omega=1.2, steps=result.nit)
        np.testing.assert_allclose(
            xp.to_numpy(result.x)[index], xp.to_numpy(alone.x), atol=tolerance(alone.x)
        )


def test_full_and_sparse_agree(rng):
    a, b = unstructured(40, np.complex128), rng.standard_normal(40) + 0j
    for omega in (0.8, 1.3, "adaptive", "young"):
        full, sparse = (sor(m, b, omega=omega, rtol=1e-10) for m in (a.toarray(), a))
        assert full.nit == sparse.nit and full.omega == pytest.approx(sparse.omega)
        np.testing.assert_allclose(full.x, sparse.x, rtol=1e-10)
    made = relaxation.prepare(a.toarray())
    shifted = sor(made.shifted(0.5), b, rtol=1e-10)
    expected = np.linalg.solve(a.toarray() + 0.5 * np.eye(40), b)
    np.testing.assert_allclose(shifted.x, expected, rtol=1e-8)
    again = relaxation.ssor_cg(made, b, omega=1.2, rtol=1e-10)
    assert again.nit == relaxation.ssor_cg(a, b, omega=1.2, rtol=1e-10).nit


@pytest.mark.parametrize(("grid", "way"), [((5, 4), "forward"), ((3, 4, 5), "symmetric")])
def test_grids(xp, rng, grid, way):
    if xp.library == "jax" and len(grid) == 3:
        pytest.skip("compiling takes long")
    a = GridLaplacian(grid, shift=0.3)
    n = a.shape[0]
    matrix = a.matvec(np.eye(n))
    b = rng.standard_normal((2, n))
    colors = np.indices(grid).sum(axis=0).ravel() % 2
    order = np.argsort(colors, kind="stable")
    x = np.zeros((2, n))
    for k in range(2):
        for points in [order] * 2 if way == "forward" else [order, order[::-1]] * 2:
            x[k] = sweep(matrix, b[k], x[k], 1.4, points)
    given = xp.array(b)
    result = sor(a, given, omega=1.4, sweep=way, steps=2)
    xp.assert_like(result.x, given)
    np.testing.assert_allclose(xp.to_numpy(result.x), x, atol=tolerance(given))
    one = xp.array(b[0])
    result = sor(a, one, omega=1.2, rtol=1e-4, sweep=way)
    xp.assert_like(result.x, one)
    assert result.converged
    np.testing.assert_allclose(matrix @ xp.to_numpy(result.x), b[0], atol=1e-3)


def test_grids_are_laplacians():
    for points, dimensions in ((4, 2), (3, 3), (7, 1)):
        a = GridLaplacian((points,) * dimensions)
        expected = laplacian(points, dimensions).toarray()
        np.testing.assert_array_equal(a.matvec(np.eye(a.shape[0])), expected)
        shifted = a.shifted(0.5)
        values = np.linalg.eigvalsh(expected + 0.5 * np.eye(a.shape[0]))
        assert shifted.jacobi_radius == pytest.approx(1 - values[0] / shifted.center)
    assert repr(GridLaplacian((4, 5), 0.5)) == "GridLaplacian((4, 5), shift=0.5)"
    with pytest.raises(ValueError, match="diagonal zero"):
        GridLaplacian((4, 4), -4.0)
    with pytest.raises(ValueError, match="grid must be at least 1"):
        GridLaplacian((4, 0))
    with pytest.raises(ValueError, match=r"a must have shape \(9, 9\)"):
        sor(GridLaplacian((4, 4)), np.ones(9))
    assert sor(GridLaplacian((4, 4), -3.0), np.ones(16), omega="young").status is Status.DIVERGED


@pytest.mark.parametrize("precision", ["fp16", "bf16", "fp32", "tf32"])
def test_short_formats(xp, rng, precision):
    if xp.library == "jax":
        pytest.skip("compiling takes long")
    b = rng.standard_normal(16)
    a = GridLaplacian((4, 4), 1.0)
    full = xp.array(a.matvec(np.eye(16)), "float32")
    given = xp.array(b, "float32")
    for matrix in (a, full):
        result = sor(matrix, given, omega=1.1, rtol=2e-1, precision=precision)
        xp.assert_like(result.x, given)
        assert result.converged and precision in result.precision
        if precision == "bf16":
            assert not (xp.to_numpy(result.x).view(np.uint32) & 0xFFFF).any()


def test_libraries_are_not_mixed():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="numpy matrix"):
        sor(laplacian(3), torch.ones(9))
    with pytest.raises(ValueError, match="sparse matrix or a NumPy array"):
        sor(torch.eye(3), torch.ones(3), ordering="multicolor")
