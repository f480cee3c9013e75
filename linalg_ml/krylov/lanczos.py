"""The Lanczos process with full reorthogonalisation, and the Ritz vectors it gives."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.operators import operator
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.random import generator
from linalg_ml.krylov.basis import Basis, noise, unit


def lanczos(matvec, start, steps, arithmetic, wide, rng):
    """Return the basis after so many steps, and the tridiagonal matrix as (diagonal, beside it).

    Where the Krylov space ends, the process goes on from a random vector.
    """
    xp = arithmetic.xp
    basis = Basis(wide, start, steps)
    alphas, betas = [], []
    v, _ = unit(wide.enter(start), 0.0, basis, wide, rng)
    size = None
    for step in range(steps):
        v = arithmetic.store(v)
        basis.append(v)
        w = arithmetic.wide(matvec(v))
        before = wide.norm(w)
        size = before if size is None else xp.where(before > size, before, size)
        alpha = xp.asarray(wide.dot(wide.enter(v), wide.enter(w)))
        alphas.append(xp.real(alpha) if arithmetic.is_complex else alpha)
        w, _ = basis.orthogonalize(w)
        if step < steps - 1:
            v, beta = unit(w, noise(arithmetic) * size, basis, wide, rng)
            betas.append(beta)
    return basis, alphas, betas


def ritz(basis, alphas, betas, wide):
    """Return the Ritz values (..., k), ascending, and vectors as rows (..., k, n)."""
    xp = wide.xp
    values, s = xp.linalg.eigh(finite_part(_tridiagonal(alphas, betas, xp), xp))
    if wide.is_complex:
        s = xp.astype(s, wide.dtype)
    return values, wide.mm(s.mT, basis.vectors)


def finite_part(a, xp):
    """Return the array with zeros for infinities and NaN, which eigensolvers refuse."""
    return xp.where(xp.isfinite(a), a, xp.zeros_like(a))


def _tridiagonal(alphas, betas, xp):
    zero = xp.zeros_like(alphas[0])
    k = len(alphas)
    rows = []
    for i in range(k):
        row = [zero] * k
        row[i] = alphas[i]
        if i > 0:
            row[i - 1] = betas[i - 1]
        if i < k - 1:
            row[i + 1] = betas[i]
        rows.append(xp.stack(row, axis=-1))
    return xp.stack(rows, axis=-2)


@np.errstate(all="ignore")
def ritz_vectors(a, start, /, steps, *, precision=None, rng=None):
    """Compute Ritz values and vectors of a Hermitian matrix by the Lanczos process.

    Parameters
    ----------
    a : array of shape (n, n) or (..., n, n), sparse matrix, operator or callable
        Real symmetric or complex Hermitian.
    start : array of shape (..., n)
        Where the process starts; one, or a stack.
    steps : int
        Products with ``a``, at most n.
    precision : None, str or Precision
        Arithmetic of the products with ``a``; what is orthogonalised is kept in at least fp32.
    rng : None, int or numpy.random.Generator
        For the random vectors to go on from where the Krylov space ends.

    Returns
    -------
    values : array of shape (..., steps)
        Ritz values, ascending: approximate eigenvalues, the outermost first to be good.
    vectors : array of shape (..., n, steps)
        Ritz vectors, orthonormal columns. Both are NaN where ``a`` or ``start`` holds NaN or
        infinity.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, or an argument is out of range.

    Notes
    -----
    Every vector is orthogonalised twice against all before: 8 k^2 n / 2 flops for k steps.

    References
    ----------
    C. Lanczos, "An iteration method for the solution of the eigenvalue problem of linear
    differential and integral operators", J. Res. Natl. Bur. Stand. 45, 1950.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.krylov import ritz_vectors
    >>> values, vectors = ritz_vectors(np.diag([1.0, 2.0, 3.0, 10.0]), np.ones(4), 3)
    >>> values.round(3)
    array([1.147, 2.769, 9.999])
    """
    start = checks.array(start, "start")
    if start.ndim < 1:
        raise ValueError("start must have shape (..., n), got shape ()")
    n = start.shape[-1]
    steps = check_steps(steps, n, "n")
    arithmetic = Arithmetic(precision, start)
    wide = arithmetic.at_least_fp32(start)
    a = operator(a, arithmetic, size=n)
    if tuple(a.shape[-2:]) != (n, n):
        raise ValueError(f"a must have shape ({n}, {n}) to match start, got {a.shape}")
    made = lanczos(a.matvec, start, steps, arithmetic, wide, generator(rng))
    values, rows = ritz(*made, wide)
    _, alphas, betas = made
    xp, nan = arithmetic.xp, float("nan")
    sound = xp.all(xp.isfinite(xp.stack([*alphas, *betas], axis=-1)), axis=-1)[..., None]
    values, rows = xp.where(sound, values, nan), xp.where(sound[..., None], rows, nan)
    real = arithmetic.xp.real(start).dtype if arithmetic.is_complex else start.dtype
    return arithmetic.leave(values, real), arithmetic.leave(rows.mT)


def check_steps(steps, most, name):
    """Return ``steps`` as an int from 1 to ``most``."""
    steps = checks.count(steps, "steps")
    if steps > most:
        raise ValueError(f"steps must be at most {name} = {most}, got {steps}")
    return steps
