"""Shampoo: a factor for each axis of a parameter, from the statistics of its gradients."""

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, library, namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.axes import multiply, statistic
from linalg_ml.optim.elementwise import is_zero
from linalg_ml.optim.inverse_power import check_root, inverse_power
from linalg_ml.optim.rules import Rule, from_rule

GRAFTS_BY_SQUARES = ("adagrad", "rmsprop", "adam")
GRAFTS = ("none", "sgd", *GRAFTS_BY_SQUARES)


@dataclass(frozen=True)
class Shampoo(Rule):
    """The rule of `shampoo`."""

    momentum: float = 0.0
    decay: float | None = None
    power: float | None = None
    eps: float = 1e-6
    frequency: int = 1
    start: int = 1
    graft: str = "none"
    graft_eps: float = 1e-8
    bias_correction: bool = False
    block: int | None = None
    max_order: int = 8192
    root: object = "eigh"

    may_begin: ClassVar[tuple] = ("momentum", "graft", "frequency")

    def __post_init__(self):
        hyperparameters.check(self.momentum, "momentum", below=1.0)
        if self.decay is not None:
            hyperparameters.check(self.decay, "decay", below=1.0)
        if self.power is not None:
            checks.number(self.power, "power", above=0)
        hyperparameters.check(self.eps, "eps")
        hyperparameters.check(self.graft_eps, "graft_eps")
        checks.choice(self.graft, GRAFTS, "graft")
        if self.block is not None:
            checks.count(self.block, "block")
        for name in ("frequency", "start", "max_order"):
            checks.count(getattr(self, name), name)
        if check_root(self.root) != "eigh" and self.power not in (None, 0.25, 0.5):
            raise ValueError(f"power must be 1/2 or 1/4 with polynomials, got {self.power}")

    def blocks(self, shape):
        """Return the slices of the blocks that have factors of their own."""
        size = self.block or max(1, *shape)
        starts = [range(0, d, size) for d in shape]
        return [
            tuple(slice(i, min(i + size, d)) for i, d in zip(corner, shape, strict=True))
            for corner in product(*starts)
        ]

    def factors(self, shape):
        """Yield (block, axis, order, name) of each factor."""
        for k, block in enumerate(self.blocks(shape)):
            for axis, part in enumerate(block):
                order = part.stop - part.start
                if 0 < order <= self.max_order:
                    yield block, axis, order, f"{k}.{axis}"

    def init(self, param):
        """Return eps I for each statistic, and what momentum and grafting need."""
        xp, param = namespace(param), _with_axes(param)
        state = {}
        for _, _, order, name in self.factors(param.shape):
            identity = asarray(np.eye(order), like=param, dtype=param.dtype)
            summed = self.decay is None
            state[f"statistic{name}"] = (self.eps if summed else 0.0) * identity
            if self.frequency > 1:
                state[f"root{name}"] = identity + 0
        if not is_zero(self.momentum):
            state["mean"] = xp.zeros_like(param)
        if self.graft in GRAFTS_BY_SQUARES:
            state["square"] = xp.zeros_like(param)
        return state

    def layout(self):
        """Return what is cut into factors, and what a state holds besides statistics."""
        return {
            "momentum": not is_zero(self.momentum),
            "graft": self.graft in GRAFTS_BY_SQUARES,
            "frequency": self.frequency > 1,
            "block": self.block,
            "max_order": self.max_order,
        }

    def adopt(self, state, param, step):
        """Return a state with the roots of its statistics, if it had none and needs them."""
        known = any(name.startswith("root") for name in state)
        state = super().adopt(state, param, step)
        if self.frequency > 1 and not known:
            state |= self._roots(_with_axes(param), state, step)
        return state

    def update(self, grad, state, param, step):
        """Return the direction, the product of the followed gradient with all the roots."""
        if grad.ndim == 0:
            direction, state = self.update(_with_axes(grad), state, param, step)
            return direction[0], state
        xp, state, arithmetic = namespace(grad), dict(state), Arithmetic(None, grad)
        self._accumulate(grad, state, arithmetic)
        if self.frequency > 1:
            state = kernels(library(grad)).cond(
                (step - 1) % self.frequency == 0,
                lambda state: state | self._roots(grad, state, step),
                lambda state: dict(state),
                state,
            )
        roots = state if self.frequency > 1 else self._roots(grad, state, step)
        followed = grad
        if "mean" in state:
            beta = hyperparameters.in_type_of(self.momentum, grad)
            followed = state["mean"] = beta * state["mean"] + (1 - beta) * grad
            if self.bias_correction:
                followed = followed / hyperparameters.bias_correction(beta, step, grad)
        grafted = self._grafted(grad, followed, state, step, xp)
        direction = self._precondition(followed, roots, arithmetic)
        if grafted is None:
            return direction, state
        size, wanted = (arithmetic.norm(xp.reshape(a, (-1,))) for a in (direction, grafted))
        direction = direction * (wanted / xp.where(size > 0, size, xp.ones_like(size)))
        if self.start > 1:
            direction = xp.where(step < self.start, grafted, direction)
        return direction, state

    def _accumulate(self, grad, state, arithmetic):
        for block, axis, _, name in self.factors(grad.shape):
            key, new = f"statistic{name}", statistic(grad[block], axis, arithmetic)
            if self.decay is None:
                state[key] = state[key] + new
            else:
                decay = hyperparameters.in_type_of(self.decay, grad)
                state[key] = decay * state[key] + (1 - decay) * new

    def _roots(self, grad, state, step):
        """Return the inverse roots of all statistics."""
        power = 1 / (2 * grad.ndim) if self.power is None else self.power
        roots = {}
        for _, _, _, name in self.factors(grad.shape):
            found = state[f"statistic{name}"]
            eps = 0.0 if self.decay is None else self.eps
            if self.decay is not None and self.bias_correction:
                found = found / hyperparameters.bias_correction(self.decay, step, grad)
            roots[f"root{name}"] = inverse_power(found, 1 / power, eps, self.root)
        return roots

    def _precondition(self, a, roots, arithmetic):
        if self.block is None:
            for _, axis, _, name in self.factors(a.shape):
                a = multiply(roots[f"root{name}"], a, axis, arithmetic)
            return a
        parts = {}
        for block in self.blocks(a.shape):
            parts[tuple(part.start for part in block)] = a[block]
        for block, axis, _, name in self.factors(a.shape):
            corner = tuple(part.start for part in block)
            parts[corner] = multiply(roots[f"root{name}"], parts[corner], axis, arithmetic)
        return _assembled(parts, arithmetic.xp)

    def _grafted(self, grad, followed, state, step, xp):
        """Return the direction whose size is taken, or None."""
        if self.graft == "none":
            return None
        if self.graft == "sgd":
            return followed
        if self.graft == "adagrad":
            square = state["square"] = state["square"] + grad * grad
        else:
            decay = hyperparameters.in_type_of(0.999 if self.decay is None else self.decay, grad)
            square = state["square"] = decay * state["square"] + (1 - decay) * grad * grad
            if self.bias_correction:
                square = square / hyperparameters.bias_correction(decay, step, grad)
        numerator = followed if self.graft == "adam" else grad
        return numerator / (xp.sqrt(square) + self.graft_eps)


def _with_axes(a):
    """Return an array, and a number as the vector of one entry that it is treated as."""
    return namespace(a).reshape(a, (1,)) if a.ndim == 0 else a


def _assembled(parts, xp):
    """Return the array of blocks given by their corners."""
    axes = len(next(iter(parts)))
    for axis in reversed(range(axes)):
        rows = {}
        for corner in sorted(parts):
            rows.setdefault(corner[:axis], []).append(parts[corner])
        parts = {corner: xp.concat(row, axis=axis) for corner, row in rows.items()}
    return parts[()]


def shampoo(
    lr=0.1,
    *,
    momentum=0.0,
    decay=None,
    power=None,
    eps=1e-6,
    weight_decay=0.0,
    frequency=1,
    start=1,
    graft="none",
    graft_eps=1e-8,
    bias_correction=False,
    block=None,
    max_order=8192,
    root="eigh",
):
    """Precondition each axis of a parameter by a root of its statistics: Shampoo.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    momentum : float
        Decay of the mean of gradients that is preconditioned; 0 takes the gradient itself.
    decay : float, optional
        Decay of the statistics, which are means then. None: they are sums, as in the original.
    power : float, optional
        Exponent of the factors, without its sign. None is 1 / (2 k) for k axes: 1/4 for
        matrices. 1/2 for matrices is closer to the full preconditioner.
    eps : float
        Multiple of the identity: the start of sums; added to means.
    weight_decay : float
        Decoupled: W <- W - lr weight_decay W.
    frequency : int
        Steps from one computation of the roots to the next.
    start : int
        The first step that is preconditioned; before, steps are those of ``graft``.
    graft : {"none", "sgd", "adagrad", "rmsprop", "adam"}
        The method whose step, for each parameter, has the size that is taken. "adam" is
        M / (V^(1/2) + graft_eps) with the mean M of ``momentum``.
    graft_eps : float
        Added to the root there.
    bias_correction : bool
        Whether means are corrected for their start at zero.
    block : int, optional
        Cut axes longer than this into blocks with factors of their own.
    max_order : int
        Longer axes, after cutting, have no factor.
    root : str or Schedule
        "eigh", or polynomials for coupled square roots: a name of `linalg_ml.schedule_names`, a
        Schedule. Those need products alone.

    Returns
    -------
    Transform

    Raises
    ------
    TypeError, ValueError
        If an argument is unknown or out of range.

    Notes
    -----
    For a matrix: L <- L + G G^T, R <- R + G^T G (or means); W <- W - lr L^(-1/4) G R^(-1/4).
    Statistics of more axes are contractions of G with itself over all the others. A number is a
    vector of one entry.

    From L = R = 0 and with eps -> 0 the first step is along U V^T for G = U S V^T. A step takes
    two symmetric products and two others; each root by "eigh" costs about ten products of its
    order. Keep roots for some 10 to 100 steps by ``frequency``.

    References
    ----------
    V. Gupta, T. Koren, Y. Singer, "Shampoo: Preconditioned stochastic tensor optimization", 2018,
    arXiv:1802.09568.
    R. Anil, V. Gupta, T. Koren, K. Regan, Y. Singer, "Scalable second order optimization for deep
    learning", 2020, arXiv:2002.09018 (blocks, grafting).
    D. Morwani and others, "A new perspective on Shampoo's preconditioner", 2024,
    arXiv:2406.17748 (power 1/2).

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> w, target = np.zeros((3, 2)), np.array([[1.0, 0.5], [0.0, 2.0], [1.0, 0.0]])
    >>> transform = optim.shampoo(lr=0.5)
    >>> state = transform.init(w)
    >>> for _ in range(100):
    ...     updates, state = transform.update(w - target, state, w)
    ...     w = optim.apply_updates(w, updates)
    >>> bool(abs(w - target).max() < 1e-3)
    True
    """
    rule = Shampoo(
        momentum=momentum,
        decay=decay,
        power=power,
        eps=eps,
        frequency=frequency,
        start=start,
        graft=graft,
        graft_eps=graft_eps,
        bias_correction=bias_correction,
        block=block,
        max_order=max_order,
        root=root,
    )
    return from_rule(rule, lr, weight_decay)
