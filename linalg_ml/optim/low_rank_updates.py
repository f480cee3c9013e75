"""Dion: a low-rank orthonormal part of the momentum, and the rest of it kept for later."""

from dataclasses import dataclass

from linalg_ml._core import checks
from linalg_ml._core.namespace import namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions.direct_methods import finite_or_identity
from linalg_ml.optim import draws, hyperparameters
from linalg_ml.optim.matrices import AS_THEY_ARE, Matrices
from linalg_ml.optim.orthogonalized import SCALES
from linalg_ml.optim.rules import Rule, from_rule


@dataclass(frozen=True)
class Dion(Rule):
    """The rule of `dion`."""

    rank: int | float = 0.25
    momentum: float = 0.95
    eps: float = 1e-8
    scale: object = "unit-rms"
    seed: int = 0
    matrices: Matrices = AS_THEY_ARE

    def __post_init__(self):
        if isinstance(self.rank, float):
            checks.number(self.rank, "rank", above=0, maximum=1)
        else:
            checks.count(self.rank, "rank")
        hyperparameters.check(self.momentum, "momentum", below=1.0)
        hyperparameters.check(self.eps, "eps")
        if not callable(self.scale):
            checks.choice(self.scale, tuple(SCALES), "scale")

    def rank_of(self, a):
        """Return the rank of the steps of a matrix."""
        side = min(a.shape[-2:])
        rank = round(self.rank * side) if isinstance(self.rank, float) else self.rank
        return min(max(rank, 1), side)

    def check(self, param, name):
        """Raise unless a parameter can be read as matrices."""
        self.matrices.check(param, name)

    def init(self, param):
        """Return a buffer of zero and, for each matrix, random directions on the right."""
        zeros = namespace(param).zeros_like(param)
        state = {"buffer": zeros}
        for k, a in enumerate(self.matrices.split(zeros)):
            shape = (*a.shape[:-2], a.shape[-1], self.rank_of(a))
            state[f"right{k}"] = draws.normal(self.seed, k, shape, a)
        return state

    def layout(self):
        """Return the rank, and how parameters are read."""
        return {"rank": self.rank, **self.matrices.layout()}

    def update(self, grad, state, param, step):
        """Return the low-rank direction of one parameter."""
        directions, rests, after = [], [], {}
        buffer = state["buffer"] + grad
        for k, m in enumerate(self.matrices.split(buffer)):
            direction, rest, after[f"right{k}"] = self._split(m, state[f"right{k}"])
            directions.append(direction)
            rests.append(rest)
        after["buffer"] = self.matrices.join(rests, grad)
        return self.matrices.join(directions, grad), after

    def _split(self, m, right):
        """Return the direction P Q^T, what stays of the buffer, and Q."""
        if 0 in m.shape:
            return m, m, right
        arithmetic = Arithmetic(None, m)
        xp, mm = arithmetic.xp, arithmetic.mm
        left = xp.linalg.qr(finite_or_identity(mm(m, right), xp), mode="reduced")[0]
        followed = mm(m.mT, left)
        beta = hyperparameters.in_type_of(self.momentum, m)
        rest = m - (1 - beta) * mm(left, followed.mT)
        right = followed / (xp.sqrt(xp.sum(followed * followed, axis=-2, keepdims=True)) + self.eps)
        rows, columns = m.shape[-2:]
        scale = self.scale if callable(self.scale) else SCALES[self.scale]
        return float(scale(rows, columns)) * mm(left, right.mT), rest, right


def dion(
    lr=0.01,
    *,
    rank=0.25,
    momentum=0.95,
    weight_decay=0.01,
    scale="unit-rms",
    eps=1e-8,
    rng=0,
    fused=None,
    stacked=False,
    out_axis=0,
):
    """Orthonormalise a low-rank part of the momentum and feed the error back: Dion.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    rank : int or float
        Rank of the steps; a float is a part of the smaller side, in (0, 1].
    momentum : float
        What is left in the buffer of the part that was used, in [0, 1).
    weight_decay : float
        Decoupled: W <- W - lr weight_decay W.
    scale : str or callable
        The factor of the step for m outputs and n inputs, as in `muon`; the authors take
        sqrt(m / n), which is "unit-rms".
    eps : float
        Added to the norms of columns.
    rng : int
        Seed of the first directions.
    fused, stacked, out_axis
        As in `muon`.

    Returns
    -------
    Transform
        For parameters with at least two axes; send others elsewhere with `partition`.

    Raises
    ------
    TypeError, ValueError
        If an argument is unknown or out of range; in ``init`` if a parameter has fewer than two
        axes or ``fused`` does not fit it.

    Notes
    -----
    M <- M + G;  P = orthonormal basis of M Q (by QR);  R = M^T P;
    M <- M - (1 - momentum) P R^T;  Q <- R with columns divided by their norms + eps;
    W <- (1 - lr weight_decay) W - lr s(m, n) P Q^T.

    One step of subspace iteration takes the place of an orthogonalisation: 6 m n r flops in
    products and a QR factorisation of an m x r matrix, for the rank r. The buffer keeps what the
    step left out. With r = min(m, n) = n it is the accumulated momentum, and P Q^T approaches its
    polar factor as the momentum settles. The state is m n + n r numbers. Where M has a rank
    below r, columns of R are rounding noise and ``eps`` must stand above it.

    References
    ----------
    K. Ahn, B. Xu, N. Abreu, J. Langford, "Dion: Distributed orthonormalized updates", 2025,
    arXiv:2504.05295.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> w, target = np.zeros((3, 2)), np.array([[1.0, 0.5], [0.0, 2.0], [1.0, 0.0]])
    >>> transform = optim.dion(lr=optim.linear_decay(0.2, 200), rank=1, weight_decay=0.0)
    >>> state = transform.init(w)
    >>> for _ in range(200):
    ...     updates, state = transform.update(w - target, state, w)
    ...     w = optim.apply_updates(w, updates)
    >>> bool(abs(w - target).max() < 0.1)
    True
    """
    rule = Dion(
        rank=rank,
        momentum=momentum,
        eps=eps,
        scale=scale,
        seed=draws.check_seed(rng),
        matrices=Matrices(fused, stacked, out_axis),
    )
    return from_rule(rule, lr, weight_decay)
