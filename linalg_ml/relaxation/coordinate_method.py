"""Coordinate descent as a method of the convergence loop."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from linalg_ml._core.result import Status
from linalg_ml._core.solve import Method
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.relaxation.block_partitions import split_coordinates
from linalg_ml.relaxation.block_selection import (
    BlindOrder,
    FixedBlocks,
    ForestBlocks,
    VariableBlocks,
)
from linalg_ml.relaxation.block_updates import STEPS

_AT_ONCE = 1 << 20


@dataclass
class CoordinateState:
    """Where the loss is evaluated, who chooses the next block, and when the support settled.

    ``initial`` is the residual at the starting point.
    """

    point: Any
    chooser: Any
    flawed: bool
    initial: float
    step: int = 0
    settled: int = 0
    estimates: Any = field(default=None)


@dataclass(frozen=True)
class CoordinateDescent(Method):
    """Block coordinate descent: choose a block, then make a step in it."""

    rule: str = "cyclic"
    block: Any = 1
    update: str = "exact"
    norm: int = 2

    criterion = "norm of the (proximal) gradient"
    default_rtol = {"fp64": 1e-6, "fp32": 1e-4}  # noqa: RUF012
    yields = (Status.STAGNATED,)

    def chooser(self, problem):
        """Return what chooses blocks."""
        rule, block = self.rule, self.block
        if block == "forest":
            problem.all_forests = True
            return ForestBlocks(rule, problem)
        if isinstance(block, int) and not (rule == "cyclic" and block > 1):
            return VariableBlocks(rule, min(block, problem.loss.size), problem)
        if isinstance(block, int):
            partition = split_coordinates(problem.curvature, block)
        elif isinstance(block, str):
            partition = problem.graph_partition(block)
        elif isinstance(block[0], str):
            partition = split_coordinates(problem.loss.lipschitz, block[1], order=block[0])
        else:
            partition = [np.asarray(index, np.int64) for index in block]
        return FixedBlocks(rule, self.norm, partition, problem)

    def init(self, problem, arithmetic, x0):
        """Evaluate the loss at the starting point."""
        point = problem.loss.start(problem.x0.copy())
        gradient = problem.loss.gradient(point)
        initial = problem.residual(point, gradient)
        estimates = np.ones_like(problem.curvature) if self.update == "adaptive" else None
        return CoordinateState(
            point, self.chooser(problem), problem.flaw(gradient), initial, estimates=estimates
        )

    def step(self, problem, state, arithmetic):
        """Choose a block, move it."""
        block = state.chooser.choose(problem, state.point)
        columns = problem.columns(block)
        arithmetic.count("columns", block.index.size)
        g = problem.loss.block_gradient(state.point, columns)
        before = state.point.x[block.index]
        after = STEPS[self.update](problem, state.point, block, columns, g, state.estimates)
        problem.loss.move(state.point, columns, after - before)
        state.step += 1
        if not problem.part.trivial:
            state.point.x[block.index] = after  # on bounds exactly
            free = problem.part.free
            if not np.array_equal(free(before, block.index), free(after, block.index)):
                state.settled = state.step
        return state

    def scale(self, problem, arithmetic):
        """Return the measure at the feasible point next to zero; where it vanishes, at x0."""
        residual = problem.measures(problem.loss.start(problem.part.start()))["residual"]
        if residual == 0 and np.any(problem.x0 != problem.part.start()):
            residual = problem.measures(problem.loss.start(problem.x0.copy()))["residual"]
        return residual

    def measure(self, problem, state, arithmetic, exact):
        """Measure at the state as it is kept, or recompute it from x as the caller gets it."""
        point = problem.loss.start(problem.as_returned(state.point.x)) if exact else state.point
        return problem.measures(point)

    def stopped(self, problem, state, measures):
        """Report that there is no minimum: BREAKDOWN by the diagonal, DIVERGED by x.

        A residual that grows is no proof: it does for a while in convex problems as well. Nor
        is one that stands still: STAGNATED only where 200 passes do not lower the objective.
        """
        if state.flawed:
            return Status.BREAKDOWN
        if measures["residual"] > state.initial and problem.falls_forever(state.point.x):
            return Status.DIVERGED
        return Status.STAGNATED if problem.is_idle(measures) else None

    def refresh(self, problem, state, arithmetic):
        """Go on from x with nothing kept by recurrences."""
        return replace(state, point=problem.loss.start(state.point.x))

    def finish(self, problem, state, arithmetic):
        """Return x, the objective, the free coordinates, and the step they were settled at."""
        extras = {
            "objective": problem.measures(state.point)["objective"],
            "support": np.flatnonzero(problem.part.free(state.point.x)),
            "settled": state.settled,
        }
        return problem.output(state.point.x), extras


@dataclass(frozen=True)
class CompiledCoordinateDescent(CoordinateDescent):
    """The same for single coordinates of a quadratic loss in a compiled loop."""

    def chooser(self, problem):
        """Return the order of coordinates; a greedy rule has weights instead."""
        curvature = problem.curvature
        if self.rule == "gs":
            return curvature
        if self.rule in ("gsl", "gsd"):
            return np.sqrt(curvature)
        if self.rule == "gsd-gershgorin":
            return curvature / np.sqrt(np.maximum(problem.loss.gershgorin, curvature))
        weights = problem.loss.lipschitz
        if self.rule != "lipschitz":
            weights = np.ones(problem.loss.size)
        return BlindOrder(self.rule, weights, problem.rng)

    def advance(self, problem, state, arithmetic, steps, target):
        """Make the steps, then let the loop measure."""
        loss, part, point = problem.loss, problem.part, state.point
        where = (problem.curvature, part.l1, part.lower, part.upper)
        arithmetic.count("columns", steps)
        for first in range(0, steps, _AT_ONCE):
            many = min(_AT_ONCE, steps - first)
            if isinstance(state.chooser, np.ndarray):
                curvature, *rest = where
                changed = kernels("numpy").greedy_steps(
                    loss.a.csr, many, point.x, point.gradient, curvature, state.chooser, *rest
                )
            else:
                residual = point.z is not None
                changed = kernels("numpy").coordinate_steps(
                    loss.a.rows_of_transpose,
                    state.chooser.take(many),
                    point.z if residual else point.x,
                    point.x,
                    np.zeros_like(point.x) if residual else loss.b,
                    *where,
                    residual=residual,
                )
            if changed >= 0:
                state.settled = state.step + changed + 1
            state.step += many
        return state, steps, False
