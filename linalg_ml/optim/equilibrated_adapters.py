"""LoRA-RITE: Adam for adapters in coordinates that do not depend on the choice of factors."""

from dataclasses import dataclass

from linalg_ml._core.namespace import astype, library, namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.matrix_functions.direct_methods import finite_or_identity
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.pairs import PairRule, from_pair_rule

_SIDES = ("A", "B")


@dataclass(frozen=True)
class LoRARITE(PairRule):
    """The rule of `lora_rite`."""

    betas: tuple = (0.9, 0.999)
    eps: float = 1e-6
    clip: float | None = 1.0
    skip_above: float | None = 1.0

    def __post_init__(self):
        hyperparameters.check(self.eps, "eps")
        for name in ("clip", "skip_above"):
            if getattr(self, name) is not None:
                hyperparameters.check(getattr(self, name), name)

    def init(self, a, b):
        """Return for each factor a mean, a second moment and the basis of its partner."""
        state = {}
        for side, own, partner in (("A", a.mT, b), ("B", b, a.mT)):
            order = min(partner.shape)
            state[f"basis_{side}"] = 0 * partner[:, :order]
            state[f"mean_{side}"] = 0 * own[:, :order]
            moment = partner[:order, :order]
            state[f"square_{side}"] = 0 * Arithmetic(None, a).gram(moment)
        return state

    def update_all(self, pairs):
        """Return the directions of all pairs, clipped together."""
        sides = [self._turned(pair) for pair in pairs]
        grads = [own["grad"] for pair in sides for own in pair.values()]
        if self.skip_above is not None:
            grads = [_kept(grad, self.skip_above) for grad in grads]
        if self.clip is not None:
            squares = [namespace(grad).sum(grad * grad) for grad in grads]
            total = squares[0]
            for square in squares[1:]:
                total = total + square
            xp = namespace(total)
            norm = xp.sqrt(total)
            safe = xp.where(norm > self.clip, norm, xp.ones_like(norm))
            factor = xp.where(norm > self.clip, self.clip / safe, xp.ones_like(norm))
            grads = [grad * astype(factor, grad.dtype) for grad in grads]
        grads = iter(grads)
        return [
            self._step(pair, {side: {**own, "grad": next(grads)} for side, own in both.items()})
            for pair, both in zip(pairs, sides, strict=True)
        ]

    def _turned(self, pair):
        """Return for each factor the basis of its partner and the gradient in it."""
        found = {}
        for side, grad, partner in (
            ("A", pair.grad_a.mT, pair.b),
            ("B", pair.grad_b, pair.a.mT),
        ):
            xp = namespace(grad)
            basis, triangle = xp.linalg.qr(finite_or_identity(partner, xp), mode="reduced")
            back = _pseudoinverse(triangle)
            found[side] = {
                "basis": basis,
                "back": back,
                "grad": Arithmetic(None, grad).mm(grad, back),
            }
        return found

    def _step(self, pair, both):
        """Return the directions of one pair from its gradients in the bases."""
        directions, state = {}, {}
        beta1, beta2 = (hyperparameters.in_type_of(beta, pair.a) for beta in self.betas)
        now = {}
        for name, beta in (("first", beta1), ("second", beta2)):
            # 1 - decay = (1 - beta) / (1 - beta^t)
            now[name] = (1 - beta) / hyperparameters.bias_correction(beta, pair.step, pair.a)
        for side in _SIDES:
            own, held = both[side], {k: pair.state[f"{k}_{side}"] for k in _HELD}
            arithmetic, grad = Arithmetic(None, own["grad"]), own["grad"]
            mm, xp = arithmetic.mm, arithmetic.xp
            turn = mm(own["basis"].mT, held["basis"])
            square = mm(mm(turn, held["square"]), turn.mT)
            new = arithmetic.gram(grad.mT) / grad.shape[0]
            square = (1 - now["second"]) * square + now["second"] * new
            square = (square + square.mT) / 2
            w, v = xp.linalg.eigh(finite_or_identity(square, xp))
            root = xp.sqrt(xp.where(w > 0, w, xp.zeros_like(w))) + self.eps
            u = mm(mm(grad, v) / root, v.mT)
            mean = (1 - now["first"]) * mm(held["mean"], turn.mT) + now["first"] * u
            directions[side] = mm(mean, own["back"].mT)
            state |= {
                f"basis_{side}": own["basis"],
                f"mean_{side}": mean,
                f"square_{side}": square,
            }
        return directions["A"].mT, directions["B"], state


_HELD = ("basis", "mean", "square")


def _kept(grad, most):
    """Return a gradient, or zero if its root mean square is above a bound."""
    xp = namespace(grad)
    small = xp.mean(grad * grad) <= most**2
    return xp.where(small, grad, xp.zeros_like(grad))


def _pseudoinverse(r):
    """Return the pseudoinverse of a small matrix; singular values that are noise count as zero."""
    wide = Arithmetic(None, r).at_least_fp32(r)
    xp = wide.xp
    u, s, vh = kernels(library(r)).thin_svd(finite_or_identity(wide.enter(r), xp))
    present = s > 2 * max(r.shape) * wide.unit_roundoff * xp.max(s)
    inverse = xp.astype(present, s.dtype) / xp.where(present, s, xp.ones_like(s))
    return astype(wide.mm(vh.mT * inverse, u.mT), r.dtype)


def lora_rite(lr=1e-3, *, betas=(0.9, 0.999), eps=1e-6, clip=1.0, skip_above=1.0, weight_decay=0.0):
    """Run a matrix Adam on adapters that does not depend on the choice of factors: LoRA-RITE.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    betas : (float, float)
        Decays of the means of the preconditioned gradient and of its second moment.
    eps : float
        Added to the root of the second moment.
    clip : float, optional
        Largest norm of all unmagnified gradients together; of groups of PyTorch, those of all that
        agree in ``betas``, ``eps``, ``clip`` and ``skip_above``.
    skip_above : float, optional
        Unmagnified gradients with a larger root mean square count as zero.
    weight_decay : float
        Decoupled, of A and of B.

    Returns
    -------
    Transform
        For parameters in pairs: ``{"A": (r, n), "B": (m, r)}``, nested in any way.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range; if a parameter has no partner.

    Notes
    -----
    For A, and B likewise with the roles of both exchanged: B = U R (QR);  the unmagnified gradient
    N = g_A^T R^+ (n, r);  P = U_new^T U_old turns what is remembered;
    S <- b2' P S P^T + (1 - b2') N^T N / n;  M <- b1' M P^T + (1 - b1') N (S^(1/2) + eps I)^-1;
    A^T <- A^T - lr M R^+^T, with decays b' = b (1 - b^(t-1)) / (1 - b^t), corrected for the start.

    With the factors B T and T^-1 A the product moves the same way. From B = 0 the first step
    moves B alone, as R^+ = 0. The state is 2 (m + n) r + 2 r^2 numbers. The "escaped mass" that
    the authors can add to S, and do not by default, is left out.

    References
    ----------
    J.-N. Yen, S. Si, Z. Meng, F. Yu, S. S. Duvvuri, I. S. Dhillon, C.-J. Hsieh, S. Kumar,
    "LoRA done RITE: Robust invariant transformation equilibration for LoRA optimization", 2024,
    arXiv:2410.20625.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> rng = np.random.default_rng(0)
    >>> target = rng.standard_normal((6, 2)) @ rng.standard_normal((2, 5))
    >>> pair = {"A": rng.standard_normal((2, 5)), "B": np.zeros((6, 2))}
    >>> transform = optim.lora_rite(lr=optim.linear_decay(0.1, 300), skip_above=None)
    >>> state = transform.init(pair)
    >>> for _ in range(300):
    ...     grad = pair["B"] @ pair["A"] - target
    ...     grads = {"A": pair["B"].T @ grad, "B": grad @ pair["A"].T}
    ...     updates, state = transform.update(grads, state, pair)
    ...     pair = optim.apply_updates(pair, updates)
    >>> bool(abs(pair["B"] @ pair["A"] - target).max() < 0.05)
    True
    """
    rule = LoRARITE(hyperparameters.check_betas(betas), eps, clip, skip_above)
    return from_pair_rule(rule, lr, weight_decay)
