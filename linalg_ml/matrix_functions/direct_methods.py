"""The reference methods: factors from LAPACK-like decompositions."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core.namespace import asarray, astype, is_traced, real_dtype
from linalg_ml._core.solve import Method
from linalg_ml.matrix_functions.spectrum import adjoint


@dataclass
class DirectState:
    """The factor, the steps made, and what was measured after them."""

    x: Any
    step: int = 0
    measures: dict | None = None


class DirectMethod(Method):
    """One step, which is the whole decomposition, in at least fp32.

    ``factor(a, exact)`` returns the factor and the singular values.
    """

    def init(self, problem, arithmetic, x0):
        """Start from the scaled matrix."""
        return DirectState(problem.unit)

    def step(self, problem, state, arithmetic):
        """Decompose and round to the working precision."""
        arithmetic.count("decompositions")
        unit = finite_or_identity(problem.unit, problem.exact.xp)
        x, values = self.factor(unit, problem.exact)
        if not problem.traced:
            xp = problem.exact.xp
            problem.learn(xp.min(values, axis=-1), xp.max(values, axis=-1))
        return DirectState(arithmetic.enter(x), 1)

    def advance(self, problem, state, arithmetic, steps, target):
        """Make the one step, once: it cannot be improved on."""
        if state.step or not steps:
            return state, 0, False
        return self.step(problem, state, arithmetic), 1, False

    def scale(self, problem, arithmetic):
        """Return one: a unitary factor has size one."""
        return problem.one()

    def measure(self, problem, state, arithmetic, exact):
        """Measure exactly, once there is a factor."""
        if not state.step and not exact:  # G = X X^H of trace one: ||G - I||_F <= sqrt(m)
            return {"residual": problem.one() / 2, "orthogonality": problem.one()}
        if state.measures is None:
            state.measures = problem.exact_measures(state.x)
        return state.measures

    def targets(self, problem, arithmetic):
        """Ask for backward stability in the working precision."""
        return problem.default_targets(iterated=False)

    def finish(self, problem, state, arithmetic):
        """Return the factor, NaN of what is not finite, and what belongs to it."""
        x, extras = problem.finish(arithmetic.enter(state.x))
        return x * astype(problem.one(), real_dtype(x))[..., None, None], extras

    def stopped(self, problem, state, measures):
        """Report zero and singular matrices: their factor is not unique."""
        return problem.hopeless(state.step > 0)


def finite_or_identity(a, xp):
    """Return A with matrices that hold NaN or infinity replaced: libraries refuse those."""
    finite = xp.all(xp.isfinite(a), axis=(-2, -1))
    if not is_traced(a) and bool(xp.all(finite)):
        return a
    identity = asarray(np.eye(a.shape[-2], a.shape[-1]), like=a, dtype=a.dtype)
    return xp.where(finite[..., None, None], a, identity)


@dataclass(frozen=True)
class SvdPolar(DirectMethod):
    """U = P Q^H from the singular value decomposition A = P S Q^H."""

    def factor(self, a, exact):
        """Return P Q^H and the singular values."""
        wide = a.shape[-1] > a.shape[-2]  # the transpose is faster in LAPACK
        p, s, qh = exact.kernels.thin_svd(adjoint(a) if wide else a)
        return (exact.mm(adjoint(qh), adjoint(p)) if wide else exact.mm(p, qh)), s


@dataclass(frozen=True)
class EighSign(DirectMethod):
    """S = V sign(W) V^H from the eigendecomposition A = V W V^H of a Hermitian matrix."""

    def factor(self, a, exact):
        """Return V sign(W) V^H and the absolute values of W."""
        w, v = exact.xp.linalg.eigh(a)
        signs = exact.xp.astype(exact.xp.sign(w), v.dtype)
        return exact.mm(v * signs[..., None, :], adjoint(v)), exact.xp.abs(w)
