"""Model problems and right-hand sides whose sweeps and spectra are known."""

import numpy as np
import scipy.sparse


def laplacian(points, dimensions=2):
    """Return the Laplacian of a grid with walls around it, 2 d on the diagonal."""
    shape = (points, points)
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=shape)
    a = line
    for _ in range(dimensions - 1):
        a = scipy.sparse.kronsum(line, a)
    return a.tocsr()


def rhs(name, points):
    """Return one of three right-hand sides on a square grid: ones, tg (truncated normal), sin."""
    n = points**2
    if name == "ones":
        return np.ones(n)
    if name == "sin":
        return np.sin(np.arange(1, n + 1))
    rng = np.random.default_rng(0)
    b = rng.standard_normal(n)
    while np.linalg.norm(b) > np.sqrt(n):
        b = rng.standard_normal(n)
    return b


def unstructured(n=60, dtype=np.float64, seed=0):
    """Return a sparse, diagonally dominant Hermitian matrix without any order."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.1)
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((n, n)) * (a != 0)
    a = a + a.conj().T
    a += np.diag(1.1 * np.abs(a).sum(axis=1) + rng.random(n))
    return scipy.sparse.csr_array(a.astype(dtype))


def sweep(a, b, x, omega, order, size=1):
    """Relax the blocks of unknowns of a full matrix in the order given, in plain Python."""
    x = x.copy()
    for block in order:
        rows = slice(block * size, (block + 1) * size)
        x[rows] += omega * np.linalg.solve(a[rows, rows], b[rows] - a[rows] @ x)
    return x
