"""PolarGrad: the polar factor of the gradient, times the gradient's nuclear norm."""

from dataclasses import dataclass

from linalg_ml._core import checks
from linalg_ml._core.namespace import namespace
from linalg_ml._core.precision import as_policy
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.assignment import orthogonalisation_cost
from linalg_ml.optim.matrices import AS_THEY_ARE, Matrices, map_matrices
from linalg_ml.optim.momentum import averaged
from linalg_ml.optim.polar_factor import POLYNOMIAL_STEPS, check_method, polar_factor
from linalg_ml.optim.rules import Rule, from_rule

PLACEMENTS = ("none", "momentum-first", "nesterov", "polar-first")


@dataclass(frozen=True)
class PolarGrad(Rule):
    """The rule of `polargrad`."""

    momentum: float = 0.95
    placement: str = "momentum-first"
    method: object = "qdwh"
    steps: int | None = None
    rcond: float | None = None
    precision: object = None
    matrices: Matrices = AS_THEY_ARE

    def __post_init__(self):
        hyperparameters.check(self.momentum, "momentum", below=1.0)
        checks.choice(self.placement, PLACEMENTS, "placement")
        check_method(self.method)
        if self.steps is not None:
            checks.count(self.steps, "steps")
        if self.rcond is not None:
            checks.number(self.rcond, "rcond", above=0, maximum=1)
        as_policy(self.precision)

    def check(self, param, name):
        """Raise unless a parameter can be read as matrices."""
        self.matrices.check(param, name)

    def init(self, param):
        """Return a mean of zero, if there is momentum."""
        if self.placement == "none":
            return {}
        return {"mean": namespace(param).zeros_like(param)}

    def layout(self):
        """Return what there is a mean of, and how parameters are read."""
        of = {"none": None, "polar-first": "factors"}.get(self.placement, "gradients")
        return {"placement": of, **self.matrices.layout()}

    def cost(self, param):
        """Return about how many multiplications the polar factors take."""
        steps, parts = self.steps or POLYNOMIAL_STEPS, self.matrices.split(param)
        return sum(orthogonalisation_cost(a, self.method, steps, self.precision) for a in parts)

    def update(self, grad, state, param, step):
        """Return the direction of one parameter."""
        return self.update_all([grad], [state], [param], [step])[0]

    def update_all(self, grads, states, params, steps):
        """Return the directions: polar factors of matrices of one shape in one stack."""
        followed, means = list(grads), [None] * len(grads)
        if self.placement in ("momentum-first", "nesterov"):
            for i, (grad, state) in enumerate(zip(grads, states, strict=True)):
                beta = hyperparameters.in_type_of(self.momentum, grad)
                ahead = self.placement == "nesterov"
                followed[i], means[i] = averaged(grad, state["mean"], beta, nesterov=ahead)
        parts = [self.matrices.split(a) for a in followed]
        factors = iter(map_matrices(self._factor, [part for own in parts for part in own]))
        made = []
        for own, grad, state, mean in zip(parts, grads, states, means, strict=True):
            found = [next(factors) for _ in own]
            sizes = [self._inner(part, factor) for part, factor in zip(own, found, strict=True)]
            if self.placement == "polar-first":
                beta = hyperparameters.in_type_of(self.momentum, grad)
                factor, mean = averaged(self.matrices.join(found, grad), state["mean"], beta)
                found = self.matrices.split(factor)
            steps_made = [size * factor for size, factor in zip(sizes, found, strict=True)]
            after = {} if self.placement == "none" else {"mean": mean}
            made.append((self.matrices.join(steps_made, grad), after))
        return made

    def _factor(self, a):
        if 0 in a.shape:
            return a
        return polar_factor(
            a, self.method, steps=self.steps, rcond=self.rcond, precision=self.precision
        )

    def _inner(self, a, b):
        """Return the inner product of each matrix with another: the nuclear norm, if B is polar."""
        return namespace(a).sum(a * b, axis=(-2, -1), keepdims=True)


def polargrad(
    lr=0.02,
    *,
    momentum=0.95,
    placement="momentum-first",
    weight_decay=0.0,
    method="qdwh",
    steps=None,
    rcond=None,
    precision=None,
    fused=None,
    stacked=False,
    out_axis=0,
):
    """Follow the polar factor of each matrix, as far as its nuclear norm says: PolarGrad.

    This is steepest descent in the spectral norm. Where Muon's steps keep their size, these become
    small with the gradient, and converge without a decaying learning rate.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    momentum : float
        Decay of the mean, in [0, 1).
    placement : {"momentum-first", "nesterov", "polar-first", "none"}
        What is averaged. "momentum-first": gradients, and the polar factor is that of the mean;
        "nesterov": the same, looking ahead by the present gradient; "polar-first": polar factors,
        and the nuclear norm is that of the present gradient; "none": nothing.
    weight_decay : float
        Decoupled: W <- W - lr weight_decay W.
    method : str or Schedule
        How the polar factor is computed. "qdwh" and "zolotarev": rational functions, by
        factorisations; "svd"; or polynomials: a name of `linalg_ml.schedule_names`, a Schedule.
    steps : int, optional
        Steps of the method. None: all that it takes, 8 with polynomials. With 2 steps, which the
        authors use, QDWH is not finished: singular values may lie anywhere above 0.5, and steps
        are shorter than the nuclear norm says.
    rcond : float, optional
        Smallest singular value, relative to the largest, that "qdwh" and "zolotarev" resolve.
        None is 1000 times the unit roundoff. Larger values save steps, and suppress directions in
        which the gradient is nothing but noise.
    precision : None, str or Precision
        Arithmetic of the products; factorisations run in at least fp32.
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
    With polar(G) = U V^H for G = U S V^H, and <A, B> the sum of the products of entries:

    - "none": P = polar(G); W <- W - lr <G, P> P;
    - "momentum-first": M <- momentum M + (1 - momentum) G; P = polar(M); W <- W - lr <M, P> P;
    - "polar-first": P = polar(G); M <- momentum M + (1 - momentum) P; W <- W - lr <G, P> M.

    <G, polar(G)> is the nuclear norm of G. If the gradient has the Lipschitz constant L in the
    Frobenius norm and rank at most r, then the objective falls for every lr < 2 / (r L) without
    momentum, linearly if it is strongly convex. Unlike Muon's, the steps grow with the gradient,
    so that clipping matters.

    References
    ----------
    T. T.-K. Lau, Q. Long, W. Su, "PolarGrad: A class of matrix-gradient optimizers from a
    unifying preconditioning perspective", 2025, arXiv:2505.21799.

    Examples
    --------
    For f(W) = ||W - T||_F^2 / 2, L = 1 and r = 2, where T has equal singular values:

    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> w, target = np.zeros((2, 2)), np.array([[3.0, -4.0], [4.0, 3.0]])
    >>> transform = optim.polargrad(lr=0.5, placement="none")
    >>> updates, state = transform.update(w - target, transform.init(w), w)
    >>> optim.apply_updates(w, updates).round(6)
    array([[ 3., -4.],
           [ 4.,  3.]])
    """
    rule = PolarGrad(
        momentum=momentum,
        placement=placement,
        method=method,
        steps=steps,
        rcond=rcond,
        precision=precision,
        matrices=Matrices(fused, stacked, out_axis),
    )
    return from_rule(rule, lr, weight_decay)
