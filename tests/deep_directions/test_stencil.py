"""The Poisson operator of a grid against matrices assembled independently."""

import numpy as np
import pytest

from linalg_ml import cg
from linalg_ml.deep_directions import GridPoisson, open_cells
from tests.krylov.poisson import fluid, problem

CASES = [
    (points, dimensions, geometry)
    for points, dimensions in ((16, 2), (8, 3))
    for geometry in ("dirichlet", "box-dirichlet", "box-neumann")
]


def grid(points, dimensions, geometry):
    mask = np.ones((points,) * dimensions, bool)
    if geometry != "dirichlet":
        mask = fluid(points, dimensions)
    return GridPoisson(mask, solids="neumann" if geometry == "box-neumann" else "dirichlet")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_matrix_is_that_of_deleted_rows(case):
    matrix, _ = problem(*case, "rand")
    assert abs(grid(*case).tosparse() - matrix).max() == 0


@pytest.mark.parametrize("case", CASES, ids=str)
def test_products_on_every_library(case, xp):
    a = grid(*case)
    u = np.random.default_rng(0).standard_normal((2, *a.grid))
    expected = np.zeros_like(u)
    for k in range(2):
        expected[k][a.mask] = a.tosparse() @ u[k][a.mask]
    given = xp.array(u)
    found = a.apply(given)
    xp.assert_like(found, given)
    assert np.abs(xp.to_numpy(found) - expected).max() < 1e-5
    flat = a.matvec(xp.array(u.reshape(2, -1)))
    assert np.array_equal(xp.to_numpy(flat), xp.to_numpy(found).reshape(2, -1))


@pytest.mark.parametrize("solids", ["dirichlet", "neumann"])
@pytest.mark.parametrize("shape", [(5, 9), (4, 3, 6)])
def test_variable_coefficients(solids, shape):
    """Row sums are what the walls and Dirichlet solids add; the rest is a weighted Laplacian."""
    rng = np.random.default_rng(1)
    mask = np.ones(shape, bool)
    mask[2, 2] = False
    faces = [
        rng.uniform(0.1, 1, [s + (k == axis) for k, s in enumerate(shape)])
        for axis in range(len(shape))
    ]
    a = GridPoisson(mask, solids=solids, faces=faces)
    matrix = np.zeros((mask.size, mask.size))
    numbers = np.arange(mask.size).reshape(shape)
    for axis in range(len(shape)):
        weights = np.moveaxis(faces[axis], axis, 0)
        cells, inside = np.moveaxis(numbers, axis, 0), np.moveaxis(mask, axis, 0)
        for i in range(shape[axis] + 1):
            for index in np.ndindex(*weights.shape[1:]):
                c = weights[(i, *index)]
                sides = [(k, *index) for k in (i - 1, i) if 0 <= k < shape[axis]]
                open_sides = [side for side in sides if inside[side]]
                if len(open_sides) == 2:
                    one, other = (cells[side] for side in open_sides)
                    matrix[[one, other], [one, other]] += c
                    matrix[[one, other], [other, one]] -= c
                elif open_sides and (len(sides) == 1 or solids == "dirichlet"):
                    one = cells[open_sides[0]]
                    matrix[one, one] += c
    kept = mask.ravel()
    assert np.abs(a.tosparse().toarray() - matrix[kept][:, kept]).max() < 1e-14
    u = rng.standard_normal(shape)
    assert a.apply(u)[mask] == pytest.approx(matrix[kept][:, kept] @ u[mask])
    assert np.all(a.apply(u)[~mask] == 0)


def test_ones_as_faces_change_nothing():
    mask = fluid(16, 2)
    faces = [np.ones((17, 16)), np.ones((16, 17))]
    for solids in ("dirichlet", "neumann"):
        plain, same = (
            GridPoisson(mask, solids=solids),
            GridPoisson(mask, solids=solids, faces=faces),
        )
        assert abs(plain.tosparse() - same.tosparse()).max() == 0
        u = np.random.default_rng(0).standard_normal((16, 16))
        assert plain.apply(u) == pytest.approx(same.apply(u), abs=1e-14)


def test_other_solvers_take_it():
    a = grid(16, 2, "box-neumann")
    b = a.restrict(np.random.default_rng(2).standard_normal((16, 16)))
    result = cg(a, b.ravel(), rtol=1e-10)
    assert result.converged
    assert a.apply(result.x.reshape(16, 16)) == pytest.approx(b, abs=1e-8)


def test_values_in_solids_are_not_read(xp):
    a = grid(16, 2, "box-neumann")
    u = np.random.default_rng(3).standard_normal((16, 16)).astype(np.float32)
    expected = a.apply(u)
    u[~a.mask] = np.nan
    np.testing.assert_allclose(xp.to_numpy(a.apply(xp.array(u))), expected, atol=1e-5)


def test_arrays_of_another_shape_are_refused():
    a = grid(16, 2, "box-neumann")
    for function in (a.apply, a.restrict):
        for shape in ((16,), (16, 1), (8, 8), (16, 16, 2)):
            with pytest.raises(ValueError, match=r"u must have shape \(\.\.\., 16, 16\), got"):
                function(np.ones(shape))


def test_masks_that_are_refused():
    with pytest.raises(ValueError, match="mask must leave an open cell, but all 16 are solid"):
        GridPoisson(np.zeros((4, 4), bool))
    with pytest.raises(ValueError, match="2 or 3 dimensions"):
        GridPoisson(np.ones(4, bool))
    with pytest.raises(TypeError, match="mask must be boolean"):
        GridPoisson(np.full((4, 4), 0.5))
    with pytest.raises(ValueError, match="did you mean 'neumann'"):
        GridPoisson(np.ones((4, 4), bool), solids="Neuman")
    with pytest.raises(ValueError, match=r"faces\[1\] must have shape \(4, 5\)"):
        GridPoisson(np.ones((4, 4), bool), faces=[np.ones((5, 4)), np.ones((4, 4))])
    with pytest.raises(ValueError, match=r"faces must hold one array per axis, 2, got 1\.5"):
        GridPoisson(np.ones((4, 4), bool), faces=1.5)
    with pytest.raises(TypeError, match=r"faces\[0\] must hold real numbers, got dtype complex128"):
        GridPoisson(np.ones((4, 4), bool), faces=[1j * np.ones((5, 4)), np.ones((4, 5))])
    with pytest.raises(ValueError, match="not negative"):
        GridPoisson(np.ones((4, 4), bool), faces=[-np.ones((5, 4)), np.ones((4, 5))])


def test_pockets():
    """A pocket is singular between Neumann solids, and well posed between Dirichlet solids."""
    mask = np.ones((9, 9), bool)
    mask[2:7, 2:7] = False
    mask[4, 4:6] = True
    with pytest.raises(ValueError, match=r"encloses 2 open cells, the first at \(4, 4\)"):
        GridPoisson(mask, solids="neumann")
    assert GridPoisson(open_cells(mask), solids="neumann").unknowns == 81 - 25
    a = GridPoisson(mask)
    assert np.linalg.eigvalsh(a.tosparse().toarray())[0] > 0.1


def test_faces_that_cut_the_domain_off():
    faces = [np.ones((5, 4)), np.ones((4, 5))]
    for k in range(2):
        GridPoisson(np.ones((4, 4), bool), faces=faces)
        faces[k] = np.pad(np.ones((3, 4) if k == 0 else (4, 3)), [(1, 1), (0, 0)][:: 1 - 2 * k])
    with pytest.raises(ValueError, match="encloses 16 open cells"):
        GridPoisson(np.ones((4, 4), bool), faces=faces)
