"""Smooth losses whose gradient follows a change of a few coordinates at the cost of their columns.

Each loss moves a `Point`: x (shape (n,), flattened for softmax), z = A x (- b) and s = phi'(z)
where the loss is a function of A x, and the gradient where it is ``tracked`` because a greedy
rule looks at all of it. Block matrices bound the Hessian: H_b = A_b^T A_b for least squares.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass
class Point:
    """Where a loss is evaluated, and what is kept up to date there."""

    x: np.ndarray
    z: np.ndarray | None = None
    s: np.ndarray | None = None
    gradient: np.ndarray | None = None


class Quadratic:
    """x^T A x / 2 - b^T x with a symmetric positive semidefinite A."""

    is_quadratic = True

    def __init__(self, a, b, tracked):
        self.a, self.b, self.tracked = a, b, tracked
        self.size = b.size
        self.shape = self.unknowns(a, b)

    @staticmethod
    def unknowns(a, b):
        """Return the shape of x."""
        return (b.size,)

    @cached_property
    def lipschitz(self):
        """The coordinate constants a_ii."""
        return self.a.diagonal()

    @cached_property
    def gershgorin(self):
        """The sums of |a_ij| over j."""
        return self.a.absolute_row_sums()

    def start(self, x):
        """Return the point x."""
        return Point(x, gradient=self.a.matvec(x) - self.b if self.tracked else None)

    def columns(self, index):
        """Return the columns that belong to these coordinates."""
        return self.a.columns(index)

    def gradient(self, point):
        """Return the whole gradient."""
        return point.gradient if self.tracked else self.a.matvec(point.x) - self.b

    def block_gradient(self, point, columns):
        """Return the gradient at the coordinates of the columns."""
        if self.tracked:
            return point.gradient[columns.index]
        return columns.adjoint(point.x) - self.b[columns.index]

    def move(self, point, columns, d):
        """Add d to the coordinates of the columns."""
        point.x[columns.index] += d
        if self.tracked:
            point.gradient[columns.rows] += columns.apply(d)

    def value(self, point, gradient):
        """Return the loss."""
        return 0.5 * float(np.dot(point.x, gradient - self.b))

    def bound(self, columns):
        """Return H_b = A_bb."""
        return columns.at(columns.index)

    def apply_bound(self, d):
        """Return A d."""
        return self.a.matvec(d)

    def hessian(self, point, columns):
        """Return the Hessian at the coordinates of the columns."""
        return self.bound(columns)

    def change(self, point, columns, d, slope):
        """Return the function alpha -> f(x + alpha d) - f(x) and how much rounding moves it.

        ``slope`` is the gradient at the coordinates of the columns.
        """
        first, second = float(slope @ d), float(d @ self.bound(columns) @ d)
        return lambda alpha: alpha * first + 0.5 * alpha * alpha * second, 0.0


class LinearModel:
    """The sum of phi(z) over the rows of z = A x."""

    is_quadratic = False
    curvature = 0.25  # the largest second derivative of phi

    def __init__(self, a, b, tracked):
        self.a, self.b, self.tracked = a, b, tracked
        self.shape = self.unknowns(a, b)
        self.size = math.prod(self.shape)

    @staticmethod
    def unknowns(a, b):
        """Return the shape of x."""
        return (a.shape[1],)

    @cached_property
    def lipschitz(self):
        """The coordinate constants: those of phi times ||a_i||^2."""
        return self.curvature * self.a.squared_norms()

    @cached_property
    def gershgorin(self):
        """The sums of |c A^T A| along the rows, c the largest second derivative of phi."""
        return self.curvature * self.a.absolute_gram_sums()

    def start(self, x):
        """Return the point x."""
        z = self.a.matvec(x.reshape(self.shape))
        s = self.slopes(z, slice(None))
        return Point(x, z, s, self.a.rmatvec(s).reshape(-1) if self.tracked else None)

    def columns(self, index):
        """Return the columns that belong to these coordinates."""
        return self.a.columns(index)

    def gradient(self, point):
        """Return the whole gradient, flattened."""
        return point.gradient if self.tracked else self.a.rmatvec(point.s).reshape(-1)

    def block_gradient(self, point, columns):
        """Return the gradient at the coordinates of the columns."""
        if self.tracked:
            return point.gradient[columns.index]
        return columns.adjoint(point.s)

    def move(self, point, columns, d):
        """Add d to the coordinates of the columns."""
        point.x[columns.index] += d
        rows = columns.rows
        point.z[rows] += self.images(columns, d)
        s = self.slopes(point.z[rows], rows)
        if self.tracked:
            before, point.s[rows] = point.s[rows], s
            shaped = point.gradient.reshape(self.shape)
            point.gradient = self.a.rows_adjoint(rows, s - before, point.s, shaped).reshape(-1)
        else:
            point.s[rows] = s

    def images(self, columns, d):
        """Return the change of z at the rows of the columns."""
        return columns.apply(d)

    def value(self, point, gradient):
        """Return the loss."""
        return float(self.losses(point.z, slice(None)).sum())

    def bound(self, columns):
        """Return H_b = c A_b^T A_b, c the largest second derivative of phi."""
        return self.curvature * columns.gram()

    def apply_bound(self, d):
        """Return c A^T A d."""
        return self.curvature * self.a.rmatvec(self.a.matvec(d))

    def change(self, point, columns, d, slope):
        """Return alpha -> f(x + alpha d) - f(x), from the rows that change, and its rounding."""
        rows = columns.rows
        z, dz = point.z[rows], self.images(columns, d)
        before = self.losses(z, rows)
        noise = 10 * np.finfo(z.dtype).eps * float(before.sum())
        return lambda alpha: float((self.losses(z + alpha * dz, rows) - before).sum()), noise


class LeastSquares(LinearModel):
    """||A x - b||^2 / 2."""

    is_quadratic = True
    curvature = 1.0

    def start(self, x):
        """Return the point x; z is the residual."""
        z = self.a.matvec(x) - self.b
        return Point(x, z, z, self.a.rmatvec(z) if self.tracked else None)

    def slopes(self, z, rows):
        """Return phi'(z)."""
        return z

    def losses(self, z, rows):
        """Return phi(z)."""
        return 0.5 * z * z

    def move(self, point, columns, d):
        """Add d to the coordinates of the columns; s is z itself."""
        point.x[columns.index] += d
        dz = columns.apply(d)
        point.z[columns.rows] += dz
        if self.tracked:
            point.gradient = self.a.rows_adjoint(columns.rows, dz, point.z, point.gradient)

    def hessian(self, point, columns):
        """Return A_b^T A_b."""
        return self.bound(columns)

    def change(self, point, columns, d, slope):
        """Return alpha -> f(x + alpha d) - f(x) and its rounding."""
        dz = columns.apply(d)
        first, second = float(slope @ d), float(dz @ dz)
        return lambda alpha: alpha * first + 0.5 * alpha * alpha * second, 0.0


class Logistic(LinearModel):
    """The sum of log(1 + exp(-b_i (A x)_i)), labels b_i = 1 or -1."""

    def slopes(self, z, rows):
        """Return phi'(z)."""
        return -self.b[rows] * _sigmoid(-self.b[rows] * z)

    def losses(self, z, rows):
        """Return phi(z)."""
        return np.logaddexp(np.zeros_like(z), -self.b[rows] * z)

    def hessian(self, point, columns):
        """Return the Hessian at the coordinates of the columns."""
        p = _sigmoid(point.z)
        return columns.gram(p * (1 - p))


class Softmax(LinearModel):
    """The sum of log(sum_c exp(z_ic)) - z_i,b_i with z = A X; X has a column for each class.

    Coordinates are the entries of X, row by row: coordinate j is the feature j // k in class
    j % k.
    """

    def __init__(self, a, b, tracked):
        super().__init__(a, b, tracked)
        self.classes = self.shape[1]

    @staticmethod
    def unknowns(a, b):
        """Return the shape of x."""
        return a.shape[1], int(b.max()) + 1 if b.size else 1

    @cached_property
    def lipschitz(self):
        """The coordinate constants ||a_feature||^2 / 4."""
        return np.repeat(0.25 * self.a.squared_norms(), self.classes)

    @cached_property
    def gershgorin(self):
        """The row sums of the bound in absolute value: (1 - 1/k) those of |A^T A|."""
        sums = (1 - 1 / self.classes) * self.a.absolute_gram_sums()
        return np.repeat(sums, self.classes)

    def columns(self, index):
        """Return the columns of the features; they remember the coordinates."""
        columns = self.a.columns(index // self.classes)
        columns.index, columns.of_class = index, index % self.classes
        return columns

    def block_gradient(self, point, columns):
        """Return the gradient at the coordinates of the columns."""
        if self.tracked:
            return point.gradient[columns.index]
        return columns.adjoint(point.s)[np.arange(columns.index.size), columns.of_class]

    def images(self, columns, d):
        """Return the change of z at the rows of the columns."""
        spread = np.zeros((d.size, self.classes), d.dtype)
        spread[np.arange(d.size), columns.of_class] = d
        return columns.apply(spread)

    def slopes(self, z, rows):
        """Return the probabilities less one at the true class."""
        shifted = np.exp(z - z.max(axis=1, keepdims=True))
        slopes = shifted / shifted.sum(axis=1, keepdims=True)
        slopes[np.arange(len(slopes)), self.b[rows]] -= 1
        return slopes

    def losses(self, z, rows):
        """Return the loss of each row."""
        top = z.max(axis=1)
        total = np.log(np.exp(z - top[:, None]).sum(axis=1)) + top
        return total - z[np.arange(len(z)), self.b[rows]]

    def bound(self, columns):
        """Return Boehning's bound: A_b^T A_b times (1 - 1/k)/2 in one class, -1/(2k) between.

        k is the number of classes in the block and one more for all others, if there are any.
        """
        same = columns.of_class[:, None] == columns.of_class
        k = min(self.classes, np.unique(columns.of_class).size + 1)
        return columns.gram() * (0.5 * same - 0.5 / k)

    def apply_bound(self, d):
        """Return A^T A D (I - 1 1^T / k) / 2, flattened."""
        centred = d.reshape(self.shape)
        centred = 0.5 * (centred - centred.mean(axis=1, keepdims=True))
        return self.a.rmatvec(self.a.matvec(centred)).reshape(-1)

    def hessian(self, point, columns):
        """Return the Hessian at the coordinates of the columns."""
        p = point.s.copy()
        p[np.arange(len(p)), self.b] += 1
        p = p[:, columns.of_class]
        same = columns.of_class[:, None] == columns.of_class
        return same * columns.gram(p) - columns.gram(p, p)


def _sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


LOSSES = {
    "quadratic": Quadratic,
    "least-squares": LeastSquares,
    "logistic": Logistic,
    "softmax": Softmax,
}
