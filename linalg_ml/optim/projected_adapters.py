"""AdaPreLoRA: what Adafactor would do to the matrix, done by the factors of an adapter."""

from dataclasses import dataclass, replace

from linalg_ml._core import checks
from linalg_ml._core.namespace import namespace
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.adapter_steps import energies, projected_step, tangent_gradient
from linalg_ml.optim.elementwise import is_zero
from linalg_ml.optim.pairs import PairRule, from_pair_rule

STATISTICS = ("tangent", "product", "full")
MEANS = ("gradients", "steps")
_FLOOR = 1e-12  # of the mean energy of a row


@dataclass(frozen=True)
class AdaPreLoRA(PairRule):
    """The rule of `adaprelora`."""

    betas: tuple = (0.9, 0.999)
    scaling: float = 1.0
    statistics: str = "tangent"
    damping: float = 0.0
    momentum_of: str = "gradients"

    def __post_init__(self):
        checks.number(self.scaling, "scaling", above=0)
        checks.choice(self.statistics, STATISTICS, "statistics")
        hyperparameters.check(self.damping, "damping")
        checks.choice(self.momentum_of, MEANS, "momentum_of")

    def init(self, a, b):
        """Return zero energies of rows and columns and, with momentum, zero means."""
        state = {"rows": 0 * b[:, 0], "columns": 0 * a[0, :]}
        if not is_zero(self.betas[0]):
            state |= {"mean_A": 0 * a, "mean_B": 0 * b}
        return state

    def layout(self):
        """Return whether there is momentum."""
        return {"betas": not is_zero(self.betas[0])}

    def update(self, pair):
        """Return the directions of both factors."""
        beta1, beta2 = (hyperparameters.in_type_of(beta, pair.a) for beta in self.betas)
        state = dict(pair.state)
        for name, new in zip(("rows", "columns"), self._energies(pair), strict=True):
            state[name] = beta2 * state[name] + (1 - beta2) * new
        corrected = hyperparameters.bias_correction(beta2, pair.step, pair.a)
        weights = root_weights(state["rows"] / corrected, state["columns"] / corrected)
        if self.momentum_of == "gradients":
            grads = self._averaged((pair.grad_a, pair.grad_b), pair, state, beta1)
            pair = replace(pair, grad_a=grads[0], grad_b=grads[1])
        directions = projected_step(pair, weights, self.scaling, self.damping)
        if self.momentum_of == "steps":
            directions = self._averaged(directions, pair, state, beta1)
        return *directions, state

    def _averaged(self, values, pair, state, beta):
        """Return corrected means of what belongs to A and B, and put the means into the state."""
        if "mean_A" not in state:
            return values
        corrected = hyperparameters.bias_correction(beta, pair.step, pair.a)
        means = []
        for name, value in zip(("mean_A", "mean_B"), values, strict=True):
            state[name] = beta * state[name] + (1 - beta) * value
            means.append(state[name] / corrected)
        return means

    def _energies(self, pair):
        xp = namespace(pair.a)
        if self.statistics == "full":
            if pair.grad is None:
                raise ValueError("grads must hold 'W', that of the matrix, for statistics='full'")
            square = pair.grad * pair.grad
            return xp.sum(square, axis=1), xp.sum(square, axis=0)
        if self.statistics == "tangent":
            return energies(*tangent_gradient(pair, self.scaling))
        left = xp.concat([pair.grad_b, pair.b], axis=1) / self.scaling
        return energies(left, xp.concat([pair.a, pair.grad_a], axis=0))


def root_weights(rows, columns):
    """Return a, b with a_i b_j = (rows_i columns_j / sum)^(1/2), the roots of Adafactor's model.

    Energies below a tiny part of the mean count as that; without any all weights are one.
    """
    xp = namespace(rows)
    weights = []
    for energy in (rows, columns):
        floor = _FLOOR * xp.mean(energy)
        energy = xp.where(energy > floor, energy, floor)
        total = xp.sum(energy)
        energy = xp.where(total > 0, energy, xp.ones_like(energy))
        weights.append(xp.sqrt(energy / xp.sqrt(xp.where(total > 0, total, xp.ones_like(total)))))
    return weights


def adaprelora(
    lr=1e-3,
    *,
    betas=(0.9, 0.999),
    scaling=1.0,
    statistics="tangent",
    damping=0.0,
    momentum_of="gradients",
    weight_decay=0.0,
):
    """Move the factors of adapters so that their product moves as by Adafactor: AdaPreLoRA.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate of the product, or a schedule: a function of the number of updates made
        before.
    betas : (float, float)
        Decays of the mean that ``momentum_of`` says (0: no momentum) and of the energies of rows
        and columns.
    scaling : float
        The s of W_0 + s B A.
    statistics : {"tangent", "product", "full"}
        Of what the energies are taken: of the part of the gradient G of the matrix that the
        factors can follow, which their gradients tell; of g_B A + B g_A; or of G itself, which
        ``grads`` then hold as "W" beside "A" and "B".
    damping : float
        Part of the mean eigenvalue that is added to the two r x r matrices before they are
        inverted. 0 is exact; singular ones are pseudoinverted.
    momentum_of : {"gradients", "steps"}
        Whether the means are of g_A and g_B, from which the step is made, or of the steps dA and
        dB. As B grows from zero, old steps of A are too long and old gradients are not.
    weight_decay : float
        Decoupled, of A and of B.

    Returns
    -------
    Transform
        For parameters in pairs: ``{"A": (r, n), "B": (m, r)}``, nested in any way.

    Raises
    ------
    TypeError, ValueError
        If an argument is unknown or out of range; if a parameter has no partner.

    Notes
    -----
    With l and c the energies of rows and columns, corrected for their start at zero, and
    H X = diag(l)^(1/2) X diag(c)^(1/2) / (sum l)^(1/2) = D_a X D_b:
    dA = (B^T D_a B)^-1 g_A D_b^-1 (I - Q / 2);  dB = (I - P / 2) D_a^-1 g_B (A D_b A^T)^-1;
    P = B (B^T D_a B)^-1 B^T D_a;  Q = D_b A^T (A D_b A^T)^-1 A;
    A <- A - lr dA / s^2, B <- B - lr dB / s^2, with means of g_A and g_B, or of dA and dB.

    B dA + dB A is the projection of H^-1 G onto what factors can reach, {B X + Y A}, in the inner
    product of H, and dA and dB share it evenly. It does not depend on the choice of the factors:
    with B T and T^-1 A the product moves the same way, and so it does with momentum and with all
    ``statistics`` but "product". No m x n matrix is formed but with "full": a step costs
    O((m + n) r^2), the state is (m + n) (r + 1) numbers.

    B = 0 needs no care: then P = 0, and the first step moves B alone. Where B is small, dA is
    large, as the product needs it.

    H, P, Q and the two steps are those of the authors. "tangent", the decays, both kinds of
    momentum and ``damping`` are ours, where theirs are not known to us.

    References
    ----------
    Z. Liu, F. Bian, J.-F. Cai, "AdaPreLoRA: Adafactor preconditioned low-rank adaptation", 2026,
    arXiv:2605.08734.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> rng = np.random.default_rng(0)
    >>> target = rng.standard_normal((6, 2)) @ rng.standard_normal((2, 5))
    >>> pair = {"A": rng.standard_normal((2, 5)), "B": np.zeros((6, 2))}
    >>> transform = optim.adaprelora(lr=optim.linear_decay(0.1, 200))
    >>> state = transform.init(pair)
    >>> for _ in range(200):
    ...     grad = pair["B"] @ pair["A"] - target
    ...     grads = {"A": pair["B"].T @ grad, "B": grad @ pair["A"].T}
    ...     updates, state = transform.update(grads, state, pair)
    ...     pair = optim.apply_updates(pair, updates)
    >>> bool(abs(pair["B"] @ pair["A"] - target).max() < 0.01)
    True
    """
    betas = hyperparameters.check_betas(betas)
    rule = AdaPreLoRA(betas, scaling, statistics, damping, momentum_of)
    return from_pair_rule(rule, lr, weight_decay)
