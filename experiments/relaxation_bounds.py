"""Bounds on the iterations of SOR and of CG with SSOR for small matrices, from dense algebra."""

import math

import numpy as np
from scipy.linalg import eigh

from experiments.relaxation_tables import EPS
from linalg_ml.relaxation import young

LEFT = 2 * math.sqrt(2) - 2  # least omega that the bound for SSOR-CG is meant for


class SorBounds:
    """What is known beforehand about SOR on A, symmetric positive definite.

    Parameters
    ----------
    a : array of shape (n, n)
        Consistently ordered, with a constant diagonal.
    """

    def __init__(self, a):
        self.a, self.lower, diagonal = a, np.tril(a, -1), a.diagonal()
        self.diagonal = diagonal
        values = np.linalg.eigvalsh(a)
        self.condition = values[-1] / values[0]
        self.radius = 1 - values[0] / diagonal[0]  # of the Jacobi iteration
        self.omega = young(self.radius)
        scaled = self.lower / diagonal[:, None]
        self.corner = np.linalg.norm(scaled, 2) ** 2  # spectral radius of D^-1 L D^-1 L^T
        self.root = np.linalg.cholesky(a)

    def rho(self, omega):
        """Return the spectral radius of the iteration."""
        if omega >= self.omega:
            return omega - 1
        return 0.25 * (omega * self.radius + math.sqrt((omega * self.radius) ** 2
                                                       - 4 * (omega - 1))) ** 2  # fmt: skip

    def asymptotic(self, omega):
        """Return log eps / log rho."""
        return math.log(EPS) / math.log(self.rho(omega))

    def near_asymptotic(self, omega, tau):
        """Return U(omega) = 1 + log eps / log(rho + tau (1 - rho))."""
        rho = self.rho(omega)
        return 1 + math.log(EPS) / math.log(rho + tau * (1 - rho))

    def energy_norm(self, omega, corrected):
        """Bound the energy norm of the iteration: as the paper has it, or as it is true."""
        half = (2 - omega) / (2 * omega)
        gap, excess = 1 - self.radius, half**2 + self.corner - 0.25
        # The paper divides by the gap whatever the sign of the excess.
        if corrected and excess < 0:
            gap = 1 + self.radius
        return math.sqrt(1 - 2 * half / (1 / omega + excess / gap))

    def energy_estimate(self, omega, corrected):
        """Return log(eps / (2 sqrt kappa)) / log(energy norm)."""
        start = math.log(EPS / (2 * math.sqrt(self.condition)))
        return start / math.log(self.energy_norm(omega, corrected))

    def true_energy_norm(self, omega):
        """Return ||A^1/2 M A^-1/2||_2, M = I - W^-1 A the iteration."""
        w = np.diag(self.diagonal / omega) + self.lower
        inner = np.linalg.solve(w, self.root)  # M similar to I - R^T W^-1 R, A = R R^T
        return np.linalg.norm(np.eye(len(w)) - self.root.T @ inner, 2)

    def asymptocity(self, omega, count):
        """Return ||C^(k-1)||^(1/(k-1)) - rho after k iterations, C that of the residual."""
        w = np.diag(self.diagonal / omega) + self.lower
        c = np.eye(len(w)) - np.linalg.solve(w.T, self.a.T).T
        power = np.linalg.matrix_power(c, count - 1)
        # The norm from the Gram matrix: only its largest eigenvalue is wanted.
        norm = math.sqrt(np.linalg.eigvalsh(power.T @ power)[-1])
        return norm ** (1 / (count - 1)) - self.rho(omega)

    def tau(self, omegas, counts):
        """Return the asymptocity at each omega, and the least tau for all of them."""
        excess = [self.asymptocity(w, int(k)) for w, k in zip(omegas, counts, strict=True)]
        ratios = [e / (1 - self.rho(w)) for e, w in zip(excess, omegas, strict=True)]
        return excess, max(ratios)


class SsorCgBounds:
    """Axelsson's bound on the condition of A preconditioned by SSOR, and the steps it implies.

    Parameters
    ----------
    a : array of shape (n, n)
    """

    def __init__(self, a):
        lower, diagonal = np.tril(a, -1), a.diagonal()
        values, n = np.linalg.eigvalsh(a), len(a)
        self.condition = values[-1] / values[0]
        self.mu = _largest(np.diag(diagonal), a, n)
        self.nu = _largest((lower / diagonal) @ lower.T - np.diag(diagonal / 4), a, n)
        self.omega = 2 / (1 + math.sqrt(2 / self.mu * (1 + 2 * self.nu)))

    def bound(self, omega):
        """Bound the condition number of the preconditioned matrix."""
        return (1 + self.mu * (2 - omega) ** 2 / (4 * omega) + omega * self.nu) / (2 - omega)

    def steps(self, omega):
        """Return U_CG(omega) with tau = 1."""
        root = math.sqrt(self.condition)
        start = math.log(root / EPS + math.sqrt(self.condition / EPS**2 - 1))
        return 1 - start / math.log(1 - 2 / (1 + math.sqrt(self.bound(omega))))


def _largest(b, a, n):
    """Return the largest eigenvalue of B A^-1, both symmetric, A positive definite."""
    return float(eigh(b, a, eigvals_only=True, subset_by_index=(n - 1, n - 1))[0])
