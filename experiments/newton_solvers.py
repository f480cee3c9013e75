"""Solvers of equality-constrained problems, each as a function that reports the same things."""

import time
import warnings
from functools import partial

import numpy as np

from linalg_ml import sketched_newton
from linalg_ml.constrained import SketchedNewton

PUBLISHED_CAP = 100000  # sketches between two checks of the accuracy, as in the authors' programs
BLOCK_CAP = 10000  # the same for blocks of sketches, which are dearer
OURS = {
    "block": SketchedNewton(),
    "exact": SketchedNewton(inner="exact"),
    "minres": SketchedNewton(inner="minres"),
    "gaussian": SketchedNewton(inner="gaussian", inner_maxiter=BLOCK_CAP),
    "published-exact": SketchedNewton.published("exact"),
    "published-kaczmarz": SketchedNewton.published("kaczmarz", inner_maxiter=PUBLISHED_CAP),
    "published-gaussian-vector": SketchedNewton.published(
        "gaussian-vector", inner_maxiter=PUBLISHED_CAP
    ),
    "adaptive-l1": "adaptive-l1",
    "l1": "l1",
    "augmented-lagrangian": "augmented-lagrangian",
}
PEERS = ("trust-constr", "slsqp")
# Steps of the inner solver after which a run ends, so that none takes hours: short cycles of GMRES,
# and single sketches, which are a hundred times cheaper.
INNER_BUDGET = {
    "adaptive-l1": 50_000,
    "l1": 50_000,
    "gaussian": 30_000,
    "published-kaczmarz": 2_000_000,
    "published-gaussian-vector": 2_000_000,
}


def solve(solver, problem, *, tolerance, maxiter=300, rng=0):
    """Solve a problem.

    Parameters
    ----------
    solver : str
        A key of `OURS`, or one of `PEERS`, which are SciPy's.
    problem
        With ``fun``, ``con``, ``grad``, ``jac``, ``hess``, ``x0`` and perhaps ``lam0``.
    tolerance : float
        For the KKT residual ||(grad_x L, c)||.

    Returns
    -------
    dict
        "status", "x", "value", "kkt", "steps"; "path": KKT residuals along the steps, from the
        start; "inner": steps of the inner solver along them; "seconds" along them; counts of
        "fun", "grad" and "hess", each with the constraints'; "reason".
    """
    run = _ours if solver in OURS else _scipy
    start = time.perf_counter()
    found = run(solver, problem, tolerance, maxiter, rng)
    return {**found, "seconds": time.perf_counter() - start}


def _ours(solver, problem, tolerance, maxiter, rng):
    clock, seconds, inner = time.perf_counter(), [], [0.0]

    def note(info):
        seconds.append(time.perf_counter() - clock)
        inner.append(inner[-1] + info.measures["inner_steps"])
        return inner[-1] > INNER_BUDGET.get(solver, np.inf)

    result = sketched_newton(
        problem,
        problem.x0,
        method=OURS[solver],
        multipliers=getattr(problem, "lam0", None),
        rtol=0.0,
        atol=tolerance,
        maxiter=maxiter,
        rng=rng,
        callback=note,
        check_every=1,
        history=True,
    )
    path = [float(h["residual"]) for h in result.history]
    return {
        "status": result.status.name,
        "x": result.x,
        "value": float(result.value),
        "kkt": float(result.residual),
        "steps": result.nit,
        "path": path,
        "lengths": [float(h["step_length"]) for h in result.history],
        "inner": [float(h["inner_steps"]) for h in result.history],
        "clock": seconds,
        "fun": int(result.counts["fun"]),
        "grad": int(result.counts["grad"]),
        "hess": int(result.counts["hess"]),
        "reason": result.reason or result.criterion,
    }


def kkt(problem, x):
    """Return ||(grad_x L, c)|| with the multipliers that make it least."""
    g, j, c = problem.grad(x), problem.jac(x), problem.con(x)
    if not all(np.all(np.isfinite(part)) for part in (g, j, c)):
        return float("nan")
    lam = np.linalg.lstsq(j.T, -g)[0]
    return float(np.hypot(np.linalg.norm(g + j.T @ lam), np.linalg.norm(c)))


class _Counted:
    """A problem whose calls are counted, with the constraints' along with the objective's."""

    def __init__(self, problem):
        self.problem, self.counts = problem, {"fun": 0, "grad": 0, "hess": 0}

    def __getattr__(self, name):
        function = getattr(self.problem, name)
        if name in self.counts:
            self.counts[name] += 1
        return function


def _scipy(solver, problem, tolerance, maxiter, rng):
    from scipy.optimize import NonlinearConstraint, minimize

    counted, path = _Counted(problem), [kkt(problem, problem.x0)]
    no_multipliers = np.zeros(problem.shape[0])
    options = {"maxiter": maxiter}

    def note(x, *state):
        path.append(kkt(problem, x))
        if path[-1] <= tolerance:
            raise StopIteration

    arguments = {"jac": lambda x: counted.grad(x), "callback": note}
    if solver == "trust-constr":
        curved = NonlinearConstraint(
            problem.con, 0, 0, jac=problem.jac, hess=lambda x, v: _curvature(problem, x, v)
        )
        run = partial(
            minimize,
            method="trust-constr",
            hess=lambda x: counted.hess(x, no_multipliers),
            constraints=[curved],
        )
        options |= {"gtol": tolerance / 10, "xtol": 1e-14}
    else:
        curved = {"type": "eq", "fun": problem.con, "jac": problem.jac}
        run = partial(minimize, method="SLSQP", constraints=[curved])
        options["ftol"] = 1e-16
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run(lambda x: counted.fun(x), problem.x0, options=options, **arguments)
    x = np.asarray(result.x)
    final = kkt(problem, x)
    if final < path[-1]:
        path.append(final)
    return {
        "status": "CONVERGED" if final <= tolerance else "FAILED",
        "x": x,
        "value": float(problem.fun(x)),
        "kkt": final,
        "steps": len(path) - 1,
        "path": path,
        "lengths": [],
        "inner": [],
        "clock": [],
        **counted.counts,
        "reason": str(result.message),
    }


def _curvature(problem, x, v):
    """Return the Hessian of v^T c."""
    return problem.hess(x, v) - problem.hess(x, np.zeros_like(v))
