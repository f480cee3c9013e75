"""Equality-constrained optimisation by Newton's method with inexact and sketched solves."""

from linalg_ml.constrained.derivative_check import DerivativeCheck, check_derivatives
from linalg_ml.constrained.problem import EqualityProblem

__all__ = ["DerivativeCheck", "EqualityProblem", "check_derivatives"]
