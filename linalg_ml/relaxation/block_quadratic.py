"""The small problem of one block: a quadratic model with l1 and bounds, solved to the end."""

import numpy as np

from linalg_ml.kernels.dispatch import kernels

_ROUNDS = 100


def newton_step(h, slope):
    """Return -H^+ slope for a symmetric positive semidefinite H."""
    n = slope.size
    if n == 1:
        return -slope / h[0] if h[0, 0] > 0 else np.zeros_like(slope)
    eps = np.finfo(h.dtype).eps
    try:
        pivots = np.diagonal(np.linalg.cholesky(h))
        if pivots.min() ** 2 > 100 * n * eps * np.abs(np.diagonal(h)).max():
            return -np.linalg.solve(h, slope)
    except np.linalg.LinAlgError:
        pass
    if not np.all(np.isfinite(h)):
        return np.full_like(slope, np.nan)
    w, v = np.linalg.eigh(h)
    kept = w > n * eps * w[-1]
    inverse = np.where(kept, 1, 0) / np.where(kept, w, 1)
    return -(v @ (inverse * (v.T @ slope)))


def largest_eigenvalue(h):
    """Return the largest eigenvalue of a symmetric matrix; NaN if it holds NaN."""
    if h.shape[0] == 1:
        return float(h[0, 0])
    return float(np.linalg.eigvalsh(h)[-1]) if np.all(np.isfinite(h)) else float("nan")


def proximal_newton_point(h, slope, x, part):
    """Return x + d, d the minimiser of slope d + d^T H d / 2 + l1 ||x + d||_1 within the bounds.

    An active-set method: Newton steps on the free coordinates, each cut where the first of them
    meets a bound or zero and stays there, until one is not cut; then sweeps of proximal steps
    over all coordinates, which set free those that want to leave, until none does.
    """
    diagonal = np.diagonal(h)
    eps = np.finfo(h.dtype).eps
    curvature = np.maximum(diagonal, eps * max(float(diagonal.max(initial=0.0)), 1e-30))
    y, order, rows = x.copy(), np.arange(x.size), np.ascontiguousarray(h)  # y is x + d
    offset = h @ x - slope  # the slope of the model at y is H y - offset
    sweep = kernels("numpy").coordinate_steps
    for _ in range(_ROUNDS):
        for _ in range(3):
            sweep(rows, order, y, y, offset, curvature, part.l1, part.lower, part.upper,
                  residual=False)  # fmt: skip
        if not np.all(np.isfinite(y)):
            break
        _minimise_on_face(h, offset, y, part)
        step = part.step(y, h @ y - offset, curvature)
        size = np.abs(h) @ np.abs(y) + np.abs(offset) + part.l1
        if np.all(np.abs(step) * curvature <= 1e2 * x.size * eps * size):
            break
    return y


def _minimise_on_face(h, offset, y, part):
    """Minimise over the free coordinates of y, in place, fixing those that meet a bound."""
    while True:
        free = np.flatnonzero(part.free(y))
        if not free.size:
            return
        start = y[free]
        slope = h[free] @ y - offset[free] + part.l1 * np.sign(start)
        d = newton_step(h[np.ix_(free, free)], slope)
        low, high = part.lower[free], part.upper[free]
        if part.l1:  # a coordinate keeps its sign on the way
            low = np.where(start > 0, np.maximum(low, 0), low)
            high = np.where(start < 0, np.minimum(high, 0), high)
        ends = np.where(d < 0, low, high)
        room = np.where(d != 0, (ends - start) / np.where(d != 0, d, 1), np.inf)
        cut = int(np.argmin(room))
        if room[cut] > 1:
            y[free] = start + d
            return
        y[free] = np.clip(start + room[cut] * d, low, high)
        y[free[cut]] = ends[cut]


def lanczos_estimate(apply, size, dtype, rng):
    """Return an estimate of the largest eigenvalue, by Lanczos: rarely 1 % too small."""
    if size <= 1:
        return largest_eigenvalue(np.reshape(apply(np.ones(size, dtype)), (1, 1))) if size else 1.0
    v = rng.standard_normal(size).astype(dtype)
    v /= np.linalg.norm(v)
    basis, alphas, betas = [v], [], []
    for _ in range(min(size, 30)):
        w = apply(basis[-1])
        alphas.append(float(w @ basis[-1]))
        for _ in range(2):
            for u in basis:
                w = w - (u @ w) * u
        beta = float(np.linalg.norm(w))
        if not beta > 1e-10 * abs(alphas[0]):
            break
        betas.append(beta)
        basis.append(w / w.dtype.type(beta))
    k = len(alphas)
    t = np.diag(alphas) + np.diag(betas[: k - 1], 1) + np.diag(betas[: k - 1], -1)
    return largest_eigenvalue(t)
