"""ASGO and DASGO: one factor, on one side, of a matrix or its diagonal."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, library, namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.inverse_power import check_root, inverse_power
from linalg_ml.optim.matrices import AS_THEY_ARE, Matrices
from linalg_ml.optim.rules import Rule, from_rule

SIDES = ("smaller", "left", "right")


@dataclass(frozen=True)
class ASGO(Rule):
    """The rule of `asgo`."""

    betas: tuple = (0.9, 0.8)
    eps: float = 1e-10
    rms: float | None = 0.2
    side: str = "smaller"
    damping: str = "inside"
    frequency: int = 1
    root: object = "eigh"
    matrices: Matrices = AS_THEY_ARE

    may_begin: ClassVar[tuple] = ("frequency",)

    def __post_init__(self):
        hyperparameters.check(self.eps, "eps")
        if self.rms is not None:
            checks.number(self.rms, "rms", above=0)
        checks.choice(self.side, SIDES, "side")
        checks.choice(self.damping, ("inside", "outside"), "damping")
        checks.count(self.frequency, "frequency")
        if check_root(self.root) != "eigh" and self.damping == "outside":
            raise ValueError("damping must be 'inside' with polynomials, got 'outside'")

    def is_left(self, a):
        """Say whether the factor of a matrix is on the left: that of the order of its rows."""
        m, n = a.shape[-2:]
        return self.side == "left" or (self.side == "smaller" and m < n)

    def check(self, param, name):
        """Raise unless a parameter can be read as matrices."""
        self.matrices.check(param, name)

    def init(self, param):
        """Return a mean of zero and, for each matrix, a statistic of zero."""
        zeros = namespace(param).zeros_like(param)
        state = {"mean": zeros}
        for k, a in enumerate(self.matrices.split(zeros)):
            order = a.shape[-2] if self.is_left(a) else a.shape[-1]
            identity = asarray(np.eye(order), like=a, dtype=a.dtype) + 0 * a[..., :1, :1]
            state[f"statistic{k}"] = 0 * identity
            if self.frequency > 1:
                state[f"root{k}"] = identity
        return state

    def layout(self):
        """Return whether roots are kept, where they are, and how parameters are read."""
        return {"frequency": self.frequency > 1, "side": self.side, **self.matrices.layout()}

    def adopt(self, state, param, step):
        """Return a state with the roots of its statistics, if it had none and needs them."""
        state = super().adopt(state, param, step)
        for name in state:
            if name.startswith("root"):
                state[name] = self._root(state[name.replace("root", "statistic")])
        return state

    def update(self, grad, state, param, step):
        """Return the mean of the gradients times the root."""
        state = dict(state)
        beta1 = hyperparameters.in_type_of(self.betas[0], grad)
        mean = state["mean"] = beta1 * state["mean"] + (1 - beta1) * grad
        arithmetic, cond = Arithmetic(None, grad), kernels(library(grad)).cond
        directions = []
        parts = zip(self.matrices.split(grad), self.matrices.split(mean), strict=True)
        for k, (g, followed) in enumerate(parts):
            left = self.is_left(g)
            found = state[f"statistic{k}"] = self._accumulated(
                state[f"statistic{k}"], arithmetic.gram(g if left else g.mT)
            )
            if self.frequency > 1:
                root = state[f"root{k}"] = cond(
                    (step - 1) % self.frequency == 0,
                    lambda found, root: self._root(found),
                    lambda found, root: root,
                    found,
                    state[f"root{k}"],
                )
            else:
                root = self._root(found)
            a, b = (root, followed) if left else (followed, root)
            directions.append(_of_size(self.rms, arithmetic.mm(a, b), arithmetic))
        return self.matrices.join(directions, grad), state

    def _accumulated(self, before, new):
        if self.betas[1] is None:
            return before + new
        beta2 = hyperparameters.in_type_of(self.betas[1], before)
        return beta2 * before + (1 - beta2) * new

    def _root(self, statistic):
        outside = self.damping == "outside"
        return inverse_power(statistic, 2, self.eps, self.root, outside=outside)


@dataclass(frozen=True)
class DASGO(Rule):
    """The rule of `dasgo`."""

    betas: tuple = (0.9, 0.95)
    eps: float = 1e-8
    rms: float | None = 0.2
    matrices: Matrices = AS_THEY_ARE

    def __post_init__(self):
        hyperparameters.check(self.eps, "eps")
        if self.rms is not None:
            checks.number(self.rms, "rms", above=0)

    def check(self, param, name):
        """Raise unless a parameter can be read as matrices."""
        self.matrices.check(param, name)

    def init(self, param):
        """Return a mean of zero and, for each matrix, a diagonal of zero."""
        zeros = namespace(param).zeros_like(param)
        parts = self.matrices.split(zeros)
        diagonals = {f"square{k}": namespace(a).sum(a, axis=-2) for k, a in enumerate(parts)}
        return {"mean": zeros, **diagonals}

    def layout(self):
        """Return how parameters are read."""
        return self.matrices.layout()

    def update(self, grad, state, param, step):
        """Return the mean of the gradients, its columns divided by their sizes."""
        xp, state = namespace(grad), dict(state)
        beta1, beta2 = (hyperparameters.in_type_of(beta, grad) for beta in self.betas)
        mean = state["mean"] = beta1 * state["mean"] + (1 - beta1) * grad
        arithmetic, directions = Arithmetic(None, grad), []
        parts = zip(self.matrices.split(grad), self.matrices.split(mean), strict=True)
        for k, (g, followed) in enumerate(parts):
            new = xp.sum(g * g, axis=-2)
            found = state[f"square{k}"] = beta2 * state[f"square{k}"] + (1 - beta2) * new
            u = followed / xp.sqrt(found + self.eps)[..., None, :]
            directions.append(_of_size(self.rms, u, arithmetic))
        return self.matrices.join(directions, grad), state


def _of_size(rms, a, arithmetic):
    """Return matrices scaled to a root mean square, and zero matrices as they are."""
    if rms is None or 0 in a.shape:
        return a
    m, n = a.shape[-2:]
    size, xp = arithmetic.frobenius(a), arithmetic.xp
    size = xp.where(size > 0, size, xp.ones_like(size))[..., None, None]
    return rms * (m * n) ** 0.5 * (a / size)  # the reciprocal of a fading mean may overflow


def asgo(
    lr=0.01,
    *,
    betas=(0.9, 0.8),
    eps=1e-10,
    weight_decay=0.1,
    rms=0.2,
    side="smaller",
    damping="inside",
    frequency=1,
    root="eigh",
    fused=None,
    stacked=False,
    out_axis=0,
):
    """Precondition one side of each matrix: ASGO.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    betas : (float, float or None)
        Decays of the means of the gradient and of the statistic. None in second place: a sum, as
        in the algorithm that is analysed.
    eps : float
        Multiple of the identity that is added.
    weight_decay : float
        Decoupled: W <- W - lr weight_decay W.
    rms : float, optional
        Root mean square that each step is scaled to, before the learning rate; None scales
        nothing.
    side : {"smaller", "left", "right"}
        Which side has the factor; of a square matrix the smaller one is the right.
    damping : {"inside", "outside"}
        (V + eps I)^(-1/2), or (V^(1/2) + eps I)^(-1).
    frequency : int
        Steps from one computation of the root to the next.
    root : str or Schedule
        "eigh", or polynomials for the coupled square root: a name of
        `linalg_ml.schedule_names`, a Schedule. Those need products alone.
    fused, stacked, out_axis
        As in `muon`; for the heads of attention, ``fused`` is their number.

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
    For a factor on the left: M <- b1 M + (1 - b1) G;  V <- b2 V + (1 - b2) G G^T;
    U = (V + eps I)^(-1/2) M;  W <- (1 - lr weight_decay) W - lr rms (m n)^(1/2) U / ||U||_F.

    The algorithm that the authors analyse is ``betas=(0.0, None), rms=None, side="left",
    damping="outside"``. With eps -> 0 its first step is along U V^T for G = U S V^T. The state
    is M and one matrix of the order of the side. A step takes a symmetric product, another one
    and the root, which by "eigh" costs about ten products of its order.

    References
    ----------
    K. An, Y. Liu, R. Pan, Y. Ren, S. Ma, D. Goldfarb, T. Zhang, "ASGO: Adaptive structured
    gradient optimization", 2025, arXiv:2503.20762.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> w, target = np.zeros((3, 2)), np.array([[1.0, 0.5], [0.0, 2.0], [1.0, 0.0]])
    >>> transform = optim.asgo(lr=optim.linear_decay(0.5, 100), weight_decay=0.0)
    >>> state = transform.init(w)
    >>> for _ in range(100):
    ...     updates, state = transform.update(w - target, state, w)
    ...     w = optim.apply_updates(w, updates)
    >>> bool(abs(w - target).max() < 0.05)
    True
    """
    rule = ASGO(
        betas=hyperparameters.check_betas(betas, sums=True),
        eps=eps,
        rms=rms,
        side=side,
        damping=damping,
        frequency=frequency,
        root=root,
        matrices=Matrices(fused, stacked, out_axis),
    )
    return from_rule(rule, lr, weight_decay)


def dasgo(
    lr=0.01,
    *,
    betas=(0.9, 0.95),
    eps=1e-8,
    weight_decay=0.1,
    rms=0.2,
    fused=None,
    stacked=False,
    out_axis=0,
):
    """Divide the columns of each matrix by the sizes of their gradients: DASGO.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    betas : (float, float)
        Decays of the means of the gradient and of the squares of columns.
    eps : float
        Added to the squares.
    weight_decay : float
        Decoupled: W <- W - lr weight_decay W.
    rms : float, optional
        Root mean square that each step is scaled to, before the learning rate; None scales
        nothing.
    fused, stacked, out_axis
        As in `muon`.

    Returns
    -------
    Transform
        For parameters with at least two axes; send others elsewhere with `partition`.

    Raises
    ------
    TypeError, ValueError
        As for `asgo`.

    Notes
    -----
    M <- b1 M + (1 - b1) G;  v_j <- b2 v_j + (1 - b2) sum_i G_ij^2;
    U_ij = M_ij / (v_j + eps)^(1/2);  W <- (1 - lr weight_decay) W - lr rms (m n)^(1/2) U / ||U||_F.

    v is the diagonal of the matrix that `asgo` has on the right: a state of m n + n numbers, and
    no products.

    References
    ----------
    K. An, Y. Liu, R. Pan, Y. Ren, S. Ma, D. Goldfarb, T. Zhang, "ASGO: Adaptive structured
    gradient optimization", 2025, arXiv:2503.20762.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform, w = optim.dasgo(lr=0.1, weight_decay=0.0), np.zeros((2, 2))
    >>> grad = np.array([[1.0, 0.01], [1.0, 0.01]])
    >>> updates, _ = transform.update(grad, transform.init(w), w)
    >>> updates.round(4)
    array([[-0.02, -0.02],
           [-0.02, -0.02]])
    """
    rule = DASGO(
        betas=hyperparameters.check_betas(betas),
        eps=eps,
        rms=rms,
        matrices=Matrices(fused, stacked, out_axis),
    )
    return from_rule(rule, lr, weight_decay)
