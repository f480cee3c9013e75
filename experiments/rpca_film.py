"""Robust PCA of a film in all its resolutions, from all pixels and from a tenth of them."""

import base64
import time
import tracemalloc
import zlib

import numpy as np

from experiments.film import averaged, columns, film_or_note, grey_film
from experiments.study import Study
from linalg_ml import robust_pca
from linalg_ml.problems import surveillance_video

SHARES = (1.0, 0.1)  # of the pixels that are observed
SPARSE = 0.1  # weight of the sparse part: differences below 25 of 255 grey levels are no motion
FRAME = 160 / 199  # of the frame that is shown, as a part of the film
WINDOW = 288, 384, 0.42, 0.83  # rows and columns shown at most, and the part left above and left


def cells(parameters):
    """One cell for each resolution of the clip, and of the film if there is one."""
    for shrink in parameters["clip"]:
        yield {"film": "clip", "checksum": "", "shrink": shrink}
    if parameters["film"]:
        film = film_or_note("the film of 768 x 576 pixels")
        for shrink in parameters["film"] if film else ():
            yield {"film": film[0], "checksum": film[1], "shrink": shrink}


def compute(cell, context):
    """Split one film from all pixels and from some; keep one frame of each."""
    if cell["film"] == "clip":
        frames = np.stack([averaged(f, cell["shrink"]) for f in surveillance_video()])
    else:
        frames = grey_film(cell["shrink"])
    shape = frames.shape[1:]
    m = columns(frames)
    del frames
    whole = None
    for share in SHARES:
        observed = None if share == 1 else sampled(m.shape, share, context)
        result, facts = split(m, observed, share)
        whole = whole or result.factors
        facts["difference"] = difference(result.factors, whole)
        yield from pictures(m, observed, result, facts, shape)


def sampled(shape, share, context):
    """Return which entries are observed, drawn a few rows at a time."""
    rng, observed = context.rng("observed", *shape), np.empty(shape, bool)
    for start in range(0, shape[0], 4096):
        rows = observed[start : start + 4096]
        rows[...] = rng.random(rows.shape, np.float32) < share
    return observed


def split(m, observed, share):
    """Split; return the result and what is known about it."""
    options = {"lam_sparse": SPARSE, "factored": observed is not None, "rng": 0}
    options["lam_low_rank"] = SPARSE * (share * max(m.shape)) ** 0.5
    few = m[:200], None if observed is None else observed[:200]
    robust_pca(few[0], observed=few[1], steps=1, **options)  # compiles
    tracemalloc.start()
    start = time.process_time()
    result = robust_pca(m, observed=observed, rtol=1e-2, maxiter=50, **options)
    seconds = time.process_time() - start
    memory = tracemalloc.get_traced_memory()[1] / m.nbytes
    tracemalloc.stop()
    return result, {
        "share": share,
        "entries": m.size,
        "pixels": m.shape[0],
        "frames": m.shape[1],
        "seconds": seconds,
        "steps": result.nit,
        "per_step": seconds / result.nit,
        "memory": memory,
        "rank": result.rank,
        "gap": result.residual,
    }


def difference(factors, others):
    """Return ||L - K||_F / ||K||_F for L and K in factors."""
    (u, s, vh), (p, t, qh) = ([np.asarray(x, float) for x in f] for f in (factors, others))
    inner = float(np.sum((u.T @ p) * (s[:, None] * (vh @ qh.T) * t)))
    square = float(s @ s) + float(t @ t) - 2 * inner
    return (max(square, 0.0) / float(t @ t)) ** 0.5


def pictures(m, observed, result, facts, shape):
    """Yield a frame and its parts, of a window of at most 288 x 384 pixels."""
    frame = round(FRAME * m.shape[1])
    u, s, vh = result.factors
    if observed is None:
        moving, seen = result.sparse[:, frame], m[:, frame]
    else:
        moving = result.sparse[:, [frame]].toarray()[:, 0]
        seen = np.where(observed[:, frame], m[:, frame], 0)
    parts = {"frame": seen, "background": (u * s) @ vh[:, frame], "moving": 2 * np.abs(moving)}
    height, width, above, left = WINDOW
    sides = min(height, shape[0]), min(width, shape[1])
    top, left = round(above * (shape[0] - sides[0])), round(left * (shape[1] - sides[1]))
    for part, values in parts.items():
        window = values.reshape(shape)[top : top + sides[0], left : left + sides[1]]
        pixels = (np.clip(window, 0, 1) * 255).round().astype(np.uint8)
        yield {
            "part": part,
            "rows": pixels.shape[0],
            "columns": pixels.shape[1],
            "pixels_zlib": base64.b64encode(zlib.compress(pixels.tobytes(), 9)).decode(),
            **facts,
        }


STUDY = Study(
    name="rpca_film",
    title="Robust PCA of a film in all its resolutions",
    summary=(
        "The penalised problem in float32 to a relative gap of 1e-2 on films of growing "
        "resolution, with all pixels observed and with a tenth of them, where the low-rank part "
        "is kept in factors. The full level adds the film that the environment variable "
        "LINALG_ML_FILM names, and says so where it is not set."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    cost=lambda cell: (1.0 if cell["film"] == "clip" else 92.0) / cell["shrink"] ** 2,
    quick={"clip": (4, 2, 1), "film": ()},
    full={"clip": (4, 2, 1), "film": (4, 2, 1)},
    quick_seconds=6,
    full_seconds=300,
    timed=True,
)
