"""Logistic regression on the unit sphere with linear constraints, on real data."""

from dataclasses import dataclass
from importlib import resources

import numpy as np

from linalg_ml._core import checks


@dataclass(frozen=True)
class ConstrainedLogistic:
    """Minimise mean(log(1 + exp(-y_i a_i^T x))) subject to C x = d and ||x||^2 = 1.

    Attributes
    ----------
    a : array of shape (N, n)
        One sample a row.
    y : array of shape (N,)
        Labels 1 and -1.
    c, d : arrays of shapes (k, n) and (k,)
    """

    a: np.ndarray
    y: np.ndarray
    c: np.ndarray
    d: np.ndarray

    @property
    def shape(self):
        """m, n: constraints and variables."""
        return len(self.d) + 1, self.a.shape[1]

    @property
    def x0(self):
        """The starting point: all ones."""
        return np.ones(self.a.shape[1])

    @property
    def lam0(self):
        """The multipliers to start from: all ones."""
        return np.ones(len(self.d) + 1)

    def fun(self, x):
        """Return f(x)."""
        return float(np.mean(np.logaddexp(0, -self.y * (self.a @ x))))

    def grad(self, x):
        """Return the gradient of f, shape (n,)."""
        return self.a.T @ (-self.y * self._wrong(x)) / len(self.y)

    def con(self, x):
        """Return c(x), shape (m,): first C x - d."""
        return np.r_[self.c @ x - self.d, x @ x - 1]

    def jac(self, x):
        """Return the Jacobian of c, shape (m, n)."""
        return np.vstack([self.c, 2 * x])

    def hess(self, x, lam):
        """Return the Hessian in x of f + lam^T c, shape (n, n)."""
        p = self._wrong(x)
        h = self.a.T @ ((p * (1 - p))[:, None] * self.a) / len(self.y)
        return h + 2 * lam[-1] * np.eye(len(x))

    def accuracy(self, x):
        """Return the part of the samples on the right side of the plane through zero."""
        return float(np.mean(self.y * (self.a @ x) > 0))

    def _wrong(self, x):
        """Return 1 / (1 + exp(y_i a_i^T x)): the probability of the other label."""
        margin = self.y * (self.a @ x)
        small = np.exp(-np.abs(margin))
        return np.where(margin > 0, small, 1) / (1 + small)


def constrained_logistic(a=None, y=None, *, constraints=10, seed=2023):
    """Return logistic regression with random linear constraints on the unit sphere.

    Parameters
    ----------
    a : array of shape (N, n), optional
        Features, used as they are. None takes the 569 samples of `breast_cancer`, each of the
        30 features scaled to [-1, 1].
    y : array of shape (N,), optional
        Labels 1 and -1.
    constraints : int
        Rows of C; C and d have standard normal entries.
    seed : int

    Returns
    -------
    ConstrainedLogistic
        With ``fun``, ``con``, ``grad``, ``jac`` and ``hess`` as `linalg_ml.EqualityProblem`
        takes them, and the starting points ``x0`` and ``lam0``.

    Raises
    ------
    ValueError
        If shapes do not fit, labels are not 1 and -1, or no x meets the constraints.

    References
    ----------
    I. Hong, S. Na, M. Mahoney, M. Kolar, "Constrained Optimization via Exact Augmented
    Lagrangian and Randomized Iterative Sketching", ICML 2023, arXiv:2305.18379.

    Examples
    --------
    >>> from linalg_ml.problems import constrained_logistic
    >>> problem = constrained_logistic()
    >>> problem.shape, round(problem.fun(problem.x0), 4)
    ((11, 30), 11.9076)
    """
    if (a is None) != (y is None):
        raise ValueError("a and y must be given together")
    if a is None:
        a, y = breast_cancer()
        low, high = a.min(axis=0), a.max(axis=0)
        a = 2 * (a - low) / (high - low) - 1
    a, y = np.asarray(a, np.float64), np.asarray(y, np.float64)
    if a.ndim != 2 or y.shape != a.shape[:1]:
        raise ValueError(f"a and y must have shapes (N, n) and (N,), got {a.shape} and {y.shape}")
    if not np.all(np.abs(y) == 1):
        raise ValueError("y must hold 1 and -1 only")
    constraints = checks.count(constraints, "constraints")
    rng = np.random.default_rng(checks.count(seed, "seed", minimum=0))
    c = rng.standard_normal((constraints, a.shape[1]))
    d = rng.standard_normal(constraints)
    least = np.linalg.norm(np.linalg.lstsq(c, d)[0])
    if constraints >= a.shape[1] or least >= 1:
        raise ValueError(
            f"no x of norm 1 meets these constraints: the least norm is {least:.3g}; "
            "take fewer constraints or another seed"
        )
    return ConstrainedLogistic(a, y, c, d)


def breast_cancer():
    """Return features of cell nuclei, and labels: 1 benign, -1 malignant.

    Returns
    -------
    a : array of shape (569, 30)
    y : array of shape (569,)

    Notes
    -----
    Breast Cancer Wisconsin (Diagnostic), W. Wolberg, O. Mangasarian, N. Street, W. Street, UCI
    Machine Learning Repository, 1995, doi:10.24432/C5DW2B, licence CC BY 4.0; as in
    scikit-learn 1.9.1.

    Examples
    --------
    >>> from linalg_ml.problems import breast_cancer
    >>> a, y = breast_cancer()
    >>> a.shape, int(sum(y == 1))
    ((569, 30), 357)
    """
    path = resources.files("linalg_ml.problems") / "data" / "breast_cancer.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as npz:
        return npz["features"], npz["labels"].astype(np.float64)
