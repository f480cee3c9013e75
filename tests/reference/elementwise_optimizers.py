"""The published formulas of optimizers that work entry by entry, line by line, in NumPy.

Each is a generator: it is given the start W, a function gradient(W, t) for t = 1, 2, ..., and
settings, and yields W after each step.
"""

from itertools import count

import numpy as np


def sgd(w, gradient, lr, *, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
    """PyTorch's form: the first gradient is not dampened."""
    b = None
    for t in count(1):
        g = gradient(w, t) + weight_decay * w
        b = g if t == 1 else momentum * b + (1 - dampening) * g
        w = w - lr * (g + momentum * b if nesterov else b)
        yield w


def adam(w, gradient, lr, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, correct_bias=True):
    """Kingma and Ba, 2014; weight decay in the gradient."""
    b1, b2 = betas
    m = v = np.zeros_like(w)
    for t in count(1):
        g = gradient(w, t) + weight_decay * w
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        c1, c2 = (1 - b1**t, 1 - b2**t) if correct_bias else (1, 1)
        w = w - lr * (m / c1) / (np.sqrt(v / c2) + eps)
        yield w


def adamw(w, gradient, lr, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    """Loshchilov and Hutter, 2017."""
    b1, b2 = betas
    m = v = np.zeros_like(w)
    for t in count(1):
        g = gradient(w, t)
        w = (1 - lr * weight_decay) * w
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        w = w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        yield w


def equal_beta_adam(w, gradient, lr, *, beta=0.95, eps=1e-8, weight_decay=0.0):
    """Orvieto and Gower, 2025: the variance uses the mean from before."""
    m = d = np.zeros_like(w)
    for t in count(1):
        g = gradient(w, t)
        d = beta * d + beta * (1 - beta) * (m - g) ** 2
        m = beta * m + (1 - beta) * g
        w = (1 - lr * weight_decay) * w - lr * m / (np.sqrt(m**2 + d) + eps)
        yield w


def lion(w, gradient, lr, *, betas=(0.9, 0.99), weight_decay=0.0):
    """Chen et al., 2023."""
    b1, b2 = betas
    m = np.zeros_like(w)
    for t in count(1):
        g = gradient(w, t)
        c = b1 * m + (1 - b1) * g
        w = (1 - lr * weight_decay) * w
        w = w - lr * np.sign(c)
        m = b2 * m + (1 - b2) * g
        yield w


def signum(w, gradient, lr, *, beta=0.9, nesterov=False, mollifier=0.0, weight_decay=0.0):
    """Bernstein et al., 2018; mollified as by Orvieto and Gower, 2025."""
    m = np.zeros_like(w)
    for t in count(1):
        g = gradient(w, t)
        m = beta * m + (1 - beta) * g
        u = (1 - beta) * g + beta * m if nesterov else m
        d = u / (abs(u) + mollifier) if mollifier else np.sign(u)
        w = (1 - lr * weight_decay) * w - lr * d
        yield w


def sign_sgd(w, gradient, lr, *, weight_decay=0.0):
    """Bernstein et al., 2018."""
    for t in count(1):
        w = (1 - lr * weight_decay) * w - lr * np.sign(gradient(w, t))
        yield w


def mean_of_signs(w, gradient, lr, *, beta=0.9, weight_decay=0.0):
    """The sign first, then the mean."""
    m = np.zeros_like(w)
    for t in count(1):
        m = beta * m + (1 - beta) * np.sign(gradient(w, t))
        w = (1 - lr * weight_decay) * w - lr * m
        yield w


def adafactor(
    w, gradient, lr, *, decay=-0.8, eps=None, least=1e-3, threshold=1.0, scale_by_parameter=True,
    weight_decay=0.0,
):  # fmt: skip
    """Shazeer and Stern, 2018, in PyTorch's form; for a matrix or a vector."""
    eps = np.finfo(w.dtype).eps if eps is None else eps
    r = c = v = 0.0
    for t in count(1):
        g = gradient(w, t)
        weight = t**decay
        rate = min(lr, 1 / t**0.5)
        if scale_by_parameter:
            rate = rate * max(least, np.sqrt(np.mean(w**2)))
        if w.ndim == 1:
            v = (1 - weight) * v + weight * g**2
            estimate = v
        else:
            r = (1 - weight) * r + weight * np.mean(g**2, axis=1)
            c = (1 - weight) * c + weight * np.mean(g**2, axis=0)
            estimate = np.outer(r, c) / max(np.mean(r), eps)
        u = g / np.sqrt(np.maximum(estimate, eps**2))
        u = u / max(1.0, np.sqrt(np.mean(u**2)) / threshold)
        w = (1 - lr * weight_decay) * w - rate * u
        yield w
