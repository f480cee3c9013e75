"""Powers (A + eps I)^(-1/p) inside an optimizer: a fixed time, nothing read back."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, astype
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.matrix_functions.direct_methods import finite_or_identity
from linalg_ml.matrix_functions.iteration import even_part
from linalg_ml.matrix_functions.orthogonalize import as_schedule
from linalg_ml.matrix_functions.schedules import schedule_names
from linalg_ml.matrix_functions.spectrum import adjoint, reciprocal

_STEPS = 10


def check_root(method):
    """Return the way to an inverse root, if there is such a one."""
    if isinstance(method, str):
        return checks.choice(method, ("eigh", *schedule_names()), "root")
    if not isinstance(method, Schedule):
        raise TypeError(f"root must be a name or a Schedule, got {type(method).__name__}")
    return method


def inverse_power(a, p, eps, method="eigh", *, precision=None, outside=False):
    """Compute (A + eps I)^(-1/p) of a positive semidefinite matrix, or of each of a stack.

    Where polynomials overflow, as they may in short formats, the result is the identity.

    Parameters
    ----------
    a : array of shape (..., n, n)
        Symmetric.
    p : number
        With polynomials a power of two.
    eps : float
        Added to the eigenvalues, which are at least zero.
    method : str or Schedule
        "eigh", or the polynomials of the coupled iteration for square roots, 10 steps for each.
    precision : None, str or Precision
        Arithmetic of the products; decompositions run in at least fp32.
    outside : bool
        Return (A^(1/p) + eps I)^(-1) instead; with "eigh" only.

    Returns
    -------
    array of shape (..., n, n)
        Zero in the directions where A + eps I is zero.
    """
    if method == "eigh":
        return _by_eigh(a, p, eps, precision, outside)
    schedule, arithmetic = as_schedule(method, _STEPS), Arithmetic(precision, a)
    root = a + eps * _identity(a)
    while p > 2:
        root, p = _coupled(root, schedule, arithmetic)[0], p / 2
    inverse = _coupled(root, schedule, arithmetic)[1]
    finite = arithmetic.xp.all(arithmetic.xp.isfinite(inverse), axis=(-2, -1), keepdims=True)
    return arithmetic.xp.where(finite, inverse, _identity(a))


def eigenbasis(a):
    """Return eigenvectors of symmetric matrices, in the order of decreasing eigenvalues."""
    wide = Arithmetic(None, a).at_least_fp32(a)
    xp = wide.xp
    vectors = xp.linalg.eigh(finite_or_identity(wide.enter(a), xp))[1]
    return astype(xp.flip(vectors, axis=-1), a.dtype)


def orthogonal_iteration(a, q):
    """Return an orthonormal basis of A Q, of one step of orthogonal iteration."""
    wide = Arithmetic(None, a).at_least_fp32(a)
    product = wide.mm(wide.enter(a), wide.enter(q))
    product = finite_or_identity(product, wide.xp)
    return astype(wide.xp.linalg.qr(product, mode="reduced")[0], q.dtype)


def _by_eigh(a, p, eps, precision, outside):
    wide = Arithmetic(precision, a).at_least_fp32(a)
    xp = wide.xp
    w, v = xp.linalg.eigh(finite_or_identity(wide.enter(a), xp))
    w = xp.where(w > 0, w, xp.zeros_like(w))
    values = reciprocal(w ** (1 / p) + eps if outside else (w + eps) ** (1 / p), xp)
    return wide.leave(wide.mm(v * astype(values, v.dtype)[..., None, :], adjoint(v)), a.dtype)


def _coupled(a, schedule, arithmetic):
    """Return approximations of A^(1/2) and A^(-1/2), for odd polynomials p(x) = x h(x^2).

    Y <- Y h(Z Y), Z <- h(Z Y) Z from Y = A / ||A||_F and Z = I. Z Y is not made symmetric, which
    would lose the stability; Y and Z are.
    """
    xp, mm = arithmetic.xp, arithmetic.mm
    size = arithmetic.at_least_fp32(a).frobenius(a)
    size = astype(xp.where(size > 0, size, xp.ones_like(size)), a.dtype)[..., None, None]
    y, z = arithmetic.enter(a / size), None
    for first, *rest in schedule:
        even = even_part(y if z is None else mm(z, y), rest, arithmetic, symmetric=False)
        y = mm(y, even, beta=first, y=y)
        if z is None:
            z = even + first * arithmetic.enter(_identity(a))
        else:
            z = mm(even, z, beta=first, y=z)
        y, z = map(arithmetic.hermitian_mean, (y, z))
    y, z = arithmetic.leave(y, a.dtype), arithmetic.leave(z, a.dtype)
    return y * xp.sqrt(size), z / xp.sqrt(size)


def _identity(a):
    return asarray(np.eye(a.shape[-1]), like=a, dtype=a.dtype)
