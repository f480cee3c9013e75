"""Products, norms and thresholds of every library against float64 NumPy."""

import numpy as np
import pytest

from linalg_ml._core.namespace import dtype_name
from linalg_ml.kernels import agnostic, numba_, numpy_
from linalg_ml.kernels.blocks import lower_blocks
from linalg_ml.kernels.dispatch import kernels

TOLERANCE = {"float32": 2e-6, "float64": 1e-14, "complex64": 4e-6, "complex128": 2e-14}


def draw(rng, shape, dtype):
    values = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def wide(a):
    return a.astype(np.complex128 if np.iscomplexobj(a) else np.float64)


def assert_near(out, expected, tolerance):
    assert out.shape == expected.shape
    scale = np.max(np.abs(expected), initial=1e-300)
    assert np.max(np.abs(wide(out) - expected), initial=0.0) <= tolerance * scale


def dtypes(xp):
    if xp.library == "jax":  # which compiles each operation for each shape and dtype
        return ("complex64",)
    return TOLERANCE if xp.has_float64 else ("float32", "complex64")


SHAPES = [  # of a, b, y
    ((5, 7), (7, 3), (5, 3)),
    ((2, 5, 7), (2, 7, 3), (2, 5, 3)),
    ((2, 5, 7), (7, 3), (2, 5, 3)),
    ((5, 7), (2, 7, 3), (2, 5, 3)),
    ((2, 5, 7), (2, 7, 3), (5, 3)),
    ((5, 7), (7, 3), (2, 5, 3)),  # y is the only stack
    ((2, 1, 5, 7), (3, 7, 3), (1, 3, 5, 3)),
    ((5, 0), (0, 3), (5, 3)),
    ((0, 4), (4, 3), (0, 3)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_gemm(xp, rng, shapes):
    for dtype in dtypes(xp):
        host = [draw(rng, shape, dtype) for shape in shapes]
        a, b, y = (xp.array(values) for values in host)
        copies = [xp.to_numpy(t).copy() for t in (a, b, y)]
        gemm = kernels(xp.library).gemm
        for alpha, beta, given in (
            (1.0, 0.0, None),
            (-1.5, 0.0, None),
            (1.0, 1.0, y),
            (2.5, -0.5, y),
            (1.0, -1.0, y),
            (2.0, 0.0, y),
        ):
            out = gemm(a, b, alpha, beta, given)
            expected = alpha * (wide(host[0]) @ wide(host[1]))
            if given is not None and beta != 0:
                expected = expected + beta * wide(host[2])
            assert dtype_name(out) == dtype
            assert_near(xp.to_numpy(out), expected, TOLERANCE[dtype])
        for t, copy in zip((a, b, y), copies, strict=True):
            assert np.array_equal(xp.to_numpy(t), copy)


@pytest.mark.parametrize("n", [3, 150])  # the second is large enough for the path without a pass
def test_gemm_where_y_is_an_operand(xp, rng, n):
    for dtype in dtypes(xp):
        host_a, host_b = draw(rng, (n, n), dtype), draw(rng, (n, n + 1), dtype)
        a, b = xp.array(host_a), xp.array(host_b)
        gemm = kernels(xp.library).gemm
        for alpha, beta in ((1.0, 1.0), (-2.0, 3.5), (1.0, 0.0)):
            out = gemm(a, b, alpha, beta, b)
            expected = alpha * (wide(host_a) @ wide(host_b)) + beta * wide(host_b)
            assert_near(xp.to_numpy(out), expected, 2 * TOLERANCE[dtype])
            out = gemm(a, a, alpha, beta, a)
            expected = alpha * (wide(host_a) @ wide(host_a)) + beta * wide(host_a)
            assert_near(xp.to_numpy(out), expected, 2 * TOLERANCE[dtype])
        assert np.array_equal(xp.to_numpy(a), host_a)
        assert np.array_equal(xp.to_numpy(b), host_b)


def test_gemm_where_y_is_an_operand_of_a_stack(rng):
    a, b = rng.standard_normal((3, 80, 80)), rng.standard_normal((80, 400))
    out = numpy_.gemm(a, b, 2.0, 3.0, b)
    assert_near(out, 2 * (a @ b) + 3 * b, 1e-13)
    row = rng.standard_normal((1, 20_000))
    column = rng.standard_normal((2, 1))
    assert_near(numpy_.gemm(column, row, 2.0, 3.0, row), 2 * column * row + 3 * row, 1e-14)


def test_float64(xp64, rng):
    host_a, host_b, host_y = (rng.standard_normal((2, 3, 3)) for _ in range(3))
    a, b, y = map(xp64.array, (host_a, host_b, host_y))
    library = kernels(xp64.library)
    out = library.gemm(a, b, 1.5, -2.0, y)
    xp64.assert_like(out, a)
    assert_near(xp64.to_numpy(out), 1.5 * (host_a @ host_b) - 2 * host_y, 1e-14)
    assert_near(xp64.to_numpy(library.gram(a)), host_a @ host_a.swapaxes(-1, -2), 1e-14)
    for scale in (1.0, 1e-300, 1e300):
        norms = xp64.to_numpy(library.frobenius(xp64.array(host_a * scale)))
        assert norms.dtype == np.float64
        assert_near(norms / scale, np.linalg.norm(host_a, axis=(-2, -1)), 1e-14)


def test_gemm_ignores_y_where_beta_is_zero(xp):
    a, nan = xp.array(np.eye(3)), xp.array(np.full((3, 3), np.nan))
    assert np.array_equal(xp.to_numpy(kernels(xp.library).gemm(a, a, 1.0, 0.0, nan)), np.eye(3))


@pytest.mark.parametrize(
    "shape", [(4, 9), (9, 4), (3, 4, 5), (2, 3, 4, 5), (0, 4), (4, 0)], ids=str
)
def test_gram(xp, rng, shape):
    for dtype in dtypes(xp):
        host = draw(rng, shape, dtype)
        out = xp.to_numpy(kernels(xp.library).gram(xp.array(host)))
        assert_near(out, wide(host) @ wide(host).conj().swapaxes(-1, -2), TOLERANCE[dtype])
    real = xp.to_numpy(kernels(xp.library).gram(xp.array(rng.standard_normal((60, 70)))))
    if xp.library == "numpy":
        assert np.array_equal(real, real.T)


@pytest.mark.parametrize("library", ["torch", "jax", "cupy", "other"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_products_are_summed_in_fp32_and_rounded_once(library, dtype, rng):
    if library == "cupy":
        pytest.skip("test_cupy_kernels.py has these")
    module = pytest.importorskip({"jax": "jax.numpy", "other": "jax.numpy"}.get(library, library))
    kernel = kernels(library).gemm_native
    make = module.tensor if library == "torch" else module.asarray
    kind = getattr(module, dtype)
    unit = 2.0**-8 if dtype == "bfloat16" else 2.0**-11
    for shapes in SHAPES[:5]:
        host = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        a, b, y = (make(t).to(kind) if library == "torch" else make(t, dtype=kind) for t in host)
        values = [
            np.asarray(t.float() if library == "torch" else t, dtype=np.float64) for t in (a, b, y)
        ]
        out = kernel(a, b, 1.5, -0.5, y)
        assert dtype_name(out) == dtype
        out = np.asarray(out.float() if library == "torch" else out, dtype=np.float64)
        expected = 1.5 * (values[0] @ values[1]) - 0.5 * values[2]
        size = 1.5 * (np.abs(values[0]) @ np.abs(values[1])) + 0.5 * np.abs(values[2])
        error = np.abs(out - expected)
        fused = library != "torch" or shapes in SHAPES[:2]
        bound = unit * np.abs(expected) + 1e-6 * size if fused else 4 * unit * size
        assert np.all(error <= bound)


# Norms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 9), (9, 1), (3, 4, 5), (2, 3, 4, 5)], ids=str)
def test_frobenius(xp, rng, shape):
    for dtype in dtypes(xp):
        host = draw(rng, shape, dtype)
        for scale in (
            1.0,
            *((1e-30, 1e30) if dtype in ("float32", "complex64") else (1e-300, 1e300)),
        ):
            scaled = (host * scale).astype(dtype)
            out = kernels(xp.library).frobenius(xp.array(scaled))
            assert dtype_name(out) == dtype.replace("complex128", "float64").replace(
                "complex64", "float32"
            )
            expected = np.linalg.norm(wide(scaled) / scale, axis=(-2, -1))
            assert_near(np.asarray(xp.to_numpy(out), float) / scale, expected, TOLERANCE[dtype])


def test_frobenius_of_special_matrices(xp):
    frobenius = kernels(xp.library).frobenius
    ones = np.ones((2, 3))

    def norm(values, dtype=None):
        return xp.to_numpy(frobenius(xp.array(values, dtype)))

    assert norm(0 * ones) == 0
    for bad in (np.nan, np.inf, -np.inf):
        spoiled = ones.copy()
        spoiled[1, 2] = bad
        assert not np.isfinite(norm(spoiled))
        stack = norm(np.stack([ones, spoiled, 0 * ones]))
        assert np.isfinite(stack[0]) and not np.isfinite(stack[1]) and stack[2] == 0
        for dtype in ("float32", "complex64"):
            assert not np.isfinite(norm(spoiled, dtype))
    for shape in ((0, 3), (3, 0), (2, 0, 3), (2, 3, 0)):
        assert np.array_equal(norm(np.ones(shape)), np.zeros(shape[:-2]))
    assert norm(np.ones((0, 2, 3))).shape == (0,)


def test_frobenius_of_subnormal_numbers(xp):
    if xp.library == "jax":
        pytest.skip("XLA takes subnormal numbers for zero")
    tiny = {"float32": 2.0**-149, "float64": 2.0**-1074}
    for dtype in dtypes(xp):
        if dtype in tiny:
            for shape in ((4, 4), (2, 4, 4)):
                a = xp.array(np.full(shape, tiny[dtype]), dtype)
                out = np.asarray(xp.to_numpy(kernels(xp.library).frobenius(a)), float)
                assert np.all(out == 4 * tiny[dtype])


def test_frobenius_of_short_numbers_is_at_least_fp32(xp):
    if xp.library == "array_api_strict":
        pytest.skip("the standard has no 16-bit numbers")
    for dtype, size in (("float16", 60000.0), ("bfloat16", 3e38)):
        a = xp.array(np.full((8, 8), size / 8, np.float32), dtype)
        value = float(xp.to_numpy(a).astype(np.float64)[0, 0])
        for given in (a, xp.array(np.full((2, 8, 8), size / 8, np.float32), dtype)):
            out = kernels(xp.library).frobenius(given)
            assert dtype_name(out) == "float32"
            assert np.allclose(xp.to_numpy(out), 8 * value, rtol=1e-6)


# Thresholds ------------------------------------------------------------------------------------


def test_soft_threshold(xp, rng):
    host = np.concatenate([rng.standard_normal(50), [0.5, -0.5, 0.0, np.inf, -np.inf]])
    for dtype in ("float32", "float64") if xp.has_float64 else ("float32",):
        a = xp.array(host, dtype)
        for threshold in (0.5, np.float64(0.5), np.float32(0.5), 0):
            out = kernels(xp.library).soft_threshold(a, threshold)
            assert dtype_name(out) == dtype
            expected = np.sign(host) * np.maximum(np.abs(host.astype(dtype)) - threshold, 0)
            assert np.allclose(xp.to_numpy(out), expected, rtol=1e-6)
        assert np.array_equal(xp.to_numpy(a), host.astype(dtype))


def test_soft_threshold_of_nan_complex_and_one_threshold_per_matrix(xp, rng):
    soft_threshold = kernels(xp.library).soft_threshold
    out = xp.to_numpy(soft_threshold(xp.array(np.array([np.nan, 2.0])), 1.0))
    assert np.array_equal(out, [np.nan, 1.0], equal_nan=True)
    z = rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))
    out = xp.to_numpy(soft_threshold(xp.array(z), 0.5))
    assert np.allclose(out, z / np.abs(z) * np.maximum(np.abs(z) - 0.5, 0), atol=1e-6)
    a, thresholds = rng.standard_normal((2, 3, 4)), np.array([0.1, 1.0]).reshape(2, 1, 1)
    out = xp.to_numpy(soft_threshold(xp.array(a), xp.array(thresholds)))
    assert np.allclose(out, np.sign(a) * np.maximum(np.abs(a) - thresholds, 0), atol=1e-6)
    assert soft_threshold(xp.array(np.array(2.0)), 1.0).shape == ()


def test_numba_and_numpy_thresholds_are_the_same(rng):
    for dtype in (np.float32, np.float64):
        a = rng.standard_normal((40, 30)).astype(dtype)
        for view in (a, a.T, a[::2, ::3]):
            out = numba_.soft_threshold(view, 0.3)
            assert np.array_equal(out, numpy_.soft_threshold(view, 0.3))
            assert np.array_equal(out, agnostic.soft_threshold(view, 0.3))


# Sweeps ----------------------------------------------------------------------------------------


def test_tf32_kernel_precision_is_restored(xp):
    import sys

    torch = sys.modules.get("torch")
    before = torch.get_float32_matmul_precision() if torch else None
    for mode in ("fp32", "tf32"):
        with pytest.raises(KeyError), kernels(xp.library).matmul_precision(mode):
            raise KeyError
    assert (torch.get_float32_matmul_precision() if torch else None) == before


@pytest.mark.torch
def test_torch_settings_of_each_kind_are_restored():
    torch = pytest.importorskip("torch")
    from linalg_ml.kernels import torch_

    backends = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)
    if not hasattr(backends[0], "fp32_precision"):
        pytest.skip("this PyTorch has one setting for all backends")
    fresh = [backend.fp32_precision for backend in backends]
    try:
        for first, second in (("none", "none"), ("tf32", "ieee"), ("ieee", "bf16")):
            backends[0].fp32_precision, backends[1].fp32_precision = first, second
            for mode in ("tf32", "fp32"):
                with torch_.matmul_precision(mode):
                    wanted = {"tf32": "high", "fp32": "highest"}[mode]
                    if (first, second) != ("none", "none"):
                        assert torch.get_float32_matmul_precision() == wanted
                assert [backend.fp32_precision for backend in backends] == [first, second]
    finally:
        for backend, value in zip(backends, fresh, strict=True):
            backend.fp32_precision = value


@pytest.mark.parametrize("kind", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(5, 8), (3, 4, 4), (1, 1)])
def test_quintic_is_its_formula(kind, shape):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if "c" in kind else 0)
    x = x.astype(kind)
    before = x.copy()
    g = x @ x.conj().mT
    expected = 1.5 * x + (-0.7 * g + 0.2 * g @ g) @ x
    for quintic in (kernels("numpy").quintic, agnostic.quintic):
        tolerance = 1e-4 if kind == "float32" else 1e-12
        np.testing.assert_allclose(quintic(x, 1.5, -0.7, 0.2), expected, rtol=tolerance)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("kind", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize(
    "shape", [(5, 5), (3, 7, 7), (0, 0), (300, 300), (2, 257, 257), (512, 512)]
)
def test_a_symmetric_product_by_blocks_is_the_whole_product(kind, shape):
    rng = np.random.default_rng(0)

    def commuting():
        s = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if "c" in kind else 0)
        s = (s + s.conj().mT) / max(1, shape[-1]) ** 0.5
        return s.astype(kind), (s @ s + 0.5 * s).astype(kind), (3.0 * s).astype(kind)

    a, b, y = commuting()
    tolerance = 1e-4 if kind in ("float32", "complex64") else 1e-12
    for left, right in ((a, b), (a, a)):
        for alpha, beta in ((1.0, 0.0), (-0.7, 0.0), (2.0, 0.25)):
            out = kernels("numpy").gemm_sym(left, right, alpha, beta, y)
            np.testing.assert_allclose(
                out, agnostic.gemm(left, right, alpha, beta, y), rtol=0, atol=tolerance
            )
            assert out.dtype == a.dtype
            if shape[-1] >= 256:
                np.testing.assert_array_equal(out, out.conj().mT)
    x = a[..., : shape[-1] // 2 + 1]
    gram = kernels("numpy").gram(x)
    np.testing.assert_allclose(gram, x @ x.conj().mT, rtol=0, atol=tolerance)
    if shape[-1] >= 256:
        np.testing.assert_array_equal(gram, gram.conj().mT)


@pytest.mark.parametrize("leaf", [1, 2, 3, 64])
@pytest.mark.parametrize("order", [0, 1, 5, 8, 200])
def test_blocks_tile_the_lower_triangle(order, leaf):
    times = np.zeros((order, order), int)
    for rows, columns in lower_blocks(order, leaf):
        times[rows, columns] += 1
        if rows != columns:
            times[columns, rows] += 1
    assert (times == 1).all()


@pytest.mark.parametrize("library", ["torch", "jax.numpy"])
def test_symmetric_products_by_halves(library):
    xp = pytest.importorskip(library)
    name = library.split(".")[0]
    rng = np.random.default_rng(0)
    for order in (5, 800):
        s = rng.standard_normal((order, order)).astype(np.float32) / order**0.5
        s = s + s.T
        t = s @ s
        for y, alpha, beta in ((None, 1.0, 0.0), (3 * s, 0.5, 2.0)):
            given = None if y is None else xp.asarray(y)
            out = kernels(name).gemm_sym(xp.asarray(s), xp.asarray(t), alpha, beta, given)
            expected = agnostic.gemm(s, t, alpha, beta, y)
            np.testing.assert_allclose(np.asarray(out), expected, atol=1e-4)
            if order == 800:
                np.testing.assert_array_equal(np.asarray(out), np.asarray(out).T)


@pytest.mark.torch
def test_gradients_pass_through_symmetric_products():
    torch = pytest.importorskip("torch")
    s = torch.randn(700, 700, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    s = ((s + s.mT) / 50).requires_grad_()
    (kernels("torch").gemm_sym(s, s) ** 2).sum().backward()
    found, s.grad = s.grad, None
    (torch.matmul(s, s) ** 2).sum().backward()
    # The halves give a gradient of their own on the space of symmetric matrices.
    torch.testing.assert_close(found + found.mT, s.grad + s.grad.mT)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["float32", "complex128"])
def test_the_gram_matrix_on_torch_from_half_of_its_blocks(kind):
    torch = pytest.importorskip("torch")
    x = torch.randn(2, 530, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = (x + 1j * x.flip(-1)).to(torch.complex128) if kind == "complex128" else x.float()
    gram = kernels("torch").gram
    expected = torch.matmul(x, x.mH)
    for found in (gram(x), torch.vmap(gram)(x), torch.stack([gram(one) for one in x])):
        torch.testing.assert_close(
            found, expected, rtol=0, atol=1e-3 if kind == "float32" else 1e-11
        )
        assert torch.equal(found, found.mH)
