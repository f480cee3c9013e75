"""Numbers that carry their gradient and Hessian: exact derivatives of small formulas."""

import numpy as np


class Jet:
    """A value with its first and second derivatives in n variables.

    Attributes
    ----------
    value : float
    gradient : array of shape (n,)
    hessian : array of shape (n, n)

    Notes
    -----
    Supports +, -, *, / and integer powers among jets and numbers; `log`, `sin`, `cos` and `exp`.
    """

    __slots__ = ("gradient", "hessian", "value")

    def __init__(self, value, gradient, hessian):
        self.value, self.gradient, self.hessian = value, gradient, hessian

    def _through(self, value, first, second):
        """Return g(self) for a function with this value and these derivatives here."""
        outer = np.outer(self.gradient, self.gradient)
        return Jet(value, first * self.gradient, first * self.hessian + second * outer)

    def __add__(self, other):
        if not isinstance(other, Jet):
            return Jet(self.value + other, self.gradient, self.hessian)
        return Jet(
            self.value + other.value,
            self.gradient + other.gradient,
            self.hessian + other.hessian,
        )

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return Jet(self.value * other, self.gradient * other, self.hessian * other)
        mixed = np.outer(self.gradient, other.gradient)
        return Jet(
            self.value * other.value,
            self.value * other.gradient + other.value * self.gradient,
            self.value * other.hessian + other.value * self.hessian + mixed + mixed.T,
        )

    def __pow__(self, k):
        if k == 0:
            return 0 * self + 1.0
        v = self.value
        second = k * (k - 1) * v ** (k - 2) if k != 1 else 0.0
        return self._through(v**k, k * v ** (k - 1), second)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * other**-1 if isinstance(other, Jet) else self * (1 / other)

    def __rtruediv__(self, other):
        return self**-1 * other


def variables(x):
    """Return a jet for each entry of a point."""
    n = len(x)
    return [
        Jet(float(value), row, np.zeros((n, n))) for value, row in zip(x, np.eye(n), strict=True)
    ]


def log(x):
    """Return the natural logarithm of a jet."""
    return x._through(np.log(x.value), 1 / x.value, -1 / x.value**2)


def sin(x):
    """Return the sine of a jet."""
    return x._through(np.sin(x.value), np.cos(x.value), -np.sin(x.value))


def cos(x):
    """Return the cosine of a jet."""
    return x._through(np.cos(x.value), -np.sin(x.value), -np.cos(x.value))


def exp(x):
    """Return the exponential of a jet."""
    value = np.exp(x.value)
    return x._through(value, value, value)
