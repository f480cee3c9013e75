"""Conjugate directions from a learned map: the outer iteration."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, on_gpu
from linalg_ml._core.precision import UNIT_ROUNDOFF, Arithmetic
from linalg_ml._core.result import Status
from linalg_ml._core.solve import check_limits, solve
from linalg_ml._core.verdict import either, host
from linalg_ml.deep_directions.grid_system import ModelSystem
from linalg_ml.krylov.cg import hopeless
from linalg_ml.krylov.krylov_method import CHECK_EVERY_ON_GPU, KrylovMethod, no_unknowns

# A is singular along d where d^H A d is so many roundings of fp32, or of fp64, of its largest
# value; in a shorter format that would be most of the spectrum.
_FLAT = 10
_SAFE_SQUARES = {"fp64": (1e-250, 1e250), "fp32": (1e-30, 1e30)}


@dataclass
class DirectionsState:
    """The iterate, its residual and the norm of that; older directions; where it broke down.

    ``window`` holds (d, A d, d^H A d), the youngest last; the last of them is infinite where
    the direction is forgotten. ``distrust`` is true where the next direction is to be the
    residual itself. ``gain`` is what the last step took from the squared energy norm of the error.
    """

    x: Any
    r: Any
    size: Any
    window: tuple
    distrust: Any
    broken: Any
    singular: Any
    largest: Any
    restarts: Any
    gain: Any


@dataclass(frozen=True)
class DeepConjugateDirections(KrylovMethod):
    """Deep conjugate directions (Kaneda and others, 2023).

    Parameters
    ----------
    model : str or callable
        See `deep_conjugate_directions`.
    n_orth : int or None
        Older directions that each new one is made conjugate to; None keeps all.
    recompute : bool
        Compute the residual from x in every step.
    """

    model: Any = "multigrid"
    n_orth: int | None = 2
    recompute: bool = False

    default_maxiter = 1000

    def init(self, problem, arithmetic, x0):
        """Look whether A is symmetric, and start from zero or from x0."""
        problem.refuse_asymmetry()
        return super().init(problem, arithmetic, x0)

    def restart(self, problem, arithmetic, x, r):
        """Return the state that starts from x with residual r."""
        size = arithmetic.norm(r)
        no = size < 0
        return DirectionsState(
            x, r, size, (), no, no, no, 0 * size, astype(no, arithmetic.xp.int32), 0 * size
        )

    def step(self, problem, state, arithmetic):
        """Ask the model for a direction, make it conjugate to older ones, go to the minimum."""
        xp, kernels, store = arithmetic.xp, arithmetic.kernels, arithmetic.store
        zero, working = 0 * state.size, state.size > 0
        r = state.r
        if not problem.scale_free:
            r = store(_times(1 / xp.where(working, state.size, 1 + zero), r))
        images = [image for _, image, _ in state.window]
        q, length, along, overlaps = self._proposal(problem, r, images, arithmetic)
        low = arithmetic.unit_roundoff * length * (state.size if problem.scale_free else 1)
        useless = state.distrust | ~(along > low)
        if _anywhere(useless, arithmetic):
            q = xp.where(useless[..., None], r, q)
            length = xp.where(useless, arithmetic.norm(r), length)

        scale = 1 / xp.where(length > 0, length, 1 + zero)
        weights = [
            xp.where(useless | (energy == xp.inf), xp.zeros_like(overlap), scale * overlap / energy)
            for overlap, (_, _, energy) in zip(overlaps, state.window, strict=True)
        ]
        d = store(kernels.combination(scale, q, weights, [d for d, _, _ in state.window]))
        ad, energy, descent = problem.energy(d, state.r)
        failed = ~((energy > 0) & (energy < xp.inf))
        floor = _FLAT * min(arithmetic.unit_roundoff, UNIT_ROUNDOFF["fp32"]) * state.largest
        low = energy <= floor
        if _anywhere(low, arithmetic):  # d may be short, or A singular along it
            failed = failed | (low & (energy <= floor * arithmetic.norm(d) ** 2))
        alpha = xp.where(failed, xp.zeros_like(descent), descent / energy)
        x, r, square = kernels.minimizing_step(alpha, d, ad, state.x, state.r)
        x, r = store(x), store(r)
        if self.recompute:
            r = problem.residual(x)
        size = (
            arithmetic.norm(r)
            if self.recompute
            else xp.sqrt(xp.real(square) if arithmetic.is_complex else square)
        )

        broken, singular = state.broken, state.singular
        if _anywhere(failed, arithmetic):
            stuck = failed & useless & working
            flat = (xp.abs(energy) <= floor) | (arithmetic.norm(ad) <= floor)
            broken, singular = broken | (stuck & ~flat), singular | (stuck & flat)
        infinity = xp.full_like(energy, xp.inf)
        forgotten = useless | failed
        window = [(d, ad, xp.where(forgotten, infinity, e)) for d, ad, e in state.window]
        window.append((d, ad, xp.where(failed, infinity, energy)))
        first = 0 if self.n_orth is None else max(0, len(window) - self.n_orth)
        return DirectionsState(
            x,
            r,
            size,
            tuple(window[first:]),
            failed & ~useless,
            broken,
            singular,
            xp.where(energy > state.largest, energy, state.largest),
            state.restarts + astype(forgotten & working, state.restarts.dtype),
            xp.real(alpha * descent) if arithmetic.is_complex else alpha * descent,
        )

    def _proposal(self, problem, r, images, arithmetic):
        """Return the model's q, its norm, |q^H r|, and d_i^H A q for the images A d_i."""
        xp, wide = arithmetic.xp, arithmetic.wide
        q = problem.direction(r)
        others = [wide(y) for y in (r, *images)]
        square, *products = arithmetic.kernels.dots(wide(q), [wide(q), *others])
        square = xp.real(square) if arithmetic.is_complex else square
        least, most = _SAFE_SQUARES["fp64" if arithmetic.name == "fp64" else "fp32"]
        if _anywhere(~((square > least) & (square < most)), arithmetic):
            size = xp.max(xp.abs(wide(q)), axis=-1)
            q = arithmetic.store(_times(1 / xp.where(size > 0, size, 1 + 0 * size), q))
            square, *products = arithmetic.kernels.dots(wide(q), [wide(q), *others])
            square = xp.real(square) if arithmetic.is_complex else square
        if arithmetic.is_complex:
            products = [xp.conj(product) for product in products]
        return q, xp.sqrt(square), xp.abs(products[0]), products[1:]

    def residual_norm(self, problem, state):
        """Return the norm of the residual as the recurrence has it."""
        return state.size

    def patience(self, problem, arithmetic):
        """Leave it to `hopeless`, as conjugate gradients do."""
        return None

    def stopped(self, problem, state, measures):
        """Report where A is not positive even along the residual, and where there is no hope."""
        broken = self.report(problem, state.broken, measures, Status.BREAKDOWN)
        broken = either(broken, self.report(problem, state.singular, measures, Status.SINGULAR))
        return either(broken, hopeless(problem, measures["residual"], state.gain))

    def finish(self, problem, state, arithmetic):
        """Return x in the shape of b, and how often the model's direction was not used."""
        restarts = host(state.restarts)
        restarts = restarts.astype(int) if getattr(restarts, "ndim", 0) else int(restarts)
        return problem.unfold(problem.output(state.x)), {"restarts": restarts}


def _times(factor, x):
    """Return one factor per vector times the vectors."""
    return (factor[..., None] if getattr(factor, "ndim", 0) else factor) * x


def _anywhere(mask, arithmetic):
    """Say whether a mask is true anywhere; on a GPU say yes rather than wait for it."""
    return arithmetic.on_gpu or bool(arithmetic.xp.any(mask))


@np.errstate(all="ignore")
def deep_conjugate_directions(
    a,
    b,
    /,
    *,
    model="multigrid",
    n_orth=2,
    recompute=False,
    rtol=None,
    atol=0.0,
    maxiter=None,
    steps=None,
    x0=None,
    precision=None,
    callback=None,
    check_every=None,
    history=False,
):
    """Solve A x = b for a symmetric positive definite A along directions that a model proposes.

    Parameters
    ----------
    a : GridPoisson, array of shape (n, n) or (..., n, n), sparse matrix, operator or callable
        Real symmetric or complex Hermitian positive definite, of the library of ``b``; see `cg`.
    b : array of shape (..., n), or (..., *grid) for a `GridPoisson`
        One right-hand side, or a stack of them: each a system of its own with a status of its
        own. Values in solid cells are not read.
    model : "multigrid", "network" or callable
        Proposes a direction for a residual of unit norm: the learned multigrid or the trained
        network for a `GridPoisson`, a `deep_directions.Model`, or any function r -> d on arrays
        of the library of ``b``. r has shape (..., *grid) for a `GridPoisson`, else (..., n); d has
        the same shape, and any scale, sign and dtype. It need not be linear, symmetric or
        positive.
    n_orth : int or None
        Number of older directions that a new one is made conjugate to. 0 steps along what the
        model says, 1 is enough for a symmetric linear model, None keeps all.
    recompute : bool
        Compute the residual as b - A x in every step, with a second product, in place of a
        recurrence.
    rtol, atol : float, optional
        Stop when ||b - A x|| <= max(rtol ||b||, atol). ``rtol`` is 1e-5 if None; 1e-3 in tf32,
        1e-2 in fp16, 1e-1 in bf16.
    maxiter : int, optional
        Cap on the steps; 1000 if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol and maxiter.
    x0 : array like ``b``, optional
        Starting point; zero if None.
    precision : None, str or Precision
        Arithmetic of the iteration: "fp64", "fp32", "tf32", "fp16", "bf16", emulated on a CPU.
        None takes the type of ``b``. The model's arithmetic is its own.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each check; returning
        True stops.
    check_every : int, optional
        Steps between checks; None takes 1, or 5 on a GPU, which waits at a check.
    history : bool
        Record the residual at each check in ``result.history``.

    Returns
    -------
    Result
        ``x`` of the shape and dtype of ``b``, zero in solids. ``residual`` is ||b - A x||,
        recomputed from x as returned in at least fp32. ``restarts`` counts the steps in which the
        model's direction could not be used. ``counts``: "matvecs", "model_calls".

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, the model cannot serve the operator or returns
        something else than an array like r, ``a`` is not symmetric (tested on random vectors), or
        an argument is out of range.

    Notes
    -----
    q = f(r / ||r||), d = q - sum_i (q^H A d_i / d_i^H A d_i) d_i over the last ``n_orth``
    directions, x += (r^H d / d^H A d) d. A step costs one product with A, one call of the model
    and n_orth + 4 inner products; 3 + 2 n_orth vectors are kept.

    Each step minimises the energy norm of the error along d, so that norm never grows, whatever
    the model: ||e||_A falls by the factor sqrt(1 - c^2), c the cosine in the A-inner product of
    d and e. The residual may grow for some steps. With a symmetric positive definite linear model
    B and n_orth >= 1 the steps are those of conjugate gradients preconditioned by B; with other
    models this is truncated flexible CG. Where q is not finite or orthogonal to r, or d^H A d is
    not positive, r takes its place and older directions are forgotten; where that does not help,
    the status is SINGULAR or BREAKDOWN. DIVERGED and STAGNATED are reported as by `cg`.

    References
    ----------
    A. Kaneda, O. Akar, J. Chen, V. Kala, D. Hyde, J. Teran, "A deep conjugate direction method for
    iteratively solving linear systems", ICML 2023, arXiv:2205.10763.
    Y. Notay, "Flexible conjugate gradients", SIAM J. Sci. Comput. 22, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import deep_conjugate_directions
    >>> from linalg_ml.deep_directions import GridPoisson
    >>> a = GridPoisson(np.ones((32, 32), bool))
    >>> b = np.random.default_rng(0).standard_normal((32, 32))
    >>> result = deep_conjugate_directions(a, b, model=lambda r: r)
    >>> result.converged, result.x.shape
    (True, (32, 32))
    """
    b = checks.array(b, "b")
    if b.ndim < 1:
        raise ValueError("b must have shape (..., n), got shape ()")
    check_limits(rtol, atol, maxiter, steps, check_every, callback)
    n_orth = None if n_orth is None else checks.count(n_orth, "n_orth", minimum=0)
    arithmetic = Arithmetic(precision, b)
    method = DeepConjugateDirections(model, n_orth, bool(recompute))
    if 0 in b.shape:
        return no_unknowns(method, b, arithmetic)
    system = ModelSystem(a, b, arithmetic, model)
    if check_every is callback is None and not history:
        check_every = CHECK_EVERY_ON_GPU if on_gpu(b) else 1
    return solve(
        method,
        system,
        arithmetic,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        x0=x0,
        callback=callback,
        check_every=check_every,
        history=history,
    )
