"""The best relaxation parameter of SOR from the spectrum of the Jacobi iteration."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import to_numpy
from linalg_ml._core.random import generator
from linalg_ml.relaxation.adaptive import young
from linalg_ml.relaxation.csr_matrix import CsrMatrix
from linalg_ml.relaxation.grid import GridLaplacian
from linalg_ml.relaxation.preparation import prepare

_FIRST, _GROWTH = 16, 1.5


@np.errstate(all="ignore")
def jacobi_radius(a, /, *, rtol=1e-4, rng=0):
    """Compute the largest eigenvalue of the Jacobi iteration matrix I - D^-1 A.

    Parameters
    ----------
    a : array of shape (n, n), sparse matrix, or prepared matrix
        Hermitian positive definite.
    rtol : float
        Relative accuracy of 1 minus the eigenvalue, on which the best omega depends.
    rng : None, int or numpy.random.Generator
        For the vector that the Lanczos process starts from.

    Returns
    -------
    float
        Below 1. For consistently ordered matrices, those of red-black colouring among them, it is
        the spectral radius.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is no square matrix or has a zero on its diagonal.
    numpy.linalg.LinAlgError
        If ``a`` is not positive definite, or holds NaN or infinity.

    Notes
    -----
    The smallest eigenvalue of D^-1/2 A D^-1/2 is found by the Lanczos process without
    reorthogonalisation; it takes about as many products as CG takes steps, and stops when half as
    many more change the answer by less than ``rtol``. For a `GridLaplacian` the eigenvalue is
    known.

    References
    ----------
    C. Lanczos, "An iteration method for the solution of the eigenvalue problem of linear
    differential and integral operators", J. Res. Natl. Bur. Stand. 45, 1950.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import relaxation
    >>> a = 2 * np.eye(20) - np.eye(20, k=1) - np.eye(20, k=-1)
    >>> round(relaxation.jacobi_radius(a, rtol=1e-9), 6), round(float(np.cos(np.pi / 21)), 6)
    (0.988831, 0.988831)
    """
    rtol = checks.number(rtol, "rtol", above=0)
    a = prepare(a)
    if isinstance(a, GridLaplacian):
        radius = a.jacobi_radius
        if a.center <= 0 or radius >= 1:
            raise np.linalg.LinAlgError(f"a is not positive definite: its shift is {a.shift:g}")
        return radius
    product, diagonal = _scaled(a)
    if not np.isfinite(diagonal).all():
        raise np.linalg.LinAlgError("a holds NaN or infinity")
    if not (diagonal > 0).all():
        raise np.linalg.LinAlgError(
            f"a is not positive definite: entry {np.argmin(diagonal > 0)} of its diagonal is "
            "not positive"
        )
    return float(1 - _smallest_eigenvalue(product, diagonal, rtol, generator(rng)))


def _scaled(a):
    """Return x -> D^-1/2 A D^-1/2 x on the host, and the diagonal D."""
    if isinstance(a, CsrMatrix):
        a = getattr(a, "host", a)
        diagonal = a.entries_on_diagonal().real.astype(float)
        root = 1 / np.sqrt(diagonal)
        return (lambda x: root * a.product((root * x).astype(a.dtype))), diagonal
    if len(a.shape) != 2:
        raise ValueError(f"a must be one matrix of shape (n, n), got shape {a.shape}")
    full = to_numpy(a.a)
    diagonal = full.diagonal().real.astype(float)
    root = 1 / np.sqrt(diagonal)
    return (lambda x: root * (full @ (root * x))), diagonal


def _smallest_eigenvalue(product, diagonal, rtol, rng):
    """Return the smallest eigenvalue of a Hermitian matrix by the Lanczos process."""
    from scipy.linalg import eigvalsh_tridiagonal

    n = diagonal.size
    v = rng.standard_normal(n)
    v /= np.linalg.norm(v)
    before, beta = np.zeros(n), 0.0
    alphas, betas = [], []
    look, known = min(_FIRST, n), np.inf
    while True:
        w = product(v) - beta * before
        alpha = np.vdot(v, w).real
        if not np.isfinite(alpha):
            raise np.linalg.LinAlgError("a holds NaN or infinity")
        w = w - alpha * v
        alphas.append(alpha)
        beta = np.linalg.norm(w)
        exhausted = not beta > 1e-14 * (abs(alpha) + sum(betas[-1:]))
        if len(alphas) == look or exhausted:
            value = eigvalsh_tridiagonal(alphas, betas, select="i", select_range=(0, 0))[0]
            if not value > 0:
                raise np.linalg.LinAlgError("a is not positive definite")
            if exhausted or known - value <= rtol * value or len(alphas) > 10 * n:
                return value
            known, look = value, int(np.ceil(_GROWTH * look))
        betas.append(beta)
        before, v = v, w / beta


def optimal_omega(a, /, *, rtol=1e-4, rng=0):
    """Compute the best relaxation parameter of SOR by Young's formula.

    Parameters
    ----------
    a : array of shape (n, n), sparse matrix, or prepared matrix
        Hermitian positive definite.
    rtol : float
        Relative accuracy of 1 minus the Jacobi eigenvalue; omega is more accurate than that.
    rng : None, int or numpy.random.Generator
        For the vector that the Lanczos process starts from.

    Returns
    -------
    float
        2 / (1 + sqrt(1 - beta^2)), beta the largest eigenvalue of I - D^-1 A.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is no square matrix or has a zero on its diagonal.
    numpy.linalg.LinAlgError
        If ``a`` is not positive definite, or holds NaN or infinity.

    Notes
    -----
    Exactly best for consistently ordered matrices: five- and seven-point stencils in natural
    order, and everything in two colours. For other positive definite matrices it is a rule of
    thumb; SOR converges for each omega between 0 and 2.

    References
    ----------
    D. M. Young, "Iterative Solution of Large Linear Systems", 1971.

    Examples
    --------
    >>> from linalg_ml import relaxation
    >>> round(relaxation.optimal_omega(relaxation.GridLaplacian((50, 50))), 6)
    1.884018
    """
    return young(jacobi_radius(a, rtol=rtol, rng=rng))
