"""Random numbers: one generator per call, drawn on the host, the same for every array library."""

import numpy as np

from linalg_ml._core.namespace import asarray


def generator(rng=None):
    """Return a NumPy Generator from None (fresh entropy), a seed, or a Generator (used as it is).

    Raises
    ------
    TypeError
        If ``rng`` is anything else; there is no global random state.
    """
    if rng is None or (isinstance(rng, (int, np.integer)) and not isinstance(rng, bool)):
        return np.random.default_rng(rng)
    if isinstance(rng, np.random.Generator):
        return rng
    raise TypeError(f"rng must be None, an int or a numpy.random.Generator, got {rng!r}")


def normal(rng, shape, *, like, dtype=None):
    """Draw standard normal numbers on the host and put them where ``like`` lives."""
    return asarray(rng.standard_normal(shape), like=like, dtype=dtype or like.dtype)
