"""Conjugate gradients: a method on every array library, with a cheap residual that can lie."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core.namespace import namespace
from linalg_ml._core.operators import operator
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Status
from linalg_ml._core.solve import Method, solve


@dataclass
class Problem:
    """A x = b; ``a`` is a linear operator and ``b`` is in the working type."""

    a: Any
    b: Any


@dataclass
class State:
    """The iterate, the recursive residual r, the direction p, and ||r||^2."""

    x: Any
    r: Any
    p: Any
    rr: Any
    broken: bool = False


@dataclass(frozen=True)
class ConjugateGradients(Method):
    """Hestenes and Stiefel (1952)."""

    criterion = "||b - A x||"
    default_rtol = {"fp64": 1e-8, "fp32": 1e-5, "tf32": 1e-3, "fp16": 1e-2, "bf16": 3e-2}  # noqa: RUF012

    def init(self, problem, arithmetic, x0):
        xp = namespace(problem.b)
        x = xp.zeros_like(problem.b) if x0 is None else arithmetic.enter(x0)
        return self.restart(problem, x, arithmetic)

    def restart(self, problem, x, arithmetic):
        r = arithmetic.store(problem.b - problem.a.matvec(x))
        return State(x, r, r, self.inner(arithmetic, r, r))

    def inner(self, arithmetic, u, v):
        product = arithmetic.dot(u, v)
        return float(arithmetic.xp.real(product) if arithmetic.is_complex else product)

    def step(self, problem, state, arithmetic):
        q = problem.a.matvec(state.p)
        curvature = self.inner(arithmetic, state.p, q)
        if curvature <= 0:
            state.broken = state.rr > 0
            return state
        alpha = state.rr / curvature
        x = arithmetic.store(state.x + alpha * state.p)
        r = arithmetic.store(state.r - alpha * q)
        rr = self.inner(arithmetic, r, r)
        p = arithmetic.store(r + (rr / state.rr) * state.p)
        return State(x, r, p, rr)

    def scale(self, problem, arithmetic):
        return arithmetic.norm(problem.b)

    def measure(self, problem, state, arithmetic, exact):
        r = problem.b - problem.a.matvec(state.x) if exact else state.r
        return {"residual": arithmetic.norm(r)}

    def stopped(self, problem, state, measures):
        return Status.BREAKDOWN if state.broken else None

    def refresh(self, problem, state, arithmetic):
        return self.restart(problem, state.x, arithmetic)

    def patience(self, problem, arithmetic):
        return 0, 2 * problem.b.shape[-1] + 20

    def finish(self, problem, state, arithmetic):
        return state.x, {}


@np.errstate(all="ignore")
def cg(a, b, *, precision=None, **options):
    """Solve A x = b for Hermitian positive definite A."""
    arithmetic = Arithmetic(precision, b)
    made = operator(a, arithmetic, size=b.shape[-1])
    return solve(ConjugateGradients(), Problem(made, arithmetic.enter(b)), arithmetic, **options)
