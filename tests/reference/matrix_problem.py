"""A small deterministic least-squares problem in a matrix, on which optimizers are compared.

f(W) = ||A W B - C||_F^2 / 2 from W = 0, with A[i, j] = 1 / (i + j + 1) of shape (5, 4), B[j, k] =
1 / (1 + |j - k|) of order 3 and C[i, k] = sin(1 + i + 2 k), which has rank 2. So has the first
gradient; the perturbed problem adds 0.1 sin(t + 2 i + 3 j) to the gradient of step t = 1, 2, ...
"""

import numpy as np

_I, _J, _K = np.arange(5.0), np.arange(4.0), np.arange(3.0)
A = 1 / (_I[:, None] + _J + 1)
B = 1 / (1 + abs(_K[:, None] - _K))
C = np.sin(1 + _I[:, None] + 2 * _K)
START = np.zeros((4, 3))


def loss(w):
    """Return f(W)."""
    return 0.5 * np.sum((A @ w @ B - C) ** 2)


def gradient(w):
    """Return the gradient of f."""
    return A.T @ (A @ w @ B - C) @ B.T


def perturbation(t):
    """Return what the perturbed problem adds to the gradient of step t, from 1."""
    return 0.1 * np.sin(t + 2 * np.arange(4)[:, None] + 3 * np.arange(3))


def plain_gradient(w, t):
    """Return the gradient at step t of the plain problem."""
    return gradient(w)


def perturbed_gradient(w, t):
    """Return the gradient at step t of the perturbed problem."""
    return gradient(w) + perturbation(t)
