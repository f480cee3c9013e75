"""Sketching against SciPy, LAPACK and scikit-learn: ``python -m experiments.bench.sketching``.

Run with OPENBLAS_NUM_THREADS=1: the clock counts the CPU time of one thread. scikit-learn is
compared with where it is installed. Names after the command choose among the benchmarks.
"""

import sys

import numpy as np
import scipy.linalg
import scipy.sparse

from linalg_ml import estimate_trace, randomized_svd, sketched_lstsq, sketching

from .side_by_side import compare


def report(functions, rounds):
    """Print the least seconds of each, and their ratio to the first."""
    timings = compare(functions, rounds=rounds, seconds=1e-3)
    for timing in timings:
        ratio = timing.seconds / timings[0].seconds
        print(f"    {timing.name:34} {timing.seconds:8.3f} s  ratio {ratio:5.2f}")


def embeddings(m=100000, n=500):
    """Sparse signs beside the same matrix in CSR form, CountSketch beside SciPy's."""
    a = np.random.default_rng(0).standard_normal((m, n))
    for s in (2 * n, 4 * n):
        print(f"sparse signs, {s} rows, on a dense {m} x {n}")
        sign = sketching.embedding("sparse-sign", (s, m), rng=0)
        csr = scipy.sparse.csr_array(sign @ scipy.sparse.eye_array(m, format="csr"))
        report({"SciPy CSR product": lambda c=csr: c @ a, "ours": lambda e=sign: e @ a}, 5)
        print(f"CountSketch, {s} rows, drawn and applied")
        report(
            {
                "scipy clarkson_woodruff_transform": lambda s=s: (
                    scipy.linalg.clarkson_woodruff_transform(a, s, np.random.default_rng(0))
                ),
                "ours": lambda s=s: sketching.embedding("count", (s, m), rng=0) @ a,
            },
            5,
        )
    print(f"SRHT, {2 * n} rows, beside a Gaussian embedding")
    dense = sketching.embedding("gaussian", (2 * n, m), rng=0)
    fast = sketching.embedding("srht", (2 * n, m), rng=0)
    report({"gaussian": lambda: dense @ a, "srht": lambda: fast @ a}, 2)


def least_squares(m=40000, n=1000, condition=1e10):
    """FOSSILS beside numpy.linalg.lstsq: time and forward error."""
    rng = np.random.default_rng(0)
    u, _ = np.linalg.qr(rng.standard_normal((m, n + 1)))
    v, _ = np.linalg.qr(rng.standard_normal((n, n)))
    a = np.ascontiguousarray((u[:, :n] * np.geomspace(1, 1 / condition, n)) @ v.T)
    x = rng.standard_normal(n)
    x /= np.linalg.norm(x)
    for residual in (1e-12, 1e-6, 1e-3, 1.0):
        b = a @ x + residual * u[:, n]
        lapack = np.linalg.norm(np.linalg.lstsq(a, b)[0] - x)
        errors = [np.linalg.norm(sketched_lstsq(a, b, rng=seed).x - x) for seed in range(3)]
        print(f"least squares {m} x {n}, condition {condition:.0e}, ||r|| = {residual:.0e}")
        print(f"    forward error over LAPACK's: {np.max(errors) / lapack:.2f}, worst of 3 seeds")
        report(
            {
                "numpy.linalg.lstsq": lambda b=b: np.linalg.lstsq(a, b),
                "ours": lambda b=b: sketched_lstsq(a, b, rng=0),
            },
            2,
        )


def low_rank(m=5000, n=2000, rank=50):
    """The randomized SVD beside scikit-learn's, and the error of both over the best."""
    try:
        from sklearn.utils.extmath import randomized_svd as theirs
    except ModuleNotFoundError:
        print("randomized SVD: scikit-learn is not installed")
        return
    rng = np.random.default_rng(0)
    u, _ = np.linalg.qr(rng.standard_normal((m, n)))
    v, _ = np.linalg.qr(rng.standard_normal((n, n)))
    for name, s in (
        ("1/i", 1 / np.arange(1.0, n + 1)),
        ("1/sqrt(i)", np.arange(1.0, n + 1) ** -0.5),
        ("0.95^i + 0.01", 0.95 ** np.arange(n) + 0.01),
    ):
        a = np.ascontiguousarray((u * s) @ v.T)
        best = np.sqrt(np.sum(s[rank:] ** 2))
        print(f"randomized SVD, rank {rank} of {m} x {n}, singular values {name}")
        for label, (left, values, right) in (
            ("scikit-learn", theirs(a, rank, random_state=0)),
            ("ours", randomized_svd(a, rank, rng=0).x),
        ):
            error = np.linalg.norm(a - (left * values) @ right) / best - 1
            worst = np.max(1 - values / s[:rank])
            print(f"    {label:14} error beyond the best {error:.1e}, singular values {worst:.1e}")
        report(
            {
                "scikit-learn": lambda a=a: theirs(a, rank, random_state=0),
                "ours": lambda a=a: randomized_svd(a, rank, rng=0),
            },
            3,
        )


def traces(n=500):
    """Mean relative errors over 20 seeds, on diagonal matrices."""
    spectra = {
        "linear 3..1": np.linspace(3, 1, n),
        "i^-2": np.arange(1.0, n + 1) ** -2,
        "0.7^i": 0.7 ** np.arange(1, n + 1),
    }
    methods = ("hutchinson", "hutch++", "xtrace")
    print(f"{'trace of diag':14} {'products':>8} " + " ".join(f"{m:>11}" for m in methods))
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((n, n)))
    for name, d in spectra.items():
        a = (turn * d) @ turn.T
        for products in (30, 60, 120):
            errors = [
                np.mean(
                    [
                        abs(
                            float(estimate_trace(a, products=products, method=m, rng=k).x) / d.sum()
                            - 1
                        )
                        for k in range(20)
                    ]
                )
                for m in methods
            ]
            print(f"{name:14} {products:8d} " + " ".join(f"{error:11.2e}" for error in errors))


BENCHMARKS = {
    "embeddings": embeddings,
    "least_squares": least_squares,
    "low_rank": low_rank,
    "traces": traces,
}


def main(names):
    """Run the benchmarks named, all if none is."""
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
