"""Krylov methods for linear systems, bidiagonalisation, and preconditioners."""

from linalg_ml.krylov.cg import cg
from linalg_ml.krylov.incomplete_cholesky import ic0
from linalg_ml.krylov.preconditioner import Preconditioner, jacobi
from linalg_ml.krylov.ssor_preconditioner import ssor

__all__ = ["Preconditioner", "cg", "ic0", "jacobi", "ssor"]
