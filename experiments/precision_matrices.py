"""The matrices of the precision study, with their exact polar factor or sign.

On a singular matrix the answer is not unique. The real matrices often have a null direction or
many, so everything is measured on the *resolved* directions: those whose singular value is above
max(m, n) times the unit roundoff of fp32, in which the data are stored, times two, times the
largest. The condition number is that of the resolved part.
"""

from dataclasses import dataclass

import numpy as np

from linalg_ml import round_to
from linalg_ml.problems import (
    exact_polar_problem,
    exact_sign_problem,
    named_spectrum,
    polar_problem,
    real_matrix,
    sign_problem,
)

CONDITIONS = tuple(10.0**k for k in range(7))
BEYOND = (1e9, 1e12, 1e15)  # of matrices only double precision can tell from singular ones
SPECTRA = ("geometric", "linear", "one-small", "clustered")
_STORED = {"tf32": "fp32"}  # the format a precision keeps its arrays in, if not its own


@dataclass(frozen=True)
class MatrixProblem:
    """A matrix, its exact polar factor (or sign), and which directions of it are determined.

    Attributes
    ----------
    a, exact : arrays (m, n), float64
    directions : array (k, rank)
        Singular vectors of the resolved singular values, in the smaller of the two spaces.
    condition : float
        Largest over smallest resolved singular value.
    reference_error : float
        About how far ``exact`` may be from the exact answer itself, in the measure of `error`.
    floors : dict
        Format to the error of the exact answer of the matrix rounded to it.
    """

    a: np.ndarray
    exact: np.ndarray
    directions: np.ndarray
    condition: float
    reference_error: float
    floors: dict

    @property
    def rank(self):
        """Number of resolved directions."""
        return self.directions.shape[1]

    def error(self, x):
        """Return ||X - U||_F / sqrt(rank) on the resolved directions."""
        return relative(self._resolved(x) - self._resolved(self.exact), self.rank)

    def orthogonality(self, x):
        """Return ||X X^T - I||_F / sqrt(rank) on the resolved directions."""
        rows = self._resolved(x)
        return relative(rows @ rows.T - np.eye(self.rank), self.rank)

    def _resolved(self, x):
        m, n = x.shape
        return self.directions.T @ (x if m <= n else x.T)

    def floor(self, precision):
        """Return the error of the exact answer of the rounded matrix; None in fp64."""
        return self.floors.get(_STORED.get(precision.name, precision.name))

    def describe(self, precision):
        """Return what is known before any solver runs."""
        return {
            "condition": self.condition,
            "rank": self.rank,
            "rounding_alone": self.floor(precision),
            "reference_error": self.reference_error,
        }


def relative(difference, rank):
    """Return the Frobenius norm over the square root of the rank."""
    return float(np.linalg.norm(difference) / np.sqrt(rank))


def worth_solving(parameters, precision):
    """Leave matrices that are singular to single precision to double precision."""
    return precision == "fp64" or parameters.get("condition", 1.0) <= CONDITIONS[-1]


def synthetic(shapes, spectra, draws=1, conditions=CONDITIONS):
    """List synthetic problems: random singular vectors, or exact ones beyond single precision."""
    return [
        {
            "problem": f"{spectrum}-{m}x{n}-{condition:.0e}-{draw}",
            "source": "synthetic",
            "rows": m,
            "columns": n,
            "spectrum": spectrum,
            "condition": condition,
            "draw": draw,
        }
        for m, n in shapes
        for spectrum in spectra
        for condition in conditions
        for draw in range(draws)
    ]


def real(names, shape_of):
    """List real problems by the names of the shipped matrices."""
    listed = []
    for name in names:
        m, n = shape_of(name)
        listed.append({"problem": name, "source": "real", "rows": m, "columns": n})
    return listed


def polar_matrix(parameters, context):
    """Make a problem of the polar decomposition from its parameters."""
    if parameters["source"] == "real":
        a = real_matrix(parameters["problem"]).astype(np.float64)
        return _with_reference(a, _polar_factor, _left_vectors(a, np.finfo(np.float32).eps))
    shape = parameters["rows"], parameters["columns"]
    condition, spectrum = parameters["condition"], parameters["spectrum"]
    rng = context.rng("polar", *parameters.values())
    if condition > CONDITIONS[-1]:
        known = exact_polar_problem(shape, condition, spectrum=spectrum, rng=rng)
    else:
        values = named_spectrum(spectrum, min(shape), condition)
        known = polar_problem(shape, values, rng=rng)
    known = known.a, known.unitary, known.error, float(condition)
    return _with_reference(known[0], _polar_factor, (np.eye(min(shape)), condition), known)


def sign_matrix(parameters, context):
    """Make a problem of the matrix sign from its parameters; half the eigenvalues are negative.

    The real problem is a spectral split: the smaller Gram matrix of a gradient, shifted by the
    middle of its spectrum, whose sign tells the strong half of the directions from the weak one.
    """
    if parameters["source"] == "real":
        g = real_matrix(parameters["problem"]).astype(np.float64)
        a = g @ g.T if g.shape[0] <= g.shape[1] else g.T @ g
        half = len(a) // 2
        values = np.linalg.eigvalsh(a)
        a -= np.mean(values[half - 1 : half + 1]) * np.eye(len(a))
        size = np.abs(np.linalg.eigvalsh(a))
        return _with_reference(a, _sign, (np.eye(len(a)), size.max() / size.min()))
    n, condition, spectrum = parameters["rows"], parameters["condition"], parameters["spectrum"]
    rng = context.rng("sign", *parameters.values())
    if condition > CONDITIONS[-1]:
        known = exact_sign_problem(n, condition, spectrum=spectrum, rng=rng)
    else:
        signs = rng.permutation(np.resize([1.0, -1.0], n))
        known = sign_problem(named_spectrum(spectrum, n, condition) * signs, rng=rng)
    known = known.a, known.sign, known.error, float(condition)
    return _with_reference(known[0], _sign, (np.eye(n), condition), known)


def _with_reference(a, answer, resolved, known=None):
    """Complete a problem: the answer if it is not known, and that of the rounded matrices."""
    directions, condition = resolved
    rank = directions.shape[1]
    eps = np.finfo(np.float64).eps
    exact, error = (answer(a), 4 * eps * condition * rank**0.5) if known is None else known[1:3]
    floors = {}
    problem = MatrixProblem(
        a, exact, directions, float(condition), float(error / np.sqrt(rank)), floors
    )
    unit = a / np.linalg.norm(a)  # the solvers scale before they round, too
    for target in ("fp32", "fp16", "bf16"):
        floors[target] = problem.error(answer(round_to(unit, target)))
    return problem


def _polar_factor(a):
    p, _, qt = np.linalg.svd(a, full_matrices=False)
    return p @ qt


def _sign(a):
    values, vectors = np.linalg.eigh(a)
    return (vectors * np.sign(values)) @ vectors.T


def _left_vectors(a, eps):
    """Return the resolved singular vectors in the smaller space, and the condition number."""
    wide = a if a.shape[0] <= a.shape[1] else a.T
    p, values, _ = np.linalg.svd(wide, full_matrices=False)
    rank = int(np.sum(values > max(a.shape) * eps * values[0]))
    directions = np.eye(len(values)) if rank == len(values) else p[:, :rank]
    return directions, values[0] / values[rank - 1]
