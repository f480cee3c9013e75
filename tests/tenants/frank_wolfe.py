"""Projection onto a norm ball by Frank-Wolfe: two stopping rules, named in the result."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core.namespace import asarray, namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Status
from linalg_ml._core.solve import Method, solve


@dataclass
class Problem:
    """Minimise ||X - B||^2 / 2 over the ball of a norm, given by its linear minimisation."""

    b: Any
    atom: Any  # gradient -> the point of the ball that minimises <gradient, point>


@dataclass
class State:
    """The iterate, the next point of the ball, the duality gap, and how far the step went."""

    x: Any
    point: Any
    gap: float
    change: float | None = None


@dataclass(frozen=True)
class FrankWolfe(Method):
    """Exact line search; ``stop`` is "gap" (proves the error) or "change" (proves nothing)."""

    stop: str = "gap"
    least_change: float = 1e-3
    default_rtol = 1e-3
    default_maxiter = 20_000
    criterion = "duality gap"

    @property
    def rule(self):
        return f"relative change of x <= {self.least_change:g}"

    def init(self, problem, arithmetic, x0):
        x = namespace(problem.b).zeros_like(problem.b) if x0 is None else arithmetic.enter(x0)
        return self.look(problem, x, arithmetic)

    def look(self, problem, x, arithmetic, change=None):
        gradient = x - problem.b
        point = problem.atom(gradient)
        return State(x, point, self.inner(gradient, x - point), change)

    def inner(self, u, v):
        xp = namespace(u)
        return float(xp.sum(u * v))

    def step(self, problem, state, arithmetic):
        direction = state.point - state.x
        length = self.inner(direction, direction)
        gamma = min(1.0, state.gap / length) if length > 0 else 0.0
        x = arithmetic.store(state.x + gamma * direction)
        size = self.inner(x, x)
        change = gamma * (length / size) ** 0.5 if size > 0 else 0.0
        return self.look(problem, x, arithmetic, change)

    def scale(self, problem, arithmetic):
        return self.inner(problem.b, problem.b) / 2

    def measure(self, problem, state, arithmetic, exact):
        state = self.look(problem, state.x, arithmetic) if exact else state
        return {"residual": state.gap}

    def stopped(self, problem, state, measures):
        if state.change is None or state.change > self.least_change:
            return None
        if self.stop == "change":
            return Status.CONVERGED
        return Status.STAGNATED if state.change == 0 else None

    def finish(self, problem, state, arithmetic):
        return state.x, {"gap": state.gap}


@np.errstate(all="ignore")
def project(b, atom, *, stop="gap", **options):
    """Project ``b`` onto the ball."""
    arithmetic = Arithmetic(None, b)
    return solve(FrankWolfe(stop), Problem(arithmetic.enter(b), atom), arithmetic, **options)


def l1_atom(gradient, radius):
    """Return the vertex of the l1 ball that minimises the inner product with the gradient."""
    xp = namespace(gradient)
    k = int(xp.argmax(xp.abs(gradient)))
    unit = np.zeros(gradient.shape[0])
    unit[k] = 1
    unit = asarray(unit, like=gradient, dtype=gradient.dtype)
    return unit * (-radius if float(gradient[k]) > 0 else radius)


def nuclear_atom(gradient, radius):
    """Return the rank-one matrix of the nuclear-norm ball that minimises the inner product."""
    xp = namespace(gradient)
    u, _, vh = xp.linalg.svd(gradient, full_matrices=False)
    return -radius * xp.matmul(u[:, :1], vh[:1, :])
