"""The matrix sign function."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_traced
from linalg_ml._core.precision import UNIT_ROUNDOFF, Arithmetic
from linalg_ml._core.solve import check_limits, solve
from linalg_ml.matrix_functions.direct_methods import EighSign, SvdPolar
from linalg_ml.matrix_functions.general_sign import (
    GENERAL_METHODS,
    GeneralSignProblem,
    SignByInversion,
)
from linalg_ml.matrix_functions.gram_method import GramIteration
from linalg_ml.matrix_functions.polar import (
    RATIONAL_METHODS,
    check_rcond,
    choose_method,
    empty_result,
)
from linalg_ml.matrix_functions.polynomial_methods import METHODS
from linalg_ml.matrix_functions.sign_problem import RealSignProblem, SymmetricSignProblem
from linalg_ml.matrix_functions.spectrum import at_least_fp32, hermitian_mean

# AOL scaling changes the matrix from one side, so "turbo" has no place here.
REAL_METHODS = {name: make for name, make in METHODS.items() if name != "turbo"}
SYMMETRIC_METHODS = {**REAL_METHODS, **RATIONAL_METHODS, "eigh": EighSign}
SYMMETRIC_OTHERS = (SvdPolar, SignByInversion, GramIteration)  # instances that do as well
_BY_SPECTRUM = {
    "symmetric": (SymmetricSignProblem, SYMMETRIC_METHODS, "polar-express"),
    "real": (RealSignProblem, REAL_METHODS, "polar-express"),
    "general": (GeneralSignProblem, GENERAL_METHODS, "newton"),
}


@np.errstate(all="ignore")
def signm(
    a,
    /,
    *,
    spectrum="symmetric",
    method=None,
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
    """Compute the matrix sign S of A: the same eigenvectors, each eigenvalue replaced by +-1.

    Parameters
    ----------
    a : array of shape (..., n, n)
        Real or complex floating point, of any array library; no eigenvalue zero.
    spectrum : {"symmetric", "real", "general"}
        What is known of A. "symmetric": A is symmetric or Hermitian (checked). "real": A is
        diagonalisable with real eigenvalues; the polynomials have no guarantee for complex
        eigenvalues, and normally diverge there. "general": no eigenvalue on the imaginary axis.
        A wrong sign is noticed and never reported as a success.
    method : str or method instance, optional
        For a symmetric or real spectrum, a polynomial method of `polar` ("turbo" excepted);
        "polar-express" if None. For a symmetric matrix also a rational one, "qdwh", "zolotarev"
        or "newton", and "eigh", the eigendecomposition, as a reference. For a general one:
        "newton" : one inversion per step, with determinantal scaling; the default. Other
        scalings: ``matrix_functions.NewtonSign(scaling=...)``.
        "pade" : order 4, with two inversions per step; others: ``PadeSign(order=...)``.
        "newton-schulz" : products alone; needs ||I - A^2 / c||_2 < 1, c = ||A^2||_F, and reports
        BREAKDOWN elsewhere.
    rcond : float, optional
        Lower bound on the smallest over the largest absolute eigenvalue; estimated if None, at
        the price of one inversion.
    degree : int, optional
        Odd degree of the polynomials, 3 to 13, for the methods that have the choice; 5 if None.
    rtol, atol : float, optional
        Stop when residual <= max(rtol, atol). With neither: when S^2 = I and S A = A S hold as
        well as the precision allows.
    maxiter : int, optional
        Cap on the steps; 1000 if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol, maxiter.
    precision : None, str or Precision
        Arithmetic of the iteration; the residual is always computed in at least fp32.
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
        ``x``: S, of shape (..., n, n); ``absolute``: S A = (A^2)^(1/2); ``rcond``: the ratio used.
        The residual estimates ||X - S||_F / sqrt(n) to first order, for eigenvalues well off the
        imaginary axis:
        (||X^2 - I||_F / 2 + ||A - X N||_F / lambda_min) / sqrt(n), N = X A, for a symmetric matrix,
        and with ||X A - A X||_F / (2 lambda_min) as the second term otherwise (up to the
        condition number of the eigenvectors).

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not square and floating point, not symmetric although that was declared, or
        an argument is unknown or out of range.

    Notes
    -----
    X <- X h(X^2) with the odd polynomials p(x) = x h(x^2) of `polar`: for a symmetric matrix the
    error bounds are the same, 3 products a step at degree 5. With a real spectrum the error is
    bounded by the condition number of the eigenvectors times the scalar error. Before success
    is reported on a nonsymmetric matrix, its S A is shown to have its spectrum in the right
    half-plane: the Cayley transform is squared until its norm is below a half.

    For a general spectrum X <- (mu X + X^-1 / mu)/2 from X = A, in some 6 to 12 steps; as soon as
    ||X^2 - I||_F < 1/4 a step is made of two products instead. An eigenvalue at the angle phi
    from the imaginary axis costs log2(1/phi) more steps and as many digits. On the axis
    there is no sign: the status is BREAKDOWN, or STAGNATED where the iteration does not settle,
    and SINGULAR if the eigenvalue is zero.

    References
    ----------
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932.
    N. J. Higham, "Functions of Matrices: Theory and Computation", SIAM, 2008 (chapter 5).
    C. S. Kenney, A. J. Laub, "Rational iterative methods for the matrix sign function", SIAM J.
    Matrix Anal. Appl. 12, 1991.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import signm
    >>> signm(np.array([[0.0, 2.0], [2.0, 3.0]])).x.round(6)
    array([[-0.6,  0.8],
           [ 0.8,  0.6]])
    >>> signm(np.array([[1.0, 5.0], [0.0, -2.0]]), spectrum="real").x.round(6) + 0.0
    array([[ 1.      ,  3.333333],
           [ 0.      , -1.      ]])
    >>> turned = np.array([[1.0, -1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, -2.0]])
    >>> signm(turned, spectrum="general").x.round(6) + 0.0
    array([[ 1. ,  0. ,  0.6],
           [ 0. ,  1. , -0.2],
           [ 0. ,  0. , -1. ]])
    """
    a = checks.square(a, "a")
    make, known, usual = _BY_SPECTRUM[checks.choice(spectrum, tuple(_BY_SPECTRUM), "spectrum")]
    others = SYMMETRIC_OTHERS if spectrum == "symmetric" else ()
    chosen = choose_method(usual if method is None else method, degree, known, others)
    limits = check_limits(rtol, atol, maxiter, steps, check_every, callback)
    rcond = check_rcond(rcond)
    arithmetic = Arithmetic(precision, a)
    if 0 in a.shape:
        return empty_result(a, {"absolute": a + 0, "rcond": 1.0}, chosen, arithmetic, a.shape[:-2])
    if spectrum == "symmetric":
        a = symmetric_part(a)
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


_OTHERWISE = "declare spectrum='real' if its eigenvalues are real, else 'general'"


def symmetric_part(a, otherwise=_OTHERWISE):
    """Return (A + A^H) / 2 in at least fp32, or raise if that is not A to within rounding."""
    arithmetic = Arithmetic(None, a)
    xp, wide = arithmetic.xp, at_least_fp32(a)
    symmetric = hermitian_mean(wide)
    if is_traced(a):
        return symmetric
    size = arithmetic.kernels.frobenius(wide)
    gap = arithmetic.kernels.frobenius(wide - symmetric)
    allowed = 100 * UNIT_ROUNDOFF[arithmetic.name] * size
    wrong = gap > allowed
    if bool(xp.any(wrong)):
        worst = float(xp.max(xp.where(wrong, gap / size, xp.zeros_like(gap))))
        raise ValueError(
            f"a must be symmetric or Hermitian, but its skew part has relative size {worst:.1e}; "
            f"{otherwise}"
        )
    return symmetric
