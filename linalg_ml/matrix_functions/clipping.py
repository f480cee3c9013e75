"""The projection onto a ball in the spectral norm: clipped singular values."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, astype, is_traced, real_dtype, to_numpy
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Result, Status, worst
from linalg_ml._core.solve import check_limits, iterate
from linalg_ml._core.verdict import host
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.matrix_functions.direct_methods import SvdPolar, finite_or_identity
from linalg_ml.matrix_functions.polar import check_rcond, choose_method, empty_result
from linalg_ml.matrix_functions.polar_problem import PolarProblem
from linalg_ml.matrix_functions.polynomial_methods import PolynomialMethod
from linalg_ml.matrix_functions.projections import STABLE_METHODS, PsdProblem
from linalg_ml.matrix_functions.spectrum import adjoint, cholesky

CLIP_METHODS = {**STABLE_METHODS, "svd": SvdPolar}
_MOST = 200
_NO_CAP = 2.0


@np.errstate(all="ignore")
def clip_singular_values(
    a,
    bound,
    /,
    *,
    method="polar-express",
    rcond=None,
    degree=None,
    rtol=None,
    atol=0.0,
    maxiter=None,
    steps=None,
    precision=None,
):
    """Compute the matrix nearest to A with spectral norm at most ``bound``: clip singular values.

    Parameters
    ----------
    a : array of shape (..., m, n)
        Real or complex floating point, of any array library.
    bound : float
        Largest singular value allowed, not negative; one number for all matrices of a stack.
    method : str or method instance
        "polar-express", "newton-schulz", "cans" or "chen-chow", the polynomials of `polar`, or
        "svd", the singular value decomposition, as a reference.
    rcond : float, optional
        Lower bound on ``bound`` over the largest singular value. None takes ||A^H A||_F^(1/2) for
        the latter.
    degree : int, optional
        Odd degree of the polynomials, 3 to 13, for the methods that have the choice; 5 if None.
    rtol, atol : float, optional
        What the residual must meet; with neither, 64 m^(1/2) u in fp64 and fp32 and 16 u in
        shorter formats, with the unit roundoff u and the smaller dimension m.
    maxiter : int, optional
        Cap on the steps of the second iteration; 1000 if None.
    steps : int, optional
        Make exactly this many steps of each of the two iterations and test nothing. Excludes
        rtol, atol, maxiter. Works under ``jax.jit`` if ``rcond`` is given.
    precision : None, str or Precision
        Arithmetic of the iterations; the products before and after take at least fp32.

    Returns
    -------
    Result
        ``x``, of shape (..., m, n): each singular value s of A is replaced by min(s, bound).
        ``residual`` is (||(X X^H - bound^2 I) Q||_F / (2 bound) +
        ||Q (A - H O)||_F) / ||A||_F on the wide orientation, with H and O as below and the
        projector Q on the eigenvalues of H above the bound. That ||X||_2 <= bound holds up to
        the tolerance times ||A||_F is seen from a Cholesky factor before success is reported.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not a floating-point array with at least two axes, or an argument is unknown
        or out of range.

    Notes
    -----
    On the wide orientation A = H O with the polar factor O, X = A - P O with the positive part P
    of H - bound I. Only singular values above the bound need be resolved in O, so that the
    iteration does not depend on the small ones: two iterations of 3 products a step at degree 5,
    the second on matrices of the smaller order. In exact arithmetic X is
    (bound O + A - |H - bound I| O)/2.

    In bf16 the error is 0.002 to 0.01 times ||A||_F, in fp16 and TF32 an eighth of that.

    References
    ----------
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932 (polynomials).

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import clip_singular_values
    >>> a = np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 0.5]])
    >>> clip_singular_values(a, 1.0).x.round(6) + 0.0
    array([[1. , 0. , 0. ],
           [0. , 0. , 0.5]])
    """
    a = checks.matrix(a, "a")
    bound = checks.number(bound, "bound", minimum=0)
    rcond = check_rcond(rcond)
    chosen = choose_method(method, degree, CLIP_METHODS)
    limits = check_limits(rtol, atol, maxiter, steps, None, None)
    arithmetic = Arithmetic(precision, a)
    if 0 in a.shape:
        return empty_result(a, {}, chosen, arithmetic, a.shape[:-2])
    if is_traced(a) and (rcond is None or limits.steps is None):
        raise ValueError("rcond and steps must be given inside jax.jit, grad and vmap")
    m, n = a.shape[-2:]
    scaled = PolarProblem(
        adjoint(a) if m > n else a, arithmetic, rcond=rcond or 1.0, steps=limits.steps or 1
    )
    exact = scaled.exact
    cap = bound / astype(scaled._nonzero(scaled.norm), exact.real_dtype)  # for A of norm one
    # A larger one changes nothing, and H - cap I would round H away.
    cap = exact.xp.where(cap > _NO_CAP, _NO_CAP * exact.xp.ones_like(cap), cap)
    if rcond is None:
        ratios = to_numpy(cap / scaled.bound)
        ratios = ratios[np.isfinite(ratios)]
        rcond = max(float(np.min(ratios, initial=1.0)), arithmetic.unit_roundoff)
    if bound == 0 or isinstance(chosen, SvdPolar):
        parts, runs = _directly(scaled.unit, cap, exact), []
    else:
        parts, runs = _iterated(scaled, cap, chosen, rcond, limits)
    x = exact.mm(parts.excess, parts.factor, alpha=-1.0, beta=1.0, y=scaled.unit)
    if bound == 0:
        x = 0 * scaled.unit
    status, residual, criterion, statuses = Status.FIXED_STEPS, None, "none: a fixed number", None
    if limits.steps is None:
        residual = host(_residual(x, scaled.unit, parts, cap, exact))
        target, criterion = _target(limits, min(m, n), arithmetic)
        below = proves_below(x, cap, target, exact)
        statuses = _judged(runs, residual, below, target, to_numpy(scaled.norm))
        status = worst(statuses.flat)
        statuses = statuses if statuses.ndim else None
    arithmetic.count("check_products", exact.counts["products"])
    x = scaled.scaled(x, scaled.norm)
    return Result(
        x=adjoint(x) if m > n else x,
        status=status,
        nit=sum(run.nit for run in runs),
        residual=residual,
        criterion=criterion,
        counts=arithmetic.counts,
        precision=str(arithmetic),
        method=chosen,
        statuses=statuses,
    )


class _Parts(NamedTuple):
    """O, H, the positive part of H - bound I, and the projector on its range."""

    factor: Any
    h: Any
    excess: Any
    projector: Any


@dataclass(frozen=True)
class _Made(PolynomialMethod):
    """A schedule made for the interval at hand."""

    schedule: Schedule

    def schedule_for(self, lower, precision, steps):
        """Take the schedule as it is."""
        return self.schedule


def _iterated(scaled, cap, method, rcond, limits):
    """Return the parts for A of norm one, and the runs that gave them."""
    exact, arithmetic, steps = scaled.exact, scaled.arithmetic, limits.steps
    problem = PolarProblem(scaled.unit, arithmetic, rcond=rcond, steps=steps or 1)
    first = method
    if steps is None:
        first = _Made(_enough(method.schedule_for(problem.lower, arithmetic.name, None), exact))
        steps = problem.steps = len(first.schedule)
    run = iterate(first, problem, arithmetic, steps=steps)
    factor = exact.enter(arithmetic.wide(run.state.x))
    h = exact.mm(scaled.unit, adjoint(factor))
    h = (h + adjoint(h)) / 2
    identity = asarray(np.eye(h.shape[-1]), like=h, dtype=h.dtype)
    given = None if limits.steps is None else rcond
    problem = PsdProblem(
        h - astype(cap, real_dtype(h))[..., None, None] * identity,
        arithmetic,
        rcond=given,
        steps=limits.steps,
    )
    second = iterate(method, problem, arithmetic, steps=limits.steps, maxiter=limits.maxiter)
    excess, _ = problem.parts(second.state.x)
    excess = excess * astype(problem.norm, real_dtype(h))[..., None, None]
    projector = (identity + exact.enter(arithmetic.wide(second.state.x))) / 2
    return _Parts(factor, h, excess, projector), [run, second]


def _enough(rows, arithmetic):
    """Return the schedule with as many steps as make its error one of rounding."""
    steps = len(rows)
    while steps < _MOST and rows.take(steps).error > max(arithmetic.unit_roundoff, 1e-15):
        steps += 1
    return rows.take(steps)


def _directly(unit, cap, exact):
    """Return the parts by the singular value decomposition."""
    p, s, qh = exact.xp.linalg.svd(finite_or_identity(unit, exact.xp), full_matrices=False)
    above = s > cap[..., None]
    excess = exact.xp.where(above, s - cap[..., None], exact.xp.zeros_like(s))
    h, excess, projector = (
        exact.mm(p * astype(values, p.dtype)[..., None, :], adjoint(p))
        for values in (s, excess, above)
    )
    return _Parts(exact.mm(p, qh), h, excess, projector)


def _residual(x, unit, parts, cap, exact):
    """Return how far X is from A with its singular values clipped, where they are clipped."""
    h, q = parts.h, parts.projector
    gap = exact.mm(exact.gram(x), q) - astype(cap * cap, real_dtype(x))[..., None, None] * q
    misfit = exact.mm(q, exact.mm(h, parts.factor, alpha=-1.0, beta=1.0, y=unit))
    # Below the rounding errors of X all bounds are alike.
    least = 16 * h.shape[-1] ** 0.5 * exact.unit_roundoff * exact.xp.ones_like(cap)
    cap = exact.xp.where(cap > least, cap, least)
    return exact.frobenius(gap) / (2 * cap) + exact.frobenius(misfit)


def proves_below(x, cap, slack, exact):
    """Say for which matrices a Cholesky factor shows that ||X||_2 <= cap + slack."""
    most = astype((cap + slack) ** 2, real_dtype(x))[..., None, None]
    identity = asarray(np.eye(x.shape[-2]), like=x, dtype=x.dtype)
    factor = cholesky(most * identity - exact.gram(x), exact)
    return ~to_numpy(exact.xp.any(exact.xp.isnan(factor), axis=(-2, -1)))


def _target(limits, m, arithmetic):
    """Return what the residual must meet, as a number and in words."""
    target = max(limits.rtol or 0.0, limits.atol)
    if limits.rtol is None and not limits.atol:
        long = arithmetic.name in ("fp64", "fp32")
        target = (64 * m**0.5 if long else 16) * arithmetic.unit_roundoff
    return target, f"residual <= {target:.3g}"


def _judged(runs, residual, below, target, norm):
    """Return the status of each matrix."""
    residual = np.asarray(residual)
    failed = Status.STAGNATED
    if any(run.status is Status.MAXITER for run in runs):
        failed = Status.MAXITER
    statuses = np.where((residual <= target) & below, Status.CONVERGED, failed)
    statuses = np.where(np.isfinite(residual), statuses, Status.DIVERGED)
    return np.where(np.isfinite(norm), statuses, Status.NONFINITE_INPUT)
