"""Estimate the trace of a matrix from its products with random vectors."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, astype
from linalg_ml._core.random import generator
from linalg_ml._core.result import Result, Status, UserFunctionError
from linalg_ml._core.verdict import host
from linalg_ml.sketching.block_products import BlockProducts, NotFiniteError, all_finite

_LEAST = {"xtrace": 4, "xnystrace": 3, "hutch++": 4, "hutchinson": 2}


class _IndefiniteError(ArithmeticError):
    """Raised where a matrix said to be positive semidefinite is not; tells which of a stack are."""

    def __init__(self, definite, estimate, error):
        super().__init__()
        self.definite, self.estimate, self.error = definite, estimate, error


@np.errstate(all="ignore")
def estimate_trace(a, /, *, products, method="xtrace", like=None, precision=None, rng=None):
    """Estimate the trace of a matrix from products with random vectors.

    Parameters
    ----------
    a : array of shape (n, n) or (..., n, n), sparse matrix, or operator
        Real or complex, need not be symmetric. An operator has ``shape`` and ``matvec``, for
        instance for the inverse or the exponential of a matrix.
    products : int
        Products with A to spend, at least 4 (3 for "xnystrace", 2 for "hutchinson"). From n on,
        the trace of an array or a sparse matrix is read off instead, and that of an operator is
        computed from n products.
    method : {"xtrace", "xnystrace", "hutch++", "hutchinson"}
        "xtrace" is the most accurate for matrices of any kind where singular values decay, and
        as good as the others where they do not. "xnystrace" is for Hermitian positive
        semidefinite A alone, and better still there.
    like : array, optional
        Where the vectors of an operator live, and their dtype; NumPy without it.
    precision : None, str or Precision
        Arithmetic of the products. Everything else is done in at least fp32.
    rng : None, int or numpy.random.Generator
        Draws the vectors.

    Returns
    -------
    Result
        ``x``: the estimate, of shape (...) and the dtype of ``a``. ``standard_error``: its
        standard deviation as the scatter of the samples shows it, which sees no rounding (host
        numbers), 0 where the trace was computed. ``counts["matvecs"]`` are the products spent.
        The status is FIXED_STEPS: nothing was tested; or BREAKDOWN where "xnystrace" saw that A
        is not positive semidefinite.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not square, or an argument is unknown or out of range.

    Notes
    -----
    With m products and random w of mean square 1,

    - "hutchinson": the mean of w^H A w over m random signs w. For symmetric A the variance is
      2 (||A||_F^2 - sum_i a_ii^2) / m.
    - "hutch++": Q spans the range of A W for m/3 vectors; tr(Q^H A Q) is computed and the rest
      (I - Q Q^H) A (I - Q Q^H) estimated from the remaining products. For psd A the
      error is of order tr(A) / m.
    - "xtrace": as Hutch++, with m/2 vectors and Q_(i) made without vector i, which then tests
      the rest: t_i = tr(Q_(i)^H A Q_(i)) + w_i^H (I - P_i) A (I - P_i) w_i, scaled by
      (n - m/2 + 1) / ||(I - P_i) w_i||^2. The estimate is the mean of the t_i and
      ``standard_error`` their standard deviation over sqrt(m/2): the t_i are not independent,
      so it is a guide and no bound.
    - "xnystrace": the same with m vectors and the Nystrom approximations without vector i,
      A_i = Y_i (W_i^H Y_i)^-1 Y_i^H of Y = A W: t_i = tr A_i + w_i^H (A - A_i) w_i, scaled by
      (n - m + 1) / ||(I - P_i) w_i||^2, P_i the projector on the other vectors. A is shifted
      by a multiple of the unit roundoff first.

    Beyond the products, "xtrace" costs about 3 n m^2 flops, "xnystrace" 6 n m^2.

    References
    ----------
    E. Epperly, J. Tropp, R. Webber, "XTrace: Making the most of every sample in stochastic
    trace estimation", SIAM J. Matrix Anal. Appl. 45, 2024, arXiv:2301.07825. R. Meyer,
    C. Musco, C. Musco, D. Woodruff, "Hutch++: Optimal stochastic trace estimation", 2021,
    arXiv:2010.09649.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import sketching
    >>> a = np.diag(0.7 ** np.arange(200))
    >>> result = sketching.estimate_trace(a, products=60, rng=0)
    >>> abs(float(result.x - np.trace(a))) < 1e-4
    True
    """
    checks.choice(method, tuple(_LEAST), "method")
    products = checks.count(products, "products", minimum=_LEAST[method])
    blocks = BlockProducts(a, precision, like)
    if blocks.shape[-1] != blocks.shape[-2]:
        raise ValueError(f"a must have shape (..., n, n), got shape {blocks.shape}")
    blocks.take_units()
    rng = generator(rng)
    n, arithmetic = blocks.shape[-1], blocks.arithmetic
    status, criterion = Status.FIXED_STEPS, "none: a fixed number of products"
    try:
        if products >= n:
            estimate, error = _read_off(blocks)
            criterion = "none: the trace was computed"
        else:
            estimate, error = _ESTIMATORS[method](blocks, products, rng)
    except _IndefiniteError as failure:
        estimate, error = failure.estimate, failure.error
        status = np.where(failure.definite, status, Status.BREAKDOWN)
        status = status if status.ndim else status[()]
        criterion = "A was seen to have a negative eigenvalue"
    except NotFiniteError:
        estimate = error = blocks.undefined(*blocks.shape[:-2])
        status = Status.NONFINITE_INPUT
    except UserFunctionError as failure:
        estimate = error = blocks.undefined()
        status, criterion = Status.USER_FUNCTION, str(failure)
    estimate, error = blocks.out(estimate, error)
    status, statuses = blocks.statuses(status)
    return Result(
        x=arithmetic.leave(estimate),
        status=status,
        statuses=statuses,
        nit=1,
        residual=None,
        criterion=criterion,
        extras={"standard_error": host(error)},
        counts=arithmetic.counts,
        precision=str(arithmetic),
        method=method,
    )


def _read_off(blocks):
    """Return the trace, from the entries or from n products, and the error 0."""
    if blocks.is_explicit:
        trace = blocks.trace()
        if not all_finite(trace):
            raise NotFiniteError
    else:
        identity = asarray(np.eye(blocks.shape[-1]), like=blocks.like, dtype=blocks.wide.dtype)
        trace = blocks.wide.xp.sum(blocks.wide.xp.linalg.diagonal(blocks.times(identity)), axis=-1)
    return trace, blocks.wide.xp.abs(trace - trace)


def _hutchinson(blocks, products, rng):
    signs = _signs(blocks, products, rng)
    return _mean_and_error(_columns_dot(blocks, signs, blocks.times(signs)), blocks)


def _hutch(blocks, products, rng):
    k = products // 3
    q, _ = blocks.wide.xp.linalg.qr(blocks.times(_signs(blocks, k, rng)), mode="reduced")
    known = blocks.wide.xp.sum(_columns_dot(blocks, q, blocks.times(q)), axis=-1)
    rest = _signs(blocks, products - 2 * k, rng)
    rest = rest - blocks.wide.mm(q, blocks.wide.mm(blocks.conj_transpose(q), rest))
    mean, error = _mean_and_error(_columns_dot(blocks, rest, blocks.times(rest)), blocks)
    return known + mean, error


def _xtrace(blocks, products, rng):
    wide, xp, adjoint = blocks.wide, blocks.wide.xp, blocks.conj_transpose
    n, h = blocks.shape[-1], products // 2
    omega = blocks.gaussian(rng, h)
    omega = omega * (n**0.5 / wide.norm(omega.mT))[..., None, :]
    y = blocks.times(omega)
    q, r = xp.linalg.qr(y, mode="reduced")
    z = blocks.times(q)
    inner = wide.mm(adjoint(q), z)
    # Column i of R^-H is orthogonal to every column of R but the i-th. Where R is singular, a
    # tiny diagonal in place of zero picks one of the directions that do not matter.
    diagonal = xp.abs(xp.linalg.diagonal(r))
    least = xp.max(diagonal, axis=-1, keepdims=True) * wide.unit_roundoff**2
    least = xp.where(least > 0, least, xp.ones_like(least))
    eye = asarray(np.eye(h), like=omega, dtype=wide.dtype)
    r_safe = xp.where(
        (diagonal <= least)[..., None] & (xp.abs(eye) > 0), least[..., None] + 0 * r, r
    )
    s = xp.linalg.solve(adjoint(r_safe), eye + 0 * r)
    s = s / wide.norm(s.mT)[..., None, :]
    w = wide.mm(adjoint(q), omega)
    x = w - s * _columns_dot(blocks, s, w)[..., None, :]  # Q x_i = P_i w_i
    tested = (
        _columns_dot(blocks, w, r)
        - _columns_dot(blocks, wide.mm(adjoint(z), omega), x)
        - _columns_dot(blocks, x, r)
        + _columns_dot(blocks, x, wide.mm(inner, x))
    )
    left = n - wide.norm(x.mT) ** 2  # ||(I - P_i) w_i||^2
    known = xp.sum(xp.linalg.diagonal(inner), axis=-1)
    samples = known[..., None] - _columns_dot(blocks, s, wide.mm(inner, s))
    return _mean_and_error(samples + tested * ((n - h + 1) / left), blocks)


def _xnystrace(blocks, products, rng):
    wide, xp, adjoint = blocks.wide, blocks.wide.xp, blocks.conj_transpose
    n, m = blocks.shape[-1], products
    omega = blocks.gaussian(rng, m)
    omega = omega * (n**0.5 / wide.norm(omega.mT))[..., None, :]
    y = blocks.times(omega)
    nu = blocks.arithmetic.unit_roundoff * wide.frobenius(y)
    y = y + nu[..., None, None] * omega
    inner = wide.mm(adjoint(omega), y)
    theta, p = xp.linalg.eigh((inner + adjoint(inner)) / 2)
    least = nu * n  # about the least that an eigenvalue of W^H (A + nu I) W can be
    definite = np.asarray(host(-theta[..., 0] - least)) <= 0
    kept = xp.where(theta > 1e-2 * least[..., None], theta, 1e-2 * least[..., None] + 0 * theta)
    kept = xp.where(kept > 0, kept, xp.ones_like(kept))  # it is zero where A is
    root = astype(1 / xp.sqrt(kept), p.dtype)
    b = wide.mm(y, p * root[..., None, :])
    s = root[..., :, None] * adjoint(p)  # s^H s is the inverse of W^H A W
    _, r = xp.linalg.qr(omega, mode="reduced")
    eye = asarray(np.eye(m), like=omega, dtype=wide.dtype)
    inverse = xp.linalg.solve(r, eye + 0 * r)
    free = wide.norm(inverse) ** 2  # 1 / ||(I - P_i) w_i||^2
    sizes = wide.norm(s.mT)
    removed = wide.norm((wide.mm(b, s / sizes[..., None, :])).mT) ** 2
    samples = wide.frobenius(b)[..., None] ** 2 - removed + (n - m + 1) * free / sizes**2
    mean, error = _mean_and_error(xp.where(nu[..., None] > 0, samples, 0 * samples), blocks)
    estimate = mean - n * nu
    if not definite.all():
        known = asarray(definite, like=estimate)
        estimate, error = (xp.where(known, a, a * float("nan")) for a in (estimate, error))
        raise _IndefiniteError(definite, estimate, error)
    return estimate, error


_ESTIMATORS = {
    "xtrace": _xtrace,
    "xnystrace": _xnystrace,
    "hutch++": _hutch,
    "hutchinson": _hutchinson,
}


def _signs(blocks, k, rng):
    values = rng.integers(0, 2, (blocks.shape[-1], k), dtype=np.int8) * 2.0 - 1.0
    return blocks.over_stack(asarray(values, like=blocks.like, dtype=blocks.wide.dtype))


def _columns_dot(blocks, x, y):
    """Return x_i^H y_i for the columns of two blocks."""
    return blocks.wide.dot(x.mT, y.mT)


def _mean_and_error(samples, blocks):
    xp, k = blocks.wide.xp, samples.shape[-1]
    mean = xp.mean(samples, axis=-1)
    deviations = xp.abs(samples - mean[..., None])
    return mean, xp.sqrt(xp.sum(deviations**2, axis=-1) / (k * max(1, k - 1)))
