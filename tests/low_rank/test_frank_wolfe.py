"""FW-T, its rivals and the corrective form against published numbers."""

from itertools import pairwise

import numpy as np
import pytest

from linalg_ml import Status
from linalg_ml.low_rank import (
    CorrectiveFrankWolfe,
    Fista,
    FrankWolfe,
    NormConstrainedFrankWolfe,
    robust_pca,
)
from linalg_ml.low_rank.frank_wolfe import minimise_on_square
from tests.low_rank.published import full, half, large


def printed(digits):
    """Return the number that a string shows, and half a unit of its last digit, with margin."""
    mantissa = digits.split("e")[0]
    places = len(mantissa.split(".")[1]) if "." in mantissa else 0
    exponent = int(digits.split("e")[1]) if "e" in digits else 0
    return float(digits), 0.51 * 10.0 ** (exponent - places)


def assert_printed(value, digits):
    expected, half_unit = printed(digits)
    assert abs(value - expected) <= half_unit, (value, digits)


def objectives(problem, method, steps, **options):
    result = robust_pca(
        problem.m, method=method, **problem.weights, steps=steps, history=True, rng=0, **options
    )
    return [record["objective"] for record in result.history], result


FULL = {1: "2.169045e-2", 2: "1.999777e-2", 5: "1.630239e-2", 10: "1.209390e-2",
        20: "7.894627e-3", 50: "3.574391e-3", 100: "1.781644e-3"}  # fmt: skip
HALF = {1: "1.022046e-2", 10: "7.884390e-3", 50: "3.959903e-3", 100: "2.578168e-3"}
LARGE = {0: "0.5", 1: "9.33729675e-3", 2: "9.30515232e-3", 3: "9.27400206e-3",
         5: "9.21471536e-3", 10: "9.07221572e-3", 20: "8.80845878e-3"}  # fmt: skip


def test_the_problems_are_the_published_ones():
    assert_printed(full().m.sum(), "0.0491777483")
    assert_printed(full().m[0, 0], "-0.000379026632")
    assert_printed(half().m.sum(), "0.6060414913")


@pytest.mark.parametrize(("problem", "gaps"), [(full(), FULL), (half(), HALF)])
def test_fw_t_reaches_the_published_objectives(problem, gaps):
    values, _ = objectives(problem, FrankWolfe(oracle="svd"), 100)
    for k, digits in gaps.items():
        assert_printed(values[k] - problem.minimum, digits)


def test_fw_t_on_the_large_problem():
    values, result = objectives(large(), FrankWolfe(accuracy=1e-12), 20)
    for k, digits in LARGE.items():
        assert_printed(values[k], digits)
    assert result.objective <= result.upper_bound == pytest.approx(values[20])


@pytest.mark.parametrize(
    ("problem", "nit", "gap"), [(full(), 90, "1.9441e-3"), (half(), 111, "2.4093e-3")]
)
def test_the_stop_rule_of_the_authors(problem, nit, gap):
    method = FrankWolfe(stop_rule="relative", oracle="svd")
    result = robust_pca(problem.m, method=method, **problem.weights, rng=0)
    assert (result.status, result.nit) == (Status.CONVERGED, nit)
    assert "5 changes of the objective in a row" in result.criterion
    assert_printed(result.upper_bound - problem.minimum, gap)


def test_the_rule_relative_to_the_start_stops_where_the_objective_says():
    problem = full()
    method = FrankWolfe(stop_rule="initial", oracle="svd")
    result = robust_pca(problem.m, method=method, **problem.weights, rng=0)
    values, _ = objectives(problem, FrankWolfe(oracle="svd"), 60)
    calm = [2 * abs(b - a) < 1e-3 * values[0] for a, b in pairwise(values)]
    first = next(k for k in range(5, 60) if all(calm[k - 5 : k]))
    assert result.nit == first


def test_without_a_rule_fw_t_does_not_claim_what_it_has_not_reached():
    problem = full()
    result = robust_pca(problem.m, method="frank-wolfe", **problem.weights, maxiter=50, rng=0)
    assert result.status is Status.MAXITER
    assert result.lower_bound < problem.minimum < result.objective
    assert result.residual == pytest.approx(1 - result.lower_bound / result.objective)


JOINT = {1: "2.799666e-2", 2: "2.618941e-2", 5: "1.903705e-2", 10: "7.159204e-3",
         20: "4.524142e-4", 50: "8.36e-9"}  # fmt: skip
JOINT_HALF = {1: "1.488998e-2", 10: "9.862913e-3", 20: "4.575654e-3", 50: "1.183354e-4"}
ISTA_HALF = {10: "1.213377e-2", 50: "5.742311e-3"}
REDUCED_HALF = {10: "7.434e-3", 20: "2.091e-3", 50: "1.563e-6"}


@pytest.mark.parametrize(
    ("problem", "method", "gaps"),
    [
        (full(), "joint-fista", JOINT),
        (half(), Fista(joint=True, svd="lapack"), JOINT_HALF),
        (half(), "ista", ISTA_HALF),
        (half(), "fista", REDUCED_HALF),
    ],
)
def test_proximal_methods_reach_the_published_objectives(problem, method, gaps):
    values, _ = objectives(problem, method, max(gaps))
    for k, digits in gaps.items():
        assert_printed(values[k] - problem.minimum, digits)


def test_the_minimiser_is_the_published_one():
    problem = full()
    result = robust_pca(problem.m, method="fista", **problem.weights, rtol=1e-10, rng=0)
    assert result.converged
    assert result.rank == 3
    assert np.count_nonzero(result.sparse) == 618
    assert_printed(result.factors[1].sum(), "1.34120270")
    assert_printed(np.abs(result.sparse).sum(), "12.53948229")
    error = np.linalg.norm(result.x - problem.low) / np.linalg.norm(problem.low)
    assert_printed(error, "2.3971e-2")


@pytest.mark.parametrize("inner", [5, 20])
def test_corrective_steps_reach_the_minimum_within_thirty(inner):
    problem = full()
    values, result = objectives(problem, CorrectiveFrankWolfe(3, inner), 30)
    relative = np.array(values) / problem.minimum - 1
    assert np.flatnonzero(relative < 1e-8)[0] <= 30
    assert result.rank == 3


def test_corrective_steps_descend():
    values, _ = objectives(half(), CorrectiveFrankWolfe(3, 20), 15)
    assert np.all(np.diff(values) < 0)


@pytest.mark.parametrize(
    ("project", "gaps"),
    [(True, {1: "4.402945e-1", 10: "1.264273e-2", 100: "1.534678e-4"}), (False, {1: "7.88e1"})],
)
def test_the_norm_constrained_problem(project, gaps):
    problem = full()
    method = NormConstrainedFrankWolfe(project, oracle="svd")
    radii = {"radius_low_rank": 1.34120269, "radius_sparse": 12.53948229}
    at_minimum = 3.2602822e-4  # the loss where the penalised problem has its minimum
    result = robust_pca(problem.m, method=method, **radii, steps=max(gaps), history=True, rng=0)
    for k, digits in gaps.items():
        expected, half_unit = printed(digits)
        found = result.history[k]["objective"] - at_minimum
        assert abs(found - expected) <= half_unit + 1e-5 * expected
    assert np.linalg.norm(result.x, "nuc") <= 1.34120269 * (1 + 1e-12)
    assert np.abs(result.sparse).sum() <= 12.53948229 * (1 + 1e-12)


def test_the_gap_of_the_norm_constrained_problem_bounds_the_error():
    problem = full()
    radii = {"radius_low_rank": 1.0, "radius_sparse": 8.0}
    result = robust_pca(problem.m, method="fw-p", **radii, rtol=0.1, rng=0)
    longer = robust_pca(problem.m, method="fw-p", **radii, steps=2 * result.nit, rng=0)
    assert result.converged
    assert 0 < result.objective - longer.objective <= result.residual <= 0.05


@pytest.mark.parametrize("oracle", ["block", "power", "svd"])
def test_every_oracle_gives_the_same_steps(oracle):
    problem = full()
    exact, _ = objectives(problem, FrankWolfe(accuracy=1e-12), 5)
    other, _ = objectives(problem, FrankWolfe(oracle=oracle, accuracy=1e-9), 5)
    np.testing.assert_allclose(other, exact, rtol=1e-7)


def test_the_search_on_the_square(rng):
    grid = np.linspace(0, 1, 201)
    a, b = np.meshgrid(grid, grid, indexing="ij")
    for _ in range(50):
        root = rng.standard_normal((2, 2)) * rng.choice([1.0, 0.0], 2)
        h, f = root.T @ root, rng.standard_normal(2)
        x, y = minimise_on_square(h, f)
        values = (h[0, 0] * a * a + h[1, 1] * b * b) / 2 + h[0, 1] * a * b + f[0] * a + f[1] * b
        found = (h[0, 0] * x * x + h[1, 1] * y * y) / 2 + h[0, 1] * x * y + f[0] * x + f[1] * y
        assert min(x, y) >= 0
        assert max(x, y) <= 1
        assert found <= values.min() + 1e-12
