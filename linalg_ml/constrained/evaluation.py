"""An equality-constrained problem as the methods see it: points at which everything is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import dtype_name, is_traced, namespace, to_numpy
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.random import generator
from linalg_ml._core.result import UserFunctionError
from linalg_ml._core.verdict import host
from linalg_ml.constrained.problem import multiplier_array

_NAMES = ("fun", "con", "grad", "jac")


@dataclass(frozen=True)
class Point:
    """x, the multipliers, and f, c, their first derivatives and the gradient of the Lagrangian."""

    x: Any
    lam: Any
    value: float
    c: Any
    gradient: Any
    jacobian: Any
    stationarity: Any  # gradient + jacobian^T lam
    residual: float  # ||(stationarity, c)||

    @property
    def kkt(self):
        """The gradient of the Lagrangian in x and the multipliers, one vector."""
        return namespace(self.x).concat([self.stationarity, self.c])


class Evaluation:
    """The functions of an `EqualityProblem`, evaluated, checked and counted.

    Parameters
    ----------
    problem : EqualityProblem
    x0 : array of shape (n,)
    multipliers : array of shape (m,) or None
    arithmetic : Arithmetic
        Counts the evaluations; values and derivatives keep the dtype of ``x0``.
    rng : None, int or numpy.random.Generator
    """

    def __init__(self, problem, x0, multipliers, arithmetic, rng):
        if is_traced(x0):
            raise TypeError("sketched_newton cannot run inside jax.jit: it looks at values")
        self.problem, self.x0, self.arithmetic = problem, x0, arithmetic
        self.xp = namespace(x0)
        self.plain = Arithmetic(None, x0)  # what it multiplies is no part of the inner solves
        self.unit_roundoff = 2.0**-53 if dtype_name(x0) == "float64" else 2.0**-24
        self.rng = generator(rng)
        m = problem.constraints(x0).shape[0]
        if multipliers is None:
            multipliers = self.xp.zeros(m, dtype=x0.dtype, device=self.plain.device)
        else:
            multipliers = multiplier_array(multipliers, x0, m)
        self.n, self.m, self.multipliers0 = x0.shape[0], m, multipliers
        self.initial_residual = float("nan")

    def point(self, x, lam):
        """Evaluate f, c and their first derivatives; what is not finite is not refused here."""
        problem, count = self.problem, self.arithmetic.count
        for name in _NAMES:
            count(name)
        value, c = problem.value(x), problem.constraints(x)
        gradient, jacobian = problem.gradient(x), problem.jacobian(x)
        checks.same_shape(c, (self.m,), "con(x)")
        checks.same_shape(jacobian, (self.m, self.n), "jac(x)")
        stationarity = gradient + self.times(jacobian.mT, lam)
        point = Point(x, lam, value, c, gradient, jacobian, stationarity, 0.0)
        object.__setattr__(point, "residual", self.norm(point.kkt))
        return point

    def start(self):
        """Return the point to start from, all of it finite."""
        if not bool(self.xp.all(self.xp.isfinite(self.x0))):
            return self._nowhere()
        point = self.point(self.x0, self.multipliers0)
        self.refuse(point, 0)
        self.initial_residual = point.residual
        return point

    def _nowhere(self):
        """Return the point at a start that is not finite: its residual is NaN."""
        x, c = 0 * self.x0, 0 * self.multipliers0
        jacobian = self.xp.zeros((self.m, self.n), dtype=x.dtype, device=self.plain.device)
        return Point(self.x0, self.multipliers0, float("nan"), c, x, jacobian, x, float("nan"))

    def hessian(self, point, nit, lam=None):
        """Return the Hessian of the Lagrangian, for multipliers of one's own if ``lam`` is given.

        Raises
        ------
        UserFunctionError
            Where it is not finite.
        """
        self.arithmetic.count("hess")
        h = self.problem.hessian(point.x, point.lam if lam is None else lam)
        if not bool(self.xp.all(self.xp.isfinite(h))):
            raise UserFunctionError(_at("hess(x, lam)", nit, point.x))
        return h

    def culprit(self, point):
        """Name the function whose value at a point is not finite, or return None."""
        values = (point.value, point.c, point.gradient, point.jacobian)
        for name, value in zip(_NAMES, values, strict=True):
            if not np.all(np.isfinite(value if type(value) is float else to_numpy(value))):
                return f"{name}(x)"
        return None

    def refuse(self, point, nit):
        """Raise a UserFunctionError naming the function that is not finite at a point."""
        name = self.culprit(point)
        if name is not None:
            raise UserFunctionError(_at(name, nit, point.x))

    # Arithmetic in the dtype of x ------------------------------------------------------------

    def times(self, a, x):
        """Return A x."""
        if 0 in a.shape:
            return self.xp.zeros(a.shape[0], dtype=x.dtype, device=self.plain.device)
        return self.plain.mv(a, x)

    def dot(self, x, y):
        """Return x^T y as a Python float."""
        return float(np.dot(_double(x), _double(y)))

    def norm(self, x):
        """Return the Euclidean norm of a vector, or the Frobenius norm of a matrix."""
        if 0 in x.shape:
            return 0.0
        return host(self.plain.frobenius(x if x.ndim == 2 else x[:, None]))

    def sum_of_sizes(self, x):
        """Return the 1-norm."""
        return float(np.sum(np.abs(_double(x))))


def _double(x):
    return to_numpy(x).astype(np.float64)


def _at(name, nit, x):
    with np.printoptions(precision=4, threshold=6, edgeitems=3):
        return f"{name} returned NaN or infinity at iterate {nit}, x = {to_numpy(x)}"
