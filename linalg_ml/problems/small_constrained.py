"""Small problems with equality constraints from the collections everybody uses."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from linalg_ml._core import checks
from linalg_ml.problems.jets import cos, exp, log, sin, variables

R2 = 2**0.5


@dataclass(frozen=True)
class SmallConstrainedProblem:
    """Minimise f(x) subject to c(x) = 0, with exact derivatives.

    Attributes
    ----------
    name : str
    x0 : array of shape (n,)
        The starting point that belongs to the problem.
    optimum : float
        The best value of f known.
    """

    name: str
    x0: np.ndarray
    optimum: float
    formula: object

    @cached_property
    def shape(self):
        """m, n: constraints and variables."""
        return len(self.con(self.x0)), len(self.x0)

    def fun(self, x):
        """Return f(x)."""
        return self._jets(x)[0].value

    def con(self, x):
        """Return c(x), shape (m,)."""
        return np.array([c.value for c in self._jets(x)[1]])

    def grad(self, x):
        """Return the gradient of f, shape (n,)."""
        return self._jets(x)[0].gradient

    def jac(self, x):
        """Return the Jacobian of c, shape (m, n)."""
        return np.array([c.gradient for c in self._jets(x)[1]])

    def hess(self, x, lam):
        """Return the Hessian in x of f + lam^T c, shape (n, n)."""
        f, c = self._jets(x)
        return f.hessian + sum(weight * jet.hessian for weight, jet in zip(lam, c, strict=True))

    def __getstate__(self):
        # The formulas of the collection are lambdas, which cannot be pickled but looked up.
        known = self.name in _PROBLEMS and self.formula is _PROBLEMS[self.name][2]
        return {**vars(self), "formula": None} if known else vars(self)

    def __setstate__(self, state):
        formula = state["formula"] or _PROBLEMS[state["name"]][2]
        vars(self).update({**state, "formula": formula})

    def _jets(self, x):
        f, c = self.formula(*variables(x))
        # A constant has no derivatives of its own.
        return f + 0 * variables(x)[0], c


def _squares(*terms):
    return sum(term**2 for term in terms)


# name: starting point, best value known, (f, [c]) of the variables
_PROBLEMS = {
    "HS6": ((-1.2, 1), 0.0, lambda x, y: ((1 - x) ** 2, [10 * (y - x**2)])),
    "HS7": (
        (2, 2),
        -(3**0.5),
        lambda x, y: (log(1 + x**2) - y, [(1 + x**2) ** 2 + y**2 - 4]),
    ),
    "HS9": (
        (0, 0),
        -0.5,
        lambda x, y: (sin(x * (np.pi / 12)) * cos(y * (np.pi / 16)), [4 * x - 3 * y]),
    ),
    "HS26": (
        (-2.6, 2, 2),
        0.0,
        lambda x, y, z: ((x - y) ** 2 + (y - z) ** 4, [(1 + y**2) * x + z**4 - 3]),
    ),
    "HS27": (
        (2, 2, 2),
        0.04,
        lambda x, y, z: (0.01 * (x - 1) ** 2 + (y - x**2) ** 2, [x + z**2 + 1]),
    ),
    "HS28": (
        (-4, 1, 1),
        0.0,
        lambda x, y, z: ((x + y) ** 2 + (y + z) ** 2, [x + 2 * y + 3 * z - 1]),
    ),
    "HS39": (
        (2, 2, 2, 2),
        -1.0,
        lambda x, y, z, w: (-x, [y - x**3 - z**2, x**2 - y - w**2]),
    ),
    "HS40": (
        (0.8, 0.8, 0.8, 0.8),
        -0.25,
        lambda x, y, z, w: (-(x * y * z * w), [x**3 + y**2 - 1, x**2 * w - z, w**2 - y]),
    ),
    "HS42": (
        (1, 1, 1, 1),
        28 - 10 * R2,
        lambda x, y, z, w: (
            _squares(x - 1, y - 2, z - 3, w - 4),
            [x - 2, z**2 + w**2 - 2],
        ),
    ),
    "HS46": (
        (R2 / 2, 1.75, 0.5, 2, 2),
        0.0,
        lambda a, b, c, d, e: (
            (a - b) ** 2 + (c - 1) ** 2 + (d - 1) ** 4 + (e - 1) ** 6,
            [a**2 * d + sin(d - e) - 1, b + c**4 * d**2 - 2],
        ),
    ),
    "HS47": (
        (2, R2, -1, 2 - R2, 0.5),
        0.0,
        lambda a, b, c, d, e: (
            (a - b) ** 2 + (b - c) ** 3 + (c - d) ** 4 + (d - e) ** 4,
            [a + b**2 + c**3 - 3, b - c**2 + d - 1, a * e - 1],
        ),
    ),
    "HS48": (
        (3, 5, -3, 2, -2),
        0.0,
        lambda a, b, c, d, e: (
            _squares(a - 1, b - c, d - e),
            [a + b + c + d + e - 5, c - 2 * (d + e) + 3],
        ),
    ),
    "HS49": (
        (10, 7, 2, -3, 0.8),
        0.0,
        lambda a, b, c, d, e: (
            (a - b) ** 2 + (c - 1) ** 2 + (d - 1) ** 4 + (e - 1) ** 6,
            [a + b + c + 4 * d - 7, c + 5 * e - 6],
        ),
    ),
    "HS50": (
        (35, -31, 11, 5, -5),
        0.0,
        lambda a, b, c, d, e: (
            (a - b) ** 2 + (b - c) ** 2 + (c - d) ** 4 + (d - e) ** 2,
            [a + 2 * b + 3 * c - 6, b + 2 * c + 3 * d - 6, c + 2 * d + 3 * e - 6],
        ),
    ),
    "HS51": (
        (2.5, 0.5, 2, -1, 0.5),
        0.0,
        lambda a, b, c, d, e: (
            _squares(a - b, b + c - 2, d - 1, e - 1),
            [a + 3 * b - 4, c + d - 2 * e, b - e],
        ),
    ),
    "HS52": (
        (2, 2, 2, 2, 2),
        1859 / 349,
        lambda a, b, c, d, e: (
            _squares(4 * a - b, b + c - 2, d - 1, e - 1),
            [a + 3 * b, c + d - 2 * e, b - e],
        ),
    ),
    "HS77": (
        (2, 2, 2, 2, 2),
        0.241505128786,
        lambda a, b, c, d, e: (
            _squares(a - 1, a - b, c - 1) + (d - 1) ** 4 + (e - 1) ** 6,
            [a**2 * d + sin(d - e) - 2 * R2, b + c**4 * d**2 - 8 - R2],
        ),
    ),
    "HS78": (
        (-2, 1.5, 2, -1, -1),
        -2.91970040911,
        lambda a, b, c, d, e: (
            a * b * c * d * e,
            [_squares(a, b, c, d, e) - 10, b * c - 5 * d * e, a**3 + b**3 + 1],
        ),
    ),
    "HS79": (
        (2, 2, 2, 2, 2),
        0.0787768208538,
        lambda a, b, c, d, e: (
            _squares(a - 1, a - b, b - c) + (c - d) ** 4 + (d - e) ** 4,
            [a + b**2 + c**3 - 2 - 3 * R2, b - c**2 + d + 2 - 2 * R2, a * e - 2],
        ),
    ),
    "BT5": (
        (2, 2, 2),
        961.715172130052,
        lambda x, y, z: (
            1000 - x**2 - 2 * y**2 - z**2 - x * y - x * z,
            [x**2 + y**2 + z**2 - 25, 8 * x + 14 * y + 7 * z - 56],
        ),
    ),
    "DENSCHNCNE": (
        (2, 3),
        0.0,
        lambda x, y: (0.0, [x**2 + y**2 - 2, exp(x - 1) + y**3 - 2]),
    ),
}


def small_constrained_names():
    """Return the names of the small problems with equality constraints.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from linalg_ml.problems import small_constrained_names
    >>> small_constrained_names()[:3]
    ('HS6', 'HS7', 'HS9')
    """
    return tuple(_PROBLEMS)


def small_constrained_problem(name):
    """Return a small problem with equality constraints and its exact derivatives.

    Parameters
    ----------
    name : str
        One of `small_constrained_names`: problems of Hock and Schittkowski, BT5 of Boggs and
        Tolle, and DENSCHNCNE, a system of two equations.

    Returns
    -------
    SmallConstrainedProblem
        With ``fun``, ``con``, ``grad``, ``jac`` and ``hess`` as `linalg_ml.EqualityProblem`
        takes them, ``x0``, ``shape`` (m, n) and ``optimum``.

    Raises
    ------
    ValueError
        If the name is not known; the message lists those that are.

    References
    ----------
    W. Hock, K. Schittkowski, "Test Examples for Nonlinear Programming Codes", 1981. P. Boggs,
    J. Tolle, "A strategy for global convergence in a sequential quadratic programming
    algorithm", SIAM J. Numer. Anal. 26, 1989.

    Examples
    --------
    >>> from linalg_ml.problems import small_constrained_problem
    >>> problem = small_constrained_problem("HS6")
    >>> float(problem.fun(problem.x0)), problem.con(problem.x0).round(2).tolist()
    (4.840000000000001, [-4.4])
    """
    checks.choice(name, small_constrained_names(), "name")
    x0, optimum, formula = _PROBLEMS[name]
    return SmallConstrainedProblem(name, np.array(x0, np.float64), float(optimum), formula)
