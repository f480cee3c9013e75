"""The scalar mathematics of QDWH, Zolotarev's functions and scaled Newton."""

import numpy as np
import pytest

from linalg_ml.matrix_functions.rational_weights import (
    newton_interval,
    qdwh_function,
    qdwh_weights,
    zolotarev_coefficients,
    zolotarev_function,
    zolotarev_order,
)
from tests.reference import rational_functions as reference

LOWER = [1e-17, 1e-16, 1e-8, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9, 1.0]
U64 = 2.0**-53


def gaps(make, lower, steps):
    """Return 1 - l after each step."""
    found = []
    for _ in range(steps):
        lower = make(lower)(lower)
        found.append(1 - lower)
    return found


# 1 - l as published in many digits, as far as double precision can hold it.
HALLEY = {
    1e-3: [0.751961, 0.0370977, 8.44056e-7],
    1e-16: [0.999988, 0.942848, 0.217634, 2.3011e-4, 1.9045e-13],
}
ZOLOTAREV = {
    (2, 1e-3): [0.336244, 2.77437e-6],
    (4, 1e-3): [0.0370977],
    (8, 1e-3): [3.23796e-4],
    (2, 1e-16): [0.998087, 0.272397, 7.85622e-7],
    (4, 1e-16): [0.942848, 2.3011e-4],
    (8, 1e-16): [0.595946],
}
WEIGHTS = {
    1e-3: [
        (251.992105051, 15749.2591994, 16000.2513045),
        (6.63683542866, 7.94347841245, 13.5803138411),
        (3.05751607415, 1.05834309885, 3.115859173),
    ],
    1e-16: [
        (1.16960709529e11, 3.41995189329e21, 3.41995189341e21),
        (4890.42610516, 5976621.90945, 5981511.33555),
        (17.0919550375, 64.7377542321, 80.8297092695),
    ],
}


@pytest.mark.parametrize("lower", WEIGHTS)
def test_halley_weights_of_the_first_steps(lower):
    reached = lower
    for expected in WEIGHTS[lower]:
        np.testing.assert_allclose(qdwh_weights(reached), expected, rtol=1e-10)
        reached = qdwh_function(reached)(reached)


@pytest.mark.parametrize("lower", LOWER)
def test_halley_weights_in_many_digits(lower):
    expected = [float(w) for w in reference.qdwh_weights(lower)]
    np.testing.assert_allclose(qdwh_weights(lower), expected, rtol=1e-14)
    f = qdwh_function(lower)
    for x in (lower, lower**0.5, 0.7, 1.0):
        assert f(x) == pytest.approx(float(reference.qdwh_value(x, lower)), rel=1e-13)


@pytest.mark.parametrize("lower", HALLEY)
def test_convergence_of_halley(lower):
    expected = HALLEY[lower]
    np.testing.assert_allclose(
        gaps(qdwh_function, lower, len(expected)), expected, rtol=5e-6, atol=1e-15
    )


@pytest.mark.parametrize(("order", "lower"), ZOLOTAREV)
def test_convergence_of_zolotarev(order, lower):
    expected = ZOLOTAREV[order, lower]
    found = gaps(lambda lower: zolotarev_function(lower, order), lower, len(expected))
    np.testing.assert_allclose(found, expected, rtol=5e-6)


def test_zolotarev_coefficients_as_published():
    poles, zeros = zolotarev_coefficients(1e-3, 2)
    np.testing.assert_allclose(poles, (6.4077310974268e-6, 5.26637856687033e-3), rtol=1e-12)
    np.testing.assert_allclose(zeros, (1.89883804839019e-4, 0.156061480233085), rtol=1e-12)


@pytest.mark.parametrize("lower", LOWER)
@pytest.mark.parametrize("order", [1, 2, 5, 8])
def test_zolotarev_in_many_digits(lower, order):
    poles, zeros = zolotarev_coefficients(lower, order)
    expected = [float(c) for c in reference.zolotarev_coefficients(lower, order, digits=50)]
    np.testing.assert_allclose(poles, expected[::2], rtol=5e-14)
    np.testing.assert_allclose(zeros, expected[1::2], rtol=5e-14)
    f = zolotarev_function(lower, order)
    for x in (lower, lower**0.5, 1.0):
        value = float(reference.zolotarev_value(x, lower, order, digits=50))
        assert f(x) == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize("lower", LOWER)
def test_order_one_is_halley(lower):
    for a, b in zip(zolotarev_function(lower, 1), qdwh_function(lower), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 3, 8])
def test_the_composition_of_two_is_one_of_higher_order(order):
    """(2 r + 1)^2 = 2 R + 1: two optimal steps are one optimal step of the degree of both."""
    lower = 0.03
    first = zolotarev_function(lower, order)
    second = zolotarev_function(first(lower), order)
    whole = zolotarev_function(lower, ((2 * order + 1) ** 2 - 1) // 2)
    for x in np.geomspace(lower, 1, 7):
        assert second(first(x)) == pytest.approx(whole(x), rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_the_error_alternates_as_often_as_it_must(order):
    lower = 1e-2
    f = zolotarev_function(lower, order)
    x = np.geomspace(lower, 1, 40001)
    y = np.array([f(t) for t in x])
    middle, depth = (1 + f(lower)) / 2, (1 - f(lower)) / 2
    assert y.max() <= 1 + 1e-12
    assert y.min() >= f(lower) - 1e-12
    extremes = np.abs(y - middle) > depth * (1 - 1e-5)
    signs = np.sign(y - middle)[extremes]
    assert 1 + np.count_nonzero(np.diff(signs)) == 2 * order + 2


@pytest.mark.parametrize(
    ("condition", "order"),
    [(1.1, 1), (6, 2), (150, 3), (1e4, 4), (2e6, 5), (1e9, 6), (2e12, 7), (1e16, 8)],
)
def test_order_for_two_steps(condition, order):
    assert zolotarev_order(1 / condition, 2, U64) == order
    assert gaps(lambda lower: zolotarev_function(lower, order), 1 / condition, 2)[-1] < 1e-15


def test_order_for_other_numbers_of_steps_and_precisions():
    assert zolotarev_order(0.5, 1, U64) == 8
    assert zolotarev_order(1e-16, 6, U64) == 1
    assert zolotarev_order(1e-7, 2, 2.0**-24) == 4
    assert zolotarev_order(1e-16, 0, U64) == 8


def test_convergence_of_newton():
    for lower, expected in (
        (1e-3, [14.8272, 1.11485, 0.0709456, 5.87308e-4, 4.3091e-8]),
        (1e-16, [5.0e7, 3534.53, 28.7386, 1.81834, 0.137229, 2.06779e-3, 5.33e-7]),
    ):
        upper, found = 1.0, []
        for _ in expected:
            before = lower, upper
            mu, lower, upper = newton_interval(lower, upper)
            for x in before:
                assert (mu * x + 1 / (mu * x)) / 2 == pytest.approx(upper, rel=1e-12)
            found.append(upper - 1)
        np.testing.assert_allclose(found, expected, rtol=1e-3)
