"""Fit an ellipse to points by moving them, the Hessian from differences of the derivatives.

Entries of those cancel, so that their rounding is larger than they are: it is no kink.
"""

import numpy as np
import pytest

from linalg_ml import EqualityProblem, sketched_newton

ANGLES = np.arange(16) * np.pi / 8
POINTS = np.stack([4 + 8 * np.cos(ANGLES), 3 + 2 * np.sin(ANGLES + 0.7)], axis=1)
POINTS = POINTS + 0.3 * np.cos(7 * np.arange(32).reshape(16, 2))


def conic(x):
    h, (u, v) = x[:5], x[5:].reshape(16, 2).T
    return h[0] * u**2 + 2 * h[1] * u * v + h[2] * v**2 - 2 * h[3] * u - 2 * h[4] * v - 1


def slopes(x):
    h, (u, v) = x[:5], x[5:].reshape(16, 2).T
    shape = np.stack([u**2, 2 * u * v, v**2, -2 * u, -2 * v], axis=1)
    along = np.stack([h[0] * u + h[1] * v - h[3], h[1] * u + h[2] * v - h[4]], axis=1)
    moves = 2 * along[:, None, :] * np.eye(16)[:, :, None]
    return np.concatenate([shape, moves.reshape(16, 32)], axis=1)


PROBLEM = EqualityProblem(
    lambda x: np.sum((x[5:] - POINTS.ravel()) ** 2),
    conic,
    grad=lambda x: np.r_[np.zeros(5), 2 * (x[5:] - POINTS.ravel())],
    jac=slopes,
)
START = np.r_[1.0, 0, 1, 0, 0, POINTS.ravel()]


@pytest.mark.parametrize("inner", ["block", "exact"])
def test_it_is_fitted_in_few_steps(inner):
    result = sketched_newton(PROBLEM, START, inner=inner, rng=0)
    assert result.converged
    assert result.nit <= 20
    assert np.linalg.norm(conic(result.x)) < 1e-6
