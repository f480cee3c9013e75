"""Robust principal component analysis: M = low rank + sparse."""

from functools import partial

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import dtype_name, is_complex, is_sparse, library
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.random import generator
from linalg_ml._core.result import Result, Status
from linalg_ml._core.solve import Method, check_limits, solve
from linalg_ml._core.verdict import host
from linalg_ml.low_rank.alm import (
    AlternatingDirections,
    AugmentedLagrangian,
    ExactAugmentedLagrangian,
)
from linalg_ml.low_rank.alternating import AlternatingProjections
from linalg_ml.low_rank.automatic import AutomaticPenalised
from linalg_ml.low_rank.corrective import CorrectiveFrankWolfe
from linalg_ml.low_rank.frank_wolfe import FrankWolfe
from linalg_ml.low_rank.godec import GoDec
from linalg_ml.low_rank.norm_constrained import NormConstrained, NormConstrainedFrankWolfe
from linalg_ml.low_rank.proximal import Fista, Ista
from linalg_ml.low_rank.robust_problem import (
    FixedRank,
    Penalised,
    Pursuit,
    check_observed,
)
from linalg_ml.low_rank.sampled import SampledPenalised, as_sampled
from linalg_ml.low_rank.scaled_gradient import ScaledGradient

FORMULATIONS = {
    "penalised": Penalised,
    "norm-constrained": NormConstrained,
    "pursuit": Pursuit,
    "fixed rank": FixedRank,
}
# Makers of method instances by name; the attribute ``formulation`` of an instance says which of
# the problems above it solves.
ROBUST_PCA_METHODS = {
    "penalised": AutomaticPenalised,
    "frank-wolfe": FrankWolfe,
    "corrective": CorrectiveFrankWolfe,
    "fw-t": partial(FrankWolfe, stop_rule="relative"),
    "fw-p": NormConstrainedFrankWolfe,
    "fw": partial(NormConstrainedFrankWolfe, project=False),
    "fista": Fista,
    "joint-fista": partial(Fista, joint=True),
    "ista": Ista,
    "alm": AugmentedLagrangian,
    "exact-alm": ExactAugmentedLagrangian,
    "adm": AlternatingDirections,
    "alternating": AlternatingProjections,
    "scaled-gradient": ScaledGradient,
    "godec": GoDec,
}


@np.errstate(all="ignore")
def robust_pca(
    m,
    /,
    *,
    method="auto",
    observed=None,
    lam=None,
    lam_low_rank=None,
    lam_sparse=None,
    radius_low_rank=None,
    radius_sparse=None,
    rank=None,
    factored=False,
    rtol=None,
    atol=0.0,
    maxiter=None,
    steps=None,
    x0=None,
    precision=None,
    rng=None,
    callback=None,
    check_every=None,
    history=False,
):
    """Split a matrix into a low-rank and a sparse part: M = L + S, up to noise.

    Four formulations, each with methods of its own; P keeps the observed entries:

    "pursuit" : min ||L||_* + lam ||S||_1 such that P(L + S) = P(M).
    "penalised" : min f(L, S) = 1/2 ||P(L + S - M)||_F^2 + lam_low_rank ||L||_* + lam_sparse
    ||S||_1, for data with noise.
    "norm-constrained" : min 1/2 ||P(L + S - M)||_F^2 such that ||L||_* <= radius_low_rank and
    ||S||_1 <= radius_sparse.
    "fixed rank" : L of a given rank, S with few entries.

    Parameters
    ----------
    m : array of shape (m, n) or scipy.sparse matrix
        Real floating point, of any array library. The stored entries of a sparse matrix are the
        observed ones; then ``factored`` must be True and the problem the penalised one.
    method : str or method instance
        An instance of a class of `linalg_ml.low_rank`, or a name:
        "auto" : "alm", or what fits the keywords given: "penalised" with lam_low_rank or
        lam_sparse, "fw-p" with radii, "alternating" with rank.
        "alm", "exact-alm", "adm" : augmented Lagrangians, inexact (the usual choice), exact, with
        a fixed parameter (pursuit).
        "penalised" : corrective Frank-Wolfe steps, and from the tenth on proximal steps where
        those cost less.
        "frank-wolfe" : FW-T, one leading singular pair a step (penalised).
        "fw-t" : the same with the stopping rule of its authors, which bounds no error.
        "corrective" : three leading pairs a step, all of L corrected in their span (penalised).
        "fista" : accelerated proximal steps in L with restarts (penalised).
        "joint-fista", "ista" : proximal steps in L and S, with and without acceleration.
        "fw-p", "fw" : Frank-Wolfe with and without projection of S (norm-constrained).
        "alternating", "scaled-gradient", "godec" : see their classes (fixed rank).
    observed : boolean array of shape (m, n), optional
        Which entries are known; what stands elsewhere, NaN for instance, is not looked at.
    lam : float, optional
        Weight of S in the pursuit; 1 / sqrt(max(m, n)) if None.
    lam_low_rank, lam_sparse : float, optional
        Weights of the penalised problem. With rho the share of entries observed, None stands for
        0.01 rho ||P M||_F and for lam_low_rank / sqrt(rho max(m, n)).
    radius_low_rank, radius_sparse : float, optional
        Bounds of the norm-constrained problem; both are needed.
    rank : int, optional
        For the methods that are told the rank.
    factored : bool
        Return L as (u, s, vh) with L = u diag(s) vh. On NumPy arrays of which at most 0.3 is
        observed, and on sparse matrices, "penalised", "corrective" and "frank-wolfe" then keep
        O(k (m + n)) numbers for rank k besides the observed entries.
    rtol, atol : float, optional
        Stop when residual <= max(rtol * scale, atol). Penalised: the residual is the relative
        duality gap (f - d) / f, d the dual objective, which bounds the relative error of f; the
        scale is 1, the default 1e-6 in fp64 and 1e-4 in fp32, 1e-2 for "frank-wolfe". Pursuit
        and fixed rank: ||P(M - L - S)||_F relative to ||P M||_F, 1e-7 and 1e-5 in fp64.
        Norm-constrained: the duality gap relative to ||P M||_F^2 / 2, 1e-3.
    maxiter : int, optional
        Cap on the steps; 1000 if None.
    steps : int, optional
        Make exactly this many steps and test nothing; excludes rtol, atol and maxiter.
    x0 : array of shape (m, n), optional
        Low-rank part to start from.
    precision : None, str or Precision
        Arithmetic of the products; all else is done in at least fp32.
    rng : None, int or numpy.random.Generator
        Draws starting vectors.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each check; returning
        True stops.
    check_every : int, optional
        Steps between checks; None leaves it to the method.
    history : bool
        Record the measures at each check, the objective among them, in ``result.history``.

    Returns
    -------
    Result
        ``x``: the low-rank part, an array (m, n) or (u, s, vh); ``sparse``: S, zero where nothing
        is observed. Where the method knows them, ``factors`` (u, s, vh) and ``rank``. Penalised:
        ``objective``, ``lower_bound`` on its minimum, and for "frank-wolfe" ``upper_bound``, the
        objective with the bound on ||L||_* that the method keeps.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, or an argument is out of range or belongs to
        another formulation.

    Notes
    -----
    For a given L the best S of the penalised problem is a soft threshold of P(M - L), so that
    f is a function of L alone: a sum of Huber functions, with the gradient
    g = P clip(L - M, -lam_sparse, lam_sparse), plus lam_low_rank ||L||_*. The matrix
    -t g with t = min(1, lam_low_rank / ||g||_2) satisfies the constraints of the dual problem,
    max <Y, M> - ||Y||_F^2 / 2 such that ||Y||_2 <= lam_low_rank and |Y| <= lam_sparse, which
    gives the lower bound.

    Frank-Wolfe needs the leading singular pair of g: 4 m n flops for each of some ten products
    with a vector, where a proximal step needs all singular values above a threshold, 2 m n^2
    flops and more. Its steps are linear in m n, and it takes many unless few directions dominate,
    as in a video with a still background. f(k) - f* falls like 1 / k. In bf16 the gap stays
    above some 5e-2.

    References
    ----------
    E. J. Candes, X. Li, Y. Ma, J. Wright, "Robust principal component analysis?", J. ACM 58,
    2011, arXiv:0912.3599.
    C. Mu, Y. Zhang, J. Wright, D. Goldfarb, "Scalable robust matrix recovery: Frank-Wolfe meets
    proximal methods", SIAM J. Sci. Comput. 38, 2016, arXiv:1403.7588.
    A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse
    problems", SIAM J. Imaging Sci. 2, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import robust_pca
    >>> rng = np.random.default_rng(0)
    >>> low = rng.standard_normal((90, 2)) @ rng.standard_normal((2, 60))
    >>> spoilt = low.copy()
    >>> spoilt.flat[::13] += 10
    >>> result = robust_pca(spoilt)
    >>> result.converged, result.rank
    (True, 2)
    >>> bool(np.linalg.norm(result.x - low) < 1e-5 * np.linalg.norm(low))
    True

    With noise, and a third of the entries missing:

    >>> noisy = spoilt + 0.01 * rng.standard_normal(low.shape)
    >>> known = rng.random(low.shape) < 0.67
    >>> result = robust_pca(noisy, observed=known, lam_low_rank=0.3, rtol=1e-3)
    >>> result.rank, bool(np.linalg.norm(result.x - low) < 0.01 * np.linalg.norm(low))
    (2, True)
    """
    m, observed = check_data(m, observed)
    given = {
        "lam": lam,
        "lam_low_rank": lam_low_rank,
        "lam_sparse": lam_sparse,
        "radius_low_rank": radius_low_rank,
        "radius_sparse": radius_sparse,
        "rank": rank,
    }
    given = {name: value for name, value in given.items() if value is not None}
    chosen = choose_method(method, given, is_sparse(m))
    check_limits(rtol, atol, maxiter, steps, check_every, callback)
    arithmetic = Arithmetic(precision, m.data if is_sparse(m) else m)
    rng, factored = generator(rng), bool(factored)
    problem = pose(chosen, m, observed, arithmetic, rng, factored, given, x0 is not None)
    finite = np.isfinite(problem.norm)
    if finite and x0 is not None:
        finite = np.isfinite(host(problem.wide.frobenius(problem.start(x0))))
    if not problem.observed_count or not finite:
        return trivial_result(problem, chosen, bool(finite))
    return solve(
        chosen,
        problem,
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


def check_data(m, observed):
    """Return ``m`` as a real matrix, full or sparse, and ``observed``."""
    if is_sparse(m):
        if observed is not None:
            raise ValueError("observed is for full arrays: of a sparse matrix, stored entries are")
        if library(m.data) != "numpy" or m.dtype.kind != "f":
            raise TypeError(
                f"m must be a scipy.sparse matrix of real floating-point numbers, got "
                f"{type(m).__module__}.{type(m).__name__} of {m.dtype}"
            )
        return as_sampled(m, None), None
    m = checks.matrix(m, "m")
    if m.ndim != 2:
        raise ValueError(f"m must have shape (m, n), got shape {tuple(m.shape)}")
    if is_complex(m):
        raise TypeError(f"m must be real, got dtype {dtype_name(m)}")
    return m, check_observed(observed, m)


def choose_method(method, given, sparse):
    """Return a method instance from its name, or the instance given."""
    if isinstance(method, type) and issubclass(method, Method):
        raise TypeError(f"method must be an instance: write {method.__name__}(...)")
    if isinstance(method, Method):
        if getattr(method, "formulation", None) not in FORMULATIONS:
            raise TypeError(f"method must be one for matrices, got {type(method).__name__}")
        return method
    name = checks.choice(method, ("auto", *ROBUST_PCA_METHODS), "method")
    return ROBUST_PCA_METHODS[name_of_formulation(given, sparse) if name == "auto" else name]()


def name_of_formulation(given, sparse):
    """Return the method for the formulation that the keywords ask for."""
    for name, kind in (
        ("penalised", Penalised),
        ("fw-p", NormConstrained),
        ("alternating", FixedRank),
    ):
        if set(given) & set(kind.parameters):
            return name
    return "penalised" if sparse else "alm"


def pose(method, m, observed, arithmetic, rng, factored, given, started):
    """Return the problem that a method solves, from the keywords that belong to it.

    An array is full from where it has ``started`` on, since that is a full array too.
    """
    kind = FORMULATIONS[method.formulation]
    for name in given:
        if name not in kind.parameters:
            expected = " and ".join(kind.parameters)
            raise ValueError(
                f"{name} does not belong to method {type(method).__name__}, which solves the "
                f"{method.formulation} problem and takes {expected}"
            )
    sparse = is_sparse(m)
    if sparse and not factored:
        raise ValueError("factored must be True for a sparse m: its low-rank part is not sparse")
    if getattr(method, "takes_samples", False) and factored and arithmetic.library == "numpy":
        samples = m if sparse else None if started else as_sampled(m, observed)
        if samples is not None:
            return SampledPenalised(samples, None, arithmetic, rng, factored=True, **given)
    if sparse:
        raise TypeError(f"m must be a full array for method {type(method).__name__}, got a sparse")
    return kind(m, observed, arithmetic, rng, factored=factored, **given)


def trivial_result(problem, method, finite):
    """Return the result where nothing is observed, or something that is not finite."""
    xp = problem.xp
    zeros = xp.zeros_like(problem.given) + (0.0 if finite else np.nan)
    factors = problem.no_factors()
    numbers = dict.fromkeys(problem.reported, 0.0 if finite else np.nan)
    x, extras = problem.deliver(zeros, zeros + 0, factors, **numbers)
    leave = problem.arithmetic.leave
    return Result(
        x=x if problem.factored else leave(x),
        status=Status.CONVERGED if finite else Status.NONFINITE_INPUT,
        nit=0,
        residual=0.0 if finite else np.nan,
        criterion="none: nothing is observed" if finite else "none: the input is not finite",
        extras=extras,
        counts=problem.arithmetic.counts,
        precision=str(problem.arithmetic),
        method=method,
    )
