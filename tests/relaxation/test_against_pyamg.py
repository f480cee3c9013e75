"""Sweeps against PyAMG's compiled ones, where it is installed."""

import numpy as np
import pytest

from linalg_ml.relaxation import sor
from tests.relaxation.grids import laplacian, rhs

relaxation = pytest.importorskip("pyamg.relaxation.relaxation")


def theirs(a, b, omega, sweeps):
    x = np.zeros_like(b)
    for sweep in sweeps:
        relaxation.sor(a, x, b, omega, sweep=sweep)
    return x


def test_sweeps():
    a, b = laplacian(10), rhs("tg", 10)
    a = a.astype(float)
    for omega in (0.8, 1.0, 1.7):
        for way, sweeps in (
            ("forward", ["forward"] * 3),
            ("backward", ["backward"] * 3),
            # Theirs ignores omega if asked for a symmetric sweep, so it is asked for both halves.
            ("symmetric", ["forward", "backward"] * 3),
        ):
            x = sor(a, b, omega=omega, sweep=way, steps=3).x
            np.testing.assert_allclose(x, theirs(a, b, omega, sweeps), rtol=1e-12, atol=1e-15)


def test_a_symmetric_sweep_has_an_omega():
    a, b = laplacian(10), rhs("tg", 10)
    x = sor(a, b, omega=1.5, sweep="symmetric", steps=1).x
    gauss_seidel = sor(a, b, omega=1.0, sweep="symmetric", steps=1).x
    assert np.linalg.norm(x - gauss_seidel) > 1


def test_blocks():
    a, b = laplacian(10), rhs("tg", 10)
    for size in (2, 5):
        x = np.zeros(100)
        relaxation.block_gauss_seidel(a.tobsr((size, size)), x, b, iterations=2, blocksize=size)
        ours = sor(a, b, block_size=size, steps=2).x
        np.testing.assert_allclose(ours, x, rtol=1e-12)
