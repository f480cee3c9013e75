"""Smooth problems with equality constraints, and their derivatives from wherever they come."""

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import (
    astype,
    dtype_name,
    is_array,
    is_complex,
    library,
    namespace,
    to_numpy,
)
from linalg_ml.constrained import autograd, differences

_NOT_REAL = (str, bytes, complex, np.complexfloating)  # though float() takes some of them


class EqualityProblem:
    """Pose the problem of minimising f(x) subject to c(x) = 0.

    Parameters
    ----------
    fun : callable
        ``fun(x) -> f``, a real number, for x of shape (n,).
    con : callable
        ``con(x) -> c`` of shape (m,).
    grad : callable, optional
        ``grad(x)`` of shape (n,), the gradient of f.
    jac : callable, optional
        ``jac(x)`` of shape (m, n), the Jacobian of c.
    hess : callable, optional
        ``hess(x, lam)`` of shape (n, n), the Hessian in x of the Lagrangian f + lam^T c, for
        lam of shape (m,).

    Notes
    -----
    All functions take and return arrays of one library. A derivative that is not given comes
    from automatic differentiation where x is a PyTorch or JAX array: the functions must then be
    made of that library's operations, and for JAX be traceable. For other libraries it comes
    from finite differences: central ones of fourth order, 4 n evaluations for a first
    derivative, with an error of about u^(4/5) for the unit roundoff u. A kink or a jump within
    their reach is noticed and reported as a function that is not differentiable. The Hessian
    comes from differences of the first derivatives where both are given, and otherwise from
    2 n^2 evaluations of f and c, with an error of about u^(1/2).

    For JAX arrays the derivatives are compiled once for each problem: values that the functions
    take from elsewhere must not change afterwards. Make a new problem for new ones.

    `check_derivatives` compares what is given with finite differences.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import EqualityProblem
    >>> problem = EqualityProblem(
    ...     lambda x: (1 - x[0]) ** 2,
    ...     lambda x: np.stack([10 * (x[1] - x[0] ** 2)]),
    ...     jac=lambda x: np.array([[-20 * x[0], 10.0]]),
    ... )
    >>> problem.gradient(np.array([-1.2, 1.0])).round(9)
    array([-4.4,  0. ])
    """

    def __init__(self, fun, con, *, grad=None, jac=None, hess=None):
        for name, function in (("fun", fun), ("con", con)):
            if not callable(function):
                raise TypeError(f"{name} must be a function, got {type(function).__name__}")
        for name, function in (("grad", grad), ("jac", jac), ("hess", hess)):
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be a function or None, got {type(function).__name__}")
        self.fun, self.con = fun, con
        self.grad, self.jac, self.hess = grad, jac, hess
        self._autograd = autograd.Derivatives(self)

    def __repr__(self):
        given = [name for name in ("grad", "jac", "hess") if getattr(self, name) is not None]
        return f"EqualityProblem({', '.join(['fun', 'con', *given])})"

    # Values ----------------------------------------------------------------------------------

    def value(self, x):
        """Return f(x) as a Python float."""
        value = self.fun(x)
        if is_array(value):
            if tuple(value.shape) not in ((), (1,)):
                raise ValueError(f"fun(x) must return a number, got shape {tuple(value.shape)}")
            value = to_numpy(value).reshape(())
        try:
            if isinstance(value, _NOT_REAL):
                raise TypeError
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"fun(x) must return a real number, got {type(value).__name__}"
            ) from None

    def constraints(self, x):
        """Return c(x) of shape (m,)."""
        return _array(self.con(x), x, "con(x)", ndim=1)

    # Derivatives -----------------------------------------------------------------------------

    def gradient(self, x):
        """Return the gradient of f, shape (n,)."""
        if self.grad is not None:
            g = self.grad(x)
        elif autograd.available(x):
            g = self._autograd.gradient(x)
        else:
            return differences.jacobian(self.value, x, "fun")
        return _array(g, x, "grad(x)", shape=tuple(x.shape))

    def jacobian(self, x):
        """Return the Jacobian of c, shape (m, n)."""
        if self.jac is not None:
            g = self.jac(x)
        elif autograd.available(x):
            g = self._autograd.jacobian(x)
        else:
            return differences.jacobian(self.constraints, x, "con")
        g = _array(g, x, "jac(x)", ndim=2)
        if g.shape[1] != x.shape[0]:
            raise ValueError(
                f"jac(x) must have shape (m, {x.shape[0]}) for x of shape {tuple(x.shape)}, "
                f"got shape {tuple(g.shape)}"
            )
        return g

    def hessian(self, x, lam):
        """Return the Hessian in x of f + lam^T c, shape (n, n), its symmetric part."""
        n = x.shape[0]
        if self.hess is not None:
            h = self.hess(x, lam)
        elif autograd.available(x):
            h = self._autograd.hessian(x, lam)
        elif self.grad is not None and self.jac is not None:
            h = differences.jacobian(lambda y: self.lagrangian_gradient(y, lam), x, "grad or jac")
        else:
            return differences.hessian(lambda y: self.lagrangian(y, lam), x)
        h = _array(h, x, "hess(x, lam)", shape=(n, n))
        return 0.5 * (h + h.mT)

    def lagrangian(self, x, lam):
        """Return f(x) + lam^T c(x) as a Python float."""
        xp = namespace(x)
        return self.value(x) + float(xp.sum(lam * self.constraints(x)))

    def lagrangian_gradient(self, x, lam):
        """Return the gradient in x of f + lam^T c, shape (n,)."""
        xp = namespace(x)
        return self.gradient(x) + xp.sum(lam[:, None] * self.jacobian(x), axis=0)


def as_problem(problem):
    """Return an EqualityProblem from one, or from an object that has its functions."""
    if isinstance(problem, EqualityProblem):
        return problem
    names = ("fun", "con", "grad", "jac", "hess")
    found = {name: getattr(problem, name, None) for name in names}
    if not (callable(found["fun"]) and callable(found["con"])):
        raise TypeError(
            "problem must be an EqualityProblem, or an object with functions fun and con; "
            f"got {type(problem).__name__}"
        )
    return EqualityProblem(found.pop("fun"), found.pop("con"), **found)


def start_array(x0, name):
    """Return a starting point as a real array of shape (n,) in single or double precision."""
    x0 = checks.array(x0, name)
    if x0.ndim != 1 or x0.shape[0] == 0:
        raise ValueError(f"{name} must have shape (n,) with n > 0, got shape {tuple(x0.shape)}")
    if dtype_name(x0) not in ("float32", "float64"):
        raise TypeError(f"{name} must be float32 or float64, got {dtype_name(x0)}")
    return own(x0, x0.dtype)


def multiplier_array(multipliers, x, m):
    """Return multipliers as an array of shape (m,) like ``x``."""
    multipliers = checks.array(multipliers, "multipliers")
    checks.same_home(x=x, multipliers=multipliers)
    checks.same_shape(multipliers, (m,), "multipliers")
    if is_complex(multipliers):
        raise TypeError(f"multipliers must be real, got dtype {dtype_name(multipliers)}")
    return own(multipliers, x.dtype)


def _array(a, x, name, *, ndim=None, shape=None):
    """Return what a caller's function gave as an array like ``x``, or say what is wrong."""
    if isinstance(a, (list, tuple)) and library(x) == "numpy":
        try:
            a = np.asarray(a)
        except ValueError as error:
            raise ValueError(f"{name} must be a rectangular array; {error}") from None
    if not is_array(a) or library(a) != library(x):
        came = f"{library(a)} array" if is_array(a) else type(a).__name__
        raise TypeError(f"{name} must be a {library(x)} array, as x is; got {came}")
    if shape is None and a.ndim != ndim:
        wanted = "(m,)" if ndim == 1 else "(m, n)"
        raise ValueError(f"{name} must have shape {wanted}, got shape {tuple(a.shape)}")
    if shape is not None and tuple(a.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got shape {tuple(a.shape)}")
    if "complex" in dtype_name(a):
        raise TypeError(f"{name} must be real, got dtype {dtype_name(a)}")
    try:
        return own(a, x.dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold real numbers; {error}") from None


def own(a, dtype):
    """Return a copy in memory that no function of the caller's writes to, out of autograd."""
    if library(a) == "torch":
        return a.detach().to(dtype, copy=True)
    if library(a) in ("numpy", "cupy"):
        return a.astype(dtype)
    return astype(a, dtype)
