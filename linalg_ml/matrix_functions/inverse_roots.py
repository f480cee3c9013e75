"""Inverse p-th roots of positive definite matrices, as Shampoo and its relatives use them."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, astype, dtype_name, dtype_of, real_dtype
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Result, Status, worst
from linalg_ml._core.solve import check_limits, iterate
from linalg_ml._core.verdict import host
from linalg_ml.matrix_functions.inverse_root_methods import (
    EighInverseRoot,
    InverseNewton,
    InverseRootProblem,
    inverse_root_residual,
)
from linalg_ml.matrix_functions.polar import check_rcond, choose_method, empty_result
from linalg_ml.matrix_functions.polar_problem import unit_matrix
from linalg_ml.matrix_functions.polynomial_methods import METHODS, PolynomialMethod
from linalg_ml.matrix_functions.root_problem import CoupledRootProblem
from linalg_ml.matrix_functions.sign import symmetric_part
from linalg_ml.matrix_functions.spectrum import largest_eigenvalue

INVERSE_ROOT_METHODS = {
    **{name: METHODS[name] for name in ("polar-express", "newton-schulz", "cans", "chen-chow")},
    "accelerated-newton": InverseNewton,
    "newton": lambda: InverseNewton(accelerated=False),
    "eigh": EighInverseRoot,
}
_USABLE = (Status.CONVERGED, Status.FIXED_STEPS, Status.STAGNATED)


@np.errstate(all="ignore")
def inverse_root(
    a,
    p,
    /,
    *,
    eps=0.0,
    method="polar-express",
    rcond=None,
    degree=None,
    rtol=None,
    atol=0.0,
    maxiter=None,
    steps=None,
    precision=None,
    callback=None,
    check_every=None,
    history=False,
):
    """Compute (A + eps lambda_max I)^(-1/p) of a positive semidefinite matrix.

    Parameters
    ----------
    a : array of shape (..., n, n)
        Symmetric or Hermitian (checked), positive semidefinite up to rounding; positive definite
        if ``eps`` is zero. Of any array library.
    p : int
        At least 1.
    eps : float
        Regularisation, relative to the largest eigenvalue of A; the number added to the diagonal
        is ``result.ridge``. For optimizers, which keep A as a sum of G G^H, 1e-6 is usual in
        fp32; in bf16 take at least 1e-3.
    method : str or method instance
        "polar-express" : for p = q 2^k with q odd, k square roots by minimax-optimal polynomials
        and, if q > 1 or p = 1, an accelerated iteration for the inverse q-th root; the default.
        "newton-schulz", "cans", "chen-chow" : other polynomials for the square roots.
        "accelerated-newton" : that iteration for the inverse p-th root at once; at p = 4 a quarter
        fewer products and a larger residual, up to the square root of the condition number.
        "newton" : Newton's method for the inverse p-th root; slow if A is ill-conditioned.
        "eigh" : the eigendecomposition, as a reference.
    rcond : float, optional
        Lower bound on the smallest over the largest eigenvalue of A + eps lambda_max I that must
        be resolved. None estimates it by one inversion or, with ``steps`` and a positive
        ``eps``, takes eps / (1 + eps).
    degree : int, optional
        Odd degree of the polynomials of square roots, 3 to 13, for the methods that have the
        choice; 5 if None.
    rtol, atol : float, optional
        What the residual must meet. With neither: 64 n^(1/2) u / rcond and u^(1/3), whichever is
        less, with the unit roundoff u. The iteration goes on as long as it helps in any case.
    maxiter : int, optional
        Cap on the steps of each root; 1000 if None.
    steps : int, optional
        Make exactly this many steps in each root (k or k + 1 of them) and test nothing. Excludes
        rtol, atol, maxiter. Works under ``jax.jit`` if ``eps`` or ``rcond`` is given; nothing is
        looked at then.
    precision : None, str or Precision
        Arithmetic of the products.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` of the present root after each
        check; returning True stops.
    check_every : int, optional
        Steps between checks; 1 if None.
    history : bool
        Record the measures at each check in ``result.history``, for one root after the other.

    Returns
    -------
    Result
        ``x``: the inverse root, of shape (..., n, n), NaN if A + eps lambda_max I is indefinite
        (BREAKDOWN). ``ridge``: what was added to the diagonal. ``residual`` is
        ||X^p (A + ridge I) - I||_F / n^(1/2), computed in at least fp32. ``nit``: steps, of all
        roots together. A matrix that is singular to working precision is SINGULAR: raise ``eps``.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not square, Hermitian and floating point, or an argument is unknown or out
        of range.

    Notes
    -----
    A square root is Y <- Y h(Z Y), Z <- h(Z Y) Z from Y = A, Z = I, with the polynomials p(x) =
    x h(x^2) of `polar`: at degree 5, 4 products a step. Y tends to A^(1/2), Z to A^(-1/2); the
    next root is of Z, whose condition number is only the square root. The iteration for
    odd q is X <- X T, M <- T^q M with T = a I - b M, from M = A: for each interval the a and b
    that are best for it, in closed form.

    lambda_max is estimated by power iteration, to a few per cent and from below. The error of X
    is about u / (p rcond), relative to its norm; the residual is up to 1 / rcond times larger.
    At p = 4, n = 32 and the condition numbers 1e3, 1e6, 1e9, the residual in fp64 is

    =====================  ======  ======  ======  ==============
    "polar-express"        8e-14   2e-10   4e-6    42, 54, 66 products
    "accelerated-newton"   1e-13   3e-9    2e-4    31, 43, 55 products
    "newton"               3e-14   7e-11   4e-8    47, 79, 107 products
    "eigh"                 9e-14   5e-11   3e-8
    =====================  ======  ======  ======  ==============

    and the relative error of X in all of them about 5e-15, 3e-12 and 3e-9.

    In bf16, rounding A alone changes the root by 0.004 / (p rcond). At condition numbers 8, 64 and
    1000 the residual is about 0.01, 0.02 and 0.1; the relative error of X is 0.003, 0.004 and 0.06
    at p = 4, and 0.005, 0.008 and 0.13 at p = 2. In fp16 it is 0.0006, 0.002 and 0.002 at p = 4.

    References
    ----------
    N. J. Higham, "Functions of Matrices: Theory and Computation", SIAM, 2008 (chapters 6, 7).
    V. Gupta, T. Koren, Y. Singer, "Shampoo: Preconditioned stochastic tensor optimization", 2018,
    arXiv:1802.09568.
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932 (polynomials).

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import inverse_root
    >>> a = np.array([[8.5, 7.5], [7.5, 8.5]])
    >>> inverse_root(a, 4).x.round(6)
    array([[ 0.75, -0.25],
           [-0.25,  0.75]])
    >>> inverse_root(np.ones((2, 2)), 2).status
    Status.SINGULAR
    >>> inverse_root(np.ones((2, 2)), 2, eps=0.125).x.round(6)
    array([[ 1.333333, -0.666667],
           [-0.666667,  1.333333]])
    """
    a = checks.square(a, "a")
    p = checks.count(p, "p")
    eps = checks.number(eps, "eps", minimum=0)
    rcond = check_rcond(rcond)
    chosen = choose_method(method, degree, INVERSE_ROOT_METHODS)
    limits = check_limits(rtol, atol, maxiter, steps, check_every, callback)
    arithmetic = Arithmetic(precision, a)
    if 0 in a.shape:
        return empty_result(a, {"ridge": 0.0, "rcond": 1.0}, chosen, arithmetic, a.shape[:-2])
    a = symmetric_part(a, "other matrices have no inverse root here")
    if rcond is None and eps > 0 and limits.steps is not None:
        rcond = eps / (1 + eps)
    unit, norm, exact = unit_matrix(a, arithmetic)
    largest = exact.xp.sqrt(largest_eigenvalue(exact.gram(unit), exact))
    ridge = eps * largest
    lost = exact.xp.full_like(ridge, float("nan"))
    ridge = exact.xp.where(exact.xp.isfinite(norm), ridge, lost)  # an overflow left A / inf = 0
    identity = asarray(np.eye(a.shape[-1]), like=unit, dtype=unit.dtype)
    unit = unit + astype(ridge, real_dtype(unit))[..., None, None] * identity
    runs, x = _chain(
        unit,
        p,
        chosen,
        arithmetic,
        rcond,
        {"maxiter": maxiter, "steps": steps, "callback": callback,
         "check_every": check_every, "history": history},
    )  # fmt: skip
    residual, criterion, statuses = None, runs[0].criterion, None
    status = worst(run.status for run in runs)
    if limits.steps is None:
        residual = host(inverse_root_residual(x, p, unit, exact))
        target, criterion = _target(limits, runs[0].problem, arithmetic)
        statuses = _judged(runs, residual, target)
        status = worst(statuses.flat)
    arithmetic.count("check_products", exact.counts["products"])
    return Result(
        x=_scaled_back(x, norm, p, arithmetic, exact),
        status=status,
        nit=sum(run.nit for run in runs),
        residual=residual,
        criterion=criterion,
        extras={"ridge": _in_wide(norm, exact) * ridge, "rcond": runs[0].problem.rcond},
        counts=arithmetic.counts,
        history=tuple(record for run in runs for record in run.history) if history else None,
        precision=str(arithmetic),
        method=chosen,
        statuses=statuses if statuses is not None and statuses.ndim else None,
    )


def _chain(unit, p, method, arithmetic, rcond, options):
    """Run one root after the other; return the Runs and A^(-1/p), A of Frobenius norm about one."""
    runs, x, steps = [], unit, options["steps"]
    inverted = False
    if isinstance(method, PolynomialMethod):
        while p % 2 == 0:
            problem = CoupledRootProblem(x, arithmetic, rcond=rcond, steps=steps)
            runs.append(iterate(method, problem, arithmetic, **options))
            root, inverse = problem.values(runs[-1].state.x)
            p //= 2
            # The inverse at once if nothing but square roots follow, otherwise at the end.
            x, inverted = (inverse, True) if not inverted and p & (p - 1) == 0 else (root, inverted)
            rcond = None if rcond is None else rcond**0.5
        method = InverseNewton()
    if not inverted:
        problem = InverseRootProblem(x, p, arithmetic, rcond=rcond, steps=steps)
        runs.append(iterate(method, problem, arithmetic, **options))
        x = problem.value(runs[-1].state.x)
    indefinite = runs[0].problem.indefinite
    if indefinite is not None:
        xp = problem.exact.xp
        x = xp.where(indefinite[..., None, None], xp.full_like(x, float("nan")), x)
    return runs, x


def _target(limits, problem, arithmetic):
    """Return what the residual must meet, a number for each matrix, and that in words."""
    if limits.rtol is not None or limits.atol:
        target = max(limits.rtol or 0.0, limits.atol)
        return target, f"residual <= {target:.3g}"
    u, n = arithmetic.unit_roundoff, problem.unit.shape[-1]
    condition = 1 / np.maximum(problem.rcond, u)
    target = np.minimum(64 * n**0.5 * u * condition, u ** (1 / 3))
    return target, f"residual <= {float(np.max(target)):.3g}"


def _judged(runs, residual, target):
    """Return the status of each matrix: what stopped its first failed root, or the residual."""
    residual = np.asarray(residual)
    statuses = np.where(residual <= target, Status.CONVERGED, Status.STAGNATED)
    for run in reversed(runs):
        found = np.asarray(run.status if run.statuses is None else run.statuses, object)
        unusable = ~np.isin(found.astype(object), np.array(_USABLE, object))
        statuses = np.where(np.broadcast_to(unusable, residual.shape), found, statuses)
    return statuses


def _in_wide(norm, exact):
    wide = exact.name == "fp64" or dtype_name(norm) == "float64"
    return astype(norm, dtype_of("float64", norm) if wide else exact.real_dtype)


def _scaled_back(x, norm, p, arithmetic, exact):
    """Return X for A of its own norm, in the dtype of the input."""
    xp = exact.xp
    norm = _in_wide(xp.where(norm == 0, xp.ones_like(norm), norm), exact)
    if dtype_name(norm) == "float64":
        x = astype(x, dtype_of("complex128" if exact.is_complex else "float64", x))
    return arithmetic.leave(x * (norm ** (-1 / p))[..., None, None])
