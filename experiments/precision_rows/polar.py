"""Rows of the polar decomposition: every method of `linalg_ml.polar`."""

from functools import partial

import linalg_ml as la
from experiments import precision_matrices as matrices
from experiments.precision_table import NIT, PRODUCTS, STATUS, Family, Metric, Row
from linalg_ml.metrics import orthogonality_error
from linalg_ml.problems import real_matrix_info, real_matrix_names

MATRIX_METRICS = (
    Metric("condition", "about", "Largest over smallest (resolved) singular value."),
    Metric("rank", "about", "Resolved directions, on which the answer is determined."),
    Metric(
        "orthogonality", "check", "||X X^T - I||_F / sqrt(rank) on the resolved directions."
    ),
    Metric(
        "orthogonality_whole", "about", "||X X^T - I||_F / sqrt(m), null directions included."
    ),
    Metric(
        "rounding_alone",
        "floor",
        "Error of the exact answer of the matrix rounded to the precision's storage format; "
        "none in fp64, in which the matrix is given.",
    ),
    Metric("reference_error", "about", "Bound on the error of the reference, about."),
)
METRICS = (
    *MATRIX_METRICS,
    Metric("polar_error", "error", "||X - U||_F / sqrt(rank) on the resolved directions."),
    STATUS,
    NIT,
    PRODUCTS,
)
# The lists known from optimizers do not converge: they make the steps they were published with.
STEPS = {"jordan": 5, "you": 6, "cesista": 5, "turbo": 4}
METHODS = ("polar-express", "newton-schulz", "cans", "chen-chow", *STEPS, "svd")
QUICK_REAL = (
    "gpt-block3-down-momentum-step500",
    "gpt-block3-up-momentum-step500",
    "gpt-block3-query-gradient-step500",
    "gpt-block3-proj-gradient-step0",
)


def matrix_metrics(problem, result, error):
    """Return what a Result for a matrix problem gives; ``error`` names its error."""
    x = result.x
    return {
        "orthogonality": problem.orthogonality(x),
        "orthogonality_whole": float(orthogonality_error(x)),
        error: problem.error(x),
        "status": result.status.name,
        "nit": int(result.nit),
        "products": int(result.counts["products"]),
    }


def run(method, problem, precision):
    """Compute the polar factor and measure it."""
    result = la.polar(problem.a, method=method, steps=STEPS.get(method), precision=precision)
    return matrix_metrics(problem, result, "polar_error")


def kind(method):
    """Say what kind of row a method is; the SVD is one of fp32 or fp64, whatever the precision."""
    return "reference" if method == "svd" else "fixed steps" if method in STEPS else "solver"


def shape_of(name):
    """Return the shape of a real matrix."""
    return real_matrix_info(name).shape


FAMILY = Family(
    name="polar",
    problems={
        "quick": [
            *matrices.synthetic([(64, 64)], ["geometric"]),
            *matrices.synthetic([(64, 64)], ["geometric"], conditions=matrices.BEYOND),
            *matrices.real(QUICK_REAL, shape_of),
        ],
        "full": [
            *matrices.synthetic([(64, 64)], matrices.SPECTRA, draws=3),
            *matrices.synthetic([(256, 256), (64, 256)], matrices.SPECTRA),
            *matrices.synthetic([(64, 64)], ["geometric"], conditions=matrices.BEYOND),
            *matrices.real(real_matrix_names(), shape_of),
        ],
    },
    load=matrices.polar_matrix,
    describe=matrices.MatrixProblem.describe,
    metrics=METRICS,
    applies=matrices.worth_solving,
)
ROWS = [Row(method, FAMILY, partial(run, method), kind=kind(method)) for method in METHODS]
