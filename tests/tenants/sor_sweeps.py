"""Successive over-relaxation on a CSR matrix: a compiled kernel behind ``advance``."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.solve import Method, solve


@dataclass
class Problem:
    """A x = b with A in CSR form."""

    a: Any
    diagonal: Any
    b: Any


@dataclass
class State:
    """The iterate, which the kernel overwrites, and the residual norm it last computed."""

    x: Any
    residual: float | None = None


@dataclass(frozen=True)
class Sor(Method):
    """Forward sweeps with relaxation parameter ``omega``."""

    omega: float = 1.0
    check_every = 100_000
    default_maxiter = 100_000
    criterion = "||b - A x||"

    def init(self, problem, arithmetic, x0):
        return State(np.zeros_like(problem.b) if x0 is None else np.array(x0, problem.b.dtype))

    def step(self, problem, state, arithmetic):
        return self.advance(problem, state, arithmetic, 1, None)[0]

    def advance(self, problem, state, arithmetic, steps, target):
        a, x = problem.a, state.x
        done, residual, met = arithmetic.kernels.csr_sor(
            a.indptr, a.indices, a.data, problem.diagonal, problem.b, x, self.omega, steps, target
        )
        arithmetic.count("sweeps", done)
        return State(x, None if target is None else residual), done, met

    def scale(self, problem, arithmetic):
        return arithmetic.norm(problem.b)

    def measure(self, problem, state, arithmetic, exact):
        if exact or state.residual is None:
            return {"residual": arithmetic.norm(problem.b - problem.a @ state.x)}
        return {"residual": state.residual}

    def finish(self, problem, state, arithmetic):
        return state.x.copy(), {}


@np.errstate(all="ignore")
def sor(a, b, *, omega=1.0, **options):
    """Solve A x = b."""
    arithmetic = Arithmetic(None, b)
    return solve(Sor(omega), Problem(a, a.diagonal(), b), arithmetic, **options)
