"""The randomized singular value decomposition."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.random import generator
from linalg_ml._core.result import Result, Status, UserFunctionError
from linalg_ml._core.verdict import host
from linalg_ml.sketching.block_products import BlockProducts, NotFiniteError
from linalg_ml.sketching.subspaces import krylov_range, power_range

_RANGES = {"krylov": krylov_range, "power": power_range}


@np.errstate(all="ignore")
def randomized_svd(
    a,
    rank,
    /,
    *,
    oversample=10,
    depth=2,
    method="krylov",
    check=False,
    like=None,
    precision=None,
    rng=None,
):
    """Compute the leading singular values and vectors of a matrix from few products.

    Parameters
    ----------
    a : array of shape (m, n) or (..., m, n), sparse matrix, or operator
        Real or complex. An operator has ``shape``, ``matvec`` and ``rmatvec``.
    rank : int
        How many, at most min(m, n).
    oversample : int
        Random vectors beyond the rank.
    depth : int
        Rounds of products with A^H and A after the first; 0 to 3 are of use.
    method : {"krylov", "power"}
        "krylov" keeps what every round gives, "power" the last alone: cheaper in memory and
        for ``depth=0`` the same, but far less accurate where singular values decay slowly.
    check : bool
        Compute the residual: one product more, of U S with V^H; for arrays and sparse matrices.
    like : array, optional
        Where the vectors of an operator live, and their dtype; NumPy without it.
    precision : None, str or Precision
        Arithmetic of the products with A. Factorisations are made in at least fp32.
    rng : None, int or numpy.random.Generator
        Draws the start.

    Returns
    -------
    Result
        ``x = (u, s, vh)`` of shapes (..., m, k), (..., k), (..., k, n), singular values
        descending. ``residual`` is ||A - U S V^H||_F / ||A||_F, None unless ``check``. The
        status is FIXED_STEPS: how close that is to the best possible is not known; the bound
        below holds on average. `range_finder` works to a tolerance.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, or an argument is out of range.

    Notes
    -----
    With l = rank + oversample and a Gaussian W, Q spans A W, and with ``depth`` q also
    (A A^H)^j A W for j <= q; then Q^H A = (A^H Q)^H is decomposed. For q = 0, k the rank and
    p the oversampling,

        E ||A - Q Q^H A||_F <= (1 + k / (p - 1))^(1/2) (sum_(j > k) s_j^2)^(1/2),

    and each round multiplies what exceeds the best by about (s_(l+1) / s_k)^4 with "power"; with
    "krylov" by what a Chebyshev polynomial of degree 2 q + 1 does, so that a gap of size g
    needs q ~ 1 / sqrt(g) rounds and not 1 / g. Cost: 2 (q + 1) products of A with l vectors,
    and QR factorisations, about 4 (m + n) l^2 (q + 1)^2 flops ("krylov"). In bf16 singular
    values below 2^-8 of the largest drown in rounding.

    References
    ----------
    N. Halko, P.-G. Martinsson, J. Tropp, "Finding structure with randomness: Probabilistic
    algorithms for constructing approximate matrix decompositions", SIAM Review 53, 2011,
    arXiv:0909.4061. C. Musco, C. Musco, "Randomized block Krylov methods for stronger and
    faster approximate singular value decomposition", 2015, arXiv:1504.05477.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import sketching
    >>> a = np.diag(0.5 ** np.arange(40))
    >>> result = sketching.randomized_svd(a, 3, check=True, rng=0)
    >>> u, s, vh = result.x
    >>> s.round(6)
    array([1.  , 0.5 , 0.25])
    >>> round(result.residual, 6)
    0.125
    """
    checks.choice(method, tuple(_RANGES), "method")
    blocks = BlockProducts(a, precision, like)
    blocks.take_units()
    m, n = blocks.shape[-2:]
    rank = checks.count(rank, "rank")
    if rank > min(m, n):
        raise ValueError(f"rank must be at most min(m, n) = {min(m, n)}, got {rank}")
    oversample = checks.count(oversample, "oversample", minimum=0)
    depth = checks.count(depth, "depth", minimum=0)
    if check and not blocks.is_explicit:
        raise ValueError("check needs the entries of a, but a is an operator")
    columns = min(rank + oversample, m, n)
    status, residual, criterion = Status.FIXED_STEPS, None, "none: a fixed number of products"
    wide, xp = blocks.wide, blocks.wide.xp
    try:
        start = blocks.gaussian(generator(rng), columns)
        x = _RANGES[method](blocks, start, depth).svd(rank)
        if check:
            size = host(blocks.frobenius())
            error = host(blocks.residual_norm(x[0] * x[1][..., None, :], x[2]))
            residual = error / np.where(size > 0, size, 1.0)
            residual = np.where(blocks.spoilt, np.nan, residual)
            residual = float(residual) if np.ndim(residual) == 0 else residual
    except NotFiniteError:
        status, x = Status.NONFINITE_INPUT, _nothing(blocks, rank)
    except UserFunctionError as failure:
        status, criterion, x = Status.USER_FUNCTION, str(failure), _nothing(blocks, rank)
    real = xp.real(blocks.like).dtype if wide.is_complex else blocks.like.dtype
    (u, vh), (s,) = blocks.sound(x[0], x[2]), blocks.out(x[1])
    status, statuses = blocks.statuses(status)
    return Result(
        x=(wide.leave(u), wide.leave(s, real), wide.leave(vh)),
        status=status,
        statuses=statuses,
        nit=depth + 1,
        residual=residual,
        criterion=criterion,
        counts=blocks.arithmetic.counts,
        precision=str(blocks.arithmetic),
        method=method,
    )


def _nothing(blocks, rank):
    *batch, m, n = blocks.shape
    sizes = (*batch, m, rank), (*batch, rank), (*batch, rank, n)
    u, s, vh = (blocks.undefined(*size) for size in sizes)
    return u, blocks.wide.xp.real(s) if blocks.wide.is_complex else s, vh
