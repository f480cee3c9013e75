"""Frank-Wolfe for robust PCA: time to an accuracy, memory, growth of the time of a step.

``python -m experiments.bench.frank_wolfe`` with OPENBLAS_NUM_THREADS=1: the clock counts the CPU
time of the process. Names after the command choose among the benchmarks.
"""

import sys
import time
import tracemalloc

import numpy as np
from scipy.sparse import csr_array

from linalg_ml import problems, robust_pca
from linalg_ml.low_rank import CorrectiveFrankWolfe, Fista, FrankWolfe

SIZES = (1000, 2000, 4000, 8000)  # columns; as many rows


def video():
    """The video as a matrix, one column per frame."""
    frames = problems.surveillance_video()
    return np.ascontiguousarray(frames.reshape(len(frames), -1).T.astype(np.float32) / 255)


def accuracy():
    """Time to 1e-3 of the minimum on the video: auto, and proximal steps by LAPACK and Gram."""
    m = video()
    weight = 1e-2 * float(np.linalg.norm(m))
    robust_pca(m[:300], lam_low_rank=weight, maxiter=2)  # compiles
    best = robust_pca(m.astype(float), method="fista", lam_low_rank=weight, rtol=1e-7)
    minimum = best.objective
    print(f"penalised problem, video of {m.shape[0]} pixels and {m.shape[1]} frames")
    print(f"    minimum {minimum:.4f}, rank {best.rank}, gap {best.residual:.1e}")
    reference = None
    for name, method in {
        "FISTA, LAPACK": Fista(joint=True, svd="lapack"),
        "reduced, LAPACK": Fista(svd="lapack"),
        "reduced, Gram": Fista(svd="gram"),
        "FW-T": FrankWolfe(),
        "corrective": CorrectiveFrankWolfe(),
        "auto": "auto",
    }.items():
        steps = steps_to(m, method, weight, minimum)
        if steps is None:
            print(f"    {name:16} not within 60 steps")
            continue
        times = []
        for _ in range(1 if "LAPACK" in name else 3):
            start = time.process_time()
            robust_pca(m, method=method, lam_low_rank=weight, steps=steps, rng=0)
            times.append(time.process_time() - start)
        seconds = min(times)
        reference = reference or seconds
        print(
            f"    {name:16} {steps:3} steps  {seconds:7.2f} s  ratio {seconds / reference:.3f}",
            flush=True,
        )


def steps_to(m, method, weight, minimum):
    """Return the first step whose objective is within 1e-3 of the minimum."""
    result = robust_pca(
        m, method=method, lam_low_rank=weight, maxiter=60, rtol=0, history=True, rng=0,
        callback=lambda progress: progress.measures["objective"] <= (1 + 1e-3) * minimum,
    )  # fmt: skip
    if result.history[-1]["objective"] > (1 + 1e-3) * minimum:
        return None
    return result.nit


def memory():
    """Peak memory beyond M, L and S in units of M; for few entries, beyond the input."""
    m = video()
    robust_pca(m[:300], method="fw-t")
    for method in ("fw-t", "corrective"):
        extra, result = peak(lambda method=method: robust_pca(m, method=method, rng=0))
        print(f"    {method:12} dense {extra / m.nbytes - 2:.2f} after {result.nit} steps")
    n = 4000
    given = few_entries(n, 0.05)
    for method in ("fw-t", "corrective"):
        extra, result = peak(
            lambda method=method: robust_pca(given, method=method, maxiter=15, factored=True, rng=0)
        )
        print(f"    {method:12} 5 % of {n} x {n}: {extra / (4 * n * n):.2f}")


def peak(run):
    """Return the largest memory that was allocated while running, and what came out."""
    tracemalloc.start()
    result = run()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most, result


def few_entries(n, share):
    """Return the sampled entries of a matrix of rank 3 in float32."""
    g = np.random.default_rng(0)
    u, v = (g.standard_normal((n, 3), dtype=np.float32) for _ in range(2))
    count = round(share * n)
    columns = np.stack([np.sort(g.choice(n, count, replace=False)) for _ in range(n)])
    values = np.einsum("ir,icr->ic", u, v[columns]).ravel()
    starts = np.arange(n + 1, dtype=np.int32) * count
    return csr_array((values, columns.ravel().astype(np.int32), starts), shape=(n, n))


def growth():
    """Seconds of a step of FW-T against the number of entries, and the slope of the logarithms."""
    seconds = []
    for n in SIZES:
        g = np.random.default_rng(0)
        m = g.standard_normal((n, 3), dtype=np.float32) @ g.standard_normal((3, n), np.float32)
        m.flat[g.integers(n * n, size=n * n // 20)] += 10
        times = []
        robust_pca(
            m, method=FrankWolfe(oracle="power"), steps=12, rng=0,
            callback=lambda progress, times=times: times.append(time.process_time()),
        )  # fmt: skip
        seconds.append(np.median(np.diff(times)))
        print(f"    {n} x {n}: {1e3 * seconds[-1]:.1f} ms a step")
    slope = np.polyfit(2 * np.log(SIZES), np.log(seconds), 1)[0]
    print(f"    slope {slope:.2f}")


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["accuracy", "memory", "growth"]
    for wanted in chosen:
        globals()[wanted]()
