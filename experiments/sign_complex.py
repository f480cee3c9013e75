"""Where in the complex plane the polynomials still find the sign."""

import numpy as np

from experiments.polar_methods import method_schedule
from experiments.study import Study
from linalg_ml import minimax_schedule, signm
from linalg_ml.matrix_functions.minimax import evaluate

POINTS = {  # radius: angles in degrees
    1.0: (0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
    0.9: (1.0, 2.0, 5.0, 10.0, 30.0),
    0.5: (2.0, 5.0, 10.0, 30.0),
    0.1: (5.0, 10.0, 30.0),
    0.02: (10.0, 30.0),
}


def cells(parameters):
    """Points and rows of the map, a cell for each method; and matrices for the library."""
    for method in ("polar-express", "newton-schulz"):
        yield {"method": method, "kind": "point"}
        grid = {key: parameters[key] for key in ("angles", "radii", "least_angle", "least_radius")}
        yield {"method": method, "kind": "map", **grid}
    yield {"method": "signm", "kind": "matrix"}


def compute(cell, context):
    """Iterate on complex numbers in the right half-plane; the sign of each is one."""
    if cell["kind"] == "matrix":
        yield from _matrices()
        return
    if cell["kind"] == "point":
        for radius, angles in POINTS.items():
            outcome = _outcome(cell["method"], radius * np.exp(1j * np.deg2rad(angles)))
            for angle, letter in zip(angles, outcome, strict=True):
                yield {"radius": radius, "angle": angle, "converged": bool(letter == "+")}
        return
    radii = np.geomspace(cell["least_radius"], 1.0, cell["radii"])
    for angle in np.geomspace(cell["least_angle"], 90.0, cell["angles"] + 1)[:-1]:
        outcome = _outcome(cell["method"], radii * np.exp(1j * np.deg2rad(angle)))
        # One letter for each radius from the least to 1.
        yield {"angle": angle, "outcome": "".join(outcome), "part": np.mean(outcome == "+")}


def _outcome(method, z):
    """Return + where the iteration ends at 1, - at -1, x where it does neither."""
    rows = ()
    if method == "polar-express":
        rows = minimax_schedule(1e-2, 8, safety=0).coefficients
    z = np.asarray(z, dtype=np.complex128)
    with np.errstate(all="ignore"):
        for row in (*rows, *method_schedule("newton-schulz", 1e-2, 200).coefficients):
            z = evaluate(row, z)
        near = [np.abs(z - 1.0) < 1e-9, np.abs(z + 1.0) < 1e-9]
    return np.select(near, ["+", "-"], "x")


def _matrices():
    """Hand the library matrices with a complex pair, declared to have a real spectrum."""
    for radius, angles in POINTS.items():
        for angle in angles:
            c, s = radius * np.cos(np.deg2rad(angle)), radius * np.sin(np.deg2rad(angle))
            a = np.array([[1.0, 0, 0, 0], [0, c, s, 0], [0, -s, c, 0], [0, 0, 0, -0.5]])
            result = signm(a, spectrum="real", maxiter=100)
            right = np.abs(np.diag(np.sign(np.diag(a))) - result.x).max() < 1e-6
            yield {
                "radius": radius,
                "angle": angle,
                "status": result.status.name,
                "right": bool(right),
                "false_success": bool(result.success and not right),
            }


STUDY = Study(
    name="sign_complex",
    title="The sign of matrices with complex eigenvalues",
    summary=(
        "Eight optimal polynomials made for real numbers in [0.01, 1] with the cushion, then "
        "Newton-Schulz, against Newton-Schulz alone, on complex numbers of the right half-plane. "
        "An iteration on a diagonalisable matrix does to each eigenvalue what it does to a number."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    quick={"angles": 160, "radii": 120, "least_angle": 0.1, "least_radius": 1e-2},
    full={"angles": 800, "radii": 600, "least_angle": 0.1, "least_radius": 1e-2},
    quick_seconds=2,
    full_seconds=10,
)
