"""The sign of matrices with complex eigenvalues: accuracy, the imaginary axis, convergence."""

import mpmath
import numpy as np
import pytest
import scipy.linalg

from linalg_ml import Status, signm, sqrtm
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions import NewtonSign, PadeSign
from linalg_ml.matrix_functions.general_sign import GENERAL_METHODS, GeneralSignProblem
from linalg_ml.problems import haar, sign_problem

norm = np.linalg.norm
METHODS = [
    "newton",
    NewtonSign("norm"),
    NewtonSign("spectral"),
    NewtonSign("none"),
    "pade",
    PadeSign(1),
    PadeSign(4),
]


def general(a, **options):
    return signm(a, spectrum="general", **options)


def eigen_sign(a):
    w, v = np.linalg.eig(a)
    sign = (v * np.sign(w.real)) @ np.linalg.inv(v)
    return sign if np.iscomplexobj(a) else sign.real


def vectors(n, condition=5.0, rng=0):
    rng = np.random.default_rng(rng)
    return haar(n, rng=rng) @ np.diag(np.geomspace(1, condition, n)) @ haar(n, rng=rng)


def at_angle(degrees, n=16):
    """Return (A, S): half the eigenvalues are pairs at this angle from the real axis."""
    t = np.deg2rad(degrees)
    turn = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
    sizes = np.geomspace(0.1, 1, n // 4) * np.where(np.arange(n // 4) % 2, -1, 1)
    pairs = [size * turn for size in sizes]
    real = np.geomspace(0.1, 1, n - 2 * len(pairs))
    blocks = scipy.linalg.block_diag(*pairs, np.diag(real))
    v = vectors(n)
    inverse = np.linalg.inv(v)
    signs = np.sign(np.diag(blocks))
    return v @ blocks @ inverse, (v * signs) @ inverse


@pytest.mark.parametrize("make_complex", [False, True])
@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_random_matrices(method, make_complex):
    rng = np.random.default_rng(3)
    a = rng.standard_normal((40, 40))
    if make_complex:
        a = a + 1j * rng.standard_normal((40, 40))
    result = general(a, method=method)
    assert result.converged
    reference = eigen_sign(a)
    assert norm(result.x - reference) / norm(reference) < 1e-11
    x, size = result.x, norm(result.x) ** 2
    level = 32 * 40**0.5 * 2.0**-53
    assert norm(x @ x - np.eye(40)) < level * size
    assert norm(x @ a - a @ x) < level * size * norm(a)
    assert result.residual < 1e-10
    np.testing.assert_allclose(result.absolute, x @ a, atol=1e-12 * norm(a) * size)


def test_against_many_digits():
    a = np.random.default_rng(1).standard_normal((8, 8))
    with mpmath.workdps(40):
        x = mpmath.matrix(a)
        for _ in range(30):
            x = (x + x**-1) / 2
        reference = np.array(x.tolist(), dtype=float)
    for method in METHODS:
        assert norm(general(a, method=method).x - reference) / norm(reference) < 1e-13


def test_agrees_with_scipy_where_that_is_right():
    a = np.random.default_rng(3).standard_normal((16, 16))
    np.testing.assert_allclose(general(a).x, scipy.linalg.signm(a), atol=1e-11)


@pytest.mark.parametrize("degrees", [0, 10, 45, 80, 89.9, 89.9999])
@pytest.mark.parametrize("method", ["newton", "pade"])
def test_angles(method, degrees):
    """Close to the imaginary axis no more than a loose tolerance can be met."""
    a, sign = at_angle(degrees)
    close = degrees > 89
    result = general(a, method=method, rtol=1e-8 if close else None)
    assert result.converged
    conditioning = 1 / np.cos(np.deg2rad(degrees))
    assert norm(result.x - sign) / norm(sign) < 1e-14 * conditioning**2 + (1e-8 if close else 1e-13)


def test_real_spectra_are_included():
    for condition, eigenvectors in ((1e2, 10), (1e4, 69)):
        w = np.geomspace(1 / condition, 1, 24) * np.where(np.arange(24) % 2, 1, -1)
        problem = sign_problem(w, condition_of_eigenvectors=eigenvectors, rng=0)
        result = general(problem.a)
        assert result.converged
        assert norm(result.x - problem.sign) / norm(problem.sign) < 1e-9


@pytest.mark.parametrize("distance", [1e-4, 1e-8, 1e-11])
def test_near_the_imaginary_axis(distance):
    blocks = np.array([[distance, 1.0], [-1.0, distance]])
    v = vectors(5)
    a = v @ scipy.linalg.block_diag(blocks, np.diag([1.0, -2.0, 3.0])) @ np.linalg.inv(v)
    sign = (v * np.array([1.0, 1, 1, -1, 1])) @ np.linalg.inv(v)
    result = general(a)
    assert result.converged
    assert norm(result.x - sign) < 1e-13 / distance
    assert result.nit > -np.log2(distance) / 2


def test_on_the_imaginary_axis():
    """There is no sign, whatever rounding makes of it."""
    assert general(np.array([[0.0, 1.0], [-1.0, 0.0]])).status is Status.BREAKDOWN
    assert general(np.diag([2j, 1.0 + 0j])).status is Status.BREAKDOWN
    for seed in range(6):
        v = vectors(6, rng=seed)
        axis = np.array([[0.0, 1.3], [-0.4, 0.0]])
        a = v @ scipy.linalg.block_diag(axis, np.diag([1.0, -2.0, 3.0, 0.5])) @ np.linalg.inv(v)
        for method in ("newton", "pade"):
            result = general(a, method=method)
            assert result.status is Status.BREAKDOWN
            assert not result.success


def test_singular_nonfinite_empty():
    v = vectors(3)
    singular = v @ np.diag([1.0, -2.0, 0.0]) @ np.linalg.inv(v)
    assert general(np.zeros((3, 3))).status is Status.SINGULAR
    for method in ("newton", "pade"):
        assert general(singular, method=method).status is Status.SINGULAR
    bad = np.eye(3)
    bad[0, 2] = np.inf
    assert general(bad).status is Status.NONFINITE_INPUT
    assert general(np.zeros((0, 0))).converged
    assert general(np.array([[-3.0]])).x[0, 0] == -1


def test_newton_schulz_only_where_it_converges():
    near = np.diag(np.where(np.arange(8) % 2, 1.0, -1.0))
    near = near + 0.05 * np.random.default_rng(0).standard_normal((8, 8))
    result = general(near, method="newton-schulz")
    assert result.converged
    assert result.counts.get("inversions") is None
    np.testing.assert_allclose(result.x, eigen_sign(near), atol=1e-13)
    far = np.random.default_rng(0).standard_normal((8, 8))
    refused = general(far, method="newton-schulz")
    assert refused.status is Status.BREAKDOWN
    assert refused.nit == 0


def test_scaling_saves_steps_and_order_too():
    w = np.geomspace(1e-4, 1, 16) * np.where(np.arange(16) % 2, 1, -1)
    a = sign_problem(w, condition_of_eigenvectors=3.0, rng=0).a
    plain = general(a, method=NewtonSign("none"))
    for scaling in ("determinant", "norm", "spectral"):
        assert general(a, method=NewtonSign(scaling)).nit < plain.nit - 5
    steps = [general(a, method=PadeSign(order)).nit for order in (1, 2, 4)]
    assert steps[0] > steps[1] > steps[2]
    counts = general(a, method=PadeSign(2)).counts
    assert counts["inversions"] == 2 * steps[1]
    newton = general(a)
    assert newton.counts["inversions"] < newton.nit  # the last steps need none


@pytest.mark.parametrize("m", [1, 2, 3])
def test_pade_order_of_convergence(m):
    """One step takes the error e to a multiple of e^(2m)."""
    errors = []
    for e in (1e-1, 1e-2):
        x = general(np.diag([1 + e, -1 / (1 + e)]), method=PadeSign(m), steps=1)
        errors.append(norm(x.x - np.diag([1, -1])))
    if errors[1] > 1e-14:
        assert np.log10(errors[0] / errors[1]) == pytest.approx(2 * m, abs=0.4)
    else:
        assert errors[0] < 0.1 ** (2 * m)


def test_stacks_with_all_fates():
    good, _ = at_angle(45, 8)
    axis = scipy.linalg.block_diag([[0.0, 1.0], [-1.0, 0.0]], np.diag(np.arange(1.0, 7)))
    stack = np.stack([good, axis, np.diag(np.arange(8.0)), np.full((8, 8), np.nan), -2 * good])
    for method in ("newton", "pade"):
        result = general(stack, method=method)
        assert [s.name for s in result.statuses] == [
            "CONVERGED",
            "BREAKDOWN",
            "SINGULAR",
            "NONFINITE_INPUT",
            "CONVERGED",
        ]
        np.testing.assert_allclose(result.x[0], general(good, method=method).x, atol=1e-12)
        np.testing.assert_allclose(result.x[4], -result.x[0], atol=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 3.0, 1e200])
def test_invariants(scale):
    a, sign = at_angle(60)
    np.testing.assert_allclose(general(a * scale).x, sign, atol=1e-11)
    np.testing.assert_allclose(general(a.T).x, sign.T, atol=1e-11)
    np.testing.assert_allclose(general(np.linalg.inv(a)).x, sign, atol=1e-11)
    v = vectors(16, rng=5)
    similar = v @ a @ np.linalg.inv(v)
    np.testing.assert_allclose(general(similar).x, v @ sign @ np.linalg.inv(v), atol=1e-10)


def test_a_wrong_involution_is_not_a_success():
    a, sign = at_angle(30)
    asked = GeneralSignProblem(a, Arithmetic(None, a))
    assert asked.verify(sign) is None
    with np.errstate(all="ignore"):
        assert asked.verify(-sign) is Status.BREAKDOWN
        assert asked.verify(np.eye(16)) is Status.BREAKDOWN
    assert asked.exact_measures(-sign)["residual"] < 1e-10


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
def test_low_precision(precision):
    a, sign = at_angle(45)
    u = {"fp32": 2**-24, "tf32": 2**-11, "fp16": 2**-11, "bf16": 2**-8}[precision]
    for method in ("newton", "pade"):
        result = general(a, method=method, precision=precision)
        assert norm(result.x - sign) / norm(sign) < 200 * u
        assert result.status in (Status.CONVERGED, Status.STAGNATED)
        assert precision != "fp32" or result.converged


def test_arguments():
    with pytest.raises(ValueError, match="method must be one of 'newton', 'pade', 'newton-schulz'"):
        general(np.eye(2), method="polar-express")
    with pytest.raises(ValueError, match="scaling must be one of"):
        NewtonSign("other")
    with pytest.raises(ValueError, match="order must be at least 1"):
        PadeSign(0)
    assert set(GENERAL_METHODS) == {"newton", "pade", "newton-schulz"}
    assert general(np.eye(3), steps=2).status is Status.FIXED_STEPS


def test_libraries(xp):
    if xp.library == "jax":
        pytest.skip("the table of solvers has it")
    a, sign = at_angle(45, 8)
    given = xp.array(a)
    for method in ("newton", "pade", NewtonSign("spectral")):
        result = general(given, method=method)
        assert result.converged
        xp.assert_like(result.x, given)
        tolerance = 1e-11 if xp.has_float64 else 1e-4
        np.testing.assert_allclose(xp.to_numpy(result.x), sign, atol=tolerance)
    axis = xp.array(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    assert general(axis).status is Status.BREAKDOWN


@pytest.mark.parametrize("n", [2, 4])
def test_a_nilpotent_matrix_is_singular_and_finite(n):
    a = np.diag(np.arange(1.0, n), 1)
    for method in ("newton", "pade", "newton-schulz"):
        assert general(a, method=method).status in (Status.SINGULAR, Status.BREAKDOWN)
    assert signm(a, spectrum="real").status in (Status.SINGULAR, Status.BREAKDOWN)
    for method in ("newton", "newton-schulz"):
        result = sqrtm(a, spectrum="general", method=method)
        assert result.status in (Status.SINGULAR, Status.BREAKDOWN)
    stack = np.stack([np.eye(n), a, np.full((n, n), np.nan)])
    statuses = general(stack).statuses
    assert [status.name for status in statuses[[0, 2]]] == ["CONVERGED", "NONFINITE_INPUT"]
    assert statuses[1] in (Status.SINGULAR, Status.BREAKDOWN)
