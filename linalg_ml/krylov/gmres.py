"""Generalised minimal residuals for systems of any kind, restarted."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, to_numpy
from linalg_ml._core.result import Status
from linalg_ml.krylov.basis import Basis, noise
from linalg_ml.krylov.krylov_method import KrylovMethod, solve_linear


@dataclass
class GmresState:
    """The iterate of the last restart, the Krylov basis, and the least-squares problem.

    The small arrays are on the host in double precision, one problem per right-hand side:
    ``triangle`` is R, ``rotations`` is Q^H and ``rhs`` is Q^H e_1 ||r|| of the QR factorisation
    of the Hessenberg matrix.
    """

    x: Any
    v: Any  # the last vector of the basis
    basis: Basis
    triangle: np.ndarray
    rotations: np.ndarray
    rhs: np.ndarray
    broken: Any
    seen: Any  # where the Krylov space had ended one step earlier
    made: int = 0

    @property
    def residual(self):
        """Return the norms of the residuals, as the least-squares problem has them."""
        return np.abs(self.rhs[..., self.made])


@dataclass(frozen=True)
class GeneralizedMinimalResiduals(KrylovMethod):
    """GMRES (Saad and Schultz, 1986), preconditioned from the right.

    Parameters
    ----------
    restart : int
        Steps between restarts.
    """

    restart_every: int = 20

    def restart(self, problem, arithmetic, x, r):
        """Return the state that starts from x with residual r."""
        wide = problem.wide
        size = min(self.restart_every, r.shape[-1])
        batch = r.shape[:-1]
        kind = np.complex128 if arithmetic.is_complex else np.float64
        norm = wide.norm(r)
        one = arithmetic.xp.ones_like(norm)
        basis = Basis(wide, r, size + 1)
        v = arithmetic.store(r / arithmetic.xp.where(norm > 0, norm, one)[..., None])
        basis.append(v)
        rhs = np.zeros((*batch, size + 1), kind)
        rhs[..., 0] = to_numpy(norm)
        none = np.zeros(batch, bool)
        rotations = np.broadcast_to(np.eye(size + 1, dtype=kind), (*batch, size + 1, size + 1))
        triangle = np.zeros((*batch, size, size), kind)
        return GmresState(x, v, basis, triangle, rotations.copy(), rhs, none, none)

    def step(self, problem, state, arithmetic):
        """Add a vector to the Krylov basis and a column to the least-squares problem."""
        if state.made == state.triangle.shape[-1]:
            state = self._start_anew(problem, state, arithmetic)
        xp, wide, basis, j = arithmetic.xp, problem.wide, state.basis, state.made
        w = arithmetic.wide(problem.a.matvec(problem.precondition(state.v)))
        before = wide.norm(w)
        w, h = basis.orthogonalize(w)
        after = wide.norm(w)
        ended = after <= noise(arithmetic) * before
        after = xp.where(ended, xp.zeros_like(after), after)
        w = w / xp.where(ended, xp.ones_like(after), after)[..., None]
        state.v = arithmetic.store(xp.where(ended[..., None], xp.zeros_like(w), w))
        basis.append(state.v)
        column = np.zeros((*state.rhs.shape[:-1], j + 2), state.rhs.dtype)
        column[..., : j + 1] = to_numpy(h)[..., : j + 1]
        column[..., j + 1] = to_numpy(after)
        floor = noise(arithmetic) * to_numpy(before)
        self._rotate(state, column, floor)
        state.made = j + 1
        state.seen = state.broken
        left = state.residual > arithmetic.unit_roundoff * np.asarray(problem.size / problem.factor)
        state.broken = state.broken | (to_numpy(ended) & left)
        return state

    def _start_anew(self, problem, state, arithmetic):
        fresh = self.refresh(problem, state, arithmetic)
        fresh.broken, fresh.seen = state.broken, state.seen
        return fresh

    @staticmethod
    def _rotate(state, column, floor):
        """Bring a new column of the Hessenberg matrix to triangular form, in place."""
        j = state.made
        rotations = state.rotations[..., : j + 2, : j + 2]
        column = (rotations @ column[..., None])[..., 0]
        p, q = column[..., j], column[..., j + 1].real
        length = np.hypot(np.abs(p), q)
        singular = length <= floor  # the new direction does nothing for the residual
        turned = (np.abs(p) == 0) | singular
        size = np.where(turned, 1.0, np.abs(p))
        c = np.where(turned, 0.0, size / np.where(singular, 1.0, length))
        s = np.where(turned, 1.0, p / size * q / np.where(singular, 1.0, length))
        state.triangle[..., : j + 1, j] = column[..., : j + 1]
        state.triangle[..., j, j] = np.where(singular, 0.0, c * p + s * q)
        for target in (rotations, state.rhs[..., : j + 2, None]):
            upper, lower = target[..., j, :].copy(), target[..., j + 1, :].copy()
            c_, s_ = c[..., None], s[..., None]
            target[..., j, :] = c_ * upper + s_ * lower
            target[..., j + 1, :] = c_ * lower - np.conj(s_) * upper

    def solution(self, problem, state):
        """Return x: that of the last restart plus the best combination of the basis."""
        j, arithmetic = state.made, problem.arithmetic
        if j == 0:
            return state.x
        triangle = state.triangle[..., :j, :j]
        unused = np.diagonal(triangle, axis1=-2, axis2=-1) == 0  # where rhs is zero, too
        triangle = np.where(unused[..., None], np.eye(j), triangle)
        y = np.linalg.solve(triangle, state.rhs[..., :j, None])[..., 0]
        y = asarray(y, like=state.x, dtype=state.basis.dtype)
        step = arithmetic.store(state.basis.combine(y))
        return arithmetic.store(state.x + problem.precondition(step))

    def residual_norm(self, problem, state):
        """Return the norm of the residual as the least-squares problem has it."""
        return state.residual

    def patience(self, problem, arithmetic):
        """Give up after five cycles without progress."""
        return 0, 5 * min(self.restart_every, problem.b.shape[-1])

    def stopped(self, problem, state, measures):
        """Report SINGULAR where the Krylov space ended and did not hold the solution."""
        return self.report(problem, np.asarray(state.seen), measures, Status.SINGULAR)


def gmres(
    a,
    b,
    /,
    *,
    M=None,
    restart=20,
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
    """Solve A x = b for any square A by restarted generalised minimal residuals (GMRES).

    Parameters
    ----------
    a : array of shape (n, n) or (..., n, n), sparse matrix, operator or callable
        Of the library of ``b``: an array, a SciPy or CuPy sparse matrix, an object with ``shape``
        and ``matvec`` such as a SciPy LinearOperator, or a function x -> A x. Functions meet a
        stack of vectors whole, (..., n); a LinearOperator through its ``matmat``.
    b : array of shape (..., n)
        One right-hand side, or a stack of them: each a system of its own with a status of its
        own.
    M : like ``a``, or a preconditioner, optional
        Approximates the inverse of A; applied from the right, so that the residual that is
        minimised is the one that is tested.
    restart : int
        Steps between restarts. So many vectors are kept, and orthogonalised against.
    rtol, atol : float, optional
        Stop when ||b - A x|| <= max(rtol ||b||, atol). ``rtol`` is 1e-5 if None, as in SciPy;
        1e-3 in tf32, 1e-2 in fp16, 1e-1 in bf16.
    maxiter : int, optional
        Cap on the steps, that is products with A (SciPy counts restarts); 10 n if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol and maxiter.
    x0 : array of shape (..., n), optional
        Starting point; zero if None, and where b is zero.
    precision : None, str or Precision
        Arithmetic of the iteration: "fp64", "fp32", "tf32", "fp16", "bf16", emulated on a CPU.
        None takes the type of ``b``.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` (computed when read) after each
        check; returning True stops.
    check_every : int, optional
        Steps between checks; None takes 1, or 5 on a GPU.
    history : bool
        Record the residual at each check in ``result.history``.

    Returns
    -------
    Result
        ``x`` of shape (..., n) and the dtype of ``b``. ``residual`` is ||b - A x||, recomputed
        from x as returned in at least fp32. ``counts``: "matvecs" (with those for checks),
        "preconditions", and "products" of the orthogonalisation.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, or an argument is out of range.

    Notes
    -----
    Step j costs a product with A, one with M, and 8 j n flops for orthogonalisation by classical
    Gram-Schmidt, twice, in at least fp32: the basis stays orthogonal to working precision also
    in fp32. The Hessenberg matrix goes to the host at every step, in double precision.

    Where the Krylov space ends before ``restart`` steps, x solves the system; if it does not,
    A is singular and so is the status. Restarted, the method may stagnate: raise ``restart`` or
    give a preconditioner.

    References
    ----------
    Y. Saad, M. H. Schultz, "GMRES: A generalized minimal residual algorithm for solving
    nonsymmetric linear systems", SIAM J. Sci. Stat. Comput. 7, 1986.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import gmres
    >>> result = gmres(np.array([[3.0, 2.0], [-1.0, 1.0]]), np.array([1.0, 3.0]))
    >>> result.x.round(6)
    array([-1.,  2.])
    >>> result.converged, result.nit
    (True, 2)
    """
    return solve_linear(
        GeneralizedMinimalResiduals(checks.count(restart, "restart")),
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
