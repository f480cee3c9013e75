"""The square root of a matrix."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.solve import check_limits, solve
from linalg_ml.matrix_functions.direct_methods import DirectMethod
from linalg_ml.matrix_functions.general_root_problem import GeneralRootProblem
from linalg_ml.matrix_functions.gram_method import GramIteration
from linalg_ml.matrix_functions.polar import check_rcond, choose_method, empty_result
from linalg_ml.matrix_functions.polynomial_methods import METHODS, NewtonSchulz, PolynomialMethod
from linalg_ml.matrix_functions.root_methods import DenmanBeavers, EighRoot
from linalg_ml.matrix_functions.root_problem import (
    CholeskyRootProblem,
    CoupledRootProblem,
)
from linalg_ml.matrix_functions.sign import symmetric_part

_POLYNOMIAL = ("polar-express", "newton-schulz", "cans", "chen-chow")
POSITIVE_METHODS = {
    **{name: METHODS[name] for name in _POLYNOMIAL},
    "newton": DenmanBeavers,
    "eigh": EighRoot,
}
GENERAL_METHODS = {"newton": DenmanBeavers, "newton-schulz": NewtonSchulz}


@np.errstate(all="ignore")
def sqrtm(
    a,
    /,
    *,
    spectrum="positive",
    method=None,
    form=None,
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
    """Compute the principal square root A^(1/2) of a matrix, and its inverse.

    Parameters
    ----------
    a : array of shape (..., n, n)
        Real or complex floating point, of any array library.
    spectrum : {"positive", "general"}
        What is known of A. "positive": A is symmetric or Hermitian (checked), with no negative
        eigenvalue. "general": no eigenvalue is zero or negative.
    method : str or method instance, optional
        For a positive spectrum:
        "polar-express" : minimax-optimal polynomials; the default.
        "newton-schulz", "cans", "chen-chow" : the other polynomials of `polar`.
        "newton" : one inversion per step, with scaling (Denman-Beavers, product form).
        "eigh" : the eigendecomposition, as a reference.
        For a general one: "newton", the default; "newton-schulz", which needs no inversion but
        ||I - A / c||_2 < 1, c = ||A^2||_F^(1/2).
    form : {"cholesky", "coupled"}, optional
        How the polynomials are used. "cholesky" (None means this): A = L L^H, and L = A^(1/2) V
        with the polar factor V; backward stable, and works on singular matrices. "coupled":
        Y <- Y h(Z Y), Z <- h(Z Y) Z from Y = A, Z = I; besides an estimate of the
        smallest eigenvalue, which ``rcond`` saves, products alone. A polynomial for a general
        spectrum is always coupled.
    rcond : float, optional
        Lower bound on the smallest over the largest (absolute) eigenvalue that must be resolved.
        None estimates it, by one inversion.
    degree : int, optional
        Odd degree of the polynomials, 3 to 13, for the methods that have the choice; 5 if None.
    rtol, atol : float, optional
        Stop when residual <= max(rtol, atol). With neither: when the residual is as small as the
        precision and the form allow, see Notes.
    maxiter : int, optional
        Cap on the steps; 1000 (100 for "newton") if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol, maxiter. Together
        with ``rcond`` it works under ``jax.jit``.
    precision : None, str or Precision
        Arithmetic of the iteration. Factorisations, inversions and the residual take at least
        fp32.
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
        ``x``: A^(1/2), of shape (..., n, n); ``inverse``: A^(-1/2), NaN where A is singular;
        ``rcond``: the ratio given or estimated. ``residual`` is ||X^2 - A||_F / ||A||_F, computed
        in at least fp32. For a matrix that is not positive semidefinite although "positive" was
        declared, the status is BREAKDOWN and ``x`` is NaN: if its eigenvalues are off the closed
        negative axis use "general", if it is indefinite by noise alone `project_psd`. With an
        eigenvalue on the negative axis "general" ends in BREAKDOWN, or in STAGNATED where the
        iteration does not settle, and in SINGULAR for zero.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not square and floating point, not Hermitian although that was declared, or
        an argument is unknown or out of range.

    Notes
    -----
    With p(x) = x h(x^2) the polynomials of `polar` for [rcond^(1/2), 1]. Products per step on a
    square matrix at degree 5: 3 in Cholesky form, 4 coupled. By default "cholesky" and "eigh" ask
    for a residual <= 16 max(n, 25)^(1/2) u (in 16-bit formats and TF32, 8 u), with the unit
    roundoff u. In all other cases the error is about u times the condition number of the root,
    which no step can undo, and the default is a residual <= 2 u ||X||_F ||X^-1||_F (for n < 9, 6 /
    n^(1/2) in place of 2; in 16-bit formats and TF32, 8/n) and <= u^(1/2). The error of the inverse
    is about u times the condition number of A.

    For n = 64 and eigenvalues from 1/k to 1, the residual in fp64 is in Cholesky form 1e-15, 3e-15
    and 4e-15 for k = 1e4, 1e8 and 1e12, and coupled 1e-14, 2e-13 and 3e-11.

    A singular positive semidefinite matrix has one positive semidefinite root; it is CONVERGED
    in Cholesky form and by "eigh", and SINGULAR in the others, which need the inverse.

    References
    ----------
    N. J. Higham, "Functions of Matrices: Theory and Computation", SIAM, 2008 (chapter 6).
    S. H. Cheng, N. J. Higham, C. S. Kenney, A. J. Laub, "Approximating the logarithm of a matrix
    to specified accuracy", SIAM J. Matrix Anal. Appl. 22, 2001 (product form).
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932 (polynomials).

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import sqrtm
    >>> result = sqrtm(np.array([[5.0, 4.0], [4.0, 5.0]]))
    >>> result.x.round(6)
    array([[2., 1.],
           [1., 2.]])
    >>> result.inverse.round(6)
    array([[ 0.666667, -0.333333],
           [-0.333333,  0.666667]])
    >>> sqrtm(np.array([[1.0, 2.0], [2.0, 1.0]])).status
    Status.BREAKDOWN
    >>> sqrtm(np.array([[1.0, 1.0], [0.0, 4.0]]), spectrum="general").x.round(6)
    array([[1.      , 0.333333],
           [0.      , 2.      ]])
    """
    a = checks.square(a, "a")
    checks.choice(spectrum, ("positive", "general"), "spectrum")
    general = spectrum == "general"
    if method is None:
        method = "newton" if general else "polar-express"
    others = () if general or form == "coupled" else (GramIteration,)
    known = GENERAL_METHODS if general else POSITIVE_METHODS
    chosen = choose_method(method, degree, known, others)
    make = GeneralRootProblem if general else _positive_form(form, chosen)
    if general and form not in (None, "coupled"):
        raise ValueError(f"form must be None or 'coupled' for a general spectrum, got {form!r}")
    limits = check_limits(rtol, atol, maxiter, steps, check_every, callback)
    rcond = check_rcond(rcond)
    arithmetic = Arithmetic(precision, a)
    if 0 in a.shape:
        return empty_result(a, {"inverse": a + 0, "rcond": 1.0}, chosen, arithmetic, a.shape[:-2])
    if not general:
        a = symmetric_part(a, "off the negative real axis declare spectrum='general'")
    return solve(
        chosen,
        make(a, arithmetic, rcond=rcond, steps=limits.steps),
        arithmetic,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        callback=callback,
        check_every=check_every,
        history=history,
    )


def _positive_form(form, method):
    """Return the problem class for a form and a method."""
    if form is not None:
        checks.choice(form, ("cholesky", "coupled"), "form")
    if isinstance(method, PolynomialMethod):
        return CoupledRootProblem if form == "coupled" else CholeskyRootProblem
    if form == "cholesky":
        kind = "decomposition" if isinstance(method, DirectMethod) else "inversion"
        raise ValueError(f"form='cholesky' is for polynomial methods, got a method by {kind}")
    return CoupledRootProblem
