"""Newton's method for equality-constrained problems, with sketched or other inner solves."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.solve import check_limits, solve
from linalg_ml.constrained.augmented_lagrangian import AugmentedLagrangian
from linalg_ml.constrained.evaluation import Evaluation
from linalg_ml.constrained.l1_penalty import AdaptiveL1Penalty, ByrdCurtisNocedal
from linalg_ml.constrained.newton_method import SketchedNewton
from linalg_ml.constrained.newton_type import NewtonTypeMethod
from linalg_ml.constrained.problem import as_problem, start_array

_METHODS = {
    "recommended": SketchedNewton,
    "published": SketchedNewton.published,
}
_BASELINES = {
    "adaptive-l1": AdaptiveL1Penalty,
    "l1": ByrdCurtisNocedal,
    "augmented-lagrangian": AugmentedLagrangian,
}


@np.errstate(all="ignore")
def sketched_newton(
    problem,
    start,
    /,
    *,
    inner=None,
    block=None,
    method="recommended",
    multipliers=None,
    rtol=None,
    atol=0.0,
    maxiter=None,
    steps=None,
    precision=None,
    rng=None,
    callback=None,
    check_every=None,
    history=False,
):
    """Minimise f(x) subject to c(x) = 0 by Newton's method on an exact augmented Lagrangian.

    Parameters
    ----------
    problem : EqualityProblem
        Or an object with functions ``fun`` and ``con`` and perhaps ``grad``, ``jac``, ``hess``.
    start : array of shape (n,)
        Where to start, float32 or float64, of any array library; it need not be feasible.
    inner : str, optional
        Solver of the Newton system K dz = -(grad_x L, c), K = [[B, G^T], [G, 0]]:

        - "block" (the default): blocks of rows in random order, each made orthogonal to those
          before. Ends after all rows, whatever the condition number;
        - "exact": a factorisation, L D L^T where the library has it;
        - "minres", "gmres": Krylov methods;
        - "rows", "gaussian", "sparse-sign": sketch and project on blocks, see
          `sketch_and_project`. They suit systems with few large singular values;
        - "gaussian-vector", "kaczmarz": sketch and project on one vector or row at a time, as
          published. Slow: a few hundred times as many products as "minres" on a
          well-conditioned system.
    block : int, optional
        Rows or columns of a sketch; (n + m) / 4 if None, at least 8 except for "block".
    method : str or method
        "recommended"; "published": AdaSketch-Newton as its authors run it, by default with
        ``inner="gaussian-vector"``; or a `constrained.SketchedNewton` with parameters of your
        own. The baselines of the paper, all with GMRES: "adaptive-l1" and "l1", sequential
        quadratic programming on f + mu ||c||_1, and "augmented-lagrangian", the classical
        method. All but the first two exclude ``inner`` and ``block``.
    multipliers : array of shape (m,), optional
        Those to start from; zero if None.
    rtol, atol : float, optional
        Stop when ||(grad_x L, c)|| <= max(rtol times its value at the start, atol). With
        neither, when it is at most 1e-6 (1e-3 in float32).
    maxiter : int, optional
        Cap on the Newton steps; 300 if None, 10000 for the baselines.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol and maxiter.
    precision : None, str or Precision
        Arithmetic of the products in the inner solves. Functions, residuals and the line search
        are in the dtype of ``start``.
    rng : None, int or numpy.random.Generator
        Draws the sketches.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each check; returning
        True stops.
    check_every : int, optional
        Steps between checks; 1 if None.
    history : bool
        Record at each check in ``result.history``: "residual" and its parts "stationarity" and
        "feasibility", "value", "step_length", "inner_steps", and what the method adapts: "eta1",
        "eta2", "delta" for the first two.

    Returns
    -------
    Result
        ``x`` of shape (n,), ``multipliers`` (m,), ``value`` = f(x), and ``reason``: in words, why
        no further step could be made, if so. ``residual`` is ||(grad_x L, c)||. ``counts``: calls
        of "fun", "con", "grad", "jac", "hess"; "systems" solved; their "matvecs", "products"
        and "flops".

        USER_FUNCTION: a function was NaN or infinite, or not differentiable; ``criterion`` names
        it and the iterate, and x is the last iterate where all was well. STAGNATED: see
        ``reason``; the constraints may be inconsistent. SINGULAR: "published" alone, where the
        Jacobian is close to rank-deficient.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or a function returns the wrong type or shape.

    Notes
    -----
    Each step moves x and the multipliers together along dz, by a step length that decreases

        f + lam^T c + eta1 / 2 ||c||^2 + eta2 / 2 ||grad_x L||^2

    enough (Armijo). eta1 grows and eta2 falls until dz is a direction of descent with slope at
    most -eta2 / 2 ||(grad_x L, c)||^2. B is the Hessian H of the Lagrangian, changed on the
    null space of the Jacobian G where it is not positive definite there: negative curvatures
    are replaced by their sizes. If the step is shorter than 1/4, up to three more directions
    are tried, with more curvature each; if the last is still shorter than 1/16, eta2 falls by
    10. Where G is rank-deficient its rows are combined to independent ones. "published" adds
    ||H||_F + 0.1 times the identity instead, tries one direction, stops at a rank-deficient G,
    and asks of the inner solver for

        ||K|| Psi ||r|| <= delta ||(grad_x L, c)||

    with Psi, an upper bound of ||K^-1|| that may be a million times too large, so that single
    vectors run to rounding or to their cap of 100000 at almost every step.

    A step costs a singular value decomposition of G, eigenvalues of order n - m, and the inner
    solve, so it is for dense problems of up to some thousand variables. Near a solution with
    full-rank G and positive curvature the steps are full and converge quadratically, or as fast
    as the inner solves are accurate.

    References
    ----------
    I. Hong, S. Na, M. W. Mahoney, M. Kolar, "Constrained optimization via exact augmented
    Lagrangian and randomized iterative sketching", ICML 2023, arXiv:2305.18379.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import EqualityProblem, sketched_newton
    >>> problem = EqualityProblem(lambda x: x[0] + x[1], lambda x: np.stack([x @ x - 2.0]))
    >>> result = sketched_newton(problem, np.array([-2.0, 0.5]), rng=0)
    >>> result.x.round(6), result.multipliers.round(6)
    (array([-1., -1.]), array([0.5]))
    >>> result.converged
    True
    """
    problem = as_problem(problem)
    start = start_array(start, "start")
    check_limits(rtol, atol, maxiter, steps, check_every, callback)
    method = _method(method, inner, block)
    arithmetic = Arithmetic(precision, start)
    return solve(
        method,
        Evaluation(problem, start, multipliers, arithmetic, rng),
        arithmetic,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        callback=callback,
        check_every=check_every,
        history=history,
    )


def _method(method, inner, block):
    """Return the method from its name or itself."""
    given = {"inner": inner, "block": block}
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(method, NewtonTypeMethod):
        if given:
            raise ValueError(f"method has parameters of its own, so it excludes {', '.join(given)}")
        return method
    checks.choice(method, (*_METHODS, *_BASELINES), "method")
    if method in _BASELINES:
        if given:
            raise ValueError(f"method {method!r} uses GMRES, so it excludes {', '.join(given)}")
        return _BASELINES[method]()
    return _METHODS[method](**given)
