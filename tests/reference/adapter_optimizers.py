"""The published formulas of optimizers for adapters W_0 + B A, line by line, in float64 NumPy.

Each is a generator: it is given A (r, n), B (m, r), a function gradient(W, t) of the product
W = B A for t = 1, 2, ..., and settings, and yields (A, B) after each step. Inverses are NumPy's,
so A and B must have full rank.
"""

from itertools import count

import numpy as np
from scipy.linalg import solve_sylvester

inv = np.linalg.inv


def adaprelora(
    a, b, gradient, lr, *, beta1=0.9, beta2=0.999, weight_decay=0.0, momentum_of="gradients"
):
    """Liu, Bian, Cai, 2026, with the energies of the full gradient and either momentum."""
    rows, columns = np.zeros(len(b)), np.zeros(a.shape[1])
    mean_a, mean_b = np.zeros_like(a), np.zeros_like(b)
    for t in count(1):
        g = gradient(b @ a, t)
        ga, gb = b.T @ g, g @ a.T
        if momentum_of == "gradients":
            mean_a = beta1 * mean_a + (1 - beta1) * ga
            mean_b = beta1 * mean_b + (1 - beta1) * gb
            ga, gb = mean_a / (1 - beta1**t), mean_b / (1 - beta1**t)
        rows = beta2 * rows + (1 - beta2) * np.sum(g**2, axis=1)
        columns = beta2 * columns + (1 - beta2) * np.sum(g**2, axis=0)
        l, c = rows / (1 - beta2**t), columns / (1 - beta2**t)
        da = np.diag(np.sqrt(l) / np.sum(l) ** 0.25)
        db = np.diag(np.sqrt(c) / np.sum(c) ** 0.25)
        p = b @ inv(b.T @ da @ b) @ b.T @ da
        q = db @ a.T @ inv(a @ db @ a.T) @ a
        step_a = inv(b.T @ da @ b) @ ga @ inv(db) @ (np.eye(a.shape[1]) - q / 2)
        step_b = (np.eye(len(b)) - p / 2) @ inv(da) @ gb @ inv(a @ db @ a.T)
        if momentum_of == "steps":
            mean_a = beta1 * mean_a + (1 - beta1) * step_a
            mean_b = beta1 * mean_b + (1 - beta1) * step_b
            step_a, step_b = mean_a / (1 - beta1**t), mean_b / (1 - beta1**t)
        a = (1 - lr * weight_decay) * a - lr * step_a
        b = (1 - lr * weight_decay) * b - lr * step_b
        yield a, b


class Adam:
    """Adam with bias correction: the direction for each gradient in turn."""

    def __init__(self, beta1, beta2, eps):
        self.beta1, self.beta2, self.eps, self.t, self.m, self.v = beta1, beta2, eps, 0, 0.0, 0.0

    def __call__(self, g):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        root = np.sqrt(self.v / (1 - self.beta2**self.t))
        return self.m / (1 - self.beta1**self.t) / (root + self.eps)


def scaled_adam(a, b, gradient, lr, *, betas=(0.9, 0.999), eps=1e-6, delta=1e-6):
    """Zhang, Pilanci, 2024."""
    adams = Adam(*betas, eps), Adam(*betas, eps)
    identity = delta * np.eye(len(a))
    for t in count(1):
        g = gradient(b @ a, t)
        ga = inv(b.T @ b + identity) @ (b.T @ g)
        gb = (g @ a.T) @ inv(a @ a.T + identity)
        a, b = a - lr * adams[0](ga), b - lr * adams[1](gb)
        yield a, b


def lora_pro(a, b, gradient, lr, *, s=1.0, betas=(0.9, 0.999), eps=1e-8):
    """Wang and others, 2024, with Adam on the projected gradient."""
    adam = Adam(*betas, eps)

    def solve(ga, gb):
        bb, aa = b.T @ b, a @ a.T
        da = inv(bb) @ ga / s**2
        db = (np.eye(len(b)) - b @ inv(bb) @ b.T) @ gb @ inv(aa) / s**2
        x = solve_sylvester(bb, aa, -inv(bb) @ ga @ a.T / s**2)
        return da, db, x

    for t in count(1):
        g = gradient(b @ a, t)
        da, db, _ = solve(s * b.T @ g, s * g @ a.T)
        moved = adam(s * b @ da + s * db @ a)
        da, db, x = solve(s * b.T @ moved, s * moved @ a.T)
        a, b = a - lr * (da + x @ a), b - lr * (db - b @ x)
        yield a, b


def lora_rite(a, b, gradient, lr, *, betas=(0.9, 0.999), eps=1e-6, clip=1.0, skip=1.0):
    """Yen and others, 2024, without the escaped mass."""
    b1, b2 = betas
    held = {}
    for t in count(1):
        g = gradient(b @ a, t)
        sides = {}
        for side, grad, partner in (("a", (b.T @ g).T, b), ("b", g @ a.T, a.T)):
            u, r = np.linalg.qr(partner)
            back = np.linalg.pinv(r)
            n = grad @ back
            if np.sqrt(np.mean(n**2)) > skip:
                n = 0 * n
            sides[side] = u, back, n
        norm = np.sqrt(sum(np.sum(n**2) for _, _, n in sides.values()))
        steps = {}
        for side, (u, back, n) in sides.items():
            n = n * min(1.0, clip / norm)
            first, second = (beta * (1 - beta ** (t - 1)) / (1 - beta**t) for beta in (b1, b2))
            if t == 1:
                r = u.shape[1]
                held[side] = u, np.zeros((r, r)), np.zeros_like(n)
            old, square, mean = held[side]
            p = u.T @ old
            square = second * p @ square @ p.T + (1 - second) * n.T @ n / len(n)
            w, v = np.linalg.eigh((square + square.T) / 2)
            direction = n @ v @ np.diag(1 / (np.sqrt(np.maximum(w, 0)) + eps)) @ v.T
            mean = first * mean @ p.T + (1 - first) * direction
            held[side] = u, square, mean
            steps[side] = mean @ back.T
        a, b = a - lr * steps["a"].T, b - lr * steps["b"]
        yield a, b
