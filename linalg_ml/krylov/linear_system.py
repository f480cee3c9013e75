"""The linear system A x = b as the Krylov methods see it, and the calls they share."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.operators import operator
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.solve import Method, solve

# What SciPy asks for where the precision can give it.
DEFAULT_RTOL = {"fp64": 1e-5, "fp32": 1e-5, "tf32": 1e-3, "fp16": 1e-2, "bf16": 1e-1}


class LinearSystem:
    """A x = b for one right-hand side or a stack of them, with a preconditioner.

    Parameters
    ----------
    a : array (..., m, n), sparse matrix, operator or callable
    b : array of shape (..., m)
    arithmetic : Arithmetic
        What the iteration computes in; the exact residual is computed in at least fp32.
    M : like ``a``, optional
        Approximates the inverse of A.
    """

    def __init__(self, a, b, arithmetic, M=None):
        rows = b.shape[-1]
        self.arithmetic = arithmetic
        self.careful = arithmetic.at_least_fp32(b)
        self.a = operator(a, arithmetic, size=rows)
        if self.a.shape[-2:] != (rows, rows):
            raise ValueError(
                f"a must have shape ({rows}, {rows}) to match b of shape {tuple(b.shape)}, "
                f"got {self.a.shape}"
            )
        if self.careful is arithmetic:
            self.exact_a, self.exact_b = self.a, arithmetic.enter(b)
            self.b = self.exact_b
        else:
            self.exact_a, self.exact_b = operator(a, self.careful, size=rows), self.careful.enter(b)
            self.b = arithmetic.enter(b)
        self.size = self.careful.norm(self.exact_b)
        self.m = None if M is None else operator(M, arithmetic, size=rows, name="M")
        if self.m is not None and self.m.shape[-2:] != (rows, rows):
            raise ValueError(f"M must have shape ({rows}, {rows}), got {self.m.shape}")

    def start(self, x0):
        """Return (x, b - A x): from zero if x0 is None, and wherever b is zero."""
        xp = self.arithmetic.xp
        zero = xp.zeros_like(self.b)
        if x0 is None:
            return zero, self.b
        x0 = checks.array(x0, "x0")
        checks.same_home(b=self.b, x0=x0)
        checks.same_shape(x0, self.b.shape, "x0")
        x = xp.where((self.size > 0)[..., None], self.arithmetic.enter(x0), zero)
        return x, self.residual(x)

    def residual(self, x):
        """Return b - A x in the working precision."""
        return self.arithmetic.store(self.b - self.a.matvec(x))

    def exact_residual_norm(self, x):
        """Return ||b - A x||, recomputed from the inputs in at least fp32."""
        x = self.careful.enter(self.arithmetic.wide(x))
        return self.careful.norm(self.exact_b - self.exact_a.matvec(x))

    def precondition(self, r):
        """Return M r."""
        return r if self.m is None else self.m.matvec(r)


class KrylovMethod(Method):
    """What the methods for A x = b share: the residual and its scale."""

    criterion = "||b - A x||"
    default_rtol = DEFAULT_RTOL

    def scale(self, problem, arithmetic):
        """Return ||b||."""
        return problem.size

    def measure(self, problem, state, arithmetic, exact):
        """Return the norm of the residual, recomputed from x if ``exact``."""
        if exact:
            return {"residual": problem.exact_residual_norm(self.solution(problem, state))}
        return {"residual": self.residual_norm(state, arithmetic)}

    def solution(self, problem, state):
        """Return x."""
        return state.x

    def residual_norm(self, state, arithmetic):
        """Return the norm of the residual as the recurrence has it."""
        return arithmetic.norm(state.r)

    def finish(self, problem, state, arithmetic):
        """Return x."""
        return self.solution(problem, state), {}


@np.errstate(all="ignore")
def solve_linear(method, a, b, *, M, precision, maxiter, steps, x0, **options):
    """Check the arguments the Krylov functions share, solve, and return the Result."""
    b = checks.array(b, "b")
    if b.ndim < 1:
        raise ValueError("b must have shape (..., n), got shape ()")
    arithmetic = Arithmetic(precision, b)
    system = LinearSystem(a, b, arithmetic, M)
    if maxiter is None and steps is None:
        maxiter = 10 * b.shape[-1]
    return solve(
        method, system, arithmetic, maxiter=maxiter, steps=steps, x0=x0, **options
    )


def ratio(numerator, denominator, xp):
    """Return numerator / denominator where the denominator is positive, else 0."""
    usable = denominator > 0
    return xp.where(usable, numerator, xp.zeros_like(numerator)) / xp.where(
        usable, denominator, xp.ones_like(denominator)
    )


def real(x, arithmetic):
    """Return the real part of numbers that are real but for rounding."""
    return arithmetic.xp.real(x) if arithmetic.is_complex else x
