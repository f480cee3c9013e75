"""The heat equation with a coefficient and a source that change with time."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from linalg_ml._core import checks
from linalg_ml.problems.grids import delsq, numgrid


@dataclass(frozen=True)
class HeatEquation:
    """Crank-Nicolson steps for u_t = kappa(t) Laplace(u) + f(t) on the unit square.

    Parameters
    ----------
    cells : int
        Mesh cells along a side; the (cells - 1)^2 interior points are the unknowns, and u is 0
        on the boundary.
    steps : int
        Time steps, of equal length.
    end : float
        The time they reach from 0.
    trough : float
        The smaller amplitude of kappa.

    Attributes
    ----------
    start : ndarray of shape (n,)
        u at time 0.
    context_range : (float, float)
        Least and largest kappa at the times of ``numpy.linspace(0, end, steps)``.

    Notes
    -----
    kappa(t) = max(trough sin(2 pi t), -10 sin(2 pi t)). With s = kappa(t + dt / 2) dt / 2 and L
    the five-point Laplacian, a step from t solves
    (I - s L) u_new = (I + s L) u + dt f(t + dt / 2): a positive definite matrix whose condition
    number changes by orders of magnitude within each period. The source is
    f = 32 bump(x; centre, 1/8), its centre going round (1/2, 1/2) at the distance 1/4 eight times
    per unit of time, and u = bump(x; (1/2, 1/2), 1/4) at the start, where
    bump(x; c, r) = exp(1 - 1 / (1 - |x - c|^2 / r^2)) within the distance r of c.

    Calling the object gives one step after the other, in the form `solve_sequence` takes:
    ``equation(t, u)`` is the system (A, b, kappa(t)) of step t from u, or None after the last.

    References
    ----------
    M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, "Learning to relax: setting solver parameters
    across a sequence of linear system instances", ICLR 2024, arXiv 2310.02246. The text there
    has trough = 0.01, the experiments 0.1.

    Examples
    --------
    >>> from linalg_ml import cg
    >>> from linalg_ml.problems import HeatEquation
    >>> equation = HeatEquation(25)
    >>> a, b, kappa = equation(0, equation.start)
    >>> a.shape, kappa
    ((576, 576), 0.0)
    >>> cg(a, b, x0=equation.start, rtol=1e-8).nit
    2
    """

    cells: int
    steps: int = 5000
    end: float = 5.0
    trough: float = 0.1

    def __post_init__(self):
        checks.count(self.cells, "cells", minimum=2)
        checks.count(self.steps, "steps")
        checks.number(self.end, "end", above=0)
        checks.number(self.trough, "trough", minimum=0)

    def __call__(self, step, u=None):
        """Return (A, b, kappa at the start of the step), or None after the last step."""
        if step >= self.steps:
            return None
        u = self.start if u is None else u
        dt = self.end / self.steps
        time = step * dt
        a = self.matrix(time + dt / 2)
        b = 2 * u - a @ u + dt * self.source(time + dt / 2)
        return a, b, self.kappa(time)

    def kappa(self, time):
        """Return the diffusion coefficient at a time."""
        wave = np.sin(2 * np.pi * time)
        return float(max(self.trough * wave, -10 * wave))

    def source(self, time):
        """Return f at a time, at the unknowns."""
        angle = 16 * np.pi * time
        return 32 * self._bump((0.5 + np.cos(angle) / 4, 0.5 + np.sin(angle) / 4), 1 / 8)

    def matrix(self, time):
        """Return I - s L in CSR form, with kappa taken at this time."""
        from scipy.sparse import csr_array

        laplacian = self._laplacian
        s = self.kappa(time) * self.end / self.steps / 2
        data = s * laplacian.data
        data[laplacian.data > 0] += 1
        return csr_array((data, laplacian.indices, laplacian.indptr), shape=laplacian.shape)

    @cached_property
    def start(self):
        return self._bump((0.5, 0.5), 1 / 4)

    @cached_property
    def context_range(self):
        kappas = [self.kappa(time) for time in np.linspace(0, self.end, self.steps)]
        return min(kappas), max(kappas)

    @cached_property
    def _laplacian(self):
        return delsq(numgrid("S", self.cells + 1)) * self.cells**2

    @cached_property
    def _points(self):
        line = np.arange(1, self.cells) / self.cells
        x, y = np.meshgrid(line, line, indexing="ij")
        return x.ravel(), y.ravel()

    def _bump(self, centre, radius):
        x, y = self._points
        ratio = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / radius**2
        inside = ratio < 1
        values = np.zeros_like(x)
        values[inside] = np.exp(1 - 1 / (1 - ratio[inside]))
        return values
