"""Precision policies: where they round, what they count, what they refuse, what they restore."""

import numpy as np
import pytest

from linalg_ml._core.namespace import dtype_name
from linalg_ml._core.precision import Arithmetic, Precision, as_policy, matmul, round_to
from linalg_ml.kernels import numpy_
from tests.conftest import BACKENDS, backend_ready

KELLER = (3.4445, -4.7750, 2.0315)  # the polynomial of Muon
UNIT = {"bf16": 2.0**-8, "fp16": 2.0**-11, "tf32": 2.0**-11, "fp32": 2.0**-24, "fp64": 2.0**-53}


def r(a, target="bf16"):
    """Round on the host."""
    return numpy_.round_to(np.asarray(a, dtype=np.float32), target)


def emulated(xp):
    if xp.library == "cupy":
        pytest.skip("CuPy multiplies in the short formats themselves")


# Rounding of a product -------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["bf16", "fp16"])
@pytest.mark.parametrize("shape", [(6, 6), (2, 6, 6)], ids=str)
def test_fused_and_each_rounding_are_what_they_say(xp, rng, target, shape):
    emulated(xp)
    a, b, y = (r(rng.standard_normal(shape), target) for _ in range(3))
    for alpha, beta in ((1.0, 0.0), (2.0315, -4.775), (-0.3, 1.0), (1.0, 3.4445)):
        fused = Arithmetic(target, xp.array(a))
        each = Arithmetic(Precision(target, rounding="each"), xp.array(a))
        arrays = [fused.enter(xp.array(t)) for t in (a, b, y)]
        alpha32, beta32 = np.float32(alpha), np.float32(beta)
        expected = r(alpha32 * (a @ b) + beta32 * y, target)
        given = arrays[2] if beta else None
        close = {"rtol": 2.1 * UNIT[target], "atol": 1e-6}  # a sum may fall on the other side
        out = xp.to_numpy(fused.mm(*arrays[:2], alpha=alpha, beta=beta, y=given))
        assert np.mean(out != expected) < 0.05 and np.allclose(out, expected, **close)
        left = r(alpha32 * a, target) if alpha != 1 else a
        expected = r(left @ b, target)
        if beta:
            expected = r((r(beta32 * y, target) if beta != 1 else y) + expected, target)
        out = xp.to_numpy(each.mm(*arrays[:2], alpha=alpha, beta=beta, y=given))
        assert np.mean(out != expected) < 0.05 and np.allclose(out, expected, **close)
        assert np.array_equal(out, r(out, target)), "not all entries are numbers of the format"


def test_rounding_of_exact_sums_to_the_last_bit(xp):
    """Small integers have exact products, so only the rounding is left to differ."""
    emulated(xp)
    host = np.random.default_rng(3).integers(-40, 40, (3, 8, 8)).astype(np.float32)
    for target in ("bf16", "fp16"):
        for rounding in ("fused", "each"):
            arithmetic = Arithmetic(Precision(target, rounding), xp.array(host[0]))
            a, b, y = (arithmetic.enter(xp.array(t)) for t in host)
            out = xp.to_numpy(arithmetic.mm(a, b, alpha=3.0, beta=5.0, y=y))
            if rounding == "fused":
                expected = r(3 * (host[0] @ host[1]) + 5 * host[2], target)
            else:
                expected = r(r(5 * host[2], target) + r(3 * host[0] @ host[1], target), target)
            assert np.array_equal(out, expected)
            gram = xp.to_numpy(arithmetic.gram(a))
            assert np.array_equal(gram, r(host[0] @ host[0].T, target))
            symmetric = host[0] + host[0].T
            s = arithmetic.enter(xp.array(symmetric))
            out = xp.to_numpy(arithmetic.mm_sym(s, s, alpha=2.0, beta=1.0, y=s))
            if rounding == "fused":
                assert np.array_equal(out, r(2 * symmetric @ symmetric + symmetric, target))


def test_tf32_rounds_the_operands_and_nothing_else(xp, rng):
    emulated(xp)
    a, b, y = (rng.standard_normal((5, 5)).astype(np.float32) for _ in range(3))
    arithmetic = Arithmetic("tf32", xp.array(a))
    out = xp.to_numpy(arithmetic.mm(*map(xp.array, (a, b)), alpha=0.3, beta=2.0, y=xp.array(y)))
    exact = 0.3 * r(a, "tf32").astype(float) @ r(b, "tf32") + 2.0 * y.astype(float)
    assert np.allclose(out, exact, rtol=0, atol=3e-6)
    assert not np.allclose(out, 0.3 * a.astype(float) @ b + 2.0 * y, rtol=0, atol=3e-6)
    assert np.allclose(
        xp.to_numpy(arithmetic.gram(xp.array(a))),
        r(a, "tf32").astype(float) @ r(a, "tf32").T,
        atol=3e-6,
    )
    assert np.array_equal(xp.to_numpy(arithmetic.enter(xp.array(a))), a)


def chain(a, policy):
    """Five Newton-Schulz steps in the order of Muon's code, on an array already scaled."""
    arithmetic = Arithmetic(policy, a)
    x = arithmetic.enter(a)
    p, q, s = KELLER
    for _ in range(5):
        square = arithmetic.gram(x)
        even = arithmetic.mm(square, square, alpha=s, beta=q, y=square)
        x = arithmetic.mm(even, x, beta=p, y=x)
    return arithmetic.leave(x)


@pytest.mark.torch
@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("shape", [(64, 64), (64, 128), (128, 256)], ids=str)
def test_each_rounding_reproduces_eager_torch(shape, library):
    torch = pytest.importorskip("torch")
    g = torch.tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    x = g.bfloat16()
    x = x / (x.norm() + 1e-7)
    start = x.float()
    p, q, s = KELLER
    for _ in range(5):
        square = x @ x.T
        even = q * square + s * square @ square
        x = p * x + even @ x
    given = start if library == "torch" else start.numpy()
    ours = np.asarray(chain(given, Precision("bf16", rounding="each")))
    theirs = x.float().numpy()
    exact = np.asarray(chain(start.double().numpy(), None))
    errors = [np.linalg.norm(t - exact) / np.linalg.norm(exact) for t in (ours, theirs)]
    assert errors[0] == pytest.approx(errors[1], rel=0.01)
    if shape[1] <= 128:
        same = np.mean(ours == theirs)
        assert same == 1, f"only {same:.4%} of the entries are the same"


# What goes in comes out ------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [None, "fp64", "fp32", "tf32", "bf16", "fp16"])
def test_matmul_keeps_library_and_dtype(xp, rng, precision):
    for dtype in ("float32", "float64"):
        if dtype == "float64" and not xp.has_float64:
            continue
        host = [rng.standard_normal(shape).astype(dtype) for shape in ((2, 4, 6), (6, 3))]
        a, b = map(xp.array, host)
        if precision == "fp64" and not xp.has_float64:
            with pytest.raises(ValueError, match="'fp64' is not available"):
                matmul(a, b, precision=precision)
            continue
        out = matmul(a, b, precision=precision)
        xp.assert_like(out, a, shape=(2, 4, 3))
        exact = host[0].astype(float) @ host[1].astype(float)
        size = np.abs(host[0]).astype(float) @ np.abs(host[1]).astype(float)
        unit = UNIT[precision or {"float32": "fp32", "float64": "fp64"}[dtype]]
        unit = max(unit, 2.0**-24 if dtype == "float32" else 0.0)
        error = np.max(np.abs(xp.to_numpy(out) - exact) / size)
        assert error <= 4 * unit
        if precision in ("bf16", "fp16", "tf32"):
            assert error >= 0.05 * unit, "more accurate than its policy: was anything rounded?"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_short_input_comes_back_short(xp, rng, dtype):
    if xp.library == "array_api_strict":
        pytest.skip("the standard has no 16-bit numbers")
    a = xp.array(rng.standard_normal((5, 5)).astype(np.float32), dtype)
    short = {"float16": "fp16", "bfloat16": "bf16"}[dtype]
    for precision in (None, short, "fp32"):
        out = matmul(a, a, precision=precision)
        xp.assert_like(out, a)
        host = xp.to_numpy(a).astype(np.float32)
        out = xp.to_numpy(out).astype(np.float32)
        assert np.allclose(out, r(host @ host, short), rtol=2.1 * UNIT[short], atol=1e-6)
    arithmetic = Arithmetic(None, a)
    assert arithmetic.name == short
    assert arithmetic.unit_roundoff == UNIT[short]


def test_bf16_overflow_is_infinite_without_a_warning():
    a = np.array([[1e300, 1.0], [0.0, 1.0]])
    out = matmul(a, np.eye(2), precision="bf16")
    assert out.dtype == np.float64 and not np.isfinite(out[0, 0]) and out[1, 1] == 1


def test_mixed_dtypes_take_the_common_one(xp64):
    real, wide = xp64.array(np.ones((2, 2)), "float32"), xp64.array(np.ones((2, 2)))
    z = xp64.array(1j * np.ones((2, 2)), "complex64")
    assert dtype_name(matmul(real, wide)) == dtype_name(matmul(wide, real)) == "float64"
    out = matmul(real, z)
    assert dtype_name(out) == "complex64"
    assert np.array_equal(xp64.to_numpy(out), 2j * np.ones((2, 2)))
    with pytest.raises(TypeError, match="complex64 array cannot be used together with real"):
        Arithmetic(None, real).enter(z)


@pytest.mark.parametrize("number", [2, np.float64(2), np.float32(2), np.int64(2)], ids=repr)
@pytest.mark.parametrize("rounding", ["fused", "each"])
def test_numbers_promote_nothing(xp, number, rounding):
    a = xp.array(np.ones((200, 200)), "float32")
    for precision in (None, "fp32", "tf32", Precision("bf16", rounding)):
        arithmetic = Arithmetic(precision, a)
        x = arithmetic.enter(a)
        for multiply in (arithmetic.mm, arithmetic.mm_sym):
            for y in (x, arithmetic.enter(xp.array(np.ones((200, 200)), "float32"))):
                out = multiply(x, x, alpha=number, beta=number, y=y)
                assert out.dtype == arithmetic.dtype
                assert float(out[0, 0]) == 402.0


def test_complex_products_take_complex_numbers(rng):
    a = rng.standard_normal((3, 3)) + 1j
    out = Arithmetic(None, a).mm(a, a, alpha=np.complex128(2j), beta=1.0, y=a)
    assert np.allclose(out, 2j * a @ a + a)


# What is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_complex_input_has_no_16_bit_format(xp, precision):
    z = xp.array(np.ones((2, 2), np.complex64))
    with pytest.raises(ValueError, match=rf"'{precision}' is for real arrays, got .*complex64"):
        matmul(z, z, precision=precision)
    assert matmul(z, z, precision="tf32").dtype == z.dtype


def test_fp64_where_there_is_none():
    for name, hint in (
        ("jax", "jax arrays .*; set jax_enable_x64"),
        ("strict-float32", "no_float64"),
    ):
        backend = next(b for b in BACKENDS if b.name == name)
        with backend_ready(backend) as xp:
            a = xp.array(np.eye(2), "float32")
            with pytest.raises(ValueError, match=f"'fp64' is not available for .*{hint}"):
                matmul(a, a, precision="fp64")
    with backend_ready(next(b for b in BACKENDS if b.name == "jax-x64")) as xp:
        a = xp.array(np.eye(2), "float32")
        assert dtype_name(matmul(a, a, precision="fp64")) == "float32"


@pytest.mark.parametrize(
    ("precision", "error", "message"),
    [
        ("bf61", ValueError, "precision must be one of 'fp64', .*got 'bf61'; did you mean 'bf16'"),
        (16, TypeError, "precision must be None, a name or a Precision, got 16"),
        (["bf16"], TypeError, "precision must be None"),
        (np.float32, TypeError, "precision must be None"),
    ],
)
def test_unknown_precisions(precision, error, message):
    with pytest.raises(error, match=message):
        matmul(np.eye(2), np.eye(2), precision=precision)


def test_unknown_rounding():
    with pytest.raises(ValueError, match="rounding must be one of 'fused', 'each', got 'none'"):
        Precision("bf16", rounding="none")


@pytest.mark.parametrize(
    ("a", "b", "error", "message"),
    [
        (
            np.ones(3),
            np.ones((3, 3)),
            ValueError,
            r"a must have shape \(\.\.\., m, n\), got .*\(3,\)",
        ),
        (np.ones((2, 3)), np.ones((2, 3)), ValueError, r"b must have 3 rows to match .*\(2, 3\)"),
        (np.ones((2, 2), int), np.ones((2, 2)), TypeError, "a must hold floating-point .* int64"),
        (np.ones((2, 2)), "b", TypeError, "b must be an array or a nested list, got str"),
    ],
)
def test_wrong_operands(a, b, error, message):
    with pytest.raises(error, match=message):
        matmul(a, b)


# Policies --------------------------------------------------------------------------------------


def test_a_policy_is_a_value():
    policy = Precision("bf16", rounding="each")
    assert eval(repr(policy)) == policy and hash(policy) == hash(Precision("bf16", "each"))
    assert as_policy("bf16") == Precision("bf16") and as_policy(None) is None
    assert as_policy(policy) is policy
    with pytest.raises(AttributeError):
        policy.name = "fp32"


@pytest.mark.parametrize(
    ("precision", "text"),
    [
        (None, "fp64"),
        ("fp32", "fp32"),
        ("tf32", "tf32 (emulated)"),
        ("bf16", "bf16 (emulated, fused rounding)"),
        (Precision("fp16", "each"), "fp16 (emulated, each rounding)"),
    ],
)
def test_an_arithmetic_says_what_it_is(precision, text):
    assert str(Arithmetic(precision, np.eye(2))) == text


def test_entering_and_leaving_keep_what_fits(xp, rng):
    a = xp.array(rng.standard_normal((3, 3)))
    arithmetic = Arithmetic(None, a)
    assert arithmetic.enter(a) is a and arithmetic.leave(a) is a and arithmetic.store(a) is a
    before = xp.to_numpy(a)
    for precision in ("bf16", "fp16", "fp32", "tf32"):
        arithmetic = Arithmetic(precision, a)
        x = arithmetic.enter(a)
        xp.assert_like(arithmetic.leave(x), a)
        assert dtype_name(arithmetic.wide(x)) == "float32"
        if precision in ("bf16", "fp16"):
            assert np.array_equal(xp.to_numpy(x), r(before, precision))
            assert np.array_equal(
                xp.to_numpy(arithmetic.store(x + x / 3)), r(xp.to_numpy(x + x / 3), precision)
            )
        assert np.array_equal(xp.to_numpy(a), before)


def test_store_keeps_the_shape_of_numbers():
    arithmetic = Arithmetic("bf16", np.eye(2))
    assert arithmetic.store(np.float32(0.1)).shape == ()
    assert float(arithmetic.store(np.array(0.1))) == 0.10009765625


def test_inner_products_and_norms(xp, rng):
    host = rng.standard_normal((2, 3, 50)) + 1j * rng.standard_normal((2, 3, 50))
    x, y = (xp.array(t, "complex64") for t in host)
    arithmetic = Arithmetic(None, x)
    assert np.allclose(
        xp.to_numpy(arithmetic.dot(x, y)), np.sum(host[0].conj() * host[1], -1), rtol=1e-5
    )
    assert np.allclose(xp.to_numpy(arithmetic.norm(x)), np.linalg.norm(host[0], axis=-1), rtol=1e-6)
    assert np.allclose(float(arithmetic.norm(x[0, ...])), np.linalg.norm(host[0, 0]), rtol=1e-6)
    assert np.allclose(float(arithmetic.frobenius(x)), np.linalg.norm(host[0]), rtol=1e-6)
    # Sums are at least fp32: 5000 ones would stop at 256 in bf16.
    ones = xp.array(np.ones(5000), "float32")
    short = Arithmetic("bf16", ones)
    assert float(short.dot(short.enter(ones), short.enter(ones))) == 5000
    assert float(short.norm(short.enter(ones))) == pytest.approx(5000**0.5, rel=1e-6)
    huge = xp.array(np.full(4, 1e30), "float32")
    assert float(Arithmetic(None, huge).norm(huge)) == pytest.approx(2e30, rel=1e-6)


def test_matrix_vector_products(xp, rng):
    a, x = rng.standard_normal((2, 4, 6)), rng.standard_normal((2, 6))
    arithmetic = Arithmetic(None, xp.array(a))
    out = xp.to_numpy(arithmetic.mv(xp.array(a), xp.array(x)))
    assert np.allclose(out, (a @ x[..., None])[..., 0], atol=1e-5)
    assert arithmetic.counts == {"products": 0, "flops": 0, "matvecs": 1}


# Counting --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "flop"), [("float32", 2), ("complex64", 8)])
def test_counts(xp, dtype, flop):
    a, b = xp.array(np.ones((3, 4, 6)), dtype), xp.array(np.ones((6, 5)), dtype)
    arithmetic = Arithmetic(None, a)
    assert arithmetic.counts == {"products": 0, "flops": 0}
    arithmetic.mm(a, b)
    arithmetic.mm(a, b)
    assert arithmetic.counts == {"products": 2, "flops": 2 * flop * 3 * 4 * 6 * 5}
    square = arithmetic.gram(a)
    assert arithmetic.counts["flops"] == flop * (2 * 3 * 4 * 6 * 5 + 3 * 4 * 6 * 4)
    arithmetic.mm_sym(square, square)
    assert arithmetic.counts["products"] == 4
    assert arithmetic.counts["flops"] == flop * (2 * 3 * 4 * 6 * 5 + 3 * 4 * 6 * 4 + 3 * 4 * 4 * 4)
    arithmetic.count("svd")
    arithmetic.count("svd", 2)
    assert arithmetic.counts["svd"] == 3
    other = Arithmetic(None, a)
    assert other.counts == {"products": 0, "flops": 0}


# Settings of the library -----------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("setting", ["highest", "high", "medium"])
def test_torch_settings_are_as_before(setting):
    torch = pytest.importorskip("torch")
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(setting)
    try:
        a = torch.eye(3)
        for precision in ("fp32", "tf32", "bf16", Precision("bf16", "each"), "fp64", None):
            matmul(a, a, precision=precision)
            Arithmetic(precision, a).gram(a)
            assert torch.get_float32_matmul_precision() == setting
        seen = []
        arithmetic = Arithmetic("fp32", a)
        library = arithmetic.kernels

        class Spy:
            def __getattr__(self, name):
                if name == "gemm":
                    seen.append(torch.get_float32_matmul_precision())
                return getattr(library, name)

        template = arithmetic._plain_gemm.__self__
        template.kernels, kept = Spy(), template.kernels
        try:
            arithmetic.mm(a, a)
        finally:
            template.kernels = kept
        assert seen == ["highest"]
    finally:
        torch.set_float32_matmul_precision(before)


def test_round_to_and_matmul_leave_their_input_alone(xp, rng):
    a = xp.array(rng.standard_normal((30, 30)))
    before = xp.to_numpy(a)
    for precision in (None, "fp32", "tf32", "bf16", "fp16", Precision("bf16", "each")):
        matmul(a, a, precision=precision)
        arithmetic = Arithmetic(precision, a)
        x = arithmetic.enter(a)
        arithmetic.mm(x, x, alpha=2.0, beta=3.0, y=x)
        arithmetic.mm_sym(x, x, alpha=2.0, beta=3.0, y=x)
        arithmetic.gram(x)
        assert np.array_equal(xp.to_numpy(a), before)
    round_to(a, "tf32")
    assert np.array_equal(xp.to_numpy(a), before)


def test_products_trace_under_jit(rng):
    jax = pytest.importorskip("jax")
    host = rng.standard_normal((6, 6)).astype(np.float32)
    a = jax.numpy.asarray(host)
    for precision in (None, "fp32", "tf32", "bf16", "fp16", Precision("bf16", "each")):

        def step(x, precision=precision):
            arithmetic = Arithmetic(precision, x)
            x = arithmetic.enter(x)
            s = arithmetic.gram(x)
            return arithmetic.leave(arithmetic.mm(s, x, alpha=0.5, beta=2.0, y=x))

        traced, eager = np.asarray(jax.jit(step)(a)), np.asarray(step(a))
        unit = Arithmetic(precision, a).unit_roundoff
        assert np.allclose(traced, eager, rtol=4 * unit, atol=50 * unit)
