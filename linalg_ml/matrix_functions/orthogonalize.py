"""The hot path: a fixed number of polynomial steps, nothing read back, nothing reported."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, dtype_name, is_readable
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.matrix_functions.gram_form import apply_in_gram_form, choose_restarts
from linalg_ml.matrix_functions.iteration import apply_polynomial, warn_if_unsafe
from linalg_ml.matrix_functions.product_costs import product_costs
from linalg_ml.matrix_functions.schedules import schedule as published_schedule
from linalg_ml.matrix_functions.spectrum import adjoint

_PLAIN = (1e-15, 1e15)  # norms that have been computed without overflow or underflow


@np.errstate(all="ignore")
def orthogonalize(a, /, *, steps=5, schedule=None, precision=None, form="auto"):
    """Orthogonalise the rows or columns of a matrix, approximately, in a few matrix products.

    The result approaches the unitary polar factor U V^H of A = U S V^H. This is the inner loop
    of Muon and its relatives: no error is measured, nothing is read back to the host, and it
    traces under ``jax.jit``. For a result with an error bound use `polar`.

    Parameters
    ----------
    a : array of shape (..., m, n)
        Real or complex floating point, of any array library.
    steps : int
        Polynomials to apply.
    schedule : None, str, Schedule or sequence of coefficient tuples
        Which polynomials. None takes Polar Express (the published list, for singular values
        down to 1e-3 of the Frobenius norm); a name is one of `schedule_names`; see also
        `minimax_schedule`. A schedule with fewer rows is continued as it says.
    precision : None, str or Precision
        Arithmetic of the products: "bf16" is what optimizers use on a GPU. None takes the type
        of ``a``.
    form : {"auto", "direct", "gram"}
        What the steps compute with. "direct": the matrix itself. "gram": its small Gram matrix,
        which on a wide or tall matrix saves most of the work, and in short formats needs to be
        formed anew on the way. "auto" takes the cheaper of the two, and the direct form where the
        other is not safe. A schedule with ``restarts`` decides this itself.

    Returns
    -------
    array of shape (..., m, n)
        In the dtype of ``a``. Zero where ``a`` is zero, NaN where it holds NaN or infinity.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not a floating-point array with at least two axes, an argument is unknown, or
        ``form="gram"`` is asked for where rounding would exceed the error of the schedule.

    Warns
    -----
    UserWarning
        If a minimax schedule without safety factor is to run in bf16.

    Notes
    -----
    X = A / ||A||_F, then X <- (a I + b X X^H + c (X X^H)^2) X with the (a, b, c) of each step:
    3 products a step at degree 5, one of the small order min(m, n) and two of the size of
    A. The Gram form has two of that size in all, besides 4 a step of the small order: five steps
    on a matrix of shape 1:4 take a third of the time of 15 general products instead of two
    thirds. Its rounding errors can be larger: in fp32 they are 1e-5 on a Gaussian matrix, as in
    the direct form, but 0.002 where one singular value dwarfs all others. They stay below the
    error of the five polynomials, 0.15; where they would not, as in bf16, the direct form is
    used.

    A JAX array on several devices gives a result on the same devices in the same way. If its
    longer axis is shared out, they exchange nothing but matrices of the small order.

    The norm is computed without overflow or underflow in at least fp32 before anything is
    rounded, so the result does not depend on the scale of ``a``.

    After five steps the singular values lie within 0.15 of one if they were above 1e-3 of the
    Frobenius norm; in bf16 the rounding of 0.004 comes on top. A schedule without safety factor
    can blow up in bf16.

    References
    ----------
    N. Amsel, D. Persson, C. Musco, R. M. Gower, "The Polar Express: Optimal matrix sign methods
    and their application to the Muon algorithm", 2025, arXiv:2505.16932.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import orthogonalize
    >>> a = np.random.default_rng(0).standard_normal((64, 256))
    >>> np.linalg.svd(orthogonalize(a), compute_uv=False)[[0, -1]].round(3)
    array([1.124, 0.878])
    >>> np.linalg.svd(orthogonalize(a, steps=8), compute_uv=False)[[0, -1]].round(3)
    array([1., 1.])
    """
    a = checks.matrix(a, "a")
    rows = as_schedule(schedule, steps)
    checks.choice(form, ("auto", "direct", "gram"), "form")
    arithmetic = Arithmetic(precision, a)
    if 0 in a.shape:
        return a + 0
    warn_if_unsafe(rows, arithmetic.name)
    return arithmetic.kernels.shard_like(lambda b: _applied(b, rows, form, arithmetic), a)


def _applied(a, rows, form, arithmetic):
    """Return p(A), of the schedule, in one of the forms."""
    m, n = a.shape[-2:]
    x, square = _start(adjoint(a) if m > n else a, rows, arithmetic)
    if rows.restarts is None and (form == "gram" or (form == "auto" and m != n)):
        rows = in_form(form, rows, arithmetic, max(m, n) / min(m, n), min(m, n))
    if rows.restarts is not None:
        x = apply_in_gram_form(x, rows, arithmetic, square)
    else:
        for coefficients in rows.coefficients:
            x, square = apply_polynomial(x, coefficients, arithmetic, square=square), None
    return arithmetic.leave(adjoint(x) if m > n else x)


def as_schedule(schedule, steps):
    """Return a Schedule of exactly ``steps`` rows from what a caller may give."""
    if schedule is None:
        schedule = "polar-express"
    elif not isinstance(schedule, (str, Schedule)):
        schedule = Schedule(schedule, lower=1e-3, upper=1.0, name="given", after="repeat")
    return _of_length(schedule, checks.count(steps, "steps"))


@lru_cache(maxsize=256)
def _of_length(schedule, steps):
    if isinstance(schedule, str):
        schedule = published_schedule(schedule)
    return schedule.take(steps)


def in_form(form, rows, arithmetic, aspect, order):
    """Return the schedule with the restarts of the Gram form, if that form is to be used."""
    restarts = choose_restarts(rows, arithmetic.name)
    if restarts is None:
        if form == "gram":
            raise ValueError(
                f"form='gram' is not safe for this schedule in {arithmetic.name}: rounding would "
                "exceed the error of the polynomials; use 'direct', or fp16 in place of bf16"
            )
        return rows
    if form == "auto":
        costs = product_costs(arithmetic, order)
        direct = costs.direct(rows.degrees, aspect)
        if direct <= costs.in_gram_form(rows.degrees, aspect, len(restarts)):
            return rows
    return replace(rows, restarts=restarts)


def _start(x, rows, arithmetic):
    """Return X scaled as the schedule asks, in the working type, and X X^H or None."""
    xp = arithmetic.xp
    if dtype_name(x) in ("float16", "bfloat16"):
        x = astype(x, xp.float32)
    if rows.normalization == "frobenius":
        return arithmetic.enter(_scaled(x, rows, arithmetic)), None
    x = _below_one(x, xp)
    x = _divided(x, arithmetic.kernels.frobenius(x), xp)
    return scaled_by_gram(x, arithmetic.kernels.gram(x), rows, arithmetic)


def scaled_by_gram(x, square, rows, arithmetic):
    """Return X scaled by its Gram matrix as the schedule asks, and X X^H or None.

    What the scaling took, the first step need not form again.
    """
    xp = arithmetic.xp
    if rows.normalization == "aol":
        sums = xp.sum(xp.abs(square), axis=-1)
        sums = xp.sqrt(xp.where(sums > 0, sums, xp.ones_like(sums)))[..., None]
        x, square = x / sums, square / (sums * sums.mT)
    else:
        size = xp.sqrt(arithmetic.kernels.frobenius(square))
        size = xp.where(size > 0, size, xp.ones_like(size))[..., None, None]
        size = size * (1.0 + rows.safety)
        x, square = x / size, square / (size * size)
    entered = arithmetic.enter(x)
    same = arithmetic.name in ("fp64", "fp32") and entered.dtype == square.dtype
    return entered, square if same else None


def _scaled(x, rows, arithmetic):
    """Return X divided by its Frobenius norm as the schedule asks, in at least fp32."""
    xp, frobenius = arithmetic.xp, arithmetic.kernels.frobenius
    headroom = 1.0 + rows.safety
    if type(x) is np.ndarray and x.ndim == 2:  # here the value can be looked at for nothing
        norm = frobenius(x)
        if np.isfinite(norm):
            return x if norm == 0 else x / (norm * norm.dtype.type(headroom))
    elif x.ndim == 2 and is_readable(x):
        norm = float(xp.linalg.vector_norm(x))
        if _PLAIN[0] < norm < _PLAIN[1]:
            return x / (norm * headroom)
    x = _below_one(x, xp)  # after which the plain norm is safe, and the faster one
    return _divided(x, xp.linalg.vector_norm(x, axis=(-2, -1)) * headroom, xp)


def _below_one(x, xp):
    """Return X divided by its largest entry, so that its norm cannot overflow."""
    return _divided(x, xp.max(xp.abs(x), axis=(-2, -1)), xp)


def _divided(x, size, xp):
    """Return X / size, and X itself where size is zero."""
    return x / xp.where(size > 0, size, xp.ones_like(size))[..., None, None]
