"""Show where the eigenvalues of a matrix are: in the right half-plane, or close to one."""

import numpy as np

from linalg_ml._core.namespace import asarray, to_numpy
from linalg_ml.matrix_functions.spectrum import inverse, largest_eigenvalue


def proves_right_half_plane(w, shift, squarings, arithmetic):
    """Say for which matrices the Cayley transform proves it.

    ``(W - s I) (W + s I)^-1`` with s > 0 has its spectrum inside the unit circle exactly if that
    of W is in the open right half-plane; a power of norm below one shows it, and one below a half
    does so whatever the rounding.

    Parameters
    ----------
    w : array of shape (..., n, n)
    shift : array of the shape of the stack
        s, best between the smallest and the largest absolute eigenvalue.
    squarings : int
        How often the transform may be squared. An eigenvalue at the angle phi from the imaginary
        axis needs about log2(1 / phi) of them.
    arithmetic : Arithmetic
        At least fp32.

    Returns
    -------
    ndarray of bool of the shape of the stack
    """
    xp, n = arithmetic.xp, w.shape[-1]
    shift = shift[..., None, None] * asarray(np.eye(n), like=w, dtype=w.dtype)
    cayley = arithmetic.mm(inverse(w + shift, arithmetic), w - shift)
    proven = arithmetic.frobenius(cayley) < 0.5
    for _ in range(squarings):
        if bool(xp.all(proven)):
            break
        cayley = arithmetic.mm(cayley, cayley)
        proven = proven | (arithmetic.frobenius(cayley) < 0.5)
    return np.asarray(to_numpy(proven))


def squarings(x, arithmetic):
    """Return how often to square, so that an angle within rounding of the axis proves nothing."""
    return int(-np.log2(256 * x.shape[-1] * arithmetic.unit_roundoff))


def within_reach(x, arithmetic):
    """Say for which matrices ||I - X||_2 < 1, by an estimate from below."""
    identity = asarray(np.eye(x.shape[-1]), like=x, dtype=x.dtype)
    square = arithmetic.gram(identity - x)
    return np.asarray(to_numpy(arithmetic.xp.sqrt(largest_eigenvalue(square, arithmetic)))) < 1
