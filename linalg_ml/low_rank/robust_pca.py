"""Robust principal component analysis: M = low rank + sparse."""

from functools import partial

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import dtype_name, is_complex, is_sparse, library
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.random import generator
from linalg_ml._core.result import Result, Status
from linalg_ml._core.solve import Method, check_limits, solve
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
    """Split a matrix into a low-rank and a sparse part."""
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
    problem = pose(chosen, m, observed, arithmetic, generator(rng), bool(factored), given)
    if not problem.observed_count or not np.isfinite(problem.norm):
        return trivial_result(problem, chosen)
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


def pose(method, m, observed, arithmetic, rng, factored, given):
    """Return the problem that a method solves, from the keywords that belong to it."""
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
        samples = m if sparse else as_sampled(m, observed)
        if samples is not None:
            return SampledPenalised(samples, None, arithmetic, rng, factored=True, **given)
    if sparse:
        raise TypeError(f"m must be a full array for method {type(method).__name__}, got a sparse")
    return kind(m, observed, arithmetic, rng, factored=factored, **given)


def trivial_result(problem, method):
    """Return the result where nothing is observed, or something that is not finite."""
    xp = problem.xp
    finite = bool(np.isfinite(problem.norm))
    zeros = xp.zeros_like(problem.given) + (0.0 if finite else np.nan)
    factors = problem.no_factors()
    x, extras = problem.deliver(zeros, zeros + 0, factors)
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
