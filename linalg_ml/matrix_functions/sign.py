"""The matrix sign function of symmetric matrices, and of matrices with a real spectrum."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, dtype_name, is_traced, to_numpy
from linalg_ml._core.precision import UNIT_ROUNDOFF, Arithmetic
from linalg_ml._core.result import Status
from linalg_ml._core.solve import check_limits, solve
from linalg_ml.matrix_functions.direct_methods import EighSign
from linalg_ml.matrix_functions.half_plane import proves_right_half_plane
from linalg_ml.matrix_functions.iteration import apply_polynomial
from linalg_ml.matrix_functions.polar import check_rcond, choose_method, empty_result
from linalg_ml.matrix_functions.polar_problem import PolarProblem, one_or_many
from linalg_ml.matrix_functions.polynomial_methods import METHODS
from linalg_ml.matrix_functions.spectrum import adjoint, inverse, reciprocal

# AOL scaling changes the matrix from one side, so "turbo" has no place here.
REAL_METHODS = {name: make for name, make in METHODS.items() if name != "turbo"}
SYMMETRIC_METHODS = {**REAL_METHODS, "eigh": EighSign}


@np.errstate(all="ignore")
def signm(
    a,
    /,
    *,
    spectrum="symmetric",
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
    """Compute the matrix sign S of A: the same eigenvectors, each eigenvalue replaced by +-1.

    Parameters
    ----------
    a : array of shape (..., n, n)
        Real or complex floating point, of any array library; no eigenvalue zero.
    spectrum : {"symmetric", "real"}
        What is known of A. "symmetric": A is symmetric or Hermitian (checked). "real": A is
        diagonalisable with real eigenvalues. The polynomials have no guarantee for complex
        eigenvalues, and normally diverge there; a wrong sign is noticed and never reported as a
        success.
    method : str or method instance
        A polynomial method of `polar` ("turbo" excepted); for a symmetric matrix also "eigh",
        the eigendecomposition, as a reference.
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
        The residual estimates ||X - S||_F / sqrt(n) to first order:
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
    half-plane: the Cayley transform is squared until its norm is below one.

    References
    ----------
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932.
    N. J. Higham, "Functions of Matrices: Theory and Computation", SIAM, 2008.

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
    """
    a = checks.square(a, "a")
    checks.choice(spectrum, ("symmetric", "real"), "spectrum")
    symmetric = spectrum == "symmetric"
    chosen = choose_method(method, degree, SYMMETRIC_METHODS if symmetric else REAL_METHODS)
    limits = check_limits(rtol, atol, maxiter, steps, check_every, callback)
    rcond = check_rcond(rcond)
    arithmetic = Arithmetic(precision, a)
    if 0 in a.shape:
        return empty_result(a, {"absolute": a + 0, "rcond": 1.0}, chosen, arithmetic)
    make = SymmetricSignProblem if symmetric else RealSignProblem
    if symmetric:
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


def symmetric_part(a, otherwise="spectrum='real' if its eigenvalues are real, else 'general'"):
    """Return (A + A^H) / 2, or raise if that is not A to within rounding."""
    half = a / 2  # halved first: the sum might overflow
    symmetric = half + adjoint(half)
    if is_traced(a):
        return symmetric
    arithmetic = Arithmetic(None, a)
    wide = astype(a, arithmetic.xp.float32) if "16" in dtype_name(a) else a
    size = arithmetic.kernels.frobenius(wide)
    gap = arithmetic.kernels.frobenius(wide - astype(symmetric, wide.dtype))
    allowed = 100 * UNIT_ROUNDOFF[arithmetic.name] * size
    if bool(arithmetic.xp.any(gap > allowed)):
        worst = float(arithmetic.xp.max(gap / size))
        raise ValueError(
            f"a must be symmetric or Hermitian, but its skew part has relative size {worst:.1e}; "
            f"declare {otherwise}"
        )
    return symmetric


class SymmetricSignProblem(PolarProblem):
    """The sign of a Hermitian matrix: its polar factor, kept Hermitian."""

    def project(self, x):
        """Return the Hermitian part, which rounding would otherwise leave."""
        return self.arithmetic.store((x + adjoint(x)) / 2)

    def extras(self, h):
        """Call the Hermitian factor by its name here."""
        return {"absolute": h, "rcond": self.rcond}


class RealSignProblem(SymmetricSignProblem):
    """The sign of a matrix with real eigenvalues: polynomials of X^2 in place of X X^H."""

    blown_up = 1e8  # far from normal, X^2 may be large for a while

    def square(self, x, arithmetic):
        """Return X^2."""
        return arithmetic.mm(x, x)

    def apply(self, x, coefficients, square):
        """Return p(X)."""
        return apply_polynomial(x, coefficients, self.arithmetic, square=square, symmetric=False)

    def extremes(self):
        """Estimate the smallest and largest absolute eigenvalue by norms of squares."""
        exact = self.exact
        inv = inverse(self.unit, exact)
        size = exact.frobenius(inv)
        unit = inv * reciprocal(size, exact.xp)[..., None, None]
        norm = size * exact.xp.sqrt(exact.frobenius(exact.mm(unit, unit)))
        return reciprocal(norm, exact.xp), self.bound

    def cheap_measures(self, x, square):
        """Return the distance of X^2 from I, relative to the size of X squared."""
        distance = self._distance_from_one(self.arithmetic.wide(square))
        size = self._size(self.exact.enter(self.arithmetic.wide(x)))
        return {"residual": distance / 2, "orthogonality": distance / size}

    def exact_measures(self, x):
        """Return the forward error to first order, and how well X^2 = I and X A = A X hold."""
        exact = self.exact
        x = exact.enter(self.arithmetic.wide(x))
        distance = self._distance_from_one(self.square(x, exact))
        ax = exact.mm(self.unit, x)
        commutator = exact.frobenius(exact.mm(x, self.unit, beta=-1.0, y=ax))
        n, size = x.shape[-1], self._size(x)
        return {
            "residual": distance / 2 + commutator / (2 * self.smallest) / n**0.5,
            "orthogonality": distance / size,
            "backward": commutator / size,
        }

    def default_targets(self, *, iterated=True):
        """Return what the iteration reaches in the working precision, in units of `_size`."""
        targets = super().default_targets(iterated=iterated)
        return {name: max(targets.values()) for name in targets}

    def _size(self, x):
        """Return ||X||_F^2 / sqrt(n), but at least 1: what rounding errors of X^2 grow with."""
        size = self.exact.frobenius(x) ** 2 / x.shape[-1] ** 0.5
        return self.exact.xp.where(size > 1, size, self.exact.xp.ones_like(size))

    def hermitian(self, x):
        """Return X A."""
        return self.exact.mm(self.exact.enter(self.arithmetic.wide(x)), self.unit)

    def squarings(self):
        """Return how often the Cayley transform is squared: enough for real eigenvalues."""
        return int(np.log2(1 / self.lower)) + 12

    def verify(self, x):
        """Report BREAKDOWN unless X A is shown to have its spectrum in the right half-plane."""
        shift = self.exact.xp.sqrt(self.smallest * self.bound)
        proven = proves_right_half_plane(self.hermitian(x), shift, self.squarings(), self.exact)
        given = self.hopeless(True)
        wrong = ~proven
        if not np.any(wrong):
            return given
        return one_or_many(np.where(wrong, Status.BREAKDOWN, np.array(given)))
