"""The planner: cheapest compositions, what it refuses, and what rounding really does to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linalg_ml import plan, polar
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions import PolarExpress, ProductCosts
from linalg_ml.matrix_functions.forward_error import predict_rounding
from linalg_ml.matrix_functions.iteration import apply_polynomial
from linalg_ml.matrix_functions.planner import SAFETY
from linalg_ml.matrix_functions.schedules import minimax_schedule, shortest_schedule
from linalg_ml.problems import exact_polar_problem
from tests.reference.mixed_degrees import fewest_products

SQUARE = (100, 100)
# The cheapest compositions of degrees 3 to 9 without stabilisation, from an independent
# exhaustive search: lower, rtol, products.
KNOWN = [
    (1e-3, 1e-1, 15),
    (1e-3, 1e-2, 16),
    (1e-3, 1e-3, 18),
    (1e-3, 1e-6, 19),
    (1e-2, 1e-1, 10),
    (1e-2, 1e-2, 12),
    (1e-2, 1e-3, 13),
    (1e-2, 1e-6, 15),
]
PLAIN = {"safety": 0.0, "cushion": 0.0, "harmless": 1e9}


@pytest.mark.parametrize(("lower", "rtol", "products"), KNOWN)
def test_known_optima(lower, rtol, products):
    for options in ({}, PLAIN):
        made = plan(SQUARE, lower, rtol, **options)
        assert made.products == products
        assert made.error <= rtol
        assert (made.lower, made.upper) == (lower, 1.0)


@pytest.mark.parametrize(
    ("lower", "rtol", "stabilised"),
    [(0.3, 1e-8, False), (0.1, 1e-3, False), (0.1, 1e-3, True), (0.05, 1e-1, False),
     (0.03, 1e-1, True)],
)  # fmt: skip
def test_nothing_cheaper_among_all_compositions(lower, rtol, stabilised):
    safety, cushion = (0.01, None) if stabilised else (0.0, 0.0)
    made = plan(SQUARE, lower, rtol, safety=safety, cushion=cushion, harmless=1e9)
    # Where cushion is None the planner may also leave it out.
    least = min(
        fewest_products(lower, rtol, (3, 5, 7, 9, 11, 13), 12, safety, c) for c in {cushion, 0.0}
    )
    assert made.products == least


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    lower=st.floats(-4, -0.05).map(lambda e: 10.0**e),
    rtol=st.floats(-13, -0.5).map(lambda e: 10.0**e),
    precision=st.sampled_from(("fp64", "fp32", "bf16")),
    aspect=st.sampled_from((1, 4, 20)),
    costs=st.sampled_from(("products", ProductCosts(), ProductCosts(0.6, 0.7, 1.0))),
)
def test_never_more_than_degree_5(lower, rtol, precision, aspect, costs):
    if precision == "bf16":
        lower, rtol = max(lower, 1e-3), max(rtol, 1e-3)
    made = plan((10 * aspect, 10), lower, rtol, precision, costs=costs)
    quintic = shortest_schedule(lower, rtol, degree=5, safety=SAFETY[precision])
    model, ratio = (ProductCosts(), 1) if costs == "products" else (costs, aspect)
    assert model.direct(made.degrees, ratio) <= model.direct(quintic.degrees, ratio) + 1e-9
    assert made.error <= rtol
    allowed = [max(0.01 * rtol, 3 * e) for e in predict_rounding(quintic, precision)]
    assert all(np.less_equal(predict_rounding(made, precision), allowed))


@pytest.mark.parametrize("lower", [0.5, 0.1, 1e-2, 1e-3, 1e-5])
@pytest.mark.parametrize("rtol", [1e-1, 1e-4, 1e-12])
def test_never_more_than_degree_5_without_stabilisation(lower, rtol):
    quintic = shortest_schedule(lower, rtol, degree=5, safety=0, cushion=0)
    assert plan(SQUARE, lower, rtol, **PLAIN).products <= quintic.products


def test_wider_matrices_get_higher_degrees():
    costs = ProductCosts()
    square = plan(SQUARE, 1e-3, 1e-6, costs=costs)
    wide = plan((10, 160), 1e-3, 1e-6, costs=costs)
    assert plan((160, 10), 1e-3, 1e-6, costs=costs) == wide
    assert plan((7, 10, 160), 1e-3, 1e-6, costs=costs) == wide
    assert len(wide) < len(square)
    assert costs.direct(wide.degrees, 16) < costs.direct(square.degrees, 16)
    assert plan((10, 160), 1e-3, 1e-6) == square  # a count of products knows no shape


def test_costs_of_products():
    """Degree 5 on shape (m, alpha m): (2 alpha + 1) T, and 4 T - 3 + 2 alpha in Gram form."""
    costs = ProductCosts()
    for steps in (1, 2, 5):
        assert costs.direct((5,) * steps, 4) == 9 * steps
        assert costs.in_gram_form((5,) * steps, 4) == 4 * steps - 3 + 8
        assert costs.in_gram_form((3,) * steps, 4) == 3 * steps - 3 + 8
    assert costs.in_gram_form((5,) * 5, 4, restarts=1) == 17 + 8 + 8 - 3
    halved = ProductCosts(gram=0.5, symmetric=0.5)
    assert halved.direct((5,) * 5, 4) == (3 * 4 + 1) * 5 / 2
    assert halved.in_gram_form((5,) * 5, 4) == (4 * 5 - 3 + 3 * 4) / 2
    with pytest.raises(ValueError, match="restarts must be"):
        costs.in_gram_form((5, 5), 4, restarts=2)
    for wrong in (0, -1, np.inf, np.nan):
        with pytest.raises(ValueError, match="symmetric"):
            ProductCosts(symmetric=wrong)


def test_gram_form_only_where_it_is_allowed():
    asked = []

    def refuse(schedule, precision):
        asked.append((schedule.degrees, precision))

    costs = ProductCosts()
    direct = plan((10, 160), 1e-3, 1e-6, "fp32", costs=costs)
    assert plan((10, 160), 1e-3, 1e-6, "fp32", costs=costs, choose_restarts=refuse) == direct
    assert (direct.degrees, "fp32") in asked
    # In Gram form a step of high degree saves nothing on the sides, so others are asked for.
    assert any(degrees != direct.degrees for degrees, _ in asked)


def test_restarts_that_cost_more_than_the_direct_form():
    """A Gram form that starts anew before every step saves nothing."""

    def always(schedule, precision):
        return tuple(range(1, len(schedule)))

    costs = ProductCosts(gram=1.0, symmetric=1.0)
    one = plan(SQUARE, 0.5, 0.3, costs=costs, choose_restarts=always)
    assert one == plan(SQUARE, 0.5, 0.3, costs=costs)


# Rounding ----------------------------------------------------------------------------------------


def matrix(schedule, n, seed):
    """Return U, V and singular values spread evenly in the logarithm over the interval."""
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return u, v, np.geomspace(schedule.lower, schedule.upper, n)


def measured(schedule, precision, n=48, seed=0):
    """Return the forward and the backward error of running a schedule on a matrix."""
    u, v, sigma = matrix(schedule, n, seed)
    a = (u * sigma) @ v.T
    arithmetic = Arithmetic(precision, a)
    x = arithmetic.enter(a)
    with np.errstate(all="ignore"):
        for row in schedule:
            x = apply_polynomial(x, row, arithmetic)
        x = np.asarray(x, dtype=np.float64)
        if not np.all(np.isfinite(x)):
            return np.inf, np.inf
        exact = (u * np.asarray(schedule(sigma.astype(np.longdouble)), dtype=float)) @ v.T
        h = x.T @ a
        backward = np.linalg.norm(a - x @ (0.5 * (h + h.T))) / np.linalg.norm(a)
        return np.linalg.norm(x - exact) / n**0.5, backward


@pytest.mark.parametrize("precision", ["fp64", "fp32", "fp16", "bf16"])
@pytest.mark.parametrize("degree", [3, 5, 7, 9, 11, 13])
def test_predicted_rounding_is_what_matrices_show(precision, degree):
    lower = 1e-2 if precision in ("fp64", "fp32") else 0.1
    rows = shortest_schedule(lower, 1e-4, degree=degree, safety=SAFETY[precision])
    predicted = predict_rounding(rows, precision)
    forward, _ = measured(rows, precision)
    if np.isinf(predicted.forward):
        assert forward > 0.1
    else:
        assert 1 / 3 <= predicted.forward / forward <= 3


@pytest.mark.parametrize("precision", ["fp64", "fp32"])
@pytest.mark.parametrize("degrees", [(5,) * 8, (9,) * 5, (3, 5, 5, 3, 5, 9, 9), (13,) * 5])
def test_predicted_backward_error(precision, degrees):
    """Of compositions that have converged, so that it is that of rounding alone."""
    rows = minimax_schedule(1e-2, degree=degrees, safety=1e-3)
    assert rows.error < 2e-15
    _, backward = measured(rows, precision)
    # For degree 13 it is pessimistic: the products that are known to be symmetric are made so,
    # which leaves out part of what is predicted.
    assert 1 / 2 <= predict_rounding(rows, precision).backward / backward <= 2.5


def test_high_degrees_on_wide_intervals_are_refused_in_short_formats():
    """What fp64 allows blows up in bf16; what is planned for bf16 stays near degree 5."""
    lower, rtol = 1e-2, 1e-2
    wide = plan(SQUARE, lower, rtol)
    bf16 = plan(SQUARE, lower, rtol, "bf16")
    quintic = shortest_schedule(lower, rtol, degree=5, safety=0.01)
    assert wide.products <= bf16.products < quintic.products
    assert max(bf16.degrees[:2]) < max(wide.degrees[:2])
    reached = np.median([measured(quintic, "bf16", seed=s)[0] for s in range(3)])
    planned = np.median([measured(bf16, "bf16", seed=s)[0] for s in range(3)])
    refused = np.median([measured(wide, "bf16", seed=s)[0] for s in range(3)])
    assert planned <= 3 * reached
    assert refused > 4 * reached
    raw = minimax_schedule(lower, degree=(9, 9, 9), safety=0, cushion=0)
    assert predict_rounding(raw, "bf16").forward > 0.3
    assert measured(raw, "bf16")[0] > 1


@pytest.mark.parametrize("precision", ["fp64", "fp32", "tf32", "fp16", "bf16"])
@pytest.mark.parametrize("lower", [0.3, 0.1, 1e-2, 1e-3])
def test_plans_keep_the_accuracy_of_degree_5(precision, lower):
    rtol = 1e-2
    made = plan(SQUARE, lower, rtol, precision, harmless=0.0)
    quintic = shortest_schedule(lower, rtol, degree=5, safety=SAFETY[precision])
    for seed in range(2):
        reached = measured(quintic, precision, seed=seed)[0]
        assert measured(made, precision, seed=seed)[0] <= 3 * reached


@pytest.mark.parametrize("condition", [1, 3, 10, 100, 1e3, 1e4, 1e10])
def test_polar_with_planned_degrees(condition):
    """In fp64 never more products than degree 5, convergence wherever that converges."""
    problem = exact_polar_problem((64, 64), condition, rng=1)
    planned = polar(problem.a, method=PolarExpress(degree=None))
    fixed = polar(problem.a, method=PolarExpress())
    assert planned.converged
    assert planned.counts["products"] <= fixed.counts["products"]
    errors = [np.linalg.norm(r.x - problem.unitary) for r in (planned, fixed)]
    assert errors[0] <= 3 * errors[1]


def test_degree_none_is_5_elsewhere():
    a = exact_polar_problem((32, 32), 100, rng=1).a
    for options in ({"steps": 6}, {"precision": "bf16"}):
        one = polar(a, method=PolarExpress(degree=None), **options)
        np.testing.assert_array_equal(one.x, polar(a, method=PolarExpress(), **options).x)


# Arguments ---------------------------------------------------------------------------------------


def test_edges():
    assert plan((0, 3), 0.5, 0.1) == plan((5, 3), 0.5, 0.1)
    one = plan(SQUARE, 1.0, 1e-12)
    assert (one.degrees, one.error) == ((3,), 0.0)
    assert plan(SQUARE, 1e-16, 1e-6).error <= 1e-6
    assert plan(SQUARE, 1e-3, 1e-2, degrees=(3,)).degrees != ()
    assert set(plan(SQUARE, 1e-3, 1e-2, degrees=(3, 7)).degrees) <= {3, 5, 7}
    assert plan(list(SQUARE), np.float64(1e-3), 1e-2) is plan(SQUARE, 1e-3, 1e-2)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((3, 0.1, 0.1), {}, TypeError, "shape"),
        (((3,), 0.1, 0.1), {}, TypeError, "shape"),
        (((3, 2.5), 0.1, 0.1), {}, TypeError, "shape"),
        (((3, -1), 0.1, 0.1), {}, ValueError, "shape"),
        ((SQUARE, 0.0, 0.1), {}, ValueError, "lower"),
        ((SQUARE, 1.5, 0.1), {}, ValueError, "lower"),
        ((SQUARE, "small", 0.1), {}, TypeError, "lower"),
        ((SQUARE, 0.1, 1e-16), {}, ValueError, "rtol"),
        ((SQUARE, 0.1, 1.0), {}, ValueError, "rtol"),
        ((SQUARE, 0.1, float("nan")), {}, ValueError, "rtol"),
        ((SQUARE, 0.1, 0.1, "fp8"), {}, ValueError, "precision"),
        ((SQUARE, 0.1, 0.1), {"costs": 3}, TypeError, "costs"),
        ((SQUARE, 0.1, 0.1), {"degrees": (3, 4)}, ValueError, "degree"),
        ((SQUARE, 0.1, 0.1), {"degrees": 5}, TypeError, "degrees"),
        ((SQUARE, 0.1, 0.1), {"safety": -1}, ValueError, "safety"),
        ((SQUARE, 0.1, 0.1), {"cushion": 2}, ValueError, "cushion"),
        ((SQUARE, 0.1, 0.1), {"harmless": -1}, ValueError, "harmless"),
        ((SQUARE, 0.1, 0.1), {"choose_restarts": 2}, TypeError, "choose_restarts"),
    ],
)
def test_wrong_arguments(arguments, options, error, message):
    with pytest.raises(error, match=message):
        plan(*arguments, **options)
