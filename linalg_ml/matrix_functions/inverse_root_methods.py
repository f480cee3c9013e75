"""The coupled iteration for inverse p-th roots, and its polynomials."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from linalg_ml._core.namespace import asarray, astype, real_dtype
from linalg_ml.matrix_functions.direct_methods import DirectMethod, finite_or_identity
from linalg_ml.matrix_functions.iterated_method import IteratedMethod
from linalg_ml.matrix_functions.root_problem import CoupledRootProblem
from linalg_ml.matrix_functions.spectrum import adjoint

_CONTRAST = 0.1  # the least value of a polynomial, as a fraction of its largest
_NEAR = 0.05  # the error from which the limit polynomial converges as fast as any
_SAFETY = {"fp64": 1e-3, "fp32": 1e-3}
_MOST = 200


def best_polynomial(lower, p):
    """Return (a, b) with max |1 - (a x - b x^(p+1))| on [lower, 1] as small as possible.

    The error takes its extreme value at both ends and, with the other sign, at the maximum.
    """
    if lower > 1 - 1e-5:  # in the limit, the Taylor polynomial of x^(-1/p)
        return (p + 1) / p, 1 / p
    s = (1 - lower ** (p + 1)) / (1 - lower)  # a / b, from f(lower) = f(1)
    top = (s / (p + 1)) ** (1 / p)
    b = 2 / (top * (s - top**p) + lower * (s - lower**p))
    return b * s, b


@lru_cache(maxsize=64)
def cushion(p):
    """Return the lower end at which the best polynomial has the least contrast wanted."""
    low, high = 1e-12, 1.0
    for _ in range(60):
        middle = (low * high) ** 0.5
        a, b = best_polynomial(middle, p)
        least = a - b
        low, high = (middle, high) if least / (2 - least) < _CONTRAST else (low, middle)
    return high


@lru_cache(maxsize=256)
def root_polynomials(lower, p, safety):
    """Return the (a, b) of f(x) = a x - b x^(p+1), composed to take [lower, 1] close to 1.

    The greedy composition of best polynomials, stabilised like that of Polar Express: none is
    made for an interval wider than its cushion, and each allows for values a factor of
    ``1 + safety`` too large. For p = 2 they are those of `minimax_schedule` of degree 3.
    """
    rows, l, u = [], lower, 1.0
    while max(1 - l, u - 1) > _NEAR and len(rows) < _MOST:
        start = max(l / u, cushion(p))
        a, b = best_polynomial(start, p)
        a, b = a / u, b / u ** (p + 1)
        top = a * p / (p + 1) * (a / (b * (p + 1))) ** (1 / p)
        least = min(a * l - b * l ** (p + 1), a * u - b * u ** (p + 1))
        centre = (least + top) / 2
        a, b = a / centre / (1 + safety), b / centre / (1 + safety) ** (p + 1)
        top = a * p / (p + 1) * (a / (b * (p + 1))) ** (1 / p)
        rows.append((a, b))
        l = min(a * l - b * l ** (p + 1), a * u - b * u ** (p + 1))
        u = top
    return tuple(rows)


class InverseRootProblem(CoupledRootProblem):
    """Find X with X^p A = I for a Hermitian positive definite matrix A.

    ``p`` is given besides the parameters of CoupledRootProblem.
    """

    def __init__(self, a, p, arithmetic, *, rcond=None, steps=None):
        self.p = p
        super().__init__(a, arithmetic, rcond=rcond, steps=steps)
        self.lower = self.lower ** (2 / p)  # that of square roots before

    def begin(self, divisor):
        """Return (I, A / divisor); the divisor is a number times the bound of A."""
        self.divisor = divisor * self.bound
        m = self.arithmetic.enter(self.unit / self.divisor[..., None, None])
        identity = asarray(np.eye(m.shape[-1]), like=m, dtype=m.dtype)
        return self.arithmetic.xp.broadcast_to(identity, m.shape), m

    def value(self, x):
        """Return A^(-1/p) in at least fp32, in the scale of A."""
        x = self.exact.enter(self.arithmetic.wide(x))
        size = astype(self._nonzero(self.norm), self.exact.real_dtype) * self.divisor
        return x * astype(size ** (-1 / self.p), real_dtype(x))[..., None, None]

    def cheap_measures(self, x, square):
        """Return the distance of M from I."""
        distance = self._distance_from_one(self.arithmetic.wide(square))
        return {"residual": distance, "distance": distance}

    def exact_measures(self, x):
        """Return ||X^p A - I||_F / sqrt(n)."""
        x = self.exact.enter(self.arithmetic.wide(x))
        x = x * astype(self.divisor ** (-1 / self.p), real_dtype(x))[..., None, None]
        return {"residual": inverse_root_residual(x, self.p, self.unit, self.exact)}

    def default_targets(self, *, iterated=True):
        """Return what M, which tends to I, reaches; X has errors of its own."""
        u, n = self.arithmetic.unit_roundoff, self.unit.shape[-1]
        return {"distance": (8 * n**0.5 if self.arithmetic.name in ("fp64", "fp32") else 8) * u}

    def verify(self, x):
        """Report a singular matrix as such."""
        return self.hopeless(True)

    def finish(self, x):
        """Return the inverse root."""
        return self.value(x), {}


def inverse_root_residual(x, p, a, arithmetic):
    """Return ||X^p A - I||_F / sqrt(n)."""
    product = arithmetic.mm(power(x, p, arithmetic), a)
    return arithmetic.kernels.identity_distance(product) / x.shape[-1] ** 0.5


def power(x, p, arithmetic):
    """Return X^p for a Hermitian X, with about log2(p) products."""
    result = None
    while True:
        if p % 2:
            result = x if result is None else arithmetic.mm_sym(result, x)
        p //= 2
        if not p:
            return result
        x = arithmetic.mm_sym(x, x)


@dataclass
class InverseRootState:
    """The iterate, M = X^p A, what comes next and the steps made."""

    x: Any
    m: Any
    rows: tuple
    step: int = 0


@dataclass(frozen=True)
class InverseNewton(IteratedMethod):
    """X <- X T, M <- T^p M with T = a I - b M, from X = I and M = A.

    M does not depend on X, so all factors are polynomials of one matrix and may be taken for
    symmetric; the price is that rounding errors of M, which are about the unit roundoff times the
    condition number of A, are not corrected.

    Parameters
    ----------
    accelerated : bool
        Whether a and b are optimal for the interval that the eigenvalues of M lie in; else they
        are (p + 1)/p and 1/p throughout, which is Newton's method.
    """

    accelerated: bool = True

    def init(self, problem, arithmetic, x0):
        """Scale the matrix so that the iteration converges."""
        p, rows = problem.p, ()
        if self.accelerated:
            safety = _SAFETY.get(arithmetic.name, 0.01)
            rows = root_polynomials(problem.lower, p, safety)
            divisor = (1 + safety) ** p
        else:
            divisor = 2 / (p + 1)  # converges for eigenvalues of M below p + 1
        x, m = problem.begin(divisor)
        slow = np.log(1 / problem.lower) / np.log1p(1 / p)
        problem.settled_after = 4 + (len(rows) if rows else int(slow))
        return InverseRootState(x, m, rows)

    def step(self, problem, state, arithmetic):
        """Multiply X and M by polynomials of M."""
        p, m = problem.p, state.m
        a, b = state.rows[state.step] if state.step < len(state.rows) else ((p + 1) / p, 1 / p)
        identity = asarray(np.eye(m.shape[-1]), like=m, dtype=m.dtype)
        t = arithmetic.store(a * identity - b * m)
        x = arithmetic.mm_sym(state.x, t) if state.step else t + 0 * state.x
        m = arithmetic.mm_sym(power(t, p, arithmetic), m)
        x, m = map(arithmetic.hermitian_mean, (x, m))
        return InverseRootState(x, m, state.rows, state.step + 1)

    def measure(self, problem, state, arithmetic, exact):
        """Return the distance of M from I, or the exact residual."""
        if exact:
            return problem.exact_measures(state.x)
        return problem.cheap_measures(state.x, state.m)

    def patience(self, problem, arithmetic):
        """Wait until the smallest eigenvalue has had time to come up."""
        return problem.settled_after, 3

    def stopped(self, problem, state, measures):
        """Give up on a matrix that is indefinite, or singular and stuck."""
        return problem.hopeless(state.step >= problem.settled_after, measures["residual"])


@dataclass(frozen=True)
class EighInverseRoot(DirectMethod):
    """V W^(-1/p) V^H from the eigendecomposition A = V W V^H."""

    def init(self, problem, arithmetic, x0):
        """Start from the scaled matrix."""
        x, m = problem.begin(1.0)
        return InverseRootState(x, m, ())

    def step(self, problem, state, arithmetic):
        """Decompose and round to the working precision."""
        exact = problem.exact
        xp = exact.xp
        arithmetic.count("decompositions")
        divisor = problem.divisor[..., None]
        w, v = xp.linalg.eigh(finite_or_identity(problem.unit, xp))
        positive = w > 0
        w = xp.where(positive, w, xp.ones_like(w)) / astype(divisor, w.dtype)
        values = xp.where(positive, w ** (-1 / problem.p), xp.zeros_like(w))
        x = exact.mm(v * astype(values, v.dtype)[..., None, :], adjoint(v))
        return InverseRootState(arithmetic.enter((x + adjoint(x)) / 2), state.m, (), 1)

    def measure(self, problem, state, arithmetic, exact):
        """Measure exactly, once there is a root."""
        if state.step:
            return problem.exact_measures(state.x)
        return problem.cheap_measures(state.x, state.m)

    def stopped(self, problem, state, measures):
        """Report indefinite and singular matrices."""
        return problem.hopeless(state.step > 0)

    def finish(self, problem, state, arithmetic):
        """Return the inverse root."""
        return problem.finish(state.x)
