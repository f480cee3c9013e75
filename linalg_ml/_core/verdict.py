"""Which matrices have met their targets, whether there is hope for the others, and their fates.

The numbers of one matrix are Python floats and bools, many times faster than NumPy's; those of
a stack are arrays.
"""

import math

import numpy as np

from linalg_ml._core.namespace import to_numpy
from linalg_ml._core.result import Status

# What is asked of a cheap residual that was belied by the exact one, in units of what would do
# if the two stayed in proportion; after that many tries, none half the best, there is no hope.
_CAUTION = (0.9, 0.5)
_PROGRESS = 0.99  # a check that does not reach this fraction of the best made no progress


class Verdict:
    """The targets of one call of the loop, and what the checks said so far."""

    def __init__(self, targets, unusable, patience, nit):
        self.targets = self.demands = targets
        self.unusable = self.settled = unusable
        self.lost = False  # what the last check found to be infinite or NaN
        self.first, self.checks = patience or (None, None)
        self.first = None if self.first is None else self.first + nit
        self.best = self.best_exact = math.inf
        self.idle = self.failed = 0
        self.goal = self._goal()

    def _goal(self):
        """Return where a compiled loop can stop: one number asked of one matrix, or None."""
        demand = self.demands.get("residual")
        single = type(self.unusable) is bool and type(demand) is float
        return demand if single and len(self.demands) == 1 else None

    @property
    def hopeless(self):
        """Say whether the exact residual was belied too often."""
        return self.failed > len(_CAUTION)

    def meets(self, measures, targets=None):
        """Say which matrices meet every target that was measured."""
        met = True
        for name, target in (targets or self.targets).items():
            if name in measures:
                met = met & (measures[name] <= target)
        return met

    def merit(self, measures):
        """Return the worst measure of the unsettled matrices in units of its target."""
        merit = 0.0
        for name, target in self.targets.items():
            if name in measures:
                value = measures[name]
                skip = self.settled | negate(finite(value))
                if type(skip) is bool and type(target) is float:
                    excess = 0.0 if skip else value / (target or 1.0)
                else:
                    with np.errstate(all="ignore"):
                        excess = np.where(skip, 0.0, value / np.where(target > 0, target, 1.0))
                merit = max(merit, largest(excess))
        return merit

    def judge(self, measures, nit, own):
        """Return CONVERGED if all seem to meet the targets, another status to give up, or None.

        ``own`` is what the method's own rule said.
        """
        met = self.meets(measures, self.demands)
        self.lost = negate(finite(measures["residual"]))
        self.settled = self.unusable | self.lost | _given(own)
        if every(met | self.settled):
            return Status.STAGNATED if every(self.settled) else Status.CONVERGED
        if self.first is None or nit < self.first:
            return None
        merit = self.merit(measures)
        if merit < _PROGRESS * self.best:
            self.best, self.idle = merit, 0
            return None
        self.idle += 1
        return Status.STAGNATED if self.idle >= self.checks else None

    def confirm(self, exact):
        """Say whether the exact measures meet the targets; remember it if they do not."""
        if every(self.meets(exact) | self.settled):
            return True
        merit = self.merit(exact)
        if merit < 0.5 * self.best_exact:
            self.best_exact, self.failed = merit, 0
        self.failed += 1
        return False

    @np.errstate(all="ignore")
    def demand(self, measures, exact):
        """Ask the cheap measures for as much as the exact ones were larger."""
        caution = _CAUTION[self.failed - 1]
        demands = dict(self.demands)
        for name, target in self.targets.items():
            if name in measures and name in exact:
                belied = (exact[name] > target) & finite(exact[name])
                less = np.where(belied, caution * measures[name] * target, np.inf)
                less = less / np.where(belied, exact[name], 1.0)
                demands[name] = host(np.minimum(demands[name], less))
        self.demands = demands
        self.goal = self._goal()


def fate(reason, met, own, finite, lost, unusable, yields):
    """Return the status of one matrix from why the loop ended and what is known of it.

    ``own`` is what the method's own rule said; ``yields`` holds what of it gives way where the
    targets are met all the same.
    """
    if unusable:
        return Status.NONFINITE_INPUT
    if not finite:
        return Status.DIVERGED
    if own is not None and not (met and own in yields):
        return own
    if met:
        return Status.CONVERGED
    if lost:
        return Status.DIVERGED
    return Status.STAGNATED if reason is Status.CONVERGED else reason


def either(first, second):
    """Return for each matrix the first status given, of two that are None, a Status or an array."""
    if first is None or second is None or isinstance(first, Status):
        return second if first is None else first
    return np.where(np.equal(first, None), second, first)


def _given(own):
    """Say for which matrices a method's own rule gave a status."""
    if own is None or isinstance(own, Status):
        return own is not None
    return own != np.array(None)


def host(value):
    """Return a Python float, or an array of its own for a stack."""
    if isinstance(value, (float, int)):
        return float(value)
    if getattr(value, "ndim", 0) == 0:
        return to_numpy(value).item() if hasattr(value, "ndim") else float(value)
    return np.array(to_numpy(value), dtype=float)


def finite(value):
    """Say which values are finite."""
    return math.isfinite(value) if type(value) is float else np.isfinite(value)


def negate(value):
    """Return the logical not."""
    return not value if type(value) is bool else ~value


def every(value):
    """Say whether all values are true."""
    return value if type(value) is bool else bool(np.all(value))


def largest(value):
    """Return the largest value as a Python float."""
    return value if type(value) is float else float(np.max(value, initial=-math.inf))


def maximum(value, least):
    """Return the values, raised to ``least``."""
    return max(value, least) if type(value) is float else np.maximum(value, least)
