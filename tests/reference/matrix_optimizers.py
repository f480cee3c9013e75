"""The published formulas of optimizers for matrices, line by line, in float64 NumPy.

Each is a generator: it is given the start W, a function gradient(W, t) for t = 1, 2, ..., and
settings, and yields W after each step.
"""

from itertools import count

import numpy as np

JORDAN = (3.4445, -4.7750, 2.0315)


def polar_by_svd(g):
    """Return U V^T of G = U S V^T."""
    u, _, vt = np.linalg.svd(g, full_matrices=False)
    return u @ vt


def newton_schulz(g, coefficients=JORDAN, steps=5):
    """Return Jordan's approximation of U V^T."""
    a, b, c = coefficients
    x = g / max(np.linalg.norm(g), 1e-7)
    if g.shape[0] > g.shape[1]:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if g.shape[0] > g.shape[1] else x


def power(a, exponent):
    """Return A^exponent for a symmetric positive definite matrix."""
    w, v = np.linalg.eigh(a)
    return (v * w**exponent) @ v.T


def sgd(w, gradient, lr):
    """W <- W - lr G."""
    for t in count(1):
        w = w - lr * gradient(w, t)
        yield w


def muon(
    w, gradient, lr, *, momentum=0.95, nesterov=True, weight_decay=0.0, scale=None, polar=None
):
    """Momentum, orthogonalised: Jordan and others, 2024."""
    polar = polar or newton_schulz
    m, n = w.shape
    factor = max(1.0, m / n) ** 0.5 if scale is None else scale(m, n)
    buffer = np.zeros_like(w)
    for t in count(1):
        g = gradient(w, t)
        buffer = momentum * buffer + (1 - momentum) * g
        u = momentum * buffer + (1 - momentum) * g if nesterov else buffer
        w = (1 - lr * weight_decay) * w - lr * factor * polar(u)
        yield w


def bias_corrected_muon(w, gradient, lr, *, beta=0.95):
    """Muon with the momentum of optax: bias-corrected with Nesterov's look ahead."""
    m, n = w.shape
    mu = np.zeros_like(w)
    for t in count(1):
        g = gradient(w, t)
        mu = beta * mu + (1 - beta) * g
        ahead = beta * mu / (1 - beta ** (t + 1)) + (1 - beta) * g / (1 - beta**t)
        w = w - lr * max(1.0, n / m) ** 0.5 * newton_schulz(ahead)
        yield w


def polargrad(w, gradient, lr, *, beta=0.95, placement="first", nesterov=False, weight_decay=0.0):
    """The four placements of momentum: Lau, Long, Su, 2025."""
    buffer = np.zeros_like(w)
    for t in count(1):
        g = gradient(w, t)
        if placement == "none":
            u = polar_by_svd(g)
            step = np.sum(g * u) * u
        elif placement == "first":
            buffer = beta * buffer + (1 - beta) * g
            u = polar_by_svd(buffer)
            step = np.sum(buffer * u) * u
        elif placement == "nesterov":
            buffer = beta * buffer + (1 - beta) * g
            ahead = beta * buffer + (1 - beta) * g
            u = polar_by_svd(ahead)
            step = np.sum(ahead * u) * u
        else:  # "polar first"
            u = polar_by_svd(g)
            buffer = beta * buffer + (1 - beta) * u
            step = np.sum(g * u) * buffer
        w = (1 - lr * weight_decay) * w - lr * step
        yield w


def shampoo(w, gradient, lr, *, eps=1e-6, exponent=-0.25):
    """Gupta, Koren, Singer, 2018: summed statistics."""
    m, n = w.shape
    left, right = eps * np.eye(m), eps * np.eye(n)
    for t in count(1):
        g = gradient(w, t)
        left, right = left + g @ g.T, right + g.T @ g
        w = w - lr * power(left, exponent) @ g @ power(right, exponent)
        yield w


def shampoo_grafted(w, gradient, lr, *, beta1=0.9, beta2=0.999, eps=1e-10, weight_decay=0.0):
    """Shampoo as a baseline of ASGO's authors: averages, and the norm of an Adam step."""
    m, n = w.shape
    left, right, mean, square = (
        np.zeros((m, m)),
        np.zeros((n, n)),
        np.zeros((m, n)),
        np.zeros((m, n)),
    )
    for t in count(1):
        g = gradient(w, t)
        mean = beta1 * mean + (1 - beta1) * g
        square = beta2 * square + (1 - beta2) * g * g
        left = beta2 * left + (1 - beta2) * g @ g.T
        right = beta2 * right + (1 - beta2) * g.T @ g
        u = power(left + eps * np.eye(m), -0.25) @ mean @ power(right + eps * np.eye(n), -0.25)
        u = u * np.linalg.norm(mean / (np.sqrt(square) + eps)) / np.linalg.norm(u)
        w = (1 - lr * weight_decay) * w - lr * u
        yield w


def asgo_theory(w, gradient, lr, *, eps=1e-8):
    """An and others, 2025, the algorithm analysed: one side, summed, the root damped."""
    v = np.zeros((w.shape[0],) * 2)
    for t in count(1):
        g = gradient(w, t)
        v = v + g @ g.T
        values, vectors = np.linalg.eigh(v)
        root = np.sqrt(np.maximum(values, 0))
        w = w - lr * (vectors / (root + eps)) @ vectors.T @ g
        yield w


def asgo(w, gradient, lr, *, beta1=0.9, beta2=0.8, eps=1e-10, weight_decay=0.0):
    """An and others, 2025, as run: averages, and a step of fixed size."""
    m, n = w.shape
    left = m < n
    p, mean = np.zeros((min(m, n),) * 2), np.zeros((m, n))
    for t in count(1):
        g = gradient(w, t)
        mean = beta1 * mean + (1 - beta1) * g
        p = beta2 * p + (1 - beta2) * (g @ g.T if left else g.T @ g)
        z = power(p + eps * np.eye(len(p)), -0.5)
        u = z @ mean if left else mean @ z
        w = (1 - lr * weight_decay) * w - lr * 0.2 * (m * n) ** 0.5 * u / np.linalg.norm(u)
        yield w


def dasgo(w, gradient, lr, *, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.0):
    """The diagonal of ASGO's matrix on the right."""
    m, n = w.shape
    v, mean = np.zeros(n), np.zeros((m, n))
    for t in count(1):
        g = gradient(w, t)
        mean = beta1 * mean + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * np.sum(g * g, axis=0)
        u = mean / np.sqrt(v + eps)
        w = (1 - lr * weight_decay) * w - lr * 0.2 * (m * n) ** 0.5 * u / np.linalg.norm(u)
        yield w


def soap(
    w, gradient, lr, *, betas=(0.95, 0.95), shampoo_beta=None, eps=1e-8, weight_decay=0.0,
    frequency=10, sides=("left", "right"), factored=False, normalize=False,
):  # fmt: skip
    """Vyas and others, 2024: Adam in Shampoo's eigenbasis, ten products a step, as published."""
    b1, b2 = betas
    bs = b2 if shampoo_beta is None else shampoo_beta
    m, n = w.shape
    g = gradient(w, 1)
    left, right = (1 - bs) * g @ g.T, (1 - bs) * g.T @ g
    ql = np.linalg.eigh(left + 1e-30 * np.eye(m))[1][:, ::-1] if "left" in sides else np.eye(m)
    qr = np.linalg.eigh(right + 1e-30 * np.eye(n))[1][:, ::-1] if "right" in sides else np.eye(n)
    mean, v, rows, columns = np.zeros((m, n)), np.zeros((m, n)), np.zeros(m), np.zeros(n)
    yield w
    for t in count(1):
        g = gradient(w, t + 1)
        rotated = ql.T @ g @ qr
        mean = b1 * mean + (1 - b1) * rotated
        v = b2 * v + (1 - b2) * rotated**2
        rows = b2 * rows + (1 - b2) * np.sum(rotated**2, axis=1)
        columns = b2 * columns + (1 - b2) * np.sum(rotated**2, axis=0)
        second = np.outer(rows, columns) / np.sum(rows) if factored else v
        direction = ql @ (mean / (np.sqrt(second) + eps)) @ qr.T
        if normalize:
            direction = direction / (1e-30 + np.sqrt(np.mean(direction**2)))
        w = w - lr * (1 - b2**t) ** 0.5 / (1 - b1**t) * direction
        w = (1 - lr * weight_decay) * w
        mean = ql @ mean @ qr.T
        left = bs * left + (1 - bs) * g @ g.T
        right = bs * right + (1 - bs) * g.T @ g
        if t % frequency == 0:
            if "left" in sides:
                order = np.argsort(-np.diag(ql.T @ left @ ql), kind="stable")
                ql, v, rows = np.linalg.qr(left @ ql[:, order])[0], v[order], rows[order]
            if "right" in sides:
                order = np.argsort(-np.diag(qr.T @ right @ qr), kind="stable")
                qr, v, columns = np.linalg.qr(right @ qr[:, order])[0], v[:, order], columns[order]
        mean = ql.T @ mean @ qr
        yield w
