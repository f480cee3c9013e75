"""The exact augmented Lagrangian, which penalises infeasibility and non-stationarity."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Penalties:
    """The weights of the merit function, and the relative accuracy asked of the inner solves."""

    eta1: float
    eta2: float
    delta: float


def merit(point, penalties, space):
    """Return f + lam^T c + eta1 / 2 ||c||^2 + eta2 / 2 ||grad_x L||^2, and the size of its terms.

    Parameters
    ----------
    point : Point
    penalties : Penalties
    space : Evaluation
        For inner products.

    Returns
    -------
    value, size : float
        ``size`` is the sum of the terms' absolute values: what rounding is relative to.
    """
    terms = (
        point.value,
        space.dot(point.lam, point.c),
        0.5 * penalties.eta1 * space.dot(point.c, point.c),
        0.5 * penalties.eta2 * space.dot(point.stationarity, point.stationarity),
    )
    return sum(terms), sum(map(abs, terms))


def merit_gradient(point, hessian, penalties, space):
    """Return the gradient of `merit` in (x, lam), one vector.

    In x it is grad_x L + eta2 H grad_x L + eta1 G^T c, in lam it is c + eta2 G grad_x L.

    Parameters
    ----------
    point : Point
    hessian : array of shape (n, n)
        H, the Hessian of the Lagrangian. With the Hessian of f alone in its place, as in the
        programs of Hong et al., the result is not the gradient where c is nonlinear.
    penalties : Penalties
    space : Evaluation
    """
    s, g = point.stationarity, point.jacobian
    in_x = s + penalties.eta2 * space.times(hessian, s)
    in_x = in_x + penalties.eta1 * space.times(g.mT, point.c)
    in_lam = point.c + penalties.eta2 * space.times(g, s)
    return space.xp.concat([in_x, in_lam])
