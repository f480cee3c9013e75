"""The classical augmented Lagrangian method, the third of the published baselines."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from linalg_ml._core.namespace import to_numpy
from linalg_ml._core.result import Status
from linalg_ml._core.solve import solve
from linalg_ml.constrained.line_search import backtrack
from linalg_ml.constrained.newton_type import NewtonState, NewtonTypeMethod, sound
from linalg_ml.krylov.gmres import GeneralizedMinimalResiduals
from linalg_ml.krylov.linear_system import LinearSystem

_ACCURACY = 1e-4  # of the Newton systems
_LONGEST = 100  # Newton steps for one set of multipliers
_ARMIJO = 0.1


@dataclass(frozen=True)
class Subproblem:
    """The weight of ||c||^2, the gradient asked for, and the Newton steps made for it."""

    mu: float
    tau: float
    newton_steps: int = 0
    updates: int = 0


@dataclass(frozen=True)
class AugmentedLagrangian(NewtonTypeMethod):
    """Minimise f + lam^T c + mu / 2 ||c||^2 more and more accurately, and update lam by mu c.

    A step is a Newton step of a subproblem; the Hessian is shifted to eigenvalues of at least 1.

    Parameters
    ----------
    mu, tau : float
        The penalty, and the norm of the gradient at which multipliers are updated, at the start.
    growth, decay : float
        What they are multiplied by at each update.
    """

    mu: float = 1.0
    tau: float = 0.1
    growth: float = 1.5
    decay: float = 0.1

    default_maxiter = 10_000

    @property
    def initial_penalties(self):
        """The first subproblem."""
        return Subproblem(self.mu, self.tau)

    def step(self, problem, state, arithmetic):
        """Make a Newton step, and update the multipliers wherever the gradient is small enough."""
        point, now = sound(state), state.penalties
        mu = now.mu
        shifted = point.lam + mu * point.c
        h = problem.hessian(point, state.nit, shifted)
        g = point.jacobian
        h = h + mu * problem.plain.mm(g.mT, g) if problem.m else h
        least = float(np.linalg.eigvalsh(to_numpy(h).astype(np.float64))[0])
        eye = problem.xp.eye(problem.n, dtype=h.dtype, device=problem.plain.device)
        gradient = point.gradient + problem.times(g.mT, shifted)
        dx, steps = self._direction(problem, h + (1.0 - least) * eye, -gradient)
        direction = (dx, problem.xp.zeros_like(point.lam))
        slope = problem.dot(gradient, dx)
        value = partial(augmented, mu=mu, space=problem)
        accepted, culprit = backtrack(problem, point, direction, slope, value, _ARMIJO)
        if accepted is None:
            return self.lost(problem, state, now, culprit)
        moved = self.moved(problem, state, accepted, now, steps)
        return self._updated(problem, moved, now)

    def _direction(self, problem, h, rhs):
        """Solve the Newton system inexactly."""
        arithmetic = problem.arithmetic
        arithmetic.count("systems")
        posed = LinearSystem(h, rhs, arithmetic)
        method = GeneralizedMinimalResiduals()
        result = solve(method, posed, arithmetic, rtol=_ACCURACY, maxiter=10 * problem.n)
        return problem.xp.astype(result.x, rhs.dtype), result.nit

    def _updated(self, problem, state, now):
        """Return the state with new multipliers where the subproblem is solved."""
        point, made = state.point, now.newton_steps + 1
        first_order = point.lam + now.mu * point.c
        gradient = point.gradient + problem.times(point.jacobian.mT, first_order)
        if problem.norm(gradient) > now.tau:
            late = made >= _LONGEST
            reason = f"a subproblem took {_LONGEST} Newton steps, to iterate {state.nit}"
            return NewtonState(
                point,
                Subproblem(now.mu, now.tau, made, now.updates),
                state.nit,
                state.alpha,
                state.inner_steps,
                state.idle,
                Status.STAGNATED if late else None,
                reason if late else "",
            )
        following = Subproblem(self.growth * now.mu, self.decay * now.tau, 0, now.updates + 1)
        return NewtonState(
            problem.point(point.x, first_order),
            following,
            state.nit,
            state.alpha,
            state.inner_steps,
            state.idle,
        )


def augmented(point, mu, space):
    """Return f + lam^T c + mu / 2 ||c||^2, and the sum of the sizes of its terms."""
    terms = (
        point.value,
        space.dot(point.lam, point.c),
        0.5 * mu * space.dot(point.c, point.c),
    )
    return sum(terms), sum(map(abs, terms))
