"""Cheap rigorous bounds on the largest and smallest singular values."""

from linalg_ml._core.namespace import COMPLEX_OF, dtype_name, is_traced, namespace


def adjoint(x):
    """Return X^H for (stacks of) matrices."""
    if dtype_name(x) in COMPLEX_OF.values():
        return namespace(x).conj(x.mT)
    return x.mT


def largest_singular_value(gram, arithmetic):
    """Bound sigma_max(X) from above by the Schatten-4 norm ||X X^H||_F^(1/2).

    For a matrix of Frobenius norm one, its square bounds sigma_max from below.
    """
    return arithmetic.xp.sqrt(arithmetic.frobenius(gram))


def smallest_singular_value(x, gram, arithmetic):
    """Bound sigma_min of a wide matrix X from below, to within a factor m^(1/4).

    One inversion of order m: of X X^H, whose inverse has a Frobenius norm of at least
    sigma_min^(-2); or, where X X^H is too ill-conditioned for that in this arithmetic, of the
    triangular factor of X^H.

    Returns
    -------
    array of the shape of the stack
        0 where the matrix is singular to working precision.
    """
    xp = arithmetic.xp
    m = x.shape[-2]
    inverse = _inverse(gram, arithmetic)
    squared = _reciprocal(arithmetic.frobenius(inverse), xp)
    least = 100 * m * arithmetic.unit_roundoff * arithmetic.frobenius(gram)
    reliable = squared > least
    bound = xp.sqrt(squared)
    if not bool(xp.all(reliable)):
        r = xp.linalg.qr(adjoint(x), mode="reduced")[1]
        inverse = _inverse(r, arithmetic)
        size = arithmetic.frobenius(inverse)  # scaled to one before squaring against overflow
        unit = inverse * _reciprocal(size, xp)[..., None, None]
        norm = size * xp.sqrt(arithmetic.frobenius(arithmetic.gram(unit)))
        bound = xp.where(reliable, bound, _reciprocal(norm, xp))
    return bound


def _reciprocal(x, xp):
    """Return 1/x where that is a positive number, else 0."""
    usable = xp.isfinite(x) & (x > 0)
    return xp.where(usable, 1.0 / xp.where(usable, x, xp.ones_like(x)), xp.zeros_like(x))


def _inverse(a, arithmetic):
    """Return the inverse, or infinities where the library refuses a singular matrix."""
    xp = arithmetic.xp
    try:
        return xp.linalg.inv(a)
    except Exception as error:  # each library has a class of its own for this
        if is_traced(a) or "singular" not in str(error).lower():
            raise
    if a.ndim == 2:
        return xp.full_like(a, float("inf"))
    return xp.stack([_inverse(a[i, ...], arithmetic) for i in range(a.shape[0])])
