"""How much embeddings distort a subspace, and what they cost to apply."""

import time

import numpy as np

from experiments.study import Study
from linalg_ml import sketching

KINDS = ("gaussian", "sparse-sign", "srht", "count", "rows", "leverage")


def subspace(name, m, n, rng):
    """Return an orthonormal basis (m, n) of a subspace.

    "incoherent": random, all rows alike. "coherent": spanned by the first n unit vectors, the rest
    of the rows zero. "mixed": half of each.
    """
    if name == "coherent":
        return np.eye(m, n)
    if name == "incoherent":
        return np.linalg.qr(rng.standard_normal((m, n)))[0]
    q = np.zeros((m, n))
    half = n // 2
    q[:half, :half] = np.eye(half)
    q[half:, half:] = np.linalg.qr(rng.standard_normal((m - half, n - half)))[0]
    return q


def draw(kind, s, q, rng):
    """Draw an embedding of the rows of Q; "leverage" is "rows" by their leverage scores."""
    if kind == "leverage":
        return sketching.embedding("rows", (s, len(q)), probabilities=np.sum(q**2, axis=1), rng=rng)
    return sketching.embedding(kind, (s, len(q)), rng=rng)


def compute(cell, context):
    """Yield the mean extreme singular values of S Q over the draws, and the time to apply S."""
    m, n, kind = cell["rows"], cell["columns"], cell["embedding"]
    q = subspace(cell["subspace"], m, n, context.rng("subspace", m, n))
    dense = context.rng("dense", m, n).standard_normal((m, n))
    gram = min(_seconds(lambda: dense.T @ dense) for _ in range(10))
    for ratio in cell["ratios"].split():
        s = round(float(ratio) * n)
        ends, clocks = [], []
        for number in range(cell["draws"]):
            drawn = draw(kind, s, q, context.rng(kind, cell["subspace"], s, number))
            values = np.linalg.svd(drawn @ q, compute_uv=False)
            ends.append((values[-1], values[0]))
            clocks.append(_seconds(lambda drawn=drawn: drawn @ dense))
        low, high = np.mean(ends, axis=0)
        yield {
            "ratio": float(ratio),
            "smallest": low,
            "largest": high,
            "worst_smallest": np.min(ends, axis=0)[0],
            "seconds": min(clocks),
            "over_gram": min(clocks) / gram,
        }


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


STUDY = Study(
    name="sketching_embeddings",
    title="Distortion and cost of random embeddings",
    summary=(
        "Extreme singular values of S Q for orthonormal Q (m x n) whose rows are alike "
        "(incoherent), concentrated on n of them (coherent), or half of each, against the rows of "
        "S over n. Also the time to apply S to a dense matrix over that of A^T A."
    ),
    compute=compute,
    quick={
        "embedding": KINDS,
        "subspace": ("incoherent", "mixed", "coherent"),
        "rows": 4096,
        "columns": 40,
        "ratios": "1.5 2 3 4 6 8 12 20",
        "draws": 8,
    },
    full={
        "embedding": KINDS,
        "subspace": ("incoherent", "mixed", "coherent"),
        "rows": 65536,
        "columns": 200,
        "ratios": "1.5 2 3 4 6 8 12 20",
        "draws": 10,
    },
    quick_seconds=10,
    full_seconds=1500,
    timed=True,
)
