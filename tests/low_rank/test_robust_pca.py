"""The front of robust PCA: arguments, edge cases, array libraries, missing and few entries."""

import numpy as np
import pytest
from scipy.sparse import coo_array, csc_array, csr_array

import linalg_ml
from linalg_ml import Status, robust_pca
from linalg_ml.low_rank import (
    AlternatingDirections,
    AlternatingProjections,
    AugmentedLagrangian,
    AutomaticPenalised,
    CorrectiveFrankWolfe,
    ExactAugmentedLagrangian,
    Fista,
    FrankWolfe,
    Mixture,
    NormConstrainedFrankWolfe,
    ScaledGradient,
)
from linalg_ml.low_rank.robust_pca import ROBUST_PCA_METHODS
from tests.low_rank.published import full, half, make

PENALISED = ("penalised", "frank-wolfe", "fw-t", "corrective", "fista", "joint-fista", "ista")


def small():
    return make(40, 24, 2, 1.0, 2e-2, 0.0)


def few():
    """A quarter of the entries observed."""
    return make(120, 60, 2, 0.25, 2e-2, 0.0)


def objective(problem, x, sparse):
    """Compute f from its definition."""
    residual = x + sparse - problem.m
    if problem.observed is not None:
        residual = residual[problem.observed]
    nuclear = np.linalg.svd(x, compute_uv=False).sum()
    weights = problem.lam_low_rank * nuclear + problem.lam_sparse * np.abs(sparse).sum()
    return 0.5 * np.sum(residual**2) + weights


# The answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", PENALISED)
@pytest.mark.parametrize("problem", [full(), half()], ids=["full", "half"])
def test_the_objective_and_its_bound_are_what_they_say(method, problem):
    result = robust_pca(problem.m, method=method, **problem.weights, maxiter=12, rng=0)
    assert result.objective == pytest.approx(objective(problem, result.x, result.sparse), rel=1e-9)
    assert result.lower_bound < problem.minimum * (1 + 1e-9)
    assert problem.minimum < result.objective * (1 + 1e-9)
    assert result.residual == pytest.approx(1 - result.lower_bound / result.objective, rel=1e-6)


@pytest.mark.parametrize("problem", [full(), half()], ids=["full", "half"])
def test_auto_solves_the_penalised_problem(problem):
    result = robust_pca(problem.m, **problem.weights, rng=0)
    assert result.converged
    assert result.rank == 3
    assert 0 <= result.objective / problem.minimum - 1 < 1e-6


@pytest.mark.parametrize("method", PENALISED)
def test_transposing_and_scaling_change_nothing(method):
    problem = small()
    weights = {"lam_low_rank": problem.lam_low_rank, "lam_sparse": problem.lam_sparse}
    if method != "fista":  # the oracle's random start is another vector on the other side
        weights["steps"] = 8
    plain = robust_pca(problem.m, method=method, **weights, rng=0)
    scaled = {k: 64 * v if k.startswith("lam") else v for k, v in weights.items()}
    larger = robust_pca(64 * problem.m, method=method, **scaled, rng=0)
    np.testing.assert_allclose(larger.x, 64 * plain.x, rtol=1e-9, atol=1e-9)
    turned = robust_pca(problem.m.T, method=method, **weights, rng=0)
    assert turned.objective == pytest.approx(plain.objective, rel=0.02)


def test_what_is_not_observed_is_not_looked_at():
    problem = half()
    spoilt = np.where(problem.observed, problem.m, np.nan)
    for method in PENALISED:
        a = robust_pca(problem.m, method=method, **problem.weights, steps=4, rng=0)
        b = robust_pca(spoilt, method=method, **problem.weights, steps=4, rng=0)
        np.testing.assert_array_equal(a.x, b.x)
        np.testing.assert_array_equal(a.sparse, b.sparse)
        assert not np.any(a.sparse[~problem.observed])


def test_a_mask_of_true_is_no_mask():
    problem = small()
    for method in ("penalised", "frank-wolfe", "joint-fista"):
        a = robust_pca(problem.m, method=method, lam_low_rank=0.02, steps=5, rng=0)
        observed = np.ones(problem.m.shape, bool)
        b = robust_pca(
            problem.m, method=method, lam_low_rank=0.02, steps=5, rng=0, observed=observed
        )
        np.testing.assert_allclose(b.x, a.x, atol=1e-12)


@pytest.mark.parametrize("method", ["penalised", "frank-wolfe", "fista"])
def test_a_start_at_the_solution_stays_there(method):
    problem = small()
    weights = problem.weights
    best = robust_pca(problem.m, method="fista", **weights, rtol=1e-9, rng=0)
    given = best.x.copy()
    result = robust_pca(problem.m, method=method, **weights, x0=given, rtol=1e-6, rng=0)
    assert result.converged
    assert result.nit <= 1
    np.testing.assert_array_equal(given, best.x)


def test_the_default_weights_are_the_documented_ones():
    problem = half()
    rho = problem.observed.mean()
    default = robust_pca(problem.m, method="fista", observed=problem.observed, steps=3)
    low = 0.01 * rho * np.linalg.norm(problem.m)
    sparse = low / np.sqrt(rho * 200)
    given = robust_pca(
        problem.m, method="fista", observed=problem.observed, steps=3,
        lam_low_rank=low, lam_sparse=sparse,
    )  # fmt: skip
    np.testing.assert_allclose(default.x, given.x, rtol=1e-10)


# Few entries ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["frank-wolfe", "corrective", "penalised"])
def test_few_entries_give_the_same_steps(method):
    problem = few()
    plain = robust_pca(problem.m, method=method, **problem.weights, steps=30, rng=0)
    result = robust_pca(problem.m, method=method, **problem.weights, steps=30, rng=0, factored=True)
    u, s, vh = result.x
    assert result.rank == len(s)
    if method != "penalised":  # which takes other steps on full arrays from some point on
        np.testing.assert_allclose(u * s @ vh, plain.x, atol=1e-7)
        np.testing.assert_allclose(result.sparse.toarray(), plain.sparse, atol=1e-7)
    found = objective(problem, u * s @ vh, result.sparse.toarray())
    assert result.objective == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize("kind", [csr_array, csc_array, coo_array])
def test_sparse_matrices_are_what_they_store(kind):
    problem = few()
    given = csr_array(
        (problem.m[problem.observed], np.nonzero(problem.observed)), shape=problem.m.shape
    )
    weights = {"lam_low_rank": problem.lam_low_rank, "lam_sparse": problem.lam_sparse}
    options = {"method": "corrective", "steps": 5, "rng": 0, "factored": True}
    a = robust_pca(problem.m, observed=problem.observed, **weights, **options)
    b = robust_pca(kind(given), **weights, **options)
    for x, y in zip(a.x, b.x, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-9)
    np.testing.assert_allclose(a.sparse.toarray(), b.sparse.toarray(), atol=1e-10)


def test_factors_multiply_to_the_low_rank_part():
    problem = small()
    for method in ("fista", "corrective", "frank-wolfe"):
        plain = robust_pca(problem.m, method=method, lam_low_rank=0.02, steps=6, rng=0)
        u, s, vh = robust_pca(
            problem.m, method=method, lam_low_rank=0.02, steps=6, rng=0, factored=True
        ).x
        np.testing.assert_allclose(u * s @ vh, plain.x, atol=1e-12)
        np.testing.assert_allclose(u.T @ u, np.eye(len(s)), atol=1e-10)


# Edges ---------------------------------------------------------------------------------------

ALL = sorted(name for name in ROBUST_PCA_METHODS if name not in ("adm", "exact-alm"))


EXTREMES = [
    (size, dtype)
    for dtype, sizes in ((np.float64, (1e-300, 1e-160, 1e160, 1e300)), (np.float32, (1e-36, 1e34)))
    for size in sizes
]


def keywords(method):
    formulation = ROBUST_PCA_METHODS[method]().formulation
    return {
        "penalised": {},
        "pursuit": {},
        "fixed rank": {"rank": 1},
        "norm-constrained": {"radius_low_rank": 1e3, "radius_sparse": 1e3},
    }[formulation]


@pytest.mark.parametrize("method", ALL)
def test_a_matrix_of_zeros(method):
    result = robust_pca(np.zeros((6, 4)), method=method, **keywords(method))
    assert result.converged
    assert not np.any(result.x)
    assert not np.any(result.sparse)


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_a_matrix_without_entries(method, shape):
    if "rank" in keywords(method):
        pytest.skip("there is no rank 1")
    result = robust_pca(np.zeros(shape), method=method, **keywords(method))
    assert result.converged
    assert result.x.shape == result.sparse.shape == shape


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_said_to_be(method, value):
    m = small().m.copy()
    m[3, 4] = value
    result = robust_pca(m, method=method, **keywords(method))
    assert result.status is Status.NONFINITE_INPUT
    assert np.all(np.isnan(result.x))


@pytest.mark.parametrize("method", ALL)
def test_one_column(method):
    m = np.linspace(-1, 2, 9)[:, None]
    result = robust_pca(m, method=method, maxiter=50, **keywords(method))
    assert result.x.shape == (9, 1)
    assert np.all(np.isfinite(result.x))


@pytest.mark.parametrize("method", ["penalised", "fista", "frank-wolfe", "alm", "alternating"])
def test_a_constant_matrix_is_of_rank_one(method):
    m = np.full((30, 20), 3.0)
    result = robust_pca(m, method=method, **keywords(method))
    assert result.converged
    assert np.linalg.norm(result.sparse) < 0.02 * np.linalg.norm(m)
    assert np.linalg.matrix_rank(result.x, tol=1e-6 * 73) == 1


@pytest.mark.parametrize("method", ["penalised", "fista", "frank-wolfe"])
def test_outliers_alone(method):
    rng = np.random.default_rng(0)
    m = np.where(rng.random((60, 40)) < 0.03, 5.0, 0.0)
    norm = np.linalg.norm(m, 2)
    result = robust_pca(m, method=method, lam_low_rank=2 * norm, lam_sparse=0.1)
    assert result.converged
    assert not np.any(result.x)
    np.testing.assert_allclose(result.sparse, np.where(m > 0, 4.9, 0.0))


@pytest.mark.parametrize("method", ["penalised", "fista", "frank-wolfe"])
def test_nothing_observed(method):
    result = robust_pca(np.ones((4, 3)), method=method, observed=np.zeros((4, 3), bool))
    assert result.converged
    assert not np.any(result.x)


@pytest.mark.parametrize("method", sorted(ROBUST_PCA_METHODS))
@pytest.mark.parametrize(("size", "dtype"), EXTREMES)
def test_data_of_any_size_take_the_same_steps(method, size, dtype):
    m, options = make(16, 12, 2, 1.0, 2e-2, 0.0).m.astype(dtype), keywords(method)
    plain = robust_pca(m, method=method, maxiter=8, history=True, rng=0, **options)
    radii = {name: value * size for name, value in options.items() if name.startswith("radius")}
    result = robust_pca(
        m * dtype(size), method=method, maxiter=8, history=True, rng=0, **{**options, **radii}
    )
    assert result.status is plain.status
    assert result.nit == plain.nit
    accuracy = 2e-3 if dtype == np.float32 else 1e-8
    norm = np.linalg.norm(m)
    for name in ("x", "sparse"):
        found = np.float64(getattr(result, name)) / size
        np.testing.assert_allclose(found, getattr(plain, name), atol=accuracy * norm)
    degree = {"penalised": 2, "norm-constrained": 2}.get(plain.method.formulation, 1)
    if degree * abs(np.log10(size)) <= 300:  # what doubles can hold
        for name in {"objective", "noise"} & set(plain.extras):
            expected = plain.extras[name] * size**degree
            assert result.extras[name] == pytest.approx(expected, rel=1e-3)
            assert result.history[-1].get(name, expected) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("size", [1e-12, 1e-300, 1e12, 1e300])
def test_what_frank_wolfe_found_is_taken_over_in_data_of_any_size(size):
    m, method = make(16, 12, 2, 1.0, 2e-2, 0.0).m, AutomaticPenalised(first_steps=2)
    plain = robust_pca(m, method=method, steps=4, rng=0)
    result = robust_pca(m * size, method=method, steps=4, rng=0)
    np.testing.assert_allclose(result.x / size, plain.x, atol=1e-8 * np.linalg.norm(m))


@pytest.mark.parametrize("method", ["penalised", "frank-wolfe", "corrective"])
def test_few_entries_of_any_size(method):
    problem = few()
    options = {"observed": problem.observed, "factored": True, "method": method, "steps": 5}
    expected = robust_pca(problem.m, rng=0, **options)
    result = robust_pca(problem.m * 1e-300, rng=0, **options)
    np.testing.assert_allclose(result.x[1] / 1e-300, expected.x[1], rtol=1e-6)
    np.testing.assert_allclose(result.sparse.data / 1e-300, expected.sparse.data, rtol=1e-6)


def test_few_entries_and_a_start():
    problem = few()
    start = problem.m * 0.5
    options = {"observed": problem.observed, "x0": start, "rtol": 1e-2, "rng": 0}
    result = robust_pca(problem.m, method="corrective", factored=True, **options)
    u, s, vh = result.x
    expected = robust_pca(problem.m, method="corrective", **options)
    np.testing.assert_allclose(u * s @ vh, expected.x, atol=1e-9)


@pytest.mark.parametrize("method", sorted(ROBUST_PCA_METHODS))
def test_a_start_that_is_not_finite(method):
    m = small().m
    result = robust_pca(m, method=method, x0=m * np.nan, **keywords(method))
    assert result.status is Status.NONFINITE_INPUT
    assert np.all(np.isnan(result.x))


@pytest.mark.parametrize("method", sorted(ROBUST_PCA_METHODS))
def test_numbers_are_reported_where_there_is_nothing_to_do(method):
    formulation = ROBUST_PCA_METHODS[method]().formulation
    bounded = formulation in ("penalised", "pursuit")
    names = ("objective", "lower_bound") if bounded else ("objective",)
    for m, expected in ((np.zeros((0, 3)), 0.0), (np.full((4, 3), np.nan), np.nan)):
        options = keywords(method)
        if "rank" in options:
            options["rank"] = min(m.shape)
        result = robust_pca(m, method=method, **options)
        for name in names if formulation != "fixed rank" else ():
            assert result.extras[name] == pytest.approx(expected, nan_ok=True)


def test_wrong_arguments_are_named():
    m = small().m
    for options, error, words in (
        ({"observed": np.ones((3, 3), bool)}, ValueError, r"observed must have shape \(40, 24\)"),
        ({"observed": np.ones(m.shape)}, TypeError, "observed must hold booleans"),
        ({"lam_low_rank": 0}, ValueError, "lam_low_rank must be > 0, got 0"),
        ({"lam_sparse": -1.0}, ValueError, "lam_sparse must be > 0, got -1.0"),
        ({"lam": 0.0}, ValueError, "lam must be > 0"),
        ({"lam": 0.1, "method": "fista"}, ValueError, "lam does not belong to method Fista"),
        ({"rank": 50, "method": "alternating"}, ValueError, "rank must be at most"),
        ({"method": "fw-p"}, ValueError, "radius_low_rank and radius_sparse must be given"),
        ({"method": "fist"}, ValueError, "did you mean 'fista'"),
        ({"method": Fista}, TypeError, r"write Fista\(...\)"),
        ({"lam_low_rank": 1.0, "x0": np.ones((2, 2))}, ValueError, "x0 must have shape"),
        ({"steps": 3, "rtol": 1.0}, ValueError, "excludes rtol"),
        ({"observed": True}, TypeError, "observed must be a boolean array, got bool"),
        ({"method": Mixture()}, TypeError, "method must be one for matrices, got Mixture"),
    ):
        with pytest.raises(error, match=words):
            robust_pca(m, **options)
    with pytest.raises(ValueError, match=r"m must have shape \(m, n\)"):
        robust_pca(np.ones((2, 3, 4)))
    with pytest.raises(TypeError, match="m must be real"):
        robust_pca(m + 0j)
    with pytest.raises(ValueError, match="factored must be True"):
        robust_pca(csr_array(m))
    with pytest.raises(TypeError, match="must be a full array for method Fista"):
        robust_pca(csr_array(m), method="fista", factored=True)
    with pytest.raises(ValueError, match="stop_rule must be one of"):
        FrankWolfe(stop_rule="none")
    with pytest.raises(ValueError, match="block must be at least 1"):
        CorrectiveFrankWolfe(block=0)


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        (AlternatingDirections, "growth", 0.5),
        (AlternatingDirections, "penalty", -1.0),
        (AugmentedLagrangian, "growth", -1.0),
        (AugmentedLagrangian, "penalty", 0.0),
        (AugmentedLagrangian, "svd", "full"),
        (ExactAugmentedLagrangian, "inner_rtol", -1.0),
        (AlternatingProjections, "decay", 2.0),
        (AlternatingProjections, "scale_sparse", 0.0),
        (ScaledGradient, "step_size", 0.0),
        (ScaledGradient, "decay", 1.5),
        (ScaledGradient, "threshold", -1.0),
        (FrankWolfe, "accuracy", -1.0),
        (CorrectiveFrankWolfe, "accuracy", 0.0),
        (NormConstrainedFrankWolfe, "accuracy", np.nan),
        (AutomaticPenalised, "first_steps", -1),
        (AutomaticPenalised, "block", 0),
    ],
)
def test_parameters_of_methods_are_checked(method, name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        method(**{name: value})
    if name != "svd":
        with pytest.raises(TypeError, match=f"{name} must be"):
            method(**{name: "large"})


def test_the_name_people_look_for_is_known():
    with pytest.raises(AttributeError, match="did you mean 'robust_pca'"):
        _ = linalg_ml.rpca


# Arrays and precisions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    ["fista", FrankWolfe(accuracy=1e-5), CorrectiveFrankWolfe(oracle="block", accuracy=1e-5)],
    ids=type,
)
def test_every_library_takes_the_same_steps(xp, method):
    problem = make(12, 6, 1, 0.8, 2e-2, 0.0)
    weights = {"lam_low_rank": problem.lam_low_rank, "lam_sparse": problem.lam_sparse}
    if xp.library == "jax":
        pytest.skip("every shape is compiled anew, which takes half a minute")
    steps = 3
    expected = robust_pca(
        problem.m, observed=problem.observed, method=method, steps=steps, rng=0, **weights
    )
    given = xp.array(problem.m, "float32")
    result = robust_pca(
        given, observed=xp.array(problem.observed), method=method, steps=steps, rng=0, **weights
    )
    xp.assert_like(result.x, given)
    xp.assert_like(result.sparse, given)
    np.testing.assert_allclose(xp.to_numpy(result.x), expected.x, atol=2e-4)
    assert result.objective == pytest.approx(expected.objective, rel=1e-4)
    np.testing.assert_array_equal(xp.to_numpy(given), problem.m.astype(np.float32))


@pytest.mark.parametrize("precision", ["tf32", "fp16", "bf16"])
def test_short_formats_are_as_good_as_their_rounding(precision):
    problem = full()
    for method in ("penalised", "fista"):
        result = robust_pca(
            problem.m, method=method, **problem.weights, precision=precision, maxiter=60, rng=0
        )
        unit = {"tf32": 2**-11, "fp16": 2**-11, "bf16": 2**-8}[precision]
        assert 0 <= result.objective / problem.minimum - 1 < 40 * unit
        assert precision in result.precision


def test_a_callback_sees_the_iterate_and_may_stop():
    problem, seen = small(), []

    def look(progress):
        seen.append((progress.nit, progress.x.copy()))
        return progress.nit == 3

    result = robust_pca(
        problem.m, method="frank-wolfe", lam_low_rank=0.02, rtol=1e-9, callback=look, rng=0
    )
    assert result.status is Status.STOPPED
    plain = robust_pca(problem.m, method="frank-wolfe", lam_low_rank=0.02, steps=3, rng=0)
    np.testing.assert_allclose(seen[-1][1], plain.x, atol=1e-10)
    assert [nit for nit, _ in seen] == [1, 2, 3]
    assert not np.array_equal(seen[0][1], seen[1][1])


def test_steps_are_the_same_whether_looked_at_or_not():
    problem = half()
    for method in ("corrective", "frank-wolfe", "penalised", "fista"):
        options = {"method": method, **problem.weights, "steps": 6, "rng": 0}
        plain = robust_pca(problem.m, **options)
        watched = robust_pca(problem.m, **options, history=True, callback=lambda p: p.x[0, 0] > 9)
        np.testing.assert_array_equal(watched.x, plain.x)


def test_progress_is_not_overwritten_by_later_steps():
    problem, kept = small(), []
    robust_pca(
        problem.m, method="frank-wolfe", lam_low_rank=0.02, maxiter=4, rtol=1e-12, rng=0,
        callback=lambda progress: kept.append((progress.x, progress.x.copy())) and None,
    )  # fmt: skip
    for x, copy in kept:
        np.testing.assert_array_equal(x, copy)
