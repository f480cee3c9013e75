"""Orthogonalisation and polar decomposition against what a user would take otherwise.

``python -m experiments.bench.matrix_functions`` prints a table; in this folder ``asv run -E
existing:python`` times the classes. With
OPENBLAS_NUM_THREADS=1 (and OMP_NUM_THREADS=1 for PyTorch) times are the CPU time of the thread,
with more threads they are wall-clock time, which needs a quiet machine. What is divided by is
named in each table; below 1 is faster.
"""

import os
import time
from importlib.util import find_spec

import numpy as np
import scipy.linalg

from linalg_ml import orthogonalize, polar, schedule
from linalg_ml.problems import conditioned

from .side_by_side import compare

ROWS = schedule("polar-express").take(5).coefficients
SHAPES = ((1024, 1024), (1024, 4096), (512, 8192))
THREADS = os.environ.get("OPENBLAS_NUM_THREADS", str(os.cpu_count()))


def clock():
    """Return what measures here: CPU time of one thread, or the wall clock."""
    return time.process_time if THREADS == "1" else time.perf_counter


def gaussian(shape):
    """Return an fp32 matrix of Frobenius norm 1 / 1.01."""
    a = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return a / (np.linalg.norm(a) * np.float32(1.01))


def general_loop(x):
    """Three general products a step, as libraries without a symmetric product execute them."""
    for a, b, c in ROWS:
        g = x @ x.T.copy()
        x = a * x + (b * g + c * (g @ g)) @ x
    return x


def numpy_loop(x):
    """The loop as users write it, whose first product NumPy gives to syrk."""
    for a, b, c in ROWS:
        g = x @ x.T
        x = a * x + (b * g + c * (g @ g)) @ x
    return x


def torch_loop(x):
    """The lines of torch.optim.Muon, in fp32."""
    import torch

    for a, b, c in ROWS:
        g = x @ x.mT
        x = torch.addmm(x, torch.addmm(g, g, g, beta=b, alpha=c), x, beta=a)
    return x


def optax_loop(x):
    """Optax's own orthogonalisation, compiled."""
    import jax
    from optax.contrib import _muon

    made = jax.jit(lambda m: _muon.orthogonalize_via_newton_schulz(m, np.asarray(ROWS)))
    return lambda: made(x).block_until_ready()


def orthogonalizers(shape):
    """Return what is compared on a matrix of this shape; the first is what is divided by."""
    x = gaussian(shape)
    m, n = shape
    square, wide = np.ones((m, m), np.float32), np.ones((m, n), np.float32)
    counted = {"products": 0}

    def limit():  # the products of the form we take, at the rate of this machine's general ones
        for _ in range(counted["small"]):
            np.matmul(square, square)
        for _ in range(counted["large"]):
            np.matmul(square, wide)

    gram = 4 * len(ROWS) - 3 if m != n else 0
    counted.update(small=(gram or len(ROWS)) // 2, large=2 if gram else len(ROWS) + len(ROWS) // 2)
    found = {
        "three general products": lambda: general_loop(x),
        "NumPy loop": lambda: numpy_loop(x),
        "linalg_ml": lambda: orthogonalize(x),
        "linalg_ml direct": lambda: orthogonalize(x, form="direct"),
        "linalg_ml bf16, emulated": lambda: orthogonalize(x, precision="bf16"),
        "count limit": limit,
    }
    if find_spec("torch"):
        import torch

        t = torch.from_numpy(x)
        found["PyTorch loop"] = lambda: torch_loop(t)
    if find_spec("optax"):
        import jax.numpy as jnp

        found["optax"] = optax_loop(jnp.asarray(x))
    return found


class TimeOrthogonalize:
    """For asv: five steps of Polar Express in fp32."""

    params = (SHAPES, ("three general products", "NumPy loop", "linalg_ml", "linalg_ml direct"))
    param_names = ("shape", "by")

    def setup(self, shape, by):
        """Make the matrix, and compile what is compiled."""
        self.function = orthogonalizers(shape)[by]
        self.function()

    def time_five_steps(self, shape, by):
        """Run once."""
        self.function()


class TimePolar:
    """For asv: the polar decomposition in fp64 to full accuracy."""

    params = ((10.0, 100.0, 1e6), ("scipy", "linalg_ml"))
    param_names = ("condition", "by")

    def setup(self, condition, by):
        """Make the matrix, and compile what is compiled."""
        a = conditioned((512, 512), condition, rng=0)
        self.function = {
            "scipy": lambda: scipy.linalg.polar(a),
            "linalg_ml": lambda: polar(a, method="auto"),
        }[by]
        self.function()

    def time_polar(self, condition, by):
        """Run once."""
        self.function()


def table(title, functions, rounds):
    """Print one comparison."""
    timings = compare(functions, rounds=rounds, seconds=0.01, clock=clock())
    print(f"\n{title}, divided by: {timings[0].name}")
    for timing in timings:
        ratio = timing.seconds / timings[0].seconds
        print(f"  {timing.name:28} {timing.seconds * 1e3:9.1f} ms {ratio:7.2f} {timing.ratio:7.2f}")


def main(rounds=9):
    """Print all comparisons: milliseconds, ratio of the least times, median ratio of the rounds."""
    print(f"{THREADS} thread(s), fp32 unless said")
    for shape in SHAPES:
        table(f"orthogonalize {shape}, 5 steps", orthogonalizers(shape), rounds)
    stack = np.random.default_rng(0).standard_normal((64, 64, 64)).astype(np.float32)
    table(
        "a stack of 64 matrices 64 x 64",
        {
            "one by one": lambda: [orthogonalize(x) for x in stack],
            "linalg_ml": lambda: orthogonalize(stack),
        },
        3 * rounds,
    )
    for shape, condition in (
        *(((n, n), k) for n in (512, 1024) for k in (10.0, 100.0, 1e3, 1e6, 1e12)),
        ((512, 2048), 10.0),
        ((512, 2048), 100.0),
        ((512, 2048), 1e6),
    ):
        a = conditioned(shape, condition, rng=0)
        method = type(polar(a, method="auto").method).__name__
        table(
            f"polar {shape}, condition {condition:g}, fp64, by {method}",
            {
                "scipy.linalg.polar": lambda a=a: scipy.linalg.polar(a),
                "auto": lambda a=a: polar(a, method="auto"),
                "auto, rtol=1e-6": lambda a=a: polar(a, method="auto", rtol=1e-6),
            },
            max(3, rounds // 3),
        )


if __name__ == "__main__":
    main()
