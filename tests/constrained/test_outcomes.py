"""What happens where something is wrong, and on every array library."""

import re

import numpy as np
import pytest

from linalg_ml import EqualityProblem, Status, sketched_newton
from linalg_ml.constrained import SketchedNewton
from linalg_ml.krylov.minres import MinimalResiduals
from linalg_ml.problems import small_constrained_problem

HS7 = small_constrained_problem("HS7")


def changed(**functions):
    """Return HS7 with some functions replaced."""
    names = ("fun", "con", "grad", "jac", "hess")
    given = {**{name: getattr(HS7, name) for name in names}, **functions}
    return EqualityProblem(given.pop("fun"), given.pop("con"), **given)


def broken_after(function, calls, value=np.nan):
    """Return the function, its value spoilt after so many calls."""
    made = [0]

    def wrapped(*arguments):
        made[0] += 1
        return function(*arguments) if made[0] <= calls else function(*arguments) * value

    return wrapped


@pytest.mark.parametrize("name", ["fun", "con", "grad", "jac"])
def test_nan_at_the_start(name):
    problem = changed(**{name: broken_after(getattr(HS7, name), 1 if name == "con" else 0)})
    result = sketched_newton(problem, HS7.x0)
    assert result.status is Status.USER_FUNCTION
    assert f"{name}(x) returned NaN or infinity at iterate 0, x = [2. 2.]" in result.criterion
    np.testing.assert_array_equal(result.x, HS7.x0)
    assert result.nit == 0


def test_nan_in_the_hessian_returns_the_last_good_iterate():
    good = sketched_newton(HS7, HS7.x0, steps=3, rng=0)
    problem = changed(hess=broken_after(HS7.hess, 3))
    result = sketched_newton(problem, HS7.x0, rng=0)
    assert result.status is Status.USER_FUNCTION
    assert "hess(x, lam) returned NaN or infinity at iterate 3" in result.criterion
    np.testing.assert_array_equal(result.x, good.x)
    np.testing.assert_array_equal(result.multipliers, good.multipliers)


@pytest.mark.parametrize("name", ["fun", "grad"])
def test_nan_everywhere_but_at_the_iterate(name):
    problem = changed(**{name: broken_after(getattr(HS7, name), 1, np.inf)})
    result = sketched_newton(problem, HS7.x0)
    assert result.status is Status.USER_FUNCTION
    assert f"{name}(x) returned NaN or infinity at every point tried" in result.criterion
    np.testing.assert_array_equal(result.x, HS7.x0)


def test_a_domain_is_backed_into():
    """log(x) is NaN where the full step leads; the search halves it."""
    problem = EqualityProblem(
        lambda x: -np.log(x[0]) - np.log(x[1]), lambda x: np.array([x[0] ** 2 + x[1] ** 2 - 2])
    )
    with np.errstate(invalid="ignore"):
        result = sketched_newton(problem, np.array([0.01, 30.0]))
    assert result.converged
    np.testing.assert_allclose(result.x, 1, atol=1e-6)


def test_start_where_a_function_has_a_kink():
    problem = EqualityProblem(lambda x: np.sum(np.abs(x)), lambda x: np.array([x[0] + x[1] - 1]))
    result = sketched_newton(problem, np.array([0.0, 0.5]))
    assert result.status is Status.USER_FUNCTION
    assert re.search("fun is not differentiable near x.*x\\[0\\]", result.criterion)
    np.testing.assert_array_equal(result.x, [0.0, 0.5])


def test_start_where_autograd_gives_an_infinite_derivative():
    torch = pytest.importorskip("torch")
    problem = EqualityProblem(lambda x: torch.sqrt(x[0] - 1) + x[1] ** 2, lambda x: x[:1] - 2)
    result = sketched_newton(problem, torch.tensor([1.0, 0.0], dtype=torch.float64))
    assert result.status is Status.USER_FUNCTION
    assert "grad(x) returned NaN or infinity at iterate 0" in result.criterion


def test_inconsistent_linear_constraints():
    problem = EqualityProblem(
        lambda x: x @ x,
        lambda x: np.array([x[0] + x[1], x[0] + x[1] - 1]),
        jac=lambda x: np.ones((2, 2)),
    )
    result = sketched_newton(problem, np.array([3.0, 1.0]))
    assert result.status is Status.STAGNATED
    assert "the constraints look inconsistent: ||c|| = 0.707" in result.reason
    np.testing.assert_allclose(result.x.sum(), 0.5, atol=1e-6)


def test_inconsistent_nonlinear_constraint():
    problem = EqualityProblem(lambda x: x[1] ** 2, lambda x: np.array([x[0] ** 2 + 1 + x[1] ** 2]))
    result = sketched_newton(problem, np.array([2.0, 1.0]), rng=0)
    assert not result.success
    assert np.all(np.isfinite(result.x))


@pytest.mark.parametrize(
    ("fun", "con", "start"),
    [
        (lambda x: x[0], lambda x: x @ x + 1, [1.0, 2.0]),
        (lambda x: x[0], lambda x: x[0] ** 3 - x[1] ** 2, [1.0, 1.0]),
        (lambda x: x[0] ** 3, lambda x: x[1], [-1.0, 2.0]),
    ],
    ids=["inconsistent", "a cusp", "unbounded"],
)
def test_steps_that_lead_nowhere_are_not_made_until_the_cap(fun, con, start):
    problem = EqualityProblem(fun, lambda x: np.array([con(x)]))
    result = sketched_newton(problem, np.array(start), rng=0)
    assert result.status is Status.STAGNATED and result.reason
    assert result.nit < 60 and result.counts["fun"] < 1000


def test_redundant_constraints():
    """A rank-deficient Jacobian with consistent constraints: solved, with some multipliers."""
    problem = EqualityProblem(
        lambda x: x[0] + x[1], lambda x: np.array([x @ x - 2, 2 * (x @ x) - 4, 3 * (x @ x) - 6])
    )
    result = sketched_newton(problem, np.array([-2.0, 0.5]))
    assert result.converged
    np.testing.assert_allclose(result.x, -1, atol=1e-6)
    assert result.multipliers @ [1, 2, 3] == pytest.approx(0.5)


def test_published_rank_test():
    """The published method stops where ours goes on."""
    problem = changed(con=lambda x: 1e-3 * HS7.con(x), jac=lambda x: 1e-3 * HS7.jac(x), hess=None)
    result = sketched_newton(problem, np.array([0.05, 0.1]), method="published", inner="exact")
    assert result.status is Status.SINGULAR
    assert "lambda_min(G G^T)" in result.reason
    assert sketched_newton(HS7, np.array([0.05, 0.1])).converged


def test_start_that_is_not_finite():
    result = sketched_newton(HS7, np.array([np.nan, 1.0]))
    assert result.status is Status.NONFINITE_INPUT


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((3, HS7.x0), {}, TypeError, "problem must be an EqualityProblem, or an object"),
        ((HS7, [[1.0]]), {}, ValueError, r"start must have shape \(n,\)"),
        ((HS7, []), {}, ValueError, "n > 0"),
        ((HS7, np.ones(2, complex)), {}, TypeError, "start must be float32 or float64"),
        ((HS7, HS7.x0), {"inner": "blocks"}, ValueError, "did you mean 'block'"),
        ((HS7, HS7.x0), {"method": "sqp"}, ValueError, "method must be one of"),
        ((HS7, HS7.x0), {"block": 0}, ValueError, "block must be at least 1"),
        ((HS7, HS7.x0), {"multipliers": np.ones(2)}, ValueError, r"multipliers must have shape"),
        ((HS7, HS7.x0), {"multipliers": [1j]}, TypeError, "multipliers must be real"),
        ((HS7, HS7.x0), {"steps": 3, "atol": 1.0}, ValueError, "steps"),
        ((HS7, HS7.x0), {"method": MinimalResiduals()}, TypeError, "method must be one of"),
        (
            (HS7, HS7.x0),
            {"method": SketchedNewton(), "inner": "minres"},
            ValueError,
            "excludes inner",
        ),
        ((changed(jac=lambda x: np.ones((3, 2))), HS7.x0), {}, ValueError, r"jac\(x\) must have"),
        ((changed(hess=lambda x, l: np.ones(2)), HS7.x0), {}, ValueError, r"hess\(x, lam\) must"),
    ],
)
def test_arguments(arguments, options, error, message):
    with pytest.raises(error, match=message):
        sketched_newton(*arguments, **options)


def test_on_every_array_library(xp):
    """Derivatives by autograd or differences, the answer at home where x is."""
    module = {"torch": "torch", "jax": "jax.numpy"}.get(xp.library, xp.library)
    stack = __import__(module, fromlist=["stack"]).stack
    problem = EqualityProblem(
        lambda x: (x[0] - 2) ** 2 + x[1] ** 2 + x[2],
        lambda x: stack([x[0] ** 2 + x[1] ** 2 - 1, x[2] - x[0]]),
    )
    start = xp.array([0.5, 1.0, 2.0])
    inner = "exact" if xp.library == "jax" else "block"  # which compiles for every shape
    result = sketched_newton(problem, start, inner=inner, rng=0)
    assert result.converged
    xp.assert_like(result.x, start)
    xp.assert_like(result.multipliers, start, (2,))
    np.testing.assert_allclose(xp.to_numpy(result.x), [1, 0, 1], atol=1e-3)
    np.testing.assert_array_equal(xp.to_numpy(start), [0.5, 1.0, 2.0])


@pytest.mark.parametrize("inner", ["exact", "minres", "sparse-sign"])
def test_inner_solvers_on_torch(inner):
    torch = pytest.importorskip("torch")
    problem = EqualityProblem(lambda x: x.sum(), lambda x: ((x @ x) - 3)[None])
    start = torch.tensor([-2.0, 0.5, 1.0], dtype=torch.float64)
    result = sketched_newton(problem, start, inner=inner, rng=0)
    assert result.converged
    assert torch.allclose(result.x, -torch.ones(3, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_short_precision_of_the_inner_solves(precision):
    """Slower, but as accurate: residuals and the line search are in the dtype of x."""
    result = sketched_newton(HS7, HS7.x0, precision=precision, rng=0)
    assert result.converged
    assert result.precision.startswith(precision)
    assert result.value == pytest.approx(HS7.optimum, abs=1e-6)


def test_fixed_steps_and_resumption_of_multipliers():
    half = sketched_newton(HS7, HS7.x0, steps=5, rng=0)
    assert half.status is Status.FIXED_STEPS
    assert half.nit == 5
    rest = sketched_newton(HS7, half.x, multipliers=half.multipliers, rng=0)
    assert rest.converged


def test_no_constraints():
    problem = EqualityProblem(lambda x: (x[0] - 1) ** 2 + x[1] ** 4, lambda x: x[:0])
    result = sketched_newton(problem, np.array([3.0, 1.0]))
    assert result.converged
    np.testing.assert_allclose(result.x, [1, 0], atol=1e-2)


def test_callback_stops():
    result = sketched_newton(HS7, HS7.x0, callback=lambda progress: progress.nit == 2)
    assert result.status is Status.STOPPED
    assert result.nit == 2


def test_relative_tolerance_is_relative_to_the_start():
    result = sketched_newton(HS7, HS7.x0, rtol=1e-3, history=True)
    assert result.residual <= 1e-3 * result.history[0]["residual"]
    assert "0.025" in result.criterion


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"inner": "blocks"}, ValueError, "inner must be one of"),
        ({"block": 0}, ValueError, "block must be at least 1"),
        ({"inner_maxiter": 0.5}, TypeError, "inner_maxiter must be an integer"),
        ({"accuracy": "bounds"}, TypeError, "accuracy must be a number"),
        ({"convexify": "reflected"}, ValueError, "convexify must be one of"),
        ({"merit_hessian": "f"}, ValueError, "merit_hessian must be one of"),
        ({"retries": -1}, ValueError, "retries must be at least 0"),
        ({"eta1": -1.0}, ValueError, "eta1 must be > 0"),
        ({"beta": 0.7}, ValueError, "beta must be < 0.5"),
        ({"nu": 1.0}, ValueError, "nu must be > 1"),
    ],
)
def test_parameters_of_the_method(parameters, error, message):
    with pytest.raises(error, match=message):
        SketchedNewton(**parameters)


@pytest.mark.parametrize("method", ["recommended", "published"])
@pytest.mark.parametrize("sizes", [(1e300, 1.0), (1.0, 1e300)])
def test_values_whose_squares_overflow_end_in_a_status(method, sizes):
    f, c = sizes
    problem = EqualityProblem(
        lambda x: f * (x[0] + x[1]),
        lambda x: c * np.array([x @ x - 2]),
        grad=lambda x: np.full(2, f),
        jac=lambda x: 2 * c * x[None],
        hess=lambda x, lam: 2 * c * lam[0] * np.eye(2),
    )
    result = sketched_newton(
        problem, np.array([-2.0, 0.5]), method=method, inner="exact", maxiter=5
    )
    assert result.status in (Status.STAGNATED, Status.MAXITER, Status.USER_FUNCTION)


def test_what_is_returned_is_not_the_memory_of_the_caller():
    x, lam = HS7.x0.copy(), np.ones(1)
    for options in ({"maxiter": 0}, {"maxiter": 3, "rng": 0}):
        result = sketched_newton(HS7, x, multipliers=lam, **options)
        assert not np.shares_memory(result.x, x)
        assert not np.shares_memory(result.multipliers, lam)
    result = sketched_newton(changed(fun=lambda x: np.nan), x, multipliers=lam)
    assert not np.shares_memory(result.x, x)


def test_autograd_does_not_follow_the_iteration():
    """A graph over all steps would keep all of their arrays."""
    torch = pytest.importorskip("torch")
    weight = torch.ones(2, dtype=torch.float64, requires_grad=True)
    problem = EqualityProblem(lambda x: (weight * x).sum(), lambda x: (x @ (weight * x) - 2)[None])
    for start in (torch.tensor([-2.0, 0.5], dtype=torch.float64), 1.5 * weight):
        seen = []
        result = sketched_newton(
            problem, start, rng=0, callback=lambda p, seen=seen: seen.append(p.x)
        )
        assert result.converged
        assert not any(a.requires_grad for a in (result.x, result.multipliers, *seen))
