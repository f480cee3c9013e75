"""Conjugate gradients for Hermitian positive definite systems."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core.result import Status
from linalg_ml._core.verdict import either, host, maximum
from linalg_ml.krylov.krylov_method import KrylovMethod, ratio, solve_linear, where_true


@dataclass
class CgState:
    """The iterate, its residual, the search direction; r^H M r and r^H r; where it broke down.

    gain is what the last step took from the squared energy norm of the error.
    """

    x: Any
    r: Any
    p: Any
    rz: Any
    rr: Any
    broken: Any
    gain: Any


@dataclass(frozen=True)
class ConjugateGradients(KrylovMethod):
    """Preconditioned conjugate gradients (Hestenes and Stiefel, 1952)."""

    def restart(self, problem, arithmetic, x, r):
        """Return the state that starts from x with residual r."""
        z = self.direction(problem, r)
        rz, rr = self.squares(problem, arithmetic, r, z)
        return CgState(x, r, z + 0, rz, rr, rz < 0, 0 * rz)

    def step(self, problem, state, arithmetic):
        """Minimise the energy norm of the error along p, then make the next direction."""
        xp, kernels, store = arithmetic.xp, arithmetic.kernels, arithmetic.store
        ap = problem.a.matvec(state.p)
        curvature = self.dot(arithmetic, state.p, ap)
        broken = state.broken | ((curvature <= 0) & (state.rz != 0))
        alpha = ratio(state.rz, curvature, xp)
        if getattr(broken, "ndim", 0):
            alpha = xp.where(broken, xp.zeros_like(alpha), alpha)
        x, r = kernels.cg_update(alpha, state.p, ap, state.x, state.r)
        x, r = store(x), store(r)
        z = self.direction(problem, r)
        rz, rr = self.squares(problem, arithmetic, r, z)
        p = store(kernels.xpby(z, ratio(rz, state.rz, xp), state.p))
        return CgState(x, r, p, rz, rr, broken | (rz < 0), alpha * state.rz)

    def direction(self, problem, r):
        """Return what r adds to the search: M r."""
        return problem.precondition(r)

    def dot(self, arithmetic, x, y):
        """Return x^H y, which is real but for rounding."""
        value = arithmetic.dot(x, y)
        return arithmetic.xp.real(value) if arithmetic.is_complex else value

    def squares(self, problem, arithmetic, r, z):
        """Return r^H z and r^H r."""
        rz = self.dot(arithmetic, r, z)
        return rz, rz if z is r else self.dot(arithmetic, r, r)

    def residual_norm(self, problem, state):
        """Return the norm of the residual as the recurrence has it."""
        return problem.arithmetic.xp.sqrt(state.rr)

    def patience(self, problem, arithmetic):
        """Leave it to `Watch`."""
        return None

    def stopped(self, problem, state, measures):
        """Report BREAKDOWN where a form that must be positive is not, and what `Watch` says."""
        broken = self.report(problem, state.broken, measures, Status.BREAKDOWN)
        return either(broken, hopeless(problem, measures["residual"], state.gain))


def hopeless(problem, residual, gain):
    """Report DIVERGED or STAGNATED where `Watch` sees no hope in this check."""
    if problem.watch is None:
        problem.watch = Watch(problem, residual)
    grown, idle = problem.watch.look(residual, host(gain))
    return either(where_true(grown, Status.DIVERGED), where_true(idle, Status.STAGNATED))


class Watch:
    """Tells from the residuals and the gains in energy at the checks whether there is hope.

    For a positive definite A, whatever M, the residual grows by sqrt(cond(A)) at most. It may stay
    above its least for many times n steps, while the energy norm of the error falls in each.
    """

    def __init__(self, problem, residual):
        u, n = problem.arithmetic.unit_roundoff, problem.b.shape[-1]
        self._u, self._growth = u, max(1e4, 1 / u)
        self._patience = max(100, n if u < 1e-6 else min(n, 200))
        self._first = maximum(residual, problem.size)
        self._least, self._gain, self._idle = np.inf, 0.0, 0

    def look(self, residual, gain):
        """Say which residuals have grown beyond repair, and which systems gain nothing any more."""
        progress = (residual < 0.99 * self._least) | (gain > self._u * self._gain)
        progress &= self._idle < self._patience  # who was given up is not taken back
        if type(residual) is float:
            self._least, self._gain = min(self._least, residual), max(self._gain, gain)
            self._idle = 0 if progress else self._idle + 1
        else:
            self._least = np.fmin(self._least, residual)
            self._gain = np.fmax(self._gain, gain)
            self._idle = np.where(progress, 0, self._idle + 1)
        return residual > self._growth * self._first, self._idle >= self._patience


def cg(
    a,
    b,
    /,
    *,
    M=None,
    rtol=None,
    atol=0.0,
    maxiter=None,
    steps=None,
    x0=None,
    precision=None,
    callback=None,
    check_every=None,
    history=False,
):
    """Solve A x = b for a Hermitian positive definite A by conjugate gradients.

    Parameters
    ----------
    a : array of shape (n, n) or (..., n, n), sparse matrix, operator or callable
        Real symmetric or complex Hermitian positive definite, of the library of ``b``: an array,
        a SciPy or CuPy sparse matrix, an object with ``shape`` and ``matvec`` such as a SciPy
        LinearOperator, or a function x -> A x. Functions meet a stack of vectors whole,
        (..., n); a LinearOperator through its ``matmat``.
    b : array of shape (..., n)
        One right-hand side, or a stack of them: each a system of its own with a status of its
        own.
    M : like ``a``, or a preconditioner, optional
        Approximates the inverse of A; positive definite. See `krylov.jacobi`, `krylov.ssor`,
        `krylov.ic0`.
    rtol, atol : float, optional
        Stop when ||b - A x|| <= max(rtol ||b||, atol). ``rtol`` is 1e-5 if None, as in SciPy;
        1e-3 in tf32, 1e-2 in fp16, 1e-1 in bf16.
    maxiter : int, optional
        Cap on the steps; 10 n if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol and maxiter.
    x0 : array of shape (..., n), optional
        Starting point; zero if None, and where b is zero.
    precision : None, str or Precision
        Arithmetic of the iteration: "fp64", "fp32", "tf32", "fp16", "bf16", emulated on a CPU.
        None takes the type of ``b``.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each check; returning
        True stops.
    check_every : int, optional
        Steps between checks; None takes 1, or 5 on a GPU, which waits at a check.
    history : bool
        Record the residual at each check in ``result.history``.

    Returns
    -------
    Result
        ``x`` of shape (..., n) and the dtype of ``b``. ``residual`` is ||b - A x||, recomputed
        from x as returned in at least fp32. ``counts``: "matvecs" (with those for checks),
        "preconditions".

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, or an argument is out of range.

    Notes
    -----
    p = M r + beta p, alpha = r^H M r / p^H A p, x += alpha p, r -= alpha A p. A step costs one
    product with A, one with M, two or three inner products and three vector updates; five vectors
    are kept. The error in the energy norm falls by the factor
    (sqrt(kappa) - 1) / (sqrt(kappa) + 1) a step, kappa the condition number of M A, and faster
    once the outlying eigenvalues are found.

    The residual r of the recurrence drifts from b - A x by rounding. Success is reported only
    after b - A x has been computed: if it is too large, the iteration starts again from x, and
    ends as STAGNATED where that no longer helps. The residual can be brought down to about
    u ||A|| ||x|| with u the unit roundoff of the precision, so bf16 gives a relative residual
    below 0.1 only for well-conditioned A. Where p^H A p or r^H M r is not positive, A or M is
    not positive definite, and the status is BREAKDOWN. The residual of an ill-conditioned system
    may stay above its least for many times n steps, while the energy norm of the error falls in
    each: only where neither falls for n steps (100 at least, 200 at most in a short format) is
    the status STAGNATED. A residual that grows by 1 / u belongs to a singular A and a b out of its
    range, and the status is DIVERGED.

    References
    ----------
    M. R. Hestenes, E. Stiefel, "Methods of conjugate gradients for solving linear systems",
    J. Res. Natl. Bur. Stand. 49, 1952.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import cg
    >>> result = cg(np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0]))
    >>> result.x.round(6)
    array([0.090909, 0.636364])
    >>> result.converged, result.nit
    (True, 2)
    """
    return solve_linear(
        ConjugateGradients(),
        a,
        b,
        M=M,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        x0=x0,
        precision=precision,
        callback=callback,
        check_every=check_every,
        history=history,
    )
