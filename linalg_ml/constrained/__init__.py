"""Equality-constrained optimisation by Newton's method with inexact and sketched solves."""

from linalg_ml.constrained.derivative_check import DerivativeCheck, check_derivatives
from linalg_ml.constrained.newton_method import SketchedNewton
from linalg_ml.constrained.problem import EqualityProblem
from linalg_ml.constrained.sketched_newton import sketched_newton

__all__ = [
    "DerivativeCheck",
    "EqualityProblem",
    "SketchedNewton",
    "check_derivatives",
    "sketched_newton",
]
