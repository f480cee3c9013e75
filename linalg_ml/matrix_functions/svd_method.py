"""The reference method: the polar factor from a singular value decomposition."""

from dataclasses import dataclass
from typing import Any

from linalg_ml._core.solve import Method


@dataclass
class SvdState:
    """The factor and the steps made."""

    x: Any
    step: int = 0


@dataclass(frozen=True)
class SvdPolar(Method):
    """U = P Q^H from the singular value decomposition A = P S Q^H, in at least fp32."""

    default_maxiter = 1

    def init(self, problem, arithmetic, x0):
        """Start from the scaled matrix."""
        return SvdState(problem.unit)

    def step(self, problem, state, arithmetic):
        """Decompose: one step is the whole method."""
        exact = problem.exact
        p, _, qh = exact.xp.linalg.svd(problem.unit, full_matrices=False)
        arithmetic.count("svd")
        return SvdState(arithmetic.enter(exact.mm(p, qh)), state.step + 1)

    def scale(self, problem, arithmetic):
        """Return one: a unitary factor has size one."""
        return problem.one()

    def measure(self, problem, state, arithmetic, exact):
        """Measure exactly, once there is a factor."""
        if state.step:
            return problem.exact_measures(state.x)
        return problem.cheap_measures(problem.unit, problem.gram)

    def targets(self, problem, arithmetic):
        """Ask for backward stability in the working precision."""
        return problem.default_targets()

    def finish(self, problem, state, arithmetic):
        """Return the factor and what belongs to it."""
        return problem.finish(arithmetic.enter(state.x))

    def stopped(self, problem, state, measures):
        """Report zero and singular matrices: their factor is not unique."""
        return problem.singular_statuses(state.step > 0)
