"""Compiled passes of principal component pursuit, on arrays in one memory order.

Sums are accumulated in fp64, in parts that keep their rounding small.
"""

import numpy as np

from linalg_ml.kernels.numba_ import _compiled

_PART = 4096  # entries summed by themselves


@_compiled
def _split_entries(argument, low, data, mask, ratio, bound, sparse):
    for i in range(low.size):
        if mask is None:
            seen = True
        else:
            seen = mask[i]
        if seen:
            b = data[i] - low[i] + ratio * (argument[i] - low[i])
            clipped = min(max(b, -bound), bound)
            if b != b:
                clipped = b
            sparse[i] = b - clipped
            argument[i] = low[i] + clipped
        else:
            sparse[i] = 0
            argument[i] = low[i]


@_compiled
def _rest_squares(data, low, sparse, mask):
    total, part = 0.0, 0.0
    for i in range(low.size):
        if mask is None:
            seen = True
        else:
            seen = mask[i]
        if seen:
            r = data[i] - low[i] - sparse[i]
            part += r * r
        if i % _PART == 0:
            total += part
            part = 0.0
    return total + part


def _flat(a):
    return None if a is None else np.asarray(a, order="C").reshape(-1)


def split_entries(argument, low, data, mask, ratio, bound):
    """Return the next argument and S; see `agnostic.split_entries`."""
    if not (argument.flags.c_contiguous and argument.flags.writeable):
        argument = np.array(argument, order="C")
    sparse = np.empty(low.shape, low.dtype)
    kind = low.dtype.type
    _split_entries(
        argument.reshape(-1), _flat(low), _flat(data), _flat(mask), kind(ratio), kind(bound),
        sparse.reshape(-1),
    )  # fmt: skip
    return argument, sparse


def rest_squares(data, low, sparse, mask):
    """Return ||P(data - low - sparse)||_F^2."""
    return _rest_squares(_flat(data), _flat(low), _flat(sparse), _flat(mask))


@_compiled
def _keep_close(data, low, mask, bound, out):
    total, part = 0.0, 0.0
    for i in range(low.size):
        if mask is None:
            seen = True
        else:
            seen = mask[i]
        out[i] = low[i]
        if seen:
            r = data[i] - low[i]
            if not abs(r) > bound:
                out[i] = data[i]
                part += r * r
        if i % _PART == 0:
            total += part
            part = 0.0
    return total + part


def keep_close(data, low, mask, bound):
    """Return data where it is seen and near ``low``, else ``low``; and the squares of what is."""
    out = np.empty(low.shape, low.dtype)
    bound = low.dtype.type(bound)
    return out, _keep_close(_flat(data), _flat(low), _flat(mask), bound, out.reshape(-1))
