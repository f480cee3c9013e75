"""The method "auto": a sound and cheap choice, which says what it was."""

import numpy as np
import pytest

from linalg_ml import plan, polar
from linalg_ml.matrix_functions import PlannedPolar, PolarExpress, ProductCosts, SvdPolar, automatic
from linalg_ml.matrix_functions.automatic import _DEGREES
from linalg_ml.matrix_functions.schedules import minimax_schedule
from linalg_ml.problems import conditioned


@pytest.fixture
def always_look(monkeypatch):
    """Choose for small matrices as for large ones, so that small ones test it."""
    monkeypatch.setattr(automatic, "_SVD_AT_ONCE", (0, 0.0))


pytestmark = pytest.mark.usefixtures("always_look")
SHAPES = [(32, 32), (24, 96), (96, 24)]


def errors(a, result):
    """Return the errors of U, of A = U H, and of U^H U = I, in Frobenius norms over sqrt(n)."""
    a = a.astype(np.float64)
    p, _, qh = np.linalg.svd(a, full_matrices=False)
    x, h, root = result.x.astype(np.float64), result.hermitian, min(a.shape) ** 0.5
    square = x @ x.T if a.shape[0] <= a.shape[1] else x.T @ x
    backward = np.linalg.norm(a - x @ h) / np.linalg.norm(a)
    return np.linalg.norm(x - p @ qh) / root, backward, np.linalg.norm(square - np.eye(len(square)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("condition", [1.0, 1.3, 4, 20, 90, 200, 1e3, 1e5, 1e9, 1e14])
@pytest.mark.parametrize("kind", ["float64", "float32", "complex128"])
def test_backward_stable_at_every_condition_number(shape, condition, kind):
    a = conditioned(shape, condition, rng=3)
    if kind == "complex128":
        a = a * np.exp(1j * np.arange(shape[1]))
    a = a.astype(kind)
    eps = np.finfo(kind).eps
    result = polar(a, method="auto")
    if condition * eps > 0.2:
        assert result.status.name in ("CONVERGED", "SINGULAR")
    else:
        assert result.converged and isinstance(result.method, (PlannedPolar, SvdPolar))
    if kind == "complex128":
        backward = np.linalg.norm(a - result.x @ result.hermitian) / np.linalg.norm(a)
        assert backward < 60 * eps
        return
    forward, backward, orthogonality = errors(a, result)
    assert forward < 60 * condition * eps and backward < 60 * eps
    assert orthogonality < 60 * min(shape) ** 0.5 * eps


# From order 128 on the matrix is looked at in fp32.
@pytest.mark.parametrize("shape", [(140, 140), (130, 300)])
@pytest.mark.parametrize("condition", [1.0, 40, 650, 800, 1e9])
@pytest.mark.parametrize("kind", ["float64", "complex128"])
def test_a_look_in_a_shorter_type_costs_no_accuracy(shape, condition, kind):
    a = conditioned(shape, condition, rng=5)
    if kind == "complex128":
        a = a * np.exp(1j * np.arange(shape[1]))
    result = polar(a, method="auto")
    assert result.converged
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    eps, root = np.finfo(float).eps, min(shape) ** 0.5
    assert np.linalg.norm(result.x - u @ vh) / root < 60 * condition * eps
    assert np.linalg.norm(a - result.x @ result.hermitian) < 60 * eps * np.linalg.norm(a)
    assert result.rcond == pytest.approx(1 / condition, rel=0.1)
    tiny = polar(1e-200 * a, method="auto")
    np.testing.assert_allclose(tiny.x, result.x, atol=60 * condition * eps)


def test_a_look_in_a_shorter_type_sees_what_is_not_there():
    a = conditioned((140, 140), 5, rng=5)
    a[:, 7] = 0
    assert polar(a, method="auto").status.name == "SINGULAR"
    assert polar(0 * a, method="auto").status.name == "SINGULAR"
    a[3, 3] = np.nan
    assert polar(a, method="auto").status.name == "NONFINITE_INPUT"
    with np.errstate(all="raise"):  # entries that underflow in fp32
        graded = np.diag(np.logspace(0, -60, 140))
        assert polar(graded, method="auto").method == SvdPolar()


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-12])
def test_the_bound_on_the_backward_error_bounds_the_residual(rtol):
    a = conditioned((140, 140), 30, rng=5)
    u, _, vh = np.linalg.svd(a)
    result = polar(a, method="auto", rtol=rtol)
    assert result.converged and result.residual <= rtol
    assert np.linalg.norm(result.x - u @ vh) / 140**0.5 <= 1.01 * result.residual + 1e-14


def test_the_choice_is_told():
    def method(condition, **options):
        return polar(conditioned((300, 300), condition, rng=0), method="auto", **options).method

    assert method(3).rational == 0 and isinstance(method(3), PlannedPolar)
    assert method(1e6) == SvdPolar()
    assert isinstance(method(3, precision="bf16"), PolarExpress)
    assert isinstance(method(3, steps=4), PolarExpress)
    wide = polar(conditioned((300, 1500), 30, rng=0), method="auto").method
    assert isinstance(wide, PlannedPolar) and wide.gram
    assert len(method(3, rtol=1e-4).degrees) <= len(method(3).degrees)


def test_small_matrices_are_decomposed_without_a_look(monkeypatch):
    monkeypatch.undo()
    a = conditioned((40, 60), 3, rng=0)
    result = polar(a, method="auto")
    assert result.converged and result.method == SvdPolar()
    assert result.counts["decompositions"] == 1
    np.testing.assert_allclose(result.x, polar(a, method="svd").x, rtol=0, atol=1e-15)
    for other in (np.stack([a, a]), conditioned((40, 200), 3, rng=0)):
        assert isinstance(polar(other, method="auto").method, PlannedPolar)
    assert isinstance(polar(a, method="auto", steps=3).method, PolarExpress)


def test_given_tolerances_and_bounds_are_kept():
    a = conditioned((40, 40), 50, rng=0)
    loose, tight = polar(a, method="auto", rtol=1e-5), polar(a, method="auto", rtol=1e-12)
    assert loose.converged and tight.converged
    assert errors(a, loose)[0] < 1e-5 and errors(a, tight)[0] < 1e-12
    assert polar(a, method="auto", rcond=0.02).converged
    # A bound that is wrong is noticed, not believed.
    assert polar(a, method="auto", rcond=0.9).converged
    never = polar(conditioned((40, 40), 1e10, rng=0), method="auto", rtol=1e-12)
    assert not never.converged


@pytest.mark.parametrize("goal", _DEGREES)
def test_degrees_reach_their_goal_at_hardly_more_than_the_least_cost(goal):
    tolerance, precision = {"full": (1.5e-14, "fp64"), "half": (4e-8, "fp32")}[goal]
    costs = ProductCosts(gram=0.6, symmetric=0.65)
    for lower, degrees in _DEGREES[goal]:
        assert minimax_schedule(lower, degree=degrees, safety=1e-3).error < tolerance
    for lower, degrees in _DEGREES[goal][::3]:
        best = plan((512, 512), lower, tolerance, precision, costs=costs, harmless=0.0)
        assert costs.direct(degrees) < 1.12 * costs.direct(best.degrees)


def test_it_reuses_nothing_that_belongs_to_another_iterate():
    a = conditioned((20, 20), 5, rng=0)
    result = polar(a, method="auto", history=True)
    direct = np.linalg.norm(result.x.T @ result.x - np.eye(20)) / 20**0.5
    assert result.history[-1]["orthogonality"] == pytest.approx(direct, abs=2e-15)


@pytest.mark.parametrize("condition", [1e2, 1e5])
def test_stacks_and_sides(condition):
    stack = np.stack([conditioned((6, 9), k, rng=0) for k in (1.0, 7.0, condition)])
    result = polar(stack, method="auto", side="left")
    assert result.converged and result.statuses.shape == (3,)
    for one, a in zip(result.x, stack, strict=True):
        np.testing.assert_allclose(one, polar(a, method="svd").x, atol=1e-9)


@pytest.mark.parametrize("a", [np.zeros((4, 4)), np.ones((5, 5)), np.full((3, 3), np.nan)])
def test_hopeless_input(a):
    result = polar(a, method="auto")
    assert result.status.name == ("NONFINITE_INPUT" if np.isnan(a).any() else "SINGULAR")


@pytest.mark.parametrize("options", [{"precision": "fp16"}, {"precision": "bf16"}, {"steps": 12}])
def test_where_there_is_no_choice_it_is_the_default_in_full(options):
    """What cannot be weighed must not be judged by the quick look either."""
    a = conditioned((40, 40), 1e4, rng=0)
    result, expected = polar(a, method="auto", **options), polar(a, **options)
    assert (result.status, result.rcond) == (expected.status, expected.rcond)
    assert result.rcond == pytest.approx(1e-4, rel=0.5)
    np.testing.assert_array_equal(result.x, expected.x)


def test_other_libraries(xp, rng):
    a = xp.array(conditioned((8, 8), 10, rng=1).astype(np.float32))
    result = polar(a, method="auto")
    assert result.converged
    xp.assert_like(result.x, a)


def test_bad_arguments():
    with pytest.raises(ValueError, match="rational must be at most the number of degrees, 1"):
        PlannedPolar((5,), rational=2)
    with pytest.raises(ValueError, match="degrees must hold at least one"):
        PlannedPolar((), rational=0)
    with pytest.raises(ValueError, match="degree is fixed"):
        polar(np.eye(2), method="auto", degree=5)
    method = PlannedPolar((3, 5), rational=1)
    assert eval(repr(method), {"PlannedPolar": PlannedPolar}) == method
