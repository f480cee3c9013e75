"""Random numbers: one generator per call, drawn on the host, the same for every array library."""

import numpy as np

from linalg_ml._core.namespace import asarray, is_complex


def generator(rng=None):
    """Return a NumPy Generator from None (fresh entropy), a seed, or a Generator (used as it is).

    Raises
    ------
    TypeError
        If ``rng`` is anything else; there is no global random state.
    """
    if rng is None or (isinstance(rng, (int, np.integer)) and not isinstance(rng, bool)):
        if rng is not None and rng < 0:
            raise ValueError(f"rng must be at least 0 to be a seed, got {rng}")
        return np.random.default_rng(rng)
    if isinstance(rng, np.random.Generator):
        return rng
    raise TypeError(f"rng must be None, an int or a numpy.random.Generator, got {rng!r}")


def normal(rng, shape, *, like, dtype=None):
    """Draw standard normal numbers on the host and put them where ``like`` lives.

    Complex numbers have independent real and imaginary parts of variance 1/2.
    """
    values = rng.standard_normal(shape)
    if dtype is None:
        dtype = like.dtype
        if is_complex(like):
            values = (values + 1j * rng.standard_normal(shape)) / np.sqrt(2)
    return asarray(values, like=like, dtype=dtype)
