"""SOAP: Adam in the eigenbasis of Shampoo's statistics."""

import math
from dataclasses import dataclass

from linalg_ml._core import checks
from linalg_ml._core.namespace import library, namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.axes import multiply, statistic
from linalg_ml.optim.elementwise import combine, is_zero
from linalg_ml.optim.inverse_power import eigenbasis, orthogonal_iteration
from linalg_ml.optim.rules import Rule, from_rule

SIDES = ("both", "smaller")
_REFRESH = 8.0  # products of its order that a basis takes, roughly: two, and a QR decomposition


@dataclass(frozen=True)
class SOAP(Rule):
    """The rule of `soap`."""

    betas: tuple = (0.95, 0.95)
    shampoo_beta: float | None = None
    eps: float = 1e-8
    frequency: int = 10
    sides: str = "both"
    max_order: int = 10000
    factored: bool = False
    normalize: bool = False
    bias_correction: bool = True

    def __post_init__(self):
        if self.shampoo_beta is not None:
            hyperparameters.check(self.shampoo_beta, "shampoo_beta", below=1.0)
        hyperparameters.check(self.eps, "eps")
        checks.count(self.frequency, "frequency")
        checks.choice(self.sides, SIDES, "sides")
        checks.count(self.max_order, "max_order")

    def axes(self, shape):
        """Return the axes that are rotated: none of a vector, where this is Adam."""
        known = [i for i, d in enumerate(shape) if 1 < d <= self.max_order]
        if len(shape) < 2 or not known:
            return ()
        if self.sides == "smaller":
            return (min(known, key=lambda i: (shape[i], -i)),)
        return tuple(known)

    def init(self, param):
        """Return zero moments and, for each axis to be rotated, a statistic and a basis."""
        xp, shape = namespace(param), tuple(param.shape)
        zeros = xp.zeros_like(param)
        state = {"mean": zeros}
        if self.factored and len(shape) == 2:
            state |= {"rows": zeros[:, 0] + 0, "columns": zeros[0, :] + 0}
        else:
            state |= {"square": zeros + 0}
        for axis in self.axes(shape):
            unknown = statistic(zeros, axis)
            state |= {f"statistic{axis}": unknown, f"basis{axis}": unknown + 0}
        return state

    def layout(self):
        """Return which axes have a basis, and what the second moments are of."""
        return {"sides": self.sides, "max_order": self.max_order, "factored": self.factored}

    def cost(self, param):
        """Return about how many multiplications a step takes, with its part of a refresh."""
        entries, total = float(math.prod(param.shape)), 0.0
        for axis in self.axes(param.shape):
            order = float(param.shape[axis])
            refresh = order * entries + _REFRESH * order**3
            total += 3 * order * entries + refresh / self.frequency
        return total or entries

    def update(self, grad, state, param, step):
        """Return the direction, in the basis of the last refresh.

        The mean stays in that basis until the next one, and is turned only then.
        """
        axes, arithmetic = self.axes(grad.shape), Arithmetic(None, grad)
        if not axes:
            return self._adam(grad, state, step, arithmetic, ())
        cond = kernels(library(grad)).cond
        return cond(
            step > 1,
            lambda grad, state: self._adam(grad, state, step - 1, arithmetic, axes),
            lambda grad, state: self._begin(grad, state, axes, arithmetic),
            grad,
            state,
        )

    def _begin(self, grad, state, axes, arithmetic):
        """Find the first basis and move nothing: a gradient has no part in its own basis."""
        state = dict(state)
        for axis in axes:
            found = self._weight(grad) * statistic(grad, axis, arithmetic)
            state |= {f"statistic{axis}": found, f"basis{axis}": eigenbasis(found)}
        return namespace(grad).zeros_like(grad), state

    def _weight(self, grad):
        beta = self.betas[1] if self.shampoo_beta is None else self.shampoo_beta
        return 1 - hyperparameters.in_type_of(beta, grad)

    def _adam(self, grad, state, t, arithmetic, axes):
        """Make a step of Adam in the basis, and refresh that when its time has come."""
        xp, state = arithmetic.xp, dict(state)
        beta1, beta2 = (hyperparameters.in_type_of(beta, grad) for beta in self.betas)
        rotated = _rotate(grad, state, axes, arithmetic, inverse=True)
        lerp = arithmetic.kernels.lerp
        mean = state["mean"] = lerp(state["mean"], rotated, 1 - beta1)
        square = self._second_moment(rotated, state, 1 - beta2, arithmetic)
        direction = mean / (xp.sqrt(square) + self.eps)
        direction = _rotate(direction, state, axes, arithmetic)
        if self.normalize:
            direction = direction / (1e-30 + xp.sqrt(xp.mean(direction * direction)))
        if self.bias_correction:
            first, second = (
                hyperparameters.bias_correction(beta, t, grad) for beta in (beta1, beta2)
            )
            direction = second**0.5 / first * direction
        weight = self._weight(grad)
        for axis in axes:
            name, new = f"statistic{axis}", statistic(grad, axis, arithmetic)
            state[name] = lerp(state[name], new, weight)
        if axes:
            state = kernels(library(grad)).cond(
                t % self.frequency == 0,
                lambda state: self._refresh(state, axes, arithmetic),
                lambda state: dict(state),
                state,
            )
        return direction, state

    def _second_moment(self, rotated, state, weight, arithmetic):
        xp, lerp, power = arithmetic.xp, arithmetic.kernels.lerp, rotated * rotated
        if "square" in state:
            state["square"] = lerp(state["square"], power, weight)
            return state["square"]
        rows = state["rows"] = lerp(state["rows"], xp.sum(power, axis=1), weight)
        columns = state["columns"] = lerp(state["columns"], xp.sum(power, axis=0), weight)
        total = xp.sum(rows)
        return rows[:, None] * (columns / xp.where(total > 0, total, xp.ones_like(total)))

    def _refresh(self, state, axes, arithmetic):
        """Sort each basis, make one step of orthogonal iteration, and turn the mean."""
        state = dict(state)
        xp = arithmetic.xp
        for axis in axes:
            found, basis = state[f"statistic{axis}"], state[f"basis{axis}"]
            sizes = xp.sum(basis * arithmetic.mm(found, basis), axis=0)
            order = xp.argsort(sizes, descending=True, stable=True)
            for name in ("square", "rows" if axis == 0 else "columns"):
                if name in state:
                    along = axis if name == "square" else 0
                    state[name] = xp.take(state[name], order, axis=along)
            new = orthogonal_iteration(found, xp.take(basis, order, axis=1))
            # Both turns of the mean as one: Q_new^T Q_old.
            turn = arithmetic.mm(new.mT, basis)
            state["mean"] = multiply(turn, state["mean"], axis, arithmetic)
            state[f"basis{axis}"] = new
        return state

    def finish(self, direction, param, step, lr, weight_decay):
        """Return the change to (1 - lr weight_decay) (W - lr direction), none at step 1."""
        if is_zero(weight_decay):
            return -lr * direction
        shrink = lr * weight_decay
        if self.axes(param.shape):
            moving = namespace(param).astype(step > 1, param.dtype)
            shrink = shrink * moving
        return combine(direction, -lr * (1 - shrink), param, -shrink)


def _rotate(a, state, axes, arithmetic, *, inverse=False):
    """Return Q_0 A Q_1^T, or Q_0^T A Q_1, for matrices, and the like for more axes."""
    for axis in axes:
        basis = state[f"basis{axis}"]
        a = multiply(basis.mT if inverse else basis, a, axis, arithmetic)
    return a


def soap(
    lr=3e-3,
    *,
    betas=(0.95, 0.95),
    shampoo_beta=None,
    eps=1e-8,
    weight_decay=0.01,
    frequency=10,
    sides="both",
    max_order=10000,
    factored=False,
    normalize=False,
    bias_correction=True,
):
    """Run Adam in the slowly turning eigenbasis of Shampoo's statistics: SOAP.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    betas : (float, float)
        Decays of the means of the gradient and of its square, in the eigenbasis.
    shampoo_beta : float, optional
        Decay of the statistics; ``betas[1]`` if None.
    eps : float
        Added to the root of the mean square, before the bias correction.
    weight_decay : float
        Decoupled; multiplies the weight after the step.
    frequency : int
        Steps from one refresh of the basis to the next.
    sides : {"both", "smaller"}
        Rotate all axes, or the shortest alone, which saves most of the work and memory where the
        sides of a matrix differ.
    max_order : int
        Longer axes are not rotated.
    factored : bool
        Keep row and column sums of the second moment of a matrix in place of all of it.
    normalize : bool
        Scale each direction to a root mean square of one, before the bias correction.
    bias_correction : bool
        Whether moments are corrected for their start at zero.

    Returns
    -------
    Transform
        Vectors are treated by Adam, arrays with more than two axes with a basis for each.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    For a matrix, with L and R the means of G G^T and G^T G and Q_L, Q_R their eigenvectors:
    N = Q_L^T G Q_R;  M <- b1 M + (1 - b1) N;  V <- b2 V + (1 - b2) N^2 (entry by entry);
    W <- W - lr (1 - b2^t)^(1/2) / (1 - b1^t) Q_L (M / (V^(1/2) + eps)) Q_R^T.

    The first call finds the basis and moves nothing. Every ``frequency`` steps Q_L becomes the Q
    of a QR factorisation of L Q_L, with the columns sorted by size before, and V with them.

    M is kept in the rotated basis and turned when that changes, so a step takes four products
    with Q_L and Q_R and the two symmetric ones of the statistics, where the published program
    takes ten. A refresh costs three products and a QR factorisation for each side, and one more
    to turn M. The counter of steps is read from the device, except under ``jax.jit``.

    Where gradients do not have full rank, the basis is arbitrary in the directions they lack, and
    Adam divides rounding noise by rounding noise there; a larger ``eps`` suppresses it.

    References
    ----------
    N. Vyas, D. Morwani, R. Zhao, I. Shapira, D. Brandfonbrener, L. Janson, S. Kakade, "SOAP:
    Improving and stabilizing Shampoo using Adam", 2024, arXiv:2409.11321.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> w, target = np.zeros((3, 2)), np.array([[1.0, 0.5], [0.0, 2.0], [1.0, 0.0]])
    >>> transform = optim.soap(lr=optim.linear_decay(0.5, 100), weight_decay=0.0)
    >>> state = transform.init(w)
    >>> for _ in range(100):
    ...     updates, state = transform.update(w - target, state, w)
    ...     w = optim.apply_updates(w, updates)
    >>> bool(abs(w - target).max() < 0.05)
    True
    """
    rule = SOAP(
        betas=hyperparameters.check_betas(betas),
        shampoo_beta=shampoo_beta,
        eps=eps,
        frequency=frequency,
        sides=sides,
        max_order=max_order,
        factored=factored,
        normalize=normalize,
        bias_correction=bias_correction,
    )
    return from_rule(rule, lr, weight_decay)
