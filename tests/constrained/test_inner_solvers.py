"""The solvers of the Newton system: what they reach, what they cost, what they promise."""

import numpy as np
import pytest

from linalg_ml import minres
from linalg_ml._core.precision import Arithmetic
from linalg_ml.constrained import geometry
from linalg_ml.constrained.evaluation import Evaluation
from linalg_ml.constrained.inner import INNER_SOLVERS, begin, improve
from linalg_ml.constrained.kkt_system import KKTSystem
from linalg_ml.constrained.problem import as_problem
from linalg_ml.problems import constrained_logistic


def logistic_system(precision=None, rng=0):
    """The first system of the logistic regression, of order 41."""
    problem = constrained_logistic()
    arithmetic = Arithmetic(precision, problem.x0)
    space = Evaluation(as_problem(problem), problem.x0, problem.lam0, arithmetic, rng)
    point = space.start()
    h = space.hessian(point, 0)
    known = geometry.analyse(h, point.jacobian, space, 1e-8)
    return KKTSystem(h, point, known, space)


def reference(system):
    return np.linalg.solve(system.matrix, system.rhs)


def test_the_example_is_the_one_that_was_published():
    system = logistic_system()
    assert system.size == 41
    assert np.linalg.cond(system.matrix) == pytest.approx(7.33, abs=0.005)


@pytest.mark.parametrize("kind", INNER_SOLVERS)
def test_each_solves_the_system(kind):
    system = logistic_system()
    target = 1e-8 * np.linalg.norm(system.rhs)
    solution = improve(kind, system, begin(system), target)
    residual = np.linalg.norm(system.rhs - system.matrix @ solution.z)
    assert residual <= target
    assert solution.residual == pytest.approx(residual, rel=1e-6)
    np.testing.assert_allclose(solution.z, reference(system), atol=1e-7)
    again = improve(kind, system, solution, target)
    assert again.steps == solution.steps


def test_the_recommended_one_costs_at_most_five_times_minres():
    """Counted as products of K with a vector, with the flops of its decompositions."""
    system = logistic_system()
    target = 1e-8 * np.linalg.norm(system.rhs)
    solution = improve("block", system, begin(system), target)
    assert solution.residual <= target
    counts, rows = system.space.arithmetic.counts, -(-system.size // 4)
    flops = counts["flops"] + solution.steps * 6 * rows**2 * system.size
    cost = counts["matvecs"] + flops / (2 * system.size**2)
    peer = minres(system.matrix, system.rhs, rtol=1e-8).counts["matvecs"]
    assert peer == 25
    assert peer < cost <= 5 * peer


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("gaussian-vector", 3500, 6500), ("kaczmarz", 3500, 7000)]
)
def test_single_vectors_are_slow_as_published(kind, low, high):
    """4836 Gaussian vectors and 5228 rows on average, of three runs, against 25 products."""
    system = logistic_system()
    target = 1e-8 * np.linalg.norm(system.rhs)
    steps = [improve(kind, system, begin(system), target).steps for _ in range(3)]
    assert low < np.mean(steps) < high


@pytest.mark.parametrize("kind", ["block", "rows", "gaussian", "gaussian-vector", "kaczmarz"])
def test_projections_never_increase_the_error(kind):
    """Along every path, whatever was drawn."""
    system = logistic_system(rng=5)
    exact, errors = reference(system), []
    for steps in range(1, 8):
        system.rng = np.random.default_rng(3)
        size = 20 * steps if kind in ("gaussian-vector", "kaczmarz") else steps
        solver = INNER_SOLVERS[kind]
        d, _ = solver(system, system.rhs, 0.0, 5, size)
        errors.append(np.linalg.norm(d - exact))
    assert np.all(np.diff([np.linalg.norm(exact), *errors]) <= 1e-12)
    assert errors[-1] < 0.99 * errors[0]


def test_vectors_together_are_vectors_in_turn():
    """Fifty projections by one triangular solve are fifty projections one by one."""
    system = logistic_system()
    system.rng = np.random.default_rng(7)
    d, steps = INNER_SOLVERS["gaussian-vector"](system, system.rhs, 0.0, None, 70)
    assert steps == 70
    rng, z = np.random.default_rng(7), np.zeros(41)
    for k in (50, 20):
        for s in rng.standard_normal((k, 41)):
            w = system.matrix @ s
            z = z - w * (w @ z - s @ system.rhs) / (w @ w)
    np.testing.assert_allclose(d, z, atol=1e-12 * np.linalg.norm(z))


def test_blocks_end_after_all_rows_whatever_the_condition():
    system = logistic_system()
    scale = np.geomspace(1, 1e-4, 41)
    system.matrix = system.matrix * scale * scale[:, None]
    system.rhs = system.matrix @ np.ones(41)
    solution = improve("block", system, begin(system), 1e-12)
    assert solution.residual <= 1e-12
    assert solution.steps <= 3 * 4


@pytest.mark.parametrize("kind", ["block", "minres", "gmres", "sparse-sign"])
def test_short_products_are_refined(kind):
    """Residuals are those of the dtype of x, so that rounding can be made good."""
    system = logistic_system("bf16")
    solution = improve(kind, system, begin(system), 1e-3 * np.linalg.norm(system.rhs), block=20)
    residual = np.linalg.norm(system.rhs - system.matrix @ solution.z)
    assert residual == pytest.approx(solution.residual)
    assert residual < 1e-2 * np.linalg.norm(system.rhs)


def test_singular_systems_have_consistent_parts_solved():
    system = logistic_system()
    system.matrix[:, 3] = system.matrix[3, :] = 0
    system.rhs[3] = 0
    for kind in ("block", "kaczmarz", "minres"):
        solution = improve(kind, system, begin(system), 1e-8)
        assert solution.residual <= 1e-8
        assert abs(solution.z[3]) < 1e-15
