"""ScaledAdam and LoRA-Pro: optimizers for the two factors of an adapter."""

from dataclasses import dataclass, replace

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.adapter_steps import closest_step, plain_step
from linalg_ml.optim.pairs import PairRule, from_pair_rule
from linalg_ml.optim.split_gradients import adam_step


@dataclass(frozen=True)
class ScaledAdam(PairRule):
    """The rule of `scaled_adam`."""

    betas: tuple | None = (0.9, 0.999)
    eps: float = 1e-6
    damping: float = 1e-6

    def __post_init__(self):
        hyperparameters.check(self.eps, "eps")
        hyperparameters.check(self.damping, "damping")

    def init(self, a, b):
        """Return two moments of zero for each factor."""
        if self.betas is None:
            return {}
        return {f"{name}_{k}": 0 * p for k, p in (("A", a), ("B", b)) for name in _MOMENTS}

    def layout(self):
        """Return whether there are moments."""
        return {"betas": self.betas is not None}

    def update(self, pair):
        """Return the preconditioned gradients, or steps of Adam with them."""
        arithmetic, xp = Arithmetic(None, pair.a), namespace(pair.a)
        identity = asarray(np.eye(pair.a.shape[0]), like=pair.a, dtype=pair.a.dtype)
        inner_b, inner_a = (
            arithmetic.gram(x) + self.damping * identity for x in (pair.b.mT, pair.a)
        )
        grads = {
            "A": xp.linalg.solve(inner_b, pair.grad_a),
            "B": xp.linalg.solve(inner_a, pair.grad_b.mT).mT,
        }
        if self.betas is None:
            return grads["A"], grads["B"], {}
        found, state = [], {}
        for k, grad in grads.items():
            own = {name: pair.state[f"{name}_{k}"] for name in _MOMENTS}
            direction, after = adam_step(grad, own, pair.step, self.betas, self.eps)
            found.append(direction)
            state |= {f"{name}_{k}": after[name] for name in _MOMENTS}
        return *found, state


@dataclass(frozen=True)
class LoRAPro(PairRule):
    """The rule of `lora_pro`."""

    betas: tuple | None = (0.9, 0.999)
    eps: float = 1e-8
    scaling: float = 1.0

    def __post_init__(self):
        hyperparameters.check(self.eps, "eps")
        checks.number(self.scaling, "scaling", above=0)

    def init(self, a, b):
        """Return two moments of the size of the whole matrix."""
        if self.betas is None:
            return {}
        zeros = 0 * Arithmetic(None, a).mm(b, a)
        return {"mean": zeros, "square": zeros + 0}

    def layout(self):
        """Return whether there are moments."""
        return {"betas": self.betas is not None}

    def update(self, pair):
        """Return the closest step to the gradient, or to the step of Adam in its place."""
        if self.betas is None:
            return *closest_step(pair, self.scaling), {}
        mm, s = Arithmetic(None, pair.a).mm, self.scaling
        da, db = plain_step(pair, s)
        whole = s * (mm(pair.b, da) + mm(db, pair.a))
        direction, state = adam_step(whole, pair.state, pair.step, self.betas, self.eps)
        grads = s * mm(pair.b.mT, direction), s * mm(direction, pair.a.mT)
        followed = replace(pair, grad_a=grads[0], grad_b=grads[1])
        return *closest_step(followed, s), state


_MOMENTS = ("mean", "square")


def scaled_adam(lr=1e-3, *, betas=(0.9, 0.999), eps=1e-6, damping=1e-6, weight_decay=0.0):
    """Precondition the gradient of each factor of an adapter by the other factor: ScaledAdam.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    betas : (float, float) or None
        Decays of the moments of Adam, which are of preconditioned gradients. None: no moments,
        ScaledGD.
    eps : float
        Added to the root, after the bias correction.
    damping : float
        Multiple of the identity that is added before inversion.
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
    g_A <- (B^T B + damping I)^-1 g_A;  g_B <- g_B (A A^T + damping I)^-1; then Adam.

    Without moments and damping the product moves by P_B G + G P_A, whatever the choice of the
    factors, with the projectors P on the columns of B and the rows of A. Adam on the entries of
    factors depends on that choice again. The state is 2 (m + n) r numbers.

    References
    ----------
    F. Zhang, M. Pilanci, "Riemannian preconditioned LoRA for fine-tuning foundation models",
    2024, arXiv:2402.02347.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> pair = {"A": np.array([[2.0, 0.0]]), "B": np.array([[0.0], [10.0]])}
    >>> grads = {"A": np.array([[0.0, 10.0]]), "B": np.array([[2.0], [0.0]])}
    >>> transform = optim.scaled_adam(lr=1.0, betas=None, damping=0.0)
    >>> updates, _ = transform.update(grads, transform.init(pair), pair)
    >>> updates["A"], updates["B"]
    (array([[-0. , -0.1]]), array([[-0.5],
           [-0. ]]))
    """
    betas = None if betas is None else hyperparameters.check_betas(betas)
    rule = ScaledAdam(betas, eps, damping)
    return from_pair_rule(rule, lr, weight_decay)


def lora_pro(lr=1e-3, *, betas=(0.9, 0.999), eps=1e-8, scaling=1.0, weight_decay=0.0):
    """Move the factors of an adapter so that the product moves as close to the gradient: LoRA-Pro.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    betas : (float, float) or None
        Decays of the moments of Adam, which are of the whole matrix. None: no moments, and the
        gradient itself is followed.
    eps : float
        Added to the root, after the bias correction.
    scaling : float
        The s of W_0 + s B A.
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
    dA = (B^T B)^-1 g_A / s^2 + X A;  dB = (I - B (B^T B)^-1 B^T) g_B (A A^T)^-1 / s^2 - B X;
    B^T B X + X A A^T = -(B^T B)^-1 g_A A^T / s^2.

    s (B dA + dB A) = G - (I - P_B) G (I - P_A) for every X, the projection of G onto
    {B X + Y A}; this X makes dA and dB the closest to g_A and g_B. With ``betas`` that
    projection is what the moments see, their ratio is projected to g_A and g_B again, and both
    formulas applied to these: a state of 2 m n numbers, as for the whole matrix. Singular
    B^T B and A A^T are pseudoinverted; from B = 0 the first step moves B alone.

    References
    ----------
    Z. Wang, J. Liang, R. He, Z. Wang, T. Tan, "LoRA-Pro: Are low-rank adapters properly
    optimized?", 2024, arXiv:2407.18242.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> pair = {"A": np.array([[1.0, 0.0]]), "B": np.array([[1.0], [0.0]])}
    >>> grad = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> grads = {"A": pair["B"].T @ grad, "B": grad @ pair["A"].T}
    >>> transform = optim.lora_pro(lr=1.0, betas=None)
    >>> updates, _ = transform.update(grads, transform.init(pair), pair)
    >>> pair["B"] @ updates["A"] + updates["B"] @ pair["A"]
    array([[-1., -2.],
           [-3.,  0.]])
    """
    betas = None if betas is None else hyperparameters.check_betas(betas)
    rule = LoRAPro(betas, eps, scaling)
    return from_pair_rule(rule, lr, weight_decay)
