"""An orthonormal basis that captures a matrix to a tolerance."""

import math
from dataclasses import dataclass

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.random import generator
from linalg_ml._core.solve import Method, solve
from linalg_ml._core.verdict import host
from linalg_ml.sketching.block_products import BlockProducts, NotFiniteError
from linalg_ml.sketching.subspaces import GrowingRange, against, orthonormal

_CANCELLED = 100.0  # so many roundings of ||A||^2 - ||Q^H A||^2 are noise


class _Range:
    """The matrix whose range is wanted, and the source of random vectors."""

    def __init__(self, a, precision, rng):
        self.blocks = BlockProducts(a, precision)
        if len(self.blocks.shape) != 2 or not self.blocks.is_explicit:
            raise ValueError(
                "a must be an array or a sparse matrix of shape (m, n), since the residual is "
                f"computed from its entries; got {type(a).__name__} of shape {self.blocks.shape}"
            )
        self.rng = generator(rng)
        self.blocks.take_units()
        self.size = host(self.blocks.frobenius())
        self.unit = float(self.blocks.units)


@dataclass(frozen=True)
class RangeFinder(Method):
    """Randomized blocks with power steps (randQB_EI; Yu, Gu, Li, 2018)."""

    block: int = 16
    power: int = 1

    criterion = "||A - Q Q^H A||_F"
    default_rtol = 1e-2

    def init(self, problem, arithmetic, x0):
        """Start from no columns."""
        return GrowingRange(problem.blocks)

    def step(self, problem, state, arithmetic):
        """Add the directions of (A A^H)^power A G, G Gaussian, at most min(m, n) in all."""
        blocks = problem.blocks
        room = min(blocks.shape) - (0 if state.q is None else state.q.shape[-1])
        if room == 0:
            return state
        try:
            v = blocks.gaussian(problem.rng, min(self.block, room))
            for _ in range(self.power):
                w = blocks.times(v)
                w = w if state.q is None else against(state.q, w, blocks)
                v = orthonormal(blocks.adjoint_times(orthonormal(w, state.q, blocks)), None, blocks)
            state.add(v)
        except NotFiniteError:
            m, n = blocks.shape
            state.q, state.z = blocks.undefined(m, self.block), blocks.undefined(n, self.block)
        return state

    def scale(self, problem, arithmetic):
        """Return ||A||_F."""
        return problem.size * problem.unit

    def measure(self, problem, state, arithmetic, exact):
        """Return the residual: (||A||^2 - ||Q^H A||^2)^(1/2) where that resolves it."""
        blocks = problem.blocks
        if state.q is None:
            return {"residual": problem.size * problem.unit}
        if not exact:
            square = problem.size**2 - host(blocks.wide.frobenius(state.z)) ** 2
            if square > _CANCELLED * blocks.wide.unit_roundoff * problem.size**2:
                return {"residual": math.sqrt(square) * problem.unit}
        rest = host(blocks.residual_norm(state.q, blocks.conj_transpose(state.z)))
        return {"residual": rest * problem.unit}

    def patience(self, problem, arithmetic):
        """Give up after 3 blocks that added nothing."""
        return 1, 3

    def finish(self, problem, state, arithmetic):
        """Return Q, and Q^H A."""
        blocks, xp = problem.blocks, problem.blocks.wide.xp
        if state.q is None:
            m, n = blocks.shape
            dtype, device = blocks.wide.dtype, blocks.wide.device
            q = xp.zeros((m, 0), dtype=dtype, device=device)
            return q, {"factor": arithmetic.leave(xp.zeros((0, n), dtype=dtype, device=device))}
        (factor,) = blocks.out(blocks.conj_transpose(state.z))
        return state.q, {"factor": arithmetic.leave(factor)}


@np.errstate(all="ignore")
def range_finder(
    a,
    /,
    *,
    block=16,
    power=1,
    rtol=None,
    atol=0.0,
    maxiter=None,
    steps=None,
    precision=None,
    rng=None,
    callback=None,
    check_every=None,
    history=False,
):
    """Find an orthonormal Q with few columns such that A is close to Q Q^H A.

    Parameters
    ----------
    a : array of shape (m, n) or sparse matrix
        Real or complex, of any array library.
    block : int
        Columns added in a step.
    power : int
        Rounds of products with A and A^H for each block: more find fewer columns.
    rtol, atol : float, optional
        Stop when ||A - Q Q^H A||_F <= max(rtol ||A||_F, atol); ``rtol`` is 1e-2 if None.
    maxiter : int, optional
        Cap on the steps; until Q is square if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol and maxiter.
    precision : None, str or Precision
        Arithmetic of the products with A. Orthogonalisation is done in at least fp32.
    rng : None, int or numpy.random.Generator
        Draws the blocks.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each check; returning
        True stops.
    check_every : int, optional
        Steps between checks; 1 if None.
    history : bool
        Record the residual at each check in ``result.history``.

    Returns
    -------
    Result
        ``x``: Q of shape (m, l); ``factor``: Q^H A of shape (l, n). ``residual`` is
        ||A - Q Q^H A||_F, computed from Q, its factor and A.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is an operator or a stack, or an argument is out of range.

    Notes
    -----
    A step with power p costs 2 (p + 1) products of A with ``block`` vectors. Between checks
    ||A - Q Q^H A||_F^2 = ||A||_F^2 - ||Q^H A||_F^2 costs nothing, but below a relative residual
    of 10 u^(1/2) rounding hides it and the residual itself is computed, as it is once before
    success is reported: 2 m n l flops. The singular value decomposition of ``factor``, which is
    small, gives that of A to the same residual.

    References
    ----------
    W. Yu, Y. Gu, Y. Li, "Efficient randomized algorithms for the fixed-precision low-rank
    matrix approximation", SIAM J. Matrix Anal. Appl. 39, 2018, arXiv:1606.09402.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import sketching
    >>> a = np.diag(0.5 ** np.arange(60))
    >>> result = sketching.range_finder(a, block=4, rtol=1e-6, rng=0)
    >>> result.converged, result.x.shape
    (True, (60, 20))
    """
    method = RangeFinder(checks.count(block, "block"), checks.count(power, "power", minimum=0))
    problem = _Range(a, precision, rng)
    if maxiter is None and steps is None:
        maxiter = -(-min(problem.blocks.shape) // method.block) + 3
    return solve(
        method,
        problem,
        problem.blocks.arithmetic,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        callback=callback,
        check_every=check_every,
        history=history,
    )
