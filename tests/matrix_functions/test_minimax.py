"""Single polynomials: their design, evaluation and range."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mpf, workdps

from linalg_ml.matrix_functions import minimax
from linalg_ml.matrix_functions.minimax import (
    DEGREES,
    evaluate,
    image,
    minimax_polynomial,
    newton_schulz_polynomial,
)
from tests.reference.remez import cubic, power_sum, remez

# lower / upper, from far below rounding to neighbours in double precision, and both sides of the
# ratio 1/3 at which the method changes.
RATIOS = [1e-300, 1e-16, 1e-8, 1e-3, 0.1, 0.3333, 0.3334, 0.7, 0.99, 1 - 1e-6, 1 - 2**-53]
quick = settings(deadline=None, max_examples=40)
degrees = st.sampled_from(DEGREES)
# Both the ratio and its distance from 1 are spread over all scales.
ratios = st.one_of(
    st.floats(-16, -0.01).map(lambda e: 10.0**e),
    st.floats(-15.9, -0.01).map(lambda e: 1.0 - 10.0**e),
    st.floats(0.3, 0.36),
)


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("ratio", RATIOS)
def test_agrees_with_many_digit_reference(ratio, degree):
    coefficients, error = minimax_polynomial(ratio, 1.0, degree)
    expected, expected_error = remez(ratio, 1, degree)
    for c, e in zip(coefficients, expected, strict=True):
        assert abs(mpf(c) / e - 1) < 1e-13
    assert abs(mpf(error) / expected_error - 1) < 1e-13
    with workdps(400):
        lowest = power_sum(expected, mpf(ratio))
    assert abs(mpf(evaluate(coefficients, ratio)) / lowest - 1) < 1e-13


@pytest.mark.parametrize("ratio", RATIOS)
def test_reference_has_the_closed_form_for_degree_3(ratio):
    (a, b), level = cubic(ratio, 1)
    (c, d), error = remez(ratio, 1, 3)
    assert max(abs(a / c - 1), abs(b / d - 1), abs(level / error - 1)) < 1e-25


@quick
@given(ratios, degrees)
def test_range_is_centred_on_1(ratio, degree):
    coefficients, error = minimax_polynomial(ratio, 1.0, degree)
    rounding = 4e-16 * evaluate(np.abs(coefficients), 1.0)
    low, high = image(coefficients, ratio, 1.0)
    assert low == pytest.approx(1.0 - error, abs=rounding)
    assert high == pytest.approx(1.0 + error, abs=rounding)
    assert evaluate(coefficients, ratio) == pytest.approx(1.0 - error, abs=rounding)


@quick
@given(ratios, degrees, st.data())
def test_no_other_polynomial_is_closer(ratio, degree, data):
    coefficients, error = minimax_polynomial(ratio, 1.0, degree)
    change = st.floats(-1.0, 1.0).map(lambda x: 0.1 * x)
    other = [c * (1.0 + data.draw(change)) for c in coefficients]
    low, high = image(other, ratio, 1.0)
    assert max(1.0 - low, high - 1.0) >= error - 4e-16 * evaluate(np.abs(coefficients), 1.0)


@quick
@given(ratios, degrees, st.floats(-3, 3).map(lambda e: 10.0**e))
def test_scaling_the_interval_scales_the_argument(ratio, degree, scale):
    lower, upper = ratio * scale, scale
    assume(lower < upper and upper - lower > 1e-6 * upper)
    plain = minimax_polynomial(lower / upper, 1.0, degree)
    scaled = minimax_polynomial(lower, upper, degree)
    # The ratio is rounded, which changes the error by about that much of the remaining gap.
    assert scaled.error == pytest.approx(plain.error, rel=1e-8)
    for i, (c, e) in enumerate(zip(scaled.coefficients, plain.coefficients, strict=True)):
        assert c * scale ** (2 * i + 1) == pytest.approx(e, rel=1e-12)


@quick
@given(ratios, degrees)
def test_higher_degree_and_narrower_interval_are_closer(ratio, degree):
    error = minimax_polynomial(ratio, 1.0, degree).error
    rounding = 0.0 if error < 0.5 else 2e-15
    assert minimax_polynomial(min(1.0, 1.001 * ratio), 1.0, degree).error < error + rounding
    if degree < 13:
        assert minimax_polynomial(ratio, 1.0, degree + 2).error < error + rounding


@pytest.mark.parametrize("degree", DEGREES)
def test_newton_schulz_is_the_taylor_polynomial_exactly(degree):
    q = (degree - 1) // 2
    binomial = [Fraction(1)]
    for j in range(q):
        binomial.append(binomial[-1] * (Fraction(-1, 2) - j) / (j + 1))
    exact = [
        sum(binomial[j] * comb(j, i) * (-1) ** (j - i) for j in range(i, q + 1))
        for i in range(q + 1)
    ]
    assert [Fraction(c) for c in newton_schulz_polynomial(degree)] == exact
    # It is the limit of the best polynomials, also where it is scaled.
    assert minimax_polynomial(1.0, 1.0, degree) == (newton_schulz_polynomial(degree), 0.0)
    at_two = minimax_polynomial(2.0, 2.0, degree).coefficients
    assert at_two == tuple(float(c / 2 ** (2 * i + 1)) for i, c in enumerate(exact))


def test_newton_schulz_published():
    assert newton_schulz_polynomial(3) == (1.5, -0.5)
    assert newton_schulz_polynomial(5) == (1.875, -1.25, 0.375)
    assert newton_schulz_polynomial(7) == (35 / 16, -35 / 16, 21 / 16, -5 / 16)


finite = st.floats(-5.0, 5.0)


@quick
@given(st.lists(finite, min_size=2, max_size=7), finite, finite)
def test_image_encloses_and_is_attained(coefficients, a, b):
    lower, upper = min(a, b), max(a, b)
    low, high = image(coefficients, lower, upper)
    size = evaluate(np.abs(coefficients), max(abs(lower), abs(upper)))
    grid = evaluate(coefficients, np.linspace(lower, upper, 4001))
    # The grid misses an extreme by at most half its spacing squared times p''/2.
    slack = 1e-12 * size
    assert low <= grid.min() + slack
    assert high >= grid.max() - slack
    curvature = 13 * 12 * size / max(abs(lower), abs(upper), 1e-30) ** 2
    missed = slack + curvature * ((upper - lower) / 8000) ** 2
    assert low >= grid.min() - missed
    assert high <= grid.max() + missed


def test_image_with_a_negligible_leading_coefficient():
    assert image((-1.0, 0.0, 1.0, 1e-38), 0.0, 1.0)[0] == pytest.approx(-0.8 * 0.2**0.25, rel=1e-14)
    assert image((-1.0, 0.0, 1.0, 0.0), 0.0, 1.0)[0] == pytest.approx(-0.8 * 0.2**0.25, rel=1e-14)


def test_image_of_a_quintic_with_both_extremes_inside():
    row = (3.4445, -4.7750, 2.0315)
    grid = evaluate(row, np.linspace(0.1, 1.1, 1_000_001))
    assert image(row, 0.1, 1.1) == pytest.approx((grid.min(), grid.max()), abs=1e-11)


def test_image_that_overflows():
    assert image((3.4445, -4.775, 2.0315), 1.0, 1e100)[1] == np.inf
    assert image((3.4445, -4.775, 2.0315), -1e100, np.inf) == (-np.inf, np.inf)
    assert image((1.0, 0.0), 1.0, np.inf) == (-np.inf, np.inf)


def test_evaluate_does_not_promote():
    row = minimax_polynomial(1e-3).coefficients
    x = np.linspace(0, 1, 5, dtype=np.float32)
    assert evaluate(row, x).dtype == np.float32
    assert type(evaluate(row, 0.5)) is float
    assert all(type(c) is float for c in row)


@pytest.mark.parametrize("degree", DEGREES)
def test_plain_floats(degree):
    for lower in (1e-3, 0.5, 1.0):
        polynomial = minimax_polynomial(np.float64(lower), np.int64(1), np.int64(degree))
        assert all(type(c) is float for c in (*polynomial.coefficients, polynomial.error))


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((0.0,), ValueError, "0 < lower <= upper, got lower = 0.0"),
        ((-1e-3,), ValueError, "0 < lower <= upper"),
        ((2.0, 1.0), ValueError, "0 < lower <= upper, got lower = 2.0, upper = 1.0"),
        ((0.1, float("inf")), ValueError, "0 < lower <= upper"),
        ((float("nan"),), ValueError, "0 < lower <= upper"),
        (("0.1",), TypeError, "lower must be a real number, got '0.1'"),
        ((0.1, None), TypeError, "upper must be a real number, got None"),
        ((0.1, 1.0, 4), ValueError, r"degree must be one of \(3, 5, 7, 9, 11, 13\), got 4"),
        ((0.1, 1.0, 15), ValueError, "degree must be one of"),
        ((0.1, 1.0, 5.0), TypeError, "degree must be an integer, got 5.0"),
        ((0.1, 1.0, True), TypeError, "degree must be an integer, got True"),
        ((1e-101, 1e-100, 5), ValueError, "upper = 1e-100 is too far from 1 for degree 5"),
        ((1e99, 1e100, 5), ValueError, r"upper = 1e\+100 is too far from 1"),
    ],
)
def test_wrong_arguments(arguments, kind, message):
    with pytest.raises(kind, match=message):
        minimax_polynomial(*arguments)


def test_exchanges_that_do_not_converge_are_an_error(monkeypatch):
    monkeypatch.setattr(minimax, "_MAX_EXCHANGES", 1)
    for lower in (1e-3, 0.5):
        with pytest.raises(ArithmeticError, match="did not reach equioscillation"):
            minimax._minimax_polynomial.__wrapped__(lower, 1.0, 9)
