"""Powers of two as units: near the data, exact, within the range of the type."""

import numpy as np
import pytest

from linalg_ml._core.namespace import to_numpy
from linalg_ml._core.units import beside, largest_exponent, ordinary_exponent, power_of_two

_NEXT = [(3.0, 4.0), (4.0, 8.0), (0.75, 1.0), (5e-324, 2.0**-9)]


@pytest.mark.parametrize(("size", "power"), _NEXT)
def test_the_power_is_the_next_one_above_within_the_exponents_allowed(size, power):
    assert power_of_two(size, 9) == power
    assert type(power_of_two(size, 9)) is float


def test_what_is_not_a_positive_number_is_measured_in_ones():
    sizes = np.array([0.0, np.inf, np.nan, -1.0, 6.0])
    np.testing.assert_array_equal(power_of_two(sizes, 1000), [1, 1, 1, 1, 8])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_type_holds_the_largest_power_and_its_inverse(dtype):
    largest = largest_exponent(np.dtype(dtype).name)
    info = np.finfo(dtype)
    assert info.tiny <= 2.0**-largest < 2.0**largest <= info.max


def test_ordinary_sizes_stay_and_others_come_near_one():
    sizes = np.array([0.0, np.nan, np.inf, 1e-9, 1.0, 1e9, 1e10, 1e-200, 1e200])
    exponents = ordinary_exponent(sizes, "fp64")
    np.testing.assert_array_equal(exponents[:6], 0)
    scaled = sizes[6:] / 2.0 ** exponents[6:]
    assert np.all((scaled >= 0.5) & (scaled < 1))
    single = ordinary_exponent(1e200, "float32")
    assert (single, type(single)) == (120, int)


def test_numbers_multiply_the_vectors_or_matrices_they_belong_to(xp):
    numbers = np.array([1.0, 2.0, 0.5])
    for shape in ((3,), (3, 4), (3, 4, 5)):
        x = xp.array(np.ones(shape), "float32")
        product = x * beside(numbers, x)
        xp.assert_like(product, x)
        expected = np.ones(shape) * numbers.reshape(3, *[1] * (len(shape) - 1))
        np.testing.assert_array_equal(to_numpy(product), expected)
    assert beside(2.0, x) == 2.0
