"""New values of a chosen block: from a bound on its Hessian, or by Newton with a search."""

import numpy as np

from linalg_ml.kernels.dispatch import kernels
from linalg_ml.relaxation.block_quadratic import newton_step, proximal_newton_point

UPDATES = ("gradient", "adaptive", "matrix", "exact", "newton", "two-metric")
_ARMIJO = 1e-10
_BACKTRACKS = 40
_ALMOST_ACTIVE = 1e-4


def gradient_step(problem, point, block, columns, g, estimates):
    """Make the proximal step of length 1 / L_b."""
    constant = problem.block_constant(block, columns)
    return problem.part.proximal_point(point.x[block.index] - g / constant, constant, block.index)


def adaptive_step(problem, point, block, columns, g, estimates):
    """Make the step 1 / L with the least L that lowers f as it would if L were L_b.

    The search doubles L from the largest estimate of the block, and stores what it found. The sum
    of the coordinate constants always suffices, whatever rounding says.
    """
    index = block.index
    x = point.x[index]
    constant = float(estimates[index].max())
    enough = float(problem.curvature[index].sum())
    while True:
        y = problem.part.proximal_point(x - g / constant, constant, index)
        if constant >= enough:
            break
        d = y - x
        change, _ = problem.loss.change(point, columns, d, g)
        if change(1.0) <= float(g @ d) + 0.5 * constant * float(d @ d):
            break
        constant *= 2
    estimates[index] = constant
    return y


def matrix_step(problem, point, block, columns, g, estimates):
    """Minimise the quadratic bound with H_b: exact for quadratic losses."""
    if problem.part.trivial and problem.may_be_forest(block):
        noise = _gradient_noise(problem, point, block.index)
        d, closing = kernels("numpy").forest_solve(problem.graph, block.index, -g, noise)
        if closing is None:
            return point.x[block.index] + d
        problem.not_forests.add(block.key)
    return _minimise_model(problem, point, block, problem.block_matrix(block, columns), g)


def _gradient_noise(problem, point, index):
    """Return below what a gradient that should vanish does not show that f is unbounded.

    It is half of the digits of the terms of the gradient: b may be consistent with a singular A
    to some digits only.
    """
    loss = problem.loss
    size = np.abs(loss.b[index]) + loss.gershgorin[index] * np.abs(point.x[index])
    return np.sqrt(np.finfo(size.dtype).eps) * size


def _minimise_model(problem, point, block, h, g):
    x = point.x[block.index]
    if problem.part.trivial:
        return x + newton_step(h, g)
    if x.size == 1 and h[0, 0] > 0:
        return problem.part.proximal_point(x - g / h[0], h[0], block.index)
    return proximal_newton_point(h, g, x, problem.part.part(block.index))


def newton_search(problem, point, block, columns, g, estimates):
    """Make a Newton step, cut by an Armijo search with interpolation."""
    index, part = block.index, problem.part
    h = problem.loss.hessian(point, columns)
    x = point.x[index]
    y = _minimise_model(problem, point, block, h, g)
    d = y - x
    change, noise = problem.loss.change(point, columns, d, g)
    before = part.value(x)

    def objective(alpha):
        return change(alpha) + part.value(x + alpha * d) - before

    slope = float(g @ d) + part.value(y) - before
    if not slope < 0:
        return x if np.isfinite(slope) else y
    alpha = _line_search(objective, slope, noise)
    return y if alpha == 1 else x + alpha * d


def _line_search(objective, slope, noise):
    """Return a step length: 1, then by quadratic interpolation, then by cubic."""
    alpha = 1.0
    value = objective(alpha)
    before = None
    for _ in range(_BACKTRACKS):
        if value <= _ARMIJO * alpha * slope + noise:
            return alpha
        excess = value - alpha * slope
        if before is None:
            guess = -slope * alpha * alpha / (2 * excess)
        else:
            guess = _cubic(alpha, excess, *before, slope)
        before = alpha, excess
        alpha = guess if 0.01 * alpha < guess < 0.9 * alpha else 0.5 * alpha
        value = objective(alpha)
    return 0.0


def _cubic(a1, excess1, a0, excess0, slope):
    """Return the minimiser of the cubic through two values, with value 0 and ``slope`` at 0."""
    r1, r0 = excess1 / (a1 * a1), excess0 / (a0 * a0)
    third = (r1 - r0) / (a1 - a0)
    second = r1 - third * a1
    root = second * second - 3 * third * slope
    if not root >= 0:
        return 0.0
    bottom = second + np.sqrt(root)
    return -slope / bottom if bottom > 0 else 0.0


def two_metric_step(problem, point, block, columns, g, estimates):
    """Make a projected step: Newton's away from the bounds, the gradient's at them.

    Where x >= 0, the penalty l1 |x| is linear and joins the gradient. At a bound is what lies
    within 1e-4 of it, or within the length of a projected gradient step if that is less.
    """
    index, part = block.index, problem.part
    x, lower, upper = point.x[index], part.lower[index], part.upper[index]
    g = g + part.l1
    reach = min(_ALMOST_ACTIVE, float(np.linalg.norm(x - np.clip(x - g, lower, upper))))
    active = ((x <= lower + reach) & (g > 0)) | ((x >= upper - reach) & (g < 0))
    rest = ~active
    d = np.zeros_like(x)
    if np.any(active):
        d[active] = -g[active] / problem.curvature[index][active].sum()
    if np.any(rest):
        h = problem.loss.hessian(point, columns)
        d[rest] = newton_step(h[np.ix_(rest, rest)], g[rest])
    alpha = 1.0
    for _ in range(_BACKTRACKS):
        y = np.clip(x + alpha * d, lower, upper)
        step = y - x
        change, noise = problem.loss.change(point, columns, step, g)
        extra = part.l1 * float(step.sum()) * (not problem.loss.is_quadratic)
        if change(1.0) + extra <= _ARMIJO * float(g @ step) + noise:
            return y
        alpha *= 0.5
    return x


STEPS = {
    "gradient": gradient_step,
    "adaptive": adaptive_step,
    "matrix": matrix_step,
    "exact": matrix_step,
    "newton": newton_search,
    "two-metric": two_metric_step,
}
