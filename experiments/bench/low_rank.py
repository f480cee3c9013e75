"""Robust PCA against pyrpca and tensorly: ``python -m experiments.bench.low_rank``.

Run with OPENBLAS_NUM_THREADS=1: the clock counts the CPU time of the process. Peers are compared
with where they are installed. Names after the command choose among the benchmarks.
"""

import sys
import time

import numpy as np

from linalg_ml import problems
from linalg_ml.low_rank import AugmentedLagrangian, robust_pca


def pursuit():
    """Principal component pursuit of a video: time to the stop, feasibility and objective."""
    frames = problems.surveillance_video()
    m = frames.reshape(len(frames), -1).T.astype(np.float64)
    lam = max(m.shape) ** -0.5
    print(f"principal component pursuit, video of {m.shape[0]} pixels and {m.shape[1]} frames")
    robust_pca(m[:300], method="alm", maxiter=2)  # compiles
    reference = None
    for name, solve in _solvers(m, lam).items():
        start = time.process_time()
        try:
            low, sparse, steps = solve()
        except ModuleNotFoundError as error:
            print(f"    {name:20} {error.name} is not installed")
            continue
        seconds = time.process_time() - start
        reference = reference or seconds
        residual = np.linalg.norm(m - low - sparse) / np.linalg.norm(m)
        values = np.sqrt(np.maximum(np.linalg.eigvalsh(low.T @ low), 0))
        objective = np.sum(values) + lam * np.sum(np.abs(sparse))
        print(
            f"    {name:20} {seconds:8.2f} s  ratio {seconds / reference:6.2f}  steps {steps}  "
            f"residual {residual:.1e}  objective {objective:.4f}",
            flush=True,
        )


def _solvers(m, lam):
    tolerance = 1e-7

    def ours(svd):
        result = robust_pca(m, method=AugmentedLagrangian(svd=svd), lam=lam, rtol=tolerance, rng=0)
        return result.x, result.sparse, result.nit

    def theirs():
        from pyrpca import rpca_pcp_ialm

        low, sparse = rpca_pcp_ialm(m, lam, tol=tolerance, verbose=False)
        return low, sparse, "?"

    def tensors():
        # Both unfoldings of a matrix are penalised, so lam counts twice; its tolerance is of the
        # residual itself. The growth of mu and its start are its own.
        from tensorly.decomposition import robust_pca as tensor_rpca

        low, sparse, errors = tensor_rpca(
            m,
            reg_E=2 * lam,
            tol=tolerance * np.linalg.norm(m),
            n_iter_max=1000,
            return_errors=True,
            verbose=False,
        )
        return low, sparse, len(errors)

    return {
        "ours": lambda: ours("auto"),
        "ours, LAPACK": lambda: ours("lapack"),
        "ours, randomized": lambda: ours("randomized"),
        "pyrpca": theirs,
        "tensorly": tensors,
    }


def fixed_rank(n=1000, rank=5):
    """Methods that know the rank beside the augmented Lagrangian, on random problems."""
    print(f"known rank {rank}, order {n}, a tenth of the entries changed")
    rng = np.random.default_rng(0)
    low = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, n))
    places = rng.choice(n * n, n * n // 10, replace=False)
    sparse = np.zeros((n, n))
    size = np.mean(np.abs(low))
    sparse.flat[places] = rng.uniform(-size, size, places.size)
    m = low + sparse
    reference = None
    for method in ("alm", "alternating", "scaled-gradient"):
        known = {} if method == "alm" else {"rank": rank}
        robust_pca(m[:50, :50], method=method, maxiter=2, **known)
        start = time.process_time()
        result = robust_pca(m, method=method, rng=0, **known)
        seconds = time.process_time() - start
        reference = reference or seconds
        error = np.linalg.norm(result.x - low) / np.linalg.norm(low)
        print(
            f"    {method:24} {seconds:8.3f} s  ratio {seconds / reference:6.3f}  "
            f"steps {result.nit:4}  error {error:.1e}"
        )


BENCHMARKS = {"pursuit": pursuit, "fixed_rank": fixed_rank}


def main(names):
    """Run the benchmarks named, all if none is."""
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
