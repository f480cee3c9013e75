"""Take Frank-Wolfe steps first, and proximal steps on all singular values where those pay."""

from dataclasses import dataclass

from linalg_ml._core import checks
from linalg_ml.low_rank.corrective import CorrectiveFrankWolfe, CorrectiveState
from linalg_ml.low_rank.penalised_method import PenalisedMethod
from linalg_ml.low_rank.proximal import Fista, ProximalState

_PRODUCTS_OF_ORACLE = 30  # with a vector, in a Frank-Wolfe step


@dataclass(frozen=True)
class AutomaticPenalised(PenalisedMethod):
    """`CorrectiveFrankWolfe`, and from step ``first_steps`` on `Fista` where its steps cost less.

    Where few directions dominate, as in a video with a still background, a few Frank-Wolfe steps
    are all it takes. Where there are many alike, they find them one after the other.
    """

    first_steps: int = 10
    block: int = 3
    inner: int = 5

    takes_samples = True

    def __post_init__(self):
        checks.count(self.first_steps, "first_steps", minimum=0)
        self.first()  # which checks the others

    def first(self):
        """Return the method of the first steps."""
        return CorrectiveFrankWolfe(self.block, self.inner)

    def now(self, state):
        """Return the method that made the state."""
        return self.first() if isinstance(state, CorrectiveState) else Fista()

    def init(self, problem, arithmetic, x0):
        """Start as Frank-Wolfe does."""
        return self.first().init(problem, arithmetic, x0)

    def step(self, problem, state, arithmetic):
        """Make a step, by the other method where that pays."""
        method = self.now(state)
        if isinstance(state, CorrectiveState) and self.switches(problem, state):
            method, low = Fista(), state.low  # in units of the problem, as no x0 is
            state = ProximalState(low, state.factors, checked=state.checked, ahead=low)
        return method.step(problem, state, arithmetic)

    def switches(self, problem, state):
        """Say whether a step on all singular values costs less than a Frank-Wolfe step."""
        if problem.sampled or state.nit < self.first_steps:
            return False
        columns = 2 * self.inner * (state.factors[1].shape[0] + self.block)
        return min(problem.shape) < 2 * (columns + _PRODUCTS_OF_ORACLE)

    def measure(self, problem, state, arithmetic, exact):
        """Return the objective, a lower bound on its minimum, and the relative gap."""
        return self.now(state).measure(problem, state, arithmetic, exact)

    def finish(self, problem, state, arithmetic):
        """Return the low-rank part; the sparse part, factors, rank and objective."""
        return self.now(state).finish(problem, state, arithmetic)
