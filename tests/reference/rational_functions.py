"""Zolotarev's functions and the Halley weights in many digits, from their definitions."""

import mpmath as mp


def zolotarev_coefficients(lower, order, digits=80):
    """Return c_1, ..., c_{2r} with mpmath's own elliptic functions."""
    with mp.workdps(digits):
        lower = mp.mpf(lower)
        m = 1 - lower**2
        quarter = mp.ellipk(m)
        u = [i * quarter / (2 * order + 1) for i in range(1, 2 * order + 1)]
        return [lower**2 * (mp.ellipfun("sn", x, m=m) / mp.ellipfun("cn", x, m=m)) ** 2 for x in u]


def zolotarev_value(x, lower, order, digits=80):
    """Return f(x) as a product, scaled to f(1) = 1."""
    with mp.workdps(digits):
        c = zolotarev_coefficients(lower, order, digits)
        x = mp.mpf(x)

        def product(x):
            value = x
            for pole, zero in zip(c[::2], c[1::2], strict=True):
                value *= (x**2 + zero) / (x**2 + pole)
            return value

        return product(x) / product(mp.mpf(1))


def qdwh_weights(lower, digits=80):
    """Return (a, b, c) from the closed form."""
    with mp.workdps(digits):
        lower = mp.mpf(lower)
        d = mp.cbrt(4 * (1 - lower**2) / lower**4)
        root = mp.sqrt(1 + d)
        a = root + mp.sqrt(8 - 4 * d + 8 * (2 - lower**2) / (lower**2 * root)) / 2
        b = (a - 1) ** 2 / 4
        return a, b, a + b - 1


def qdwh_value(x, lower, digits=80):
    """Return x (a + b x^2) / (1 + c x^2)."""
    with mp.workdps(digits):
        a, b, c = qdwh_weights(lower, digits)
        x = mp.mpf(x)
        return x * (a + b * x**2) / (1 + c * x**2)
