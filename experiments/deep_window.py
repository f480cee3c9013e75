"""How many older directions a model needs: exact, noisy and nonlinear preconditioners."""

import numpy as np

from experiments.deep_rivals import poisson
from experiments.study import Study
from linalg_ml import deep_conjugate_directions
from linalg_ml.deep_directions import LearnedMultigrid
from linalg_ml.krylov import ic0

RTOL = 1e-6
MAXITER = 400


def models(a, noise, rng):
    """Return {name: (operator, gather, model)} of models whose output has some noise."""
    matrix = a.tosparse()
    factor, cycle = ic0(matrix), LearnedMultigrid(precision="fp64").prepare(a)

    def noisy(function):
        def model(r):
            q = function(r)
            if noise == 0:
                return q
            wrong = rng.standard_normal(q.shape) * (q != 0)
            return q + noise * np.linalg.norm(q) / np.linalg.norm(wrong) * wrong

        return model

    return {
        "ic0": (matrix, lambda b: b[a.mask], noisy(factor.matvec)),
        "learned": (a, lambda b: b, noisy(cycle)),
    }


def compute(cell, context):
    """Count the steps for every length of the window."""
    a, _ = poisson(cell["points"], 2, "box-neumann")
    b = a.restrict(context.rng("rhs", cell["points"]).standard_normal(a.grid))
    for name in ("ic0", "learned"):
        for n_orth in (0, 1, 2, 4, 8, None):
            rng = context.rng("noise", name, cell["noise"], cell["draw"])
            operator, gather, model = models(a, cell["noise"], rng)[name]
            result = deep_conjugate_directions(
                operator, gather(b), model=model, n_orth=n_orth, rtol=RTOL, maxiter=MAXITER
            )
            yield {
                "model": name,
                "n_orth": -1 if n_orth is None else n_orth,
                "iterations": result.nit,
                "converged": result.converged,
            }


def cells(parameters):
    """Cross the levels of noise with the draws."""
    for noise in parameters["noise"]:
        for draw in range(parameters["draws"] if noise else 1):
            yield {"points": parameters["points"], "noise": noise, "draw": draw}


STUDY = Study(
    name="deep_window",
    title="Older directions against an inexact model",
    summary=(
        "A preconditioner, the incomplete Cholesky factor or a cycle of the learned multigrid, "
        "with white noise of a given relative size added to each direction, in place of a network "
        "whose output is neither linear nor symmetric. Steps to 1e-6 for 0, 1, 2, 4, 8 and all "
        "older directions that a new one is made conjugate to."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    quick={"points": 32, "noise": (0.0, 0.1, 0.3, 0.5, 1.0), "draws": 2},
    full={"points": 64, "noise": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0), "draws": 5},
    quick_seconds=8,
    full_seconds=120,
)
