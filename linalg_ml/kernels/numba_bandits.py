"""Compiled rounds of bandits. Each is compiled when first called, and kept on disk.

Written with loops: array expressions take numba many times longer to compile.
"""

import numpy as np
from numba import njit


def _compiled(function):
    try:
        return njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # no folder to keep it in
        return njit(function, nogil=True, error_model="numpy")


@_compiled
def _tsallis(losses, unit, z, out):
    least = losses[0]
    for i in range(losses.size):
        least = min(least, losses[i])
    z = max(z, 1.0)
    for _ in range(100):
        squares = 0.0
        cubes = 0.0
        for i in range(losses.size):
            w = 1 / ((losses[i] - least) / unit + z)
            out[i] = w * w
            squares += w * w
            cubes += w * w * w
        # Newton's method on squares^(-1/2), concave and increasing in z: one step from anywhere
        # ends on the left of the root, and the next ones climb to it.
        step = squares * (np.sqrt(squares) - 1) / cubes
        if np.abs(step) <= 1e-14 * z:
            break
        z = max(z + step, 1.0)
    for i in range(losses.size):
        out[i] /= squares
    return z


@_compiled
def _draw(probabilities, u):
    total = 0.0
    last = 0
    for i in range(probabilities.size):
        if probabilities[i] > 0:
            total += probabilities[i]
            last = i
            if u < total:
                break
    return last


@_compiled
def _tsallis_draw(losses, unit, z, u, out):
    z = _tsallis(losses, unit, z, out)
    return _draw(out, u), z


def tsallis(losses, unit, z, out):
    """Write p_i = 1 / ((k_i - min k) / unit + z)^2 of sum 1 into ``out``; return z.

    Newton's method from the ``z`` given, from 1 if that is smaller: safe from anywhere, and two
    or three steps from the root of the round before.
    """
    return _tsallis(losses, unit, z, out)


def tsallis_draw(losses, unit, z, u, out):
    """Do what `tsallis` does, and return (the arm that the uniform number ``u`` picks, z)."""
    return _tsallis_draw(losses, unit, z, u, out)


@_compiled
def _add_baselines(baselines, probabilities, least, index):
    for i in range(baselines.size):
        if probabilities[i] >= least:
            baselines[i] += 0.5
            if i == index:
                baselines[i] -= 0.5 / probabilities[i]


def add_baselines(baselines, probabilities, least, index):
    """Add the estimate of a loss of 1/2 to the arms of probability >= ``least``, in place.

    1/2 for each, and -1/2 over its probability for the arm ``index`` that was drawn.
    """
    _add_baselines(baselines, probabilities, least, index)


@_compiled
def _dot(a, b):
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@_compiled
def _inverse_gap_draw(theta, features, eta, u):
    arms = theta.shape[0]
    scores = np.empty(arms)
    best = 0
    for i in range(arms):
        scores[i] = _dot(theta[i], features)
        if scores[i] < scores[best]:
            best = i
    least = scores[best]
    rest = 1.0
    for i in range(arms):
        gap = scores[i] - least
        scores[i] = 1 / (arms + eta * gap)
        if i != best:
            rest -= scores[i]
    scores[best] = rest
    i = _draw(scores, u)
    return i, _dot(theta[i], features)


def inverse_gap_draw(theta, features, eta, u):
    """Return the arm ``u`` picks, and its predicted cost.

    p_i = 1 / (d + eta (s_i - min s)) with s = theta f; the arm of least s has what is left.
    """
    return _inverse_gap_draw(theta, features, eta, u)


@_compiled
def _append_row(factor, row):
    n = row.size
    for j in range(min(n, factor.shape[0])):
        if row[j] == 0:
            continue
        length = np.hypot(factor[j, j], row[j])
        c, s = factor[j, j] / length, row[j] / length
        for k in range(j, n):
            a, b = factor[j, k], row[k]
            factor[j, k] = c * a + s * b
            row[k] = c * b - s * a


def append_row(factor, row):
    """Append a row to a matrix known by its triangular factor, in place (Givens rotations).

    ``factor`` is upper trapezoidal, (n, k) with k >= n; ``row`` (k,) is overwritten, and ends
    with what is orthogonal to the first n columns.
    """
    _append_row(factor, row)


@_compiled
def _length(column):
    return np.sqrt(_dot(column, column))


@_compiled
def _free_step(r, residual, free):
    """Return the basic least-squares solution of r[:, free] d = residual, zero elsewhere."""
    n = free.size
    a = np.empty((n + 1, n))  # its rows are the free columns of r, and the residual
    place = np.zeros(n, np.int64)
    count = 0
    for j in range(n):
        if free[j]:
            for i in range(n):
                a[count, i] = r[i, j]
            place[count] = j
            count += 1
    for i in range(n):
        a[count, i] = residual[i]
    d = np.zeros(n)
    used = np.zeros(n, np.int64)  # which column each pivot row belongs to
    row = 0
    for j in range(count):
        if row >= n:
            break
        length = _length(a[j, row:])
        if length <= 1e-12 * _length(r[:, place[j]]) or length == 0:
            continue  # a combination of the columns before: its coefficient stays
        v = a[j, row:].copy()
        v[0] += length if v[0] >= 0 else -length
        vv = _dot(v, v)
        for k in range(j, count + 1):
            factor = 2 * _dot(v, a[k, row:]) / vv
            for i in range(v.size):
                a[k, row + i] -= factor * v[i]
        used[row] = j
        row += 1
    for t in range(row - 1, -1, -1):
        s = a[count, t]
        for q in range(t + 1, row):
            s -= a[used[q], t] * d[place[used[q]]]
        d[place[used[t]]] = s / a[used[t], t]
    return d


@_compiled
def _triangular_solution(r, y, theta):
    """Solve r theta = y; return whether r has full rank, to rounding."""
    n = theta.size
    for j in range(n):
        if not np.abs(r[j, j]) > 1e-12 * _length(r[:, j]):
            return False
    for t in range(n - 1, -1, -1):
        s = y[t]
        for q in range(t + 1, n):
            s -= r[t, q] * theta[q]
        theta[t] = s / r[t, t]
    return True


@_compiled
def _residual(r, y, theta, out):
    """Write y - r theta into ``out``; return its squared norm."""
    for i in range(y.size):
        out[i] = y[i] - _dot(r[i], theta)
    return _dot(out, out)


@_compiled
def _box_least_squares(r, y, bound, theta):
    n = theta.size
    free = np.zeros(n, np.bool_)
    lengths = np.empty(n)
    squares = 0.0
    for i in range(n):
        theta[i] = min(max(theta[i], -bound[i]), bound[i])
        free[i] = np.abs(theta[i]) < bound[i]
        lengths[i] = _length(r[:, i])
        squares += lengths[i] ** 2
    tolerance = 1e-13 * np.sqrt(_dot(y, y) + squares * _dot(bound, bound))
    residual = np.empty(n)
    for _ in range(20 * n):
        # The best point of the face, or where the way to it leaves the box.
        for _ in range(n + 1):
            _residual(r, y, theta, residual)
            d = _free_step(r, residual, free)
            t = 1.0
            hit = -1
            for i in range(n):
                if free[i] and np.abs(theta[i] + d[i]) > bound[i]:
                    reach = (np.copysign(bound[i], d[i]) - theta[i]) / d[i]
                    if reach < t:
                        t = max(reach, 0.0)
                        hit = i
            for i in range(n):
                theta[i] += t * d[i]
            if hit < 0:
                break
            theta[hit] = np.copysign(bound[hit], d[hit])
            free[hit] = False
        # Let go of the bound that the gradient most wants to leave.
        _residual(r, y, theta, residual)
        worst = tolerance
        leave = -1
        for i in range(n):
            if not free[i] and lengths[i] > 0:
                gradient = -_dot(r[:, i], residual)
                pull = np.copysign(gradient, theta[i] * gradient) / lengths[i]
                if pull > worst:
                    worst = pull
                    leave = i
        if leave < 0:
            break
        free[leave] = True
    return _residual(r, y, theta, residual)


def box_least_squares(r, y, bound, theta):
    """Minimise ||r theta - y||^2 over |theta_i| <= bound_i in place of ``theta``; return it.

    An active-set method that starts from ``theta``, clipped; ``r`` is square, of a few columns.
    """
    return _box_least_squares(r, y, bound, theta)


@_compiled
def _triangular_fit(factor, unit, bound, theta):
    n = theta.size
    r = np.empty((n, n))
    y = np.empty(n)
    before = np.empty(n)
    for i in range(n):
        for j in range(n):
            r[i, j] = factor[i, j]
        y[i] = factor[i, n] / unit
        before[i] = theta[i]
    if not _triangular_solution(r, y, theta):
        for i in range(n):
            theta[i] = before[i]
        return -1.0
    for i in range(n):
        if np.abs(theta[i]) > bound[i]:
            for j in range(n):
                theta[j] = before[j]  # near, and in the box
            return _box_least_squares(r, y, bound, theta)
    return 0.0


def triangular_fit(factor, unit, bound, theta):
    """Fit theta to [r | unit y] = ``factor`` within the box; return the squared error.

    The error is 0 where the bounds did not matter, and -1, with ``theta`` untouched, where r
    has not full rank.
    """
    return _triangular_fit(factor, unit, bound, theta)
