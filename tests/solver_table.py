"""The table of solvers that every array library must run: one row per front function and method.

Adding a method is adding a row.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import polar as scipy_polar

from linalg_ml import (
    cg,
    clip_singular_values,
    deep_conjugate_directions,
    deflated_cg,
    gmres,
    inverse_root,
    minres,
    orthogonalize,
    polar,
    project_psd,
    signm,
    sketch_and_project,
    sqrtm,
)
from linalg_ml._core.namespace import asarray
from linalg_ml.matrix_functions import QDWH
from linalg_ml.problems import conditioned, symmetric_with_eigenvalues, with_eigenvalues

# Error allowed in each precision on the problems below, whose condition number is at most 20.
TOLERANCE = {"fp64": 1e-12, "fp32": 2e-5, "tf32": 2e-2, "fp16": 2e-2, "bf16": 1.5e-1}
ALTERNATING = np.geomspace(0.1, 1, 12) * np.where(np.arange(12) % 2, 1, -1)


@dataclass(frozen=True)
class Row:
    """One way to call one function, and the answer."""

    name: str
    function: Callable
    problem: Callable
    reference: Callable
    options: dict = field(default_factory=dict)
    tolerance: dict = field(default_factory=lambda: TOLERANCE)
    converges: bool = True

    def __repr__(self):
        return self.name


def tall():
    return conditioned((24, 10), 10, rng=0)


def square():
    return conditioned((16, 16), 20, rng=1)


def stack():
    return np.stack([conditioned((6, 9), k, rng=k) for k in (1, 4, 20)])


def symmetric():
    return symmetric_with_eigenvalues(ALTERNATING, rng=2)


def symmetric_sign(a):
    w, v = np.linalg.eigh(a)
    return (v * np.sign(w)) @ v.T


def real_spectrum():
    return with_eigenvalues(ALTERNATING, condition_of_eigenvectors=3.0, rng=2)


def real_sign(a):
    w, v = np.linalg.eig(a)
    return ((v * np.sign(w.real)) @ np.linalg.inv(v)).real


def unitary(a):
    p, _, qh = np.linalg.svd(a, full_matrices=False)
    return p @ qh


def loose(value):
    """Return a tolerance for lists whose own error is ``value``."""
    return {name: max(value, tolerance) for name, tolerance in TOLERANCE.items()}


POLAR = [
    Row(f"polar-{method}-{problem.__name__}", polar, problem, unitary, {"method": method})
    for method in ("polar-express", "newton-schulz", "cans", "chen-chow", "svd")
    for problem in (tall, square, stack)
]
FIXED = [
    Row(
        f"polar-{method}-steps",
        polar,
        square,
        unitary,
        {"method": method, "steps": steps, "rcond": 0.04},
        loose(error),
        converges=False,
    )
    for method, steps, error in (
        ("polar-express", 7, 1e-12),
        ("jordan", 6, 0.4),
        ("you", 6, 0.2),
        ("cesista", 5, 0.4),
    )
]
RATIONAL = [
    Row("polar-zolotarev-stack", polar, stack, unitary, {"method": "zolotarev"}),
    Row("polar-newton-tall", polar, tall, unitary, {"method": "newton"}),
    Row(
        "polar-qdwh-steps",
        polar,
        square,
        unitary,
        {"method": QDWH("qr"), "steps": 5, "rcond": 0.04},
        converges=False,
    ),
]
DEGREES = [
    Row(f"polar-degree-{degree}", polar, tall, unitary, {"degree": degree}) for degree in (3, 7, 9)
]
ORTHOGONALIZE = [
    Row(
        f"orthogonalize-{problem.__name__}",
        orthogonalize,
        problem,
        unitary,
        {"steps": 9},
        loose(1e-9),
        converges=False,
    )
    for problem in (tall, square, stack)
]
SIGN = [
    Row("signm-symmetric", signm, symmetric, symmetric_sign),
    Row("signm-eigh", signm, symmetric, symmetric_sign, {"method": "eigh"}),
    Row("signm-newton-schulz", signm, symmetric, symmetric_sign, {"method": "newton-schulz"}),
    Row("signm-qdwh", signm, symmetric, symmetric_sign, {"method": "qdwh"}),
    Row("signm-real", signm, real_spectrum, real_sign, {"spectrum": "real"}),
]


def positive():
    return symmetric_with_eigenvalues(np.geomspace(0.1, 1, 12), rng=4)


def turned():
    """Complex eigenvalues, 45 degrees from both axes."""
    blocks = np.kron(np.diag([1.0, -0.5, -2.0]), np.array([[1.0, -1.0], [1.0, 1.0]]))
    v = with_eigenvalues(np.linspace(1, 2, 6), condition_of_eigenvectors=2.0, rng=2)
    return v @ blocks @ np.linalg.inv(v)


def power_of(exponent):
    """Return the function that raises a symmetric matrix to a power."""

    def power(a):
        w, v = np.linalg.eigh(a)
        return (v * w**exponent) @ v.T

    return power


def positive_part(a):
    w, v = np.linalg.eigh(a)
    return (v * np.maximum(w, 0)) @ v.T


def clipped(a):
    p, s, qh = np.linalg.svd(a, full_matrices=False)
    return (p * np.minimum(s, 0.3)) @ qh


def clip(a, **options):
    return clip_singular_values(a, 0.3, **options)


def inverse_fourth_root(a, **options):
    return inverse_root(a, 4, **options)


ROOTS = [
    Row("signm-general", signm, turned, real_sign, {"spectrum": "general"}),
    Row("sqrtm", sqrtm, positive, power_of(0.5)),
    Row("sqrtm-coupled", sqrtm, positive, power_of(0.5), {"form": "coupled"}),
    Row(
        "sqrtm-steps",
        sqrtm,
        positive,
        power_of(0.5),
        {"form": "coupled", "steps": 6, "rcond": 0.1},
        converges=False,
    ),
    Row("inverse_root-4", inverse_fourth_root, positive, power_of(-0.25)),
    Row(
        "inverse_root-steps",
        inverse_fourth_root,
        positive,
        power_of(-0.25),
        {"steps": 5, "rcond": 0.1},
        converges=False,
    ),
    Row("project_psd", project_psd, symmetric, positive_part),
    Row("clip_singular_values", clip, tall, clipped),
]


def definite():
    return symmetric_with_eigenvalues(np.linspace(0.5, 1, 12), rng=3)


def indefinite():
    return symmetric_with_eigenvalues(np.r_[np.linspace(0.5, 1, 6), -np.ones(6)], rng=3)


def inverse_by(solver):
    """Return a function that solves A x = e for every unit vector e: a stack of systems."""

    def inverse(a, steps=None, **options):
        identity = asarray(np.eye(a.shape[-1]), like=a, dtype=a.dtype)
        if steps is None:
            options["rtol"] = {"float64": 1e-13, "float32": 1e-6}[str(a.dtype).split(".")[-1]]
        return solver(a, identity, steps=steps, **options)

    return inverse


def same_direction(r):
    return r


LINEAR = [
    Row("cg", inverse_by(cg), definite, np.linalg.inv),
    Row("cg-steps", inverse_by(cg), definite, np.linalg.inv, {"steps": 12}, converges=False),
    Row("minres", inverse_by(minres), indefinite, np.linalg.inv),
    Row("gmres", inverse_by(gmres), definite, np.linalg.inv),
    Row("deflated_cg", inverse_by(deflated_cg), definite, np.linalg.inv, {"subspace": 3}),
    Row(
        "deep_conjugate_directions",
        inverse_by(deep_conjugate_directions),
        definite,
        np.linalg.inv,
        {"model": same_direction},
    ),
]


def project_on_blocks(a, b, **options):
    return sketch_and_project(a, b, sketch="gaussian", block=10, rng=0, **options)


SKETCHED = [
    Row(
        "sketch_and_project",
        inverse_by(project_on_blocks),
        definite,
        np.linalg.inv,
        {"maxiter": 40},
    ),
]
TABLE = [*POLAR, *FIXED, *RATIONAL, *DEGREES, *ORTHOGONALIZE, *SIGN, *ROOTS, *LINEAR, *SKETCHED]


def hermitian_reference(a):
    """Return SciPy's Hermitian factor of one matrix."""
    return scipy_polar(a)[1]
