"""FRUGAL with whole parameters as its parts: some have the moments of Adam, in turn."""

from dataclasses import dataclass

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, is_traced, library, namespace
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.optim import draws, hyperparameters
from linalg_ml.optim.base import Transform
from linalg_ml.optim.rules import Rule, from_rule
from linalg_ml.optim.split_gradients import adam_step, check_split, free_step
from linalg_ml.optim.trees import align, flatten, rebuild

ORDERS = ("random", "ascending", "descending", "mirror")


@dataclass(frozen=True)
class FRUGALBlock(Rule):
    """What `frugal_blocks` does to one parameter, as its state says: Adam, or the free step."""

    betas: tuple = (0.9, 0.999)
    eps: float = 1e-8
    frequency: int = 200
    free: str = "sign"
    free_scale: float = 1.0

    def __post_init__(self):
        check_split(self.eps, self.frequency, self.free, self.free_scale)

    def init(self, param):
        """Return moments that take no memory yet, and the age of moments; vectors are active."""
        counter = hyperparameters.counter(param)
        moments = {"mean": _nothing(param), "square": _nothing(param)}
        return {"active": counter + int(param.ndim < 2), "age": counter + 0, **moments}

    def update(self, grad, state, param, step):
        """Return the step of Adam of an active parameter, the free one of another."""
        return kernels(library(grad)).cond(
            state["active"] == 1, self._with_moments, self._without, grad, state
        )

    def _with_moments(self, grad, state):
        xp, age = namespace(grad), hyperparameters.advanced(state["age"])
        kept = xp.astype(age > 1, grad.dtype)
        held = {name: state[name] * kept for name in ("mean", "square")}
        direction, moments = adam_step(grad, held, age, self.betas, self.eps)
        return direction, {"active": state["active"], "age": age, **moments}

    def _without(self, grad, state):
        moments = {"mean": _nothing(grad), "square": _nothing(grad)}
        counters = {"active": state["active"], "age": state["age"]}
        return free_step(grad, self.free, self.free_scale), {**counters, **moments}


def _nothing(a):
    """Return zeros like an array that take the memory of one number; on JAX, of all."""
    xp = namespace(a)
    if library(a) == "jax" or 0 in a.shape:
        return xp.zeros_like(a)
    return xp.broadcast_to(asarray(np.zeros(()), like=a, dtype=a.dtype), tuple(a.shape))


def active_blocks(order, epoch, count, kept, seed, like):
    """Return for each of ``count`` blocks whether it is active: an array of 0 and 1, int32."""
    xp = namespace(like)
    turn = asarray(np.arange(kept, dtype=np.int32), like=like)
    if order == "random":
        chosen = draws.permutation(seed, epoch, count, like)[:kept]
    elif order == "mirror":  # up, then down the same way
        windows = -(-count // max(kept, 1))
        place = epoch % (2 * windows)
        back = 2 * windows - 1 - place
        place = place * (place < windows) + back * (place >= windows)
        chosen = (place * kept + turn) % count
    else:
        chosen = (epoch * kept + turn) % count
        chosen = count - 1 - chosen if order == "descending" else chosen
    blocks = asarray(np.arange(count, dtype=np.int32), like=like)
    hits = blocks[:, None] == xp.astype(chosen, xp.int32)[None, :]
    return xp.astype(xp.any(hits, axis=1), xp.int32)


def frugal_blocks(
    lr=1e-3,
    *,
    density=0.25,
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
    """Run Adam on some of the matrices, and descend along signs on the others: blockwise FRUGAL.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    density : float
        The part of the matrices that have a state at a time, in [0, 1]: round(density N) of N
        parameters with at least two axes, whatever their sizes.
    frequency : int
        Steps from one choice to the next.
    betas, eps, weight_decay, free, free_scale
        As for `frugal`.
    reset : bool
        Whether the moments of a matrix that is chosen again right away start again too.
    order : {"random", "ascending", "descending", "mirror"}
        Whether the matrices are drawn, or taken in turn: from the first, from the last, or up and
        then down again. What each order does at the ends is ours.
    rng : int
        Seed.

    Returns
    -------
    Transform
        Parameters with fewer than two axes are treated by Adam. For PyTorch use it with
        `linalg_ml.optim.torch.TransformOptimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is unknown or out of range.

    Notes
    -----
    An active matrix makes a step of Adam, corrected for the steps since it was chosen, every
    other W <- (1 - lr weight_decay) W - lr free_scale sign(G). This is the choice of the authors
    for training from the start. With ``free_scale=0`` it is BAdam.

    Moments of what is not active are views of a single zero: the state takes
    2 density m n numbers for N matrices of one size. Under ``jax.jit`` shapes are memory, so on
    JAX these zeros are stored; there `frugal` saves memory, and this does not.

    References
    ----------
    P. Zmushko, A. Beznosikov, M. Takac, S. Horvath, "FRUGAL: Memory-efficient optimization by
    reducing state overhead for scalable training", 2024, arXiv:2411.07837.
    Q. Luo, H. Yu, X. Li, "BAdam: A memory efficient full parameter optimization method for large
    language models", 2024, arXiv:2404.02827.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> w, grads = [np.zeros((1, 2))] * 2, [np.full((1, 2), 0.5)] * 2
    >>> transform = optim.frugal_blocks(lr=0.1, density=0.5, order="ascending", free_scale=0.5)
    >>> updates, state = transform.update(grads, transform.init(w), w)
    >>> [update.round(6) for update in updates]
    [array([[-0.1, -0.1]]), array([[-0.05, -0.05]])]
    """
    density = checks.number(density, "density", minimum=0, maximum=1)
    checks.choice(order, ORDERS, "order")
    seed, reset = draws.check_seed(rng), bool(reset)
    betas = hyperparameters.check_betas(betas)
    rule = FRUGALBlock(betas, eps, frequency, free, free_scale)
    inner = from_rule(rule, lr, weight_decay)

    def update(grads, state, params):
        if not isinstance(state, dict) or state.keys() != {"count", "params"}:
            raise ValueError("state must be a dict with keys 'count' and 'params', as init made it")
        traced = is_traced(state["count"])
        past = state["count"] if traced else int(state["count"])
        if traced or past % frequency == 0:
            state = {**state, "params": chosen(params, state["params"], past)}
        return inner.update(grads, state, params)

    def chosen(params, states, past):
        """Return the states after the matrices to be active were chosen, if it is time."""
        paths, leaves = flatten(params, "params")
        states = align(params, states, ("params", "state['params']"))
        matrices = [i for i, p in enumerate(leaves) if p is not None and p.ndim >= 2]
        count = len(matrices)
        if count == 0:
            return rebuild(params, states)
        like = past if is_traced(past) else np.zeros(())
        flags = active_blocks(order, past // frequency, count, round(density * count), seed, like)
        for flag, i in zip(flags, matrices, strict=True):
            inner.leafwise.check_state(states[i], leaves[i], f"[{paths[i]!r}]")
            own = dict(states[i])
            if is_traced(past):
                xp, due = namespace(past), past % frequency == 0
                begins = due & ((flag != own["active"]) | reset)
                own["age"] = xp.where(begins, 0 * own["age"], own["age"])
                own["active"] = xp.where(due, flag, own["active"])
            else:
                if reset or int(flag) != int(own["active"]):
                    own["age"] = hyperparameters.advanced(0 * own["age"], 0)
                own["active"] = hyperparameters.advanced(0 * own["active"], int(flag))
            states[i] = own
        return rebuild(params, states)

    return Transform(inner.init, update)
