"""The published baselines: l1 penalty with GMRES in two forms, and the augmented Lagrangian."""

import numpy as np
import pytest

from linalg_ml import sketched_newton
from linalg_ml._core.precision import Arithmetic
from linalg_ml.constrained.evaluation import Evaluation
from linalg_ml.constrained.l1_penalty import AdaptiveL1Penalty, penalty
from linalg_ml.constrained.problem import as_problem
from linalg_ml.problems import constrained_logistic, small_constrained_problem


@pytest.mark.parametrize(
    ("name", "published"),
    [("HS6", 9), ("HS7", 7), ("HS28", 5), ("HS40", 5), ("HS48", 5), ("HS52", 3), ("BT5", 5)],
)
def test_adaptive_penalty_takes_the_published_steps(name, published):
    problem = small_constrained_problem(name)
    result = sketched_newton(problem, problem.x0, method="adaptive-l1", atol=1e-4)
    assert result.converged
    assert abs(result.nit - published) <= 1
    assert "sketches" not in result.counts


@pytest.mark.parametrize("method", ["l1", "augmented-lagrangian"])
@pytest.mark.parametrize("name", ["HS6", "HS28", "HS42", "BT5"])
def test_others_reach_the_optimum(method, name):
    problem = small_constrained_problem(name)
    result = sketched_newton(problem, problem.x0, method=method, atol=1e-4)
    assert result.converged
    assert result.value == pytest.approx(problem.optimum, abs=1e-3)


def test_augmented_lagrangian_updates_multipliers():
    problem = constrained_logistic()
    result = sketched_newton(
        problem,
        problem.x0,
        multipliers=problem.lam0,
        method="augmented-lagrangian",
        atol=1e-4,
        history=True,
    )
    assert result.converged
    assert result.value == pytest.approx(0.5376161986576, abs=1e-4)
    updates = [record["updates"] for record in result.history]
    assert updates[-1] >= 3
    assert result.history[-1]["mu"] == pytest.approx(1.5 ** updates[-1])
    assert result.nit > updates[-1]


def test_penalty_function_falls():
    problem = small_constrained_problem("HS7")
    space = Evaluation(as_problem(problem), problem.x0, None, Arithmetic(None, problem.x0), 0)
    values = []
    for steps in range(6):
        result = sketched_newton(problem, problem.x0, method="adaptive-l1", steps=steps)
        point = space.point(result.x, result.multipliers)
        values.append(penalty(point, 1.0, space)[0])
    assert np.all(np.diff(values) <= 1e-12)


def test_their_arguments():
    problem = small_constrained_problem("HS7")
    with pytest.raises(ValueError, match="uses GMRES, so it excludes inner"):
        sketched_newton(problem, problem.x0, method="l1", inner="exact")
    method = AdaptiveL1Penalty(mu=10.0)
    assert sketched_newton(problem, problem.x0, method=method).converged
    assert eval(repr(method)) == method
