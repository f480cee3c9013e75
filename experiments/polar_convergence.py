"""Error of the polar factor after each step, on a synthetic and on real matrices."""

import numpy as np

from experiments.polar_methods import method_schedule, steps_of
from experiments.study import Study
from linalg_ml._core.precision import Arithmetic
from linalg_ml.matrix_functions.iteration import apply_polynomial
from linalg_ml.problems import conditioned, real_matrix, real_matrix_info, real_matrix_names

FIXED = ("newton-schulz", "jordan", "you", "cesista", "published")
# The optimal composition for the smallest singular value, or for a bound wrong by a factor.
TUNED = {"optimal-5": 1.0, "too-low": 1e-2, "too-high": 1e2}
# Of full rank, and measured as they are; the others have null directions.
GRADIENT = "gpt-embedding-gradient-step0"
REAL = (
    GRADIENT,
    "gpt-block3-up-momentum-step500",
    "gpt-block0-up-gradient-step0",
    "gpt-block0-query-gradient-step0",
    "gpt-block3-down-momentum-step500",
    "digits-first-momentum-step300",
)


def cells(parameters):
    """Cross matrices and methods; wrong bounds only where they are drawn."""
    for matrix in ("synthetic", *parameters["real"]):
        methods = [*FIXED, "optimal-5"]
        if matrix in ("synthetic", GRADIENT):
            methods += ["too-low", "too-high"]
        for method in methods:
            cell = {"matrix": matrix, "method": method, "steps": parameters["steps"]}
            if matrix == "synthetic":
                cell |= {"n": parameters["n"], "condition": parameters["condition"]}
            yield cell


def compute(cell, context):
    """Apply the polynomials in double precision and compare with the singular vectors."""
    a, rank = _matrix(cell, context)
    u, values, vh = np.linalg.svd(a, full_matrices=False)
    values = values[:rank]
    about = {"rank": rank, "smallest_ratio": values[-1] / values[0], "lower": values[-1]}
    left, right = u[:, :rank], vh[:rank]
    top = int(np.sum(values > 1e-3 * values[0]))
    for rows, x in _iterates(cell, a, values[-1]):
        error = left.T @ x @ right.T - np.eye(rank)
        yield {
            "step": len(rows),
            "products": rows.products,
            "spectral": np.linalg.norm(error, 2),
            **_averages(error, ""),
            **_averages(error[:top, :top], "top_"),
            "top": top,
            **about,
        }


def _matrix(cell, context):
    """Return the matrix, scaled as it enters the iteration, and its rank."""
    if cell["matrix"] == "synthetic":  # its largest singular value is one, as in the paper
        n = cell["n"]
        rng = context.rng("polar_convergence", n)
        return conditioned((n, n), cell["condition"], rng=rng), n
    a = real_matrix(cell["matrix"]).astype(np.float64)
    return a / np.linalg.norm(a), real_matrix_info(cell["matrix"]).numerical_rank


def _iterates(cell, a, smallest):
    """Yield the polynomials applied so far, and the iterate."""
    method, steps = cell["method"], cell["steps"]
    if method in TUNED:
        rows = method_schedule("optimal-5", TUNED[method] * smallest, steps)
    else:
        rows = method_schedule(method, smallest, steps_of(method, 6 if method == "you" else steps))
    yield from _apply(rows, a)


def _apply(rows, a):
    """Apply the polynomials one by one; the matrix is scaled already, but for a safety factor."""
    m, n = a.shape
    x = (a.T if m > n else a) / (1.0 + rows.safety)
    arithmetic = Arithmetic("fp64", x)
    for step, coefficients in enumerate(rows.coefficients, 1):
        x = apply_polynomial(x, coefficients, arithmetic)
        yield rows.take(step), x.T if m > n else x


def _averages(error, prefix):
    """Return the relative Frobenius error and one minus the cosine similarity."""
    k = len(error)
    frobenius = np.linalg.norm(error) / np.sqrt(k)
    trace = np.trace(error) / k
    size = np.sqrt(1.0 + 2.0 * trace + frobenius**2)  # of X, relative to the polar factor
    # 1 - cos = (|X|^2 - <X, U>^2) / (|X| (|X| + <X, U>)), in which ones do not cancel.
    distance = (frobenius**2 - trace**2) / (size * (size + 1.0 + trace))
    return {f"{prefix}frobenius": frobenius, f"{prefix}cosine_distance": max(distance, 0.0)}


STUDY = Study(
    name="polar_convergence",
    title="Convergence of polar methods on a synthetic and on real matrices",
    summary=(
        "Error of each iterate in the spectral norm, in the Frobenius norm and as a cosine "
        "distance, in double precision. The synthetic matrix has singular values evenly spaced "
        "on a logarithmic scale, the largest one; the real ones, gradients and momenta of small "
        "networks, are divided by their Frobenius norm, and errors are measured on the singular "
        "vectors whose singular values are not zero to working precision."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    cost=lambda cell: 1.0 + (cell.get("n", 0) / 200) ** 3,
    quick={"n": 128, "condition": 1e6, "steps": 26, "real": REAL},
    full={"n": 512, "condition": 1e6, "steps": 40, "real": real_matrix_names()},
    quick_seconds=8,
    full_seconds=80,
)
