"""Successive over-relaxation (SOR), symmetric (SSOR), and its Chebyshev acceleration."""

from dataclasses import dataclass

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import library, on_gpu
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.solve import check_limits, solve
from linalg_ml.krylov.krylov_method import no_unknowns
from linalg_ml.krylov.linear_system import hint_at_columns
from linalg_ml.relaxation.adaptive import young
from linalg_ml.relaxation.optimal_omega import jacobi_radius
from linalg_ml.relaxation.preparation import prepare
from linalg_ml.relaxation.sweeping import RelaxationProblem, Sor

SWEEPS = ("forward", "backward", "symmetric")
RULES = ("adaptive", "young")
SCALES = ("rhs", "initial")


@dataclass(frozen=True)
class ChebyshevSor(Sor):
    """Red-black SOR whose omega follows Chebyshev polynomials of the Jacobi radius."""

    omega: float = 0.0  # of the half-sweep before the first
    radius: float = 0.0

    def _sweeps(self, problem, state, steps, target):
        state.x, done, residual, state.omega = problem.matrix.chebyshev(
            problem.b, state.x, state.omega, self.radius, steps, target
        )
        return done, residual


def sor(
    a,
    b,
    /,
    *,
    omega=1.0,
    sweep="forward",
    ordering="natural",
    block_size=1,
    relative_to="rhs",
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
    """Solve A x = b by successive over-relaxation.

    Parameters
    ----------
    a : array of shape (n, n) or (..., n, n), sparse matrix, or prepared matrix
        With no zero on its diagonal. A full array of any array library; SciPy sparse for NumPy
        (one triangular solve per sweep, compiled), CuPy sparse for CuPy; a `GridLaplacian` for
        any library; or what `relaxation.prepare` made of one of them, for many solves.
    b : array of shape (..., n)
        One right-hand side, or a stack of them.
    omega : float or {"adaptive", "young"}
        Relaxation parameter between 0 and 2; 1 is the method of Gauss and Seidel. "adaptive"
        starts from 1 and learns from the rate of convergence during the solve; "young" takes
        `optimal_omega` of the matrix, which must be positive definite; 1 if it is not, as
        ``omega`` of the result tells.
    sweep : {"forward", "backward", "symmetric"}
        Whether the unknowns are relaxed from the first to the last, from the last to the first,
        or both ways in turn (SSOR: a step is then two sweeps).
    ordering : {"natural", "multicolor"}
        Relax the unknowns as they are numbered, or colour by colour (red-black on a grid).
    block_size : int
        Relax so many neighbouring unknowns together; divides n. SciPy sparse matrices or one
        NumPy array.
    relative_to : {"rhs", "initial"}
        What ``rtol`` is relative to: ||b||, or ||b - A x0||.
    rtol, atol : float, optional
        Stop when ||b - A x|| <= max(rtol ||b||, atol), or with ||b - A x0|| for ||b||. ``rtol`` is
        1e-5 if None; 1e-3 in tf32, 1e-2 in fp16, 1e-1 in bf16.
    maxiter : int, optional
        Cap on the steps; 100000 if None.
    steps : int, optional
        Make exactly this many steps and test nothing. Excludes rtol, atol and maxiter.
    x0 : array of shape (..., n), optional
        Starting point; zero if None, and where b is zero unless ``steps``, ``atol`` or
        ``relative_to="initial"`` is given: then x = 0 is the answer.
    precision : None, str or Precision
        Arithmetic of the sweeps: "fp64", "fp32", "tf32", "fp16", "bf16", emulated on a CPU. None
        takes the type of ``b``.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each step; returning True
        stops.
    check_every : int, optional
        Steps between two looks for divergence or stagnation. One system on a CPU stops at the
        very step that meets the target all the same.
    history : bool
        Record the residual of each step in ``result.history``.

    Returns
    -------
    Result
        ``x`` of shape (..., n) and the dtype of ``b``. ``nit`` counts sweeps; ``residual`` is
        ||b - A x||, recomputed from x as returned. ``omega``: the last relaxation parameter.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or libraries do not fit, a diagonal entry is zero, or an argument is out
        of range.

    Notes
    -----
    A sweep sets x_i <- (1 - omega) x_i + omega (b_i - sum_{j != i} a_ij x_j) / a_ii for each i in
    turn. It costs about as much as a product with A, and the residual norm, computed after each
    sweep without storing the residual, about as much again. It converges from everywhere for
    Hermitian positive definite A and each omega between 0 and 2, at a rate that depends on omega
    much: O(n^2) sweeps for the Poisson equation on a grid of n by n points with omega = 1, O(n)
    with the best one. Slightly too large an omega costs less than slightly too small a one.

    "adaptive" makes stages of 3 / (2 - omega) sweeps, 6 at least. At the end of each, the factor by
    which the residual falls gives an estimate of the Jacobi radius, and omega goes to Young's
    optimum for it (Hageman and Young, 1981, chapter 9, have a similar procedure); where the
    residual is rounding errors, omega stays. It takes 1.0 to 1.4 times the sweeps of the best omega
    on the problems tried, and needs no knowledge of the spectrum.

    Where A is not positive definite the sweeps may diverge. They end as DIVERGED once the residual
    has grown by 1 / sqrt(u), u the unit roundoff, and as STAGNATED after 2000 + 20 / (2 - omega)
    sweeps in which it has not fallen by 1 %. In a short format x is rounded after each sweep, and
    the residual stays above about u ||A|| ||x||; solve A d = b - A x again for the residual in
    higher precision and add d (iterative refinement) to get further.

    References
    ----------
    D. M. Young, "Iterative Solution of Large Linear Systems", 1971.
    L. A. Hageman, D. M. Young, "Applied Iterative Methods", 1981.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from linalg_ml.relaxation import sor
    >>> line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(20, 20))
    >>> a, b = scipy.sparse.kronsum(line, line), np.ones(400)
    >>> [sor(a, b, omega=omega, rtol=1e-8).nit for omega in (1.0, 1.5, 1.8)]
    [814, 262, 93]
    >>> result = sor(a, b, omega="young", rtol=1e-8)
    >>> result.nit, round(result.omega, 4)
    (79, 1.7406)
    """
    checks.choice(sweep, SWEEPS, "sweep")
    if isinstance(omega, str):
        checks.choice(omega, RULES, "omega")
        if omega == "adaptive" and sweep == "symmetric":
            raise ValueError(
                "omega='adaptive' is for sweep='forward' or 'backward': the rate of symmetric "
                "sweeps follows no known formula"
            )
    else:
        omega = checks.number(omega, "omega", above=0, below=2)
    return _solve(
        lambda a: Sor(_young_or_one(a) if omega == "young" else omega, sweep),
        a,
        b,
        ordering,
        block_size,
        relative_to,
        omega == "adaptive",
        precision,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        x0=x0,
        callback=callback,
        check_every=check_every,
        history=history,
    )


def ssor(
    a,
    b,
    /,
    *,
    omega=1.0,
    ordering="natural",
    block_size=1,
    relative_to="rhs",
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
    """Solve A x = b by symmetric successive over-relaxation: `sor` with ``sweep="symmetric"``.

    Parameters
    ----------
    a, b, omega, ordering, block_size, relative_to
        As for `sor`; ``omega`` is a number or "young".
    rtol, atol, maxiter, steps, x0, precision, callback, check_every, history
        As for `sor`. A step is a forward sweep and a backward one.

    Returns
    -------
    Result
        As of `sor`; ``nit`` counts double sweeps.

    Raises
    ------
    TypeError, ValueError
        As `sor`.

    Notes
    -----
    x <- x + Ws^-1 (b - A x) with Ws = omega / (2 - omega) (D / omega + L) D^-1 (D / omega + U).
    For Hermitian positive definite A the eigenvalues of Ws^-1 A lie in (0, 1], so it converges for
    each omega between 0 and 2, and depends on omega less than `sor` does. It is rarely faster
    than `sor`; as a preconditioner it is, see `ssor_cg`.

    References
    ----------
    O. Axelsson, "Iterative Solution Methods", 1994.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.relaxation import ssor
    >>> a = 2 * np.eye(20) - np.eye(20, k=1) - np.eye(20, k=-1)
    >>> [ssor(a, np.ones(20), omega=omega).nit for omega in (1.0, 1.5, 1.8)]
    [262, 102, 82]
    """
    return sor(
        a,
        b,
        omega=omega,
        sweep="symmetric",
        ordering=ordering,
        block_size=block_size,
        relative_to=relative_to,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        x0=x0,
        precision=precision,
        callback=callback,
        check_every=check_every,
        history=history,
    )


def chebyshev_sor(
    a,
    b,
    /,
    *,
    radius=None,
    relative_to="rhs",
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
    """Solve A x = b by red-black SOR with Chebyshev's relaxation parameters.

    Parameters
    ----------
    a : sparse matrix, GridLaplacian or prepared matrix
        Hermitian positive definite, with a graph of two colours, as five- and seven-point stencils
        have; SciPy sparse.
    b : array of shape (..., n)
        One right-hand side, or a stack of them.
    radius : float, optional
        Spectral radius of the Jacobi iteration, below 1; `jacobi_radius` of ``a`` if None.
    relative_to, rtol, atol, maxiter, steps, x0, precision, callback, check_every, history
        As for `sor`.

    Returns
    -------
    Result
        As of `sor`.

    Raises
    ------
    TypeError, ValueError
        As `sor`, and if two colours are not enough.

    Notes
    -----
    Each half-sweep, over red points or black ones, has its own omega: 1, then
    1 / (1 - radius^2 / 2), then 1 / (1 - radius^2 omega / 4) from the one before, which tends to
    Young's optimum. This is Chebyshev semi-iteration of the Jacobi method on half of the unknowns
    each: the residual does not grow at first as with a constant omega, which saves some 5 to 10 %
    of the sweeps.

    References
    ----------
    G. H. Golub, R. S. Varga, "Chebyshev semi-iterative methods, successive overrelaxation
    iterative methods, and second order Richardson iterative methods", Numer. Math. 3, 1961.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import relaxation
    >>> a, b = relaxation.GridLaplacian((20, 20)), np.ones(400)
    >>> relaxation.sor(a, b, omega="young", rtol=1e-8).nit
    81
    >>> relaxation.chebyshev_sor(a, b, rtol=1e-8).nit
    73
    """
    if radius is not None:
        radius = checks.number(radius, "radius", minimum=0, below=1)

    def method(a):
        return ChebyshevSor(radius=_radius(a) if radius is None else radius)

    return _solve(
        method,
        a,
        b,
        "multicolor",
        1,
        relative_to,
        False,
        precision,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        x0=x0,
        callback=callback,
        check_every=check_every,
        history=history,
    )


def _radius(a):
    """Return the Jacobi radius; 0, which gives Gauss-Seidel, where A is not positive definite.

    The sweeps then diverge, as they must, and say so.
    """
    try:
        return jacobi_radius(a)
    except np.linalg.LinAlgError:
        return 0.0


def _young_or_one(a):
    return young(_radius(a))


@np.errstate(all="ignore")
def _solve(make, a, b, ordering, block_size, relative_to, single, precision, **options):
    """Check what the front functions share, prepare the matrix, solve, and return the Result."""
    b = checks.array(b, "b")
    if b.ndim < 1:
        raise ValueError("b must have shape (..., n), got shape ()")
    if single and b.ndim > 1:
        raise ValueError(
            "omega='adaptive' takes one right-hand side of shape (n,), since each has a rate of "
            f"its own; got shape {tuple(b.shape)}"
        )
    checks.choice(relative_to, SCALES, "relative_to")
    callback, check_every = options["callback"], options["check_every"]
    check_limits(
        options["rtol"],
        options["atol"],
        options["maxiter"],
        options["steps"],
        check_every,
        callback,
    )
    matrix = prepare(a, ordering=ordering, block_size=block_size)
    check_fit(matrix, b)
    arithmetic = Arithmetic(precision, b)
    if 0 in b.shape:
        return no_unknowns(Sor(), b, arithmetic)
    # No sweep ends at zero, which is asked for where b is and nothing else is allowed.
    nothing_allowed = options["steps"] is None and options["atol"] == 0 and relative_to == "rhs"
    problem = RelaxationProblem(matrix, b, arithmetic, relative_to, nothing_allowed)
    if check_every is callback is None and not options["history"] and b.ndim == 1:
        options["check_every"] = 5 if on_gpu(b) else matrix.check_every
    return solve(make(matrix), problem, arithmetic, **options)


def check_fit(matrix, b):
    """Raise unless a prepared matrix and right-hand sides fit."""
    n, shape = b.shape[-1], tuple(matrix.shape)
    if shape[-1] != n:
        raise ValueError(
            f"a must have shape ({n}, {n}) to match b of shape {tuple(b.shape)}, got {shape}"
            + hint_at_columns(b, shape[-1])
        )
    if shape[:-2] and shape[:-2] != tuple(b.shape[:-1]):
        raise ValueError(
            "a must be one matrix, or one for each right-hand side of b of shape "
            f"{tuple(b.shape)}, got shape {shape}"
        )
    if matrix.home not in (None, library(b)):
        raise TypeError(
            f"a is a {matrix.home} matrix, but the right-hand side is a {library(b)} array; "
            "convert one of them"
        )
