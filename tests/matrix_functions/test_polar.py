"""The polar decomposition: accuracy, invariants, edge cases, honest outcomes."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import polar as scipy_polar

from linalg_ml import (
    ConvergenceError,
    Precision,
    Schedule,
    Status,
    orthogonalize,
    polar,
    project_psd,
    sqrtm,
)
from linalg_ml.matrix_functions import DenmanBeavers, EighSign, InverseNewton, NewtonSign
from linalg_ml.matrix_functions.polynomial_methods import NewtonSchulz, PolarExpress
from linalg_ml.metrics import backward_error, orthogonality_error, polar_error
from linalg_ml.problems import conditioned, exact_polar_problem, gaussian, polar_problem

EPS = np.finfo(np.float64).eps
CONDITIONS = [1, 1e1, 1e2, 1e3, 1e4, 1e6, 1e8, 1e10, 1e12, 1e14, 1e15]
CONVERGENT = ["polar-express", "newton-schulz", "svd"]
NOT_CONVERGENT = ["jordan", "you", "cesista", "turbo"]


def spectral(a):
    return np.linalg.norm(a, 2)


# Accuracy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("method", CONVERGENT)
def test_backward_stable_at_every_condition_number(method, condition):
    """Orthogonality, backward error and Hermitian factor do not see the condition number."""
    n = 64
    problem = exact_polar_problem((n, n), condition, rng=1)
    result = polar(problem.a, method=method)
    assert result.status is Status.CONVERGED
    assert spectral(result.x.T @ result.x - np.eye(n)) <= 50 * n * EPS
    assert spectral(problem.a - result.x @ result.hermitian) <= 50 * n * EPS
    assert spectral(result.hermitian - problem.hermitian) <= 50 * n * EPS
    assert spectral(result.x - problem.unitary) <= 50 * n * EPS * condition
    assert np.linalg.eigvalsh(result.hermitian)[0] > -50 * n * EPS


@pytest.mark.parametrize("condition", [1, 1e3, 1e8])
@pytest.mark.parametrize("method", ["cans", "chen-chow"])
def test_methods_without_cushion_lose_digits_and_say_so(method, condition):
    """They squeeze the middle of a wide spectrum: the status tells when too much is lost."""
    n = 64
    problem = exact_polar_problem((n, n), condition, rng=1)
    result = polar(problem.a, method=method)
    assert spectral(result.x.T @ result.x - np.eye(n)) <= 50 * n * EPS
    if result.converged:
        assert backward_error(problem.a, result.x, result.hermitian) <= 32 * n**0.5 * EPS
    else:
        assert result.status is Status.STAGNATED
        assert condition > 1e3


@pytest.mark.parametrize("degree", [3, 5, 7, 9, 11, 13])
@pytest.mark.parametrize("method", ["polar-express", "newton-schulz"])
def test_every_degree(method, degree):
    problem = polar_problem((20, 30), np.geomspace(1, 1e-4, 20), rng=0)
    result = polar(problem.a, method=method, degree=degree)
    backward = backward_error(problem.a, result.x, result.hermitian)
    if method == "newton-schulz" or degree <= 7:
        assert result.converged
        assert polar_error(result.x, problem.unitary) < 1e-10
    elif degree == 9:  # right at the limit of what is accepted, 16 sqrt(n) roundoffs
        assert result.converged == (backward <= 16 * 20**0.5 * EPS)
        assert backward < 32 * 20**0.5 * EPS
    else:  # large coefficients of alternating sign cost digits, and the status says so
        assert result.status is Status.STAGNATED
        assert polar_error(result.x, problem.unitary) < 1e-8


@pytest.mark.parametrize("shape", [(7, 7), (12, 5), (5, 12), (1, 1), (1, 6), (6, 1)])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_same_factors_as_scipy(shape, side, kind):
    rng = np.random.default_rng(3)
    a = rng.standard_normal(shape)
    if kind == "complex":
        a = a + 1j * rng.standard_normal(shape)
    result = polar(a, side=side)
    u, h = scipy_polar(a, side=side)
    assert result.converged
    np.testing.assert_allclose(result.x, u, atol=1e-12)
    np.testing.assert_allclose(result.hermitian, h, atol=1e-12)


@pytest.mark.parametrize("rtol", [1e-2, 1e-4, 1e-8, 1e-11])
@pytest.mark.parametrize("condition", [1, 1e2, 1e4])
def test_rtol_is_the_forward_error(rtol, condition):
    problem = polar_problem((40, 40), np.geomspace(1, 1 / condition, 40), rng=0)
    result = polar(problem.a, rtol=rtol)
    assert result.converged
    assert result.residual <= rtol
    assert polar_error(result.x, problem.unitary) <= 2 * rtol + problem.error


@pytest.mark.parametrize("precision", ["fp64", "fp32", "tf32", "fp16", "bf16"])
@pytest.mark.parametrize("condition", [1, 1e1, 1e2, 1e3])
def test_residual_estimates_the_error_from_above(precision, condition):
    problem = polar_problem((48, 48), np.geomspace(1, 1 / condition, 48), rng=0)
    result = polar(problem.a, precision=precision)
    assert result.converged
    assert polar_error(result.x, problem.unitary) <= 2 * result.residual


@pytest.mark.parametrize("precision", ["tf32", "fp16", "bf16", Precision("bf16", "each")])
def test_what_a_precision_cannot_give_is_stagnation(precision):
    a = conditioned((64, 64), 1e6, rng=0)
    result = polar(a, precision=precision, rtol=1e-2)
    assert result.status is Status.STAGNATED
    assert not result.success
    assert result.residual > 1e-2
    with pytest.raises(ConvergenceError, match=r"STAGNATED after .* steps"):
        result.unwrap()


@pytest.mark.parametrize("method", NOT_CONVERGENT)
def test_lists_that_do_not_converge_say_so(method):
    result = polar(conditioned((32, 32), 10, rng=0), method=method)
    assert result.status in (Status.STAGNATED, Status.DIVERGED)
    fixed = polar(conditioned((32, 32), 10, rng=0), method=method, steps=5)
    assert fixed.status is Status.FIXED_STEPS
    assert fixed.success


def test_turbo_converges_to_the_factor_of_the_scaled_matrix():
    a = gaussian((64, 256), rng=0) * np.linspace(1, 4, 64)[:, None]
    x = polar(a, method="turbo", steps=4).x
    unit = a / np.linalg.norm(a)
    scaled = unit / np.sqrt(np.abs(unit @ unit.T).sum(axis=1))[:, None]
    to_scaled = polar_error(x, scipy_polar(scaled)[0])
    assert to_scaled < 0.2
    assert polar_error(x, scipy_polar(a)[0]) > 2 * to_scaled


# Invariants ----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.floats(-30, 30))
def test_scaling_transposition_rotation(seed, m, n, exponent):
    rng = np.random.default_rng(seed)
    a = conditioned((m, n), 50, rng=rng)
    x = polar(a).x
    np.testing.assert_allclose(polar(a * 10.0**exponent).x, x, atol=1e-11)
    np.testing.assert_allclose(polar(a.T).x, x.T, atol=1e-11)
    q = np.linalg.qr(rng.standard_normal((m, m)))[0]
    np.testing.assert_allclose(polar(q @ a).x, q @ x, atol=1e-11)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1.0, 1e20, 1e30])
@pytest.mark.parametrize("precision", [None, "tf32", "bf16", "fp16"])
def test_scale_of_fp32_input_does_not_matter(scale, precision):
    a = conditioned((24, 16), 20, rng=0, dtype=np.float32)
    scaled = (a * np.float32(scale)).astype(np.float32)
    np.testing.assert_allclose(
        orthogonalize(scaled, precision=precision), orthogonalize(a, precision=precision), atol=0.05
    )
    one, two = polar(a, precision=precision), polar(scaled, precision=precision)
    assert one.status is two.status is Status.CONVERGED
    np.testing.assert_allclose(two.x, one.x, atol=0.05 if precision else 1e-5)
    np.testing.assert_allclose(two.hermitian / np.float32(scale), one.hermitian, atol=0.05)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
@pytest.mark.parametrize("precision", [None, "fp32", "bf16"])
def test_scale_of_fp64_input_does_not_matter(scale, precision):
    a = conditioned((10, 10), 5, rng=0)
    one, two = polar(a, precision=precision), polar(a * scale, precision=precision)
    assert two.converged
    np.testing.assert_allclose(two.x, one.x, atol=0.02 if precision == "bf16" else 1e-5)
    np.testing.assert_allclose(two.hermitian / scale, one.hermitian, atol=0.02)


def test_stack_is_a_loop():
    stack = np.stack([conditioned((8, 12), k, rng=i) for i, k in enumerate((1, 10, 1e3, 1e5))])
    result = polar(stack.reshape(2, 2, 8, 12))
    assert result.x.shape == (2, 2, 8, 12)
    assert result.hermitian.shape == (2, 2, 12, 12)
    assert result.residual.shape == result.statuses.shape == result.rcond.shape == (2, 2)
    assert result.converged
    for x, a in zip(result.x.reshape(4, 8, 12), stack, strict=True):
        np.testing.assert_allclose(x, polar(a).x, atol=1e-9)


def test_stack_with_different_fates():
    good = conditioned((6, 6), 10, rng=0)
    nan = good.copy()
    nan[2, 3] = np.nan
    stack = np.stack([good, np.zeros((6, 6)), nan, good[:, ::-1]])
    result = polar(stack)
    assert list(result.statuses) == [
        Status.CONVERGED,
        Status.SINGULAR,
        Status.NONFINITE_INPUT,
        Status.CONVERGED,
    ]
    assert result.status is Status.NONFINITE_INPUT
    np.testing.assert_allclose(result.x[0], polar(good).x, atol=1e-12)
    assert not result.x[1].any()


# Edge cases ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*CONVERGENT, "cans", "chen-chow"])
def test_zero_matrix(method):
    result = polar(np.zeros((4, 3)), method=method)
    assert result.status is Status.SINGULAR
    assert not result.x.any() or method == "svd"
    assert not result.hermitian.any()


@pytest.mark.parametrize("method", CONVERGENT)
def test_rank_deficient(method):
    """Some isometry, the right Hermitian factor, and a status that says it is not unique."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((20, 5)) @ rng.standard_normal((5, 20))
    result = polar(a, method=method)
    assert result.status is Status.SINGULAR
    assert backward_error(a, result.x, result.hermitian) < 1e-12
    np.testing.assert_allclose(result.hermitian, scipy_polar(a)[1], atol=1e-11)
    s = np.linalg.svd(result.x, compute_uv=False)
    np.testing.assert_allclose(s[:5], 1, atol=1e-12)


@pytest.mark.parametrize("method", ["polar-express", "gram"])
def test_a_small_singular_matrix_is_singular_at_whatever_rounding(method):
    """A = X H to a few roundings more than is asked of a regular matrix says nothing else."""
    rng = np.random.default_rng(0)
    parts = rng.standard_normal((60, 2, 2, 2)) @ np.array([1, 1j])
    for left, right in parts.swapaxes(1, 2):
        a = np.outer(left, right)
        result = polar(a, method=method)
        assert result.status is Status.SINGULAR
        assert backward_error(a, result.x, result.hermitian) < 1e-13


@pytest.mark.parametrize("function", [polar, partial(polar, method="svd"), sqrtm, project_psd])
def test_small_matrices_reach_the_default_accuracy(function):
    """As far as LAPACK does, whose error is up to 70 roundoffs at order 3 as at order 50."""
    for seed in range(150):
        rng = np.random.default_rng(seed)
        n, condition = 2 + seed % 3, 10.0 ** -rng.integers(3, 10)
        q = np.linalg.qr(rng.standard_normal((n, n)))[0]
        w = np.geomspace(1, condition, n)
        if function is project_psd:
            w[1::2] *= -1
        a = q * w @ q.T
        result = function((a + a.T) / 2)
        assert result.status is Status.CONVERGED
        assert result.residual < 1e-14 or function not in (sqrtm, project_psd)


@pytest.mark.parametrize("function", [partial(polar, method="svd"), partial(sqrtm, method="eigh")])
def test_a_decomposition_is_made_once(function):
    """What it leaves no second one removes, so the status does not ask for more steps."""
    a = np.diag([3.0, 1.0, 0.5]) + 0.1
    result = function(a, rtol=0.0, maxiter=7)
    assert result.status is Status.STAGNATED
    assert result.nit == result.counts["decompositions"] == 1


def test_zero_columns_stay_zero():
    a = conditioned((9, 9), 10, rng=0)
    a[:, 4] = 0
    result = polar(a)
    assert result.status is Status.SINGULAR
    assert not result.x[:, 4].any()
    assert backward_error(a, result.x, result.hermitian) < 1e-13


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (0, 3, 2), (2, 0, 5)])
def test_empty(shape):
    result = polar(np.zeros(shape))
    assert result.converged
    assert result.x.shape == shape
    assert result.hermitian.shape == (*shape[:-2], shape[-1], shape[-1])
    assert orthogonalize(np.zeros(shape)).shape == shape


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", [*CONVERGENT, "jordan"])
def test_nonfinite_input(value, method):
    a = np.eye(4)
    a[1, 2] = value
    result = polar(a, method=method)
    assert result.status is Status.NONFINITE_INPUT
    assert not result.success
    assert not np.isfinite(result.x).all()
    assert np.isnan(orthogonalize(a)).any()
    fixed = polar(a, steps=3)
    assert fixed.status is Status.FIXED_STEPS
    assert not fixed.success


def test_bf16_without_safety_diverges_honestly():
    for seed in range(10):
        a = np.random.default_rng(seed).standard_normal((64, 256))
        with pytest.warns(UserWarning, match="safety=0 can blow up in bf16"):
            result = polar(a, method="cans", precision="bf16", rcond=1e-3)
        if not result.converged:
            assert result.status in (Status.DIVERGED, Status.STAGNATED)
            return
    raise AssertionError("every draw converged")


@pytest.mark.parametrize("seed", range(10))
def test_what_blew_up_is_not_called_stagnation(seed):
    a = conditioned((64, 64), 1e3, spectrum="linear", rng=seed)
    result = polar(a, method="cans", precision="fp16")
    if orthogonality_error(result.x) > 1 or not np.isfinite(result.x).all():
        assert result.status is Status.DIVERGED


@pytest.mark.parametrize("precision", ["fp16", "tf32"])
def test_the_smallest_singular_value_gets_its_time(precision):
    """It lies far below the unit roundoff, but grows as fast as any once it is let."""
    a = conditioned((48, 48), 1e6, spectrum="one-small", rng=0)
    result = polar(a, precision=precision)
    assert result.converged
    assert orthogonality_error(result.x) < 4e-3


@pytest.mark.parametrize("layout", ["C", "F", "strided", "read-only"])
def test_input_is_not_modified_whatever_its_layout(layout):
    a = conditioned((6, 8), 10, rng=0)
    given_ = {
        "C": a,
        "F": np.asfortranarray(a),
        "strided": np.repeat(np.repeat(a, 2, 0), 3, 1)[::2, ::3],
        "read-only": a.copy(),
    }[layout]
    given_.flags.writeable = layout != "read-only"
    for precision in (None, "bf16", "tf32"):
        for result in (
            polar(given_, precision=precision).x,
            orthogonalize(given_, precision=precision),
        ):
            assert not np.shares_memory(result, given_)
    np.testing.assert_array_equal(given_, a)


# Arguments -----------------------------------------------------------------------------------

SQUARE = np.eye(3)
BAD = [
    (([1.0, 2.0],), {}, ValueError, r"a must have shape \(..., m, n\), got shape \(2,\)"),
    ((np.eye(3, dtype=int),), {}, TypeError, "a must hold floating-point numbers, got dtype int64"),
    (("matrix",), {}, TypeError, "a must be an array"),
    (([[1.0, 2.0], [3.0]],), {}, ValueError, "a must be a rectangular array"),
    ((SQUARE,), {"method": "polr-express"}, ValueError, "did you mean 'polar-express'"),
    ((SQUARE,), {"method": 3}, TypeError, "method must be one of"),
    ((SQUARE,), {"side": "top"}, ValueError, "side must be one of 'right', 'left', got 'top'"),
    ((SQUARE,), {"rtol": -1e-3}, ValueError, "rtol must be >= 0, got -0.001"),
    ((SQUARE,), {"atol": float("nan")}, ValueError, "atol must be >= 0, got nan"),
    ((SQUARE,), {"maxiter": 1.5}, TypeError, "maxiter must be an integer, got 1.5"),
    ((SQUARE,), {"steps": 5, "rtol": 1e-3}, ValueError, "steps .* excludes rtol"),
    ((SQUARE,), {"steps": -1}, ValueError, "steps must be at least 0, got -1"),
    ((SQUARE,), {"rcond": 0}, ValueError, "rcond must be > 0, got 0"),
    ((SQUARE,), {"rcond": 2}, ValueError, "rcond must be <= 1, got 2"),
    ((SQUARE,), {"degree": 4}, ValueError, "degree"),
    ((SQUARE,), {"degree": 3, "method": "jordan"}, ValueError, "degree is fixed for .*'jordan'"),
    ((SQUARE,), {"precision": "fp8"}, ValueError, "precision must be one of 'fp64'"),
    ((SQUARE,), {"precision": 16}, TypeError, "precision must be None, a name or a Precision"),
    ((SQUARE * 1j,), {"precision": "bf16"}, ValueError, "'bf16' is for real arrays"),
    ((SQUARE,), {"callback": 3}, TypeError, "callback must be callable, got int"),
    ((SQUARE,), {"check_every": 0}, ValueError, "check_every must be at least 1"),
]


@pytest.mark.parametrize(("args", "kwargs", "kind", "message"), BAD)
def test_bad_arguments_are_named(args, kwargs, kind, message):
    with pytest.raises(kind, match=message):
        polar(*args, **kwargs)


def test_lists_are_matrices():
    np.testing.assert_allclose(polar([[0, 2], [-1, 0]]).x, [[0, 1], [-1, 0]], atol=1e-15)


def test_method_instances():
    a = conditioned((10, 10), 100, rng=0)
    for method in (PolarExpress(degree=7, safety=0.0, cushion=0.1), NewtonSchulz(degree=3)):
        result = polar(a, method=method)
        assert result.converged
        assert result.method is method
        assert eval(repr(method)) == method
    with pytest.raises(ValueError, match="degree belongs to a method's name"):
        polar(a, method=NewtonSchulz(), degree=3)


def test_callback_history_and_maxiter():
    a = conditioned((10, 10), 1e4, rng=0)
    seen = []
    result = polar(a, callback=seen.append, history=True)
    assert [progress.nit for progress in seen] == list(range(1, result.nit + 1))
    assert [record["nit"] for record in result.history] == list(range(result.nit + 1))
    assert result.history[-1]["orthogonality"] < 1e-13
    np.testing.assert_allclose(seen[-1].x, result.x)
    stopped = polar(a, callback=lambda progress: progress.nit == 3)
    assert stopped.status is Status.STOPPED
    assert stopped.nit == 3
    capped = polar(a, maxiter=4)
    assert capped.status is Status.MAXITER
    assert capped.nit == 4
    assert capped.residual > 1e-3


def test_counts_are_products():
    a = conditioned((16, 64), 100, rng=0, dtype=np.float32)
    result = polar(a, steps=6, rcond=1e-3, precision="bf16")
    assert result.nit == 6
    assert result.counts["products"] == 18
    assert result.counts["flops"] == 6 * 2 * (2 * 16 * 16 * 64 + 16**3)


def test_orthogonalize_takes_any_schedule():
    a = conditioned((20, 20), 30, rng=0)
    reference = scipy_polar(a)[0]
    from linalg_ml import minimax_schedule

    made = minimax_schedule(1e-3, 8)
    for schedule in (made, made.coefficients, "polar-express"):
        x = orthogonalize(a, steps=8, schedule=schedule)
        assert polar_error(x, reference) < 1e-6
    with pytest.raises(ValueError, match="known"):
        orthogonalize(a, schedule="unknown list")
    with pytest.raises(ValueError, match="steps must be at least 1"):
        orthogonalize(a, steps=0)


def test_orthogonalize_is_the_published_algorithm():
    """A literal transcription of Algorithm 1, first five rows."""
    rows = [
        (8.28721201814563, -23.595886519098837, 17.300387312530933),
        (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
        (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
        (3.3184196573706015, -2.488488024314874, 0.51004894012372),
        (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    ]
    g = np.random.default_rng(0).standard_normal((30, 50))
    x = g / (np.linalg.norm(g) * 1.01 + 1e-7)
    for a, b, c in rows:
        a, b, c = a / 1.01, b / 1.01**3, c / 1.01**5
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    np.testing.assert_allclose(orthogonalize(g), x, atol=1e-6)
    np.testing.assert_allclose(orthogonalize(g.T), x.T, atol=1e-6)
    assert orthogonality_error(x) < 0.3


def test_schedules_and_classes_are_methods():
    from linalg_ml import schedule
    from linalg_ml.matrix_functions import Cans, FixedSchedule

    a = conditioned((10, 10), 5, rng=0)
    result = polar(a, method=schedule("polar-express-modded"))
    assert result.converged
    assert result.method == FixedSchedule(schedule("polar-express-modded"))
    with pytest.raises(TypeError, match=r"method must be an instance: write PolarExpress"):
        polar(a, method=PolarExpress)
    for method in (PolarExpress, NewtonSchulz, Cans):
        with pytest.raises(ValueError, match="degree must be one of"):
            method(degree=4)
    with pytest.raises(ValueError, match="safety must be >= 0"):
        PolarExpress(safety=-1)


@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 3e38), (np.float64, 1e308)])
def test_orthogonalize_where_the_norm_overflows(dtype, huge):
    a = gaussian((30, 40), rng=0, dtype=dtype)
    a /= np.abs(a).max()
    expected = orthogonalize(a)
    for given_ in (a * dtype(huge), np.stack([a * dtype(huge)])):
        np.testing.assert_allclose(np.squeeze(orthogonalize(given_)), expected, atol=1e-5)


def test_autocast_does_not_override_a_named_precision():
    torch = pytest.importorskip("torch")
    a = torch.asarray(conditioned((40, 40), 5, rng=0, dtype=np.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x = orthogonalize(a, steps=8, precision="fp32")
        result = polar(a, precision="fp32")
        assert torch.is_autocast_enabled("cpu")
    assert orthogonality_error(x) < 1e-5
    assert result.converged


def test_tensors_that_require_gradients():
    torch = pytest.importorskip("torch")
    a = torch.asarray(conditioned((4, 6), 5, rng=0)).requires_grad_(True)
    result = polar(a)
    assert result.converged
    assert result.x.requires_grad


def test_a_zero_matrix_in_a_stack_hides_no_singular_one():
    rng = np.random.default_rng(0)
    singular = rng.standard_normal((6, 2)) @ rng.standard_normal((2, 6))
    good = rng.standard_normal((6, 6)) + 4 * np.eye(6)
    stack = np.stack([np.zeros((6, 6)), singular, good])
    for method in ("polar-express", "newton", "qdwh", "svd"):
        fates = [status.name for status in polar(stack, method=method).statuses]
        assert fates == ["SINGULAR", "SINGULAR", "CONVERGED"], method


TURNING = Schedule(((-1.5, 0.5), (1.5, -0.5)))  # takes every singular value to -1


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("rtol", [None, 1e-6])
def test_turned_signs_are_not_a_success(side, rtol):
    from linalg_ml import schedule

    # -U is orthonormal, and -U times -H is A: only the sign of H shows that U is wrong.
    for a in (conditioned((6, 6), 10.0, rng=0), conditioned((5, 9), 1e3, rng=0)):
        result = polar(a, method=TURNING, side=side, rtol=rtol)
        assert result.status is Status.BREAKDOWN
        for method in ("cans", "chen-chow", schedule("polar-express")):
            assert polar(a, method=method, side=side, rtol=rtol or 1e-10).converged
    stack = np.stack([np.eye(3), np.zeros((3, 3))])
    statuses = polar(stack, method=TURNING, side=side, rtol=rtol).statuses
    assert list(statuses) == [Status.BREAKDOWN, Status.SINGULAR]


@pytest.mark.filterwarnings("ignore:a minimax schedule with safety=0")
@pytest.mark.parametrize("precision", ["fp64", "fp32", "bf16"])
@pytest.mark.parametrize("method", ["chen-chow", "cans", TURNING])
def test_of_a_singular_matrix_the_factors_are_right_or_the_status_is_another(method, precision):
    # The first polynomials of "chen-chow" send the largest singular value to almost zero.
    u = {"fp64": EPS, "fp32": 2.0**-23, "bf16": 2.0**-7}[precision]
    problems = [np.outer(np.arange(1.0, 7.0), np.arange(1.0, 5.0)), np.ones((5, 3))]
    problems += [np.diag([1.0, 1e-8, 1e-16, 1e-30]), np.diag([1e10, 1.0, 1.0, 1.0])]
    for a in problems:
        result = polar(a, method=method, precision=precision)
        if result.status in (Status.CONVERGED, Status.SINGULAR):
            error = backward_error(a, result.x, result.hermitian)
            assert error < min(2000 * u, 2 * u**0.5)
            assert np.linalg.eigvalsh(result.hermitian)[0] > -2 * error * np.linalg.norm(a)


def test_a_decomposition_makes_nothing_of_what_is_not_finite():
    for a in (np.full((3, 3), np.nan), np.full((3, 3), 1.7e308)):
        for method in ("svd", "auto"):
            result = polar(a, method=method)
            assert result.status is Status.NONFINITE_INPUT
            assert np.isnan(result.x).all()
        assert not polar(a, method="svd", steps=1).success


@pytest.mark.parametrize("stack", [(0,), (2,), (2, 3)])
def test_an_empty_stack_is_a_stack(stack):
    result = polar(np.zeros((*stack, 0, 4)))
    assert result.residual.shape == result.rcond.shape == result.statuses.shape == stack
    assert all(status is Status.CONVERGED for status in result.statuses.flat)


@pytest.mark.parametrize("method", [DenmanBeavers(), EighSign(), InverseNewton(), NewtonSign()])
def test_methods_of_other_functions_are_refused(method):
    with pytest.raises(TypeError, match=r"method must be one of 'polar-express'.*instance.*got"):
        polar(np.eye(3), method=method)


# Metrics ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-160, 1e160, 1e300])
def test_metrics_do_not_depend_on_the_scale(scale):
    a = np.array([[3.0, 1.0], [1.0, 3.0]])
    assert backward_error(a * scale, np.eye(2), a * scale) == 0
    error = backward_error(a * scale, np.eye(2), np.array([[4.0, 1.0], [1.0, 3.0]]) * scale)
    assert error == pytest.approx(1 / 20**0.5, rel=1e-9)
    assert polar_error(a * scale, 0 * a) == pytest.approx(scale * 10**0.5, rel=1e-9)


def test_metrics_of_nothing_and_of_zero():
    for shape in ((0, 0), (0, 3), (3, 0)):
        assert orthogonality_error(np.zeros(shape)) == polar_error(*np.zeros((2, *shape))) == 0
    zero = polar(np.zeros((2, 2)))
    assert backward_error(np.zeros((2, 2)), zero.x, zero.hermitian) == 0
    stack = np.stack([np.eye(2), np.zeros((2, 2))])
    np.testing.assert_array_equal(backward_error(stack, stack, stack), 0)


def test_metrics_name_a_shape_that_does_not_fit():
    a = np.ones((3, 4))
    with pytest.raises(ValueError, match=r"x must have shape \(3, 4\), got shape \(4, 4\)"):
        backward_error(a, np.eye(4), np.eye(4))
    for side, order in (("right", 4), ("left", 3)):
        with pytest.raises(ValueError, match=rf"h must have shape \({order}, {order}\), got"):
            backward_error(a, a, np.ones((4, 1)), side=side)
