"""The polar decomposition A = U H."""

from functools import lru_cache

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Result, Status
from linalg_ml._core.solve import Method, check_limits, solve
from linalg_ml.matrix_functions.automatic import (
    Automatic,
    choose_automatically,
    decomposes_at_once,
    weighs,
)
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.matrix_functions.direct_methods import SvdPolar
from linalg_ml.matrix_functions.gram_method import GramIteration, GramPolarExpress
from linalg_ml.matrix_functions.odd_polynomials import check_degree
from linalg_ml.matrix_functions.polar_problem import PolarProblem
from linalg_ml.matrix_functions.polynomial_methods import (
    METHODS,
    WITH_DEGREE,
    FixedSchedule,
    PolarExpress,
    PolynomialMethod,
)
from linalg_ml.matrix_functions.rational_methods import QDWH, Zolotarev
from linalg_ml.matrix_functions.scaled_newton import ScaledNewton
from linalg_ml.matrix_functions.spectrum import adjoint

RATIONAL_METHODS = {"qdwh": QDWH, "zolotarev": Zolotarev, "newton": ScaledNewton}
_OURS = "linalg_ml.matrix_functions."
POLAR_METHODS = {**METHODS, "gram": GramPolarExpress, **RATIONAL_METHODS, "svd": SvdPolar}


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
    """Compute the polar decomposition A = U H of a matrix, or of each matrix of a stack.

    U has orthonormal columns (or rows, if there are fewer) and is the nearest such matrix to A;
    H is Hermitian positive semidefinite. The polynomial methods need only matrix products, besides
    one inversion to estimate the condition number if it is not given; the rational methods
    "qdwh", "zolotarev" and "newton" factorise in each step and need fewer of them.

    Parameters
    ----------
    a : array of shape (..., m, n)
        Real or complex floating point, of any array library.
    method : str, Schedule or method instance
        A `Schedule`, an instance of a class of `linalg_ml.matrix_functions`, or a name:
        "polar-express" : minimax-optimal polynomials, stabilised; the default.
        "cans" : the same without stabilisation; only for fp32 and fp64, and not if A is very
        ill-conditioned.
        "newton-schulz" : one polynomial throughout; slow on small singular values, most accurate.
        "chen-chow" : scaled Newton-Schulz of degree 3.
        "jordan", "you", "cesista" : the lists of coefficients known from optimizers; they do
        not converge, so run them with ``steps``.
        "turbo" : a list for rows scaled beforehand, which changes U; run it with ``steps``. It
        is made for matrices that this scaling leaves well below norm one, and turns a matrix
        with orthonormal rows into its negative.
        "qdwh" : dynamically weighted Halley, by QR and Cholesky factorisations: at most 6 steps
        in fp64 at any condition number, and as accurate as the SVD.
        "zolotarev" : two steps of up to 8 independent factorisations each: more work than
        "qdwh", for machines that can do it at the same time.
        "newton" : scaled Newton, by inverses; at most 9 steps in fp64.
        "gram" : "polar-express" on the small matrix A A^H, formed anew where accuracy asks for
        it: less work on wide and tall matrices.
        "svd" : singular value decomposition, the reference.
        "auto" : looks at shape, condition number, precision and ``rtol`` and takes what should
        be fastest on a CPU in fp64 and fp32: polynomials of planned degrees, with one Halley step
        by a Cholesky factorisation where that pays, or the SVD where A is ill-conditioned. The
        choice is in ``result.method``.
    side : {"right", "left"}
        A = U H with H of order n, or A = H U with H of order m.
    rcond : float, optional
        Lower bound on sigma_min / sigma_max that must be resolved. None estimates it, in at
        least fp32.
    degree : int, optional
        Odd degree of the polynomials, 3 to 13, for the methods that have the choice
        ("polar-express", "cans", "newton-schulz"); 5 if None. From 9 on the large coefficients
        cost "polar-express" digits: at condition number 1e4 one at degree 9, several above.
    rtol, atol : float, optional
        Stop when residual <= max(rtol, atol), the residual being an estimate of the forward
        error. With neither, stop at backward stability: orthogonality and ||A - U H||_F /
        ||A||_F at the level of the precision.
    maxiter : int, optional
        Cap on the steps; 1000 if None.
    steps : int, optional
        Make exactly this many steps and test nothing; the polynomials are made for that number.
        Excludes rtol, atol and maxiter.
    precision : None, str or Precision
        Arithmetic of the iteration: "fp64", "fp32", "tf32", "fp16", "bf16", emulated on a CPU.
        None takes the type of ``a``.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each check; returning
        True stops.
    check_every : int, optional
        Steps between checks; 1 if None.
    history : bool
        Record the measures at each check in ``result.history``.

    Returns
    -------
    Result
        ``x``: U, of shape (..., m, n) and the dtype of ``a``; ``hermitian``: H; ``rcond``: the
        ratio given or estimated. ``residual`` estimates ||X - U||_F / sqrt(n) to first order, in
        at least fp32: (||X^H X - I||_F / 2 + ||A - X H||_F / sigma_min) / sqrt(n), with n the
        smaller dimension. ``counts`` holds the products of the iteration, and
        "check_products" those in at least fp32 for scaling, estimating and checking, "qr",
        "cholesky" and "inverses" the factorisations.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not a floating-point array with at least two axes, or an argument is unknown
        or out of range.

    Notes
    -----
    X <- p(X) = c_0 X + c_1 (X X^H) X + ... on the wide orientation: 2 products a step at degree
    3, 3 at degree 5, 4 at degrees 7 and 9; all but the first and last are of the smaller order.
    At condition number 1e3, degree 5 takes 8 steps in fp64, at 1e15 it takes 28.

    The rational methods factorise in at least fp32 and round each iterate to the precision. For
    n = m a term by QR costs 9 m^3 operations, one by Cholesky 5/2 m^3 and an inverse 2 m^3,
    where a product costs 2 m^3; there is a product to check in each step. "qdwh" and "newton" do
    less work than the polynomials from condition number 1e4 on. A random orthogonal mixing of
    the rows stands in for the pivoting that a QR factorisation or an inverse would need to be
    backward stable here.

    "auto" estimates the condition number by a Cholesky factorisation of A A^H and, where H is
    square of the same order as A and no tolerance is given, takes a bound on the backward error in
    place of the backward error wherever the bound is good enough: one product less. Its Halley
    step is used for condition numbers up to about 150, polynomials of degree 5 come before it up
    to some 1e3, and the SVD beyond. On a GPU the choice is between polynomials alone; in 16-bit
    formats and TF32 it is "polar-express".

    The error of U is about the unit roundoff times the condition number in every method; no
    method resolves singular values below the unit roundoff. Then ``rtol`` cannot be met, and the
    status is STAGNATED. Where A is singular to working precision U is not unique: the status is
    SINGULAR, x has orthonormal rows or is zero in some directions, and A = U H still holds.
    A zero matrix gives zero.

    In bf16 and fp16 give "polar-express" or "newton-schulz"; polynomials without safety factor
    ("cans") can blow up there.

    A polynomial that is not positive turns signs: X is orthonormal then, and A = X H, but H is not
    semidefinite. With "cans", "chen-chow" and a `Schedule` a Cholesky factorisation of H looks for
    that, and the status is BREAKDOWN. On singular matrices they may lose the large singular
    values too; where A = U H does not hold, the status is STAGNATED.

    References
    ----------
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932.
    E. Grishina, M. Smirnov, M. Rakhuba, "Accelerating Newton-Schulz iteration for
    orthogonalization via Chebyshev-type polynomials", 2025, arXiv:2506.10935.
    Y. Nakatsukasa, Z. Bai, F. Gygi, "Optimizing Halley's iteration for computing the matrix polar
    decomposition", SIAM J. Matrix Anal. Appl. 31, 2010.
    Y. Nakatsukasa, R. W. Freund, "Computing fundamental matrix decompositions accurately via the
    matrix sign function in two iterations: The power of Zolotarev's functions", SIAM Review 58,
    2016.
    R. Byers, H. Xu, "A new scaling for Newton's iteration for the polar decomposition and its
    backward stability", SIAM J. Matrix Anal. Appl. 30, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import polar
    >>> result = polar(np.array([[3.0, 1.0], [0.0, 2.0]]))
    >>> result.x.round(6)
    array([[ 0.980581,  0.196116],
           [-0.196116,  0.980581]])
    >>> result.hermitian.round(6)
    array([[2.941742, 0.588348],
           [0.588348, 2.157277]])
    >>> result.converged, result.nit
    (True, 4)
    """
    a = checks.matrix(a, "a")
    checks.choice(side, ("right", "left"), "side")
    rcond = check_rcond(rcond)
    chosen = choose_method(method, degree, {**POLAR_METHODS, "auto": Automatic}, GramIteration)
    automatic, direct = isinstance(chosen, Automatic), isinstance(chosen, SvdPolar)
    limits = check_limits(rtol, atol, maxiter, steps, check_every, callback)
    arithmetic = Arithmetic(precision, a)
    m, n = a.shape[-2:]
    if 0 in a.shape:
        order = n if side == "right" else m
        zeros = arithmetic.xp.zeros((*a.shape[:-2], order, order), dtype=a.dtype)
        extras = {"hermitian": zeros, "rcond": 1.0}
        return empty_result(a, extras, chosen, arithmetic, a.shape[:-2])
    transposed = m > n or (m == n and side == "right")
    asked = automatic
    if automatic and decomposes_at_once(a, arithmetic, limits.steps):
        chosen, automatic, direct = SvdPolar(), False, True
    elif automatic and not weighs(a, arithmetic, limits.steps):
        chosen, automatic = PolarExpress(), False
    problem = PolarProblem(
        adjoint(a) if transposed else a,
        arithmetic,
        rcond=rcond,
        steps=limits.steps,
        transposed=transposed,
        large_side=transposed == (side == "left"),
        estimate="none" if direct else "quick" if automatic else "full",
    )
    if asked:
        problem.bound_backward = (limits.rtol, limits.atol)
    if automatic:
        chosen = choose_automatically(problem, arithmetic, limits.rtol)
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


def choose_method(method, degree, known, others=()):
    """Return a method instance from its name, or the instance given.

    Of the library's own methods an instance must be of a class that ``known`` makes, a polynomial
    method where it makes one, or of one of the classes ``others``.
    """
    if isinstance(method, Schedule):
        method = FixedSchedule(method)
    if isinstance(method, type) and issubclass(method, Method):
        raise TypeError(f"method must be an instance: write {method.__name__}(...)")
    if isinstance(method, Method):
        if degree is not None:
            raise ValueError("degree belongs to a method's name; give it to the instance instead")
        if type(method).__module__.startswith(_OURS) and not _fits(method, known, others):
            raise TypeError(
                f"method must be one of {', '.join(map(repr, known))} or an instance of their "
                f"classes, got {method!r}"
            )
        return method
    name = checks.choice(method, tuple(known), "method")
    if degree is None:
        return known[name]()
    if name not in WITH_DEGREE:
        raise ValueError(f"degree is fixed for method {name!r}; it applies to {WITH_DEGREE}")
    return known[name](degree=check_degree(degree))


def _fits(method, known, others):
    if isinstance(method, others):
        return True
    kinds = _kinds(tuple(known.values()))
    if isinstance(method, PolynomialMethod) and not isinstance(method, GramIteration):
        return any(issubclass(kind, PolynomialMethod) for kind in kinds)
    return type(method) in kinds


@lru_cache
def _kinds(makers):
    return {type(make()) for make in makers}


def empty_result(x, extras, method, arithmetic, stack):
    """Return the result for a matrix, or a stack of this shape, without entries."""

    def each(value):
        return np.full(stack, value) if stack and not hasattr(value, "shape") else value

    return Result(
        x=x + 0,
        status=Status.CONVERGED,
        nit=0,
        residual=each(0.0),
        criterion="none: the matrix is empty",
        extras={name: each(value) for name, value in extras.items()},
        counts=arithmetic.counts,
        precision=str(arithmetic),
        method=method,
        statuses=each(Status.CONVERGED) if stack else None,
    )
