"""Derivatives of a problem, given, by automatic differentiation and by differences."""

import pickle
import re

import numpy as np
import pytest

from linalg_ml._core.result import UserFunctionError
from linalg_ml.constrained import EqualityProblem, check_derivatives

X = np.array([0.7, -0.4, 1.3])
LAM = np.array([0.5, -2.0])


def fun(x):
    return x[0] ** 2 * x[1] + x[2] ** 3 / 3


def con_of(stack):
    return lambda x: stack([x[0] * x[2] - 1, x[1] ** 2 + x[0] ** 3])


def grad(x):
    return np.array([2 * x[0] * x[1], x[0] ** 2, x[2] ** 2])


def jac(x):
    return np.array([[x[2], 0.0, x[0]], [3 * x[0] ** 2, 2 * x[1], 0.0]])


def hess(x, lam):
    f = np.array([[2 * x[1], 2 * x[0], 0], [2 * x[0], 0, 0], [0, 0, 2 * x[2]]])
    first = np.array([[0, 0, 1.0], [0, 0, 0], [1, 0, 0]])
    return f + lam[0] * first + lam[1] * np.diag([6 * x[0], 2, 0])


GIVEN = EqualityProblem(fun, con_of(np.stack), grad=grad, jac=jac, hess=hess)


def test_what_is_not_given_is_found(xp):
    """By autograd to rounding, by differences to their own accuracy."""
    x, lam = xp.array(X), xp.array(LAM)
    stack = {"torch": "torch", "jax": "jax.numpy", "array_api_strict": "array_api_strict"}
    module = __import__(stack.get(xp.library, "numpy"), fromlist=["stack"])
    problem = EqualityProblem(fun, con_of(module.stack))
    g, j, h = problem.gradient(x), problem.jacobian(x), problem.hessian(x, lam)
    first = {"torch": 1e-14, "jax": 1e-6}.get(xp.library, 1e-11 if xp.has_float64 else 1e-4)
    second = {"torch": 1e-14, "jax": 1e-6}.get(xp.library, 1e-6 if xp.has_float64 else 1e-2)
    for found, reference, tolerance in (
        (g, grad(X), first),
        (j, jac(X), first),
        (h, hess(X, LAM), second),
    ):
        xp.assert_like(found, x, reference.shape)
        np.testing.assert_allclose(xp.to_numpy(found), reference, atol=tolerance)


def test_hessian_from_first_derivatives():
    problem = EqualityProblem(fun, con_of(np.stack), grad=grad, jac=jac)
    np.testing.assert_allclose(problem.hessian(X, LAM), hess(X, LAM), atol=1e-11)


def test_hessian_from_given_first_derivatives_by_autograd():
    torch = pytest.importorskip("torch")
    problem = EqualityProblem(
        fun,
        con_of(torch.stack),
        grad=lambda x: torch.stack([2 * x[0] * x[1], x[0] ** 2, x[2] ** 2]),
        jac=lambda x: torch.stack(
            [
                torch.stack([x[2], 0 * x[0], x[0]]),
                torch.stack([3 * x[0] ** 2, 2 * x[1], 0 * x[0]]),
            ]
        ),
    )
    found = problem.hessian(torch.tensor(X), torch.tensor(LAM))
    np.testing.assert_allclose(found.numpy(), hess(X, LAM), atol=1e-14)


def test_the_checker_passes_what_is_right():
    found = check_derivatives(GIVEN, X)
    assert found.correct
    assert max(found.grad, found.jac, found.hess) < 1e-10


@pytest.mark.parametrize(
    ("name", "wrong", "entry"),
    [
        ("grad", lambda x: grad(x) * np.array([1, 1, 1.01]), (2,)),
        ("jac", lambda x: jac(x) + np.array([[0, 1e-3, 0], [0, 0, 0]]), (0, 1)),
        ("hess", lambda x, lam: hess(x, lam[::-1]), None),
    ],
)
def test_the_checker_finds_the_wrong_entry(name, wrong, entry):
    given = {"grad": grad, "jac": jac, "hess": hess, name: wrong}
    found = check_derivatives(EqualityProblem(fun, con_of(np.stack), **given), X)
    assert not found.correct
    assert getattr(found, name) > 1e-4
    assert entry in (None, found.worst[name])


def test_a_kink_is_not_differentiable():
    problem = EqualityProblem(lambda x: abs(x[0]) + x[1], lambda x: x[:1])
    assert problem.gradient(np.array([0.5, 1.0]))[0] == pytest.approx(1, abs=1e-11)
    with pytest.raises(UserFunctionError, match=re.escape("fun is not differentiable near x")):
        problem.gradient(np.array([0.0, 1.0]))


@pytest.mark.parametrize("power", [1.5, 2, 3, 4, 7])
@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_smooth_functions_are_not_taken_for_kinks(power, size):
    problem = EqualityProblem(
        lambda x: size * (np.abs(x[0]) ** power + np.exp(x[1])), lambda x: x[:1]
    )
    for x in (0.0, 1e-9, 1e-3, 1.0, -30.0):
        problem.gradient(np.array([x, 0.3]))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"fun": 3}, TypeError, "fun must be a function"),
        ({"con": None}, TypeError, "con must be a function"),
        ({"hess": 1.0}, TypeError, "hess must be a function or None"),
    ],
)
def test_arguments(given, error, message):
    functions = {"fun": fun, "con": con_of(np.stack), **given}
    with pytest.raises(error, match=message):
        EqualityProblem(functions.pop("fun"), functions.pop("con"), **functions)


@pytest.mark.parametrize(
    ("functions", "call", "error", "message"),
    [
        ({"fun": lambda x: x}, "value", ValueError, r"fun\(x\) must return a number, got shape"),
        ({"fun": lambda x: None}, "value", TypeError, "real number, got NoneType"),
        ({"fun": lambda x: "3"}, "value", TypeError, "real number, got str"),
        ({"fun": lambda x: x[0] * 1j}, "value", TypeError, "real number, got complex128"),
        ({"con": lambda x: np.array(["a", "b"])}, "constraints", TypeError, r"con\(x\) must hold"),
        ({"con": lambda x: [[1], [1, 2]]}, "constraints", ValueError, r"con\(x\) must be a rect"),
        ({"con": lambda x: x[0]}, "constraints", ValueError, r"shape \(m,\), got shape \(\)"),
        ({"con": lambda x: None}, "constraints", TypeError, r"con\(x\) must be a numpy array"),
        ({"con": lambda x: x[None]}, "constraints", ValueError, r"shape \(m,\), got shape \(1, 3"),
        ({"grad": lambda x: x[:2]}, "gradient", ValueError, r"grad\(x\) must have shape \(3,\)"),
        ({"jac": lambda x: x}, "jacobian", ValueError, r"jac\(x\) must have shape \(m, n\)"),
        ({"jac": lambda x: np.eye(2)}, "jacobian", ValueError, r"shape \(m, 3\)"),
        ({"jac": lambda x: 1j * np.eye(3)}, "jacobian", TypeError, "must be real"),
    ],
)
def test_what_a_function_returns_is_checked(functions, call, error, message):
    functions = {"fun": fun, "con": con_of(np.stack), **functions}
    problem = EqualityProblem(functions.pop("fun"), functions.pop("con"), **functions)
    with pytest.raises(error, match=message):
        getattr(problem, call)(X)


def test_hessian_is_symmetric():
    problem = EqualityProblem(fun, con_of(np.stack), hess=lambda x, lam: np.triu(np.ones((3, 3))))
    h = problem.hessian(X, LAM)
    np.testing.assert_array_equal(h, h.T)


def test_functions_may_write_into_the_same_memory_at_every_call():
    """As programs that spare allocations do; a value once returned must stay."""

    def reused(function, shape):
        memory = np.zeros(shape)
        return lambda *arguments: np.copyto(memory, function(*arguments)) or memory

    problem = EqualityProblem(
        fun,
        reused(con_of(np.stack), 2),
        grad=reused(grad, 3),
        jac=reused(jac, (2, 3)),
        hess=reused(hess, (3, 3)),
    )
    assert check_derivatives(problem, X, multipliers=LAM).correct


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_a_value_of_shape_one_is_differentiated(library):
    pytest.importorskip(library)
    module = pytest.importorskip({"torch": "torch", "jax": "jax.numpy"}[library])
    x, lam = (module.asarray(a.astype(np.float32)) for a in (X, LAM))
    plain = EqualityProblem(fun, con_of(module.stack))
    problem = EqualityProblem(lambda x: fun(x)[None], con_of(module.stack))
    np.testing.assert_array_equal(problem.gradient(x), plain.gradient(x))
    np.testing.assert_array_equal(problem.hessian(x, lam), plain.hessian(x, lam))


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_derivatives_are_those_of_the_functions_of_now(library):
    pytest.importorskip(library)
    module = pytest.importorskip({"torch": "torch", "jax": "jax.numpy"}[library])
    x = module.asarray(X.astype(np.float32))
    problem = EqualityProblem(fun, con_of(module.stack))
    before = problem.gradient(x)
    problem.fun = lambda x: 2 * fun(x)
    np.testing.assert_array_equal(problem.gradient(x), 2 * before)


def quadratic(x):
    return x[0] ** 2 + x[1]


def last(x):
    return x[2:]


def test_a_compiled_problem_is_pickled():
    jnp = pytest.importorskip("jax.numpy")
    x = jnp.asarray(X.astype(np.float32))
    problem = EqualityProblem(quadratic, last)
    before = problem.gradient(x)
    copied = pickle.loads(pickle.dumps(problem))
    np.testing.assert_array_equal(copied.gradient(x), before)


def test_derivatives_in_the_inference_mode_of_torch():
    """Nothing is recorded there, which must not be taken for derivatives of zero."""
    torch = pytest.importorskip("torch")
    problem = EqualityProblem(fun, con_of(torch.stack))
    with torch.inference_mode():
        x, lam = torch.tensor(X), torch.tensor(LAM)
        found = problem.gradient(x), problem.jacobian(x), problem.hessian(x, lam)
    for a, reference in zip(found, (grad(X), jac(X), hess(X, LAM)), strict=True):
        np.testing.assert_allclose(a.numpy(), reference, atol=1e-14)
