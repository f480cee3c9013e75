"""Rows of the polar decomposition: every method of `linalg_ml.polar`."""

import warnings
from functools import partial

import linalg_ml as la
from experiments import precision_matrices as matrices
from experiments.precision_table import NIT, PRODUCTS, STATUS, Family, Metric, Row
from linalg_ml.metrics import orthogonality_error
from linalg_ml.problems import real_matrix_info, real_matrix_names

MATRIX_METRICS = (
    Metric("condition", "about", "Largest over smallest (resolved) singular value."),
    Metric("rank", "about", "Resolved directions, on which the answer is determined."),
    Metric("orthogonality", "check", "||X X^T - I||_F / sqrt(rank) on the resolved directions."),
    Metric("orthogonality_whole", "about", "||X X^T - I||_F / sqrt(m), null directions included."),
    Metric(
        "rounding_alone",
        "floor",
        "Error of the exact answer of the matrix rounded to the precision's storage format; "
        "none in fp64, in which the matrix is given.",
    ),
    Metric("above_floor", "about", "The error over `rounding_alone`; none in fp64."),
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
RATIONAL = ("qdwh", "zolotarev", "newton")
METHODS = ("polar-express", "gram", "newton-schulz", "cans", "chen-chow", *RATIONAL, *STEPS, "svd")
# The default solver goes on for so many steps that only rounding is left, at any condition number.
LONG = 32
QUICK_REAL = (
    "gpt-block3-down-momentum-step500",
    "gpt-block3-up-momentum-step500",
    "gpt-block3-query-gradient-step500",
    "gpt-block3-proj-gradient-step0",
)


def matrix_metrics(problem, precision, result, error):
    """Return what a Result for a matrix problem gives; ``error`` names its error."""
    x, floor = result.x, problem.floor(precision)
    return {
        "orthogonality": problem.orthogonality(x),
        "orthogonality_whole": float(orthogonality_error(x)),
        error: problem.error(x),
        "above_floor": problem.error(x) / floor if floor else None,
        "status": result.status.name,
        "nit": int(result.nit),
        "products": int(result.counts["products"]),
    }


def run(method, steps, problem, precision):
    """Compute the polar factor and measure it; what is known to be unsafe is run on purpose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "a minimax schedule with safety=0")
        result = la.polar(problem.a, method=method, steps=steps, precision=precision)
    return matrix_metrics(problem, precision, result, "polar_error")


def rows(family, run, methods):
    """Return a row for each method; the SVD is one of fp32 or fp64, whatever the precision."""
    kinds = {**dict.fromkeys(STEPS, "fixed steps"), "svd": "reference", "eigh": "reference"}
    listed = [
        Row(name, family, partial(run, name, STEPS.get(name)), kind=kinds.get(name, "solver"))
        for name in methods
    ]
    run_on = partial(run, methods[0], LONG)
    long = Row(f"{methods[0]}-{LONG}", family, run_on, kind="past convergence")
    return [*listed, long]


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
ROWS = rows(FAMILY, run, METHODS)
