"""What the studies of learned search directions share: problems, solvers, counts."""

import numpy as np

from linalg_ml import cg, deep_directions
from linalg_ml.deep_directions import GridPoisson, deep_conjugate_directions

TARGETS = (1e-4, 1e-6, 1e-8)


def box(n, solids, dimensions=2):
    """Return a cube of cells, empty or ("dirichlet", "neumann") with a solid one in the middle."""
    mask = np.ones((n,) * dimensions, bool)
    if solids == "none":
        return GridPoisson(mask)
    mask[(slice(3 * n // 8, 5 * n // 8),) * dimensions] = False
    return GridPoisson(mask, solids=solids)


def right_hand_side(a, kind, seed=0):
    """Return normal numbers ("normal"), or a bump and its negative ("dipole")."""
    if kind == "normal":
        return a.restrict(np.random.default_rng(seed).standard_normal(a.grid))
    cells = np.meshgrid(*((np.arange(n) + 0.5) / n for n in a.grid), indexing="ij")
    bumps = [np.exp(-sum((x - c) ** 2 for x in cells) / (2 * 0.05**2)) for c in (0.25, 0.75)]
    return a.restrict(bumps[0] - bumps[1])


def solve(a, b, method, **options):
    """Solve by "cg", "multigrid", or the network of a name; return the Result."""
    if method == "cg":
        return cg(a.matvec, np.reshape(b, -1), **options)
    model = method if method == "multigrid" else network(method)
    return deep_conjugate_directions(a, b, model=model, **options)


def network(name):
    """Return a network that ships with the package; "name:bf16" computes in bf16."""
    name, _, precision = name.partition(":")
    return deep_directions.load(name, precision=precision or "fp32")


def counts(result, b, targets=TARGETS):
    """Return the first step at which each relative residual is reached, None where it is not."""
    size = np.linalg.norm(b)
    found = dict.fromkeys(targets)
    for entry in result.history:
        for target in targets:
            if found[target] is None and entry["residual"] <= target * size:
                found[target] = entry["nit"]
    return found
