"""Powers of two that a problem is divided by where products of its data would leave the range."""

import math
from dataclasses import dataclass

import numpy as np

from linalg_ml._core.units import power_of_two

# Data between 1 / safe and safe stay as they are: sums of fourth powers of them are in range.
_SAFE = {"fp64": 1e50, "fp32": 1e5}


@dataclass(frozen=True)
class Units:
    """What one in the scaled problem is for the caller: of b, of x and of the gradient."""

    b: float = 1.0
    x: float = 1.0
    gradient: float = 1.0

    @property
    def objective(self):
        """The unit of the objective."""
        return self.x * self.gradient


def unit_of(largest, precision, reach=1000):
    """Return the power of two next above the largest entry; 1 where its size can stay."""
    safe = _SAFE[precision]
    return 1.0 if 1 / safe <= largest <= safe else power_of_two(largest, reach)


def largest_entry(v):
    """Return max |v_i|; 0 if there is none."""
    return float(np.abs(v).max(initial=0))


def euclidean_norm(v):
    """Return ||v||, of scaled entries where squares may overflow or vanish."""
    norm, info = float(np.linalg.norm(v)), np.finfo(v.dtype)
    if np.sqrt(info.tiny) / info.eps < norm < np.sqrt(info.max) * info.eps:
        return norm
    largest = largest_entry(v)
    if not 0 < largest < math.inf:
        return norm
    unit = math.ldexp(0.5, math.frexp(largest)[1])
    return float(np.linalg.norm(v.astype(np.float64) / unit)) * unit
