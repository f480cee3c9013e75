"""One vocabulary for all array libraries."""

import numpy as np
import pytest

from linalg_ml._core import namespace as ns


def test_the_library_of_an_array(xp):
    a = xp.array(np.ones((2, 2)), "float32")
    assert ns.library(a) == xp.library and ns.is_array(a)
    assert ns.dtype_name(a) == "float32" and not ns.is_complex(a)
    assert ns.dtype_of("float32", a) == a.dtype == ns.real_dtype(a)
    assert hasattr(ns.namespace(a), "matmul")
    assert not ns.on_gpu(a) or xp.library == "cupy"
    assert not ns.is_traced(a) and not ns.is_sparse(a)
    hash(ns.device_key(a))


def test_complex_dtypes(xp):
    z = xp.array(np.ones(2), "complex64")
    assert ns.is_complex(z) and ns.dtype_name(z) == "complex64"
    assert ns.real_dtype(z) == ns.dtype_of("float32", z)


def test_there_and_back(xp, rng):
    host = rng.standard_normal((3, 4)).astype(np.float32)
    a = ns.asarray(host, like=xp.array(np.ones(1), "float32"))
    xp.assert_like(a, xp.array(host))
    assert type(ns.to_numpy(a)) is np.ndarray and np.array_equal(ns.to_numpy(a), host)
    assert ns.astype(a, a.dtype) is a
    assert ns.dtype_name(ns.astype(a, ns.dtype_of("complex64", a))) == "complex64"


def test_numpy_arrays_are_not_copied():
    a = np.ones(3)
    assert ns.to_numpy(a) is a


def test_short_dtypes(xp):
    if xp.library == "array_api_strict":
        pytest.skip("the standard has no 16-bit numbers")
    for dtype in ("bfloat16", "float16"):
        a = xp.array(np.ones((2, 2)), dtype)
        assert ns.dtype_name(a) == dtype and ns.dtype_of(dtype, a) == a.dtype
        wide = ns.astype(a, ns.dtype_of("float32", a))
        assert ns.dtype_name(wide) == "float32"
        assert ns.astype(wide, a.dtype).dtype == a.dtype
        assert np.array_equal(ns.to_numpy(a).astype(float), np.ones((2, 2)))


@pytest.mark.torch
def test_tensors_that_numpy_cannot_read_directly():
    torch = pytest.importorskip("torch")
    z = torch.tensor([1 + 2j], requires_grad=True)
    assert np.array_equal(ns.to_numpy(z.conj()), [1 - 2j])
    assert np.array_equal(ns.to_numpy(z.detach().conj().imag), [-2])
    assert ns.library(torch.nn.Parameter(torch.ones(1))) == "torch"


@pytest.mark.parametrize("value", [[1.0], 1.0, "a", None], ids=repr)
def test_what_is_no_array(value):
    assert not ns.is_array(value)
    with pytest.raises(
        TypeError, match=f"expected an array of NumPy.*got builtins.{type(value).__name__}"
    ):
        ns.library(value)


def test_sparse_matrices():
    sparse = pytest.importorskip("scipy.sparse")
    assert ns.is_sparse(sparse.eye_array(2)) and ns.is_sparse(sparse.csr_matrix((2, 2)))
    assert not ns.is_sparse(np.eye(2))


def test_traced_arrays():
    jax = pytest.importorskip("jax")
    seen = []

    def look(x):
        seen.append((ns.is_traced(x), ns.library(x), ns.dtype_name(x), ns.device_key(x) is None))
        assert ns.on_gpu(x) == (jax.default_backend() != "cpu")
        return x + ns.asarray(np.ones(2, np.float32), like=x)

    jax.jit(look)(jax.numpy.ones(2))
    assert seen == [(True, "jax", "float32", True)]


def test_dtypes_of_different_libraries_are_never_compared():
    """array_api_strict warns if they are, and warnings are errors here."""
    strict = pytest.importorskip("array_api_strict")
    for dtype in ("float32", "float64", "complex64", "complex128"):
        a, b = np.ones(1, dtype), strict.ones(1, dtype=getattr(strict, dtype))
        assert ns.dtype_name(a) == ns.dtype_name(b) == dtype


def test_devices_without_a_hash_have_a_key(monkeypatch):
    """CuPy's devices cannot be hashed."""

    class Device:
        id = 3
        __hash__ = None

    class Array:
        device = Device()

    monkeypatch.setitem(ns._LIBRARY_OF_TYPE, Array, "cupy")
    assert ns.device_key(Array()) == 3
