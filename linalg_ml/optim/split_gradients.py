"""FRUGAL: Adam in a subspace of each matrix, the sign of the gradient in the rest of it."""

from dataclasses import dataclass

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, library, namespace
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.optim import draws, hyperparameters
from linalg_ml.optim.matrices import AS_THEY_ARE
from linalg_ml.optim.rules import Rule, from_rule
from linalg_ml.optim.subspaces import ORDERS, PROJECTIONS, Subspace

FREE = ("sign", "gradient")


@dataclass(frozen=True)
class FRUGAL(Rule):
    """The rule of `frugal`."""

    subspace: Subspace
    betas: tuple = (0.9, 0.999)
    eps: float = 1e-8
    frequency: int = 200
    free: str = "sign"
    free_scale: float = 1.0
    reset: bool = True

    def __post_init__(self):
        check_split(self.eps, self.frequency, self.free, self.free_scale)

    def init(self, param):
        """Return moments of zero, of the size of the subspace."""
        if param.ndim < 2:
            zeros_like = namespace(param).zeros_like
            return {"mean": zeros_like(param), "square": zeros_like(param)}
        (a,) = AS_THEY_ARE.split(param)
        shape = self.subspace.shape(a)
        moments = {
            name: asarray(np.zeros(shape), like=a, dtype=a.dtype) for name in ("mean", "square")
        }
        return {**moments, **self.subspace.init(a)}

    def layout(self):
        """Return the kind and the size of the subspace."""
        return {"projection": self.subspace.projection, "density": self.subspace.density}

    def update(self, grad, state, param, step):
        """Return the step of Adam in the subspace, and the signs of what is outside."""
        if grad.ndim < 2:
            return adam_step(grad, state, step, self.betas, self.eps)
        (g,) = AS_THEY_ARE.split(grad)
        past = step - 1
        state = kernels(library(grad)).cond(
            past % self.frequency == 0,
            lambda state: self._refreshed(g, state, past // self.frequency),
            lambda state: dict(state),
            state,
        )
        age = past % self.frequency + 1 if self.reset else step
        coordinates = self.subspace.project(g, state)
        direction, moments = adam_step(coordinates, state, age, self.betas, self.eps)
        rest = g - self.subspace.expand(coordinates, state, g)
        direction = self.subspace.expand(direction, state, g)
        direction = direction + free_step(rest, self.free, self.free_scale)
        return AS_THEY_ARE.join([direction], grad), {**state, **moments}

    def _refreshed(self, g, state, epoch):
        """Return the state with another subspace, and moments of zero if they are reset."""
        after = {**state, **self.subspace.choose(g, epoch)}
        if self.reset:
            after |= {name: 0 * state[name] for name in ("mean", "square")}
        return after


def check_split(eps, frequency, free, free_scale):
    """Raise unless the settings of the two halves of a step are right."""
    hyperparameters.check(eps, "eps")
    checks.count(frequency, "frequency")
    checks.choice(free, FREE, "free")
    hyperparameters.check(free_scale, "free_scale")


def adam_step(grad, state, t, betas, eps):
    """Return the direction of Adam at its step t, and its moments."""
    xp = namespace(grad)
    beta1, beta2 = (hyperparameters.in_type_of(beta, grad) for beta in betas)
    mean = beta1 * state["mean"] + (1 - beta1) * grad
    square = beta2 * state["square"] + (1 - beta2) * (grad * grad)
    first, second = (hyperparameters.bias_correction(beta, t, grad) for beta in (beta1, beta2))
    direction = (mean / first) / (xp.sqrt(square / second) + eps)
    return direction, {"mean": mean, "square": square}


def free_step(rest, free, scale):
    """Return the direction that needs no state."""
    return scale * (namespace(rest).sign(rest) if free == "sign" else rest)


def frugal(
    lr=1e-3,
    *,
    density=0.25,
    projection="columns",
    frequency=200,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    free="sign",
    free_scale=1.0,
    reset=True,
    order="random",
    rng=0,
):
    """Run Adam in a part of each matrix, and descend along signs in the rest: FRUGAL.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    density : float
        The part of each matrix that has a state, in [0, 1].
    projection : {"columns", "rows", "permutation", "entries", "orthogonal", "svd"}
        What that part is: some columns, some rows, columns or rows whichever are fewer
        ("permutation": a random permutation matrix, cut), single entries, the projection of the
        smaller side to a random subspace, or to the leading singular vectors of the gradient at
        the time. Whole parameters in turn are the projection of `frugal_blocks`.
    frequency : int
        Steps from one choice of the part to the next.
    betas : (float, float)
        Decays of the means of the projected gradient and of its square.
    eps : float
        Added to the root, after the bias correction.
    weight_decay : float
        Decoupled: W <- W - lr weight_decay W.
    free : {"sign", "gradient"}
        The step in the rest: the sign of the gradient there, or that gradient itself.
    free_scale : float
        Factor of that step; the authors take 1 to train from the start and 0.1 to fine-tune.
    reset : bool
        Whether moments and bias correction start again with each choice. If not, moments stay
        where they are stored, and meet other coordinates.
    order : {"random", "cyclic"}
        Whether columns, rows or entries are drawn, or taken in turn.
    rng : int
        Seed. Matrices of one shape have the same draws.

    Returns
    -------
    Transform
        Parameters with fewer than two axes are treated by Adam, those with more than two as
        matrices with one axis for all but the first. Send embeddings and the last layer to
        `adamw` by `partition`, as the authors do.

    Raises
    ------
    TypeError, ValueError
        If an argument is unknown or out of range.

    Notes
    -----
    With P the projection of the time: C = P(G);  M, V the moments of C;
    W <- (1 - lr weight_decay) W
    - lr [P^T(M^ / (V^^(1/2) + eps)) + free_scale sign(G - P^T(C))],
    M^ and V^ corrected for the steps since the last choice. Both parts have one learning rate,
    that of Adam, because entries of its step are about as large as signs.

    The state is 2 density m n numbers, besides the positions of the columns, rows or entries, or
    the basis, of shape (min(m, n), rank). Of k = floor(density n) columns, and of rank
    round(density min(m, n)) are the projections. "svd" without ``reset`` and with
    ``free_scale=0`` is GaLore; with "svd", where the gradient lies in the subspace, the rest is
    rounding noise, and so are its signs. The counter of steps is read from the device, except
    under ``jax.jit``.

    References
    ----------
    P. Zmushko, A. Beznosikov, M. Takac, S. Horvath, "FRUGAL: Memory-efficient optimization by
    reducing state overhead for scalable training", 2024, arXiv:2411.07837.
    J. Zhao and others, "GaLore: Memory-efficient LLM training by gradient low-rank projection",
    2024, arXiv:2403.03507.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> w, grad = np.zeros((2, 4)), np.full((2, 4), 0.5)
    >>> transform = optim.frugal(lr=0.1, free_scale=0.5, order="cyclic")
    >>> updates, state = transform.update(grad, transform.init(w), w)
    >>> updates.round(6)
    array([[-0.1 , -0.05, -0.05, -0.05],
           [-0.1 , -0.05, -0.05, -0.05]])
    >>> state["params"]["mean"].shape
    (2, 1)
    """
    subspace = Subspace(
        checks.choice(projection, PROJECTIONS, "projection"),
        checks.number(density, "density", minimum=0, maximum=1),
        checks.choice(order, ORDERS, "order"),
        draws.check_seed(rng),
    )
    betas = hyperparameters.check_betas(betas)
    rule = FRUGAL(subspace, betas, eps, frequency, free, free_scale, bool(reset))
    return from_rule(rule, lr, weight_decay)
