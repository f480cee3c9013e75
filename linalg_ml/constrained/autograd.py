"""Derivatives by the automatic differentiation of PyTorch and JAX."""

from operator import is_

from linalg_ml._core.namespace import library


def available(x):
    """Say whether the library of ``x`` differentiates functions of it."""
    return library(x) in ("torch", "jax")


class Derivatives:
    """The derivatives of f and c, and of their Lagrangian, by the library of x.

    Where the first derivatives are given, the Hessian is the derivative of those.

    Parameters
    ----------
    problem : EqualityProblem
        Its functions are those it has when a derivative is asked for.
    """

    def __init__(self, problem):
        self._problem = problem
        self._compiled, self._compiled_from = {}, (None,) * 4

    def __getstate__(self):
        # Compiled functions cannot be pickled; they are made again where they are needed.
        return {**vars(self), "_compiled": {}, "_compiled_from": (None,) * 4}

    @property
    def _functions(self):
        problem = self._problem
        return problem.fun, problem.con, problem.grad, problem.jac

    def _value(self, x):
        value = self._problem.fun(x)
        return value.reshape(()) if getattr(value, "shape", ()) == (1,) else value

    def _lagrangian(self, x, lam):
        return self._value(x) + (lam * self._problem.con(x)).sum()

    def _lagrangian_gradient(self, x, lam):
        return self._problem.grad(x) + (lam[:, None] * self._problem.jac(x)).sum(0)

    @property
    def _has_first(self):
        return self._problem.grad is not None and self._problem.jac is not None

    def gradient(self, x):
        """Return the gradient of f."""
        if library(x) == "jax":
            return self._jax("gradient", lambda jax: jax.grad(self._value))(x)
        return _torch_jacobian(self._value, x, "fun")

    def jacobian(self, x):
        """Return the Jacobian of c."""
        if library(x) == "jax":
            return self._jax("jacobian", lambda jax: jax.jacrev(self._problem.con))(x)
        return _torch_jacobian(self._problem.con, x, "con")

    def hessian(self, x, lam):
        """Return the Hessian in x of f + lam^T c."""
        if library(x) == "jax":
            if self._has_first:
                return self._jax("hessian", lambda jax: jax.jacfwd(self._lagrangian_gradient))(
                    x, lam
                )
            return self._jax("hessian", lambda jax: jax.hessian(self._lagrangian))(x, lam)
        if self._has_first:
            gradient = self._lagrangian_gradient
            return _torch_jacobian(lambda y: gradient(y, lam.clone()), x, "grad and jac")
        return _torch_hessian(lambda y: self._lagrangian(y, lam.clone()), x)

    def _jax(self, name, make):
        if not all(map(is_, self._functions, self._compiled_from)):
            self._compiled, self._compiled_from = {}, self._functions
        if name not in self._compiled:
            import jax

            self._compiled[name] = jax.jit(make(jax))
        return self._compiled[name]


def _torch_jacobian(function, x, name):
    """Return d function / d x, row by row; zeros where the value does not depend on x."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller's mode
        y = x.detach().clone().requires_grad_()
        value = function(y)
        _refuse_constants(value, name)
        entries = value.reshape(-1)
        rows = [_torch_gradient(entries[i], y, retain=True) for i in range(entries.shape[0])]
    if not rows:
        return torch.zeros((0, *x.shape), dtype=x.dtype, device=x.device)
    return torch.stack(rows).reshape(*value.shape, *x.shape).detach()


def _torch_hessian(function, x):
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        y = x.detach().clone().requires_grad_()
        value = function(y)
        _refuse_constants(value, "fun and con")
        gradient = _torch_gradient(value.reshape(()), y, create=True)
        rows = [_torch_gradient(entry, y, retain=True) for entry in gradient]
    return torch.stack(rows).detach()


def _torch_gradient(value, y, retain=False, create=False):
    import torch

    if not value.requires_grad:  # does not depend on x
        return torch.zeros_like(y)
    (found,) = torch.autograd.grad(
        value, y, retain_graph=retain or create, create_graph=create, allow_unused=True
    )
    return torch.zeros_like(y) if found is None else found


def _refuse_constants(value, name):
    """Raise where the value is no tensor: it cannot be differentiated, and is not constant."""
    import torch

    if not isinstance(value, torch.Tensor):
        raise TypeError(
            f"{name}(x) must return a torch.Tensor to be differentiated, got "
            f"{type(value).__name__}; give the derivatives instead"
        )
