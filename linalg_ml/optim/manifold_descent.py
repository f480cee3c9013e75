"""MACRO and SPEL: orthogonalised steps for weights that stay on a manifold."""

from dataclasses import dataclass
from typing import ClassVar

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_readable, namespace
from linalg_ml.matrix_functions.orthogonalize import orthogonalize
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.manifolds import MANIFOLDS, Stiefel, manifold
from linalg_ml.optim.matrices import AS_THEY_ARE, Matrices
from linalg_ml.optim.momentum import averaged
from linalg_ml.optim.orthogonalized import SCALES, check_schedule, polynomials
from linalg_ml.optim.polar_factor import FACTORISING, check_method, polar_factor
from linalg_ml.optim.rules import Rule, from_rule


@dataclass(frozen=True)
class OnManifold(Rule):
    """What the rules of `macro` and `spel` share."""

    momentum: float = 0.95
    scale: object = "original"
    steps: int | None = None
    schedule: object = None
    matrices: Matrices = AS_THEY_ARE

    def __post_init__(self):
        hyperparameters.check(self.momentum, "momentum", below=1.0)
        if not callable(self.scale):
            checks.choice(self.scale, tuple(SCALES), "scale")
        check_schedule(self.schedule, self.steps)

    def check(self, param, name):
        """Raise unless a parameter can be read as matrices."""
        self.matrices.check(param, name)

    def init(self, param):
        """Return a mean of zero."""
        return {"mean": namespace(param).zeros_like(param)}

    def layout(self):
        """Return how parameters are read."""
        return self.matrices.layout()

    def followed(self, grad, state):
        """Return the mean of the gradients."""
        beta = hyperparameters.in_type_of(self.momentum, grad)
        return averaged(grad, state["mean"], beta)[1]

    def orthogonal(self, a):
        """Return the orthogonalised matrix times the factor of its shape."""
        if self.schedule in FACTORISING:
            x = polar_factor(a, self.schedule, steps=self.steps)
        else:
            rows = polynomials(self.schedule, self.steps)
            x = orthogonalize(a, steps=len(rows), schedule=rows)
        scale = self.scale if callable(self.scale) else SCALES[self.scale]
        return float(scale(*a.shape[-2:])) * x

    def finish(self, direction, param, step, lr, weight_decay):
        """Return the way from W to the point of the manifold near W - lr direction."""
        ends = []
        for w, (d, back) in zip(self.matrices.split(param), direction, strict=True):
            ends.append(w if d is None else back((1 - lr * weight_decay) * w - lr * d))
        return self.matrices.join(ends, param) - param


@dataclass(frozen=True)
class MACRO(OnManifold):
    """The rule of `macro`."""

    manifold: str = "frobenius"
    radius: float | None = None
    project_direction: bool = True
    iterations: int = 10

    may_begin: ClassVar[tuple] = ("radius",)

    def __post_init__(self):
        super().__post_init__()
        checks.choice(self.manifold, MANIFOLDS, "manifold")
        if self.radius is not None:
            checks.number(self.radius, "radius", above=0)
        checks.count(self.iterations, "iterations")

    def check(self, param, name):
        """Raise unless a parameter can be read as matrices, and has a radius."""
        super().check(param, name)
        known = self.radius is not None or 0 in param.shape or not is_readable(param)
        if not known and not bool(namespace(param).any(param != 0)):
            raise ValueError(
                f"{name} is zero, and so would stay: give radius, or other start values"
            )

    def init(self, param):
        """Return a mean of zero, radii unless they are given, and vectors of power iterations."""
        state, on = super().init(param), manifold(self.manifold, self.iterations)
        for k, w in enumerate(self.matrices.split(param)):
            if 0 in w.shape:
                continue
            held = on.begin(w)
            if self.radius is None:
                state[f"radius{k}"] = on.size(w, on.look(w, held))
            state |= {f"{name}{k}": a for name, a in held.items()}
        return state

    def layout(self):
        """Return what is kept, whether that is remembered, and how parameters are read."""
        return {"manifold": self.manifold, "radius": self.radius is None, **super().layout()}

    def update(self, grad, state, param, step):
        """Return for each matrix the direction, and the function that leads back."""
        state, on = dict(state), manifold(self.manifold, self.iterations)
        mean = state["mean"] = self.followed(grad, state)
        directions = []
        pairs = zip(self.matrices.split(param), self.matrices.split(mean), strict=True)
        for k, (w, m) in enumerate(pairs):
            if 0 in w.shape:
                directions.append((None, None))
                continue
            held = on.look(w, {"right": state.get(f"right{k}")})
            state |= {f"{name}{k}": a for name, a in held.items()}
            d = self.orthogonal(on.tangent(w, m, held))
            if self.project_direction:
                d = on.tangent(w, d, held)
            radius = state.get(f"radius{k}", self.radius)
            directions.append((d, lambda x, r=radius, held=held: on.retract(x, r, held)))
        return directions, state


@dataclass(frozen=True)
class SPEL(OnManifold):
    """The rule of `spel`."""

    scale: object = "none"
    tangent: bool = True
    retraction: object = "polar-express"

    def __post_init__(self):
        super().__post_init__()
        check_method(self.retraction, "retraction")

    def update(self, grad, state, param, step):
        """Return for each matrix the direction, and the function that leads back."""
        polynomial = self.retraction not in FACTORISING
        on = Stiefel(self.retraction, 12 if polynomial else None)
        mean, directions = self.followed(grad, state), []
        for w, m in zip(self.matrices.split(param), self.matrices.split(mean), strict=True):
            if 0 in w.shape:
                directions.append((None, None))
                continue
            d = self.orthogonal(on.tangent(w, m) if self.tangent else m)
            directions.append((d, on.retract))
        return directions, {"mean": mean}


def macro(
    lr=0.02,
    *,
    manifold="frobenius",
    radius=None,
    momentum=0.95,
    scale="original",
    steps=None,
    schedule=None,
    project_direction=True,
    iterations=10,
    fused=None,
    stacked=False,
    out_axis=0,
):
    """Step along orthogonalised tangents and keep the norm of each weight: MACRO.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    manifold : {"frobenius", "spectral", "rows", "columns"}
        What is kept of each matrix: its Frobenius norm, its largest singular value, or the norms
        of its rows or columns (the oblique manifold).
    radius : float, optional
        The norm that is kept. None: that of the start, for rows and columns of each; a row or
        column that is zero then stays zero.
    momentum : float
        Decay of the mean of the gradients, in [0, 1).
    scale, steps, schedule
        The factor of the step and its orthogonalisation, as in `muon`.
    project_direction : bool
        Whether the orthogonalised direction is projected to the tangent space once more. If not,
        it is manifold-constrained steepest descent, MCSD.
    iterations : int
        Steps of power iteration for "spectral", each time from where the last ended.
    fused, stacked, out_axis
        As in `muon`.

    Returns
    -------
    Transform
        For parameters with at least two axes; send others elsewhere with `partition`. There is no
        weight decay: the norms are fixed.

    Raises
    ------
    TypeError, ValueError
        If an argument is unknown or out of range; in ``init`` if a parameter has fewer than two
        axes, ``fused`` does not fit it, or it is zero and there is no ``radius``.

    Notes
    -----
    M <- momentum M + (1 - momentum) G;  D = orth(T(M));  D <- T(D);  W <- R(W - lr s(m, n) D).

    T projects to the tangent space at W: G - <W, G> / ||W||^2 W, for rows and columns each of them
    so, and G - (u^T G v) u v^T for the largest singular value with its vectors u and v. R scales
    back: to norms exact to rounding, and for "spectral" to a norm that power iteration
    underestimates, by less as it goes on. <G, T(orth(T(G)))> is the nuclear norm of T(G), so
    without momentum this descends.

    The three manifolds, T and R are those of the authors. The order of projection and
    orthogonalisation and every default are ours, where we could not learn theirs. Where the
    largest singular value is a multiple one, as in an orthogonal start, u and v are one choice
    of many.

    References
    ----------
    An, Li, Goldfarb, Ma, "MACRO: Msign-aligned constrained Riemannian optimizer", 2026,
    arXiv:2605.04418.
    K. Yang, L. Lai, "Manifold constrained steepest descent", 2026, arXiv:2601.21487
    (``project_direction=False``).

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> w = np.array([[3.0, 0.0], [0.0, 4.0]])
    >>> transform = optim.macro(lr=0.1)
    >>> updates, state = transform.update(np.array([[0.0, 1.0], [1.0, 0.0]]), transform.init(w), w)
    >>> w = optim.apply_updates(w, updates)
    >>> float(np.linalg.norm(w).round(12))
    5.0
    """
    rule = MACRO(
        momentum=momentum,
        scale=scale,
        steps=steps,
        schedule=schedule,
        matrices=Matrices(fused, stacked, out_axis),
        manifold=manifold,
        radius=radius,
        project_direction=project_direction,
        iterations=iterations,
    )
    return from_rule(rule, lr)


def spel(
    lr=0.02,
    *,
    momentum=0.95,
    weight_decay=0.0,
    tangent=True,
    scale="none",
    steps=None,
    schedule=None,
    retraction="polar-express",
    fused=None,
    stacked=False,
    out_axis=0,
):
    """Descend along orthogonalised tangents among matrices with orthonormal columns: SPEL.

    Parameters
    ----------
    lr : float, array without axes, or callable
        Learning rate, or a schedule: a function of the number of updates made before.
    momentum : float
        Decay of the mean of the gradients, in [0, 1).
    weight_decay : float
        Shrinks W before the way back; its effect is on the size of the step alone.
    tangent : bool
        Whether the mean is projected to the tangent space before it is orthogonalised.
    scale, steps, schedule
        The factor of the step and its orthogonalisation, as in `muon`.
    retraction : str or Schedule
        The polar factor that leads back: 12 steps of polynomials, or "qdwh", "zolotarev" or
        "svd".
    fused, stacked, out_axis
        As in `muon`.

    Returns
    -------
    Transform
        For parameters with at least two axes; send others elsewhere with `partition`. The first
        step puts W on the manifold, if it is not there; rows of wide matrices are orthonormal.

    Raises
    ------
    TypeError, ValueError
        As for `muon`.

    Notes
    -----
    M <- momentum M + (1 - momentum) G;  D = orth(M - W sym(W^T M)), or orth(M);
    W <- orth((1 - lr weight_decay) W - lr s(m, n) D).

    The last one is computed to rounding, at 36 products of which 12 are small; D is as accurate as
    in `muon`.

    References
    ----------
    K. Yang, L. Lai, "Manifold constrained steepest descent", 2026, arXiv:2601.21487.

    Examples
    --------
    The orthogonal matrix closest to a given one:

    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> target = np.array([[2.0, -1.0], [1.0, 2.0]])
    >>> w, transform = np.eye(2), optim.spel(lr=optim.linear_decay(0.1, 50), momentum=0.5)
    >>> state = transform.init(w)
    >>> for _ in range(50):
    ...     updates, state = transform.update(w - target, state, w)
    ...     w = optim.apply_updates(w, updates)
    >>> bool(abs(w - target / 5**0.5).max() < 0.01), bool(abs(w.T @ w - np.eye(2)).max() < 1e-12)
    (True, True)
    """
    rule = SPEL(
        momentum=momentum,
        scale=scale,
        steps=steps,
        schedule=schedule,
        matrices=Matrices(fused, stacked, out_axis),
        tangent=tangent,
        retraction=retraction,
    )
    return from_rule(rule, lr, weight_decay)
