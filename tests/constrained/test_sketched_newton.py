"""Newton's method on the exact augmented Lagrangian: published traces, identities, outcomes."""

import numpy as np
import pytest

from linalg_ml import sketched_newton
from linalg_ml._core.precision import Arithmetic
from linalg_ml.constrained import SketchedNewton, geometry
from linalg_ml.constrained.evaluation import Evaluation
from linalg_ml.constrained.inner import begin, improve
from linalg_ml.constrained.kkt_system import KKTSystem
from linalg_ml.constrained.merit import Penalties, merit, merit_gradient
from linalg_ml.constrained.problem import as_problem
from linalg_ml.problems import (
    PoissonControl,
    constrained_logistic,
    small_constrained_names,
    small_constrained_problem,
)

# With an exact inner solve: the residuals and the step lengths of an independent program.
TRACES = {
    "HS40": (
        [1.086381, 9.927084e-2, 2.951155e-3, 4.258114e-6, 7.5188e-12],
        [1, 1, 1, 1],
    ),
    "BT5": (
        [1.931321e1, 4.283386e1, 3.098895, 1.565377e-1, 9.882341e-3, 2.673410e-6],
        [0.5, 1, 1, 1, 1],
    ),
    "HS7": (
        [
            *[2.503278e1, 1.998110e1, 1.774750e1, 1.732792e1, 1.725668e1, 8.139120],
            *[6.935166, 1.509890, 1.429560e-1, 2.102416e-3, 5.649416e-7],
        ],
        [0.5, 0.25, 0.0625, 0.03125, 1, 1, 1, 1, 1, 1],
    ),
    "HS6": (
        [6.222540, 6.003336, 5.709266, 5.359899, 4.976881, 4.652895, 4.028760, 3.276066, 1.315512],
        [1 / 8, 1 / 8, 1 / 8, 1 / 8, 1 / 4, 1 / 4, 1 / 2, 1],
    ),
    "HS77": (
        [
            *[5.734716e1, 1.704912e1, 4.103172, 5.840509e-1, 1.424170e-1, 7.769707e-2],
            *[3.522572e-2, 2.672655e-3, 3.852983e-5, 8.157969e-9],
        ],
        [1, 1, 1, 1, 1, 0.5, 1, 1, 1],
    ),
}


def at(name, lam=0.3):
    """Return the evaluation of a small problem, a point that is not its start, and H there."""
    problem = small_constrained_problem(name)
    space = Evaluation(as_problem(problem), problem.x0, None, Arithmetic(None, problem.x0), 0)
    moved = problem.x0 + 0.1 * np.cos(np.arange(len(problem.x0)))
    point = space.point(moved, np.full(space.m, lam))
    return space, point, space.hessian(point, 0)


@pytest.mark.parametrize("name", TRACES)
def test_published_traces(name):
    residuals, lengths = TRACES[name]
    problem = small_constrained_problem(name)
    result = sketched_newton(
        problem, problem.x0, method="published", inner="exact", atol=1e-8, history=True
    )
    found = [record["residual"] for record in result.history]
    np.testing.assert_allclose(found[: len(residuals)], residuals, rtol=1e-6, atol=1e-15)
    assert [record["step_length"] for record in result.history[1 : len(lengths) + 1]] == lengths


def test_published_penalties():
    problem = small_constrained_problem("HS40")
    result = sketched_newton(
        problem, problem.x0, method="published", inner="exact", atol=1e-10, history=True
    )
    assert result.history[-1]["eta1"] == pytest.approx(2.25)
    assert result.history[-1]["eta2"] == pytest.approx(0.1 / 1.5)


@pytest.mark.parametrize(("name", "iterations"), [("HS40", 3), ("HS79", 4), ("BT5", 5)])
def test_published_single_vectors(name, iterations):
    """Rows and Gaussian vectors as published, to the published tolerance."""
    problem = small_constrained_problem(name)
    for inner in ("kaczmarz", "gaussian-vector"):
        result = sketched_newton(
            problem, problem.x0, method="published", inner=inner, atol=1e-4, rng=0
        )
        assert result.converged
        assert result.nit == iterations


@pytest.mark.parametrize("name", ["HS7", "HS40", "HS77", "HS47", "HS79"])
def test_merit_gradient(name):
    """Correct with the Hessian of the Lagrangian; wrong with that of f, as the authors have it."""
    space, point, h = at(name)
    weights = Penalties(1.3, 0.2, 0.1)
    z, step = np.r_[point.x, point.lam], 1e-6

    def value(z):
        return merit(space.point(z[: space.n], z[space.n :]), weights, space)[0]

    eye = np.eye(len(z)) * step
    differences = np.array([(value(z + e) - value(z - e)) / (2 * step) for e in eye])
    gradient = merit_gradient(point, h, weights, space)
    size = np.linalg.norm(gradient)
    assert np.linalg.norm(gradient - differences) < 1e-8 * size
    published = merit_gradient(point, space.hessian(point, 0, 0 * point.lam), weights, space)
    assert np.linalg.norm(published - differences) > 1e-3 * size


@pytest.mark.parametrize("name", ["HS7", "HS40", "HS77", "HS47", "HS79"])
def test_slope_of_an_exact_direction(name):
    """-dx^T B dx + 2 c^T dlam - eta1 ||c||^2 - eta2 ||s||^2 - eta2 s^T (B - H) dx."""
    space, point, h = at(name)
    known = geometry.analyse(h, point.jacobian, space, 1e-8)
    b = geometry.shifted(h, known, space, 0.1, np.inf)
    system = KKTSystem(b, point, known, space)
    dx, dlam = system.step(improve("exact", system, begin(system), 0.0).z)
    weights, s, c = Penalties(1.3, 0.2, 0.1), point.stationarity, point.c
    slope = merit_gradient(point, h, weights, space) @ np.r_[dx, dlam]
    identity = -dx @ b @ dx + 2 * c @ dlam - 1.3 * c @ c - 0.2 * s @ s - 0.2 * s @ (b - h) @ dx
    assert slope == pytest.approx(identity, rel=1e-11)


@pytest.mark.parametrize("delta", [0.5, 1e-3])
def test_accuracy_condition_bounds_the_error(delta):
    """If Psi >= ||K^-1||, ||K|| Psi ||r|| <= delta ||b|| gives ||z - z*|| <= delta ||z*||."""
    space, point, h = at("HS47")
    known = geometry.analyse(h, point.jacobian, space, 1e-8)
    system = KKTSystem(geometry.shifted(h, known, space, 0.1, 1e-6), point, known, space)
    psi = np.linalg.norm(np.linalg.inv(system.matrix), 2)
    target = delta * np.linalg.norm(system.rhs) / (system.norm_of_matrix * psi)
    exact = np.linalg.solve(system.matrix, system.rhs)
    z = improve("gaussian-vector", system, begin(system), target).z
    assert np.linalg.norm(z - exact) <= delta * np.linalg.norm(exact)


@pytest.mark.parametrize("name", ["HS7", "HS6", "HS77", "HS39"])
def test_merit_function_falls_while_its_weights_stay(name):
    problem, seen = small_constrained_problem(name), []
    space = Evaluation(as_problem(problem), problem.x0, None, Arithmetic(None, problem.x0), 0)
    result = sketched_newton(
        problem, problem.x0, rng=0, history=True, callback=lambda p: seen.append(p.x)
    )
    assert result.converged
    weights = [(record["eta1"], record["eta2"]) for record in result.history]
    # The multipliers on the way are not part of a callback: run again to each of them.
    for k in range(1, result.nit):
        before, after = (sketched_newton(problem, problem.x0, steps=j, rng=0) for j in (k, k + 1))
        if weights[k] == weights[k + 1]:
            old, new = (
                merit(space.point(r.x, r.multipliers), Penalties(*weights[k], 0), space)
                for r in (before, after)
            )
            assert new[0] <= old[0] + 1e-13 * max(1, old[1])
    assert len(seen) == result.nit


def test_quadratic_with_linear_constraints_takes_one_step():
    problem = PoissonControl(5)
    result = sketched_newton(problem, problem.x0, rng=0)
    assert result.converged
    assert result.nit == 1
    assert result.value == pytest.approx(28.106445192348, rel=1e-11)
    assert np.linalg.norm(result.multipliers) == pytest.approx(1.184852482734, rel=1e-9)
    for other in ("HS28", "HS48", "HS51"):
        problem = small_constrained_problem(other)
        assert sketched_newton(problem, problem.x0, inner="minres").nit == 1


@pytest.mark.parametrize("name", small_constrained_names())
def test_recommended_method_solves_the_small_problems(name):
    problem = small_constrained_problem(name)
    result = sketched_newton(problem, problem.x0, rng=0)
    assert result.converged
    x, lam = result.x, result.multipliers
    stationarity = problem.grad(x) + problem.jac(x).T @ lam
    assert np.hypot(*map(np.linalg.norm, (stationarity, problem.con(x)))) <= 1e-6
    assert result.value == problem.fun(x)
    assert result.value == pytest.approx(problem.optimum, abs=2e-5)
    assert result.nit <= 30


def test_convergence_is_quadratic_near_the_solution():
    problem = small_constrained_problem("HS7")
    result = sketched_newton(problem, problem.x0, atol=1e-12, history=True, rng=0)
    e = [record["residual"] for record in result.history]
    assert result.converged
    assert e[-1] < 1e2 * e[-2] ** 2 or e[-1] < 1e-14


def test_tight_tolerances_do_not_stall_at_rounding():
    """Below 1e-8 the merit function cannot tell a step from rounding; full steps still pass."""
    problem = small_constrained_problem("HS77")
    result = sketched_newton(problem, problem.x0, atol=1e-12, history=True)
    assert result.converged
    assert [record["step_length"] for record in result.history[-2:]] == [1, 1]


@pytest.mark.parametrize("inner", ["exact", "minres", "gmres", "gaussian", "kaczmarz"])
def test_inner_solvers_lead_to_the_same_point(inner):
    problem = small_constrained_problem("HS79")
    result = sketched_newton(problem, problem.x0, inner=inner, rng=0)
    assert result.converged
    assert result.nit == 4
    assert result.value == pytest.approx(problem.optimum, abs=1e-9)


def test_a_cap_on_inner_steps_and_a_loose_accuracy():
    """Inexact steps converge linearly; the direction still descends."""
    problem = constrained_logistic()
    method = SketchedNewton(inner="minres", accuracy=0.1)
    loose = sketched_newton(problem, problem.x0, multipliers=problem.lam0, method=method)
    tight = sketched_newton(problem, problem.x0, multipliers=problem.lam0, inner="minres")
    assert loose.converged
    assert tight.converged
    assert loose.counts["matvecs"] < tight.counts["matvecs"]
    assert tight.value == pytest.approx(0.5376161986576, abs=1e-6)
