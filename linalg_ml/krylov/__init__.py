"""Krylov methods for linear systems, bidiagonalisation, and preconditioners."""

from linalg_ml.krylov.bidiagonalization import Bidiagonalization, bidiagonalize
from linalg_ml.krylov.cg import cg
from linalg_ml.krylov.deflation import deflated_cg
from linalg_ml.krylov.gmres import gmres
from linalg_ml.krylov.incomplete_cholesky import ic0
from linalg_ml.krylov.lanczos import ritz_vectors
from linalg_ml.krylov.minres import minres
from linalg_ml.krylov.preconditioner import Preconditioner, jacobi
from linalg_ml.krylov.ssor_preconditioner import ssor

__all__ = [
    "Bidiagonalization",
    "Preconditioner",
    "bidiagonalize",
    "cg",
    "deflated_cg",
    "gmres",
    "ic0",
    "jacobi",
    "minres",
    "ritz_vectors",
    "ssor",
]
