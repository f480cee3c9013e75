"""Sequential quadratic programming on the l1 penalty function with GMRES, the published baselines.

Both minimise f + mu ||c||_1, take their directions from the system of `SketchedNewton` with the
published changes of the Hessian, and stop GMRES where the direction reduces a model of that
function enough. They differ in what is enough.
"""

from dataclasses import dataclass
from functools import partial

from linalg_ml._core.solve import iterate
from linalg_ml.constrained import geometry as shape
from linalg_ml.constrained.kkt_system import KKTSystem
from linalg_ml.constrained.line_search import backtrack
from linalg_ml.constrained.newton_type import NewtonTypeMethod, near_singular, sound
from linalg_ml.krylov.gmres import GeneralizedMinimalResiduals
from linalg_ml.krylov.linear_system import LinearSystem

_CYCLE = 2  # steps of GMRES between two looks at the direction, and between its restarts
_CAP = 10_000  # of them in one Newton step
_LARGEST_MU = 1e8
_FLOOR = 1e-6  # of lambda_min(G G^T), and of the curvature
_CURVATURE = 0.1
_ARMIJO = 1e-8


@dataclass(frozen=True)
class PenaltyWeights:
    """The weight of ||c||_1, and the accuracy asked of GMRES."""

    mu: float
    kappa: float


@dataclass(frozen=True)
class Model:
    """A direction, what is left of its system, and what it promises."""

    step: tuple
    residual: tuple  # 1-norms of the parts of K z - b
    gain: float  # of -f by the quadratic model
    infeasibility: float  # ||c||_1
    linearised: float  # ||c + G dx||_1
    slope_of_value: float

    def reduction(self, mu):
        """Return the reduction of the model of the penalty function."""
        return self.gain + mu * (self.infeasibility - self.linearised)

    def reduces(self, mu, factor):
        """Say whether that is enough."""
        worst = max(self.infeasibility, self.linearised - self.infeasibility)
        return self.reduction(mu) >= factor * mu * worst


@dataclass(frozen=True)
class L1Penalty(NewtonTypeMethod):
    """What the two baselines share.

    Parameters
    ----------
    mu, kappa : float
        The penalty and the relative accuracy at the start.
    """

    mu: float = 1.0
    kappa: float = 1.0

    default_maxiter = 10_000

    @property
    def initial_penalties(self):
        """What the weights are at the start."""
        return PenaltyWeights(self.mu, self.kappa)

    def step(self, problem, state, arithmetic):
        """Solve until the direction is good enough, and search along it."""
        point = sound(state)
        h = problem.hessian(point, state.nit)
        known = shape.analyse(h, point.jacobian, problem, 0.0)
        if known.smallest * known.smallest < _FLOOR:
            return near_singular(state, known)
        b = shape.shifted(h, known, problem, _CURVATURE, _FLOOR)
        system = KKTSystem(b, point, known, problem)
        problem.arithmetic.count("systems")
        model, weights, steps = self.direction(problem, point, b, system, state)
        descent = model.infeasibility - model.linearised
        slope = model.slope_of_value - weights.mu * descent
        value = partial(penalty, mu=weights.mu, space=problem)
        accepted, culprit = backtrack(problem, point, model.step, slope, value, _ARMIJO)
        if accepted is None:
            return self.lost(problem, state, weights, culprit)
        return self.moved(problem, state, accepted, weights, steps)

    def directions(self, problem, point, b, system):
        """Yield the `Model` after every cycle of GMRES, and the steps made."""
        method = GeneralizedMinimalResiduals(_CYCLE)
        posed = LinearSystem(system.matrix, system.rhs, system.arithmetic)
        run = None
        while run is None or run.nit < _CAP:
            run = iterate(method, posed, system.arithmetic, steps=_CYCLE, state=run)
            z = system.wide.enter(run.solution()[0])
            dx, dlam = system.step(z)
            r = system.residual(z)
            along = problem.dot(point.gradient, dx)
            curved = 0.5 * problem.dot(dx, problem.times(b, dx))
            moved = point.c + problem.times(point.jacobian, dx)
            model = Model(
                (dx, dlam),
                (problem.sum_of_sizes(r[: problem.n]), problem.sum_of_sizes(r[problem.n :])),
                -along - max(curved, 0.0),
                problem.sum_of_sizes(point.c),
                problem.sum_of_sizes(moved),
                along,
            )
            yield model, run.nit


@dataclass(frozen=True)
class AdaptiveL1Penalty(L1Penalty):
    """The baseline in which the penalty and the accuracy adapt as in `SketchedNewton`."""

    kappa: float = 0.1
    nu: float = 1.5

    def direction(self, problem, point, b, system, state):
        """Raise the penalty and the accuracy until the model falls by enough."""
        mu, kappa = state.penalties.mu, state.penalties.kappa
        size = problem.sum_of_sizes(point.kkt)
        for model, steps in self.directions(problem, point, b, system):
            while sum(model.residual) <= kappa * size:
                if model.reduces(mu, 0.09) or mu > _LARGEST_MU:
                    return model, PenaltyWeights(mu, kappa), steps
                mu, kappa = self.nu * mu, kappa / self.nu**2
        return model, PenaltyWeights(mu, kappa), steps


@dataclass(frozen=True)
class ByrdCurtisNocedal(L1Penalty):
    """The baseline after Byrd, Curtis and Nocedal: two tests of sufficient inexactness.

    References
    ----------
    R. H. Byrd, F. E. Curtis, J. Nocedal, "An inexact SQP method for equality constrained
    optimization", SIAM J. Optim. 19, 2008.
    """

    kappa1: float = 0.1
    epsilon: float = 0.1
    tau: float = 0.1

    def init(self, problem, arithmetic, x0):
        """Evaluate everything at the start; kappa holds the weight of infeasibility there."""
        state = super().init(problem, arithmetic, x0)
        if state.point is None:
            return state
        ratio = problem.sum_of_sizes(state.point.stationarity)
        ratio /= problem.sum_of_sizes(state.point.c) + 1
        weights = PenaltyWeights(self.mu, max(ratio, 1.0))
        return type(state)(state.point, weights)

    def direction(self, problem, point, b, system, state):
        """Stop GMRES at either test; raise the penalty where the model does not fall enough."""
        mu, weight = state.penalties.mu, state.penalties.kappa
        sigma = self.tau * (1 - self.epsilon)
        size, stationarity = (
            problem.sum_of_sizes(part) for part in (point.kkt, point.stationarity)
        )
        for model, steps in self.directions(problem, point, b, system):  # noqa: B007
            dual, primal = model.residual
            first = dual + primal <= self.kappa * size
            first &= dual <= max(self.kappa1 * stationarity, weight * model.infeasibility)
            first &= model.reduces(mu, sigma)
            second = dual <= self.epsilon * model.infeasibility
            second &= primal <= weight * model.infeasibility
            if first or second:
                break
        descent = model.infeasibility - model.linearised
        if not model.reduces(mu, sigma) and descent > 0:
            mu = max(-model.gain / ((1 - self.tau) * descent), mu) + 1e-4
        return model, PenaltyWeights(mu, weight), steps


def penalty(point, mu, space):
    """Return f + mu ||c||_1, and the sum of the sizes of its terms."""
    second = mu * space.sum_of_sizes(point.c)
    return point.value + second, abs(point.value) + second
