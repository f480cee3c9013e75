"""Conjugate gradients for Hermitian positive definite systems."""

from dataclasses import dataclass
from typing import Any

from linalg_ml._core.result import Status
from linalg_ml.krylov.linear_system import KrylovMethod, ratio, real, solve_linear


@dataclass
class CgState:
    """The iterate, its residual, the search direction, r^H M r and the last p^H A p."""

    x: Any
    r: Any
    p: Any
    rz: Any
    curvature: Any = None


@dataclass(frozen=True)
class ConjugateGradients(KrylovMethod):
    """Preconditioned conjugate gradients (Hestenes and Stiefel, 1952)."""

    def init(self, problem, arithmetic, x0):
        """Start along the preconditioned residual."""
        return self.restart(problem, arithmetic, *problem.start(x0))

    def restart(self, problem, arithmetic, x, r):
        """Return the state that starts from x with residual r."""
        z = problem.precondition(r)
        return CgState(x, r, self.project(problem, z), real(arithmetic.dot(r, z), arithmetic))

    def step(self, problem, state, arithmetic):
        """Minimise the energy norm of the error along p, then make the next direction."""
        xp, store = arithmetic.xp, arithmetic.store
        ap = problem.a.matvec(state.p)
        curvature = real(arithmetic.dot(state.p, ap), arithmetic)
        alpha = self.scalar(ratio(state.rz, curvature, xp), arithmetic)
        x = store(state.x + alpha * state.p)
        r = store(state.r - alpha * ap)
        z = problem.precondition(r)
        rz = real(arithmetic.dot(r, z), arithmetic)
        beta = self.scalar(ratio(rz, state.rz, xp), arithmetic)
        p = store(self.project(problem, z) + beta * state.p)
        return CgState(x, r, p, rz, curvature)

    def project(self, problem, z):
        """Return the part of z that the search may use: all of it."""
        return z

    def scalar(self, value, arithmetic):
        """Return a number per right-hand side in the shape and type that vectors multiply."""
        return arithmetic.xp.astype(value, arithmetic.wide_dtype)[..., None]

    def refresh(self, problem, state, arithmetic):
        """Start again from x with its true residual."""
        return self.restart(problem, arithmetic, state.x, problem.residual(state.x))

    def stopped(self, problem, state, measures):
        """Report BREAKDOWN where a direction of no curvature shows that A is not definite."""
        if state.curvature is None:
            return None
        return problem.where(
            (state.curvature <= 0) & (state.rz != 0) & problem.moved(state), Status.BREAKDOWN
        )


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
    """Solve A x = b for a Hermitian positive definite A by conjugate gradients."""
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
