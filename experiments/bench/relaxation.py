"""Sweeps against PyAMG's: ``python -m experiments.bench.relaxation``.

Run with OPENBLAS_NUM_THREADS=1. Sweeps of one thread are timed by the CPU time of the thread, what
runs in two threads by the wall clock, which tells little while others use the machine.
"""

import itertools
import statistics
import time

import numpy as np
import scipy.sparse

from linalg_ml import cg, krylov, relaxation

from .side_by_side import compare


def poisson(points):
    """Return the five-point Laplacian on a square grid, as CSR."""
    shape = (points, points)
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=shape)
    return scipy.sparse.csr_matrix(scipy.sparse.kronsum(line, line))


def triangulation(points, seed=0):
    """Return the graph Laplacian of a triangulation of random points, numbered at random."""
    from scipy.spatial import Delaunay

    corners = Delaunay(np.random.default_rng(seed).random((points, 2))).simplices
    pairs = np.concatenate([corners[:, p] for p in itertools.permutations(range(3), 2)])
    weights = np.ones(len(pairs))
    adjacency = scipy.sparse.csr_matrix((weights, pairs.T), shape=(points, points))
    adjacency.data[:] = 1
    degrees = np.asarray(adjacency.sum(axis=1)).ravel()
    return scipy.sparse.csr_matrix(scipy.sparse.diags_array(degrees + 0.01) - adjacency)


def sweeps_in_one_thread(name, a, sweeps):
    """Print the time of a sweep per nonzero beside PyAMG's."""
    from pyamg.relaxation.relaxation import gauss_seidel, sor

    made = relaxation.prepare(a)
    b = np.random.default_rng(1).standard_normal(a.shape[0])
    x, work = np.zeros_like(b), np.zeros_like(b)
    timings = compare(
        {
            "PyAMG gauss_seidel": lambda: gauss_seidel(a, x, b, iterations=sweeps),
            "PyAMG sor": lambda: sor(a, x, b, 1.5, iterations=sweeps),
            "sweep": lambda: made.sweep(b, work, 1.5, "forward", sweeps, None),
            "sweep and residual": lambda: made.sweep(b, work, 1.5, "forward", sweeps, 0.0),
            "sor(), steps": lambda: relaxation.sor(made, b, omega=1.5, steps=sweeps),
        },
        rounds=9,
    )
    for timing in timings:
        per_entry = timing.seconds / sweeps / a.nnz * 1e9
        best = timing.seconds / timings[0].seconds
        print(f"{name:>14} {timing.name:>20} {per_entry:8.2f} ns {best:7.2f} {timing.ratio:7.2f}")


def sweeps_in_two_threads(name, a, sweeps, rounds=15):
    """Print the wall time of multicolour sweeps in one and two threads beside PyAMG's."""
    from pyamg.relaxation.relaxation import gauss_seidel

    b = np.random.default_rng(1).standard_normal(a.shape[0])
    x, work = np.zeros_like(b), np.zeros_like(b)
    calls = {"PyAMG gauss_seidel": lambda: gauss_seidel(a, x, b, iterations=sweeps)}
    for threads in (1, 2):
        made = relaxation.prepare(a, ordering="multicolor", threads=threads)
        start = made.enter(b)
        calls[f"{threads} threads"] = lambda made=made, start=start: made.sweep(
            start, work, 1.5, "forward", sweeps, None
        )
    seconds = {call: [] for call in calls}
    for function in calls.values():
        function()
    for _ in range(rounds):
        for call, function in calls.items():
            begin = time.perf_counter()
            function()
            seconds[call].append(time.perf_counter() - begin)
    reference = seconds["PyAMG gauss_seidel"]
    for call, spent in seconds.items():
        ratio = statistics.median(s / r for s, r in zip(spent, reference, strict=True))
        best = min(spent) / min(reference)
        per_entry = min(spent) / sweeps / a.nnz * 1e9
        print(f"{name:>14} {call:>20} {per_entry:8.2f} ns {best:7.2f} {ratio:7.2f}")


def small_solves():
    """Print what a solve of a shifted 100 by 100 system costs beside its sweeps."""
    made = relaxation.prepare(poisson(10))
    b = np.random.default_rng(0).standard_normal(100)
    work = np.zeros(100)
    shifted = made.shifted(0.1)
    sweeps = relaxation.sor(shifted, b, omega=1.6, rtol=1e-8).nit
    compared = compare(
        {
            "sweeps alone": lambda: shifted.sweep(b, work, 1.6, "forward", sweeps, 0.0),
            "shift": lambda: made.shifted(0.1),
            "sor": lambda: relaxation.sor(shifted, b, omega=1.6, rtol=1e-8),
            "ssor_cg": lambda: relaxation.ssor_cg(shifted, b, omega=1.3, rtol=1e-8),
        }
    )
    print(f"\none system of 100 unknowns, {sweeps} sweeps")
    for timing in compared:
        print(f"{timing.name:>14} {timing.seconds * 1e6:8.1f} us")


def preconditioned():
    """Print the time of a whole solve by the fused SSOR-CG beside `cg` with `krylov.ssor`."""
    print("\nSSOR-CG to 1e-8, omega = 1.6, seconds of the fused step over those of cg's")
    for points in (25, 100, 200):
        a = poisson(points)
        made, general = relaxation.prepare(a), krylov.ssor(a, 1.6)
        b = np.ones(points**2)
        first, second = compare(
            {
                "cg": lambda a=a, b=b, M=general: cg(a, b, M=M, rtol=1e-8),
                "ssor_cg": lambda a=made, b=b: relaxation.ssor_cg(a, b, omega=1.6, rtol=1e-8),
            },
            rounds=5,
        )
        print(
            f"{points**2:14d} {first.seconds * 1e6:10.0f} us {second.seconds * 1e6:10.0f} us "
            f"{second.ratio:7.2f}"
        )


def main():
    """Print all comparisons."""
    cases = [
        ("grid 200", poisson(200), 20),
        ("grid 1000", poisson(1000), 3),
        ("graph 200000", triangulation(200_000), 5),
    ]
    print("time per nonzero and sweep; ratios to PyAMG's gauss_seidel: of the best, median")
    for name, a, sweeps in cases:
        sweeps_in_one_thread(name, a, sweeps)
    print("\nmulticolour ordering, wall clock")
    for name, a, sweeps in cases:
        sweeps_in_two_threads(name, a, sweeps)
    small_solves()
    preconditioned()


if __name__ == "__main__":
    main()
