"""The randomized Nystrom approximation, and the preconditioner made of it."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, library
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.random import generator
from linalg_ml._core.result import Result, Status, UserFunctionError
from linalg_ml._core.verdict import host
from linalg_ml.krylov.preconditioner import Preconditioner
from linalg_ml.sketching.block_products import BlockProducts, NotFiniteError

_ENOUGH = 10.0  # an adaptive rank ends where the smallest eigenvalue found is so many shifts


@np.errstate(all="ignore")
def nystrom(a, rank, /, *, like=None, precision=None, rng=None):
    """Approximate a positive semidefinite matrix by one of low rank, from one pass over it.

    Parameters
    ----------
    a : array of shape (n, n) or (..., n, n), sparse matrix, or operator
        Real symmetric or complex Hermitian positive semidefinite. An operator has ``shape`` and
        ``matvec``.
    rank : int
        Products to make, at most n; this many eigenvalues are returned.
    like : array, optional
        Where the vectors of an operator live, and their dtype; NumPy without it.
    precision : None, str or Precision
        Arithmetic of the products with A. Factorisations are made in at least fp32.
    rng : None, int or numpy.random.Generator
        Draws the test vectors.

    Returns
    -------
    Result
        ``x = (u, w)`` of shapes (..., n, k), (..., k): A ~ U diag(w) U^H, w descending and not
        negative. ``residual`` is (tr A - sum w) / tr A, which is ||A - U W U^H||_* / ||A||_*
        in the nuclear norm, since neither A nor the rest has negative eigenvalues; None for an
        operator. The status is FIXED_STEPS, or BREAKDOWN where A was seen not to be positive
        semidefinite.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not square, or an argument is out of range.

    Notes
    -----
    With an orthonormalised Gaussian W of k columns, Y = (A + nu I) W, the approximation is
    Y (W^H Y)^-1 Y^H - nu I, nu = sqrt(n) u ||A W||_F. For any k' <= k - 2,

        E ||A - A_k||_* <= (1 + k' / (k - k' - 1)) sum_(j > k') w_j.

    Cost: k products with A, 4 n k^2 flops for the factorisations. The small eigenvalues carry an
    error of order nu; in bf16, u = 2^-8.

    References
    ----------
    J. Tropp, A. Yurtsever, M. Udell, V. Cevher, "Fixed-rank approximation of a positive-
    semidefinite matrix from streaming data", 2017, arXiv:1706.05736. Z. Frangella, J. Tropp,
    M. Udell, "Randomized Nystrom preconditioning", SIAM J. Matrix Anal. Appl. 44, 2023,
    arXiv:2110.02820.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import sketching
    >>> a = np.diag(0.5 ** np.arange(40))
    >>> result = sketching.nystrom(a, 15, rng=0)
    >>> u, w = result.x
    >>> w[:3].round(4)
    array([1.    , 0.4999, 0.2498])
    >>> result.residual < 0.001
    True
    """
    blocks = BlockProducts(a, precision, like)
    n = _order(blocks)
    rank = checks.count(rank, "rank")
    if rank > n:
        raise ValueError(f"rank must be at most n = {n}, got {rank}")
    blocks.take_units()
    wide, arithmetic = blocks.wide, blocks.arithmetic
    status, criterion, residual = Status.FIXED_STEPS, "none: a fixed number of products", None
    try:
        u, w, definite, noise = _approximate(blocks, rank, generator(rng))
        if blocks.is_explicit:
            trace, found = host(_real(blocks, blocks.trace())), host(wide.xp.sum(w, axis=-1))
            # What is left of a semidefinite A is semidefinite too.
            definite = definite & np.asarray(trace - found >= -rank * noise)
            residual = (trace - found) / np.where(np.asarray(trace) != 0, trace, 1.0)
            residual = np.where(blocks.spoilt, np.nan, residual)
            residual = float(residual) if np.ndim(residual) == 0 else residual
        if not definite.all():
            status = np.where(definite, status, Status.BREAKDOWN)
            criterion = "A was seen to have a negative eigenvalue"
            status = status if status.ndim else status[()]
    except (NotFiniteError, UserFunctionError) as failure:
        status = Status.NONFINITE_INPUT
        if isinstance(failure, UserFunctionError):
            status, criterion = Status.USER_FUNCTION, str(failure)
        u = blocks.undefined(*blocks.shape[:-2], n, rank)
        w = _real(blocks, blocks.undefined(*blocks.shape[:-2], rank))
    real = _real(blocks, blocks.like).dtype
    (u,), (w,) = blocks.sound(u), blocks.out(w)
    status, statuses = blocks.statuses(status)
    return Result(
        x=(wide.leave(u), wide.leave(w, real)),
        status=status,
        statuses=statuses,
        nit=1,
        residual=residual,
        criterion=criterion,
        counts=arithmetic.counts,
        precision=str(arithmetic),
        method="nystrom",
    )


def _order(blocks):
    if blocks.shape[-1] != blocks.shape[-2]:
        raise ValueError(f"a must have shape (..., n, n), got shape {blocks.shape}")
    return blocks.shape[-1]


def _real(blocks, x):
    return blocks.wide.xp.real(x) if blocks.wide.is_complex else x


def _approximate(blocks, rank, rng):
    """Return u, w, whether what was seen of A is positive semidefinite to rounding, and rounding.

    The last two are arrays on the host.
    """
    wide, xp, adjoint = blocks.wide, blocks.wide.xp, blocks.conj_transpose
    omega, _ = xp.linalg.qr(blocks.gaussian(rng, rank), mode="reduced")
    y = blocks.times(omega)
    size = wide.frobenius(y)
    nu = blocks.shape[-1] ** 0.5 * blocks.arithmetic.unit_roundoff * size
    y = y + nu[..., None, None] * omega
    inner = wide.mm(adjoint(omega), y)
    theta, p = xp.linalg.eigh((inner + adjoint(inner)) / 2)
    # Eigenvalues of W^H (A + nu I) W, which are at least nu but for rounding.
    noise = 10 * np.asarray(host(nu))
    definite = np.asarray(host(-theta[..., 0])) <= noise
    kept = theta > 0.1 * nu[..., None]
    root = xp.where(kept, 1 / xp.sqrt(xp.where(kept, theta, xp.ones_like(theta))), 0 * theta)
    b = wide.mm(y, p * astype(root, p.dtype)[..., None, :])
    u, s, _ = xp.linalg.svd(b, full_matrices=False)
    w = s * s - nu[..., None]
    return u, xp.where(w > 0, w, xp.zeros_like(w)), definite, noise


class NystromPreconditioner(Preconditioner):
    """(w_k + mu) U (W + mu)^-1 U^H + I - U U^H, close to a multiple of (A + mu I)^-1."""

    def __init__(self, u, w, shift, blocks):
        super().__init__(blocks, library(u))
        self.rank, self.shift = u.shape[-1], shift
        self._u, self._w = u, w

    def _convert(self, x):
        u = astype(self._u, x.dtype)
        factor = (self._w[..., -1:] + self.shift) / (self._w + self.shift) - 1
        return Arithmetic(None, x), u, astype(factor, x.dtype)

    def _apply(self, converted, x):
        arithmetic, u, factor = converted
        adjoint = arithmetic.xp.conj(u).mT if arithmetic.is_complex else u.mT
        return x + arithmetic.mv(u, factor * arithmetic.mv(adjoint, x))


@np.errstate(all="ignore")
def nystrom_preconditioner(a, /, *, shift, rank=None, like=None, precision=None, rng=None):
    """Make a preconditioner for (A + mu I) x = b from a Nystrom approximation of A.

    Parameters
    ----------
    a : array of shape (n, n), sparse matrix, or operator
        Real symmetric or complex Hermitian positive semidefinite, without the shift.
    shift : float
        mu > 0.
    rank : int, optional
        Rank of the approximation. None doubles it, from 16 on, until the smallest eigenvalue
        found is at most 10 mu, or the rank n / 2.
    like, precision, rng
        As for `nystrom`.

    Returns
    -------
    Preconditioner
        For the argument ``M`` of `cg`, with ``rank`` and ``shift``. Applying it costs
        4 n rank flops.

    Raises
    ------
    TypeError, ValueError
        If shapes or types do not fit, A is seen not to be finite and positive semidefinite, or
        an argument is out of range.

    Notes
    -----
    P^-1 = (w_k + mu) U (W + mu I)^-1 U^H + I - U U^H. The condition number of P^-1 (A + mu I)
    is at most (w_k + mu + ||E||) / mu with E = A - U W U^H. With the effective dimension
    d = sum_i w_i / (w_i + mu) and rank 2 ceil(1.5 d) + 1 its mean is below 28, whatever that of
    A is, so CG converges in a number of steps that does not depend on it.

    References
    ----------
    Z. Frangella, J. Tropp, M. Udell, "Randomized Nystrom preconditioning", SIAM J. Matrix Anal.
    Appl. 44, 2023, arXiv:2110.02820.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import cg, sketching
    >>> a, mu = np.diag(1.0 / np.arange(1, 201) ** 2), 1e-4
    >>> M = sketching.nystrom_preconditioner(a, shift=mu, rank=100, rng=0)
    >>> system, b = a + mu * np.eye(200), np.ones(200)
    >>> cg(system, b, M=M, rtol=1e-8).nit < 20 < 100 < cg(system, b, rtol=1e-8).nit
    True
    """
    blocks = BlockProducts(a, precision, like)
    n = _order(blocks)
    if len(blocks.shape) != 2:
        raise ValueError(f"a must have shape (n, n), got shape {blocks.shape}")
    shift = checks.number(shift, "shift", above=0)
    rng = generator(rng)
    tried = min(16, n) if rank is None else checks.count(rank, "rank")
    if tried > n:
        raise ValueError(f"rank must be at most n = {n}, got {tried}")
    while True:
        try:
            u, w, definite, _ = _approximate(blocks, tried, rng)
        except NotFiniteError:
            raise ValueError("a must be finite, but a product with it is not") from None
        if not definite:
            raise ValueError("a must be positive semidefinite, but it has a negative eigenvalue")
        found = host(w[-1]) <= _ENOUGH * shift
        if rank is not None or found or 2 * tried > max(n // 2, 16):
            return NystromPreconditioner(u, w, shift, blocks)
        tried *= 2
