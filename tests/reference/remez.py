"""Slow, simple references in many digits for the polynomials of linalg_ml.matrix_functions.

Everything here works with monomials in x, in mpmath, with enough digits to afford it.
"""

import itertools

from mpmath import ceil, cos, findroot, log10, lu_solve, matrix, mp, mpf, pi, sqrt, workdps


def remez(lower, upper, degree, digits=60):
    """Return ``((c_0, ..., c_q), E)`` of the best odd approximation of 1 on [lower, upper].

    Exchange algorithm on the system ``p(x_i) + (-1)^i E = 1``; new points are the extremes of the
    error, each between two neighbouring zeros of it, found by bracketing. All numbers are mpf.
    """
    q = (degree - 1) // 2
    gap = (mpf(upper) - mpf(lower)) / mpf(upper)
    # The monomial system loses about 2 q + 2 times the digits that lower and upper share.
    with workdps(digits + int(ceil((2 * q + 4) * max(0, -log10(gap))))):
        l, u = mpf(lower), mpf(upper)
        x = [(l + u) / 2 - (u - l) / 2 * cos(pi * i / (q + 1)) for i in range(q + 2)]
        for _ in range(40):
            system = matrix(q + 2, q + 2)
            for i in range(q + 2):
                for j in range(q + 1):
                    system[i, j] = x[i] ** (2 * j + 1)
                system[i, q + 1] = (-1) ** i
            solution = list(lu_solve(system, matrix([1] * (q + 2))))
            c, level = solution[:-1], solution[-1]
            zeros = [
                bracketed_root(lambda z, c=c: 1 - power_sum(c, z), a, b)
                for a, b in itertools.pairwise(x)
            ]
            inner = [
                bracketed_root(lambda z, c=c: slope(c, z), a, b)
                for a, b in itertools.pairwise(zeros)
            ]
            change = max((abs(a - b) for a, b in zip(x[1:-1], inner, strict=True)), default=0)
            x = [l, *inner, u]
            if change <= (u - l) * mpf(10) ** -18:
                return tuple(c), level
    raise ArithmeticError("no convergence")


def cubic(lower, upper):
    """Return the best cubic in closed form, as ``((c_0, c_1), E)``."""
    with workdps(120):
        l, u = mpf(lower), mpf(upper)
        alpha = sqrt(3 / (u * u + l * u + l * l))
        beta = 4 / (2 + l * u * (l + u) * alpha**3)
        a, b = 3 * alpha * beta / 2, -(alpha**3) * beta / 2
        return (a, b), 1 - (a * l + b * l**3)


def composition(lower, steps, degree, digits=60):
    """Return the optimal composition on [lower, 1]: a list of ``(coefficients, error)``."""
    with workdps(digits):
        rows = []
        l, u = mpf(lower), mpf(1)
        for _ in range(steps):
            c, level = remez(l, u, degree, digits)
            rows.append((c, level))
            l, u = 1 - level, 1 + level
        return rows


def contrast_cushion(degree, contrast=0.1):
    """Return the l at which the best polynomial on [l, 1] has minimum / maximum = contrast."""
    with workdps(40):
        target = (1 - mpf(contrast)) / (1 + mpf(contrast))

        def excess(l):
            return remez(l, 1, degree, 40)[1] - target

        return findroot(excess, (mpf("0.005"), mpf("0.05")), solver="anderson", tol=1e-40)


def power_sum(c, x):
    """Evaluate the odd polynomial term by term."""
    return sum(a * x ** (2 * i + 1) for i, a in enumerate(c))


def slope(c, x):
    """Evaluate the derivative of the odd polynomial term by term."""
    return sum((2 * i + 1) * a * x ** (2 * i) for i, a in enumerate(c))


def bracketed_root(f, a, b):
    """Find a root between a and b, where f has opposite signs, by Ridders' method."""
    fa, fb = f(a), f(b)
    if fa * fb > 0:
        raise ArithmeticError("no change of sign")
    width = abs(b - a) * mpf(10) ** -(mp.dps // 2)
    old = None
    for _ in range(500):
        m = (a + b) / 2
        fm = f(m)
        root = sqrt(fm * fm - fa * fb)
        if root == 0:
            return m
        x = m + (m - a) * (1 if fa > fb else -1) * fm / root
        fx = f(x)
        if fx == 0 or (old is not None and abs(x - old) <= width):
            return x
        old = x
        if fm * fx < 0:
            a, fa, b, fb = m, fm, x, fx
        elif fa * fx < 0:
            b, fb = x, fx
        else:
            a, fa = x, fx
    raise ArithmeticError("no root found")
