"""Minimal residuals for Hermitian systems, definite or not."""

from dataclasses import dataclass
from typing import Any

from linalg_ml._core.result import Status
from linalg_ml._core.verdict import either
from linalg_ml.krylov.krylov_method import KrylovMethod, choose, ratio, solve_linear


@dataclass
class MinresState:
    """The iterate, the Lanczos vectors and directions of two steps, and the last rotation."""

    x: Any
    r: Any  # the residual where there is a preconditioner
    previous: Any  # the Lanczos vectors before normalisation
    current: Any
    z: Any  # M times the current one
    beta: Any
    old_beta: Any
    w: tuple
    cosine: Any
    sine: Any
    dbar: Any
    epsilon: Any
    phi: Any  # the residual norm, in the norm of M
    norm_a: Any
    least: Any  # the smallest ||A r|| / ||r|| so far, and phi, x and ||x|| of that step
    least_phi: Any
    least_x: Any
    least_size: Any
    broken: Any
    singular: Any
    seen: Any  # where A was singular one step earlier


@dataclass(frozen=True)
class MinimalResiduals(KrylovMethod):
    """MINRES (Paige and Saunders, 1975)."""

    def restart(self, problem, arithmetic, x, r):
        """Return the state that starts from x with residual r."""
        xp = arithmetic.xp
        z = problem.precondition(r)
        beta, broken = self.length(problem, arithmetic, r, z)
        zero = xp.zeros_like(beta)
        none = zero > 0
        return MinresState(
            x=x,
            r=r,
            previous=xp.zeros_like(r),
            current=r,
            z=z,
            beta=beta,
            old_beta=zero,
            w=(xp.zeros_like(r), xp.zeros_like(r)),
            cosine=zero - 1,
            sine=zero,
            dbar=zero,
            epsilon=zero,
            phi=beta,
            norm_a=zero,
            least=zero + float("inf"),
            least_phi=beta,
            least_x=x,
            least_size=zero,
            broken=broken,
            singular=none,
            seen=none,
        )

    def step(self, problem, state, arithmetic):
        """Add a Lanczos vector, rotate it into the factorisation, and move x."""
        xp, store = arithmetic.xp, arithmetic.store
        zero = xp.zeros_like(state.beta)
        v = store(state.z * _column(ratio(zero + 1, state.beta, xp)))
        y = problem.a.matvec(v)
        y = y - _column(ratio(state.beta, state.old_beta, xp)) * state.previous
        alpha = self.dot(arithmetic, v, y)
        y = store(y - _column(ratio(alpha, state.beta, xp)) * state.current)
        z = problem.precondition(y)
        beta, broken = self.length(problem, arithmetic, y, z)

        # The last rotation meets the new column of the tridiagonal matrix.
        delta = state.cosine * state.dbar + state.sine * alpha
        gbar = state.sine * state.dbar - state.cosine * alpha
        epsilon, dbar = state.sine * beta, -state.cosine * beta
        root = xp.hypot(gbar, dbar)
        column = xp.hypot(alpha, beta)
        norm_a = choose(column > state.norm_a, column, state.norm_a, xp)
        gamma = xp.hypot(gbar, beta)
        # Before this step ||A r|| = root ||r||. Where that has all but vanished, and x then grows
        # without bound with r unchanged, r is what no x can remove: A is singular.
        u = arithmetic.unit_roundoff
        lower = (root < state.least) & (root <= (10 * u**0.5 if u < 1e-6 else u) * norm_a)
        least = choose(lower, root, state.least, xp)
        least_phi = choose(lower, state.phi, state.least_phi, xp)
        least_x = choose(lower, state.x, state.least_x, xp)
        size = arithmetic.norm(state.x)
        least_size = choose(lower, size, state.least_size, xp)
        away = (
            (size > min(0.002 / u, 1e10) * least_size)
            & (state.phi > 0.5 * least_phi)
            & (least < norm_a)
        )
        lost = (state.beta > 0) & ((root <= 10 * u * norm_a) | (gamma <= 0))
        singular = state.singular | away | lost
        gamma = choose(singular, zero, gamma, xp)
        cosine = ratio(gbar, gamma, xp)
        sine = choose(singular, zero + 1, ratio(beta, gamma, xp), xp)
        phi = cosine * state.phi

        w = v - _column(state.epsilon) * state.w[0] - _column(delta) * state.w[1]
        w = store(w * _column(ratio(zero + 1, gamma, xp)))
        x = store(state.x + _column(phi) * w)
        r = state.r
        if problem.is_preconditioned:
            scaled = ratio(sine * state.phi * cosine, beta, xp)
            r = store(_column(sine * sine) * r - _column(scaled) * y)
        return MinresState(
            x=x,
            r=r,
            previous=state.current,
            current=y,
            z=z,
            beta=beta,
            old_beta=state.beta,
            w=(state.w[1], w),
            cosine=cosine,
            sine=sine,
            dbar=dbar,
            epsilon=epsilon,
            phi=sine * state.phi,
            norm_a=norm_a,
            least=least,
            least_phi=least_phi,
            least_x=least_x,
            least_size=least_size,
            broken=state.broken | broken,
            singular=singular,
            seen=state.singular,
        )

    def length(self, problem, arithmetic, y, z):
        """Return sqrt(y^H z), z = M y, and where that is not real."""
        if not problem.is_preconditioned:
            norm = arithmetic.norm(y)
            return norm, norm < 0
        square = self.dot(arithmetic, y, z)
        return arithmetic.xp.sqrt(arithmetic.xp.abs(square)), square < 0

    def dot(self, arithmetic, x, y):
        """Return x^H y, which is real but for rounding."""
        value = arithmetic.dot(x, y)
        return arithmetic.xp.real(value) if arithmetic.is_complex else value

    def solution(self, problem, state):
        """Return x, without its last steps where they went along the null space."""
        return choose(state.singular, state.least_x, state.x, problem.arithmetic.xp)

    def residual_norm(self, problem, state):
        """Return the norm of the residual as the recurrence has it."""
        return problem.arithmetic.norm(state.r) if problem.is_preconditioned else state.phi

    def patience(self, problem, arithmetic):
        """Wait longer than others in fp64 and fp32: the residual may stand still for long."""
        first, checks = super().patience(problem, arithmetic)
        n = problem.b.shape[-1]
        return first, max(1000, 10 * n) if arithmetic.unit_roundoff < 1e-6 else checks

    def stopped(self, problem, state, measures):
        """Report BREAKDOWN where M is not definite, SINGULAR where only A r = 0 was reached."""
        broken = self.report(problem, state.broken, measures, Status.BREAKDOWN)
        return either(broken, self.report(problem, state.seen, measures, Status.SINGULAR))


def _column(values):
    """Return one number per right-hand side in a form that multiplies vectors."""
    return values[..., None]


def minres(
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
    """Solve A x = b for a Hermitian A, definite or not, by minimal residuals (MINRES).

    Parameters
    ----------
    a : array of shape (n, n) or (..., n, n), sparse matrix, operator or callable
        Real symmetric or complex Hermitian, of the library of ``b``: an array, a SciPy or CuPy
        sparse matrix, an object with ``shape`` and ``matvec`` such as a SciPy LinearOperator, or
        a function x -> A x. Functions meet a stack of vectors whole, (..., n); a LinearOperator
        through its ``matmat``.
    b : array of shape (..., n)
        One right-hand side, or a stack of them: each a system of its own with a status of its
        own.
    M : like ``a``, or a preconditioner, optional
        Approximates the inverse of A and is positive definite, whatever A is.
    rtol, atol : float, optional
        Stop when ||b - A x|| <= max(rtol ||b||, atol). ``rtol`` is 1e-5 if None; 1e-3 in tf32,
        1e-2 in fp16, 1e-1 in bf16. (SciPy's minres tests other quantities.)
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
    Lanczos' three-term recurrence, with its tridiagonal matrix factorised by rotations as it
    grows. The residual is minimised in the norm of M and never grows in it, but for rounding: where
    A is singular to working precision that of x can be far above what ``history`` records, and
    ``residual`` tells. A step costs one
    product with A, one with M and about eight vector updates; without A definite, the residual
    falls every second step only.

    A singular but consistent system is solved like any other. If b is not in the range of A, the
    iteration finds a least-squares solution, A (b - A x) = 0, and the status is SINGULAR; in
    fp64 and fp32 only, since it cannot be told from slow convergence in shorter formats.
    Where r^H M r is negative, the status is BREAKDOWN.

    References
    ----------
    C. C. Paige, M. A. Saunders, "Solution of sparse indefinite systems of linear equations",
    SIAM J. Numer. Anal. 12, 1975.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import minres
    >>> result = minres(np.array([[1.0, 2.0], [2.0, -1.0]]), np.array([3.0, 1.0]))
    >>> result.x.round(6)
    array([1., 1.])
    >>> result.converged, result.nit
    (True, 2)
    """
    return solve_linear(
        MinimalResiduals(),
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
