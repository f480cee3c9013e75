"""The separable part of the objective: l1 ||x||_1 and bounds on the coordinates."""

import numpy as np


class Separable:
    """l1 sum |x_i| for lower <= x <= upper, all of shape (n,)."""

    def __init__(self, l1, lower, upper):
        self.l1, self.lower, self.upper = l1, lower, upper
        self.bounded = bool(np.any(np.isfinite(lower)) or np.any(np.isfinite(upper)))
        self.trivial = l1 == 0 and not self.bounded

    def start(self):
        """Return the feasible point next to zero."""
        return np.clip(np.zeros_like(self.lower), self.lower, self.upper)

    def value(self, x):
        """Return l1 ||x||_1."""
        return float(self.l1 * np.abs(x).sum()) if self.l1 else 0.0

    def proximal_point(self, target, curvature, index=slice(None)):
        """Return the minimiser of curvature (x - target)^2 / 2 + l1 |x| within the bounds."""
        if self.trivial:
            return target
        if self.l1:
            threshold = self.l1 / curvature
            target = target - np.clip(target, -threshold, threshold)
        return np.clip(target, self.lower[index], self.upper[index])

    def free(self, x, index=slice(None)):
        """Say which coordinates are neither at a bound nor, with l1, zero."""
        free = (x > self.lower[index]) & (x < self.upper[index])
        return free & (x != 0) if self.l1 else free

    def step(self, x, gradient, curvature, index=slice(None)):
        """Return the step to the proximal point of each coordinate on its own."""
        if self.trivial:
            return -gradient / curvature
        return self.proximal_point(x - gradient / curvature, curvature, index) - x

    def in_units(self, units, dtype):
        """Return the same in the `Units` of a scaled problem and its type."""
        return Separable(
            dtype.type(self.l1 / units.gradient),
            (self.lower / units.x).astype(dtype),
            (self.upper / units.x).astype(dtype),
        )

    def part(self, index):
        """Return the same for the coordinates ``index`` alone."""
        return Separable(self.l1, self.lower[index], self.upper[index])
