"""Newton's method on the exact augmented Lagrangian, with inexact solves (AdaSketch-Newton)."""

from dataclasses import dataclass, replace
from functools import partial

from linalg_ml._core import checks
from linalg_ml.constrained import geometry as shape
from linalg_ml.constrained.inner import INNER_SOLVERS, begin, improve
from linalg_ml.constrained.kkt_system import KKTSystem
from linalg_ml.constrained.line_search import backtrack
from linalg_ml.constrained.merit import Penalties, merit, merit_gradient
from linalg_ml.constrained.newton_type import NewtonTypeMethod, near_singular, sound

_LEAST_DELTA = 1e-6
_LARGEST_ETA1, _LEAST_ETA2 = 1e8, 1e-8
_TINY = 1 / 16  # a step so short says that stationarity weighs too much
_FEW, _MANY = 2, 60  # halvings of a step before the model is made more convex, and at the end


@dataclass(frozen=True)
class SketchedNewton(NewtonTypeMethod):
    """Newton's method on the exact augmented Lagrangian.

    The defaults are those we recommend; `SketchedNewton.published` gives those of Hong et al.

    Parameters
    ----------
    inner : str
        The solver of the Newton system, see `sketched_newton`.
    block : int, optional
        Rows or columns of its sketches.
    inner_maxiter : int, optional
        Cap on its steps between two looks at the direction.
    accuracy : float or "bound"
        Relative residual asked of it, or condition (A1) of the paper, which bounds the norm of
        the inverse from above.
    convexify : {"reflect", "shift", "none"}
        Where the Hessian is not positive definite on the null space of the Jacobian: replace its
        curvatures there by their sizes, add a multiple of the identity as in the paper, or do
        nothing (and compute neither the null space nor the curvatures).
    curvature : float
        The least curvature put in place of another, xi_B.
    threshold : float
        The curvature below which the Hessian is changed.
    retries : int
        Times the Hessian is made more convex in one step where the step length would be short.
    independence : float
        Relative size of the singular values of the Jacobian that count as zero.
    singular_below : float
        Stop where lambda_min(G G^T) is below this.
    merit_hessian : {"lagrangian", "objective"}
        H in the gradient of the merit function, or the Hessian of f as in the authors' programs.
    eta1, eta2, delta : float
        The penalties and the accuracy at the start.
    beta, nu, theta : float
        Armijo's constant, the factor of the penalties, and the one of the accuracy.
    """

    inner: str = "block"
    block: int | None = None
    inner_maxiter: int | None = None
    accuracy: float | str = 1e-8
    convexify: str = "reflect"
    curvature: float = 0.1
    threshold: float = 1e-6
    retries: int = 3
    independence: float = 1e-8
    singular_below: float = 0.0
    merit_hessian: str = "lagrangian"
    eta1: float = 1.0
    eta2: float = 0.1
    delta: float = 0.1
    beta: float = 0.1
    nu: float = 1.5
    theta: float = 1.0

    def __post_init__(self):
        checks.choice(self.inner, tuple(INNER_SOLVERS), "inner")
        for name in ("block", "inner_maxiter"):
            if getattr(self, name) is not None:
                checks.count(getattr(self, name), name)
        if self.accuracy != "bound":
            checks.number(self.accuracy, "accuracy", above=0)
        checks.choice(self.convexify, ("reflect", "shift", "none"), "convexify")
        checks.choice(self.merit_hessian, ("lagrangian", "objective"), "merit_hessian")
        checks.count(self.retries, "retries", minimum=0)
        checks.number(self.threshold, "threshold")
        for name in ("independence", "singular_below"):
            checks.number(getattr(self, name), name, minimum=0)
        for name in ("curvature", "eta1", "eta2", "delta", "theta"):
            checks.number(getattr(self, name), name, above=0)
        checks.number(self.beta, "beta", above=0, below=0.5)
        checks.number(self.nu, "nu", above=1)  # or the penalties never change

    @classmethod
    def published(cls, inner="gaussian-vector", **changes):
        """Return the method as published: its Hessian modification, accuracy and rank test."""
        settings = {
            "accuracy": "bound",
            "convexify": "shift",
            "retries": 0,
            "independence": 0.0,
            "singular_below": 1e-2,
        }
        return cls(inner=inner, **{**settings, **changes})

    @property
    def initial_penalties(self):
        """What the penalties are at the start."""
        return Penalties(self.eta1, self.eta2, self.delta)

    def step(self, problem, state, arithmetic):
        """Solve for a direction, adapt the penalties to it, and search along it."""
        point = sound(state)
        h = problem.hessian(point, state.nit)
        bare = self.convexify == "none" and self.accuracy != "bound"
        known = None if bare else shape.analyse(h, point.jacobian, problem, self.independence)
        if known is not None and known.smallest * known.smallest < self.singular_below:
            return near_singular(state, known)
        penalties, extra, steps = state.penalties, 0.0, 0
        for left in range(self.retries if self._can_add(known) else 0, -1, -1):
            b = self._convex(h, known, problem, extra)
            system = KKTSystem(b, point, known, problem)
            direction = self._direction(problem, point, h, b, system, known, penalties)
            penalties, slope, step, inner = direction
            steps += inner
            value = partial(merit, penalties=penalties, space=problem)
            halvings = _FEW if left else _MANY
            accepted, culprit = backtrack(problem, point, step, slope, value, self.beta, halvings)
            if accepted is not None:
                if self.retries and accepted.alpha < _TINY:
                    lighter = max(0.1 * penalties.eta2, 100 * _LEAST_ETA2)
                    penalties = replace(penalties, eta2=min(lighter, penalties.eta2))
                return self.moved(problem, state, accepted, penalties, steps)
            if left:
                extra = max(10 * extra, 0.1 * max(1e-3, float(abs(known.curvatures).max())))
        return self.lost(problem, state, penalties, culprit)

    def _can_add(self, known):
        """Say whether more convexity would change the direction."""
        return self.convexify == "reflect" and known.curvatures.size > 0

    def _convex(self, h, known, problem, extra):
        """Return B, positive definite on the null space of the Jacobian."""
        if self.convexify == "none":
            return h
        if self.convexify == "shift":
            return shape.shifted(h, known, problem, self.curvature, self.threshold)
        return shape.reflected(h, known, problem, self.curvature, self.threshold, extra)

    # The direction ---------------------------------------------------------------------------

    def _direction(self, problem, point, h, b, system, known, penalties):
        """Solve until the direction is one of descent; return penalties, slope, step, inner steps.

        (A2): slope <= -eta2 / 2 ||b||^2, b the right-hand side of the system. Where it fails,
        the weight of feasibility grows, that of stationarity falls, and the accuracy rises.
        """
        solution = begin(system)
        size, factor, stuck = solution.residual, 1.0, False
        square = size * size  # infinite where size**2 would raise an OverflowError
        middle = h if self.merit_hessian == "lagrangian" else self._objective(problem, point)
        bound = self._bound(problem, point, h, b, known) if self.accuracy == "bound" else None
        if bound is not None:
            penalties = self._tighten(penalties, penalties.delta, bound)
        problem.arithmetic.count("systems")
        while True:
            target = self._target(system, size, factor, penalties, bound)
            if not stuck:
                solution = improve(
                    self.inner,
                    system,
                    solution,
                    target,
                    block=self.block,
                    maxiter=self.inner_maxiter,
                )
                stuck = bound is None and solution.residual > target
            step = system.step(solution.z)
            gradient = merit_gradient(point, middle, penalties, problem)
            slope = problem.dot(gradient, problem.xp.concat(step))
            descends = slope <= -0.5 * penalties.eta2 * square
            limit = penalties.eta1 > _LARGEST_ETA1 or penalties.eta2 < _LEAST_ETA2
            if descends or limit:
                return penalties, slope, step, solution.steps
            factor /= self.nu**4
            delta = penalties.delta / self.nu**4
            penalties = Penalties(self.nu**2 * penalties.eta1, penalties.eta2 / self.nu, delta)
            if bound is not None:
                penalties = self._tighten(penalties, delta, bound)

    def _objective(self, problem, point):
        """Return the Hessian of f alone."""
        return problem.hessian(point, 0, problem.xp.zeros_like(point.lam))

    def _target(self, system, size, factor, penalties, bound):
        """Return the residual asked of the inner solver."""
        if bound is not None:
            wanted = self.theta * penalties.delta * size
            return wanted / (system.norm_of_matrix * bound[0])
        least = 50 * system.space.unit_roundoff
        return max(self.accuracy * factor, least) * size

    def _bound(self, problem, point, h, b, known):
        """Return Psi, an upper bound of ||K^-1||, and Upsilon, the size of the derivatives."""
        norm = problem.norm(b)
        psi = 20 * max(norm * norm, 1.0)
        psi /= min(known.smallest, 1.0) ** 2 * min(self.curvature, 1.0)
        return psi, max(problem.norm(point.jacobian), problem.norm(h), 1.0)

    def _tighten(self, penalties, delta, bound):
        """Return the penalties with the accuracy that they need, at most ``delta``."""
        psi, upsilon = bound
        needed = (0.5 - self.beta) * penalties.eta2
        both = upsilon * psi
        needed /= (1 + penalties.eta1 + penalties.eta2) * (both * both)
        return replace(penalties, delta=max(min(delta, needed), _LEAST_DELTA))
