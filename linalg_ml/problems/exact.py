"""Matrices whose polar factor or sign is known: the references that solvers are judged by.

`polar_problem` and `sign_problem` take any spectrum and know their answer to rounding times the
condition number, which is all that a matrix rounded to floating point can have.
`exact_polar_problem` and `exact_sign_problem` know it exactly, at any condition number: they are
built from Hadamard matrices and powers of two so that nothing is ever rounded.
"""

from dataclasses import dataclass

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.random import generator
from linalg_ml.problems.arguments import (
    dtype_argument,
    shape_argument,
    singular_values_argument,
    stored,
    values_argument,
)
from linalg_ml.problems.matrices import adjoint, eigenvectors, named_spectrum, singular_vectors


@dataclass(frozen=True)
class PolarProblem:
    """A matrix and its polar decomposition ``a = unitary @ hermitian``.

    Attributes
    ----------
    a : array (..., m, n)
    unitary : array (..., m, n), in double precision
        Orthonormal columns if m >= n, orthonormal rows if m < n.
    hermitian : array (..., n, n), in double precision
    singular_values : array (..., min(m, n)), in double precision
    error : float
        An estimate from above of the distance, in the Frobenius norm, from ``unitary`` to the
        polar factor of ``a`` as it is stored (the largest of a stack); 0 for an exact problem.
    """

    a: np.ndarray
    unitary: np.ndarray
    hermitian: np.ndarray
    singular_values: np.ndarray
    error: float


@dataclass(frozen=True)
class SignProblem:
    """A square matrix with real eigenvalues and its matrix sign.

    Attributes
    ----------
    a : array (..., n, n)
    sign : array (..., n, n), in double precision
    eigenvalues : array (..., n), in double precision
    error : float
        An estimate from above of the distance, in the Frobenius norm, from ``sign`` to the sign
        of ``a`` as it is stored (the largest of a stack); 0 for an exact problem.
    """

    a: np.ndarray
    sign: np.ndarray
    eigenvalues: np.ndarray
    error: float


def polar_problem(shape, singular_values, *, rng=None, dtype=np.float64):
    """Draw a matrix with given positive singular values, and its polar decomposition.

    Parameters
    ----------
    shape : tuple (..., m, n)
    singular_values : array (..., min(m, n))
        Positive: the polar factor of a rank-deficient matrix is not unique.
    rng : None, int or numpy.random.Generator
    dtype : float32, float64, complex64 or complex128
        Of ``a``. In single precision the factors and singular values are those of the rounded
        matrix, found by a singular value decomposition in double precision.

    Returns
    -------
    PolarProblem

    Notes
    -----
    Rounding ``a`` moves its polar factor by about the unit roundoff of double precision times
    ||a||_F / sigma_min, whatever is done: that is ``error``.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.problems import polar_problem
    >>> problem = polar_problem((4, 3), [1.0, 0.1, 0.01], rng=0)
    >>> bool(np.linalg.norm(problem.a - problem.unitary @ problem.hermitian) < 1e-15)
    True
    >>> problem.error < 1e-12
    True
    """
    shape, dtype, rng = shape_argument(shape), dtype_argument(dtype), generator(rng)
    values = singular_values_argument(singular_values, shape)
    if not np.all(values > 0):
        raise ValueError(
            f"singular_values must be > 0 (the polar factor is not unique otherwise), "
            f"got {values.min():g}"
        )
    u, v = singular_vectors(shape, rng, dtype)
    a = stored((u * values[..., None, :]) @ adjoint(v), dtype, values, "singular_values")
    if dtype.itemsize < u.dtype.itemsize:
        u, values, vh = np.linalg.svd(a.astype(u.dtype), full_matrices=False)
        v = adjoint(vh)
    hermitian = (v * values[..., None, :]) @ adjoint(v)
    error = 0.0
    if a.size:
        error = 4 * float(np.finfo(np.float64).eps * _largest_ratio(values))
    values = np.broadcast_to(values, (*shape[:-2], values.shape[-1])).copy()
    return PolarProblem(a, u @ adjoint(v), (hermitian + adjoint(hermitian)) / 2, values, error)


def sign_problem(eigenvalues, /, *, condition_of_eigenvectors=1.0, rng=None, dtype=np.float64):
    """Draw a matrix with given real nonzero eigenvalues, and its matrix sign.

    Parameters
    ----------
    eigenvalues : array (..., n)
        Real, of any sign, not 0.
    condition_of_eigenvectors : float >= 1
        1 gives a symmetric (complex: Hermitian) matrix, more a nonsymmetric one.
    rng : None, int or numpy.random.Generator
    dtype : float32, float64, complex64 or complex128
        Of ``a``.

    Returns
    -------
    SignProblem

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.problems import sign_problem
    >>> problem = sign_problem([-1.0, -0.1, 0.5], condition_of_eigenvectors=10, rng=0)
    >>> bool(np.linalg.norm(problem.sign @ problem.sign - np.eye(3)) < 1e-13)
    True
    >>> round(float(np.trace(problem.sign)), 12)
    -1.0
    """
    dtype = dtype_argument(dtype)
    values = values_argument(eigenvalues, "eigenvalues")
    if np.any(values == 0):
        raise ValueError("eigenvalues must not be 0 (the sign is not defined there), got 0")
    condition = checks.number(condition_of_eigenvectors, "condition_of_eigenvectors", minimum=1)
    x, inverse = eigenvectors(values.shape, condition, generator(rng), dtype)
    a, sign = ((x * row[..., None, :]) @ inverse for row in (values, np.sign(values)))
    if condition == 1:
        a, sign = ((b + adjoint(b)) / 2 for b in (a, sign))
    error = 0.0
    if values.size:
        error = 4 * float(np.finfo(dtype).eps * condition**2 * _largest_ratio(np.abs(values)))
    return SignProblem(stored(a, dtype, values, "eigenvalues"), sign, values, error)


def _largest_ratio(sizes):
    """Return the largest of ||sizes|| / min(sizes) in a stack, whatever their scale."""
    _, exponent = np.frexp(sizes.max(axis=-1, keepdims=True))
    sizes = np.ldexp(sizes, -exponent)
    return np.max(np.linalg.norm(sizes, axis=-1) / sizes.min(axis=-1))


def exact_polar_problem(shape, condition, *, spectrum="geometric", rng=None, dtype=np.float64):
    """Draw a matrix whose polar factors are known without any rounding error.

    Parameters
    ----------
    shape : tuple (m, n)
        Powers of two whose product is a power of four (square always is).
    condition : float >= 1
        Rounded to a power of two, as is every singular value.
    spectrum : "geometric", "linear", "one-small" or "clustered"
        See `named_spectrum`.
    rng : None, int or numpy.random.Generator
    dtype : float32, float64, complex64 or complex128
        Of ``a``.

    Returns
    -------
    PolarProblem
        With ``error`` 0: ``a == unitary @ hermitian`` in exact arithmetic, and ``unitary`` has
        exactly orthonormal columns (rows).

    Raises
    ------
    ValueError
        If the entries need more bits than ``dtype`` has. A geometric spectrum of 64 leaves room
        for conditions to 2**51 in double precision and 2**21 in single.

    Notes
    -----
    ``a = H_1 diag(s) H_2^T / sqrt(m n)`` with Hadamard matrices whose rows, columns and signs
    are shuffled. Every sum of powers of two that occurs fits the mantissa.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.problems import exact_polar_problem
    >>> problem = exact_polar_problem((4, 4), 2**30, rng=0)
    >>> bool(np.all(problem.unitary.T @ problem.unitary == np.eye(4)))
    True
    >>> np.log2(problem.singular_values)
    array([  0., -10., -20., -30.])
    """
    shape, dtype, rng = shape_argument(shape), dtype_argument(dtype), generator(rng)
    powers = [length.bit_length() - 1 for length in shape]
    if len(shape) > 2 or any(n != 2**p for n, p in zip(shape, powers, strict=True)):
        raise ValueError(f"shape must be two powers of two, got {shape}")
    if sum(powers) % 2:
        raise ValueError(f"shape must have a product that is a power of four, got {shape}")
    k = min(shape)
    values = powers_of_two(named_spectrum(spectrum, k, condition), dtype)
    u, v = (shuffled_hadamard(n, k, rng, dtype.kind == "c") for n in shape)
    scale = 2.0 ** (sum(powers) // 2)
    a = ((u * values) @ adjoint(v) / scale).astype(dtype)
    hermitian = (v * values) @ adjoint(v) / shape[1]
    return PolarProblem(a, u @ adjoint(v) / scale, hermitian, values, 0.0)


def exact_sign_problem(n, condition, *, spectrum="geometric", rng=None, dtype=np.float64):
    """Draw a symmetric matrix whose sign is known without any rounding error.

    Parameters
    ----------
    n : int
        A power of two.
    condition : float >= 1
        Rounded to a power of two, as is every eigenvalue.
    spectrum : "geometric", "linear", "one-small" or "clustered"
        Of the eigenvalues' sizes, see `named_spectrum`; their signs are drawn at random.
    rng : None, int or numpy.random.Generator
    dtype : float32, float64, complex64 or complex128
        Of ``a``; complex gives a Hermitian matrix.

    Returns
    -------
    SignProblem
        With ``error`` 0: ``sign`` squares to the identity and commutes with ``a`` exactly.

    Raises
    ------
    ValueError
        As `exact_polar_problem`.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.problems import exact_sign_problem
    >>> problem = exact_sign_problem(8, 2**40, rng=0)
    >>> bool(np.all(problem.sign @ problem.sign == np.eye(8)))
    True
    """
    n, dtype, rng = checks.count(n, "n"), dtype_argument(dtype), generator(rng)
    if n != 2 ** (n.bit_length() - 1):
        raise ValueError(f"n must be a power of two, got {n}")
    values = powers_of_two(named_spectrum(spectrum, n, condition), dtype)
    values = values * rng.choice([-1.0, 1.0], n)
    q = shuffled_hadamard(n, n, rng, dtype.kind == "c")
    a, sign = ((q * row) @ adjoint(q) / n for row in (values, np.sign(values)))
    return SignProblem(a.astype(dtype), sign, values, 0.0)


def powers_of_two(values, dtype):
    """Round to powers of two, or raise if their sum does not fit the mantissa of ``dtype``."""
    values = 2.0 ** np.round(np.log2(values))
    bits = np.finfo(dtype).nmant + 1
    needed = int(np.ceil(np.log2(values.sum() / values.min())))
    if needed > bits:
        raise ValueError(
            f"condition must be smaller: the entries need {needed} bits and {dtype} has {bits}, "
            f"got condition {1 / values.min():g}"
        )
    return values


def shuffled_hadamard(n, columns, rng, complex_phases):
    """Return n rows and some columns of a Hadamard matrix, shuffled, with random phases."""
    h = np.ones((1, 1))
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    h = h[rng.permutation(n)][:, rng.permutation(n)[:columns]]
    phases = np.array([1, -1, 1j, -1j] if complex_phases else [1.0, -1.0])
    return rng.choice(phases, (n, 1)) * h * rng.choice(phases, columns)
