"""Problems with known factors: within their stated error, and exact where they say so."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.linalg import svdvals

from linalg_ml import problems

DTYPES = ["float32", "float64", "complex64", "complex128"]


def adjoint(a):
    return a.conj().swapaxes(-1, -2)


def exactly(a):
    """Return a matrix as exact integers times a power of two: an object array of fractions."""
    parts = [np.vectorize(Fraction, otypes=[object])(p.astype(float)) for p in (a.real, a.imag)]
    return np.block([[parts[0], -parts[1]], [parts[1], parts[0]]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6, 6), (9, 5), (5, 9), (2, 3, 5, 4), (0, 3), (1, 1)])
def test_polar_factors_multiply_to_the_matrix(shape, dtype):
    k = min(shape[-2:])
    problem = problems.polar_problem(shape, np.linspace(2, 1, k), rng=0, dtype=dtype)
    a, u, h = problem.a, problem.unitary, problem.hermitian
    assert a.dtype == dtype
    assert a.shape == u.shape == shape
    assert u.dtype == h.dtype == ("complex128" if a.dtype.kind == "c" else "float64")
    small = u @ adjoint(u) if shape[-2] < shape[-1] else adjoint(u) @ u
    np.testing.assert_allclose(small, np.broadcast_to(np.eye(k), small.shape), atol=1e-14)
    np.testing.assert_allclose(u @ h, a, rtol=0, atol=1e-14)
    assert np.array_equal(h, adjoint(h))
    assert problem.singular_values.shape == (*shape[:-2], k)
    assert np.all(np.linalg.eigvalsh(h) > -1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("condition", [1e1, 1e4])
def test_polar_error_bounds_the_distance_to_the_factor_of_the_stored_matrix(condition, dtype):
    values = problems.named_spectrum("geometric", 8, condition)
    problem = problems.polar_problem((8, 8), values, rng=0, dtype=dtype)
    x = problem.a.astype(np.longdouble)
    for _ in range(60):  # Newton in extended precision, with an inverse refined to match
        inverse = np.linalg.inv(x.astype(np.float64)).astype(np.longdouble)
        for _ in range(3):
            inverse = inverse @ (2 * np.eye(8, dtype=np.longdouble) - x @ inverse)
        x = (x + inverse.T) / 2
    distance = float(np.linalg.norm((x - problem.unitary).astype(np.float64)))
    assert 0 < distance <= problem.error
    assert problem.error < 1e-13 * condition


@pytest.mark.parametrize("size", [2.0**1000, 2.0**-1000])
def test_errors_do_not_depend_on_the_size(size):
    """Not even where squares overflow, or vanish."""
    values = np.array([-1.0, 0.5, 0.25])
    for draw, given in (
        (lambda s: problems.polar_problem((4, 3), s, rng=0), abs(values)),
        (lambda s: problems.sign_problem(s, condition_of_eigenvectors=10, rng=0), values),
    ):
        assert draw(size * given).error == draw(given).error > 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("condition", [1, 50])
def test_signs_are_signs(condition, dtype):
    values = np.array([[-2.0, 0.5, 1.0, 3.0], [-1.0, -2.0, -3.0, 4.0]])
    problem = problems.sign_problem(values, condition_of_eigenvectors=condition, rng=0, dtype=dtype)
    a, s = problem.a, problem.sign
    assert a.dtype == dtype
    assert np.array_equal(problem.eigenvalues, values)
    np.testing.assert_allclose(s @ s, np.broadcast_to(np.eye(4), s.shape), atol=1e-10)
    np.testing.assert_allclose(np.trace(s, axis1=-2, axis2=-1), [2, -2], atol=1e-12)
    # a s has the positive eigenvalues |lambda|: s is that square root of I and no other.
    product = np.sort(np.linalg.eigvals(a @ s).real)
    np.testing.assert_allclose(product, np.sort(np.abs(values)), atol=2e3 * np.finfo(dtype).eps)
    assert (np.array_equal(a, adjoint(a)) and np.array_equal(s, adjoint(s))) == (condition == 1)
    w, x = np.linalg.eig(a.astype(s.dtype))
    found = (x * np.sign(w.real)[..., None, :]) @ np.linalg.inv(x)
    assert np.linalg.norm(found - s, axis=(-2, -1)).max() <= problem.error + 1e-13
    assert problem.error < 2e4 * condition**2 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (16, 4), (2, 8)])
@pytest.mark.parametrize("spectrum", ["geometric", "one-small", "clustered"])
def test_exact_polar_factors_are_exact(shape, spectrum, dtype):
    exponent = 18 if np.finfo(dtype).bits == 32 else 47
    problem = problems.exact_polar_problem(
        shape, 2.0**exponent, spectrum=spectrum, rng=0, dtype=dtype
    )
    assert problem.error == 0
    assert problem.a.dtype == dtype
    a, u, h = (exactly(b) for b in (problem.a, problem.unitary, problem.hermitian))
    assert np.all(u @ h == a)
    assert np.all(h == h.T)
    small = u @ u.T if shape[0] < shape[1] else u.T @ u
    assert np.all(small == np.eye(len(small), dtype=int))
    # h is the square root of a^H a with the stated eigenvalues: its powers' traces tell them.
    values = exactly(problem.singular_values[:, None])[: len(problem.singular_values), 0]
    assert np.trace(h) == 2 * sum(values)
    assert np.trace(h @ h) == 2 * sum(values**2)
    if min(shape) > 1:
        assert problem.singular_values.max() / problem.singular_values.min() == 2.0**exponent
    if spectrum == "geometric":
        assert np.all(problem.a != 0)


def test_exact_polar_problem_is_positive_definite_and_has_its_spectrum():
    problem = problems.exact_polar_problem((32, 32), 2**20, rng=0)
    np.testing.assert_allclose(svdvals(problem.a), problem.singular_values, rtol=1e-8)
    assert np.all(np.linalg.eigvalsh(problem.hermitian) > 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 8])
def test_exact_signs_are_exact(n, dtype):
    condition = 2.0 ** (20 if np.finfo(dtype).bits == 32 else 49)
    problem = problems.exact_sign_problem(n, condition, rng=0, dtype=dtype)
    assert problem.error == 0
    a, s = exactly(problem.a), exactly(problem.sign)
    assert np.all(s @ s == np.eye(2 * n, dtype=int))
    assert np.all(a @ s == s @ a)
    assert np.array_equal(problem.a, adjoint(problem.a))
    assert np.trace(s) == 2 * np.sign(problem.eigenvalues).sum()
    assert np.trace(a @ s) == 2 * sum(Fraction(v) for v in np.abs(problem.eigenvalues))


def test_exact_problems_are_shuffled():
    size = np.abs(problems.exact_polar_problem((16, 16), 4, rng=0).unitary)
    assert not np.array_equal(size, size.T)  # Sylvester's order would make it symmetric
    signs = np.sign(problems.exact_sign_problem(16, 4, rng=0).eigenvalues)
    assert set(signs) == {-1, 1}
    assert np.any(np.diff(signs) > 0) and np.any(np.diff(signs) < 0)


def test_exact_problems_differ_by_seed_and_repeat_with_it():
    draws = [problems.exact_polar_problem((8, 8), 4, rng=rng).a for rng in (0, 0, 1)]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: problems.polar_problem((2, 2), [1.0, 0.0]),
            "singular_values must be > 0 .*not unique.*got 0",
        ),
        (
            lambda: problems.polar_problem((2, 2), [1e200, 1.0], dtype="float32"),
            r"singular_values must be of a size that float32 holds, got up to 1e\+200",
        ),
        (
            lambda: problems.polar_problem((2, 2), [1e-200, 1e-201], dtype="float32"),
            "singular_values must be of a size that float32 holds, got up to 1e-200",
        ),
        (
            lambda: problems.sign_problem([1e200, -1.0], dtype="float32"),
            r"eigenvalues must be of a size that float32 holds, got up to 1e\+200",
        ),
        (lambda: problems.sign_problem([1.0, 0.0]), "eigenvalues must not be 0"),
        (
            lambda: problems.exact_polar_problem((6, 6), 10),
            r"shape must be two powers of two, got \(6, 6\)",
        ),
        (
            lambda: problems.exact_polar_problem((8, 4), 10),
            r"shape must have a product that is a power of four, got \(8, 4\)",
        ),
        (
            lambda: problems.exact_polar_problem((8, 8), 2**30, dtype="float32"),
            "condition must be smaller: the entries need 31 bits and float32 has 24",
        ),
        (lambda: problems.exact_sign_problem(12, 10), "n must be a power of two, got 12"),
        (lambda: problems.exact_sign_problem(8, 1e20), "condition must be smaller"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
