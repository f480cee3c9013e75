"""Low rank plus sparse, as the published tables make it."""

import numpy as np


def signs(n=500, rank=25, share=0.05, seed=0):
    """L of entries N(0, 1/n) in both factors, S of +-1 (Candes, Li, Ma, Wright, Table 1)."""
    g = np.random.default_rng(seed)
    low = (g.standard_normal((n, rank)) / np.sqrt(n)) @ (g.standard_normal((rank, n)) / np.sqrt(n))
    places = g.choice(n * n, round(share * n * n), replace=False)
    sparse = np.zeros((n, n))
    sparse.flat[places] = g.choice([-1.0, 1.0], places.size)
    return low, sparse


def large_outliers(n=500, rank=25, share=0.05, size=500.0):
    """L of normal factors, S uniform in +-size."""
    g = np.random.default_rng(0)
    low = g.standard_normal((n, rank)) @ g.standard_normal((rank, n))
    places = g.choice(n * n, round(share * n * n), replace=False)
    sparse = np.zeros((n, n))
    sparse.flat[places] = g.uniform(-size, size, places.size)
    return low, sparse


def moderate_outliers(n=500, rank=5, share=0.1, times=1.0, seed=0):
    """L of normal factors, S uniform in +- times the mean size of L (Cai, Cai, Wei)."""
    g = np.random.default_rng(seed)
    low = g.standard_normal((n, rank)) @ g.standard_normal((rank, n))
    places = g.choice(n * n, round(share * n * n), replace=False)
    sparse = np.zeros((n, n))
    size = times * np.mean(np.abs(low))
    sparse.flat[places] = g.uniform(-size, size, places.size)
    return low, sparse


def tensor(n, rank, share, seed=0, order=3):
    """Orthonormal factors, a normal core, and U[-1, 1] added to a share of the entries."""
    g = np.random.default_rng(seed)
    low = g.standard_normal((rank,) * order)
    for axis in range(order):
        q, _ = np.linalg.qr(g.standard_normal((n, rank)))
        low = np.moveaxis(np.tensordot(q, low, axes=(1, axis)), 0, axis)
    sparse = np.zeros(low.shape)
    places = g.choice(low.size, round(share * low.size), replace=False)
    sparse.flat[places] = g.uniform(-1, 1, places.size)
    return low, sparse


def error(x, truth):
    """Return ||x - truth||_F / ||truth||_F."""
    return np.linalg.norm(np.asarray(x) - truth) / np.linalg.norm(truth)
