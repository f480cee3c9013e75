"""Frank-Wolfe steps that correct all of the low-rank part in the subspace found so far."""

import math
from dataclasses import dataclass
from typing import Any

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.leading_pairs import ORACLES, leading_pairs
from linalg_ml.low_rank.penalised_method import PenalisedMethod, PenalisedState

_STILL = 1e-3  # an inner step so much shorter than the longest ends the correction


@dataclass
class CorrectiveState(PenalisedState):
    """With the singular pairs that the gradient offers, once they are known."""

    pairs: Any = None
    nit: int = 0


@dataclass(frozen=True)
class CorrectiveFrankWolfe(PenalisedMethod):
    """Frank-Wolfe with a subspace correction, on the problem in L alone.

    Parameters
    ----------
    block : int
        Leading singular pairs of the gradient that widen the subspace in each step.
    inner : int
        Accelerated proximal steps on the small matrix B of L = U B V^T after that, at most.
    oracle : {"bidiagonalization", "block", "power", "svd"}
        How the pairs are found.
    accuracy : float, optional
        Of the pairs, see `leading_pairs`; None asks for 0.1 / (k + 2) in step k.
    """

    block: int = 3
    inner: int = 5
    oracle: str = "bidiagonalization"
    accuracy: float | None = None

    takes_samples = True  # of few observed entries, see `SampledPenalised`

    def __post_init__(self):
        checks.count(self.block, "block")
        checks.count(self.inner, "inner")
        checks.choice(self.oracle, ORACLES, "oracle")
        if self.accuracy is not None:
            checks.number(self.accuracy, "accuracy", above=0)

    def init(self, problem, arithmetic, x0):
        """Start from x0, or the best multiple of the leading singular pair of M."""
        low = problem.start(x0)
        if low is not None:
            state = CorrectiveState(low)
            self.factors(problem, state)
            return state
        state = CorrectiveState(problem.zero(), problem.no_factors())
        return first_pair(problem, state, arithmetic, self.oracle)

    def find_pairs(self, problem, state, arithmetic):
        """Return the leading triplets of the gradient."""
        if not state.sums:
            self.evaluate(problem, state)
        if state.pairs is None:
            u, s, v, _ = leading_pairs(
                problem.products(state.gradient, arithmetic),
                self.block,
                arithmetic,
                problem.rng,
                previous=state.leading,
                accuracy=self.accuracy or 0.1 / (state.nit + 2),
                oracle=self.oracle,
            )
            state.pairs, state.leading = (u, s, v), v
        return state.pairs

    def spectral_norm(self, problem, state, arithmetic, exact):
        """Return ||g||_2, as accurate as the next step needs it unless ``exact``."""
        if exact:
            return super().spectral_norm(problem, state, arithmetic, exact)
        return host(self.find_pairs(problem, state, arithmetic)[1][0])

    def step(self, problem, state, arithmetic):
        """Widen the subspace, then minimise in it."""
        xp, wide = problem.xp, problem.wide
        new_u, _, new_v = self.find_pairs(problem, state, arithmetic)
        u, s, vh = state.factors
        left, r = xp.linalg.qr(xp.concat([u, new_u], axis=1), mode="reduced")
        right, t = xp.linalg.qr(xp.concat([vh.mT, new_v], axis=1), mode="reduced")
        k = s.shape[0]
        core = wide.mm(r[:, :k] * s[None, :], t[:, :k].mT)
        state.low = None  # room for the next one
        p, s, qh = self.correct(problem, state.gradient, (left, core, right), arithmetic)
        factors = wide.mm(left, p), s, wide.mm(qh, right.mT)
        return CorrectiveState(
            problem.low(factors),
            factors,
            gradient=state.gradient,  # its memory: there are no sums yet
            leading=state.leading,
            checked=state.checked,
            nit=state.nit + 1,
        )

    def correct(self, problem, gradient, parts, arithmetic):
        """Minimise over B of L = U B V^T; return the singular value decomposition of B.

        Accelerated proximal steps of length 1, whose momentum starts anew where it points uphill.
        ``gradient`` is that at the given B.
        """
        xp, wide = problem.xp, problem.wide
        left, core, right = parts
        ahead, momentum, longest = core, 1.0, 0.0
        for inner in range(self.inner):
            if inner:
                gradient = problem.huber(problem.low((left, ahead, right)), gradient)[0]
            slope = wide.mm(left.mT, problem.products(gradient, arithmetic).block(right))
            p, s, qh = arithmetic.kernels.thin_svd(ahead - slope)
            rank = int(host(xp.sum(astype(s > problem.lam_low_rank, xp.int32))))
            p, s, qh = p[:, :rank], s[:rank] - problem.lam_low_rank, qh[:rank, :]
            found = wide.mm(p * s[None, :], qh)
            change = found - core
            following = (1 + (1 + 4 * momentum * momentum) ** 0.5) / 2
            weight, momentum = (momentum - 1) / following, following
            if host(xp.sum((ahead - found) * change)) > 0:
                weight, momentum = 0.0, 1.0
            core, ahead = found, found + weight * change
            length = host(wide.frobenius(change))
            longest = max(longest, length)
            if length <= _STILL * longest:
                break
        arithmetic.count("corrections", inner + 1)
        return p, s, qh


def first_pair(problem, state, arithmetic, oracle):
    """Return the state moved to the best multiple of the leading pair of M if that is better."""
    xp = problem.xp
    products = problem.products(problem.data, arithmetic)
    u, _, v, _ = leading_pairs(products, 1, arithmetic, problem.rng, oracle=oracle)
    sums = problem.search(state.low, u[:, 0], v[:, 0], 1.0, math.inf)
    size, inner = host(sums[0]), -host(sums[3])
    scale = (inner - problem.lam_low_rank) / size if size > 0 else 0.0
    memory, squares, sparse_norm, _ = problem.huber(state.low)
    before = problem.loss(squares, sparse_norm)
    low = problem.move(state.low, 0.0, scale, u[:, 0], v[:, 0])
    memory, squares, sparse_norm, _ = problem.huber(low, memory)
    if scale > 0 and problem.loss(squares, sparse_norm) + problem.lam_low_rank * scale < before:
        factors = u, scale * xp.ones_like(u[0, :]), v.mT
        return CorrectiveState(low, factors, gradient=memory, leading=v)
    return CorrectiveState(problem.move(low, 0.0, 0.0, u[:, 0], v[:, 0]), state.factors)
