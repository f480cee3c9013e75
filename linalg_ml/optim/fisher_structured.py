"""FISMO: momentum orthogonalised between two factors of the Fisher information."""

from dataclasses import dataclass

import numpy as np

from linalg_ml._core.namespace import asarray, namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions.orthogonalize import orthogonalize
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.inverse_power import check_root, inverse_power
from linalg_ml.optim.matrices import AS_THEY_ARE, Matrices
from linalg_ml.optim.orthogonalized import check_schedule, polynomials
from linalg_ml.optim.polar_factor import FACTORISING, polar_factor
from linalg_ml.optim.rules import Rule, from_rule


@dataclass(frozen=True)
class FISMO(Rule):
    """The rule of `fismo`."""

    momentum: float = 0.95
    decay: float = 0.95
    damping: float = 1e-3
    steps: int | None = None
    schedule: object = None
    root: object = "eigh"
    matrices: Matrices = AS_THEY_ARE

    def __post_init__(self):
        hyperparameters.check(self.momentum, "momentum", below=1.0)
        hyperparameters.check(self.decay, "decay", below=1.0)
        hyperparameters.check(self.damping, "damping")
        check_root(self.root)
        check_schedule(self.schedule, self.steps)

    def check(self, param, name):
        """Raise unless a parameter can be read as matrices."""
        self.matrices.check(param, name)

    def init(self, param):
        """Return a mean of zero and, for each matrix, two factors I and the root of the second."""
        zeros = namespace(param).zeros_like(param)
        state = {"mean": zeros}
        for k, a in enumerate(self.matrices.split(zeros)):
            for name, axis in (("left", -2), ("right", -1), ("root", -1)):
                identity = asarray(np.eye(a.shape[axis]), like=a, dtype=a.dtype)
                batch = (*a.shape[:-2], *identity.shape)
                state[f"{name}{k}"] = namespace(a).broadcast_to(identity, batch) + 0
        return state

    def layout(self):
        """Return how parameters are read."""
        return self.matrices.layout()

    def update(self, grad, state, param, step):
        """Return P^(-1/2) orth(M) Q^(-1/2)."""
        after, parts, directions = {}, [], []
        for k, g in enumerate(self.matrices.split(grad)):
            left, right = self._factors(g, state, k, after)
            mm = Arithmetic(None, g).mm
            parts.append((left, right, mm(mm(left, g), right) if 0 not in g.shape else g))
        beta = hyperparameters.in_type_of(self.momentum, grad)
        white = self.matrices.join([g for _, _, g in parts], grad)
        after["mean"] = beta * state["mean"] + (1 - beta) * white
        means = self.matrices.split(after["mean"])
        for (left, right, _), mean in zip(parts, means, strict=True):
            mm = Arithmetic(None, mean).mm
            empty = 0 in mean.shape
            directions.append(mean if empty else mm(mm(left, self._orthogonal(mean)), right))
        return self.matrices.join(directions, grad), after

    def _factors(self, g, state, k, after):
        """Return the inverse roots of the new factors, and put both into the state."""
        before = {name: state[f"{name}{k}"] for name in ("left", "right", "root")}
        if 0 in g.shape:
            after |= {f"{name}{k}": a for name, a in before.items()}
            return before["left"], before["right"]
        arithmetic = Arithmetic(None, g)
        m, n = g.shape[-2:]
        # G Q^-1 G^T is the Gram matrix of G Q^(-1/2).
        new = arithmetic.gram(arithmetic.mm(g, before["root"])) / n
        p, left = self._advanced(before["left"], new)
        new = arithmetic.gram(arithmetic.mm(g.mT, left)) / m
        q, right = self._advanced(before["right"], new)
        after |= {f"left{k}": p, f"right{k}": q, f"root{k}": right}
        return left, right

    def _advanced(self, factor, new):
        """Return the mean of a factor and a statistic, its trace being the order, and the root."""
        order, xp = factor.shape[-1], namespace(factor)
        gamma, mu = (hyperparameters.in_type_of(v, factor) for v in (self.decay, self.damping))
        identity = asarray(np.eye(order), like=factor, dtype=factor.dtype)
        new = new + mu * (_trace(factor) / order) * identity
        mixed = gamma * factor + (1 - gamma) * new
        mixed = mixed * (order / _trace(mixed))
        mixed = (mixed + mixed.mT) / 2
        return mixed, xp.astype(inverse_power(mixed, 2, 0.0, self.root), factor.dtype)

    def _orthogonal(self, a):
        if self.schedule in FACTORISING:
            return polar_factor(a, self.schedule, steps=self.steps)
        rows = polynomials(self.schedule, self.steps)
        return orthogonalize(a, steps=len(rows), schedule=rows)


def _trace(a):
    """Return the trace of each matrix, with two axes of length one."""
    return namespace(a).linalg.trace(a)[..., None, None]


def fismo(
    lr=0.02,
    *,
    momentum=0.95,
    decay=0.95,
    damping=1e-3,
    weight_decay=0.0,
    steps=None,
    schedule=None,
    root="eigh",
    fused=None,
    stacked=False,
    out_axis=0,
):
    """Orthogonalise the momentum in coordinates that whiten the gradient: FISMO.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    momentum : float
        Decay of the mean of whitened gradients, in [0, 1).
    decay : float
        Decay of the two factors, in [0, 1).
    damping : float
        Multiple of the mean eigenvalue of a factor that is added to each new statistic.
    weight_decay : float
        Decoupled: W <- W - lr weight_decay W.
    steps, schedule
        The orthogonalisation, as in `muon`.
    root : str or Schedule
        "eigh", or polynomials for the coupled square root, as in `asgo`.
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
    From P = I, Q = I:
    L = G Q^-1 G^T / n + damping (tr P / m) I;  P <- decay P + (1 - decay) L, scaled to tr P = m;
    R = G^T P^-1 G / m + damping (tr Q / n) I;  Q <- decay Q + (1 - decay) R, scaled to tr Q = n;
    M <- momentum M + (1 - momentum) P^(-1/2) G Q^(-1/2);
    W <- (1 - lr weight_decay) W - lr P^(-1/2) orth(M) Q^(-1/2).

    With ``decay`` near one and small gradients P and Q stay near I, and this is `muon` without
    Nesterov and scale. Unlike there, the step depends on the size of gradients, through P and Q.
    The defaults of ``lr``, ``momentum``, ``decay`` and ``damping`` are ours, as is the choice to
    keep Q^(-1/2) in the state, which takes m n + m^2 + 2 n^2 numbers. A step takes eight products
    and two roots, of about ten products each by "eigh".

    References
    ----------
    Xu, Yan, Zhang, "FISMO: Fisher-structured momentum-orthogonalized optimizer", 2026,
    arXiv:2601.21750.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> w, target = np.zeros((3, 2)), np.array([[1.0, 0.5], [0.0, 2.0], [1.0, 0.0]])
    >>> transform = optim.fismo(lr=optim.linear_decay(0.2, 100))
    >>> state = transform.init(w)
    >>> for _ in range(100):
    ...     updates, state = transform.update(w - target, state, w)
    ...     w = optim.apply_updates(w, updates)
    >>> bool(abs(w - target).max() < 0.1)
    True
    """
    rule = FISMO(
        momentum=momentum,
        decay=decay,
        damping=damping,
        steps=steps,
        schedule=schedule,
        root=root,
        matrices=Matrices(fused, stacked, out_axis),
    )
    return from_rule(rule, lr, weight_decay)
