"""Robust PCA and completion of tensors."""

import math
from functools import partial

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.random import generator
from linalg_ml._core.result import Result, Status
from linalg_ml._core.solve import Method, check_limits, solve
from linalg_ml.low_rank.robust_problem import check_observed
from linalg_ml.low_rank.square import check_modes, integers, square_modes
from linalg_ml.low_rank.tensor_methods import (
    Mixture,
    RankConstrained,
    SumOfNuclearNorms,
    TensorMethod,
)
from linalg_ml.low_rank.tensor_problem import TensorProblem

TENSOR_METHODS = {
    "horpca-s": SumOfNuclearNorms,
    "horpca-m": Mixture,
    "horpca-c": RankConstrained,
    "square": partial(SumOfNuclearNorms, unfoldings="square"),
}


@np.errstate(all="ignore")
def robust_tensor_pca(
    t,
    /,
    *,
    method="auto",
    observed=None,
    lam=None,
    ranks=None,
    modes=None,
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
    """Split a tensor into a part of low rank and a sparse part.

    Parameters
    ----------
    t : array of shape (n_1, ..., n_K)
        Real, K at least 2, of any array library. Where nothing is observed it may hold anything.
    method : str or method instance
        What low rank means, and so what is minimised:
        "horpca-s" : sum_i ||X_(i)||_* + lam ||E||_1, the nuclear norms of all unfoldings.
        "horpca-m" : the same for X = X_1 + ... + X_K with one unfolding of each: X need be of low
        rank in some unfolding only, or a sum of such tensors.
        "horpca-c" : ||E||_1 for the ``ranks`` given. Not convex.
        "square" : ||X_sq||_* + lam ||E||_1 with the `square_reshape` of X, for K >= 4.
        "auto" : "square" for K >= 4 and for matrices, "horpca-s" for K = 3.
    observed : boolean array of shape (n_1, ..., n_K), optional
        Which entries count; all if None.
    lam : float, optional
        The weight of the sparse part. None takes 1 / sqrt(max n_i), for "square" 1 / sqrt(the
        longer side of the matrix), for "horpca-m" 1.5 / sqrt(the longest side of an unfolding).
        Not for "horpca-c".
    ranks : int or sequence of int
        For "horpca-c": the ranks of the K unfoldings.
    modes : sequence of int, optional
        For "square": the axes that become rows; None takes those of `square_modes`.
    rtol, atol : float, optional
        Stop when residual <= max(rtol, atol); ``rtol`` is 1e-5 in fp64 and fp32 if None, and
        larger in shorter formats.
    maxiter : int, optional
        Cap on the steps; 1000 if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol and maxiter.
    x0 : array of shape (n_1, ..., n_K), optional
        The low-rank part to start from.
    precision : None, str or Precision
        Arithmetic of the products; the rest is done in at least fp32.
    rng : None, int or numpy.random.Generator
        For ``svd="randomized"`` of an instance alone.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each check; returning
        True stops.
    check_every : int, optional
        Steps between checks; 1 if None.
    history : bool
        Record the measures at each check in ``result.history``.

    Returns
    -------
    Result
        ``x``: the low-rank part; ``sparse``: E, zero where nothing is observed; ``objective``:
        what was minimised.
        ``residual`` is the larger of (sum_i ||X_i + E - T||^2 / K)^(1/2) / ||T||, the X_i being
        the copies of X that the method keeps, and ||E - E before|| / ||E before||.

    Raises
    ------
    TypeError, ValueError
        If ``t`` is not a real array with at least two axes, shapes or libraries do not fit,
        or an argument is unknown, out of range or not for the method.

    Notes
    -----
    X_i <- the unfoldings of T - E + mu V_i with singular values shrunk by mu; E <- the mean of
    T - X_i + mu V_i shrunk by lam mu / K; V_i <- V_i - (X_i + E - T) / mu, with mu ten standard
    deviations of T. A step costs K Gram matrices, eigendecompositions of orders n_i and products:
    5 sum_i n_i prod_j n_j flops at most, less for low ranks. For "square" K is 1.

    A tenth of the entries wrong and ranks that are a tenth of the sizes are recovered to the
    tolerance by "horpca-s" with the default ``lam``; twice or half of it may fail. "horpca-c"
    withstands more, where the ranks are known.

    References
    ----------
    D. Goldfarb, Z. Qin, "Robust low-rank tensor recovery: Models and algorithms", SIAM J. Matrix
    Anal. Appl. 35, 2014, arXiv:1311.6182. C. Mu, B. Huang, J. Wright, D. Goldfarb, "Square deal:
    Lower bounds and improved relaxations for tensor recovery", 2014, arXiv:1307.5870.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import robust_tensor_pca
    >>> rng = np.random.default_rng(0)
    >>> a, b, c = rng.uniform(0.5, 1.5, (3, 15))
    >>> low = np.einsum("i,j,k->ijk", a, b, c)
    >>> wrong = rng.random(low.shape) < 0.05
    >>> result = robust_tensor_pca(low + 3 * wrong)
    >>> result.converged, bool(np.allclose(result.x, low, rtol=1e-3))
    (True, True)
    """
    if lam is not None:
        lam = checks.number(lam, "lam", above=0)
    return _split(
        t, method, observed, lam, ranks, modes, rtol, atol, maxiter, steps, x0, precision, rng,
        callback, check_every, history,
    )  # fmt: skip


@np.errstate(all="ignore")
def complete_tensor(
    t,
    observed,
    /,
    *,
    method="auto",
    ranks=None,
    modes=None,
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
    """Fill in the entries of a low-rank tensor that are not observed.

    Parameters
    ----------
    t : array of shape (n_1, ..., n_K)
        Real, K at least 2, of any array library. Where nothing is observed it may hold anything.
    observed : boolean array of shape (n_1, ..., n_K)
        Which entries are known.
    method : str or method instance
        "square" : the least nuclear norm of the `square_reshape`, for K >= 4; for a matrix, of
        the matrix.
        "horpca-s" : the least sum of the nuclear norms of all unfoldings.
        "horpca-m" : the same for a sum of tensors with one unfolding of each.
        "horpca-c" : the ``ranks`` given. Not convex.
        "auto" : "square" for K >= 4 and for matrices, "horpca-s" for K = 3.
    ranks, modes, rtol, atol, maxiter, steps, x0, precision, rng, callback, check_every, history
        As for `robust_tensor_pca`.

    Returns
    -------
    Result
        ``x``: the tensor, which has the entries observed only to the tolerance; ``objective``:
        what was minimised. ``residual``: as for `robust_tensor_pca`, with E = 0 on what is
        observed.

    Raises
    ------
    TypeError, ValueError
        As for `robust_tensor_pca`.

    Notes
    -----
    The steps are those of `robust_tensor_pca` with an infinite ``lam``.

    References
    ----------
    C. Mu, B. Huang, J. Wright, D. Goldfarb, "Square deal: Lower bounds and improved relaxations
    for tensor recovery", ICML 2014, arXiv:1307.5870.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.low_rank import complete_tensor
    >>> rng = np.random.default_rng(0)
    >>> a, b, c, d = rng.uniform(0.5, 1.5, (4, 8))
    >>> full = np.einsum("i,j,k,l->ijkl", a, b, c, d)
    >>> known = rng.random(full.shape) < 0.4
    >>> result = complete_tensor(np.where(known, full, np.nan), known)
    >>> result.converged, bool(np.allclose(result.x, full, rtol=1e-3))
    (True, True)
    """
    if observed is None:
        raise TypeError("observed must be a boolean array, got None")
    result = _split(
        t, method, observed, math.inf, ranks, modes, rtol, atol, maxiter, steps, x0, precision,
        rng, callback, check_every, history,
    )  # fmt: skip
    extras = {name: value for name, value in result.extras.items() if name != "sparse"}
    return Result(**{**result.__dict__, "extras": extras})


def _split(
    t, method, observed, lam, ranks, modes, rtol, atol, maxiter, steps, x0, precision, rng,
    callback, check_every, history,
):  # fmt: skip
    t = checks.array(t, "t")
    if t.ndim < 2:
        raise ValueError(f"t must have at least two axes, got shape {tuple(t.shape)}")
    if "complex" in str(t.dtype):
        raise TypeError(f"t must be real, got dtype {t.dtype}")
    observed = check_observed(observed, t)
    chosen = _choose_method(method, t.ndim)
    unfoldings = _unfoldings(chosen, t.shape, modes)
    ranks = _check_ranks(chosen, t.shape, ranks)
    check_limits(rtol, atol, maxiter, steps, check_every, callback)
    arithmetic = Arithmetic(precision, t)
    if lam is not None and math.isfinite(lam) and isinstance(chosen, RankConstrained):
        raise ValueError(f"lam is not for method 'horpca-c', which minimises ||E||_1; got {lam}")
    if lam is None:
        lam = chosen.usual_lam(tuple(t.shape), unfoldings)
    problem = TensorProblem(t, observed, arithmetic, generator(rng), unfoldings, lam, ranks)
    finite = math.isfinite(problem.norm)
    if finite and x0 is not None:
        finite = math.isfinite(problem.size(problem.start(x0)))
    if not problem.observed_count or not finite:
        return _trivial(problem, chosen, finite)
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


def _choose_method(method, order):
    if isinstance(method, type) and issubclass(method, Method):
        raise TypeError(f"method must be an instance: write {method.__name__}(...)")
    if isinstance(method, Method):
        return checks.instance(method, TensorMethod, "method")
    checks.choice(method, ("auto", *TENSOR_METHODS), "method")
    if method == "auto":
        method = "horpca-s" if order == 3 else "square"
    return TENSOR_METHODS[method]()


def _unfoldings(method, shape, modes):
    """Return the axes that make the rows of each unfolding."""
    if method.unfoldings == "square":
        return (square_modes(shape) if modes is None else check_modes(modes, len(shape)),)
    if modes is not None:
        raise ValueError(f"modes is for method 'square', got method {method}")
    return tuple((axis,) for axis in range(len(shape)))


def _check_ranks(method, shape, ranks):
    """Return one rank for each axis."""
    if not isinstance(method, RankConstrained):
        if ranks is not None:
            raise ValueError(f"ranks is for method 'horpca-c', got method {method}")
        return None
    if ranks is None:
        raise ValueError("ranks must be given for method 'horpca-c'")
    if isinstance(ranks, (int, np.integer)):
        ranks = (ranks,) * len(shape)
    ranks = integers(ranks, "ranks")
    if len(ranks) != len(shape):
        raise ValueError(f"ranks must hold {len(shape)} numbers, one for each axis, got {ranks}")
    return ranks


def _trivial(problem, method, finite):
    """Return the result where nothing is observed, or something that is not finite."""
    zeros = problem.xp.zeros_like(problem.given) + (0.0 if finite else np.nan)
    leave = problem.arithmetic.leave
    return Result(
        x=leave(zeros),
        status=Status.CONVERGED if finite else Status.NONFINITE_INPUT,
        nit=0,
        residual=0.0 if finite else np.nan,
        criterion="none: nothing is observed" if finite else "none: the input is not finite",
        extras={"sparse": leave(zeros + 0.0), "objective": 0.0 if finite else math.nan},
        counts=problem.arithmetic.counts,
        precision=str(problem.arithmetic),
        method=method,
    )
