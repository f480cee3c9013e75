"""What all iterations for a function of a matrix share."""

from linalg_ml._core.solve import Method


class IteratedMethod(Method):
    """An iteration whose iterate has size one and tends to the answer; the problem judges it."""

    def answer(self, state, arithmetic):
        """Return the iterate as an approximation of the answer."""
        return state.x

    def scale(self, problem, arithmetic):
        """Return one: the identity and a unitary factor have size one."""
        return problem.one()

    def targets(self, problem, arithmetic):
        """Ask for what the iteration reaches in the working precision."""
        return problem.default_targets()

    def verify(self, problem, state, arithmetic):
        """Let the problem look once more at what claims to have converged."""
        return problem.verify(self.answer(state, arithmetic))

    def finish(self, problem, state, arithmetic):
        """Return the answer and what belongs to it."""
        return problem.finish(self.answer(state, arithmetic))
