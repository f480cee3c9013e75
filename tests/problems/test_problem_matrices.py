"""Random matrices have the spectra asked for, in every dtype and as stacks."""

from functools import partial

import numpy as np
import pytest
from scipy.linalg import svdvals

from linalg_ml import problems

SHAPES = [(1, 1), (6, 6), (9, 5), (5, 9)]
DTYPES = ["float32", "float64", "complex64", "complex128"]
SPECTRA = ["geometric", "linear", "one-small", "clustered"]

# One call of every generator, by the shape of its matrix.
GENERATORS = {
    "gaussian": lambda n, **kw: problems.gaussian((n, n), **kw),
    "haar": lambda n, **kw: problems.haar(n, **kw),
    "conditioned": lambda n, **kw: problems.conditioned((n, n), 1e3, **kw),
    "with_singular_values": lambda n, **kw: problems.with_singular_values(
        (n, n), np.arange(1.0, n + 1), **kw
    ),
    "symmetric": lambda n, **kw: problems.symmetric_with_eigenvalues(np.arange(1.0, n + 1), **kw),
    "with_eigenvalues": lambda n, **kw: problems.with_eigenvalues(np.arange(1.0, n + 1), **kw),
}


@pytest.fixture(params=GENERATORS)
def draw(request):
    return GENERATORS[request.param]


@pytest.mark.parametrize("dtype", DTYPES)
def test_generators_keep_dtype_and_shape(draw, dtype):
    a = draw(4, rng=0, dtype=dtype)
    assert a.dtype == dtype
    assert a.shape == (4, 4)
    assert np.all(np.isfinite(a))
    assert np.iscomplexobj(a) == np.any(np.imag(a) != 0)


@pytest.mark.parametrize("n", [0, 1])
def test_generators_make_empty_and_single_matrices(draw, n):
    assert draw(n, rng=0).shape == (n, n)


def test_generators_repeat_with_a_seed(draw):
    a = draw(4, rng=3)
    assert np.array_equal(a, draw(4, rng=3))
    assert np.array_equal(a, draw(4, rng=np.random.default_rng(3)))
    assert not np.array_equal(a, draw(4, rng=4))
    assert not np.array_equal(draw(4), draw(4))


def test_generators_advance_the_generator_they_are_given(draw):
    rng = np.random.default_rng(0)
    assert not np.array_equal(draw(4, rng=rng), draw(4, rng=rng))


def test_generators_leave_the_global_state_alone(draw):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    draw(4, rng=0)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("dtype", DTYPES)
def test_haar_is_orthonormal(dtype):
    q = problems.haar(7, 4, batch=(3,), rng=0, dtype=dtype)
    assert q.shape == (3, 7, 4)
    identity = q.conj().swapaxes(-1, -2) @ q
    assert np.abs(identity - np.eye(4)).max() < 10 * np.finfo(dtype).eps


@pytest.mark.parametrize(("dtype", "moment"), [("float64", 1.0), ("complex128", 1.0)])
def test_haar_is_uniform(dtype, moment):
    # Under Haar measure E|trace|^2 = 1 and E trace = 0; QR without the sign fix gives
    # a mean trace well below zero.
    q = problems.haar(4, batch=(20000,), rng=0, dtype=dtype)
    trace = np.trace(q, axis1=-2, axis2=-1)
    assert abs(trace.mean()) < 0.03
    assert abs(np.mean(np.abs(trace) ** 2) - moment) < 0.05


def test_gaussian_has_unit_variance():
    for dtype in DTYPES:
        a = problems.gaussian((200, 200), rng=0, dtype=dtype)
        assert abs(np.mean(np.abs(a) ** 2) - 1) < 0.02
        assert abs(a.mean()) < 0.02


@pytest.mark.parametrize("kind", SPECTRA)
def test_named_spectra_run_from_one_to_the_smallest(kind):
    values = problems.named_spectrum(kind, 6, 1e15)
    assert values.shape == (6,)
    assert values[0] == 1
    assert values[-1] == 1e-15
    assert np.all(np.diff(values) <= 0)
    assert np.array_equal(problems.named_spectrum(kind, 1, 100), [1.0])
    assert problems.named_spectrum(kind, 0, 100).shape == (0,)


def test_named_spectra_lie_as_they_say():
    geometric, linear, small, clustered = (
        problems.named_spectrum(kind, 5, 1e4) for kind in SPECTRA
    )
    np.testing.assert_allclose(geometric, [1, 1e-1, 1e-2, 1e-3, 1e-4], rtol=1e-14)
    assert np.ptp(np.diff(linear)) < 1e-15
    assert small.tolist() == [1, 1, 1, 1, 1e-4]
    assert clustered.tolist() == [1, 1, 1, 1e-4, 1e-4]


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("condition", [1, 1e6, 1e12, 1e15])
def test_conditioned_has_its_spectrum(shape, spectrum, condition):
    a = problems.conditioned(shape, condition, spectrum=spectrum, rng=1)
    wanted = problems.named_spectrum(spectrum, min(shape), condition)
    error = np.abs(svdvals(a) - wanted)
    # Rounding of a and of svdvals: absolute, a few units in the last place of the largest value.
    assert error.max() < 2e-15
    assert error[-1] <= 0.5 * wanted[-1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_are_those_asked_for(shape, dtype):
    wanted = np.geomspace(5.0, 0.01, min(shape))
    a = problems.with_singular_values(shape, wanted[::-1], rng=0, dtype=dtype)
    np.testing.assert_allclose(svdvals(a), wanted, rtol=0, atol=20 * np.finfo(dtype).eps)


def test_singular_values_broadcast_over_a_stack():
    values = np.array([[3.0, 1.0], [2.0, 0.0]])
    a = problems.with_singular_values((4, 2, 5, 2), values, rng=0)
    assert a.shape == (4, 2, 5, 2)
    found = np.linalg.svd(a, compute_uv=False)
    np.testing.assert_allclose(found, np.broadcast_to(values, (4, 2, 2)), atol=1e-14)
    assert not np.allclose(a[0], a[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_symmetric_matrices_have_their_eigenvalues(dtype):
    values = np.array([[-3.0, 1e-3, 2.0], [1.0, 1.0, -1.0]])
    a = problems.symmetric_with_eigenvalues(values, rng=0, dtype=dtype)
    assert np.array_equal(a, a.conj().swapaxes(-1, -2))
    np.testing.assert_allclose(
        np.linalg.eigvalsh(a), np.sort(values), rtol=0, atol=20 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("condition", [1, 30, 1e3])
def test_nonsymmetric_matrices_have_their_eigenvalues(condition):
    values = np.array([-3.0, -1e-2, 0.5, 2.0])
    a = problems.with_eigenvalues(values, condition_of_eigenvectors=condition, rng=0)
    found = np.linalg.eigvals(a)
    tolerance = 1e-14 + 1e-15 * condition**2
    np.testing.assert_allclose(np.sort(found.real), values, rtol=0, atol=tolerance)
    assert np.abs(found.imag).max() < tolerance
    normal = np.linalg.norm(a @ a.T - a.T @ a) < 1e-12
    assert normal == (condition == 1)


def test_eigenvectors_have_their_condition_number():
    # X is A's eigenvector matrix up to the length of its columns, which can only lower the best
    # condition number: for 2 x 2 the unit-column one is at most the condition asked for.
    a = problems.with_eigenvalues([1.0, 2.0], condition_of_eigenvectors=100, rng=0)
    condition = np.linalg.cond(np.linalg.eig(a)[1])
    assert 5 < condition <= 100 * (1 + 1e-8)


def test_complex_eigenvalues_in_a_complex_matrix():
    values = np.array([1 + 2j, -1j])
    a = problems.with_eigenvalues(values, rng=0, dtype="complex128")
    found = np.linalg.eigvals(a)
    np.testing.assert_allclose(found[np.argsort(-found.real)], values, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: problems.gaussian(3), ValueError, r"shape must be a tuple .*got 3"),
        (lambda: problems.gaussian((3,)), ValueError, r"shape must be a tuple .*got \(3,\)"),
        (lambda: problems.gaussian((2, -1)), ValueError, "shape must be at least 0, got -1"),
        (lambda: problems.gaussian((2, 2), dtype="float16"), ValueError, "dtype .*'float16'"),
        (lambda: problems.gaussian((2, 2), rng="0"), TypeError, "rng must be None"),
        (lambda: problems.haar(3, 4), ValueError, "columns must be at most n = 3, got 4"),
        (lambda: problems.conditioned((2, 2), 0.5), ValueError, "condition must be >= 1, got 0.5"),
        (
            lambda: problems.conditioned((2, 2), 10, spectrum="geometrical"),
            ValueError,
            "spectrum must be one of .*did you mean 'geometric'",
        ),
        (
            lambda: problems.with_singular_values((3, 2), [1.0]),
            ValueError,
            r"singular_values must have shape \(..., 2\), got shape \(1,\)",
        ),
        (
            lambda: problems.with_singular_values((3, 2), [1.0, -1.0]),
            ValueError,
            "singular_values must be >= 0, got -1",
        ),
        (
            lambda: problems.with_singular_values((3, 2), [1j, 1.0]),
            TypeError,
            "singular_values must hold real numbers, got dtype complex128",
        ),
        (
            lambda: problems.with_singular_values((3, 2), np.ones((4, 2))),
            ValueError,
            r"singular_values must broadcast to the batch \(\) of shape, got shape \(4, 2\)",
        ),
        *(
            (
                lambda draw=draw: draw([1e200, 1.0], dtype=np.float32),
                ValueError,
                "values must be of a size that float32 holds",
            )
            for draw in (
                partial(problems.with_singular_values, (2, 2)),
                problems.symmetric_with_eigenvalues,
                problems.with_eigenvalues,
            )
        ),
        (
            lambda: problems.haar(3, batch=2),
            TypeError,
            "batch must be a tuple of int, got 2",
        ),
        (
            lambda: problems.symmetric_with_eigenvalues([1.0, np.nan]),
            ValueError,
            "eigenvalues must be finite, got nan",
        ),
        (
            lambda: problems.with_eigenvalues([1j]),
            TypeError,
            "eigenvalues must hold real numbers",
        ),
        (
            lambda: problems.with_eigenvalues([1.0], condition_of_eigenvectors=0),
            ValueError,
            "condition_of_eigenvectors must be >= 1, got 0",
        ),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
