"""Pseudo-random numbers as a function of a seed and a counter: nothing to remember or to read.

They are the same for every array library, and a counter may be an array that is traced.
"""

import math

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, astype, is_array, namespace

_WEYL, _STREAM, _FIRST, _SECOND = -1640531527, 1013904223, -2048144789, -1028477387
_WRAP = 2**32


def check_seed(rng):
    """Return a seed: an integer of at least 0, as optimizers remember no generator."""
    return checks.count(rng, "rng", minimum=0)


def random_bits(seed, counter, count, like, stream=0):
    """Return ``count`` int32 numbers that hash (seed, counter, stream, position).

    ``counter`` is an int, or an integer array without axes in the library of ``like``.
    """
    start = _wrapped(seed * _FIRST + stream * _STREAM)
    x = asarray(np.arange(count, dtype=np.int32), like=like)
    if is_array(counter):
        counter = astype(namespace(counter).reshape(counter, (1,)), x.dtype)
        start = _mixed(counter + start)  # of one entry: arithmetic of these wraps in silence
    else:
        start = _mixed(asarray(np.asarray([_wrapped(counter + start)], np.int32), like=like))
    return _mixed(_mixed(x * _WEYL + start) + start)


def permutation(seed, counter, count, like):
    """Return a random order of 0, ..., count - 1, as int32."""
    xp = namespace(like)
    return astype(xp.argsort(random_bits(seed, counter, count, like), stable=True), xp.int32)


def normal(seed, counter, shape, like):
    """Return standard normal numbers in the type of ``like``, to the precision of 24 bits."""
    xp, count = namespace(like), math.prod(shape)
    uniform = [
        (astype((random_bits(seed, counter, count, like, k) >> 8) & 0xFFFFFF, like.dtype) + 0.5)
        / 2.0**24
        for k in (1, 2)
    ]
    drawn = xp.sqrt(-2.0 * xp.log(uniform[0])) * xp.cos(2 * math.pi * uniform[1])
    return xp.reshape(drawn, shape)


def _mixed(x):
    """Return what looks like random bits of each number (the finisher of MurmurHash3)."""
    for factor, shift in ((_FIRST, 16), (_SECOND, 13), (1, 16)):
        x = (x ^ ((x >> shift) & (2 ** (32 - shift) - 1))) * factor
    return x


def _wrapped(number):
    """Return a Python integer as one of 32 bits with a sign."""
    return (number + _WRAP // 2) % _WRAP - _WRAP // 2
