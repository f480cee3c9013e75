"""Robust PCA of real tensors, a colour picture and a video, with missing and wrong pixels."""

import base64
import zlib
from pathlib import Path

import numpy as np

from experiments.study import Study
from linalg_ml.low_rank import robust_pca, robust_tensor_pca
from linalg_ml.problems import surveillance_video

DATA = "experiments/data/coffee.npz"
FRAME = 0.8  # of the video, the one that is shown
# Multiples of the usual weight, of which each method gets the best.
WEIGHTS = {"matrix": (1.4, 2.0, 2.8), "horpca-s": (1.4, 2.0, 2.8), "horpca-m": (1.4, 2.0)}
RANKS = {"picture": (25, 37, 3), "video": (60, 80, 1)}  # a quarter of the sides; one in time
STEPS = 200


def compute(cell, context):
    """Recover a tensor by one method with the weight or the ranks that suit it best."""
    truth = load(cell["tensor"], context)
    rng = context.rng("pixels", cell["tensor"], cell["missing"], cell["wrong"])
    observed = rng.random(truth.shape) >= cell["missing"]
    wrong = rng.random(truth.shape) < cell["wrong"]
    given = np.where(wrong, rng.random(truth.shape), truth)
    if cell["method"] == "given":
        found = [(np.where(observed, given, 0.0), "", 0)]
    else:
        found = list(recover(given, observed, cell["tensor"], cell["method"]))
    x, setting, steps = max(found, key=lambda one: decibels(one[0], truth))
    shown = x if cell["tensor"] == "picture" else x[:, :, round(FRAME * x.shape[2])]
    pixels = (np.clip(shown, 0, 1) * 255).round().astype(np.uint8)
    yield {
        "setting": setting,
        "steps": steps,
        "decibels": decibels(x, truth),
        "rows": pixels.shape[0],
        "columns": pixels.shape[1],
        "pixels_zlib": base64.b64encode(zlib.compress(pixels.tobytes(), 9)).decode(),
    }


def load(name, context):
    """Return a picture, rows x columns x colours, or a video, rows x columns x frames."""
    if name == "video":
        return np.moveaxis(surveillance_video()[::8, ::2, ::2], 0, 2) / 255.0
    with np.load(Path(context.root) / DATA, allow_pickle=False) as npz:
        return npz["picture"] / 255.0


def recover(given, observed, name, method):
    """Yield the low-rank part, the setting and the steps for each setting of a method."""
    if method == "matrix":
        # One column for each frame; one row for each row of the picture.
        shape = (-1, given.shape[2]) if name == "video" else (given.shape[0], -1)
        m, known = given.reshape(shape), observed.reshape(shape)
        for weight in WEIGHTS[method]:
            lam = weight / max(m.shape) ** 0.5
            result = robust_pca(m, observed=known, method="alm", lam=lam, rtol=1e-5)
            yield result.x.reshape(given.shape), f"{weight:g}", result.nit
        return
    options = {"observed": observed, "method": method, "rtol": 1e-3, "maxiter": STEPS}
    if method == "horpca-c":
        result = robust_tensor_pca(given, ranks=RANKS[name], **options)
        yield result.x, " x ".join(map(str, RANKS[name])), result.nit
        return
    longest = max(given.shape) if method == "horpca-s" else given.size // min(given.shape)
    usual = (1.0 if method == "horpca-s" else 1.5) / longest**0.5
    for weight in WEIGHTS[method]:
        result = robust_tensor_pca(given, lam=weight * usual, **options)
        yield result.x, f"{weight:g}", result.nit


def decibels(x, truth):
    """Return the peak signal-to-noise ratio of values from 0 to 1."""
    return float(-10 * np.log10(np.mean((np.clip(x, 0, 1) - truth) ** 2)))


STUDY = Study(
    name="robust_tensor_real",
    title="A colour picture and a video with missing and wrong pixels",
    summary=(
        "Three in ten numbers of a real tensor are missing and a tenth of the others wrong. The "
        "low-rank part of principal component pursuit of one unfolding and of HoRPCA-S, -C and "
        "the mixture is compared with the original, each at the best of two or three weights."
    ),
    compute=compute,
    quick={
        "tensor": ("picture", "video"),
        "missing": 0.3,
        "wrong": 0.1,
        "method": ("given", "matrix", "horpca-s", "horpca-c", "horpca-m"),
    },
    full={
        "tensor": ("picture", "video"),
        "missing": 0.3,
        "wrong": (0.02, 0.05, 0.1, 0.2, 0.3),
        "method": ("given", "matrix", "horpca-s", "horpca-c", "horpca-m"),
    },
    data=(DATA,),
    quick_seconds=15,
    full_seconds=80,
)
