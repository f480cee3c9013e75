"""Unevenly lit pages with half of the pixels missing: paper is of low rank, ink is sparse."""

import base64
import zlib
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter

from experiments.study import Study
from linalg_ml import robust_pca

DATA = "experiments/data/pages.npz"
SPARSE, RATIO = 0.02, 2.0  # weight of the ink, and that of the paper over the usual multiple of it
NEAR, DARKER = 41, 0.88  # local threshold: 12 % darker than the 41 x 41 pixels around


def compute(cell, context):
    """Fill in the paper behind the ink from some of the pixels."""
    with np.load(Path(context.root) / DATA, allow_pickle=False) as npz:
        m = npz[cell["page"]] / 255.0
    share = cell["share"]
    ink = m < DARKER * uniform_filter(m, NEAR)
    observed = context.rng("observed", cell["page"]).random(m.shape) < share
    low = SPARSE * RATIO * (share * max(m.shape)) ** 0.5
    result = robust_pca(m, observed=observed, lam_low_rank=low, lam_sparse=SPARSE, rtol=1e-3)
    even = m - result.x
    before, after = m < two_classes(m), even < two_classes(even)
    missing_paper = ~ink if share == 1 else ~observed & ~ink
    parts = {
        "given": np.where(observed, m, 1.0),
        "background": result.x,
        "before": np.where(before, 0.0, 1.0),
        "after": np.where(after, 0.0, 1.0),
    }
    for part, values in parts.items():
        pixels = (np.clip(values, 0, 1) * 255).round().astype(np.uint8)
        yield {
            "part": part,
            "rows": pixels.shape[0],
            "columns": pixels.shape[1],
            "pixels_zlib": base64.b64encode(zlib.compress(pixels.tobytes(), 9)).decode(),
            "rank": result.rank,
            "steps": result.nit,
            "gap": result.residual,
            "paper_error": float(np.median(np.abs(even[missing_paper]))),
            "wrong_before": float(np.mean(before != ink)),
            "wrong_after": float(np.mean(after != ink)),
        }


def two_classes(values, levels=256):
    """Return the threshold between two classes that are furthest apart (N. Otsu, 1979)."""
    counts, edges = np.histogram(values, levels)
    middle = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = values.size - below
    sums = np.cumsum(counts * middle)
    apart = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    return float(edges[1 + np.argmax(below * above * apart**2)])


STUDY = Study(
    name="rpca_pages",
    title="Paper behind ink, from half of the pixels",
    summary=(
        "A printed and a written page, unevenly lit, with half of the pixels missing. The "
        "low-rank part of robust PCA is the paper, which is found where pixels are missing and "
        "under the ink; with it taken off, one threshold tells ink from paper on the whole page. "
        "What is ink is judged by a local threshold on all pixels."
    ),
    compute=compute,
    quick={"page": ("page", "text"), "share": 0.5},
    full={"page": ("page", "text"), "share": (0.25, 0.5, 1.0)},
    data=(DATA,),
    quick_seconds=3,
    full_seconds=10,
)
