"""Square roots by inversion, and by the eigendecomposition as a reference."""

from dataclasses import dataclass

import numpy as np

from linalg_ml._core.namespace import asarray, astype, real_dtype
from linalg_ml.matrix_functions.direct_methods import DirectMethod, DirectState, finite_or_identity
from linalg_ml.matrix_functions.inversion import (
    InversionMethod,
    InversionState,
    determinantal_scaling,
    inverted_or_zero,
)
from linalg_ml.matrix_functions.root_problem import Pair
from linalg_ml.matrix_functions.spectrum import adjoint

_SCALED_ABOVE = 0.1  # the distance of M from I below which scaling does not help


@dataclass(frozen=True)
class DenmanBeavers(InversionMethod):
    """Newton's method for the square root in its product form, with determinantal scaling.

    M <- I/2 + (mu^2 M + M^-1 / mu^2)/4, X <- mu X (I + M^-1 / mu^2)/2, and the inverse of X
    likewise: one inversion and two products a step (Cheng, Higham, Kenney and Laub, 2001).
    """

    def init(self, problem, arithmetic, x0):
        """Start from X = M = A and the identity."""
        problem.divisor = problem.exact.xp.ones_like(problem.bound)
        unit = arithmetic.enter(problem.unit)
        identity = asarray(np.eye(unit.shape[-1]), like=unit, dtype=unit.dtype)
        identity = arithmetic.xp.broadcast_to(identity, unit.shape)
        never = problem.is_zero & ~problem.is_zero
        return InversionState(Pair(unit, identity), unit, problem.one(), never)

    def step(self, problem, state, arithmetic):
        """Invert M once and multiply twice."""
        exact = problem.exact
        m = exact.enter(arithmetic.wide(state.square))
        arithmetic.count("inversions")
        inverted, broken = inverted_or_zero(m, exact)
        mu = determinantal_scaling(m, state.distance > _SCALED_ABOVE, 2, exact)
        mu = astype(mu, real_dtype(m))[..., None, None]
        inverted = inverted / (mu * mu)
        identity = asarray(np.eye(m.shape[-1]), like=m, dtype=m.dtype)
        new = identity / 2 + (mu * mu * m + inverted) / 4
        half = arithmetic.enter(mu / 2 * (identity + inverted))
        y, z = (arithmetic.mm(part, half) for part in state.x[:2])
        keep = broken[..., None, None]
        y, z = (
            exact.xp.where(keep, old, now) for old, now in zip(state.x[:2], (y, z), strict=True)
        )
        m = exact.xp.where(keep, m, new)
        distance = exact.frobenius(m - identity) / m.shape[-1] ** 0.5
        m = arithmetic.enter(m)
        return InversionState(Pair(y, z), m, distance, broken | state.broken, state.step + 1)

    def measure(self, problem, state, arithmetic, exact):
        """Return the distance of M from I, or the exact residual."""
        if exact:
            return problem.exact_measures(state.x)
        return problem.cheap_measures(state.x, state.square)


@dataclass(frozen=True)
class EighRoot(DirectMethod):
    """V W^(1/2) V^H from the eigendecomposition A = V W V^H of a positive definite matrix."""

    def init(self, problem, arithmetic, x0):
        """Start from the scaled matrix."""
        problem.divisor = problem.exact.xp.ones_like(problem.bound)
        return DirectState(Pair(problem.unit))

    def step(self, problem, state, arithmetic):
        """Decompose and round to the working precision."""
        exact = problem.exact
        xp = exact.xp
        arithmetic.count("decompositions")
        w, v = xp.linalg.eigh(finite_or_identity(problem.unit, xp))
        positive = w > 0
        root = xp.sqrt(xp.where(positive, w, xp.zeros_like(w)))
        other = xp.where(positive, 1 / xp.where(positive, root, xp.ones_like(w)), root)
        y, z = (
            exact.mm(v * astype(values, v.dtype)[..., None, :], adjoint(v))
            for values in (root, other)
        )
        return DirectState(Pair(arithmetic.enter(y), arithmetic.enter(z)), 1)

    def measure(self, problem, state, arithmetic, exact):
        """Measure exactly, once there is a root."""
        if not state.step and not exact:  # the unit matrix may be its own root
            return {"residual": problem.one(), "orthogonality": problem.one()}
        measures = problem.exact_measures(state.x)
        return {**measures, "orthogonality": measures["residual"]}

    def finish(self, problem, state, arithmetic):
        """Return the root and what belongs to it."""
        return problem.finish(state.x)

    def stopped(self, problem, state, measures):
        """Report an indefinite matrix."""
        return problem.hopeless(False)

    def verify(self, problem, state, arithmetic):
        """Let the problem look once more; a singular matrix has a root as good as any."""
        return problem.verify(state.x, inverse_wanted=False)
