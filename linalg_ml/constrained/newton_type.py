"""What the methods for equality-constrained problems share: their state and their outcomes."""

from dataclasses import dataclass, replace
from typing import Any

from linalg_ml._core.result import Status, UserFunctionError
from linalg_ml._core.solve import Method

_IDLE = 10  # steps at a stationary point of ||c|| before the constraints count as inconsistent


@dataclass(frozen=True)
class NewtonState:
    """Where the iteration stands.

    Attributes
    ----------
    point : Point or None
        None where the functions are not finite at the start.
    penalties : dataclass of floats
        What the method adapts.
    nit : int
    alpha : float
        The last step length.
    inner_steps : int
        Of the last step.
    idle : int
        Steps in a row at a stationary point of ||c|| that is not feasible.
    outcome : Status or None
        Why no further step can be made, with ``reason`` in words.
    failure : UserFunctionError or None
        What was wrong at the start.
    """

    point: Any
    penalties: Any
    nit: int = 0
    alpha: float = 1.0
    inner_steps: int = 0
    idle: int = 0
    outcome: Status | None = None
    reason: str = ""
    failure: Any = None


class NewtonTypeMethod(Method):
    """What the methods for equality-constrained problems share."""

    criterion = "||(grad_x L, c)||"
    default_rtol = 0.0  # beside a given atol; with neither, `targets`
    default_maxiter = 300
    initial_penalties = None

    def init(self, problem, arithmetic, x0):
        """Evaluate everything at the start."""
        try:
            point, failure = problem.start(), None
        except UserFunctionError as error:
            point, failure = None, error
        return NewtonState(point, self.initial_penalties, failure=failure)

    def targets(self, problem, arithmetic):
        """Return the tolerance: 1e-6, and 1e-3 for single precision."""
        return {"residual": 1e-6 if problem.unit_roundoff < 1e-10 else 1e-3}

    def scale(self, problem, arithmetic):
        """Return the residual at the start."""
        return problem.initial_residual

    def measure(self, problem, state, arithmetic, exact):
        """Return the residual, its parts, and what the last step did."""
        point = sound(state)
        return {
            "residual": point.residual,
            "stationarity": problem.norm(point.stationarity),
            "feasibility": problem.norm(point.c),
            "value": point.value,
            "step_length": state.alpha,
            "inner_steps": float(state.inner_steps),
            **vars(state.penalties),
        }

    def stopped(self, problem, state, measures):
        """Report why no further step can be made."""
        return state.outcome if measures["residual"] > 0 else None

    def finish(self, problem, state, arithmetic):
        """Return x and the multipliers."""
        if state.point is None:
            extras = {"multipliers": problem.multipliers0, "value": float("nan")}
            return problem.x0, {**extras, "reason": str(state.failure)}
        point = state.point
        extras = {"multipliers": point.lam, "value": point.value, "reason": state.reason}
        return point.x + 0, extras

    # The outcome of a step -------------------------------------------------------------------

    def moved(self, problem, state, best, penalties, steps):
        """Return the state at the new point; give up where ||c|| cannot be made smaller."""
        point = best.point
        size = problem.norm(point.c)
        slope = problem.norm(problem.times(point.jacobian.mT, point.c))
        before = problem.norm(state.point.c)
        flat = slope <= 1e-4 * size * max(problem.norm(point.jacobian), 1e-4)
        idle = state.idle + 1 if flat and size > 0.9 * before else 0
        outcome, reason = None, ""
        if idle >= _IDLE and size > problem.unit_roundoff**0.5:
            outcome, reason = Status.STAGNATED, inconsistent(size, state.nit + 1)
        return NewtonState(
            point, penalties, state.nit + 1, best.alpha, steps, idle, outcome, reason
        )

    def lost(self, problem, state, penalties, culprit):
        """Return the old state with the reason why no step could be made from it."""
        if culprit is not None:
            raise UserFunctionError(f"{culprit} at every point tried from iterate {state.nit}")
        point = state.point
        size = problem.norm(point.c)
        slope = problem.norm(problem.times(point.jacobian.mT, point.c))
        if slope <= 1e-6 * size * max(problem.norm(point.jacobian), 1e-6):
            reason = inconsistent(size, state.nit)
        else:
            reason = (
                f"no step length decreases the merit function at iterate {state.nit}; the "
                "constraints may be inconsistent or degenerate, the derivatives wrong (see "
                "check_derivatives), or the inner solves too inexact"
            )
        return replace(state, penalties=penalties, outcome=Status.STAGNATED, reason=reason)


def sound(state):
    """Return the point of a state, or raise what was wrong with the start."""
    if state.failure is not None:
        raise state.failure
    return state.point


def near_singular(state, known):
    """Return the state that gives up because the Jacobian is close to rank-deficient."""
    return replace(
        state,
        outcome=Status.SINGULAR,
        reason=f"the Jacobian is close to rank-deficient at iterate {state.nit}: "
        f"lambda_min(G G^T) = {known.smallest * known.smallest:.2g}",
    )


def inconsistent(size, nit):
    """Say that the constraints seem to have no solution near an iterate."""
    return (
        f"the constraints look inconsistent: ||c|| = {size:.3g} at iterate {nit}, and no small "
        "change of x makes it smaller"
    )
