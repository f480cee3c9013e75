"""The matrix sign: accuracy, and never a silent wrong answer."""

import numpy as np
import pytest
from scipy.linalg import block_diag

from linalg_ml import Schedule, Status, matrix_sign, polar, signm
from linalg_ml.matrix_functions import QDWH, GramPolarExpress, NewtonSign, SvdPolar
from linalg_ml.matrix_functions.sign import REAL_METHODS, SYMMETRIC_METHODS
from linalg_ml.problems import haar, sign_problem, symmetric_with_eigenvalues

EPS = np.finfo(np.float64).eps


def alternating(condition, n=32):
    return np.geomspace(1 / condition, 1, n) * np.where(np.arange(n) % 2, 1, -1)


@pytest.mark.parametrize("condition", [1, 1e2, 1e6, 1e12])
@pytest.mark.parametrize("method", ["polar-express", "newton-schulz", "eigh"])
def test_symmetric(condition, method):
    n = 32
    problem = sign_problem(alternating(condition), rng=0)
    result = signm(problem.a, method=method)
    assert result.converged
    assert np.linalg.norm(result.x - problem.sign, 2) < 50 * n * EPS * condition + problem.error
    assert np.linalg.norm(result.x @ result.x - np.eye(n), 2) < 50 * n * EPS
    np.testing.assert_allclose(result.x @ result.absolute, problem.a, atol=50 * n * EPS)
    if method != "eigh":
        np.testing.assert_array_equal(result.x, result.x.T)


def test_hermitian():
    eigenvalues = alternating(50, 12)
    a = symmetric_with_eigenvalues(eigenvalues, rng=0, dtype=np.complex128)
    w, v = np.linalg.eigh(a)
    result = signm(a)
    assert result.converged
    np.testing.assert_allclose(result.x, (v * np.sign(w)) @ v.conj().T, atol=1e-12)


def test_symmetric_sign_is_the_polar_factor():
    a = symmetric_with_eigenvalues(alternating(1e3), rng=1)
    np.testing.assert_allclose(signm(a).x, polar(a).x, atol=1e-11)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
def test_symmetric_in_low_precision(precision):
    problem = sign_problem(alternating(10), rng=0)
    result = signm(problem.a, precision=precision)
    assert result.converged
    assert np.linalg.norm(result.x - problem.sign) / 32**0.5 < 2 * result.residual
    np.testing.assert_array_equal(result.x, result.x.T)


@pytest.mark.parametrize("condition", [10, 1e2, 1e4])
@pytest.mark.parametrize("vectors", [1, 10, 69])
@pytest.mark.parametrize("method", ["polar-express", "newton-schulz", "cans"])
def test_real_spectrum(condition, vectors, method):
    """The error grows with the condition number of the eigenvectors (squared, at most)."""
    problem = sign_problem(alternating(condition), condition_of_eigenvectors=vectors, rng=0)
    result = signm(problem.a, spectrum="real", method=method)
    assert result.converged
    size = np.linalg.norm(problem.sign)
    assert np.linalg.norm(result.x - problem.sign) / size < 100 * EPS * condition * vectors**2
    np.testing.assert_allclose(
        result.absolute, problem.sign @ problem.a, atol=1e-9 * np.linalg.norm(problem.a)
    )


def test_paper_size_example_of_a_real_spectrum():
    """n = 64, eigenvector condition 69, eigenvalues +-geomspace(1e-2, 1), nine steps."""
    n = 64
    problem = sign_problem(alternating(1e2, n), condition_of_eigenvectors=69, rng=0)
    result = signm(problem.a, spectrum="real", steps=9, rcond=1e-2 / 4)
    error = np.linalg.norm(result.x - problem.sign) / np.linalg.norm(problem.sign)
    assert error < 1e-11


def with_complex_pair(angle, radius, vectors=5.0, n=20):
    """Eigenvalues real but for one pair at the angle (degrees) from the real axis."""
    t = np.deg2rad(angle)
    pair = radius * np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
    blocks = block_diag(np.diag(alternating(20, n - 2)), pair)
    rng = np.random.default_rng(0)
    v = haar(n, rng=rng) @ np.diag(np.geomspace(1, vectors, n)) @ haar(n, rng=rng)
    inverse = np.linalg.inv(v)
    signs = np.sign(np.diag(blocks))
    return v @ blocks @ inverse, v @ np.diag(signs) @ inverse


@pytest.mark.parametrize("method", sorted(REAL_METHODS))
@pytest.mark.parametrize("angle", [0.2, 1, 3, 10, 30, 60, 80, 89.9])
@pytest.mark.parametrize("radius", [0.05, 0.3, 0.9])
def test_never_a_wrong_sign_on_complex_eigenvalues(method, angle, radius):
    a, sign = with_complex_pair(angle, radius)
    result = signm(a, spectrum="real", method=method)
    if result.converged:
        assert np.linalg.norm(result.x - sign) / np.linalg.norm(sign) < 1e-9
    else:
        assert result.status in (Status.DIVERGED, Status.STAGNATED, Status.BREAKDOWN)


def test_accelerated_polynomials_diverge_on_complex_eigenvalues():
    a, _ = with_complex_pair(10, 0.9)
    assert signm(a, spectrum="real").status is Status.DIVERGED
    assert signm(a, spectrum="real", method="newton-schulz").converged


def test_a_wrong_involution_is_not_a_success():
    """X^2 = I and X A = A X hold, but X has the wrong sign: only the last look sees it."""
    from linalg_ml._core.precision import Arithmetic
    from linalg_ml.matrix_functions.sign import RealSignProblem

    problem = sign_problem(alternating(30, 10), condition_of_eigenvectors=5.0, rng=0)
    arithmetic = Arithmetic(None, problem.a)
    asked = RealSignProblem(problem.a, arithmetic)
    assert asked.verify(problem.sign) is None
    eigenvalues, v = np.linalg.eig(problem.a)
    signs = np.sign(eigenvalues)
    signs[0] *= -1
    wrong = (v * signs) @ np.linalg.inv(v)
    measures = asked.exact_measures(wrong)
    assert measures["orthogonality"] < 1e-10
    assert measures["backward"] < 1e-10
    with np.errstate(all="ignore"):
        assert asked.verify(wrong) is Status.BREAKDOWN


def test_declared_symmetry_is_checked():
    a = sign_problem(alternating(10), condition_of_eigenvectors=5.0, rng=0).a
    with pytest.raises(ValueError, match=r"a must be symmetric or Hermitian.*size.*general"):
        signm(a)
    rounded = symmetric_with_eigenvalues(alternating(10), rng=0)
    rounded = rounded + 1e-16 * np.random.default_rng(0).standard_normal(rounded.shape)
    assert signm(rounded).converged


@pytest.mark.parametrize("spectrum", ["symmetric", "real"])
def test_zero_singular_and_nonfinite(spectrum):
    assert signm(np.zeros((3, 3)), spectrum=spectrum).status is Status.SINGULAR
    singular = np.diag([1.0, -2.0, 0.0])
    assert not signm(singular, spectrum=spectrum).success
    bad = np.eye(3)
    bad[0, 0] = np.nan
    assert signm(bad, spectrum=spectrum).status is Status.NONFINITE_INPUT
    assert signm(np.zeros((0, 0)), spectrum=spectrum).converged


@pytest.mark.parametrize("spectrum", ["symmetric", "real"])
@pytest.mark.parametrize("value", [-3.0, 2.0])
def test_one_by_one(spectrum, value):
    result = signm(np.array([[value]]), spectrum=spectrum)
    assert result.converged
    assert result.x[0, 0] == pytest.approx(np.sign(value))


def test_stacks():
    stack = np.stack([symmetric_with_eigenvalues(alternating(k, 6), rng=0) for k in (2, 50)])
    result = signm(stack)
    assert result.converged
    for x, a in zip(result.x, stack, strict=True):
        np.testing.assert_allclose(x, signm(a).x, atol=1e-12)
    assert signm(stack, spectrum="real").converged


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_scale_does_not_matter(scale):
    a = symmetric_with_eigenvalues(alternating(10), rng=0)
    np.testing.assert_allclose(signm(a * scale).x, signm(a).x, atol=1e-12)


def test_arguments_are_named():
    with pytest.raises(ValueError, match=r"a must have shape \(..., n, n\), got shape \(2, 3\)"):
        signm(np.ones((2, 3)))
    with pytest.raises(ValueError, match="spectrum must be one of 'symmetric', 'real', 'general'"):
        signm(np.eye(2), spectrum="complex")
    with pytest.raises(ValueError, match="method must be one of"):
        signm(np.eye(2), method="turbo")
    with pytest.raises(ValueError, match="method must be one of"):
        signm(np.eye(2), spectrum="real", method="eigh")
    assert matrix_sign is signm
    assert set(REAL_METHODS) < set(SYMMETRIC_METHODS)


@pytest.mark.parametrize("spectrum", ["symmetric", "real"])
def test_the_sign_with_every_sign_turned(spectrum):
    a = symmetric_with_eigenvalues([1.0, 2.0, -1.0, -2.0, 0.5], rng=0)
    turning = Schedule(((-1.5, 0.5), (1.5, -0.5)))
    assert signm(a, spectrum=spectrum, method=turning).status is Status.BREAKDOWN


@pytest.mark.parametrize(("dtype", "quantum"), [(np.float16, 2.0**-24), (np.float64, 5e-324)])
def test_subnormal_entries_are_symmetric_too(dtype, quantum):
    a = (np.array([[3.0, 1.0], [1.0, -3.0]]) * quantum).astype(dtype)
    np.testing.assert_allclose(signm(a).x, np.array([[3, 1], [1, -3]]) / 10**0.5, atol=2e-3)
    huge = np.array([[3.0, 1.0], [1.0, -3.0]]) * 2.0**1020
    assert signm(huge).converged


def test_the_size_of_a_skew_part_is_told_beside_a_zero_matrix():
    with pytest.raises(ValueError, match=r"relative size 1.0e\+00"):
        signm(np.stack([np.zeros((2, 2)), [[0.0, 1.0], [-1.0, 0.0]]]))


def test_methods_of_other_functions_are_refused():
    a = np.diag([1.0, -2.0])
    with pytest.raises(TypeError, match="got QDWH"):
        signm(a, spectrum="real", method=QDWH())
    for method in (SvdPolar(), NewtonSign(), GramPolarExpress()):
        assert signm(a, method=method).converged
