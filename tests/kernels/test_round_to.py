"""Rounding is bit-exact on every array library, against independent implementations."""

from functools import cache

import numpy as np
import pytest

from linalg_ml._core.namespace import to_numpy
from linalg_ml._core.precision import round_to
from linalg_ml.kernels import agnostic, numba_, numpy_
from tests.conftest import BACKENDS, backend_ready

ml_dtypes = pytest.importorskip("ml_dtypes")

TARGETS = ("bf16", "fp16", "tf32")
RANDOM_PATTERNS = 10_000_000


@cache
def patterns():
    """Random bit patterns of float32, and the ones where rounding is delicate."""
    random = np.random.default_rng(7).integers(0, 2**32, RANDOM_PATTERNS, dtype=np.uint32)
    high = np.arange(2**16, dtype=np.uint32) << np.uint32(16)
    # Every number of bf16, half-way to the next, and one place to either side of that.
    bf16_ties = [high | np.uint32(low) for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]
    some = random[:200_000]
    tf32_ties = [(some & np.uint32(0xFFFFE000)) | np.uint32(low) for low in (0xFFF, 0x1000, 0x1001)]
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    halves = halves[np.isfinite(halves)]
    ordered = np.unique(halves)
    middles = ((ordered[1:].astype(np.float64) + ordered[:-1]) / 2).astype(np.float32)
    edge = np.array([65504, 65519.996, 65520, 65536, 3.4e38, np.inf, 0.0, 2.0**-25], np.float32)
    values = np.concatenate([halves, middles, edge, -edge])
    near = [values, np.nextafter(values, np.float32(np.inf)), np.nextafter(values, -np.inf)]
    tiny = np.random.default_rng(8).integers(0, 0x39000000, 500_000, dtype=np.uint32)
    nans = np.random.default_rng(9).integers(1, 2**23, 100_000, dtype=np.uint32)
    nans = np.concatenate([nans, np.array([1, 0x1FFF, 0xFFFF, 0x7FFFFF], np.uint32)])
    nans |= np.uint32(0x7F800000)
    parts = [random, *bf16_ties, *tf32_ties, *(v.astype(np.float32).view(np.uint32) for v in near)]
    parts += [tiny, tiny | np.uint32(0x80000000), nans, nans | np.uint32(0x80000000)]
    made = np.concatenate(parts).view(np.float32)
    made.setflags(write=False)
    return made


@cache
def rounded(target):
    """The bits that rounding must give, from implementations that share nothing with ours."""
    a = patterns()
    with np.errstate(all="ignore"):
        if target == "bf16":
            expected = a.astype(ml_dtypes.bfloat16).astype(np.float32)
        elif target == "fp16":
            expected = a.astype(np.float16).astype(np.float32)
        else:
            expected = _tf32(a)
    expected.setflags(write=False)
    return expected


def _tf32(a):
    """Round to 11 significant bits, subnormals to the same last place as the smallest normal."""
    wide = a.astype(np.float64)
    _, exponent = np.frexp(wide)
    place = np.ldexp(1.0, np.maximum(exponent, -125) - 11)
    result = np.rint(wide / place) * place  # exact in float64, ties to even
    return result.astype(np.float32)


def assert_rounded(out, target):
    expected = rounded(target)
    nan = np.isnan(patterns())
    out = np.asarray(out)
    assert out.dtype == np.float32
    assert np.all(np.isnan(out[nan])), "a NaN was lost"
    same = out.view(np.uint32) == expected.view(np.uint32)
    wrong = np.flatnonzero(~same & ~nan)
    assert wrong.size == 0, (
        f"{wrong.size} wrong, first: {patterns()[wrong[0]]!r} -> {out[wrong[0]]!r}, "
        f"expected {expected[wrong[0]]!r}"
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("file", [numba_, numpy_], ids=["numba", "numpy"])
def test_numpy_kernels(file, target):
    before = patterns().view(np.uint32).copy() if target == "bf16" else None
    assert_rounded(file.round_to(patterns(), target), target)
    if before is not None:
        assert np.array_equal(patterns().view(np.uint32), before)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("file", [numba_, numpy_], ids=["numba", "numpy"])
def test_in_place(file, target):
    a = patterns()[-2_000_000:].copy()
    out = file.round_to(a, target, inplace=True)
    assert out is a
    expected = rounded(target)[-2_000_000:]
    nan = np.isnan(expected)
    assert np.array_equal(out[~nan].view(np.uint32), expected[~nan].view(np.uint32))
    assert np.all(np.isnan(out[nan]))


@pytest.mark.torch
@pytest.mark.parametrize("target", TARGETS)
def test_torch(target):
    torch = pytest.importorskip("torch")
    torch_ = pytest.importorskip("linalg_ml.kernels.torch_")
    assert_rounded(torch_.round_to(torch.tensor(patterns()), target).numpy(), target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
def test_jax(target, jit):
    jax = pytest.importorskip("jax")
    jax_ = pytest.importorskip("linalg_ml.kernels.jax_")
    function = lambda a: jax_.round_to(a, target)  # noqa: E731
    out = (jax.jit(function) if jit else function)(jax.numpy.asarray(patterns()))
    assert_rounded(np.asarray(out), target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("device", ["CPU_DEVICE", "no_float64"])
def test_standard_arrays(target, device):
    strict = pytest.importorskip("array_api_strict")
    place = strict.Device(device)
    a = strict.asarray(patterns(), device=place)
    out = agnostic.round_to(a, target)
    assert out.device == place
    assert_rounded(to_numpy(out), target)


@pytest.mark.gpu
@pytest.mark.parametrize("target", TARGETS)
def test_cupy(target):
    with backend_ready(BACKENDS[-1]) as backend:
        from linalg_ml.kernels import cupy_

        assert_rounded(backend.to_numpy(cupy_.round_to(backend.array(patterns()), target)), target)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.00390625, 1.0),
        (1.01171875, 1.015625),
        (1.001953125, 1.0),
        (3.14159274, 3.140625),
        (-2.7182817, -2.71875),
        (0.1, 0.10009765625),
        (65504.0, 65536.0),
        (3.4e38, np.inf),
        (1 + 2.0**-8 + 2.0**-20, 1.0078125),
        (-0.0, -0.0),
        (2.0**-133, 2.0**-133),  # the smallest number of bf16
        (2.0**-134, 0.0),
    ],
)
def test_bf16_vectors(xp, value, expected):
    out = xp.to_numpy(round_to(xp.array([[value]], "float32"), "bf16"))
    assert out[0, 0] == expected
    assert np.signbit(out[0, 0]) == np.signbit(expected)


def test_public_function_keeps_library_dtype_and_shape(xp, rng):
    for dtype in ("float32", "float64", "complex64", "complex128", "float16", "bfloat16"):
        if xp.library == "array_api_strict" and dtype in ("float16", "bfloat16"):
            continue
        for shape in ((), (2, 0, 3), (3, 4)):
            values = rng.standard_normal(shape)
            a = xp.array(values, dtype)
            before = xp.to_numpy(a)
            for target in ("fp32", *TARGETS):
                out = round_to(a, target)
                xp.assert_like(out, a)
                assert out is not a
            assert np.array_equal(xp.to_numpy(a), before)


def test_complex_numbers_round_by_parts(xp, rng):
    values = (rng.standard_normal((4, 5)) + 1j * rng.standard_normal((4, 5))).astype(np.complex64)
    a = xp.array(values)
    for target in TARGETS:
        out = xp.to_numpy(round_to(a, target))
        assert np.array_equal(out.real, numpy_.round_to(values.real, target))
        assert np.array_equal(out.imag, numpy_.round_to(values.imag, target))


@pytest.mark.torch
def test_lazily_conjugated_and_negated_tensors():
    torch = pytest.importorskip("torch")
    a = torch.tensor([[0.1 + 0.3j]], dtype=torch.complex64)
    expected = numpy_.round_to(a.numpy(), "bf16").conj()
    assert np.array_equal(round_to(a.conj(), "bf16").numpy(), expected)
    assert np.array_equal(round_to(a.conj().imag, "bf16").numpy(), expected.imag)


@pytest.mark.parametrize("file", [numba_, numpy_], ids=["numba", "numpy"])
def test_memory_layouts(file, rng):
    a = rng.standard_normal((6, 8)).astype(np.float32)
    expected = a.astype(ml_dtypes.bfloat16).astype(np.float32)
    for view in (
        a.T,
        a[::2],
        a[:, ::3],
        a[::-1],
        np.asfortranarray(a),
        np.broadcast_to(a[0], a.shape),
    ):
        copy = view.copy()
        for inplace in (False, True):
            given = copy[...] if inplace else view
            out = file.round_to(given, "bf16", inplace=inplace)
            assert np.array_equal(out, view.astype(ml_dtypes.bfloat16).astype(np.float32))
    strided = a.copy()[:, ::2]
    assert np.array_equal(file.round_to(strided, "bf16", inplace=True), expected[:, ::2])
    readonly = a.copy()
    readonly.setflags(write=False)
    file.round_to(readonly, "bf16", inplace=True)
    assert np.array_equal(readonly, a)


def test_float64_goes_through_float32_without_a_warning():
    a = np.array([1e300, -1e300, 1.0 + 2.0**-8 + 2.0**-40, np.nan])
    out = round_to(a, "bf16")
    # In float32 the third number is half-way between two of bf16, so it goes to the even one.
    assert np.array_equal(out, [np.inf, -np.inf, 1.0, np.nan], equal_nan=True)


def test_wrong_arguments_are_named():
    with pytest.raises(
        ValueError, match=r"target must be one of .*'bf16'.*got 'bf1'.*did you mean"
    ):
        round_to(np.ones(2), "bf1")
    with pytest.raises(TypeError, match="a must hold floating-point numbers, got dtype int64"):
        round_to(np.ones(2, int), "bf16")
