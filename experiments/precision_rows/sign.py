"""Rows of the matrix sign of symmetric matrices: every method of `linalg_ml.signm`."""

import warnings

import linalg_ml as la
from experiments import precision_matrices as matrices
from experiments.precision_rows import polar
from experiments.precision_table import NIT, PRODUCTS, STATUS, Family, Metric

METHODS = (*(m for m in polar.METHODS if m not in ("turbo", "gram", "svd")), "eigh")
# Others are singular, or their spectrum has no gap in the middle.
QUICK_REAL = ("gpt-block3-query-gradient-step500", "gpt-block3-down-momentum-step500")
FULL_REAL = (
    *QUICK_REAL,
    "gpt-block3-proj-momentum-step500",
    "gpt-block3-query-momentum-step500",
    "gpt-block3-up-momentum-step500",
    "gpt-embedding-gradient-step500",
)


def run(method, steps, problem, precision):
    """Compute the sign and measure it; what is known to be unsafe is run on purpose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "a minimax schedule with safety=0")
        result = la.signm(problem.a, method=method, steps=steps, precision=precision)
    return polar.matrix_metrics(problem, precision, result, "sign_error")


def order_of(name):
    """Return the shape of the smaller Gram matrix of a real matrix."""
    return (min(polar.shape_of(name)),) * 2


FAMILY = Family(
    name="sign",
    problems={
        "quick": [
            *matrices.synthetic([(64, 64)], ["geometric"]),
            *matrices.synthetic([(64, 64)], ["geometric"], conditions=matrices.BEYOND),
            *matrices.real(QUICK_REAL, order_of),
        ],
        "full": [
            *matrices.synthetic([(64, 64)], matrices.SPECTRA, draws=3),
            *matrices.synthetic([(256, 256)], matrices.SPECTRA),
            *matrices.synthetic([(64, 64)], ["geometric"], conditions=matrices.BEYOND),
            *matrices.real(FULL_REAL, order_of),
        ],
    },
    load=matrices.sign_matrix,
    describe=matrices.MatrixProblem.describe,
    metrics=(
        *polar.MATRIX_METRICS,
        Metric("sign_error", "error", "||X - S||_F / sqrt(n)."),
        STATUS,
        NIT,
        PRODUCTS,
    ),
    applies=matrices.worth_solving,
)
ROWS = polar.rows(FAMILY, run, METHODS)
