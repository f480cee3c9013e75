"""Randomized linear algebra: embeddings, low rank, least squares, traces, projections."""

from linalg_ml.sketching.embeddings import embedding
from linalg_ml.sketching.least_squares import sketched_lstsq
from linalg_ml.sketching.low_rank import randomized_svd
from linalg_ml.sketching.nystrom import nystrom, nystrom_preconditioner
from linalg_ml.sketching.projection import sketch_and_project
from linalg_ml.sketching.range_finder import range_finder
from linalg_ml.sketching.row_probabilities import row_probabilities
from linalg_ml.sketching.trace import estimate_trace

__all__ = [
    "embedding",
    "estimate_trace",
    "nystrom",
    "nystrom_preconditioner",
    "randomized_svd",
    "range_finder",
    "row_probabilities",
    "sketch_and_project",
    "sketched_lstsq",
]
