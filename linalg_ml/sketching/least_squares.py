"""Overdetermined least squares by sketching."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Result, Status
from linalg_ml._core.solve import check_limits, solve
from linalg_ml.sketching.embeddings import KINDS
from linalg_ml.sketching.least_squares_methods import (
    Fossils,
    IterativeSketching,
    LeastSquaresMethod,
)
from linalg_ml.sketching.preconditioned_lsqr import PreconditionedLsqr
from linalg_ml.sketching.sketched_problem import SketchedProblem, fits

METHODS = {"fossils": Fossils, "iterative": IterativeSketching, "lsqr": PreconditionedLsqr}


@np.errstate(all="ignore")
def sketched_lstsq(
    a,
    b,
    /,
    *,
    method="fossils",
    sketch="sparse-sign",
    size=None,
    rtol=None,
    atol=0.0,
    maxiter=None,
    steps=None,
    x0=None,
    precision=None,
    rng=None,
    callback=None,
    check_every=None,
    history=False,
):
    """Solve min ||b - A x|| for a tall A with the help of a sketch of it.

    Parameters
    ----------
    a : array of shape (m, n), m >= n, sparse matrix, or operator
        Real or complex, of the library of ``b``. An operator has ``shape``, ``matvec`` and
        ``rmatvec``, and is sketched by ``size`` products.
    b : array of shape (m,) or (..., m)
        One right-hand side, or a stack of them.
    method : {"fossils", "iterative", "lsqr"} or an instance
        "fossils" is backward stable, as LAPACK is. "iterative" (iterative sketching with
        momentum) and "lsqr" (preconditioned by the sketch) are forward stable: x is as good as
        LAPACK's, ||b - A x|| up to rounding too, but A^H (b - A x) need not be as small.
    sketch : {"sparse-sign", "gaussian", "srht", "count", "rows"}
        See `embedding`.
    size : int, optional
        Rows s of the sketch. More make fewer steps; None takes 4 n + 40, and for dense A with
        m well above n^2 / 100 more, up to 32 n: then they cost less than they save.
    rtol, atol : float, optional
        Stop when the relative backward error <= max(rtol, atol). None for both: 4 u for
        "fossils", 30 u^(1/2) for the others, u the unit roundoff, and a last step that is
        negligible beside rounding, which is what makes x as good as it can be.
    maxiter : int, optional
        Cap on the steps; 200 if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol and maxiter.
    x0 : array of shape (..., n), optional
        Starting point; the solution of the sketched problem if None.
    precision : None, str or Precision
        Arithmetic of the products with A; the sketch and all else is done in at least fp32.
    rng : None, int or numpy.random.Generator
        Draws the sketch.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each check; returning
        True stops.
    check_every : int, optional
        Steps between checks; 1 if None, 4 for "lsqr".
    history : bool
        Record the measures at each check in ``result.history``.

    Returns
    -------
    Result
        ``x`` of shape (..., n) and the dtype of ``b``; ``rank`` and ``condition``, estimates
        for A with its columns scaled. ``residual`` is the relative backward error, recomputed
        from x as returned: how little A and b must change, relative to ||A||_F and ||b||, for x
        to solve the problem. It is estimated from the sketch and good to a factor of about 2. The
        status is SINGULAR where singular values below 30 u ||A||_F were taken for zero.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, or an argument is unknown or out of range.

    Notes
    -----
    With S A D^-1 = Q R, D the column norms of S A, the matrix A D^-1 R^-1 has singular values in
    1 / (1 +- (n/s)^(1/2)). With beta = n / s and alpha = (1 - beta)^2,

    - "iterative": x += alpha (D R^H R D)^-1 A^H (b - A x) + beta (x - x before);
    - "fossils": the same for the correction y of a refinement x + D^-1 R^-1 y, so that rounding
      is relative to the correction; two rounds are enough;
    - "lsqr": LSQR on A D^-1 R^-1.

    The error ||A (x - x*)|| falls by (n/s)^(1/2) a step in each, 0.5 for s = 4 n. The start
    has ||b - A x|| <= (1 + e) / (1 - e) times the least, e = (n/s)^(1/2).
    Cost: 16 m n flops for the sketch, 2 s n^2 for its factor, and a step reads A once (twice
    for "lsqr"): 4 m n flops. For m = 40 n that is a tenth of the flops of LAPACK's QR.

    The relative backward error is the sketched Karlson-Walden estimate
    theta / (1 + theta^2 ||D x||^2)^(1/2) ||(R^H R + c I)^(-1/2) D^-1 A^H r|| / ||R||_F with
    r = b - A x, theta = ||R||_F / ||b|| and c = theta^2 ||r||^2 / (1 + theta^2 ||D x||^2).

    References
    ----------
    E. Epperly, M. Meier, Y. Nakatsukasa, "Fast randomized least-squares solvers can be just as
    accurate and stable as classical direct solvers", 2024, arXiv:2406.03468. E. Epperly, "Fast
    and forward stable randomized algorithms for linear least-squares problems", SIAM J. Matrix
    Anal. Appl. 45, 2024, arXiv:2311.04362. H. Avron, P. Maymounkov, S. Toledo, "Blendenpik:
    Supercharging LAPACK's least-squares solver", SIAM J. Sci. Comput. 32, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import sketched_lstsq
    >>> t = np.linspace(0, 1, 2000)
    >>> a = np.stack([t**k for k in range(4)], axis=1)
    >>> result = sketched_lstsq(a, np.exp(t), rng=0)
    >>> result.x.round(4)
    array([0.9991, 1.0183, 0.4213, 0.2786])
    >>> result.converged
    True
    """
    if not isinstance(method, LeastSquaresMethod):
        method = METHODS[checks.choice(method, tuple(METHODS), "method")]()
    checks.choice(sketch, KINDS, "sketch")
    size = None if size is None else checks.count(size, "size")
    b = checks.array(b, "b")
    if b.ndim < 1:
        raise ValueError("b must have shape (..., m), got shape ()")
    check_limits(rtol, atol, maxiter, steps, check_every, callback)
    arithmetic = Arithmetic(precision, b)
    shape = tuple(getattr(a, "shape", ())) or tuple(np.shape(a))
    if (len(shape) == 2 and shape[1] == 0) or 0 in b.shape[:-1]:
        fits(shape, b)
        return _empty(method, b, shape[1], arithmetic)
    problem = SketchedProblem(a, b, arithmetic, sketch, size, rng)
    if x0 is not None:
        x0 = checks.array(x0, "x0")
        checks.same_home(b=b, x0=x0)
        checks.same_shape(x0, (*b.shape[:-1], problem.shape[1]), "x0")
    return solve(
        method,
        problem,
        arithmetic,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        x0=x0,
        callback=callback,
        check_every=check_every,
        history=history,
    )


def _empty(method, b, n, arithmetic):
    residual = np.zeros(b.shape[:-1])
    xp = arithmetic.xp
    return Result(
        x=xp.zeros((*b.shape[:-1], n), dtype=b.dtype, device=arithmetic.device),
        status=Status.CONVERGED,
        nit=0,
        residual=residual if residual.ndim else 0.0,
        criterion="none: there are no unknowns",
        counts=arithmetic.counts,
        precision=str(arithmetic),
        method=method,
        statuses=np.full(residual.shape, Status.CONVERGED) if residual.ndim else None,
    )
