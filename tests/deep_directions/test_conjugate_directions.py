"""The outer iteration: what it reproduces, what it guards against, what it refuses."""

import numpy as np
import pytest

from linalg_ml import Status, cg
from linalg_ml.deep_directions import GridPoisson, Model, deep_conjugate_directions
from linalg_ml.krylov import ic0

GRID = GridPoisson(np.ones((32, 32), bool))
RHS = np.random.default_rng(0).standard_normal((32, 32))


def identity(r):
    return r


def relative(result, b):
    return np.array([record["residual"] for record in result.history]) / np.linalg.norm(b)


def run(a, b, **options):
    return deep_conjugate_directions(a, b, **{"model": identity, **options})


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("n_orth", [0, 1, 2])
def test_the_identity_gives_steepest_descent_and_conjugate_gradients(n_orth, recompute):
    """Residuals after 10, 20 and 40 steps, as an independent implementation found them."""
    result = run(GRID, RHS, n_orth=n_orth, steps=40, history=True, recompute=recompute)
    expected = {0: (1.629228e-01, 1.022114e-01, 5.764228e-02)}.get(
        n_orth, (1.021181e-01, 4.278323e-02, 9.731422e-03)
    )
    assert relative(result, RHS)[[10, 20, 40]] == pytest.approx(expected, rel=1e-6)
    assert result.restarts == 0


@pytest.mark.parametrize("n_orth", [1, 2, 3, None])
def test_a_symmetric_linear_model_gives_preconditioned_cg(n_orth):
    matrix, b = GRID.tosparse(), RHS.ravel()
    m = ic0(matrix)
    reference = cg(matrix, b, M=m, steps=25, history=True)
    result = run(matrix, b, model=m.matvec, n_orth=n_orth, steps=25, history=True)
    assert relative(result, b) == pytest.approx(relative(reference, b), rel=1e-7)


def test_counts_with_an_incomplete_factor():
    matrix, b = GRID.tosparse(), RHS.ravel()
    m = ic0(matrix)
    counts = [run(matrix, b, model=m.matvec, n_orth=k, rtol=1e-6).nit for k in (0, 1, 2, 4, None)]
    assert counts == [199, 29, 29, 29, 29]


def test_longer_windows_help_a_noisy_model():
    """Published as an average over noise: 108, 74, 70, 48 steps for 1, 2, 4 and all directions."""
    matrix, b = GRID.tosparse(), RHS.ravel()
    m = ic0(matrix)
    rng = np.random.default_rng(1)

    def noisy(r):
        q = m.matvec(r)
        noise = rng.standard_normal(q.shape)
        return q + 0.3 * np.linalg.norm(q) / np.linalg.norm(noise) * noise

    counts = [run(matrix, b, model=noisy, n_orth=k, rtol=1e-6).nit for k in (1, 2, None)]
    assert counts[0] > counts[1] > counts[2]
    assert 0.7 * 108 < counts[0] < 1.3 * 108
    assert 0.7 * 48 < counts[2] < 1.3 * 48


def test_the_energy_norm_never_grows():
    rng = np.random.default_rng(2)
    matrix = GRID.tosparse()
    exact = np.linalg.solve(matrix.toarray(), RHS.ravel())
    energies = []

    def follow(progress):
        e = progress.x - exact
        energies.append(e @ (matrix @ e))

    run(matrix, RHS.ravel(), model=lambda r: rng.standard_normal(r.shape), maxiter=30, rtol=1e-9,
        callback=follow)  # fmt: skip
    assert np.all(np.diff(energies) <= 0)


def test_all_directions_kept_end_in_n_steps():
    rng = np.random.default_rng(3)
    q = rng.standard_normal((12, 12))
    a = q @ q.T + np.eye(12)
    b = rng.standard_normal(12)
    result = run(a, b, model=lambda r: rng.standard_normal(12), n_orth=None, rtol=1e-9)
    assert result.converged
    assert result.nit == 12


@pytest.mark.parametrize("scale", [1e-200, -3.0, 1e200])
def test_the_scale_and_sign_of_a_direction_do_not_matter(scale):
    result = run(GRID, RHS, model=lambda r: scale * r, rtol=1e-6)
    assert result.nit == run(GRID, RHS, rtol=1e-6).nit


@pytest.mark.parametrize(
    "useless",
    [
        lambda r: 0 * r,
        lambda r: np.full_like(r, np.nan),
        lambda r: np.full_like(r, np.inf),
        lambda r: r[::-1] * np.where(np.arange(len(r)) < len(r) // 2, 1, -1),
    ],
    ids=["zero", "nan", "inf", "orthogonal"],
)
def test_a_useless_model_leaves_steepest_descent(useless):
    matrix = GRID.tosparse()
    result = run(matrix, RHS.ravel(), model=useless, steps=20, history=True)
    assert relative(result, RHS)[20] == pytest.approx(1.022114e-01, rel=1e-6)
    assert result.restarts == 20


def test_one_bad_call_costs_little():
    calls = []

    def sometimes(r):
        calls.append(1)
        return r * np.nan if len(calls) == 10 else r

    result = run(GRID, RHS, model=sometimes, rtol=1e-6)
    assert result.converged
    assert result.restarts == 1
    assert result.nit < 1.5 * run(GRID, RHS, rtol=1e-6).nit


def test_matrices_that_are_not_positive_definite():
    b = np.ones(4)
    assert run(-np.eye(4), b).status is Status.BREAKDOWN
    assert run(np.diag([1.0, 1, 1, -1]), b).status is Status.BREAKDOWN
    assert run(np.zeros((4, 4)), b).status is Status.SINGULAR


def test_a_function_that_returns_nan():
    result = run(lambda x: np.nan * x, np.ones(4))
    assert result.status is Status.USER_FUNCTION
    assert result.criterion == "a(x) returned NaN or infinity for a finite x"


def test_an_indefinite_matrix_that_each_residual_hides():
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    a = (q * np.r_[-np.geomspace(1, 10, 13), np.geomspace(0.5, 20, 27)]) @ q.T
    result = run((a + a.T) / 2, rng.standard_normal(40))
    assert result.status is Status.DIVERGED


def test_a_residual_above_its_least_while_the_energy_falls():
    a, b = np.diag(np.geomspace(1e-9, 1, 40)), np.ones(40)
    assert cg(a, b, rtol=1e-8, maxiter=1000).converged
    assert run(a, b, rtol=1e-8).converged


def test_a_singular_matrix():
    """The Laplacian of a path: solved where the right-hand side sums to zero, else not."""
    path = np.diag([1.0, 2, 2, 1]) - np.diag(np.ones(3), 1) - np.diag(np.ones(3), -1)
    b = np.array([1.0, -2, 3, -2])
    result = run(path, b, rtol=1e-10)
    assert result.converged
    assert path @ result.x == pytest.approx(b)
    assert not run(path, b + 1, rtol=1e-10).success


def test_a_stack_equals_a_loop():
    rng = np.random.default_rng(4)
    matrix = GRID.tosparse()
    m = ic0(matrix)
    b = rng.standard_normal((3, 1024)) * np.array([[1.0], [1e-30], [0]])
    both = run(matrix, b, model=m.matvec, rtol=1e-8)
    assert both.converged
    for k in range(3):
        one = run(matrix, b[k], model=m.matvec, rtol=1e-8)
        assert both.x[k] == pytest.approx(one.x, rel=1e-6, abs=1e-8 * np.abs(b[k]).max())


def test_every_array_library(xp):
    a, rhs = GridPoisson(np.ones((9, 9), bool)), RHS[:9, :9]
    b = xp.array(np.stack([rhs, 2 * rhs]))
    result = run(a, b)
    assert result.converged
    xp.assert_like(result.x, b)
    expected = np.linalg.solve(a.tosparse().toarray(), rhs.ravel()).reshape(9, 9)
    assert np.abs(xp.to_numpy(result.x)[1] - 2 * expected).max() < 1e-4 * np.abs(expected).max()


def test_shapes_of_a_grid():
    for shape in ((1024,), (1, 1024), (1, 32, 32)):
        result = run(GRID, RHS.reshape(shape), x0=RHS.reshape(shape))
        assert result.x.shape == shape
        assert result.converged
    with pytest.raises(
        ValueError, match=r"b must have shape \(\.\.\., 32, 32\) or \(\.\.\., 1024\)"
    ):
        run(GRID, np.ones((32, 31)))


def test_values_in_solids_are_not_read():
    mask = np.ones((16, 16), bool)
    mask[4:8, 5:9] = False
    a = GridPoisson(mask)
    b = np.random.default_rng(5).standard_normal((16, 16))
    result = run(a, np.where(mask, b, np.nan), rtol=1e-9)
    assert result.converged
    assert np.all(result.x[~mask] == 0)
    assert a.tosparse() @ result.x[mask] == pytest.approx(b[mask], abs=1e-7)


def test_a_model_is_prepared_for_its_operator():
    class Diagonal(Model):
        def __init__(self):
            self.seen = []

        def prepare(self, operator):
            self.seen.append(operator)
            return lambda r: r / np.where(operator.mask, operator.diagonal, 1)

    model = Diagonal()
    assert run(GRID, RHS, model=model).converged
    assert model.seen == [GRID]


def test_what_is_refused():
    with pytest.raises(ValueError, match="a must be symmetric"):
        run(np.triu(np.ones((4, 4))) + np.eye(4), np.ones(4))
    with pytest.raises(ValueError, match="must return the shape of r"):
        run(GRID, RHS, model=lambda r: r[:-1])
    with pytest.raises(TypeError, match="must return a numpy array, got list"):
        run(GRID, RHS, model=lambda r: [1.0])
    with pytest.raises(
        TypeError, match="model must be one of 'multigrid', 'network' or a callable"
    ):
        run(GRID, RHS, model=3)
    with pytest.raises(TypeError, match="or a callable, got the class Model"):
        run(GRID, RHS, model=Model)
    with pytest.raises(ValueError, match="did you mean 'multigrid'"):
        run(GRID, RHS, model="multgrid")
    with pytest.raises(ValueError, match="n_orth must be at least 0"):
        run(GRID, RHS, n_orth=-1)


def test_right_hand_sides_at_the_edge():
    assert np.all(run(GRID, 0 * RHS).x == 0)
    assert run(GRID, 0 * RHS).converged
    assert run(GRID, RHS * np.nan).status is Status.NONFINITE_INPUT
    assert run(GRID, np.ones((0, 32, 32))).x.shape == (0, 32, 32)
    assert run(GRID, RHS * 1e300, rtol=1e-6).converged
    assert run(GridPoisson(np.ones((1, 1), bool)), np.ones((1, 1))).x[0, 0] == 0.25
    before = RHS.copy()
    RHS.setflags(write=False)
    run(GRID, RHS, x0=RHS)
    assert np.array_equal(RHS, before)


@pytest.mark.parametrize("model", [identity, "multigrid"])
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_right_hand_sides_on_a_grid(model, dtype):
    """The matrix is real, so real and imaginary parts are two systems."""
    b = (RHS + 1j * RHS[::-1]).astype(dtype)
    result = run(GRID, b, model=model)
    assert result.converged
    assert result.x.dtype == dtype
    for part in ("real", "imag"):
        alone = run(GRID, np.ascontiguousarray(getattr(b, part)), rtol=1e-6).x
        np.testing.assert_allclose(getattr(result.x, part), alone, atol=1e-3 * np.abs(alone).max())
