"""The problem that coordinate descent solves: a smooth loss, a separable part, their constants."""

import math
from functools import cached_property

import numpy as np

from linalg_ml._core.namespace import asarray, dtype_name
from linalg_ml.relaxation.block_partitions import as_graph, color_graph, tree_partition
from linalg_ml.relaxation.block_quadratic import lanczos_estimate, largest_eigenvalue
from linalg_ml.relaxation.coordinate_losses import Quadratic
from linalg_ml.relaxation.matrix_columns import SparseColumns
from linalg_ml.relaxation.units import Units, euclidean_norm

# Blocks up to this size are not worth a search for cycles.
_SMALL = 8


class CoordinateProblem:
    """min f(x) + l1 ||x||_1 for lower <= x <= upper.

    Parameters
    ----------
    loss : Quadratic, LeastSquares, Logistic or Softmax
    part : Separable
    home : array
        Where the solution goes, and in which type.
    rng : numpy.random.Generator
    x0 : array (n,)
        Starting point within the bounds.
    units : Units, optional
        In which all of these are; measures and solutions are in those of the caller.
    """

    def __init__(self, loss, part, home, rng, x0, units=None):
        self.loss, self.part, self.home, self.rng, self.x0 = loss, part, home, rng, x0
        self.units = units or Units()
        constants = loss.lipschitz
        self.curvature = np.where(constants > 0, constants, np.ones_like(constants))
        self.not_forests = {None}  # keys of blocks whose graph has a cycle, or is not known
        self.all_forests = False
        self.patience, self._idle = 200, 0
        self._least, self._lowest = math.inf, math.inf  # residual and objective so far
        self._columns, self._matrices, self._constants, self._partitions = {}, {}, {}, {}

    @cached_property
    def graph(self):
        """The matrix of a quadratic by rows, for its graph."""
        a = self.loss.a
        return as_graph(a.csr if isinstance(a, SparseColumns) else np.asarray(a.a))

    def graph_partition(self, name):
        """Return the blocks of "colors" or "trees"."""
        if name not in self._partitions:
            divide = {"colors": color_graph, "trees": tree_partition}[name]
            self._partitions[name] = divide(self.graph)
        return self._partitions[name]

    def may_be_forest(self, block):
        """Say whether a block is solved as a forest until a cycle is found."""
        if self.all_forests:
            return True
        sparse = isinstance(self.loss, Quadratic) and isinstance(self.loss.a, SparseColumns)
        return sparse and block.key not in self.not_forests and block.index.size > _SMALL

    def flaw(self, gradient):
        """Say whether a diagonal entry shows that the quadratic is not convex, or has no minimum.

        ``gradient`` is that at x0. Where a_ii = 0 the whole row must vanish, and the coordinate
        must have a bound or a penalty that stops it.
        """
        diagonal = self.loss.lipschitz
        if np.any(diagonal < 0):
            return True
        null = np.flatnonzero(diagonal == 0)
        if not null.size:
            return False
        if isinstance(self.loss, Quadratic) and np.any(self.loss.gershgorin[null] > 0):
            return True
        slope, part = gradient[null], self.part
        up, down = np.isinf(part.upper[null]), np.isinf(part.lower[null])
        return bool(np.any(((slope < -part.l1) & up) | ((slope > part.l1) & down)))

    def falls_forever(self, x):
        """Say whether the objective of a quadratic has no lower bound on the ray through x.

        So it is where x^T A x < 0 beyond rounding, and no bound stops the ray.
        """
        if not isinstance(self.loss, Quadratic):
            return False
        part, v = self.part, x / np.abs(x).max()
        if np.any((v > 0) & np.isfinite(part.upper) | (v < 0) & np.isfinite(part.lower)):
            return False
        rounding = 10 * math.sqrt(v.size) * np.finfo(v.dtype).eps
        return bool(v @ self.loss.a.matvec(v) < -rounding * (self.loss.gershgorin @ (v * v)))

    def is_idle(self, measures):
        """Say whether neither the residual nor the objective has fallen for too many checks.

        The residual may stay above its least for many passes, while each lowers the objective.
        """
        residual, objective = measures["residual"], measures["objective"]
        rounding = 4 * np.finfo(self.curvature.dtype).eps * abs(objective)
        falls = residual < 0.99 * self._least or objective < self._lowest - rounding
        self._idle = 0 if falls else self._idle + 1
        self._least, self._lowest = min(self._least, residual), min(self._lowest, objective)
        return self._idle >= self.patience

    def columns(self, block):
        """Return the columns of a block; those of a block that comes again are kept."""
        if block.key is None:
            return self.loss.columns(block.index)
        if block.key not in self._columns:
            self._columns[block.key] = self.loss.columns(block.index)
        return self._columns[block.key]

    def block_matrix(self, block, columns=None):
        """Return the bound H_b of the Hessian at a block."""
        if block.key is None or block.index.size > 1000:
            return self.loss.bound(columns or self.columns(block))
        if block.key not in self._matrices:
            self._matrices[block.key] = self.loss.bound(self.columns(block))
        return self._matrices[block.key]

    def block_constant(self, block, columns=None):
        """Return L_b, the largest eigenvalue of H_b, at least a positive number."""
        if block.key in self._constants:
            return self._constants[block.key]
        if block.index.size == 1:
            constant = float(self.curvature[block.index[0]])
        else:
            constant = largest_eigenvalue(self.block_matrix(block, columns))
            floor = float(self.curvature[block.index].max())
            constant = constant if not constant < floor else floor
        if block.key is not None:
            self._constants[block.key] = constant
        return constant

    def apply_bound(self, d):
        """Return H d, H the bound of the whole Hessian."""
        return self.loss.apply_bound(d)

    def largest_curvature(self):
        """Return an upper estimate of the largest eigenvalue of H scaled to a unit diagonal."""
        rng = np.random.default_rng(0)  # an estimate should not depend on the draws of the rule
        scale = np.sqrt(self.curvature)
        estimate = lanczos_estimate(
            lambda u: self.apply_bound(u / scale) / scale, self.loss.size, scale.dtype, rng
        )
        return 1.02 * estimate

    def pull(self, point, gradient=None):
        """Return L_i times the proximal step of each coordinate backwards: the gradient, freed."""
        gradient = self.loss.gradient(point) if gradient is None else gradient
        if self.part.trivial:
            return gradient
        return -self.curvature * self.part.step(point.x, gradient, self.curvature)

    def gains(self, point):
        """Return how much each coordinate's step lowers its quadratic bound."""
        gradient, x, part = self.loss.gradient(point), point.x, self.part
        d = part.step(x, gradient, self.curvature)
        gain = -d * (gradient + 0.5 * self.curvature * d)
        return gain - part.l1 * (np.abs(x + d) - np.abs(x)) if part.l1 else gain

    def measures(self, point):
        """Return the norm of the proximal gradient, and the objective."""
        gradient = self.loss.gradient(point)
        value = self.loss.value(point, gradient) + self.part.value(point.x)
        residual = self.residual(point, gradient)
        return {"residual": residual, "objective": value * self.units.objective}

    def residual(self, point, gradient):
        """Return the norm of the proximal gradient; zero only where it is zero."""
        norm = euclidean_norm(self.pull(point, gradient))
        return max(norm * self.units.gradient, math.ulp(0.0)) if norm > 0 else norm

    def output(self, x):
        """Return x in the units and the library of the caller, in memory of its own."""
        return asarray(self._unscaled(x).reshape(self.loss.shape), like=self.home)

    def as_returned(self, x):
        """Return x as it is left by overflow or underflow of what the caller gets."""
        return _scaled(self._unscaled(x), 1 / self.units.x, x.dtype)

    def _unscaled(self, x):
        double = dtype_name(self.home) == "float64"
        return _scaled(x, self.units.x, np.dtype(np.float64) if double else x.dtype)


def _scaled(x, factor, dtype):
    """Return a copy of x times a factor, rounded once."""
    return x.copy() if factor == 1 else (x.astype(np.float64) * factor).astype(dtype)
