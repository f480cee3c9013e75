"""One linear operator from everything that can be one."""

import numpy as np
import pytest

from linalg_ml._core.operators import operator
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import UserFunctionError
from linalg_ml.kernels import numpy_

sparse = pytest.importorskip("scipy.sparse")
linalg = pytest.importorskip("scipy.sparse.linalg")


@pytest.fixture
def system(rng):
    return rng.standard_normal((5, 7)), rng.standard_normal(7), rng.standard_normal((3, 7))


def test_dense(xp, system, rng):
    a, x, _ = system
    arithmetic = Arithmetic(None, xp.array(x))
    made = operator(xp.array(a), arithmetic)
    assert made.shape == (5, 7)
    assert np.allclose(xp.to_numpy(made.matvec(xp.array(x))), a @ x, atol=1e-5)
    y = rng.standard_normal(5)
    assert np.allclose(xp.to_numpy(made.rmatvec(xp.array(y))), a.T @ y, atol=1e-5)
    assert arithmetic.counts["matvecs"] == 2
    z, w = a + 1j * a[::-1], rng.standard_normal(5) + 1j
    arithmetic = Arithmetic(None, xp.array(w, "complex64"))
    made = operator(xp.array(z, "complex64"), arithmetic)
    assert np.allclose(
        xp.to_numpy(made.rmatvec(xp.array(w, "complex64"))), z.conj().T @ w, atol=1e-5
    )
    out = operator(xp.array(a, "float32"), arithmetic).matvec(xp.array(x, "complex64"))
    assert np.allclose(xp.to_numpy(out), a @ x, atol=1e-5)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("kind", [np.ndarray.tolist, np.matrix])
def test_lists_and_numpys_matrix_class_are_dense(rng, kind):
    a, x = rng.standard_normal((2, 3)), rng.standard_normal(3)
    y = operator(kind(a), Arithmetic(None, x)).matvec(x)
    assert type(y) is np.ndarray
    np.testing.assert_allclose(y, a @ x)


def test_a_stack_of_matrices(xp, rng):
    a, x = rng.standard_normal((3, 4, 4)), rng.standard_normal((3, 4))
    made = operator(xp.array(a), Arithmetic(None, xp.array(x)))
    assert np.allclose(xp.to_numpy(made.matvec(xp.array(x))), (a @ x[..., None])[..., 0], atol=1e-5)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"])
@pytest.mark.parametrize("suffix", ["array", "matrix"])
def test_sparse(system, rng, kind, suffix):
    a, x, stack = system
    a = a * (rng.random(a.shape) < 0.5)
    given = getattr(sparse, f"{kind}_{suffix}")(a)
    arithmetic = Arithmetic(None, x)
    made = operator(given, arithmetic)
    assert np.allclose(made.matvec(x), a @ x) and made.matvec(x).shape == (5,)
    assert np.allclose(made.matvec(stack), stack @ a.T)
    assert np.allclose(made.rmatvec(a @ x), a.T @ (a @ x))
    assert np.allclose(made.rmatvec(stack @ a.T), stack @ a.T @ a)
    assert arithmetic.counts["matvecs"] >= 5


def scrambled():
    """A matrix with unsorted columns and entries given in two parts: [[1, 0, 3], [0, 5, 0]]."""
    indptr, indices = np.array([0, 3, 5]), np.array([2, 0, 2, 1, 1])
    data = np.array([1.0, 1.0, 2.0, 2.5, 2.5])
    return sparse.csr_array((data, indices, indptr), shape=(2, 3))


@pytest.mark.parametrize("precision", [None, "fp32", "bf16"])
def test_sparse_with_unsorted_and_repeated_entries(precision):
    given = scrambled()
    kept = given.data.copy(), given.indices.copy()
    x = np.array([1.0, 2.0, 4.0])
    made = operator(given, Arithmetic(precision, x))
    assert np.array_equal(made.matvec(made._arithmetic.enter(x)), [13.0, 10.0])
    assert np.array_equal(given.data, kept[0]) and np.array_equal(given.indices, kept[1])


def test_repeated_entries_are_summed_before_they_are_rounded():
    part = 1.0 + 2.0**-8  # 1 in bf16, but twice it is a bf16 number and a half more
    given = sparse.csr_array((np.full(3, part), np.zeros(3, int), np.array([0, 3])), shape=(1, 1))
    made = operator(given, Arithmetic("bf16", np.ones(1)))
    assert made.a.data[0] == numpy_.round_to(np.float32([3 * part]), "bf16")[0] != 3.0


@pytest.mark.parametrize("precision", ["bf16", "fp16", "tf32", "fp32", "fp64"])
def test_sparse_under_a_policy(rng, precision):
    a, x = rng.standard_normal((6, 6)), rng.standard_normal(6)
    arithmetic = Arithmetic(precision, x)
    given = sparse.csr_array(a)
    made = operator(given, arithmetic)
    out = made.matvec(arithmetic.enter(x))
    assert out.dtype == made.a.dtype == arithmetic.dtype
    assert np.array_equal(given.data, a.ravel())
    if precision in ("bf16", "fp16"):
        r = lambda t: numpy_.round_to(np.asarray(t, np.float32), precision)  # noqa: E731
        assert np.array_equal(made.a.toarray(), r(a))
        assert np.allclose(out, r(r(a) @ r(x)), rtol=2.1 * arithmetic.unit_roundoff)


@pytest.mark.parametrize("dtype", [int, bool, np.float32])
def test_sparse_of_other_numbers(dtype):
    made = operator(sparse.csr_array(np.eye(3, dtype=dtype)), Arithmetic(None, np.ones(3)))
    assert np.array_equal(made.matvec(np.arange(3.0)), np.arange(3.0))


def test_scipy_operators_and_functions(system):
    a, x, _ = system
    square = a[:, :5]
    arithmetic = Arithmetic(None, x)
    made = operator(linalg.aslinearoperator(a), arithmetic)
    assert made.shape == (5, 7) and np.allclose(made.matvec(x), a @ x)
    assert np.allclose(made.rmatvec(a @ x), a.T @ (a @ x))
    made = operator(lambda v: square @ v, arithmetic, size=5)
    assert made.shape == (5, 5) and np.allclose(made.matvec(x[:5]), square @ x[:5])
    assert arithmetic.counts["matvecs"] == 3
    with pytest.raises(TypeError, match="a must offer rmatvec as well"):
        made.rmatvec(x[:5])
    made = operator([[1.0, 2.0], [3.0, 4.0]], arithmetic)
    assert np.array_equal(made.matvec(np.ones(2)), [3.0, 7.0])


def test_functions_on_every_library(xp, rng):
    a, x = rng.standard_normal((4, 4)), rng.standard_normal(4)
    dense, arithmetic = xp.array(a), Arithmetic(None, xp.array(x))
    made = operator(lambda v: dense @ v, arithmetic, size=4)
    out = made.matvec(xp.array(x))
    xp.assert_like(out, xp.array(x))
    assert np.allclose(xp.to_numpy(out), a @ x, atol=1e-5)


def test_what_a_function_returns_is_rounded():
    arithmetic = Arithmetic("bf16", np.ones(1))
    out = operator(lambda v: v.astype(float) * 0.1, arithmetic, size=1).matvec(
        np.ones(1, np.float32)
    )
    assert out.dtype == np.float32 and out[0] == 0.10009765625


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (
            lambda v: v[:-1],
            ValueError,
            r"m\(x\) must return shape \(3,\) for x of shape \(3,\), got shape \(2,\)",
        ),
        (lambda v: v[:, None], ValueError, r"got shape \(3, 1\)"),
        (lambda v: list(v), TypeError, r"m\(x\) must return a numpy array, got list"),
        (lambda v: None, TypeError, "got NoneType"),
        (lambda v: 1j * v, TypeError, "must return real numbers for real x, got complex128"),
        (
            lambda v: v * np.nan,
            UserFunctionError,
            r"m\(x\) returned NaN or infinity for a finite x",
        ),
        (lambda v: v / 0, UserFunctionError, "NaN or infinity"),
    ],
)
@np.errstate(all="ignore")
def test_functions_that_return_something_else(function, error, message):
    made = operator(function, Arithmetic(None, np.ones(3)), size=3, name="m")
    with pytest.raises(error, match=message):
        made.matvec(np.ones(3))


def test_a_function_is_not_blamed_for_a_nonfinite_x():
    made = operator(lambda v: v, Arithmetic(None, np.ones(3)), size=3)
    assert np.isnan(made.matvec(np.full(3, np.nan))).all()


@pytest.mark.torch
def test_libraries_do_not_mix():
    torch = pytest.importorskip("torch")
    here, there = Arithmetic(None, np.ones(3)), Arithmetic(None, torch.ones(3))
    with pytest.raises(TypeError, match=r"a is a numpy sparse matrix, but .* torch array"):
        operator(sparse.eye_array(3), there)
    with pytest.raises(TypeError, match=r"m is a numpy array, but .* torch array"):
        operator(np.eye(3), there, name="m")
    with pytest.raises(TypeError, match=r"a is a torch array, but .* numpy array"):
        operator(torch.eye(3), here)
    with pytest.raises(TypeError, match=r"a\(x\) must return a torch array, got numpy"):
        operator(lambda v: v.numpy(), there, size=3).matvec(torch.ones(3))


def test_devices_do_not_mix():
    strict = pytest.importorskip("array_api_strict")
    a = strict.eye(3, device=strict.Device("device1"))
    with pytest.raises(ValueError, match=r"a is on device .*device1.*, but .*CPU"):
        operator(a, Arithmetic(None, strict.ones(3)))


@pytest.mark.parametrize("make", [lambda z: z, sparse.csr_array], ids=["dense", "sparse"])
def test_a_complex_matrix_needs_a_complex_right_hand_side(make):
    with pytest.raises(TypeError, match="complex128 array cannot be used together with real ones"):
        operator(make(np.eye(3) * 1j), Arithmetic(None, np.ones(3)))


@pytest.mark.parametrize(
    ("a", "error", "message"),
    [
        (lambda v: v, ValueError, "a is a function, so its size must be given"),
        (
            3.0,
            TypeError,
            "a must be a matrix, a sparse matrix, a LinearOperator or a function, got float",
        ),
        ("a", TypeError, "got str"),
        (np.ones(3), ValueError, r"a must have shape \(\.\.\., m, n\)"),
        (np.eye(3, dtype=int), TypeError, "a must hold floating-point numbers"),
    ],
)
def test_what_is_no_operator(a, error, message):
    with pytest.raises(error, match=message):
        operator(a, Arithmetic(None, np.ones(3)))
