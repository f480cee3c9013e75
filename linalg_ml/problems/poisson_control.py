"""Control of Poisson's equation: a quadratic objective under a discretised equation."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from linalg_ml._core import checks
from linalg_ml.problems.grids import delsq, numgrid

_TILT = 0.1 / 15**0.5


@dataclass(frozen=True)
class PoissonControl:
    """Minimise (||w - w_d||^2 + weight ||u||^2) / 2 subject to Laplace(w) + u = 0 on a square.

    x = (w, u): the state and the control at the N^2 inner points of a square of side 2, column
    by column; w is zero on the boundary, and the Laplacian has five points.

    Parameters
    ----------
    points : int
        N.
    weight : float
        Of the control.

    Notes
    -----
    ``fun``, ``con``, ``grad``, ``jac`` and ``hess`` are what `linalg_ml.EqualityProblem` takes,
    dense; ``x0`` and ``lam0`` are all ones. The wanted state w_d is a smooth wave. The problem is
    quadratic with linear constraints: Newton's method with an exact solve takes one step.

    References
    ----------
    I. Hong, S. Na, M. Mahoney, M. Kolar, "Constrained Optimization via Exact Augmented
    Lagrangian and Randomized Iterative Sketching", ICML 2023, arXiv:2305.18379; the program
    beside it has N = 3.

    Examples
    --------
    >>> from linalg_ml.problems import PoissonControl
    >>> problem = PoissonControl(3)
    >>> problem.shape, round(problem.fun(problem.x0), 6)
    ((9, 18), 34.393272)
    """

    points: int = 3
    weight: float = 0.1

    def __post_init__(self):
        checks.count(self.points, "points")
        checks.number(self.weight, "weight", above=0)

    @property
    def shape(self):
        """m, n: constraints and variables."""
        return self.points**2, 2 * self.points**2

    @property
    def x0(self):
        """The starting point: all ones."""
        return np.ones(2 * self.points**2)

    @property
    def lam0(self):
        """The multipliers to start from: all ones."""
        return np.ones(self.points**2)

    def fun(self, x):
        """Return f(x)."""
        w, u = np.split(x, 2)
        return float(np.sum((w - self.wanted) ** 2) + self.weight * np.sum(u**2)) / 2

    def grad(self, x):
        """Return the gradient of f, shape (n,)."""
        w, u = np.split(x, 2)
        return np.r_[w - self.wanted, self.weight * u]

    def con(self, x):
        """Return c(x), shape (m,)."""
        w, u = np.split(x, 2)
        return self.laplacian @ w + u

    def jac(self, x):
        """Return the Jacobian of c, shape (m, n)."""
        return np.hstack([self.laplacian.toarray(), np.eye(self.points**2)])

    def hess(self, x, lam):
        """Return the Hessian in x of f + lam^T c, shape (n, n)."""
        m = self.points**2
        return np.diag(np.r_[np.ones(m), np.full(m, self.weight)])

    @cached_property
    def laplacian(self):
        """The five-point Laplacian, a scipy.sparse matrix of shape (m, m)."""
        return delsq(numgrid("S", self.points + 2)) * (-(((self.points + 1) / 2) ** 2))

    @cached_property
    def wanted(self):
        """The wanted state, shape (m,)."""
        place = _TILT * (np.arange(1, self.points + 1) - (self.points + 1) / 2)
        return (np.sin(4 + place)[None, :] + np.cos(3 + place)[:, None]).reshape(-1)
