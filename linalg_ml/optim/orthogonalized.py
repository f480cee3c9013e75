"""Muon: momentum, orthogonalised."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_array
from linalg_ml._core.precision import as_policy
from linalg_ml.matrix_functions.orthogonalize import as_schedule, orthogonalize
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.assignment import orthogonalisation_cost
from linalg_ml.optim.matrices import AS_THEY_ARE, Matrices, map_matrices
from linalg_ml.optim.momentum import WithMean, averaged
from linalg_ml.optim.polar_factor import FACTORISING, polar_factor
from linalg_ml.optim.rules import from_rule

STEPS = 5  # of polynomials, but of those of Turbo-Muon
NORMALIZATIONS = ("frobenius", "schatten", "aol")

SCALES = {
    "original": lambda m, n: math.sqrt(max(1.0, m / n)),
    "match-rms": lambda m, n: 0.2 * math.sqrt(max(m, n)),
    "spectral": lambda m, n: math.sqrt(max(m, n)),
    "unit-rms": lambda m, n: math.sqrt(m / n),
    "none": lambda m, n: 1.0,
}


@dataclass(frozen=True)
class Muon(WithMean):
    """The rule of `muon`."""

    momentum: float = 0.95
    nesterov: bool = True
    scale: object = "original"
    steps: int | None = None
    schedule: object = None
    precision: object = None
    matrices: Matrices = AS_THEY_ARE
    bias_correction: bool = False
    normalization: str | None = None

    def __post_init__(self):
        hyperparameters.check(self.momentum, "momentum", below=1.0)
        if not callable(self.scale):
            checks.choice(self.scale, tuple(SCALES), "scale")
        if self.normalization is not None:
            checks.choice(self.normalization, NORMALIZATIONS, "normalization")
        check_schedule(self.schedule, self.steps, self.normalization)
        as_policy(self.precision)

    def check(self, param, name):
        """Raise unless a parameter can be read as matrices."""
        self.matrices.check(param, name)

    def layout(self):
        """Return how parameters are read."""
        return self.matrices.layout()

    def cost(self, param):
        """Return about how many multiplications the polar factors take."""
        method, steps, parts = self.schedule, self.steps, self.matrices.split(param)
        if method not in FACTORISING:
            method = polynomials(method, steps, self.normalization)
            steps = len(method)
        return sum(orthogonalisation_cost(a, method, steps, self.precision) for a in parts)

    def update(self, grad, state, param, step):
        """Return the orthogonalised momentum."""
        return self.update_all([grad], [state], [param], [step])[0]

    def update_all(self, grads, states, params, steps):
        """Return the orthogonalised momenta: matrices of one shape in one stack."""
        followed = [
            self._momentum(grad, state["mean"], step)
            for grad, state, step in zip(grads, states, steps, strict=True)
        ]
        parts = [self.matrices.split(direction) for direction, _ in followed]
        found = iter(map_matrices(self._orthogonal, [part for own in parts for part in own]))
        return [
            (self.matrices.join([next(found) for _ in own], grad), {"mean": mean})
            for own, grad, (_, mean) in zip(parts, grads, followed, strict=True)
        ]

    def _momentum(self, grad, mean, step):
        beta = hyperparameters.in_type_of(self.momentum, grad)
        if not self.bias_correction:
            return averaged(grad, mean, beta, nesterov=self.nesterov)
        _, mean = averaged(grad, mean, beta)
        now = hyperparameters.bias_correction(beta, step, grad)
        if not self.nesterov:
            return mean / now, mean
        ahead = hyperparameters.bias_correction(beta, step + 1, grad)
        return (1 - beta) / now * grad + beta / ahead * mean, mean

    def _orthogonal(self, a):
        m, n = a.shape[-2:]
        if m == 0 or n == 0:
            return a
        scale = self.scale if callable(self.scale) else SCALES[self.scale]
        if self.schedule in FACTORISING:
            x = polar_factor(a, self.schedule, steps=self.steps, precision=self.precision)
        else:
            rows = polynomials(self.schedule, self.steps, self.normalization)
            x = orthogonalize(a, steps=len(rows), schedule=rows, precision=self.precision)
        factor = float(scale(m, n))
        return x if factor == 1.0 else factor * x


def check_schedule(schedule, steps, normalization=None):
    """Raise unless these say how to orthogonalise, by factorisations or by polynomials."""
    if is_array(schedule):
        raise TypeError(
            "schedule must be None, a name, a Schedule or a list of coefficient tuples, got an "
            "array; use its tolist()"
        )
    if schedule not in FACTORISING:
        polynomials(schedule, steps, normalization)
        return
    if steps is not None:
        checks.count(steps, "steps")
    if normalization is not None:
        raise ValueError(
            f"normalization must be None with schedule = {schedule!r}, got {normalization!r}"
        )


def polynomials(schedule, steps=None, normalization=None):
    """Return the Schedule of exactly the steps that what a caller gave stands for."""
    if schedule is None and normalization == "aol":
        schedule = "turbo"
    if steps is None:
        steps = 4 if schedule == "turbo" else STEPS
    rows = as_schedule(schedule, steps)
    return rows if normalization is None else _normalized(rows, normalization)


@lru_cache(maxsize=256)
def _normalized(rows, normalization):
    return replace(rows, normalization=normalization)


def muon(
    lr=0.02,
    *,
    momentum=0.95,
    nesterov=True,
    weight_decay=0.0,
    scale="original",
    steps=None,
    schedule=None,
    precision=None,
    fused=None,
    stacked=False,
    out_axis=0,
    bias_correction=False,
    normalization=None,
):
    """Orthogonalise the momentum of each matrix: Muon.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    momentum : float
        Decay of the mean of the gradients, in [0, 1).
    nesterov : bool
        Whether to orthogonalise the mean after the same gradient once more, in place of the mean.
    weight_decay : float
        Decoupled: W <- W - lr weight_decay W.
    scale : str or callable
        The factor s(m, n) of the step for m outputs and n inputs: "original", sqrt(max(1, m / n));
        "match-rms", 0.2 sqrt(max(m, n)), so that entries move as far as with AdamW and its
        learning rate can be used; "spectral", sqrt(max(m, n)); "unit-rms", sqrt(m / n); "none", 1;
        or a function of m and n.
    steps : int, optional
        Steps of the orthogonalisation. None: 5, of "turbo" 4, or with factorisations all that
        it takes.
    schedule : None, str, Schedule or sequence of coefficient tuples
        Polynomials, as in `linalg_ml.orthogonalize`; None takes Polar Express, "jordan" is
        what most programs use. Or "qdwh", "zolotarev" or "svd", by factorisations.
    precision : None, str or Precision
        Arithmetic of the products. "bf16" is what most use on a GPU; on a CPU it is emulated, and
        slow.
    fused : None, int or sequence of int
        A weight that holds several, one behind the other along the outputs, such as the
        queries, keys and values of attention: their number, or the rows of each. Each is
        orthogonalised by itself.
    stacked : bool
        Whether leading axes count matrices, such as heads or experts. If not, an array with more
        than two axes is the weight of a convolution, and its inputs and offsets become one axis.
    out_axis : {0, -1}
        The axis of the outputs: 0 in PyTorch, -1 in Flax.
    bias_correction : bool
        Whether the mean is divided by 1 - momentum^t, as optax does. It matters only together
        with ``nesterov``.
    normalization : None or {"frobenius", "schatten", "aol"}
        How the momentum is scaled before the polynomials: by its Frobenius norm, by the smaller
        Schatten-4 norm, or each row (of a tall matrix, column) by itself: "aol", the
        preconditioning of Turbo-Muon, with its four polynomials if ``schedule`` is None. The last
        two take the Gram matrix that the first step needs anyway. None: what the schedule says.

    Returns
    -------
    Transform
        For parameters with at least two axes; send embeddings, biases and the like to another
        with `partition`.

    Raises
    ------
    TypeError, ValueError
        If an argument is unknown or out of range; in ``init`` if a parameter has fewer than two
        axes or ``fused`` does not fit it.

    Notes
    -----
    M <- momentum M + (1 - momentum) G;  U = momentum M + (1 - momentum) G (or M);
    W <- (1 - lr weight_decay) W - lr s(m, n) orth(U).

    orth(U) approximates the unitary polar factor; see `linalg_ml.orthogonalize` for its cost. All
    small matrices of one shape are orthogonalised in one stack. The step does not depend on the
    size of the gradient: a zero momentum gives a zero step, and clipping gradients by their norm
    changes the mean alone. A gradient that holds NaN or infinity is skipped.

    With ``normalization="aol"`` rows are divided by d_i = (sum_j |(U U^T)_ij|)^(1/2), so that
    singular values are at most one and the small ones larger than after another scaling; four
    steps do then what five do. The result approaches orth(D^-1 U), which is not orth(U): of order
    64 the cosine of the two is above 0.999 for Gaussian matrices, and 0.98 where the sizes of
    rows differ by factors up to 100.

    References
    ----------
    K. Jordan and others, "Muon: An optimizer for hidden layers in neural networks", 2024,
    kellerjordan.github.io/posts/muon.
    J. Liu and others, "Muon is scalable for LLM training", 2025, arXiv:2502.16982 ("match-rms").
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932 (polynomials).
    T. Boissin, T. Massena, F. Mamalet, M. Serrurier, "Turbo-Muon: Accelerating
    orthogonality-based optimization with pre-conditioning", 2025, arXiv:2512.04632 ("aol").

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> w, grad = np.zeros((2, 2)), np.array([[3.0, -4.0], [4.0, 3.0]])
    >>> transform = optim.muon(lr=0.1, steps=8)
    >>> updates, state = transform.update(grad, transform.init(w), w)
    >>> optim.apply_updates(w, updates).round(6)
    array([[-0.06,  0.08],
           [-0.08, -0.06]])

    Hidden matrices by Muon, everything else by another:

    >>> transform = optim.partition(
    ...     {"matrix": optim.muon(lr=0.02), "other": optim.sgd(lr=0.01)},
    ...     lambda path, array: "matrix" if array.ndim >= 2 and "embed" not in path else "other",
    ... )
    """
    rule = Muon(
        momentum=momentum,
        nesterov=nesterov,
        scale=scale,
        steps=steps,
        schedule=schedule,
        precision=precision,
        matrices=Matrices(fused, stacked, out_axis),
        bias_correction=bias_correction,
        normalization=normalization,
    )
    return from_rule(rule, lr, weight_decay)
