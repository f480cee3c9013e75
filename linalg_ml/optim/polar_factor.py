"""The polar factor inside an optimizer: a fixed number of steps, nothing read back."""

from linalg_ml._core import checks
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions.composition import Schedule
from linalg_ml.matrix_functions.direct_methods import finite_or_identity
from linalg_ml.matrix_functions.iteration import apply_polynomial
from linalg_ml.matrix_functions.orthogonalize import orthogonalize
from linalg_ml.matrix_functions.polar_problem import unit_matrix
from linalg_ml.matrix_functions.rational_methods import apply_function
from linalg_ml.matrix_functions.rational_weights import (
    qdwh_function,
    zolotarev_function,
    zolotarev_order,
)
from linalg_ml.matrix_functions.schedules import schedule_names
from linalg_ml.matrix_functions.spectrum import adjoint

RATIONAL = ("qdwh", "zolotarev")
POLYNOMIAL_STEPS = 8
FACTORISING = (*RATIONAL, "svd")
_NEWTON_SCHULZ = (1.5, -0.5)
_NOISE = 1000  # roundoffs
_DONE = 1e-6  # distance from one that the last Newton-Schulz step takes to the roundoff


def check_method(method, name="method"):
    """Return the way to a polar factor, if there is such a one; the argument is called ``name``."""
    if isinstance(method, str):
        return checks.choice(method, (*FACTORISING, *schedule_names()), name)
    if not isinstance(method, Schedule):
        raise TypeError(f"{name} must be a name or a Schedule, got {type(method).__name__}")
    return method


def polar_factor(a, method, *, steps=None, rcond=None, precision=None):
    """Compute the unitary polar factor of a matrix, or of each of a stack, in a fixed time.

    Parameters
    ----------
    a : array of shape (..., m, n)
    method : str or Schedule
        "qdwh", "zolotarev", "svd", or polynomials: a name that `schedule` knows, or a Schedule.
    steps : int, optional
        Steps to make. None: as many as all singular values above ``rcond`` need to get to one with
        a rational method, 8 with polynomials.
    rcond : float, optional
        Smallest over largest singular value that a rational method resolves. None is 1000 times
        the unit roundoff: below, there is little but rounding errors, which would come up too.
    precision : None, str or Precision
        Arithmetic of the products; factorisations run in at least fp32.

    Returns
    -------
    array of shape (..., m, n)
        Zero where ``a`` is zero.
    """
    if method == "svd":
        return _by_svd(a, precision)
    if method not in RATIONAL:
        steps = POLYNOMIAL_STEPS if steps is None else steps
        return orthogonalize(a, steps=steps, schedule=method, precision=precision)
    m, n = a.shape[-2:]
    if m > n:
        found = polar_factor(adjoint(a), method, steps=steps, rcond=rcond, precision=precision)
        return adjoint(found)
    arithmetic = Arithmetic(precision, a)
    unit, _, wide = unit_matrix(a, arithmetic)
    # The Schatten-4 norm is between sigma_max and m^(1/4) sigma_max.
    square = wide.gram(unit)
    bound = wide.xp.sqrt(wide.frobenius(square))[..., None, None]
    bound = wide.xp.where(bound > 0, bound, wide.xp.ones_like(bound))
    x, square = unit / bound, square / (bound * bound)
    u = wide.unit_roundoff
    for f in rational_functions(method, max((rcond or _NOISE * u) * m**-0.25, u / 4), steps, u):
        x, square = apply_function(f, x, square, wide), None
    x = arithmetic.enter(x)
    return arithmetic.leave(apply_polynomial(x, _NEWTON_SCHULZ, arithmetic))


def rational_functions(method, lower, steps, unit_roundoff):
    """List the functions of the steps, for singular values from ``lower`` to one."""
    functions = []
    order = zolotarev_order(lower, steps or 2, unit_roundoff) if method == "zolotarev" else 1
    while len(functions) < steps if steps is not None else 1 - lower > _DONE:
        f = qdwh_function(lower) if method == "qdwh" else zolotarev_function(lower, order)
        functions.append(f)
        lower = min(f(lower), 1.0)
    return functions


def _by_svd(a, precision):
    """Return U V^H, zero in the directions whose singular value is exactly zero."""
    wide = Arithmetic(precision, a).at_least_fp32(a)
    xp, a_wide = wide.xp, wide.enter(a)
    u, s, vh = wide.kernels.thin_svd(finite_or_identity(a_wide, xp))
    present = xp.astype(s > 0, u.dtype)
    nan = xp.sum(a_wide * 0, axis=(-2, -1), keepdims=True)  # what libraries would refuse
    return wide.leave(wide.mm(u * present[..., None, :], vh) + nan, a.dtype)
