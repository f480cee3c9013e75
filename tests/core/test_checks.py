"""Messages name the argument, what was expected and what came."""

import numpy as np
import pytest

from linalg_ml._core import checks
from linalg_ml._core.random import generator, normal


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ("text", TypeError, "m must be an array or a nested list, got str"),
        (None, TypeError, "m must be an array or a nested list, got NoneType"),
        ({1: 2}, TypeError, "got dict"),
        ([[1.0, 2.0], [3.0]], ValueError, "m must be a rectangular array"),
        ([["a"]], TypeError, "m must hold floating-point numbers, got dtype <U1"),
        ([[True]], TypeError, "got dtype bool"),
        ([[None]], TypeError, "got dtype object"),
        (np.eye(2, dtype=int), TypeError, "got dtype int64; convert it first"),
        (np.eye(2, dtype=">f8"), TypeError, "got dtype >f8"),
        (np.eye(2, dtype=np.longdouble), TypeError, "must hold floating-point numbers"),
        (np.ma.masked_equal(np.eye(2), 0), TypeError, "m must have no masked entries"),
    ],
)
def test_what_is_no_array(values, error, message):
    with pytest.raises(error, match=message):
        checks.array(values, "m")


def test_lists_and_numbers_become_arrays():
    assert checks.array([[1, 2], [3, 4]], "m").dtype == np.float64
    assert checks.array([1.0, 2j], "m").dtype == np.complex128
    assert checks.array(3.0, "m").shape == ()


def test_arrays_stay_what_they_are(xp):
    for dtype in ("float32", "complex64"):
        a = xp.array(np.ones((2, 2)), dtype)
        assert checks.array(a, "m") is a
        assert checks.matrix(a, "m") is a and checks.square(a, "m") is a
    for dtype in ("int32", "bool"):
        with pytest.raises(
            TypeError, match=f"m must hold floating-point numbers, got dtype {dtype}"
        ):
            checks.array(xp.array(np.ones((2, 2)), dtype), "m")


@pytest.mark.torch
def test_sparse_tensors_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"m must be a full tensor, .*sparse_coo; use its to_dense"):
        checks.array(torch.eye(2).to_sparse(), "m")


def test_subclasses_of_numpys_arrays_become_plain():
    class Odd(np.ndarray):
        def __matmul__(self, other):
            return "something else"

    a = checks.array(np.eye(2).view(Odd), "m")
    assert type(a) is np.ndarray and a.shape == (2, 2)


@pytest.mark.parametrize(
    ("check", "shape", "message"),
    [
        (checks.matrix, (3,), r"m must have shape \(\.\.\., m, n\), got shape \(3,\)"),
        (checks.matrix, (), r"got shape \(\)"),
        (checks.square, (2, 3), r"m must have shape \(\.\.\., n, n\), got shape \(2, 3\)"),
    ],
)
def test_shapes(xp, check, shape, message):
    with pytest.raises(ValueError, match=message):
        check(xp.array(np.ones(shape)), "m")


def test_arrays_must_share_a_home(xp):
    a = xp.array(np.ones(2))
    checks.same_home(a=a, b=a)
    if xp.library != "numpy":
        with pytest.raises(
            TypeError, match=f"a and b must be .* one library, got {xp.library} and numpy"
        ):
            checks.same_home(a=a, b=np.ones(2))
    else:
        torch = pytest.importorskip("torch")
        with pytest.raises(TypeError, match="got numpy and torch"):
            checks.same_home(a=a, b=torch.ones(2))


def test_arrays_must_share_a_device():
    strict = pytest.importorskip("array_api_strict")
    places = [strict.Device(name) for name in ("CPU_DEVICE", "device1")]
    a, b = (strict.ones(2, device=place) for place in places)
    with pytest.raises(
        ValueError, match=r"a and b must be on one device, got .*CPU.* and .*device1"
    ):
        checks.same_home(a=a, b=b)


def test_same_shape():
    checks.same_shape(np.ones((2, 3)), [2, 3], "x0")
    with pytest.raises(ValueError, match=r"x0 must have shape \(3,\), got shape \(2,\)"):
        checks.same_shape(np.ones(2), (3,), "x0")


def test_choice():
    known = ("sor", "ssor")
    assert checks.choice("sor", known, "method") == "sor"
    with pytest.raises(
        ValueError, match=r"method must be one of 'sor', 'ssor', got 'sorr'; did you mean"
    ):
        checks.choice("sorr", known, "method")
    with pytest.raises(ValueError, match=r"got 'SSOR'; did you mean 'ssor'"):
        checks.choice("SSOR", known, "method")
    with pytest.raises(ValueError, match=r"got 'xyz'$"):
        checks.choice("xyz", known, "method")
    with pytest.raises(TypeError, match=r"method must be one of .* got \['sor'\]"):
        checks.choice(["sor"], known, "method")


@pytest.mark.parametrize(
    ("value", "bounds", "error", "message"),
    [
        (0.0, {"above": 0}, ValueError, "omega must be > 0, got 0.0"),
        (2, {"above": 0, "below": 2}, ValueError, "omega must be < 2, got 2"),
        (-1, {"minimum": 0, "maximum": 1}, ValueError, "omega must be >= 0, got -1"),
        (np.nan, {}, ValueError, "omega must be finite, got nan"),
        (np.inf, {"minimum": 0}, ValueError, "omega must be finite, got inf"),
        (np.nan, {"above": 0, "below": 2}, ValueError, "omega must be > 0 and < 2, got nan"),
        ("1.0", {}, TypeError, "omega must be a number, got '1.0'"),
        (True, {}, TypeError, "omega must be a number, got True"),
        (1j, {}, TypeError, "omega must be a number, got 1j"),
        (None, {}, TypeError, "omega must be a number, got None"),
        ([1.0, 2.0], {}, TypeError, "omega must be a number"),
    ],
)
def test_numbers(value, bounds, error, message):
    with pytest.raises(error, match=message):
        checks.number(value, "omega", **bounds)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.array(1.0), np.int8(1)], ids=repr)
def test_numbers_of_all_kinds(value):
    out = checks.number(value, "omega", minimum=1, maximum=1)
    assert type(out) is float and out == 1


@pytest.mark.parametrize("value", [1.0, "1", True, None, np.True_, 1j], ids=repr)
def test_counts_are_integers(value):
    with pytest.raises(TypeError, match="steps must be an integer, got"):
        checks.count(value, "steps")


def test_counts():
    assert checks.count(np.int64(3), "steps") == 3 and checks.count(0, "steps", minimum=0) == 0
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        checks.count(0, "steps")


def test_instance():
    assert checks.instance(3, int, "k") == 3
    with pytest.raises(TypeError, match="k must be int, got str"):
        checks.instance("3", int, "k")
    with pytest.raises(TypeError, match="k must be int or float, got str"):
        checks.instance("3", (int, float), "k")


# Random numbers --------------------------------------------------------------------------------


def test_generators():
    given = np.random.default_rng(1)
    assert generator(given) is given
    assert generator(3).random() == generator(np.int64(3)).random()
    assert generator().random() != generator().random()


@pytest.mark.parametrize(
    ("rng", "error"),
    [(1.5, TypeError), ("seed", TypeError), (True, TypeError), (-1, ValueError),
     (np.random.RandomState(0), TypeError), (np.random, TypeError)],
    ids=str,
)  # fmt: skip
def test_what_is_no_generator(rng, error):
    with pytest.raises(error, match="rng must be"):
        generator(rng)


def test_the_same_numbers_for_every_library(xp):
    for dtype in ("float32", "complex64"):
        like = xp.array(np.ones(1), dtype)
        out = normal(generator(5), (3, 4), like=like)
        xp.assert_like(out, like, shape=(3, 4))
        expected = normal(generator(5), (3, 4), like=np.ones(1, dtype))
        assert np.array_equal(xp.to_numpy(out), expected)
    z = normal(generator(5), (20_000,), like=np.ones(1, np.complex128))
    assert np.var(z) == pytest.approx(1, rel=0.05)
    assert np.var(z.imag) == pytest.approx(0.5, rel=0.05)


def test_sparse_matrices_are_told_what_to_do():
    from scipy.sparse import csr_array

    with pytest.raises(TypeError, match=r"a must be an array .*, got csr_array; use its toarray"):
        checks.array(csr_array((3, 3)), "a")
