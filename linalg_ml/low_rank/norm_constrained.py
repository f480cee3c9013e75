"""Frank-Wolfe for the norm-constrained problem, plain and with a projection of the sparse part."""

from dataclasses import dataclass
from typing import Any

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, to_numpy
from linalg_ml._core.solve import Method
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.leading_pairs import ORACLES, Products, leading_pairs
from linalg_ml.low_rank.robust_problem import RobustProblem
from linalg_ml.low_rank.row_blocks import count_true


class NormConstrained(RobustProblem):
    """min 1/2 ||P(L + S - M)||_F^2 such that ||L||_* <= radius_low_rank, ||S||_1 <= radius_sparse.

    S vanishes where nothing is observed.
    """

    parameters = ("radius_low_rank", "radius_sparse")
    reported = ("objective",)
    degree = 2

    def __init__(self, *shared, radius_low_rank=None, radius_sparse=None, **options):
        super().__init__(*shared, **options)
        if radius_low_rank is None or radius_sparse is None:
            raise ValueError("radius_low_rank and radius_sparse must be given for this method")
        radius_low_rank = checks.number(radius_low_rank, "radius_low_rank", above=0)
        radius_sparse = checks.number(radius_sparse, "radius_sparse", above=0)
        self.radius_low_rank = self.in_units(radius_low_rank)
        self.radius_sparse = self.in_units(radius_sparse)

    def gradient(self, low, sparse):
        """Return P(L + S - M), the gradient in L and in S."""
        return self.project(low + sparse - self.given)


@dataclass
class NormConstrainedState:
    """Both parts, the gradient there, its leading singular triplet, and steps made."""

    low: Any
    sparse: Any
    gradient: Any
    pair: Any = None
    leading: Any = None
    nit: int = 0


@dataclass(frozen=True)
class NormConstrainedFrankWolfe(Method):
    """Move both parts towards the vertex where the linearised objective is least.

    Parameters
    ----------
    project : bool
        After each step, make a projected gradient step of length 1 in S: a Frank-Wolfe step
        alone changes one entry of S towards its vertex.
    line_search : bool
        Whether to go to the minimum between here and the vertex, instead of 2 / (k + 2) of the
        way in step k.
    oracle : {"bidiagonalization", "block", "power", "svd"}
    accuracy : float, optional
        Of the leading singular pair; None asks for 0.1 / (k + 2) in step k.
    """

    project: bool = True
    line_search: bool = False
    oracle: str = "bidiagonalization"
    accuracy: float | None = None

    formulation = "norm-constrained"
    criterion = "duality gap"
    default_rtol = {  # noqa: RUF012
        "fp64": 1e-3,
        "fp32": 1e-3,
        "tf32": 1e-2,
        "fp16": 1e-2,
        "bf16": 1e-1,
    }

    def __post_init__(self):
        checks.choice(self.oracle, ORACLES, "oracle")
        if self.accuracy is not None:
            checks.number(self.accuracy, "accuracy", above=0)

    def init(self, problem, arithmetic, x0):
        """Start from S = 0 and L = 0, or L = x0."""
        low = problem.start(x0)
        low = problem.xp.zeros_like(problem.given) if low is None else low
        sparse = problem.xp.zeros_like(low)
        return NormConstrainedState(low, sparse, problem.gradient(low, sparse))

    def scale(self, problem, arithmetic):
        """Return ||P M||_F^2 / 2."""
        return problem.norm**2 / 2 * problem.objective_unit

    def find_pair(self, problem, state, arithmetic):
        """Return the leading u, s, v of the gradient."""
        if state.pair is None:
            accuracy = self.accuracy
            if accuracy is None and self.oracle != "power":
                accuracy = 0.1 / (state.nit + 2)
            u, s, state.leading, _ = leading_pairs(
                Products(state.gradient, arithmetic),
                1,
                arithmetic,
                problem.rng,
                previous=state.leading,
                accuracy=accuracy,
                oracle=self.oracle,
            )
            state.pair = u[:, 0], host(s[0]), state.leading[:, 0]
        return state.pair

    def step(self, problem, state, arithmetic):
        """Make a Frank-Wolfe step, and a projected gradient step in S where that is asked for."""
        xp = problem.xp
        u, _, v = self.find_pair(problem, state, arithmetic)
        flat = xp.reshape(state.gradient, (-1,))
        place = int(to_numpy(xp.argmax(xp.abs(flat))))
        sign = -1.0 if host(flat[place]) > 0 else 1.0
        spot = astype(xp.arange(flat.shape[0], device=arithmetic.device) == place, flat.dtype)
        spike = xp.reshape(spot, problem.shape) * (sign * problem.radius_sparse)
        to_low = -problem.radius_low_rank * u[:, None] * v[None, :] - state.low
        to_sparse = spike - state.sparse
        gamma = 2 / (state.nit + 2)
        if self.line_search:
            direction = problem.project(to_low + to_sparse)
            curvature = host(xp.sum(direction * direction))
            slope = host(xp.sum(direction * state.gradient))
            gamma = min(max(-slope / curvature, 0.0), 1.0) if curvature > 0 else 0.0
        low, sparse = state.low + gamma * to_low, state.sparse + gamma * to_sparse
        if self.project:
            sparse = project_on_l1_ball(
                sparse - problem.gradient(low, sparse), problem.radius_sparse, problem.wide
            )
        gradient = problem.gradient(low, sparse)
        return NormConstrainedState(low, sparse, gradient, None, state.leading, state.nit + 1)

    def measure(self, problem, state, arithmetic, exact):
        """Return the duality gap max <x - v, gradient> over the feasible v, and the objective."""
        xp = problem.xp
        largest = self.find_pair(problem, state, arithmetic)[1]
        if exact:
            state.gradient = problem.gradient(state.low, state.sparse)
            _, s, _, error = leading_pairs(
                Products(state.gradient, problem.wide),
                1,
                problem.wide,
                problem.rng,
                previous=state.leading,
                accuracy=1e-8,
            )
            largest = host(s[0]) + error
        g = state.gradient
        gap = host(xp.sum((state.low + state.sparse) * g))
        gap += problem.radius_low_rank * largest
        gap += problem.radius_sparse * host(xp.max(xp.abs(g)))
        return {
            "residual": gap * problem.objective_unit,
            "objective": self.objective(problem, state),
        }

    def objective(self, problem, state):
        """Return half the square of the gradient, as the caller has it."""
        return host(problem.wide.frobenius(state.gradient)) ** 2 / 2 * problem.objective_unit

    def finish(self, problem, state, arithmetic):
        """Return the low-rank part; the sparse part and the objective."""
        objective = self.objective(problem, state)
        factors = problem.decompose(state.low) if problem.factored else None
        return problem.deliver(state.low, state.sparse, factors, objective=objective)


def project_on_l1_ball(a, radius, arithmetic):
    """Return the nearest array whose magnitudes sum to at most ``radius``.

    Entries are soft-thresholded; Newton's method finds the threshold from below in a few passes.
    """
    xp = arithmetic.xp
    size = xp.abs(a)
    threshold = 0.0
    while True:
        above = size > threshold
        count = count_true(above)
        if count == 0:
            break
        total = host(xp.sum(xp.where(above, size, xp.zeros_like(size))))
        found = (total - radius) / count
        if not found > threshold:
            break
        threshold = found
    return arithmetic.kernels.soft_threshold(a, threshold)
