"""What cg, minres, gmres and deflated_cg have in common."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from linalg_ml import Status, cg, deflated_cg, gmres, minres
from linalg_ml.krylov import jacobi
from linalg_ml.problems import conditioned, symmetric_with_eigenvalues
from linalg_ml.relaxation import ssor_cg
from tests.krylov.poisson import poisson

SOLVERS = {"cg": cg, "minres": minres, "gmres": gmres, "deflated_cg": deflated_cg}


@pytest.fixture(params=SOLVERS)
def solver(request):
    """Every solver; with few enough steps between restarts that gmres restarts."""
    if request.param == "deflated_cg":
        return lambda a, b, **options: deflated_cg(a, b, **{"subspace": 3, **options})
    return SOLVERS[request.param]


def system(n=24, condition=30.0, dtype=np.float64, rng=0):
    a = symmetric_with_eigenvalues(np.geomspace(1 / condition, 1, n), rng=rng, dtype=dtype)
    x = np.random.default_rng(rng).standard_normal(n)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * np.random.default_rng(rng + 1).standard_normal(n)
    return a, a @ x.astype(dtype), x


def residual(a, b, x):
    return np.linalg.norm(b - a @ x) / np.linalg.norm(b)


# Every array library -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_solves_with_every_library(xp, solver, dtype):
    if not xp.has_float64 and dtype == "float64":
        dtype = "float32"
    a, b, _ = system(dtype=dtype)
    rtol = 1e-10 if dtype == "float64" else 1e-5
    given_a, given_b = xp.array(a), xp.array(b)
    result = solver(given_a, given_b, rtol=rtol)
    assert result.converged
    xp.assert_like(result.x, given_b)
    assert residual(a, b, xp.to_numpy(result.x)) < 2 * rtol
    np.testing.assert_array_equal(xp.to_numpy(given_b), b)
    np.testing.assert_array_equal(xp.to_numpy(given_a), a)


def test_stacks_equal_loops(xp, solver):
    """One status, one residual, one solution for each right-hand side."""
    a, b, _ = system(dtype=np.float32)
    stack = np.stack([b, 0 * b, b[::-1], 1e-3 * b]).reshape(2, 2, -1)
    if xp.library == "jax":
        stack = stack[:1]  # most of the time goes into compiling
    result = solver(xp.array(a), xp.array(stack), rtol=1e-4)
    assert result.converged
    assert result.statuses.shape == result.residual.shape == stack.shape[:-1]
    for index in np.ndindex(*stack.shape[:-1]):
        alone = solver(xp.array(a), xp.array(stack[index]), rtol=1e-4)
        assert alone.status is result.statuses[index]
        difference = xp.to_numpy(result.x)[index] - xp.to_numpy(alone.x)
        scale = np.linalg.norm(xp.to_numpy(alone.x))
        assert np.linalg.norm(difference) <= 30 * 2e-4 * scale
    assert not np.any(xp.to_numpy(result.x)[0, 1])


def test_each_right_hand_side_may_have_its_matrix(xp, solver):
    made = [system(rng=k, condition=10.0**k, dtype=np.float32) for k in (0, 1, 2)]
    a, b = np.stack([m[0] for m in made]), np.stack([m[1] for m in made])
    result = solver(xp.array(a), xp.array(b), rtol=1e-4)
    assert result.converged
    for k in range(3):
        assert residual(a[k], b[k], xp.to_numpy(result.x)[k]) < 2e-4


@pytest.mark.parametrize("precision", ["fp16", "bf16", "tf32"])
def test_short_formats_meet_what_they_promise(solver, precision):
    a, b, _ = system(condition=3.0, dtype=np.float32)
    result = solver(a, b, precision=precision)
    assert result.converged
    promised = {"fp16": 1e-2, "bf16": 1e-1, "tf32": 1e-3}[precision]
    assert residual(a, b, result.x) <= promised * 1.001
    assert result.x.dtype == np.float32


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_short_formats_admit_what_they_cannot(solver, precision):
    a, b, _ = system(condition=1e3, dtype=np.float32)
    result = solver(a, b, precision=precision, rtol=1e-6)
    assert result.status in (Status.STAGNATED, Status.MAXITER)
    assert result.residual == pytest.approx(np.linalg.norm(b - a @ result.x), rel=1e-3)


# What A may be -----------------------------------------------------------------------------


@pytest.mark.parametrize("stacked", [False, True])
def test_kinds_of_operators(solver, stacked):
    a = poisson(8)
    b = np.random.default_rng(0).standard_normal((3, 64) if stacked else 64)
    expected = scipy.sparse.linalg.spsolve(a.tocsc(), b.T).T
    kinds = {
        "dense": a.toarray(),
        "csr": a,
        "csc": a.tocsc(),
        "int64": scipy.sparse.csr_array(
            (a.data, a.indices.astype(np.int64), a.indptr.astype(np.int64))
        ),
        "integers": a.astype(int),
        "linear operator": scipy.sparse.linalg.aslinearoperator(a),
        "function": lambda x: (a @ x.T).T,
    }
    for name, kind in kinds.items():
        result = solver(kind, b, rtol=1e-10)
        assert result.converged, name
        np.testing.assert_allclose(result.x, expected, rtol=1e-7, err_msg=name)


def test_the_same_in_every_format_of_M(solver):
    a, b = poisson(8), np.random.default_rng(0).standard_normal(64)
    a = a + scipy.sparse.diags_array(np.linspace(0, 50, 64))
    inverse = 1 / a.diagonal()
    kinds = [
        jacobi(a),
        jacobi(a.toarray()),
        np.diag(inverse),
        scipy.sparse.diags_array(inverse),
        scipy.sparse.linalg.aslinearoperator(scipy.sparse.diags_array(inverse)),
        lambda x: inverse * x,
    ]
    results = [solver(a, b, M=M, rtol=1e-8) for M in kinds]
    assert results[0].nit < solver(a, b, rtol=1e-8).nit
    for result in results:
        assert result.converged
        assert result.nit == results[0].nit
        assert result.counts["preconditions"] >= result.nit
        assert residual(a, b, result.x) < 1e-8


# Honesty ------------------------------------------------------------------------------------


def test_success_is_true_of_the_x_that_is_returned(solver):
    a, b = poisson(32).astype(np.float32), np.random.default_rng(0).standard_normal(1024)
    b = b.astype(np.float32)
    for rtol in (1e-4, 1e-5, 1e-6, 1e-7, 1e-12):
        result = solver(a, b, rtol=rtol)
        actual = np.linalg.norm(b.astype(float) - a.astype(float) @ result.x.astype(float))
        assert result.residual == pytest.approx(actual, rel=0.2)
        if result.converged:
            assert actual <= 1.2 * rtol * np.linalg.norm(b)
    assert result.status is Status.STAGNATED
    assert np.all(np.isfinite(result.x))


def test_an_fp64_system_in_fp32_is_tested_in_fp64(solver):
    a, b, _ = system()
    result = solver(a, b, precision="fp32", rtol=1e-12)
    assert result.status is Status.STAGNATED
    assert result.residual == pytest.approx(np.linalg.norm(b - a @ result.x), rel=1e-6)
    diagonal = np.diag(np.full(24, 1 / 3))  # solved without error in fp32, but not the one given
    assert not solver(diagonal, b, precision="fp32", rtol=1e-12).converged


def test_a_result_rounded_to_a_shorter_type_is_tested_as_rounded(solver):
    a, b, _ = system(dtype=np.float32)
    result = solver(a, b, precision="fp64", rtol=1e-12)
    assert result.status is Status.STAGNATED
    assert result.x.dtype == np.float32


def test_a_right_hand_side_of_zero_is_solved_by_zero(solver):
    a, b, _ = system()
    for x0 in (None, b):
        result = solver(a, 0 * b, x0=x0)
        assert result.converged
        assert result.nit == 0
        assert not np.any(result.x)


def test_nothing_to_do_for_an_exact_start(solver):
    a, b, _ = system()
    x0 = np.linalg.solve(a, b)
    result = solver(a, b, x0=x0)
    assert (result.converged, result.nit) == (True, 0)
    np.testing.assert_allclose(result.x, x0, atol=1e-10)


def test_a_start_saves_steps(solver):
    a, b = poisson(16), np.ones(256)
    near = scipy.sparse.linalg.spsolve(a.tocsc(), b) + 1e-4 * np.random.default_rng(0).random(256)
    assert solver(a, b, x0=near).nit < 0.7 * solver(a, b).nit
    kept = near.copy()
    solver(a, b, x0=near)
    np.testing.assert_array_equal(near, kept)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_input_that_is_not_finite(solver, bad):
    a, b, _ = system()
    wrong = b.copy()
    wrong[3] = bad
    assert solver(a, wrong).status is Status.NONFINITE_INPUT
    wrong = a.copy()
    wrong[2, 5] = wrong[5, 2] = bad
    assert solver(wrong, b).status is Status.NONFINITE_INPUT
    assert solver(scipy.sparse.csr_array(wrong), b).status is Status.NONFINITE_INPUT
    assert set(solver(wrong, np.stack([b, b])).statuses) == {Status.NONFINITE_INPUT}
    each = solver(np.stack([wrong, a]), np.stack([b, b]))
    assert list(each.statuses) == [Status.NONFINITE_INPUT, Status.CONVERGED]
    both = solver(a, np.stack([b, np.full_like(b, bad)]))
    assert list(both.statuses) == [Status.CONVERGED, Status.NONFINITE_INPUT]


def test_a_function_that_returns_nan_is_named(solver):
    result = solver(lambda x: x * np.nan, np.ones(4))
    assert result.status is Status.USER_FUNCTION


def test_atol_and_rtol_and_limits(solver):
    a, b = poisson(16), np.random.default_rng(0).standard_normal(256)
    size = np.linalg.norm(b)
    loose, tight = solver(a, b, rtol=1e-2), solver(a, b, rtol=0, atol=1e-6)
    assert loose.residual <= 1e-2 * size
    assert tight.residual <= 1e-6
    assert loose.nit < tight.nit
    cut = solver(a, b, maxiter=5)
    assert (cut.status, cut.nit) == (Status.MAXITER, 5)
    fixed = solver(a, b, steps=5)
    assert (fixed.status, fixed.nit) == (Status.FIXED_STEPS, 5)
    np.testing.assert_allclose(fixed.x, cut.x)
    assert "||b - A x||" in loose.criterion


def test_callback_and_history(solver):
    a, b = poisson(8), np.ones(64)
    seen = []
    result = solver(a, b, callback=lambda p: seen.append((p.nit, p.x)), history=True)
    assert [nit for nit, _ in seen] == list(range(1, result.nit + 1))
    assert len(result.history) == result.nit + 1
    for (_, x), record in zip(seen, result.history[1:], strict=True):
        assert np.linalg.norm(b - a @ x) == pytest.approx(record["residual"], rel=1e-6, abs=1e-12)
    assert solver(a, b, callback=lambda p: p.nit == 3).status is Status.STOPPED


# Invariance ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2.0**90, 2.0**-90])
def test_scaling_the_right_hand_side_scales_the_solution_exactly(solver, scale):
    a, b, _ = system(dtype=np.float32)
    plain, scaled = solver(a, b), solver(a, b * np.float32(scale))
    np.testing.assert_array_equal(scaled.x, plain.x * np.float32(scale))
    assert scaled.nit == plain.nit
    assert scaled.residual == pytest.approx(plain.residual * scale)


@pytest.mark.parametrize("scale", [2.0**90, 2.0**-90])
def test_scaling_both_changes_nothing(solver, scale):
    a, b, _ = system(dtype=np.float32)
    scale = np.float32(scale)
    plain, scaled = solver(a, b), solver(a * scale, b * scale)
    assert abs(scaled.nit - plain.nit) <= 1
    np.testing.assert_allclose(scaled.x, plain.x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_layouts(solver, order):
    a, b, _ = system()
    stack = np.array(np.stack([b, b[::-1]]), order=order)
    wide = np.zeros((48, 48))
    wide[::2, ::2] = a
    result = solver(wide[::2, ::2], stack)
    assert result.converged
    np.testing.assert_allclose(result.x @ a, stack, atol=1e-4 * np.linalg.norm(b))


def test_small_sizes(solver):
    assert solver(np.zeros((0, 0)), np.zeros(0)).converged
    assert solver(np.eye(3), np.zeros((0, 3))).x.shape == (0, 3)
    one = solver(np.array([[4.0]]), np.array([2.0]))
    assert one.nit <= 1
    assert one.x[0] == 0.5


# Wrong arguments ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"a": np.eye(3)}, ValueError, r"a must have shape \(4, 4\) to match b"),
        ({"b": np.ones((4, 2))}, ValueError, r"vectors are rows, \(..., 4\): pass b.T"),
        ({"a": np.ones((2, 4, 4))}, ValueError, "one for each right-hand side"),
        ({"a": "matrix"}, TypeError, "a must be a matrix"),
        ({"a": np.eye(4) * 1j}, TypeError, "convert those to complex"),
        ({"b": np.array(1.0)}, ValueError, r"b must have shape \(..., n\)"),
        ({"b": np.arange(4)}, TypeError, "b must hold floating-point"),
        ({"M": np.eye(3)}, ValueError, r"M must have shape \(4, 4\)"),
        ({"M": 3.0}, TypeError, "M must be a matrix"),
        ({"x0": np.ones(3)}, ValueError, r"x0 must have shape \(4,\)"),
        ({"rtol": -1.0}, ValueError, "rtol must be >= 0"),
        ({"atol": "small"}, TypeError, "atol must be a number"),
        ({"maxiter": 2.5}, TypeError, "maxiter must be an integer"),
        ({"steps": 3, "rtol": 1e-3}, ValueError, "excludes rtol"),
        ({"precision": "fp8"}, ValueError, "precision must be one of"),
        ({"callback": 3}, TypeError, "callback must be callable"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_wrong_arguments(solver, options, error, message):
    call = {"a": np.eye(4), "b": np.ones(4), **options}
    with pytest.raises(error, match=message):
        solver(call.pop("a"), call.pop("b"), **call)


def test_libraries_do_not_mix(solver):
    torch = pytest.importorskip("torch")
    a, b, _ = system()
    with pytest.raises(TypeError, match="a is a torch array"):
        solver(torch.tensor(a), b)
    with pytest.raises(TypeError, match="made from a numpy matrix"):
        solver(torch.tensor(a), torch.tensor(b), M=jacobi(a))
    with pytest.raises(TypeError, match="numpy sparse matrix"):
        solver(scipy.sparse.csr_array(a), torch.tensor(b))


def test_against_a_direct_solver_on_ill_conditioned_systems(solver):
    """Converged means a small residual, not more."""
    for seed in range(5):
        a = conditioned((30, 30), 1e6, rng=seed)
        a = a @ a.T + 1e-8 * np.eye(30)
        b = np.random.default_rng(seed).standard_normal(30)
        result = solver(a, b, rtol=1e-6, maxiter=3000)
        assert result.converged == (np.linalg.norm(b - a @ result.x) <= 1e-6 * np.linalg.norm(b))
        assert np.all(np.isfinite(result.x))


# What a residual that is not monotone, or cannot fall, is taken for --------------------------


def biharmonic(n):
    stencil = [1.0, -4.0, 6.0, -4.0, 1.0]
    return scipy.sparse.diags_array(stencil, offsets=[-2, -1, 0, 1, 2], shape=(n, n)).tocsr()


def test_the_residual_of_cg_may_rise_for_long():
    """With a condition of 2e7 it is above that of the start for more than n steps."""
    a, b = biharmonic(200), np.ones(200)
    steps = []
    _, info = scipy.sparse.linalg.cg(a, b, rtol=1e-5, callback=lambda x: steps.append(1))
    assert info == 0
    result = cg(a, b, maxiter=10**5)
    assert result.converged and abs(result.nit - len(steps)) < 0.1 * len(steps)
    assert ssor_cg(a, b, omega=1.0, history=True).converged


def test_cg_tells_growth_from_stagnation(rng):
    """An inconsistent semidefinite system: the iterate grows without bound."""
    a = biharmonic(50).toarray()
    a[0, :] = a[:, 0] = 0
    b = rng.standard_normal(50)
    result = cg(a, b, maxiter=10**4)
    assert result.status is Status.DIVERGED and result.residual < 1e40
    both = cg(a, np.stack([b, a @ b]), maxiter=10**4)
    assert both.statuses[0] is Status.DIVERGED and both.statuses[1] is not Status.DIVERGED
    assert minres(a, b, maxiter=10**4).status is Status.SINGULAR


def test_a_system_that_the_subspace_solves_is_solved():
    """What is left of the residual is rounding errors, of which r^H z may be negative."""
    for n in (10, 20, 30):
        for seed in range(5):
            b = np.random.default_rng(seed).standard_normal(n)
            result = deflated_cg(poisson(n, dimensions=1), b, subspace=n)
            assert result.converged and result.nit == 0, result


def test_an_operator_may_reuse_its_memory(solver):
    a, b, _ = system()
    memory = np.empty_like(b)
    result = solver(lambda x: np.matmul(a, x, out=memory), b, rtol=1e-10)
    assert result.converged and residual(a, b, result.x) < 2e-10


def test_shapes_are_compared_without_unknowns_too(solver):
    with pytest.raises(ValueError, match=r"a must have shape \(0, 0\)"):
        solver(np.eye(3), np.zeros(0))
