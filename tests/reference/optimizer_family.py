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


def dion(w, gradient, lr, start, *, momentum=0.95, weight_decay=0.0, eps=1e-8):
    """Ahn and others, 2025, in its simplest form, from the directions ``start``."""
    buffer, q = np.zeros_like(w), start
    factor = (w.shape[0] / w.shape[1]) ** 0.5
    for t in count(1):
        buffer = buffer + gradient(w, t)
        p = np.linalg.qr(buffer @ q)[0]
        r = buffer.T @ p
        buffer = buffer - (1 - momentum) * p @ r.T
        q = r / (np.linalg.norm(r, axis=0) + eps)
        w = (1 - lr * weight_decay) * w - lr * factor * p @ q.T
        yield w


def fismo(w, gradient, lr, *, beta=0.95, gamma=0.95, mu=1e-3, weight_decay=0.0):
    """Xu, Yan, Zhang, 2026, with an exact polar factor."""
    m, n = w.shape
    p, q, mean = np.eye(m), np.eye(n), np.zeros_like(w)

    def root(a):
        values, vectors = np.linalg.eigh(a)
        return (vectors / np.sqrt(values)) @ vectors.T

    def unit(a):
        a = len(a) * a / np.trace(a)
        return (a + a.T) / 2

    for t in count(1):
        g = gradient(w, t)
        left = g @ np.linalg.inv(q) @ g.T / n + mu * np.trace(p) / m * np.eye(m)
        p = unit(gamma * p + (1 - gamma) * left)
        right = g.T @ np.linalg.inv(p) @ g / m + mu * np.trace(q) / n * np.eye(n)
        q = unit(gamma * q + (1 - gamma) * right)
        mean = beta * mean + (1 - beta) * root(p) @ g @ root(q)
        u, _, vt = np.linalg.svd(mean, full_matrices=False)
        w = (1 - lr * weight_decay) * w - lr * root(p) @ (u @ vt) @ root(q)
        yield w


def polar(a):
    """Return U V^T of A = U S V^T."""
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    return u @ vt


def macro(w, gradient, lr, manifold, radius, *, beta=0.95, again=True):
    """Tangent, polar factor, tangent, and back: An, Li, Goldfarb, Ma, 2026, in our order."""

    def tangent(w, g):
        if manifold == "spectral":
            u, _, vt = np.linalg.svd(w)
            one = np.outer(u[:, 0], vt[0])
            return g - np.sum(one * g) * one
        if manifold == "frobenius":
            return g - np.sum(w * g) / np.sum(w * w) * w
        axis = 1 if manifold == "rows" else 0
        inner, square = (np.sum(w * a, axis=axis, keepdims=True) for a in (g, w))
        return g - inner / square * w

    def back(x):
        if manifold == "spectral":
            return radius * x / np.linalg.norm(x, 2)
        if manifold == "frobenius":
            return radius * x / np.linalg.norm(x)
        return radius * x / np.linalg.norm(x, axis=1 if manifold == "rows" else 0, keepdims=True)

    mean = np.zeros_like(w)
    for t in count(1):
        mean = beta * mean + (1 - beta) * gradient(w, t)
        d = polar(tangent(w, mean))
        if again:
            d = tangent(w, d)
        w = back(w - lr * max(1.0, w.shape[0] / w.shape[1]) ** 0.5 * d)
        yield w


def spel(w, gradient, lr, *, beta=0.95, weight_decay=0.0, tangent=True):
    """Yang, Lai, 2026, for a W with at least as many rows as columns."""
    mean = np.zeros_like(w)
    for t in count(1):
        mean = beta * mean + (1 - beta) * gradient(w, t)
        d = mean - w @ (w.T @ mean + mean.T @ w) / 2 if tangent else mean
        w = polar((1 - lr * weight_decay) * w - lr * polar(d))
        yield w
