"""Block coordinate descent: the front function and its arguments."""

import math

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, dtype_name, is_array, is_sparse, library, to_numpy
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.random import generator
from linalg_ml._core.result import Result, Status
from linalg_ml._core.solve import check_limits, solve
from linalg_ml.relaxation.block_partitions import ORDERS
from linalg_ml.relaxation.block_selection import BLIND, RULES
from linalg_ml.relaxation.block_updates import UPDATES
from linalg_ml.relaxation.coordinate_losses import LOSSES, Quadratic
from linalg_ml.relaxation.coordinate_method import CompiledCoordinateDescent, CoordinateDescent
from linalg_ml.relaxation.coordinate_problem import CoordinateProblem
from linalg_ml.relaxation.matrix_columns import SparseColumns, as_columns
from linalg_ml.relaxation.separable import Separable
from linalg_ml.relaxation.units import Units, largest_entry, unit_of

_PASSES = 1000
_IDLE_PASSES = 200


@np.errstate(all="ignore")
def coordinate_descent(
    a,
    b,
    /,
    *,
    loss="quadratic",
    rule="cyclic",
    block=1,
    update=None,
    l1=0.0,
    lower=None,
    upper=None,
    norm=2,
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
    """Minimise f(x) + l1 ||x||_1 within bounds, changing one block of coordinates at a time.

    Parameters
    ----------
    a : array of shape (m, n), or SciPy sparse matrix
        Real; symmetric positive semidefinite of order n for the quadratic loss. Sparse matrices
        go with a NumPy ``b``.
    b : array of shape (m,)
        Right-hand side; labels 1 and -1 for "logistic"; integers from 0 for "softmax".
    loss : {"quadratic", "least-squares", "logistic", "softmax"}
        x^T A x / 2 - b^T x; ||A x - b||^2 / 2; sum_i log(1 + exp(-b_i (A x)_i)); and
        sum_i log(sum_c exp((A X)_ic)) - (A X)_i,b_i, X with a column for each class.
    rule : str
        "cyclic": blocks in turn. "shuffled": in a new random order each pass. "random".
        "lipschitz": at random, in proportion to the constants L_b (L_i for single coordinates).
        Greedy, with g the gradient: "gs": largest ||g_b||. "gsl": ||g_b|| / sqrt(L_b). "gsd":
        sum g_i^2 / (|b| L_i). "gsd-gershgorin": sum g_i^2 / D_i, D_i the row sum of |H_b|. "gsq":
        g_b^T H_b^-1 g_b, the best guaranteed progress.
    block : int, (str, int), str or sequence of int arrays
        k: any k coordinates; the greedy rules take the k best by their own term ("gsl" with
        L_i, "gsd-gershgorin" with the sums over all of H, "gsq" by iterative hard thresholding);
        "cyclic" takes consecutive ones. ("order", k), ("sort", k), ("average", k): fixed blocks,
        see `split_coordinates`. For the quadratic loss: "colors" and "trees" (see `color_graph`,
        `tree_partition`), and "forest", grown anew each step (`grow_forest`) in the order of the
        rule "random", "gs" or "gsl". Or a partition: index arrays that hold each coordinate once.
    update : str, optional
        "gradient": proximal step 1 / L_b. "adaptive": 1 / L, L found by doubling. "matrix": exact
        minimiser of the bound with H_b. "exact": of the loss itself, if quadratic. "newton":
        Hessian with an Armijo search. "two-metric": projected Newton for bounds. None: "exact"
        for quadratic losses, "matrix" for the others.
    l1 : float
        Weight of ||x||_1.
    lower, upper : float or array of the shape of x, optional
        Bounds; None is none.
    norm : {1, 2}
        By which norm "gs", "gsl" and "gsd" measure fixed blocks.
    rtol, atol : float, optional
        Stop when the residual is at most max(rtol times the residual at the feasible point next
        to zero, atol). Where that point is optimal, as zero is for b = 0, ``rtol`` is relative to
        the residual at ``x0``, from which the descent goes on: x is then one minimiser of perhaps
        many. ``rtol`` is 1e-6 if None, 1e-4 in fp32.
    maxiter : int, optional
        Cap on the block updates; 1000 passes if None.
    steps : int, optional
        Make exactly this many block updates and test nothing. Excludes rtol, atol and maxiter.
    x0 : array of the shape of x, optional
        Starting point, moved into the bounds; zero if None.
    precision : None, "fp64" or "fp32"
        Arithmetic; None takes the type of ``b``, of ``a`` where b holds classes or integer labels.
    rng : None, int or numpy.random.Generator
        Source of the random choices.
    callback : callable, optional
        Called with an object with ``nit``, ``measures`` and ``x`` after each check, with ``steps``
        after each update; returning True stops.
    check_every : int, optional
        Updates between checks; None takes a pass.
    history : bool
        Record "residual" and "objective" at each check, with ``steps`` after each update, in
        ``result.history``.

    Returns
    -------
    Result
        ``x`` of shape (n,), (n, classes) for "softmax". ``residual``: the norm of the gradient;
        with l1 or bounds of L_i (x_i - p_i), p_i the proximal point of coordinate i for its own
        constant. ``objective``; ``support``: the coordinates that are neither at a bound nor, with
        l1, zero; ``settled``: the update after which the support did not change (0 without l1
        and bounds). ``counts``: "columns" moved and products with the whole matrix, "matvecs".

    Raises
    ------
    ValueError, TypeError
        If A is not symmetric for the quadratic loss, ``lower`` exceeds ``upper``, ``l1`` is
        negative, or an argument is out of range or does not fit.

    Notes
    -----
    A step costs the columns of its block: the residual A x - b, or the gradient of a quadratic, is
    kept up to date. The greedy rules look at the whole gradient: n numbers a step for a quadratic,
    the rows that the block touches for the others, and a product with A^T if A is dense. Single
    coordinates of quadratic losses, except greedy ones of dense matrices, run in a compiled loop.

    L_i = a_ii, ||a_i||^2, and ||a_i||^2 / 4 for the last two losses; H_b = A_bb, A_b^T A_b,
    A_b^T A_b / 4 and Boehning's bound; L_b its largest eigenvalue. "matrix" and "exact" steps
    solve the block to the end, with l1 and bounds by an active-set method. Blocks whose graph has
    no cycle cost O(|b|), whatever their size. Arrays of other libraries than NumPy stay on their
    device, which makes the products with the whole matrix; the rest is done on the host. Very large
    or small data are divided by powers of two, which rounds nothing, so that squares stay in range.

    A quadratic with a negative diagonal entry, or a zero one in a row that is not zero, is not
    convex: BREAKDOWN. DIVERGED where the residual grows and x^T A x < 0 shows that there is no
    minimum, or where a singular block on a forest has none: b must lie in the range of A.

    References
    ----------
    J. Nutini, I. Laradji, M. Schmidt, "Let's Make Block Coordinate Descent Converge Faster:
    Faster Greedy Rules, Message-Passing, Active-Set Complexity, and Superlinear Convergence",
    JMLR 23, 2022. arXiv:1712.08859

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import coordinate_descent
    >>> a = np.array([[4.0, 1.0], [1.0, 3.0]])
    >>> result = coordinate_descent(a, np.array([1.0, 2.0]))
    >>> result.x.round(6)
    array([0.090909, 0.636364])
    >>> result.converged
    True

    The lasso, and which coordinates it keeps:

    >>> design = np.array([[1.0, 0.2], [0.0, 1.0], [1.0, 0.0]])
    >>> b = np.array([1.0, 0.1, 1.0])
    >>> result = coordinate_descent(design, b, loss="least-squares", l1=0.5)
    >>> result.x.round(6), result.support
    (array([0.75, 0.  ]), array([0]))
    """
    checks.choice(loss, tuple(LOSSES), "loss")
    checks.choice(rule, RULES, "rule")
    if update is None:
        update = "exact" if LOSSES[loss].is_quadratic else "matrix"
    checks.choice(update, UPDATES, "update")
    check_limits(rtol, atol, maxiter, steps, check_every, callback)
    if norm not in (1, 2):
        raise ValueError(f"norm must be 1 or 2, got {norm!r}")
    if update == "exact" and not LOSSES[loss].is_quadratic:
        raise ValueError(f"update='exact' needs a quadratic loss, got loss={loss!r}; use 'newton'")
    b, home = _right_hand_side(a, b, loss)
    arithmetic = Arithmetic(precision, home)
    if arithmetic.name not in ("fp64", "fp32") or arithmetic.is_complex:
        raise ValueError(
            "coordinate_descent computes in real fp64 or fp32, "
            f"got {'complex ' * arithmetic.is_complex}{arithmetic.name}"
        )
    a = as_columns(a, arithmetic)
    if a.shape[0] != b.size:
        raise ValueError(f"a must have shape ({b.size}, n) to match b, got {a.shape}")
    if loss == "quadratic":
        _check_symmetric(a, arithmetic)
    dtype = np.dtype(arithmetic.name.replace("fp", "float"))
    shape = LOSSES[loss].unknowns(a, b)
    part = _separable(l1, lower, upper, shape)
    start = _starting_point(x0, shape, part, home)
    units = _choose_units(loss, a, b, start, arithmetic)
    if loss != "softmax":
        b = np.asarray(b if units.b == 1 else b / np.float64(units.b), dtype)
    part, start = part.in_units(units, dtype), (start / units.x).astype(dtype)
    smooth = LOSSES[loss](a, b, tracked=rule not in BLIND)
    block = _check_block(block, rule, loss, smooth.size)
    if update == "two-metric" and part.l1 and np.any(part.lower < 0):
        raise ValueError("update='two-metric' takes l1 only where lower >= 0")
    method = _choose_method(smooth, a, rule, block, update, norm, arithmetic)
    problem = CoordinateProblem(smooth, part, home, generator(rng), start, units)
    if smooth.size == 0:
        return _empty(problem, method, arithmetic)
    a_pass = _updates_in_a_pass(block, problem)
    if maxiter is None and steps is None:
        maxiter = _PASSES * a_pass
    if check_every is None:
        check_every = a_pass
    problem.patience = math.ceil(_IDLE_PASSES * max(1.0, a_pass / check_every))
    return solve(
        method,
        problem,
        arithmetic,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        steps=steps,
        callback=callback,
        check_every=check_every,
        history=history,
    )


def _right_hand_side(a, b, loss):
    """Return b on the host, and an array that says where x goes and in which type."""
    whole = is_array(b) and "int" in dtype_name(b)
    if loss == "softmax" or (loss == "logistic" and whole):
        b = b if is_array(b) else np.asarray(b)
        home = _home_of_labels(a, b)
    else:
        b = home = checks.array(b, "b")
    _check_vector(b)
    host = np.array(to_numpy(b))
    if loss == "logistic" and not np.all(np.abs(host) == 1):
        raise ValueError("b must hold the labels 1 and -1 for loss='logistic'")
    if loss == "softmax":
        kind = host.dtype.kind
        if kind not in "iuf" or np.any(host < 0) or np.any(host != np.floor(host)):
            raise ValueError("b must hold the classes as integers from 0 for loss='softmax'")
        host = host.astype(np.int64)
    return host, home


def _home_of_labels(a, b):
    """Return an array of the library and the type of the matrix, where labels have none."""
    if is_sparse(a):
        if library(b) != "numpy":
            raise TypeError(f"a is a SciPy sparse matrix, but b is a {library(b)} array; convert b")
        return np.empty(0, a.dtype if a.dtype.kind == "f" else float)
    a = checks.matrix(a, "a")
    checks.same_home(a=a, b=b)
    return a


def _check_vector(b):
    if b.ndim != 1:
        raise ValueError(f"b must have shape (m,), got shape {tuple(b.shape)}")


def _check_symmetric(a, arithmetic):
    """Raise unless A is square and symmetric to rounding; NaN is left to the loop."""
    if a.shape[0] != a.shape[1]:
        raise ValueError(f"a must have shape (n, n) for loss='quadratic', got {a.shape}")
    if 0 in a.shape:
        return
    difference, size = a.asymmetry()
    if difference > 100 * arithmetic.unit_roundoff * size:
        raise ValueError(
            "a must be symmetric for loss='quadratic', but "
            f"max |a - a.T| = {difference * a.unit:.3g}; "
            "for a system that is not, use loss='least-squares'"
        )


def _separable(l1, lower, upper, shape):
    l1 = checks.number(l1, "l1", minimum=0)
    lower = _bound(lower, -np.inf, shape, "lower")
    upper = _bound(upper, np.inf, shape, "upper")
    if np.any(lower > upper):
        i = int(np.argmax(lower > upper))
        raise ValueError(f"lower must be <= upper, got {lower[i]:g} > {upper[i]:g} at place {i}")
    return Separable(l1, lower, upper)


def _bound(value, missing, shape, name):
    if value is None:
        value = missing
    elif is_array(value):
        value = to_numpy(value)
    try:
        full = np.broadcast_to(np.asarray(value, np.float64), shape).reshape(-1).copy()
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a number or an array of shape {shape}, got {value!r}"
        ) from None
    if np.any(np.isnan(full)):
        raise ValueError(f"{name} must hold no NaN")
    return full


def _check_block(block, rule, loss, n):
    """Return ``block`` in a form that can be compared and printed."""
    graphs = ("colors", "trees", "forest")
    if isinstance(block, str):
        checks.choice(block, graphs, "block")
        if loss != "quadratic":
            raise ValueError(f"block={block!r} needs loss='quadratic', got loss={loss!r}")
        if block == "forest" and rule not in ("random", "gs", "gsl"):
            raise ValueError(
                f"block='forest' needs rule 'random', 'gs' or 'gsl', got rule={rule!r}"
            )
        return block
    if isinstance(block, (int, np.integer)):
        return checks.count(block, "block")
    if not isinstance(block, (tuple, list)):
        raise TypeError(
            f"block must be a number, ({', '.join(ORDERS)}; size), one of {graphs}, or a sequence "
            f"of index arrays, got {type(block).__name__}"
        )
    if len(block) == 2 and isinstance(block[0], str):
        return (checks.choice(block[0], ORDERS, "block"), checks.count(block[1], "block"))
    parts = [np.asarray(index) for index in block]
    if any(part.ndim != 1 or part.dtype.kind not in "iu" for part in parts if part.size):
        raise ValueError("block must hold one-dimensional arrays of integers")
    parts = [part.astype(np.int64) for part in parts if part.size]
    line = np.sort(np.concatenate([np.empty(0, np.int64), *parts]))
    if not np.array_equal(line, np.arange(n)):
        raise ValueError(f"block must hold each coordinate from 0 to {n - 1} once")
    return tuple(tuple(part.tolist()) for part in parts)


def _starting_point(x0, shape, part, home):
    if x0 is None:
        return part.start()
    x0 = checks.array(x0, "x0")
    if library(x0) != library(home):
        raise TypeError(f"x0 must be a {library(home)} array as b is, got {library(x0)}")
    checks.same_shape(x0, shape, "x0")
    if dtype_name(x0).startswith("complex"):
        raise TypeError("x0 must be real, got a complex array")
    return np.clip(np.array(to_numpy(x0), np.float64).reshape(-1), part.lower, part.upper)


def _choose_units(loss, a, b, start, arithmetic):
    """Return the `Units` in which squares of the data are in range; labels have none."""
    of_b = 1.0
    if LOSSES[loss].is_quadratic:
        of_b = unit_of(max(largest_entry(b), a.unit * largest_entry(start)), arithmetic.name)
        for middle in (a.unit, 1 / a.unit):  # the units of x and of the gradient stay in range
            of_b = min(max(of_b, middle * 2.0**-1000), middle * 2.0**1000)
    return Units(of_b, of_b / a.unit, of_b if loss == "quadratic" else of_b * a.unit)


def _choose_method(loss, a, rule, block, update, norm, arithmetic):
    """Return the compiled loop over single coordinates where it can do what is asked."""
    alike = update in ("gradient", "matrix", "exact")  # the same for one coordinate
    possible = block == 1 and arithmetic.library == "numpy" and loss.is_quadratic and alike
    if rule not in BLIND:
        sparse = isinstance(a, SparseColumns) and isinstance(loss, Quadratic)
        possible = possible and sparse and rule != "gsq"
    kind = CompiledCoordinateDescent if possible else CoordinateDescent
    return kind(rule, block, update, norm)


def _updates_in_a_pass(block, problem):
    n = problem.loss.size
    if block == "forest":
        return 3
    if isinstance(block, str):
        return len(problem.graph_partition(block))
    if isinstance(block, int):
        return math.ceil(n / block)
    return math.ceil(n / block[1]) if isinstance(block[0], str) else len(block)


def _empty(problem, method, arithmetic):
    x = asarray(np.zeros(problem.loss.shape), like=problem.home, dtype=problem.home.dtype)
    return Result(
        x=x,
        status=Status.CONVERGED,
        nit=0,
        residual=0.0,
        criterion="none: there are no unknowns",
        extras={"objective": 0.0, "support": np.empty(0, np.int64), "settled": 0},
        counts=arithmetic.counts,
        precision=str(arithmetic),
        method=method,
    )
