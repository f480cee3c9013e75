"""The linear system A x = b as the Krylov methods see it."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import dtype_name, is_traced
from linalg_ml._core.operators import DenseOperator, SparseOperator, operator
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.units import beside, largest_exponent, power_of_two
from linalg_ml._core.verdict import host
from linalg_ml.krylov.preconditioner import Preconditioner


class LinearSystem:
    """A x = b for one right-hand side or a stack of them, with a preconditioner.

    The iteration sees b divided by the power of two next to its norm, which rounds nothing and
    keeps inner products far from overflow. The exact residual is that of x as the caller gets
    it, for A and b as the caller gave them.

    Parameters
    ----------
    a : array (..., n, n), sparse matrix, operator or callable
    b : array of shape (..., n)
    arithmetic : Arithmetic
        What the iteration computes in.
    M : like ``a``, or a `Preconditioner`, optional
        Approximates the inverse of A.
    """

    def __init__(self, a, b, arithmetic, M=None):
        n = b.shape[-1]
        self.arithmetic = arithmetic
        self.wide = arithmetic.at_least_fp32(b)
        double = dtype_name(b) in ("float64", "complex128")
        self._exact = arithmetic.switch("fp64", b) if double else self.wide
        self.a = operator(a, arithmetic, size=n)
        self._exact_a = self.a
        if self._exact is not arithmetic:
            self._exact_a = operator(a, self._exact, size=n)
        check_shape(self.a, b, "a")
        self._exact_b = self._exact.enter(b)
        self.watch = None  # what a method remembers of the checks
        norm = self._exact.norm(self._exact_b)
        self.is_zero = norm == 0
        self.factor, self.size = 1.0, norm
        if not is_traced(b):
            self.size = host(norm)
            self.factor = power_of_two(self.size, largest_exponent(dtype_name(b)))
        self.b = arithmetic.enter(self._exact_b / beside(self.factor, self._exact_b))
        self._m = None if M is None else self._preconditioner(M, b)

    def _preconditioner(self, M, b):
        if isinstance(M, Preconditioner):
            M.check_home(b)
            m = M
        else:  # with counts of its own
            policy = None if self.arithmetic.user_settings else self.arithmetic.policy
            m = operator(M, Arithmetic(policy, b), size=b.shape[-1], name="M")
        check_shape(m, b, "M")
        return m

    def start(self, x0):
        """Return (x, b - A x): from zero if x0 is None, and wherever b is zero."""
        xp = self.arithmetic.xp
        zero = xp.zeros_like(self.b)
        if x0 is None:
            return zero, self.b + zero
        x0 = checks.array(x0, "x0")
        checks.same_home(b=self.b, x0=x0)
        checks.same_shape(x0, self.b.shape, "x0")
        x0 = self._exact.enter(x0)
        x = self.arithmetic.enter(x0 / beside(self.factor, x0))
        x = xp.where(self.is_zero[..., None], zero, x)
        return x, self.residual(x)

    def output(self, x):
        """Return x as the caller gets it: in the type of b, not scaled, in memory of its own."""
        x = self.arithmetic.leave(x)
        return x * beside(self.factor, x)

    def _exact_residual(self, x):
        return self._exact_b - self._exact_a.matvec(self._exact.enter(self.output(x)))

    def residual(self, x):
        """Return b - A x for the iteration to go on with."""
        r = self._exact_residual(x)
        return self.arithmetic.enter(r / beside(self.factor, r))

    def exact_residual_norm(self, x):
        """Return ||b - A x||, recomputed from what the caller gave and gets."""
        return host(self._exact.norm(self._exact_residual(x)))

    def precondition(self, r):
        """Return M r; r itself if there is no M."""
        if self._m is None:
            return r
        self.arithmetic.count("preconditions")
        if isinstance(self._m, Preconditioner):
            return self.arithmetic.store(self._m.matvec(self.arithmetic.wide(r)))
        return self._m.matvec(r)

    @property
    def is_preconditioned(self):
        """Say whether there is an M."""
        return self._m is not None

    def scale(self):
        """Return ||b||, NaN where A holds NaN or infinity."""
        a = self._exact_a
        if isinstance(a, SparseOperator):
            sound = bool(self.arithmetic.xp.all(self.arithmetic.xp.isfinite(a.a.data)))
        elif isinstance(a, DenseOperator):
            xp = self.arithmetic.xp
            sound = xp.all(xp.isfinite(a.a), axis=(-2, -1))
            sound = bool(sound) if sound.ndim == 0 else host(sound) > 0
        else:
            return self.size
        if type(self.size) is float:
            return self.size if sound else float("nan")
        return np.where(sound, self.size, np.nan)


def check_shape(operator, b, name):
    """Raise unless the operator is square and fits the right-hand sides."""
    n, shape = b.shape[-1], tuple(operator.shape)
    if shape[-2:] != (n, n):
        raise ValueError(
            f"{name} must have shape ({n}, {n}) to match b of shape {tuple(b.shape)}, got {shape}"
            + hint_at_columns(b, shape[-1])
        )
    try:
        fits = np.broadcast_shapes(shape[:-2], b.shape[:-1]) == tuple(b.shape[:-1])
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name} must be one matrix, or one for each right-hand side of b of shape "
            f"{tuple(b.shape)}, got shape {shape}"
        )


def hint_at_columns(b, n):
    """Say what to do where the right-hand sides of a system of order n stand in columns."""
    return f"; vectors are rows, (..., {n}): pass b.T" if b.ndim == 2 and b.shape[0] == n else ""
