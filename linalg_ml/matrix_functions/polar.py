"""The polar decomposition A = U H."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Result, Status
from linalg_ml._core.solve import Method, check_limits, solve
from linalg_ml.matrix_functions.minimax import check_degree
from linalg_ml.matrix_functions.polar_problem import PolarProblem
from linalg_ml.matrix_functions.polynomial_methods import METHODS, WITH_DEGREE
from linalg_ml.matrix_functions.spectrum import adjoint
from linalg_ml.matrix_functions.svd_method import SvdPolar

POLAR_METHODS = {**METHODS, "svd": SvdPolar}


@np.errstate(all="ignore")
def polar(
    a,
    /,
    *,
    method="polar-express",
    side="right",
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
    """Compute the polar decomposition."""
    a = checks.matrix(a, "a")
    checks.choice(side, ("right", "left"), "side")
    rcond = check_rcond(rcond)
    chosen = choose_method(method, degree, POLAR_METHODS)
    limits = check_limits(rtol, atol, maxiter, steps, check_every, callback)
    arithmetic = Arithmetic(precision, a)
    m, n = a.shape[-2:]
    if 0 in a.shape:
        order = n if side == "right" else m
        zeros = arithmetic.xp.zeros((*a.shape[:-2], order, order), dtype=a.dtype)
        return empty_result(a, {"hermitian": zeros, "rcond": 1.0}, chosen, arithmetic)
    transposed = m > n or (m == n and side == "right")
    problem = PolarProblem(
        adjoint(a) if transposed else a,
        arithmetic,
        rcond=rcond,
        steps=limits.steps,
        transposed=transposed,
        large_side=transposed == (side == "left"),
    )
    return solve(
        chosen,
        problem,
        arithmetic,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        callback=callback,
        check_every=check_every,
        history=history,
    )


def check_rcond(rcond):
    """Return rcond as a float in (0, 1], or None."""
    return None if rcond is None else checks.number(rcond, "rcond", above=0, maximum=1)


def choose_method(method, degree, known):
    """Return a method instance from its name, or the instance given."""
    if isinstance(method, Method):
        if degree is not None:
            raise ValueError("degree belongs to a method's name; give it to the instance instead")
        return method
    name = checks.choice(method, tuple(known), "method")
    if degree is None:
        return known[name]()
    if name not in WITH_DEGREE:
        raise ValueError(f"degree is fixed for method {name!r}; it applies to {WITH_DEGREE}")
    return known[name](degree=check_degree(degree))


def empty_result(a, extras, method, arithmetic):
    """Return the result for a matrix without entries."""
    return Result(
        x=a + 0,
        status=Status.CONVERGED,
        nit=0,
        residual=0.0,
        criterion="none: the matrix is empty",
        extras=extras,
        counts=arithmetic.counts,
        precision=str(arithmetic),
        method=method,
    )
