"""What the library costs on top of the arithmetic: ``python -m experiments.bench.overhead``.

Run with OPENBLAS_NUM_THREADS=1: the clock counts the CPU time of one thread.
"""

from dataclasses import dataclass

import numpy as np

from linalg_ml import orthogonalize, schedule
from linalg_ml._core.precision import Arithmetic
from linalg_ml._core.solve import Method, solve

from .side_by_side import compare


def bare_loop(g, rows):
    """Orthogonalise as users write it with NumPy."""
    x = g / (np.linalg.norm(g) * 1.01 + 1e-7)
    for a, b, c in rows:
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


@dataclass(frozen=True)
class Nothing(Method):
    """A method whose steps cost nothing, so that only the loop is left."""

    def init(self, problem, arithmetic, x0):
        return 1.0

    def step(self, problem, state, arithmetic):
        return state * 0.999

    def scale(self, problem, arithmetic):
        return 1.0

    def measure(self, problem, state, arithmetic, exact):
        return {"residual": state}

    def finish(self, problem, state, arithmetic):
        return problem, {}


def main():
    """Print both comparisons."""
    rows = schedule("polar-express").take(5).coefficients
    print("orthogonalize, five steps of degree 5, fp32, against the bare NumPy loop")
    print(f"{'shape':>12} {'bare':>10} {'ours':>10} {'ratio':>7}")
    for shape in ((64, 64), (64, 256), (128, 128), (256, 256), (256, 1024), (512, 512)):
        g = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        bare, ours = compare(
            {"bare": lambda g=g: bare_loop(g, rows), "ours": lambda g=g: orthogonalize(g)}
        )
        print(
            f"{'x'.join(map(str, shape)):>12} {bare.seconds * 1e6:8.0f}us "
            f"{ours.seconds * 1e6:8.0f}us {ours.ratio:7.2f}"
        )
    a = np.eye(2)
    steps = 200

    method, arithmetic = Nothing(), Arithmetic(None, a)

    def looped(maxiter):
        return solve(method, a, arithmetic, rtol=1e-300, maxiter=maxiter)

    def by_hand(steps):
        state = method.init(a, arithmetic, None)
        method.scale(a, arithmetic)
        for _ in range(steps):
            state = method.step(a, state, arithmetic)
            method.measure(a, state, arithmetic, False)
        method.measure(a, state, arithmetic, True)
        return method.finish(a, state, arithmetic)

    one, many, bare_one, bare_many = compare(
        {
            "one": lambda: looped(0),
            "many": lambda: looped(steps),
            "bare one": lambda: by_hand(0),
            "bare many": lambda: by_hand(steps),
        }
    )
    per_solve = one.seconds - bare_one.seconds
    per_step = (many.seconds - bare_many.seconds - per_solve) / steps
    print(
        "the loop, over the bare calls of the method: "
        f"{per_solve * 1e6:.1f} us per solve, {per_step * 1e6:.2f} us per step"
    )


if __name__ == "__main__":
    main()
