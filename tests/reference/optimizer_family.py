"""The published formulas of further optimizers for matrices, line by line, in float64 NumPy.

Each is a generator: it is given the start W, a function gradient(W, t) for t = 1, 2, ..., and
settings, and yields W after each step.
"""

from itertools import count

import numpy as np


def frugal_columns(
    w, gradient, lr, kept, period, *, betas=(0.9, 0.999), eps=1e-8, free_scale=1.0, weight_decay=0.0
):
    """Zmushko and others, 2024, for columns in turn: moments of the size of W, mostly unused."""
    b1, b2 = betas
    for t in count(1):
        g = gradient(w, t)
        if (t - 1) % period == 0:
            first = (t - 1) // period * kept
            mask = np.zeros(w.shape[1])
            mask[[(first + j) % w.shape[1] for j in range(kept)]] = 1
            mean, square, age = np.zeros_like(w), np.zeros_like(w), 0
        age += 1
        full = g * mask
        free = g - full
        mean = b1 * mean + (1 - b1) * full
        square = b2 * square + (1 - b2) * full**2
        step = (mean / (1 - b1**age)) / (np.sqrt(square / (1 - b2**age)) + eps)
        w = (1 - lr * weight_decay) * w - lr * (step * mask + free_scale * np.sign(free))
        yield w


def frugal_svd(w, gradient, lr, rank, period, *, betas=(0.9, 0.999), eps=1e-8, free_scale=1.0):
    """The same with the projection of GaLore, for a W with more rows than columns."""
    b1, b2 = betas
    for t in count(1):
        g = gradient(w, t)
        if (t - 1) % period == 0:
            basis = np.linalg.svd(g)[2][:rank].T
            mean = square = np.zeros((w.shape[0], rank))
            age = 0
        age += 1
        full = g @ basis
        free = g - full @ basis.T
        mean = b1 * mean + (1 - b1) * full
        square = b2 * square + (1 - b2) * full**2
        step = (mean / (1 - b1**age)) / (np.sqrt(square / (1 - b2**age)) + eps)
        w = w - lr * (step @ basis.T + free_scale * np.sign(free))
        yield w
