"""Square roots and inverse p-th roots: accuracy, outcomes, and the identity that ties them."""

import mpmath
import numpy as np
import pytest
import scipy.linalg

import linalg_ml as la
from linalg_ml import Status, inverse_root, signm, sqrtm
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions import (
    QDWH,
    DenmanBeavers,
    EighInverseRoot,
    EighRoot,
    GramPolarExpress,
    InverseNewton,
    PlannedPolar,
    SvdPolar,
)
from linalg_ml.matrix_functions.inverse_root_methods import best_polynomial, root_polynomials
from linalg_ml.matrix_functions.inverse_roots import INVERSE_ROOT_METHODS
from linalg_ml.matrix_functions.minimax import minimax_polynomial
from linalg_ml.matrix_functions.polynomial_methods import PolarExpress, row
from linalg_ml.matrix_functions.root_problem import CoupledRootProblem, Pair
from linalg_ml.matrix_functions.roots import POSITIVE_METHODS
from linalg_ml.problems import haar, symmetric_with_eigenvalues, with_eigenvalues

EPS = np.finfo(np.float64).eps
norm = np.linalg.norm


def positive(condition, n=32, **kwargs):
    return symmetric_with_eigenvalues(np.geomspace(1 / condition, 1, n), rng=0, **kwargs)


def power(a, exponent):
    w, v = np.linalg.eigh(a)
    return (v * w**exponent) @ v.conj().T


def rotated(n=24, spread=1.2, rng=0):
    """Return a nonsymmetric matrix with complex eigenvalues off the negative axis."""
    rng = np.random.default_rng(rng)
    angles = np.linspace(0.1, spread * np.pi / 2, n // 2)
    blocks = [
        r * np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
        for r, t in zip(np.geomspace(0.1, 1, n // 2), angles, strict=True)
    ]
    v = haar(n, rng=rng) @ np.diag(np.geomspace(1, 5, n)) @ haar(n, rng=rng)
    return v @ scipy.linalg.block_diag(*blocks) @ np.linalg.inv(v)


# Square roots of positive definite matrices ------------------------------------------------


@pytest.mark.parametrize("condition", [1, 1e4, 1e8, 1e14])
@pytest.mark.parametrize("method", ["polar-express", "newton-schulz"])
def test_cholesky_form_is_backward_stable(method, condition):
    a = positive(condition)
    result = sqrtm(a, method=method)
    assert result.converged
    assert result.residual == pytest.approx(norm(result.x @ result.x - a) / norm(a), rel=0.5)
    assert norm(result.x @ result.x - a) < 16 * 32**0.5 * EPS * norm(a)
    np.testing.assert_array_equal(result.x, result.x.T)
    assert np.linalg.eigvalsh(result.x)[0] > 0
    assert norm(result.inverse @ a @ result.inverse - np.eye(32)) < 100 * EPS * condition


@pytest.mark.parametrize("condition", [1, 1e4, 1e8, 1e14])
@pytest.mark.parametrize(
    ("method", "form"),
    [("polar-express", "coupled"), ("newton-schulz", "coupled"), ("newton", None)],
)
def test_coupled_forms_lose_the_condition_of_the_root(method, form, condition):
    a = positive(condition)
    result = sqrtm(a, method=method, form=form)
    residual = norm(result.x @ result.x - a) / norm(a)
    if method == "newton" and condition == 1e14:
        assert result.status is Status.STAGNATED
        return
    assert result.converged
    assert residual < 4 * EPS * 32 * condition**0.5
    assert norm(result.inverse @ a @ result.inverse - np.eye(32)) < 200 * EPS * condition


def test_paper_size_example():
    """n = 64, eigenvalues from 1e-4 to 1: 6.8e-15 for the root, 6.5e-14 for the inverse."""
    a = positive(1e4, 64)
    result = sqrtm(a, form="coupled", steps=9, rcond=1e-4)
    assert norm(result.x @ result.x - a) / norm(a) < 3 * 6.8e-15
    assert norm(result.inverse @ a @ result.inverse - np.eye(64)) / 8 < 3 * 6.5e-14
    assert result.counts["products"] == 4 * 9 - 2  # at first Z is the identity


@pytest.mark.parametrize("form", ["cholesky", "coupled"])
def test_against_many_digits(form):
    a = positive(1e3, 8)
    with mpmath.workdps(50):
        reference = np.array(mpmath.sqrtm(mpmath.matrix(a)).tolist(), dtype=float)
        inverse = np.array((mpmath.sqrtm(mpmath.matrix(a)) ** -1).tolist(), dtype=float)
    result = sqrtm(a, form=form)
    assert norm(result.x - reference) / norm(reference) < 1e-14
    assert norm(result.inverse - inverse) / norm(inverse) < 1e-12


@pytest.mark.parametrize("method", sorted(POSITIVE_METHODS))
def test_positive_methods_agree_with_scipy(method):
    a = positive(50, 12)
    result = sqrtm(a, method=method)
    assert result.converged
    np.testing.assert_allclose(result.x, scipy.linalg.sqrtm(a), atol=1e-12)
    np.testing.assert_allclose(result.inverse, power(a, -0.5), atol=1e-11)


def test_degrees():
    a = positive(1e4)
    for degree in (3, 7, 9):
        for form in ("cholesky", "coupled"):
            result = sqrtm(a, degree=degree, form=form)
            assert result.converged
            np.testing.assert_allclose(result.x, power(a, 0.5), atol=1e-11)


@pytest.mark.parametrize("form", ["cholesky", "coupled"])
def test_complex_hermitian(form):
    a = positive(100, 12, dtype=np.complex128)
    result = sqrtm(a, form=form)
    assert result.converged
    np.testing.assert_allclose(result.x, power(a, 0.5), atol=1e-13)
    np.testing.assert_allclose(result.inverse, power(a, -0.5), atol=1e-11)
    np.testing.assert_allclose(inverse_root(a, 4).x, power(a, -0.25), atol=1e-12)


def test_symmetric_products_would_be_unstable():
    """The order Z Y, untouched, is what keeps the coupled iteration stable."""

    class Symmetrised(CoupledRootProblem):
        def square(self, x, arithmetic):
            square = super().square(x, arithmetic)
            return (square + square.T) / 2 if isinstance(x, Pair) else square

    a = positive(1e8)
    residuals = []
    for problem_class in (CoupledRootProblem, Symmetrised):
        arithmetic = Arithmetic(None, a)
        problem = problem_class(a, arithmetic)
        rows = PolarExpress().schedule_for(problem.lower, "fp64", None)
        pair, square = problem.start("schatten", 1.001)
        with np.errstate(all="ignore"):
            for step in range(len(rows) + 3):
                pair = problem.apply(pair, row(rows, step), square)
                square = problem.square(pair, arithmetic)
            residuals.append(float(problem.exact_measures(pair)["residual"]))
    assert residuals[0] < 1e-11
    assert not residuals[1] < 1e-3


# Outcomes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", sorted(POSITIVE_METHODS))
@pytest.mark.parametrize("least", [-0.5, -1e-6])
def test_indefinite_is_a_status(method, least):
    a = symmetric_with_eigenvalues(np.r_[least, np.linspace(0.5, 1, 7)], rng=0)
    result = sqrtm(a, method=method)
    assert result.status is Status.BREAKDOWN
    assert np.all(np.isnan(result.x))
    assert np.all(np.isnan(result.inverse))
    assert sqrtm(a, form="coupled").status is Status.BREAKDOWN
    assert inverse_root(a, 2).status is Status.BREAKDOWN
    assert np.all(np.isnan(inverse_root(a, 4).x))


def test_semidefinite():
    """There is one semidefinite root; the inverse does not exist."""
    b = np.random.default_rng(0).standard_normal((10, 4))
    a = b @ b.T
    result = sqrtm(a)
    assert result.converged
    assert norm(result.x @ result.x - a) < 1e-13 * norm(a)
    assert np.all(np.isnan(result.inverse))
    assert sqrtm(a, method="eigh").converged
    for other in (sqrtm(a, form="coupled"), sqrtm(a, method="newton"), inverse_root(a, 2)):
        assert other.status is Status.SINGULAR
    zero = sqrtm(np.zeros((3, 3)))
    assert zero.converged
    np.testing.assert_array_equal(zero.x, 0)
    assert inverse_root(np.zeros((3, 3)), 2, eps=0.1).status is Status.SINGULAR


def test_nonfinite_empty_and_one_by_one():
    bad = np.eye(3)
    bad[1, 1] = np.nan
    for kwargs in ({}, {"form": "coupled"}, {"method": "newton"}, {"method": "eigh"}):
        assert sqrtm(bad, **kwargs).status is Status.NONFINITE_INPUT
    for p in (1, 2, 4, 3):
        assert inverse_root(bad, p).status is Status.NONFINITE_INPUT
    assert sqrtm(bad, spectrum="general").status is Status.NONFINITE_INPUT
    assert sqrtm(np.zeros((0, 0))).converged
    assert inverse_root(np.zeros((2, 0, 0)), 2).x.shape == (2, 0, 0)
    for form in ("cholesky", "coupled"):
        assert sqrtm(np.array([[9.0]]), form=form).x[0, 0] == pytest.approx(3)
    assert inverse_root(np.array([[16.0]]), 4).x[0, 0] == pytest.approx(0.5)
    assert sqrtm(np.array([[-4.0]])).status is Status.BREAKDOWN


def test_fixed_steps_and_nearly_enough():
    a = positive(1e4)
    assert sqrtm(a, steps=3).status is Status.FIXED_STEPS
    assert sqrtm(a, maxiter=2).status is Status.MAXITER
    assert sqrtm(a, form="coupled", rtol=1e-3).nit < sqrtm(a, form="coupled").nit
    assert sqrtm(a, rtol=0).status is Status.STAGNATED
    records = sqrtm(a, form="coupled", history=True).history
    assert [r["nit"] for r in records] == list(range(len(records)))


# Stacks, scaling, similarity ---------------------------------------------------------------


@pytest.mark.parametrize(
    "kwargs", [{}, {"form": "coupled"}, {"method": "newton"}, {"method": "eigh"}]
)
def test_stacks_with_all_fates(kwargs):
    stack = np.stack([positive(10, 6), -positive(10, 6), positive(1e3, 6), np.full((6, 6), np.nan)])
    result = sqrtm(stack, **kwargs)
    assert [s.name for s in result.statuses] == [
        "CONVERGED",
        "BREAKDOWN",
        "CONVERGED",
        "NONFINITE_INPUT",
    ]
    for i in (0, 2):
        np.testing.assert_allclose(result.x[i], sqrtm(stack[i], **kwargs).x, atol=1e-11)
    roots = inverse_root(stack, 4)
    assert [s.name for s in roots.statuses] == [s.name for s in result.statuses]
    for i in (0, 2):
        np.testing.assert_allclose(roots.x[i], power(stack[i], -0.25), atol=1e-10)


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e200])
@pytest.mark.parametrize("form", ["cholesky", "coupled"])
def test_scaling(form, scale):
    a = positive(100, 8)
    one, other = sqrtm(a, form=form), sqrtm(a * scale, form=form)
    np.testing.assert_allclose(other.x / scale**0.5, one.x, atol=1e-13)
    np.testing.assert_allclose(other.inverse * scale**0.5, one.inverse, atol=1e-12)
    x = inverse_root(a * scale, 4).x
    np.testing.assert_allclose(x * scale**0.25, inverse_root(a, 4).x, atol=1e-12)


def test_rotation_and_inverse():
    a, q = positive(100, 8), haar(8, rng=3)
    np.testing.assert_allclose(sqrtm(q @ a @ q.T).x, q @ sqrtm(a).x @ q.T, atol=1e-13)
    inverse = np.linalg.inv(a)
    np.testing.assert_allclose(sqrtm(inverse).inverse, sqrtm(a).x, atol=1e-12)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
@pytest.mark.parametrize("condition", [8, 64])
def test_low_precision(precision, condition):
    """Errors of a few units times the condition number of the root at most."""
    u = {"fp32": 2**-24, "tf32": 2**-11, "fp16": 2**-11, "bf16": 2**-8}[precision]
    a = positive(condition)
    root = power(a, 0.5)
    for kwargs, factor in (({}, 4), ({"form": "coupled"}, 4 * condition**0.5)):
        result = sqrtm(a, precision=precision, **kwargs)
        assert result.converged
        assert norm(result.x - root) / norm(root) < factor * u * 2
    for p in (2, 4):
        result, reference = inverse_root(a, p, precision=precision), power(a, -1 / p)
        assert result.converged
        assert norm(result.x - reference) / norm(reference) < 2 * u * condition
        residual = norm(np.linalg.matrix_power(result.x, p) @ a - np.eye(32)) / 32**0.5
        assert result.residual == pytest.approx(residual, rel=0.2, abs=4e-7 * condition)


# General matrices --------------------------------------------------------------------------


@pytest.mark.parametrize("make_complex", [False, True])
def test_general_root(make_complex):
    a = rotated() * (np.exp(0.3j) if make_complex else 1)
    result = sqrtm(a, spectrum="general")
    assert result.converged
    assert norm(result.x @ result.x - a) / norm(a) < 1e-13
    np.testing.assert_allclose(result.x, scipy.linalg.sqrtm(a), atol=1e-11)
    np.testing.assert_allclose(result.inverse @ result.x, np.eye(24), atol=1e-11)
    v = with_eigenvalues(np.linspace(1, 2, 24), condition_of_eigenvectors=3.0, rng=2)
    similar = sqrtm(v @ a @ np.linalg.inv(v), spectrum="general").x
    np.testing.assert_allclose(similar, v @ result.x @ np.linalg.inv(v), atol=1e-10)


def test_general_newton_schulz_only_near_one():
    near = np.eye(6) + 0.1 * np.random.default_rng(0).standard_normal((6, 6))
    result = sqrtm(near, spectrum="general", method="newton-schulz")
    assert result.converged
    np.testing.assert_allclose(result.x, scipy.linalg.sqrtm(near), atol=1e-12)
    assert sqrtm(rotated(), spectrum="general", method="newton-schulz").status is Status.BREAKDOWN


def test_negative_axis():
    v = with_eigenvalues(np.linspace(1, 2, 4), condition_of_eigenvectors=3.0, rng=2)
    for least, status in ((-1.0, Status.BREAKDOWN), (0.0, Status.SINGULAR)):
        a = v @ np.diag([least, 1.0, 2.0, 3.0]) @ np.linalg.inv(v)
        assert sqrtm(a, spectrum="general").status is status
    assert sqrtm(np.diag([-1.0, 1.0]), spectrum="general").status is Status.BREAKDOWN
    just_off = np.array([[-1.0, 1e-3], [-1e-3, -1.0]])
    result = sqrtm(just_off, spectrum="general", rtol=1e-9)
    assert result.converged
    np.testing.assert_allclose(result.x, scipy.linalg.sqrtm(just_off), atol=1e-9)


def test_rounding_moves_nothing_off_the_negative_axis(rng):
    parts = rng.standard_normal((2, 40, 2, 2))
    q, _ = np.linalg.qr(parts[0] + 1j * parts[1])
    for v in q:
        a = (v * [1, -0.1]) @ v.conj().T
        status = sqrtm((a + a.conj().T) / 2, spectrum="general").status
        assert status in (Status.BREAKDOWN, Status.STAGNATED)


def test_root_of_the_wrong_branch_is_not_a_success():
    a = positive(10, 6)
    w, v = np.linalg.eigh(a)
    w = np.sqrt(w)
    w[3] *= -1
    wrong = (v * w) @ v.T
    problem = CoupledRootProblem(a, Arithmetic(None, a))
    problem.divisor = np.ones(())
    size = norm(a) ** 0.5
    for root, status in ((wrong, Status.BREAKDOWN), (sqrtm(a).x, None)):
        pair = Pair(root / size, np.linalg.inv(root) * size)
        assert problem.exact_measures(pair)["residual"] < 1e-13
        assert problem.verify(pair) is status


# Higham's identity -------------------------------------------------------------------------


@pytest.mark.parametrize("a", [positive(50, 6), rotated(6)], ids=["positive", "rotated"])
def test_block_identity(a):
    """sign([[0, A], [I, 0]]) = [[0, A^(1/2)], [A^(-1/2), 0]]."""
    zero, one = np.zeros((6, 6)), np.eye(6)
    block = np.block([[zero, a], [one, zero]])
    spectrum = "positive" if np.allclose(a, a.T) else "general"
    root = sqrtm(a, spectrum=spectrum)
    expected = np.block([[zero, root.x], [root.inverse, zero]])
    sign = signm(block, spectrum="general")
    assert sign.converged
    np.testing.assert_allclose(sign.x, expected, atol=1e-12 * norm(expected))
    if spectrum == "positive":
        np.testing.assert_allclose(
            signm(block, spectrum="real").x, expected, atol=1e-12 * norm(expected)
        )


# Inverse roots -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", sorted(INVERSE_ROOT_METHODS))
@pytest.mark.parametrize("p", [1, 2, 3, 4, 6])
def test_inverse_roots(method, p):
    a = positive(1e3, 16)
    result = inverse_root(a, p, method=method)
    assert result.converged
    reference = scipy.linalg.fractional_matrix_power(a, -1 / p)
    assert norm(result.x - reference) / norm(reference) < 1e-12
    residual = norm(np.linalg.matrix_power(result.x, p) @ a - np.eye(16)) / 4
    assert residual < 1e-11
    assert 0.3 < result.residual / residual < 3
    np.testing.assert_array_equal(result.x, result.x.T)


def test_square_roots_twice_are_more_accurate_than_one_fourth_root():
    a = positive(1e8)
    twice, once = inverse_root(a, 4), inverse_root(a, 4, method="accelerated-newton", rtol=1)
    plain = inverse_root(a, 4, method="newton", rtol=1)
    assert twice.converged
    assert twice.residual < once.residual
    assert once.counts["products"] < twice.counts["products"] < plain.counts["products"]


def test_regularisation():
    b = np.random.default_rng(0).standard_normal((12, 3))
    a = b @ b.T
    result = inverse_root(a, 4, eps=1e-6)
    assert result.converged
    largest = np.linalg.eigvalsh(a)[-1]
    assert 0.9 * 1e-6 * largest < result.ridge <= 1e-6 * largest * (1 + 1e-12)
    reference = power(a + result.ridge * np.eye(12), -0.25)
    assert norm(result.x - reference) / norm(reference) < 1e-9
    fixed = inverse_root(a, 4, eps=1e-6, steps=12)
    assert fixed.status is Status.FIXED_STEPS
    assert norm(fixed.x - reference) / norm(reference) < 1e-9
    assert fixed.rcond == pytest.approx(1e-6)
    noisy = a - 1e-9 * largest * np.eye(12)
    assert inverse_root(noisy, 2).status is Status.BREAKDOWN
    assert inverse_root(noisy, 2, eps=1e-6).converged


def test_precision_that_does_not_suffice_is_reported():
    a = positive(1e6)
    assert inverse_root(a, 2, precision="bf16").status not in (Status.CONVERGED,)
    assert inverse_root(a, 2, rtol=1e-14).status is Status.STAGNATED
    assert inverse_root(positive(1e3), 2, maxiter=1).status is Status.MAXITER


def test_history_and_callback_see_every_root():
    seen = []
    result = inverse_root(positive(10), 4, callback=lambda p: seen.append(p.nit), history=True)
    assert len(seen) == result.nit
    assert seen.count(1) == 2
    assert len(result.history) == result.nit + 2


@pytest.mark.parametrize("lower", [1e-3, 0.1, 0.7])
def test_polynomials_are_minimax(lower):
    row, _ = minimax_polynomial(lower, 1.0, 3)
    a, b = best_polynomial(lower, 2)
    np.testing.assert_allclose((a, -b), row, rtol=1e-9)
    for p in (1, 3, 4):
        a, b = best_polynomial(lower, p)
        top = (a / (b * (p + 1))) ** (1 / p)
        errors = [1 - (a * x - b * x ** (p + 1)) for x in (lower, top, 1.0)]
        np.testing.assert_allclose(errors, errors[0] * np.array([1, -1, 1]), rtol=1e-9)


@pytest.mark.parametrize("p", [1, 2, 4, 7])
@pytest.mark.parametrize("safety", [1e-3, 1e-2])
def test_compositions_stay_in_bounds(p, safety):
    x = np.geomspace(1e-4, 1, 4001)
    for a, b in root_polynomials(1e-4, p, safety):
        x = a * x - b * x ** (p + 1)
        assert np.all(x > 0)
        assert np.all(x < 2)
    assert np.max(np.abs(1 - x)) < 0.06
    steps = len(root_polynomials(1e-4, p, safety))
    plain = np.log(1e4) / np.log1p(1 / p)
    assert steps < plain


# Arguments and libraries -------------------------------------------------------------------


def test_arguments_are_named():
    a = np.eye(3)
    with pytest.raises(ValueError, match=r"a must have shape \(..., n, n\)"):
        sqrtm(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"symmetric or Hermitian.*spectrum='general'"):
        sqrtm(np.triu(np.ones((3, 3))))
    with pytest.raises(ValueError, match="spectrum must be one of 'positive', 'general'"):
        sqrtm(a, spectrum="real")
    with pytest.raises(ValueError, match="form must be one of 'cholesky', 'coupled'"):
        sqrtm(a, form="other")
    with pytest.raises(ValueError, match="form='cholesky' is for polynomial methods"):
        sqrtm(a, form="cholesky", method=DenmanBeavers())
    with pytest.raises(ValueError, match="form must be None or 'coupled'"):
        sqrtm(a, form="cholesky", spectrum="general")
    with pytest.raises(ValueError, match="method must be one of"):
        sqrtm(a, spectrum="general", method="polar-express")
    with pytest.raises(ValueError, match="p must be at least 1"):
        inverse_root(a, 0)
    with pytest.raises(TypeError, match="p must be an integer"):
        inverse_root(a, 2.0)
    with pytest.raises(ValueError, match="eps must be >= 0"):
        inverse_root(a, 2, eps=-1)
    assert repr(InverseNewton()) == "InverseNewton(accelerated=True)"
    assert repr(EighInverseRoot()) == "EighInverseRoot()"


def test_libraries(xp):
    if xp.library == "jax":
        pytest.skip("the table of solvers has it")
    a = positive(20, 6)
    given = xp.array(a)
    tolerance = 1e-12 if xp.has_float64 else 2e-5
    for kwargs in ({}, {"form": "coupled"}, {"method": "newton"}, {"method": "eigh"}):
        result = sqrtm(given, **kwargs)
        assert result.converged
        xp.assert_like(result.x, given)
        xp.assert_like(result.inverse, given)
        np.testing.assert_allclose(xp.to_numpy(result.x), power(a, 0.5), atol=tolerance)
    for p in (1, 2, 3):
        result = inverse_root(given, p)
        xp.assert_like(result.x, given)
        np.testing.assert_allclose(
            xp.to_numpy(result.x), power(a, -1 / p), atol=100 * tolerance, rtol=tolerance
        )
    bad = xp.array(np.stack([a, -a]))
    assert [s.name for s in sqrtm(bad).statuses] == ["CONVERGED", "BREAKDOWN"]
    general = xp.array(rotated(6))
    np.testing.assert_allclose(
        xp.to_numpy(sqrtm(general, spectrum="general").x),
        scipy.linalg.sqrtm(rotated(6)),
        atol=10 * tolerance,
    )


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"form": "coupled"}, {"method": "newton"}, {"method": "eigh"}, {"spectrum": "general"}],
)
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_small_well_conditioned_matrices_converge(kwargs, n):
    for seed in range(20):
        w = np.random.default_rng(seed).uniform(0.3, 3, n)
        a = symmetric_with_eigenvalues(w, rng=seed)
        result = sqrtm(a, **kwargs)
        assert result.converged
        np.testing.assert_allclose(result.x @ result.x, a, atol=1e-14)
        np.testing.assert_allclose(result.inverse @ result.x, np.eye(n), atol=1e-13)


def test_the_decomposition_is_not_skipped_by_a_loose_tolerance():
    a = positive(10, 5)
    assert sqrtm(a, method="eigh", rtol=5.0).converged
    assert sqrtm(a, method="eigh", maxiter=0).status is Status.MAXITER


@pytest.mark.parametrize("method", ["polar-express", "newton", "eigh", "accelerated-newton"])
@pytest.mark.parametrize("eps", [0.0, 1e-3])
def test_inverse_root_where_the_norm_overflows(method, eps):
    huge = np.full((3, 3), 1e308) + 5e307 * np.eye(3)
    result = inverse_root(huge, 2, method=method, eps=eps)
    assert result.status is Status.NONFINITE_INPUT
    assert np.isnan(result.x).all()
    assert not inverse_root(huge, 2, method=method, eps=1e-3, steps=4).success
    stack = inverse_root(np.stack([np.eye(3), huge]), 2, method=method, eps=eps)
    assert list(stack.statuses) == [Status.CONVERGED, Status.NONFINITE_INPUT]


def test_methods_of_other_functions_are_refused():
    a = np.eye(3)
    for method in (QDWH(), SvdPolar(), InverseNewton()):
        with pytest.raises(TypeError, match=r"method must be one of 'polar-express'.*got"):
            sqrtm(a, method=method)
    for method in (PlannedPolar((5, 9)), EighRoot()):
        with pytest.raises(TypeError, match="method must be one of 'newton', 'newton-schulz'"):
            sqrtm(a, spectrum="general", method=method)
    for method in (EighRoot(), QDWH(), GramPolarExpress()):
        with pytest.raises(TypeError, match=r"method must be one of 'polar-express'.*got"):
            inverse_root(a, 2, method=method)
    assert sqrtm(a, method=GramPolarExpress()).converged


@pytest.mark.parametrize("kwargs", [{}, {"form": "coupled"}, {"spectrum": "general"}])
def test_gradients_of_the_root(kwargs):
    torch = pytest.importorskip("torch")
    a = torch.tensor(positive(10, 4), requires_grad=True)
    # d trace(A^(1/2)) / dA = A^(-1/2) / 2
    result = sqrtm(a, **kwargs)
    result.x.diagonal().sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), result.inverse.detach().numpy() / 2, rtol=1e-8)


@pytest.mark.parametrize("p", [2, 3, 4])
def test_gradients_of_inverse_roots(p):
    torch = pytest.importorskip("torch")
    a = positive(10, 4)
    tensor = torch.tensor(a, requires_grad=True)
    # d trace(A^(-1/p)) / dA = -A^(-1/p - 1) / p
    inverse_root(tensor, p).x.diagonal().sum().backward()
    np.testing.assert_allclose(tensor.grad.numpy(), -power(a, -1 / p - 1) / p, atol=1e-10)


@pytest.mark.parametrize("function", ["inverse_root", "sqrtm", "signm", "project_psd"])
def test_a_compiled_function_of_jax_stays_accurate_for_many_steps(function):
    """XLA rounds the two halves of a symmetric matrix apart, which the iterations must not feel."""
    jax = pytest.importorskip("jax")
    apply = {
        "inverse_root": lambda a: inverse_root(a, 4, rcond=1e-4, steps=20).x,
        "sqrtm": lambda a: sqrtm(a, form="coupled", rcond=1e-4, steps=20).x,
        "signm": lambda a: la.signm(a - 30 * np.eye(24, dtype="f4"), rcond=1e-3, steps=20).x,
        "project_psd": lambda a: (
            la.project_psd(a - 30 * np.eye(24, dtype="f4"), rcond=1e-3, steps=20).x
        ),
    }[function]
    g = np.random.default_rng(0).standard_normal((24, 40)).astype("f4")
    a = jax.numpy.asarray(g @ g.T)
    plain, compiled = (np.asarray(f(a)) for f in (apply, jax.jit(apply)))
    np.testing.assert_allclose(compiled, plain, atol=1e-4 * abs(plain).max())
