"""Sketch-and-project for consistent linear systems: Kaczmarz, coordinate descent, blocks."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, astype
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.result import Result, Status
from linalg_ml._core.solve import Method, check_limits, solve
from linalg_ml._core.verdict import host
from linalg_ml.sketching.embedding_base import Embedding
from linalg_ml.sketching.sketched_system import BY_ROWS, SketchedSystem

SKETCHES = ("gaussian-vector", "gaussian", *BY_ROWS, "sparse-sign", "count", "srht")
_DEFAULT_RTOL = {"fp64": 1e-5, "fp32": 1e-5, "tf32": 1e-3, "fp16": 1e-2, "bf16": 1e-1}


@dataclass
class ProjectionState:
    """The iterate and the one before; whether S^T A S was seen to be indefinite."""

    x: Any
    before: Any
    broken: bool = False


@dataclass(frozen=True)
class SketchAndProject(Method):
    """Projection on the solutions of sketched systems (Gower and Richtarik, 2015)."""

    sketch: str = "gaussian-vector"
    block: int = 1
    metric: str = "identity"
    momentum: float = 0.0

    criterion = "||b - A x||"
    default_rtol = _DEFAULT_RTOL

    def init(self, problem, arithmetic, x0):
        """Start from zero or from x0."""
        x = problem.start(x0)
        return ProjectionState(x, x)

    def step(self, problem, state, arithmetic):
        """x += B^-1 A^H S (S^H A B^-1 A^H S)^+ S^H (b - A x) + momentum (x - x before)."""
        wide = problem.wide
        w, c, s = problem.sketch(self.sketch, self.block, state.x)
        misfit = c - wide.mv(w, state.x)
        if self.metric == "identity":
            adjoint = wide.xp.conj(w).mT if wide.is_complex else w.mT
            z, _ = pseudo_solve(wide.gram(w), misfit, wide)
            move, negative = wide.mv(adjoint, z), False
        else:
            z, negative = pseudo_solve(self._compressed(problem, w, s), misfit, wide)
            move = self._lift(problem, z, s)
        x = state.x + move
        if self.momentum:
            x = x + self.momentum * (state.x - state.before)
        return ProjectionState(x, state.x, state.broken or negative)

    def _compressed(self, problem, w, s):
        """Return S^T A S."""
        wide = problem.wide
        if self.sketch in BY_ROWS:
            places = asarray(s, like=w, dtype=wide.xp.int32)
            return wide.xp.take(w, places, axis=-1)
        if isinstance(s, Embedding):
            return s.multiply(w.mT, wide).mT
        return wide.mm(w, s.mT)

    def _lift(self, problem, z, s):
        """Return S z."""
        wide = problem.wide
        if self.sketch in BY_ROWS:
            ones = np.ones((len(s), 1))
            columns = wide.kernels.scatter_rows(z[..., None], s[:, None], ones, problem.shape[1])
            return columns[..., 0]
        if isinstance(s, Embedding):
            return s.multiply_transposed(z[..., None], wide)[..., 0]
        return wide.mv(s.mT, z)

    def scale(self, problem, arithmetic):
        """Return ||b||."""
        return problem.scale()

    def measure(self, problem, state, arithmetic, exact):
        """Return the residual, which the iteration does not know and is computed."""
        return {"residual": problem.residual_norm(state.x)}

    def stopped(self, problem, state, measures):
        """Report BREAKDOWN where A is not positive semidefinite, as the metric needs it."""
        return Status.BREAKDOWN if state.broken else None

    def patience(self, problem, arithmetic):
        """Give up after 200 checks without progress: random steps may be slow."""
        return 0, 200

    def finish(self, problem, state, arithmetic):
        """Return x."""
        return problem.units.out(state.x), {}


def pseudo_solve(g, misfit, wide):
    """Return G^+ misfit for a positive semidefinite G (k, k), and whether G is not that."""
    xp = wide.xp
    if g.shape[-1] == 1:
        pivot = g[0, 0]
        size = host(xp.real(pivot) if wide.is_complex else pivot)
        return (misfit / pivot if size > 0 else 0 * misfit), size < 0
    if not np.isfinite(host(wide.frobenius(g))):
        return misfit * float("nan"), False
    g = (g + (xp.conj(g).mT if wide.is_complex else g.mT)) / 2
    values, vectors = xp.linalg.eigh(g)
    least = g.shape[-1] * wide.unit_roundoff * xp.max(xp.abs(values))
    kept = values > least
    inverse = xp.where(kept, 1 / xp.where(kept, values, xp.ones_like(values)), 0 * values)
    adjoint = xp.conj(vectors).mT if wide.is_complex else vectors.mT
    z = astype(inverse, vectors.dtype) * wide.mv(adjoint, misfit)
    return wide.mv(vectors, z), bool(xp.any(values < -10 * least))


@np.errstate(all="ignore")
def sketch_and_project(
    a,
    b,
    /,
    *,
    sketch="gaussian-vector",
    block=None,
    metric="identity",
    momentum=0.0,
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
    """Solve a consistent A x = b by projecting on random sketches of it.

    Each step draws S with few columns and moves x to the nearest solution of S^H A x = S^H b.

    Parameters
    ----------
    a : array of shape (m, n), sparse matrix, or operator
        Real or complex, of the library of ``b``. An operator has ``shape``, ``matvec`` and
        ``rmatvec``, and takes dense sketches only.
    b : array of shape (m,) or (..., m)
        One right-hand side, or a stack of them, which all see the same sketches.
    sketch : str
        "gaussian-vector": one Gaussian vector. "gaussian", "sparse-sign", "count", "srht":
        blocks, see `embedding`. "kaczmarz": rows of A with probability ||a_i||^2 / ||A||_F^2
        (without replacement in a block); "rows": uniformly; "greedy": those farthest from x,
        |r_i|^2 / ||a_i||^2 largest.
    block : int, optional
        Columns of S; 1 for "gaussian-vector" and if None for "kaczmarz" and "greedy",
        min(m, n) / 4 if None for the others.
    metric : {"identity", "energy"}
        Distance that the projection minimises: ||x||, or x^H A x for Hermitian positive
        semidefinite A. With "energy", rows make block coordinate descent, and "kaczmarz" draws
        with probability a_ii / tr A.
    momentum : float
        Add this times the last change of x; at least 0 and below 1.
    rtol, atol : float, optional
        Stop when ||b - A x|| <= max(rtol ||b||, atol); ``rtol`` is 1e-5 if None, 1e-3 in
        tf32, 1e-2 in fp16, 1e-1 in bf16.
    maxiter : int, optional
        Cap on the steps; 1000 + 200 m / block if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol and maxiter.
    x0 : array of shape (..., n), optional
        Starting point; zero if None, and then x tends to the solution of least norm.
    precision : None, str or Precision
        Arithmetic of the products with A; projections are computed in at least fp32.
    rng : None, int or numpy.random.Generator
        Draws the sketches.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each check; returning
        True stops.
    check_every : int, optional
        Steps between checks, each a product with A; None makes about one for every m rows.
    history : bool
        Record the residual at each check in ``result.history``.

    Returns
    -------
    Result
        ``x`` of shape (..., n) and the dtype of ``b``. ``residual`` is ||b - A x||, recomputed
        from x as returned. BREAKDOWN says that A is not positive semidefinite though ``metric``
        is "energy".

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, or an argument is unknown or out of range.

    Notes
    -----
    x += B^-1 A^H S (S^H A B^-1 A^H S)^+ S^H (b - A x) with B = I or A. The error never grows,
    whatever S is, and E ||x_k - x*||_B^2 <= (1 - rho)^k ||x_0 - x*||_B^2 with

    - "kaczmarz", one row: rho = sigma_min^2 / ||A||_F^2, sigma_min the least nonzero singular
      value; the same for coordinate descent with rho = lambda_min / tr A;
    - "gaussian-vector": rho >= (2 / pi) sigma_min^2 / ||A||_F^2;
    - "gaussian" of k columns: rho ~ sigma_min^2 / (sigma_min^2 + gamma) with gamma such that
      sum_i sigma_i^2 / (sigma_i^2 + gamma) = k, so that k - 1 large singular values do no harm.

    One row costs 4 n flops, a Gaussian block of k columns 2 m n k, so Kaczmarz suits very tall
    or streamed systems, and blocks matrices with few large singular values. On a
    well-conditioned dense system single vectors need a few hundred times as many products as
    `minres`. Systems without a solution end as MAXITER or STAGNATED: x wanders around that of
    least squares; see `sketched_lstsq`.

    References
    ----------
    R. Gower, P. Richtarik, "Randomized iterative methods for linear systems", SIAM J. Matrix
    Anal. Appl. 36, 2015, arXiv:1506.03296. T. Strohmer, R. Vershynin, "A randomized Kaczmarz
    algorithm with exponential convergence", J. Fourier Anal. Appl. 15, 2009, arXiv:math/0702226.
    N. Loizou, P. Richtarik, "Momentum and stochastic momentum for stochastic gradient, Newton,
    proximal point and subspace descent methods", 2017, arXiv:1712.09677.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import sketch_and_project
    >>> a = np.array([[2.0, 1.0], [1.0, 3.0], [0.0, 1.0]])
    >>> result = sketch_and_project(a, a @ [1.0, -1.0], sketch="kaczmarz", rtol=1e-9, rng=0)
    >>> result.x.round(6)
    array([ 1., -1.])
    >>> result.converged
    True
    """
    checks.choice(sketch, SKETCHES, "sketch")
    checks.choice(metric, ("identity", "energy"), "metric")
    momentum = checks.number(momentum, "momentum", minimum=0, below=1)
    b = checks.array(b, "b")
    if b.ndim < 1:
        raise ValueError("b must have shape (..., m), got shape ()")
    check_limits(rtol, atol, maxiter, steps, check_every, callback)
    arithmetic = Arithmetic(precision, b)
    problem = SketchedSystem(a, b, arithmetic, rng, weigh_by_diagonal=metric == "energy")
    m, n = problem.shape
    if 0 in (m, n, *b.shape):
        return _empty(b, n, arithmetic)
    if metric == "energy" and m != n:
        raise ValueError(f"a must be square for metric 'energy', got shape {problem.shape}")
    if sketch in BY_ROWS and not problem.is_explicit:
        raise ValueError(f"sketch {sketch!r} needs the rows of a, but a is an operator")
    block = _block(block, sketch, m, n)
    method = SketchAndProject(sketch, block, metric, momentum)
    if maxiter is None and steps is None:
        maxiter = 1000 + 200 * m // block
    if check_every is None and callback is None and not history:
        check_every = max(1, m // block)
    return solve(
        method,
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


def _block(block, sketch, m, n):
    if block is None:
        single = sketch in ("gaussian-vector", "kaczmarz", "greedy")
        return 1 if single else max(1, min(m, n) // 4)
    block = checks.count(block, "block")
    if sketch == "gaussian-vector" and block != 1:
        raise ValueError(f"block must be 1 for 'gaussian-vector', got {block}; try 'gaussian'")
    if block > m:
        raise ValueError(f"block must be at most m = {m}, got {block}")
    return block


def _empty(b, n, arithmetic):
    """Return the result where there is nothing to solve: x = 0 if b = 0."""
    xp = arithmetic.xp
    residual = host(arithmetic.norm(arithmetic.enter(b))) if b.shape[-1] else np.zeros(b.shape[:-1])
    residual = float(residual) if np.ndim(residual) == 0 else residual
    solved = np.all(np.asarray(residual) == 0)
    return Result(
        x=xp.zeros((*b.shape[:-1], n), dtype=b.dtype, device=arithmetic.device),
        status=Status.CONVERGED if solved else Status.STAGNATED,
        nit=0,
        residual=residual,
        criterion="none: there are no unknowns or no equations",
        counts=arithmetic.counts,
        precision=str(arithmetic),
    )
