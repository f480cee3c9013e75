"""Iteration counts on Poisson problems, as an independent implementation found them."""

import numpy as np
import pytest

from linalg_ml import cg, deflated_cg
from linalg_ml.krylov import ic0, jacobi
from tests.krylov.poisson import problem

TOLERANCES = (1e-4, 1e-6, 1e-8)
# points, dimensions, geometry, right-hand side: steps of CG, with Jacobi, with IC(0), and with
# Jacobi and 16 Ritz vectors of b deflated, to each of the tolerances.
COUNTS = {
    (64, 2, "dirichlet", "rand"): "123/168/199 123/168/199 37/51/66 107/152/183",
    (64, 2, "dirichlet", "dipole"): "74/98/119 74/98/119 25/42/53 58/82/103",
    (64, 2, "box-dirichlet", "rand"): "102/152/184 102/152/184 31/46/56 86/136/168",
    (64, 2, "box-dirichlet", "dipole"): "77/100/120 77/100/120 24/36/49 61/84/104",
    (64, 2, "box-neumann", "rand"): "126/176/208 126/176/208 38/53/69 110/162/211",
    (64, 2, "box-neumann", "dipole"): "84/109/129 82/108/128 35/47/57 67/93/113",
    (32, 3, "dirichlet", "rand"): "69/97/122 69/97/122 22/31/42 53/81/106",
    (32, 3, "dirichlet", "dipole"): "53/71/89 53/71/89 19/30/38 37/55/73",
    (32, 3, "box-dirichlet", "rand"): "59/91/115 59/91/115 19/29/37 43/75/99",
    (32, 3, "box-dirichlet", "dipole"): "54/72/90 54/72/90 19/26/37 38/56/74",
    (32, 3, "box-neumann", "rand"): "69/98/123 69/98/123 22/32/43 53/82/108",
    (32, 3, "box-neumann", "dipole"): "55/74/93 55/74/93 20/30/39 39/58/76",
}


def steps_to_tolerances(function, a, b, **options):
    """Return the first steps at which the recurrence meets each tolerance."""
    result = function(a, b, rtol=TOLERANCES[-1], history=True, **options)
    assert result.converged
    relative = np.array([record["residual"] for record in result.history]) / np.linalg.norm(b)
    return [int(np.argmax(relative <= tolerance)) for tolerance in TOLERANCES]


@pytest.mark.parametrize("case", COUNTS, ids=lambda case: "-".join(map(str, case)))
def test_counts(case):
    a, b = problem(*case)
    made = [
        steps_to_tolerances(cg, a, b),
        steps_to_tolerances(cg, a, b, M=jacobi(a)),
        steps_to_tolerances(cg, a, b, M=ic0(a)),
        steps_to_tolerances(deflated_cg, a, b, M=jacobi(a), subspace=16),
    ]
    expected = [[int(n) for n in part.split("/")] for part in COUNTS[case].split()]
    assert np.abs(np.array(made) - expected).max() <= 1, made
