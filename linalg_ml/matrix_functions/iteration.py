"""Apply odd polynomials to the singular values (or eigenvalues) of a matrix."""

import warnings

# Lists that are optimal on their interval, and so grow fast beyond it.
_OPTIMAL = ("minimax", "cans", "polar-express-raw")


def apply_polynomial(x, coefficients, arithmetic, *, square=None, symmetric=True):
    """Return p(X) = c_0 X + c_1 A X + c_2 A^2 X + ..., with A the square of X.

    Parameters
    ----------
    x : array of shape (..., m, n)
        Wide (m <= n), in the working type.
    coefficients : sequence of float
        (c_0, ..., c_q) of p(t) = sum c_i t^(2i+1), q <= 6.
    arithmetic : Arithmetic
        Makes and counts the products: 2 for degree 3, 3 for degree 5, 4 for degrees 7 and 9, 5
        for 11 and 13, all but the first and the last of order m.
    square : array of shape (..., m, m), optional
        A, if it is known: X X^H for singular values, X X for eigenvalues.
    symmetric : bool
        Whether A is Hermitian. If not, p acts on the eigenvalues of X.

    Returns
    -------
    array of shape (..., m, n)
    """
    if len(coefficients) == 1:
        return arithmetic.store(coefficients[0] * x)
    if square is None and symmetric and len(coefficients) == 3:
        return arithmetic.quintic(x, *coefficients)
    if square is None:
        square = arithmetic.gram(x) if symmetric else arithmetic.mm(x, x)
    if len(coefficients) == 2:
        return arithmetic.mm(square, x, alpha=coefficients[1], beta=coefficients[0], y=x)
    even = even_part(square, coefficients[1:], arithmetic, symmetric=symmetric)
    return arithmetic.mm(even, x, beta=coefficients[0], y=x)


def even_part(a, c, arithmetic, *, symmetric=True):
    """Return c[0] A + c[1] A^2 + ..., up to c[5] A^6, with the fewest products."""
    multiply, store = arithmetic.mm_sym if symmetric else arithmetic.mm, arithmetic.store
    if len(c) == 1:
        return store(c[0] * a)
    if len(c) == 2:
        return multiply(a, a, alpha=c[1], beta=c[0], y=a)
    a2 = multiply(a, a)
    if len(c) == 3:
        return multiply(a2, a, alpha=c[2], beta=1.0, y=store(c[0] * a + c[1] * a2))
    if len(c) == 4:
        low = store(c[0] * a + c[1] * a2)
        return multiply(a2, store(c[2] * a + c[3] * a2), beta=1.0, y=low)
    a3 = multiply(a2, a)
    low = store(c[0] * a + c[1] * a2 + c[2] * a3)
    high = c[3] * a + c[4] * a2
    if len(c) == 6:
        high = high + c[5] * a3
    return multiply(a3, store(high), beta=1.0, y=low)


def warn_if_unsafe(schedule, precision):
    """Warn of an optimal schedule without safety factor in a precision that needs one."""
    if precision == "bf16" and schedule.safety == 0 and schedule.name in _OPTIMAL:
        warnings.warn(
            "a minimax schedule with safety=0 can blow up in bf16, whose rounding pushes singular "
            "values out of its interval; use safety=0.01",
            UserWarning,
            stacklevel=4,
        )
