"""Random matrices with a chosen spectrum, as NumPy arrays.

Everything is computed in double precision and rounded once to ``dtype``. The singular vectors are
orthogonal to a few units in the last place, so only that rounding moves the singular values: in
double precision the small ones by about 1e-16 of the largest at most, so that 1e-15 is met to a
tenth and 1e-13 to three digits.
"""

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

SPECTRA = ("geometric", "linear", "one-small", "clustered")


def adjoint(a):
    """Return the conjugate transpose of the last two axes."""
    return a.conj().swapaxes(-1, -2)


def gaussian(shape, *, rng=None, dtype=np.float64):
    """Draw a matrix of independent standard normal numbers.

    Parameters
    ----------
    shape : tuple (..., m, n)
    rng : None, int or numpy.random.Generator
    dtype : float32, float64, complex64 or complex128
        Complex entries have E|z|^2 = 1.

    Returns
    -------
    array of the given shape

    Examples
    --------
    >>> from linalg_ml.problems import gaussian
    >>> gaussian((2, 2), rng=0).round(3)
    array([[ 0.126, -0.132],
           [ 0.64 ,  0.105]])
    """
    shape, dtype, rng = shape_argument(shape), dtype_argument(dtype), generator(rng)
    a = rng.standard_normal(shape)
    if dtype.kind == "c":
        a = (a + 1j * rng.standard_normal(shape)) / np.sqrt(2)
    return a.astype(dtype)


def haar(n, columns=None, *, batch=(), rng=None, dtype=np.float64):
    """Draw an orthogonal or unitary matrix, uniformly (Haar measure).

    Parameters
    ----------
    n : int
    columns : int, optional
        Keep only this many orthonormal columns; None keeps all n.
    batch : tuple of int
        Shape of the stack.
    rng : None, int or numpy.random.Generator
    dtype : float32, float64, complex64 or complex128

    Returns
    -------
    array of shape (..., n, columns)

    Notes
    -----
    The QR factorisation of a Gaussian matrix with the phases of R's diagonal moved to Q [1]_:
    without that step the distribution depends on the sign convention of the factorisation.

    References
    ----------
    .. [1] F. Mezzadri, "How to generate random matrices from the classical compact groups",
       2007, arXiv math-ph/0609050

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.problems import haar
    >>> q = haar(5, 3, rng=0)
    >>> bool(np.linalg.norm(q.T @ q - np.eye(3)) < 1e-14)
    True
    """
    n = checks.count(n, "n", minimum=0)
    columns = n if columns is None else checks.count(columns, "columns", minimum=0)
    if columns > n:
        raise ValueError(f"columns must be at most n = {n}, got {columns}")
    if not isinstance(batch, (tuple, list)):
        raise TypeError(f"batch must be a tuple of int, got {batch!r}")
    dtype = dtype_argument(dtype)
    wide = np.complex128 if dtype.kind == "c" else np.float64
    q, r = np.linalg.qr(gaussian((*batch, n, columns), rng=rng, dtype=wide))
    diagonal = np.diagonal(r, axis1=-2, axis2=-1)
    return (q * (diagonal / np.abs(diagonal))[..., None, :]).astype(dtype)


def named_spectrum(kind, count, condition):
    """Return singular values from 1 down to 1 / condition.

    Parameters
    ----------
    kind : "geometric", "linear", "one-small" or "clustered"
        Evenly spaced logarithms; even spacing; all 1 but the last; one half (rounded up) 1 and
        the other 1 / condition.
    count : int
        How many. A single one is 1 whatever the condition.
    condition : float >= 1

    Returns
    -------
    array (count,)

    Examples
    --------
    >>> from linalg_ml.problems import named_spectrum
    >>> named_spectrum("geometric", 3, 100)
    array([1.  , 0.1 , 0.01])
    >>> named_spectrum("clustered", 3, 100)
    array([1.  , 1.  , 0.01])
    """
    checks.choice(kind, SPECTRA, "spectrum")
    count = checks.count(count, "count", minimum=0)
    smallest = 1 / checks.number(condition, "condition", minimum=1)
    if kind == "geometric":
        return np.geomspace(1, smallest, count)
    if kind == "linear":
        return np.linspace(1, smallest, count)
    values = np.ones(count)
    values[max(1, count - 1 if kind == "one-small" else (count + 1) // 2) :] = smallest
    return values


def with_singular_values(shape, singular_values, *, rng=None, dtype=np.float64):
    """Draw a matrix with the given singular values and Haar singular vectors.

    Parameters
    ----------
    shape : tuple (..., m, n)
    singular_values : array (..., min(m, n))
        Nonnegative, in any order; broadcast over the stack.
    rng : None, int or numpy.random.Generator
    dtype : float32, float64, complex64 or complex128

    Returns
    -------
    array of the given shape

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.problems import with_singular_values
    >>> a = with_singular_values((4, 3), [3.0, 2.0, 1e-6], rng=0)
    >>> np.linalg.svd(a, compute_uv=False)
    array([3.e+00, 2.e+00, 1.e-06])
    """
    shape, dtype, rng = shape_argument(shape), dtype_argument(dtype), generator(rng)
    values = singular_values_argument(singular_values, shape)
    u, v = singular_vectors(shape, rng, dtype)
    return stored((u * values[..., None, :]) @ adjoint(v), dtype, values, "singular_values")


def singular_vectors(shape, rng, dtype):
    """Draw Haar U (..., m, k) and V (..., n, k), k = min(m, n), in double precision."""
    *batch, m, n = shape
    wide = np.complex128 if dtype.kind == "c" else np.float64
    return tuple(haar(rows, min(m, n), batch=batch, rng=rng, dtype=wide) for rows in (m, n))


def conditioned(shape, condition, *, spectrum="geometric", rng=None, dtype=np.float64):
    """Draw a matrix with largest singular value 1 and a given condition number.

    Parameters
    ----------
    shape : tuple (..., m, n)
    condition : float >= 1
        Largest over smallest singular value; up to 1e15 in double and 1e6 in single precision
        can be told from rounding.
    spectrum : "geometric", "linear", "one-small" or "clustered"
        What lies between, see `named_spectrum`.
    rng : None, int or numpy.random.Generator
    dtype : float32, float64, complex64 or complex128

    Returns
    -------
    array of the given shape

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.problems import conditioned
    >>> np.linalg.svd(conditioned((3, 3), 1e4, rng=0), compute_uv=False)
    array([1.e+00, 1.e-02, 1.e-04])
    """
    shape = shape_argument(shape)
    values = named_spectrum(spectrum, min(shape[-2:]), condition)
    return with_singular_values(shape, values, rng=rng, dtype=dtype)


def symmetric_with_eigenvalues(eigenvalues, /, *, rng=None, dtype=np.float64):
    """Draw a symmetric (complex: Hermitian) matrix with given eigenvalues, Haar eigenvectors.

    Parameters
    ----------
    eigenvalues : array (..., n)
        Real, in any order; one matrix per row.
    rng : None, int or numpy.random.Generator
    dtype : float32, float64, complex64 or complex128

    Returns
    -------
    array (..., n, n), equal to its conjugate transpose bit for bit

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.problems import symmetric_with_eigenvalues
    >>> a = symmetric_with_eigenvalues([-2.0, 0.5, 4.0], rng=0)
    >>> np.linalg.eigvalsh(a)
    array([-2. ,  0.5,  4. ])
    """
    dtype, values = dtype_argument(dtype), values_argument(eigenvalues, "eigenvalues")
    wide = np.complex128 if dtype.kind == "c" else np.float64
    q = haar(values.shape[-1], batch=values.shape[:-1], rng=rng, dtype=wide)
    a = (q * values[..., None, :]) @ adjoint(q)
    return stored((a + adjoint(a)) / 2, dtype, values, "eigenvalues")


def with_eigenvalues(eigenvalues, /, *, condition_of_eigenvectors=10.0, rng=None, dtype=np.float64):
    """Draw a nonsymmetric matrix X diag(eigenvalues) X^-1 with a given condition number of X.

    Parameters
    ----------
    eigenvalues : array (..., n)
        In any order; complex ones need a complex dtype. One matrix per row.
    condition_of_eigenvectors : float >= 1
        Condition number of X, whose singular values are spaced geometrically. 1 gives a normal
        matrix. Rounding moves the eigenvalues by up to its square times the unit roundoff.
    rng : None, int or numpy.random.Generator
    dtype : float32, float64, complex64 or complex128

    Returns
    -------
    array (..., n, n)

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.problems import with_eigenvalues
    >>> a = with_eigenvalues([-2.0, 0.5, 4.0], condition_of_eigenvectors=100, rng=0)
    >>> np.sort(np.linalg.eigvals(a)).round(10)
    array([-2. ,  0.5,  4. ])
    """
    dtype = dtype_argument(dtype)
    values = values_argument(eigenvalues, "eigenvalues", allow_complex=dtype.kind == "c")
    condition = checks.number(condition_of_eigenvectors, "condition_of_eigenvectors", minimum=1)
    x, inverse = eigenvectors(values.shape, condition, generator(rng), dtype)
    return stored((x * values[..., None, :]) @ inverse, dtype, values, "eigenvalues")


def eigenvectors(shape, condition, rng, dtype):
    """Draw X (..., n, n) with a given condition number, and its inverse."""
    n = shape[-1]
    u, v = singular_vectors((*shape[:-1], n, n), rng, dtype)
    scale = named_spectrum("geometric", n, condition)
    return (u * scale) @ adjoint(v), (v / scale) @ adjoint(u)
