"""Solve the system of a Newton step by a factorisation."""

from linalg_ml._core.namespace import library


def factorised(system, r, target, block, maxiter):
    """Return d with K d = r, and 1: the factorisations made.

    K = L D L^T (Bunch and Kaufman) with NumPy and PyTorch arrays, LU with others. What a short
    precision of the products would change is not changed here.
    """
    if "factors" not in system.store:
        system.arithmetic.count("factorisations")
        system.store["factors"] = _factor(system.matrix, system.space.xp)
    return system.store["factors"](r), 1


def _factor(matrix, xp):
    """Return the function that solves with the factors of a matrix."""
    home = library(matrix)
    if home == "numpy":
        return _lapack(matrix)
    if home == "torch":
        import torch

        factors, pivots, _ = torch.linalg.ldl_factor_ex(matrix)
        return lambda r: torch.linalg.ldl_solve(factors, pivots, r[:, None])[:, 0]
    return lambda r: xp.linalg.solve(matrix, r[:, None])[:, 0]


def _lapack(matrix):
    from scipy.linalg.lapack import get_lapack_funcs

    sytrf, sytrs = get_lapack_funcs(("sytrf", "sytrs"), (matrix,))
    factors, pivots, _ = sytrf(matrix, lower=True)
    return lambda r: sytrs(factors, pivots, r[:, None], lower=True)[0][:, 0]
