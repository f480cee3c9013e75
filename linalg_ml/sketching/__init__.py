"""Randomized linear algebra: embeddings, low rank, least squares, traces, projections."""

from linalg_ml.sketching.embeddings import embedding
from linalg_ml.sketching.row_probabilities import row_probabilities

__all__ = [
    "embedding",
    "row_probabilities",
]
