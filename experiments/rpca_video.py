"""Robust PCA of a surveillance video: convergence, growth with the frames, and pictures."""

import base64
import time

import numpy as np

from experiments.study import Study
from linalg_ml import robust_pca
from linalg_ml.low_rank import CorrectiveFrankWolfe, Fista, FrankWolfe, Ista
from linalg_ml.problems import surveillance_video

METHODS = {
    "fw-t": FrankWolfe(),
    "corrective": CorrectiveFrankWolfe(),
    "fista": Fista(joint=True, svd="lapack"),
    "reduced-fista": Fista(svd="gram"),
    "ista": Ista(svd="lapack"),
}
TIMED = {
    "fw-t": FrankWolfe(),
    "fista": Fista(joint=True, svd="lapack"),
    "reduced-fista": Fista(svd="gram"),
}
NOISE = 0.01
MOST_FRAMES = 200  # of which full decompositions are made until FISTA reaches the objective


def video(stride, frames, context):
    """Return every stride-th pixel of the video as columns, repeated with noise where it ends."""
    clip = surveillance_video()[:, ::stride, ::stride]
    shape = clip.shape[1:]
    m = clip.reshape(len(clip), -1).T / 255.0
    if frames <= m.shape[1]:
        return m[:, np.linspace(0, m.shape[1] - 1, frames).round().astype(int)], shape
    rng = context.rng("more frames", frames)
    columns = np.arange(frames) % m.shape[1]
    return m[:, columns] + NOISE * rng.standard_normal((len(m), frames)), shape


def weights(m, delta):
    """Return the weights that delta stands for where everything is observed."""
    low = delta * float(np.linalg.norm(m))
    return {"lam_low_rank": low, "lam_sparse": low / max(m.shape) ** 0.5}


def cells(parameters):
    """One cell for each method and weight, number of frames, and share of entries observed."""
    stride, frames = parameters["stride"], parameters["frames"]
    for delta in parameters["deltas"]:
        for method in METHODS:
            yield {"kind": "curve", "method": method, "delta": delta, "stride": stride,
                   "frames": frames, "steps": parameters["steps"]}  # fmt: skip
    for frames in parameters["growing"]:
        yield {"kind": "growth", "frames": frames, "delta": 1e-3, "stride": stride}
    for rho in (1.0, 0.5):
        yield {"kind": "pictures", "rho": rho, "stride": parameters["picture_stride"]}


def compute(cell, context):
    """Compute one cell."""
    yield from {"curve": curve, "growth": growth, "pictures": pictures}[cell["kind"]](cell, context)


def curve(cell, context):
    """Follow the relative error of the objective over steps and processor time."""
    m, _ = video(cell["stride"], cell["frames"], context)
    given = weights(m, cell["delta"])
    best = robust_pca(m, method="fista", **given, rtol=1e-8)
    method, steps = METHODS[cell["method"]], cell["steps"]
    seen = robust_pca(m, method=method, **given, steps=steps, history=True, rng=0)
    seconds = seconds_of_steps(m, method, given, steps)
    for record, second in zip(seen.history[1:], seconds, strict=True):
        yield {
            "nit": record["nit"],
            "seconds": second,
            "error": max(record["objective"] / best.objective - 1, 1e-12),
            "minimum": best.objective,
            "rank": best.rank,
        }


def seconds_of_steps(m, method, given, steps):
    """Return the processor time after each step of a run that measures nothing."""
    times = []
    robust_pca(m[:64], method=method, **given, steps=1)  # compiles
    start = time.process_time()
    robust_pca(m, method=method, **given, steps=steps, rng=0,
               callback=lambda progress: times.append(time.process_time() - start))  # fmt: skip
    return times


def growth(cell, context):
    """Time the steps of each method, and count those to the objective at which FW-T stops."""
    m, _ = video(cell["stride"], cell["frames"], context)
    given = weights(m, cell["delta"])
    stop = robust_pca(m, method="fw-t", **given, rng=0)
    for name, method in TIMED.items():
        steps = stop.nit
        if name == "fista" and cell["frames"] > MOST_FRAMES:
            steps = None
        elif name != "fw-t":
            steps = steps_to(stop.upper_bound, m, method, given)
        seconds = seconds_of_steps(m, method, given, 4)
        per_step = float(np.median(np.diff([0.0, *seconds])))
        yield {
            "method": name,
            "steps": steps,
            "per_step": per_step,
            "total": steps and per_step * steps,
        }


def steps_to(objective, m, method, given):
    """Return how many steps reach an objective."""
    result = robust_pca(
        m, method=method, **given, rtol=0, maxiter=500, history=True,
        callback=lambda progress: progress.measures["objective"] <= objective,
    )  # fmt: skip
    return result.nit


def pictures(cell, context):
    """Split the video, with missing pixels for rho < 1; keep two frames and their parts."""
    clip = surveillance_video()
    m, shape = video(cell["stride"], len(clip), context)
    m = m.astype(np.float32)
    rho = cell["rho"]
    observed = None if rho == 1 else context.rng("observed").random(m.shape) < rho
    norm = float(np.linalg.norm(m if observed is None else m[observed]))
    low = 2e-3 * rho * norm
    given = {"lam_low_rank": low, "lam_sparse": low / (rho * max(m.shape)) ** 0.5}
    result = robust_pca(m, observed=observed, **given, rtol=1e-3, rng=0)
    share = float(np.mean(np.abs(result.sparse) > 0) / rho)
    seen = m if observed is None else np.where(observed, m, 0)
    for frame in (40, 160):
        parts = {
            "frame": seen[:, frame],
            "background": result.x[:, frame],
            "moving": np.abs(result.sparse[:, frame]) * 2,
        }
        for part, values in parts.items():
            pixels = (np.clip(values, 0, 1) * 255).round().astype(np.uint8)
            yield {
                "frame": frame,
                "part": part,
                "rows": shape[0],
                "columns": shape[1],
                "pixels": base64.b64encode(pixels.tobytes()).decode(),
                "rank": result.rank,
                "share": share,
                "steps": result.nit,
                "gap": result.residual,
            }


STUDY = Study(
    name="rpca_video",
    title="Robust PCA of a surveillance video",
    summary=(
        "The penalised problem on a real video: relative error of the objective against steps and "
        "processor time for FW-T, its corrective form, FISTA and ISTA; time of a step, and steps "
        "to the objective at which FW-T stops, as the frames grow; background and moving objects, "
        "with all pixels observed and with half of them."
    ),
    compute=compute,
    cells=lambda parameters: list(cells(parameters)),
    cost=lambda cell: {"curve": 1.0, "growth": cell.get("frames", 0) / 100, "pictures": 3.0}[
        cell["kind"]
    ],
    quick={
        "stride": 3,
        "frames": 80,
        "steps": 60,
        "deltas": (1e-2, 1e-3),
        "growing": (50, 100, 200, 400),
        "picture_stride": 1,
    },
    full={
        "stride": 1,
        "frames": 199,
        "steps": 60,
        "deltas": (1e-2, 1e-3),
        "growing": (25, 50, 100, 200, 400, 800),
        "picture_stride": 1,
    },
    quick_seconds=20,
    full_seconds=1200,
    timed=True,
)
