"""Solvers of the system of a Newton step, all behind one call."""

from dataclasses import dataclass
from typing import Any

from linalg_ml._core.solve import solve
from linalg_ml.constrained.inner_block import rows_with_memory
from linalg_ml.constrained.inner_exact import factorised
from linalg_ml.constrained.inner_vectors import gaussian_vectors, kaczmarz
from linalg_ml.krylov.gmres import GeneralizedMinimalResiduals
from linalg_ml.krylov.linear_system import LinearSystem
from linalg_ml.krylov.minres import MinimalResiduals
from linalg_ml.sketching.projection import SketchAndProject
from linalg_ml.sketching.sketched_system import SketchedSystem

_ROUNDS = 4  # solves for the residual of the solve before, where a precision gives out

_LEAST_BLOCK = 8  # of a sketch that remembers nothing


@dataclass(frozen=True)
class InnerSolution:
    """Where an inner solve stands; pass it on to go on from there.

    Attributes
    ----------
    z, r : arrays of shape (n + m,)
        The solution and b - K z.
    residual : float
        ||r||.
    steps : int
        Made so far, in the unit of the solver: sketches, blocks, products or factorisations.
    """

    z: Any
    r: Any
    residual: float
    steps: int = 0


def begin(system):
    """Return the solution z = 0."""
    return InnerSolution(system.zero(), system.rhs, system.norm(system.rhs))


def improve(kind, system, solution, target, *, block=None, maxiter=None):
    """Go on from a solution until ||b - K z|| <= target, or no further.

    Parameters
    ----------
    kind : str
        One of `INNER_SOLVERS`.
    system : KKTSystem
    solution : InnerSolution
    target : float
    block : int, optional
        Rows or columns of a sketch.
    maxiter : int, optional
        Cap on the steps made in this call.

    Returns
    -------
    InnerSolution
        Its residual is computed from z in the precision of the problem.
    """
    solver = INNER_SOLVERS[kind]
    made = 0
    for _ in range(_ROUNDS):
        if not solution.residual > target:
            break
        left = None if maxiter is None else maxiter - made
        if left is not None and left <= 0:
            break
        d, steps = solver(system, solution.r, target, block, left)
        made += steps
        z = solution.z + d
        r = system.residual(z)
        residual = system.norm(r)
        if not residual < solution.residual:
            return InnerSolution(solution.z, solution.r, solution.residual, solution.steps + steps)
        stuck = residual > 0.5 * solution.residual
        solution = InnerSolution(z, r, residual, solution.steps + steps)
        if stuck:
            break
    return solution


def _krylov(method):
    def run(system, r, target, block, maxiter):
        posed = LinearSystem(system.matrix, system.arithmetic.enter(r), system.arithmetic)
        return _solved(method, posed, system, target, maxiter or 10 * system.size)

    return run


def _sketched(sketch):
    def run(system, r, target, block, maxiter):
        k = min(block or max(_LEAST_BLOCK, system.size // 4), system.size)
        posed = SketchedSystem(system.matrix, r, system.arithmetic, system.rng)
        cap = maxiter or 1000 + 200 * system.size // k
        every = max(1, system.size // k)
        return _solved(SketchAndProject(sketch, k), posed, system, target, cap, every)

    return run


def _solved(method, posed, system, target, maxiter, every=1):
    result = solve(
        method, posed, system.arithmetic, atol=target, rtol=0.0, maxiter=maxiter, check_every=every
    )
    return system.wide.enter(result.x), result.nit


INNER_SOLVERS = {
    "block": rows_with_memory,
    "rows": _sketched("rows"),
    "gaussian": _sketched("gaussian"),
    "sparse-sign": _sketched("sparse-sign"),
    "gaussian-vector": gaussian_vectors,
    "kaczmarz": kaczmarz,
    "minres": _krylov(MinimalResiduals()),
    "gmres": _krylov(GeneralizedMinimalResiduals()),
    "exact": factorised,
}
