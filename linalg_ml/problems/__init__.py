"""Test problems: matrices with a given spectrum, and real data shipped with the package."""

from linalg_ml.problems.constrained_logistic import (
    ConstrainedLogistic,
    breast_cancer,
    constrained_logistic,
)
from linalg_ml.problems.exact import (
    PolarProblem,
    SignProblem,
    exact_polar_problem,
    exact_sign_problem,
    polar_problem,
    sign_problem,
)
from linalg_ml.problems.grids import delsq, numgrid
from linalg_ml.problems.heat import HeatEquation
from linalg_ml.problems.label_propagation import LabelProblem, lattice_labels, two_moons_labels
from linalg_ml.problems.matrices import (
    conditioned,
    gaussian,
    haar,
    named_spectrum,
    symmetric_with_eigenvalues,
    with_eigenvalues,
    with_singular_values,
)
from linalg_ml.problems.poisson_control import PoissonControl
from linalg_ml.problems.real import (
    RealMatrix,
    real_matrix,
    real_matrix_info,
    real_matrix_names,
)
from linalg_ml.problems.shifted import shifted_systems, truncated_gaussian
from linalg_ml.problems.small_constrained import (
    SmallConstrainedProblem,
    small_constrained_names,
    small_constrained_problem,
)
from linalg_ml.problems.sparse_regression import (
    sparse_least_squares,
    sparse_logistic,
    sparse_softmax,
)
from linalg_ml.problems.video import surveillance_video

__all__ = [
    "ConstrainedLogistic",
    "HeatEquation",
    "LabelProblem",
    "PoissonControl",
    "PolarProblem",
    "RealMatrix",
    "SignProblem",
    "SmallConstrainedProblem",
    "breast_cancer",
    "conditioned",
    "constrained_logistic",
    "delsq",
    "exact_polar_problem",
    "exact_sign_problem",
    "gaussian",
    "haar",
    "lattice_labels",
    "named_spectrum",
    "numgrid",
    "polar_problem",
    "real_matrix",
    "real_matrix_info",
    "real_matrix_names",
    "shifted_systems",
    "sign_problem",
    "small_constrained_names",
    "small_constrained_problem",
    "sparse_least_squares",
    "sparse_logistic",
    "sparse_softmax",
    "surveillance_video",
    "symmetric_with_eigenvalues",
    "truncated_gaussian",
    "two_moons_labels",
    "with_eigenvalues",
    "with_singular_values",
]
