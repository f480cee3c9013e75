"""Least squares by sketching beside LAPACK: forward error, backward error and time."""

import time

import numpy as np
import scipy.linalg

from experiments.study import Study
from linalg_ml import sketched_lstsq, sketching

SOLVERS = (
    "lapack",
    "fossils",
    "iterative",
    "lsqr",
    "fossils-gaussian",
    "fossils-srht",
    "fossils-count",
    "sketch-and-solve",
    "normal-equations",
)


def problem(m, n, condition, residual, rng):
    """Return A with geometric singular values, and b with ||x|| = 1 and ||b - A x|| = residual."""
    u, _ = np.linalg.qr(rng.standard_normal((m, n + 1)))
    v, _ = np.linalg.qr(rng.standard_normal((n, n)))
    a = np.ascontiguousarray((u[:, :n] * np.geomspace(1, 1 / condition, n)) @ v.T)
    x = rng.standard_normal(n)
    return a, a @ (x / np.linalg.norm(x)) + residual * u[:, n]


def reference(a, b, steps=12):
    """Solve the problem as stored, by refinement of (r, A^T r) = (b - A x, 0) in long double.

    Where long double is no longer than double, so is the reference.
    """
    q, r = np.linalg.qr(a)
    wide, target = a.astype(np.longdouble), b.astype(np.longdouble)
    x, rest = np.zeros(a.shape[1], np.longdouble), np.zeros_like(target)
    for _ in range(steps):
        f = (target - rest - wide @ x).astype(float)
        g = (-(wide.T @ rest)).astype(float)
        h = scipy.linalg.solve_triangular(r, g, trans="T")
        d = q.T @ f
        x += scipy.linalg.solve_triangular(r, d - h)
        rest += f - q @ d + q @ h
    return x.astype(float), float(np.linalg.norm(rest))


def solve(name, a, b, seed):
    """Return x and the steps of a solver."""
    if name == "lapack":
        return np.linalg.lstsq(a, b)[0], 0
    if name == "normal-equations":
        return np.linalg.solve(a.T @ a, a.T @ b), 0
    if name == "sketch-and-solve":
        s = sketching.embedding("sparse-sign", (4 * a.shape[1] + 10, len(a)), rng=seed)
        return np.linalg.lstsq(s @ a, s @ b)[0], 0
    method, _, kind = name.partition("-")
    result = sketched_lstsq(a, b, method=method, sketch=kind or "sparse-sign", rng=seed)
    return result.x, result.nit


def backward_error(a, b, x, svd):
    """Return the relative backward error, by the estimate of Karlson and Walden."""
    _, s, vt = svd
    r = b - a @ x
    size = np.linalg.norm(a)
    theta = size / np.linalg.norm(b)
    gradient = vt @ (a.T @ r)
    c = theta**2 * (r @ r) / (1 + theta**2 * (x @ x))
    weighed = np.linalg.norm(gradient / np.sqrt(s**2 + c))
    return theta / np.sqrt(1 + theta**2 * (x @ x)) * weighed / size


def compute(cell, context):
    """Yield one record for each solver on one problem."""
    m, n = cell["rows"], cell["columns"]
    condition, residual = cell["condition"], cell["residual"]
    a, b = problem(m, n, condition, residual, context.rng("matrix", m, n, condition))
    x, least = reference(a, b)
    svd = np.linalg.svd(a, full_matrices=False)
    # What a backward error of one unit roundoff does to x, to first order.
    sensitivity = condition * (1 + condition * least / np.linalg.norm(x)) * 2.0**-53
    for name in SOLVERS:
        errors, backward, clocks, steps = [], [], [], []
        for seed in range(cell["seeds"]):
            start = time.perf_counter()
            try:
                found, nit = solve(name, a, b, 100 * context.seed + seed)
            except np.linalg.LinAlgError:
                found, nit = np.full(n, np.nan), 0
            clocks.append(time.perf_counter() - start)
            errors.append(np.linalg.norm(found - x) / np.linalg.norm(x))
            backward.append(backward_error(a, b, found, svd))
            steps.append(nit)
        seconds = min(clocks)
        if name == "lapack":
            theirs, lapack = seconds, np.median(errors)
        yield {
            "solver": name,
            "error": np.median(errors),
            "over_lapack": np.median(errors) / lapack,
            "worst_over_lapack": np.max(errors) / lapack,
            "backward_error": np.median(backward),
            "sensitivity": sensitivity,
            "steps": np.median(steps),
            "seconds": seconds,
            "time_over_lapack": seconds / theirs,
        }


STUDY = Study(
    name="sketching_least_squares",
    title="Sketched least squares beside LAPACK",
    summary=(
        "Tall dense problems with geometric singular values and a small or a large residual. "
        "Forward error against a solution refined in long double, backward error, and time over "
        "that of numpy.linalg.lstsq, for the solvers of sketched_lstsq, for sketching without "
        "iterating, and for the normal equations."
    ),
    compute=compute,
    quick={
        "rows": 4000,
        "columns": 100,
        "condition": (1e1, 1e3, 1e5, 1e7, 1e9, 1e11),
        "residual": (1e-12, 1e-3),
        "seeds": 3,
    },
    full={
        "rows": 40000,
        "columns": 1000,
        "condition": (1e1, 1e4, 1e7, 1e10),
        "residual": (1e-12, 1e-3),
        "seeds": 3,
    },
    quick_seconds=20,
    full_seconds=3000,
    timed=True,
)
