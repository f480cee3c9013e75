"""The synthetic problems whose optimal values are known to many digits."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Published:
    """A problem and its minimum."""

    m: np.ndarray
    observed: np.ndarray | None
    low: np.ndarray
    lam_low_rank: float
    lam_sparse: float
    minimum: float

    @property
    def weights(self):
        """The keywords of `robust_pca`."""
        return {
            "lam_low_rank": self.lam_low_rank,
            "lam_sparse": self.lam_sparse,
            "observed": self.observed,
        }


def make(m, n, r, rho, delta, minimum):
    """Draw low rank plus sparse plus noise, scaled to Frobenius norm 1 where observed."""
    g = np.random.default_rng(0)
    a, b = g.standard_normal((m, r)), g.standard_normal((n, r))
    low, sparse = a @ b.T, np.zeros(m * n)
    index = g.choice(m * n, round(0.05 * m * n), replace=False)
    sparse[index] = g.uniform(-10, 10, len(index))
    data = low + sparse.reshape(m, n) + 0.01 * g.standard_normal((m, n))
    observed = g.random((m, n)) <= rho
    norm = np.linalg.norm(data[observed])
    return Published(
        np.where(observed, data, 0) / norm,
        None if rho == 1 else observed,
        low / norm,
        delta * rho,
        delta * rho**0.5 / max(m, n) ** 0.5,
        minimum,
    )


def full():
    """200 x 60 of rank 3, everything observed."""
    return make(200, 60, 3, 1.0, 1e-2, 2.260480813058e-02)


def half():
    """The same with half of the entries observed."""
    return make(200, 60, 3, 0.5, 1e-2, 1.412810883383e-02)


def large():
    """2000 x 200 of rank 5, everything observed, smaller weights."""
    return make(2000, 200, 5, 1.0, 1e-3, 3.296973158673e-03)
