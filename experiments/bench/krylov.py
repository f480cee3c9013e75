"""A step of CG against SciPy's: ``python -m experiments.bench.krylov``.

Run with OPENBLAS_NUM_THREADS=1: the clock counts the CPU time of one thread.
"""

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from linalg_ml import cg
from linalg_ml.krylov import ic0

from .side_by_side import compare


def poisson(points):
    """Return the five-point Laplacian on a square grid, as CSR."""
    shape = (points, points)
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=shape)
    return scipy.sparse.kronsum(line, line).tocsr()


def main(steps=50):
    """Print the time of a step, unpreconditioned and preconditioned, beside SciPy's."""
    print(f"conjugate gradients, five-point Laplacian, fp64, mean of {steps} steps")
    print(f"{'n':>8} {'M':>8} {'SciPy':>10} {'ours':>10} {'ratio':>7}")
    for points in (30, 100, 200):
        a = poisson(points)
        b = np.random.default_rng(0).standard_normal(points**2)
        for name, M in (("none", None), ("ic0", ic0(a))):
            options = {"M": M, "rtol": 1e-300, "maxiter": steps}
            theirs, ours = compare(
                {
                    "SciPy": lambda a=a, b=b, o=options: scipy.sparse.linalg.cg(a, b, **o),
                    "ours": lambda a=a, b=b, o=options: cg(a, b, **o),
                }
            )
            print(
                f"{points**2:8d} {name:>8} {theirs.seconds / steps * 1e6:8.0f}us "
                f"{ours.seconds / steps * 1e6:8.0f}us {ours.ratio:7.2f}"
            )


if __name__ == "__main__":
    main()
