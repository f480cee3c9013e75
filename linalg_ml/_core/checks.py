"""Check arguments, with messages that say what was expected and what came."""

import math
import operator
from difflib import get_close_matches

import numpy as np

from linalg_ml._core.namespace import device, dtype_name, is_array, is_full, is_sparse, library

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_COMPLEX = ("complex64", "complex128")


def array(a, name):
    """Return ``a`` as an array: lists and numbers become NumPy arrays, arrays stay what they are.

    Raises
    ------
    TypeError
        If ``a`` is neither, or its entries are not floating-point numbers.
    """
    if isinstance(a, np.ndarray):
        if isinstance(a, np.ma.MaskedArray):
            raise TypeError(f"{name} must have no masked entries; fill them first")
        a = np.asarray(a)  # a matrix or another subclass multiplies in ways of its own
    elif not is_array(a):
        if not isinstance(a, (list, tuple, int, float, complex)):
            hint = "; use its toarray()" if is_sparse(a) else ""
            raise TypeError(
                f"{name} must be an array or a nested list, got {type(a).__name__}{hint}"
            )
        try:
            a = np.asarray(a)
        except ValueError as error:
            raise ValueError(f"{name} must be a rectangular array; {error}") from None
        if a.dtype.kind in "iu":
            a = a.astype(np.float64)
    if not is_full(a):
        raise TypeError(f"{name} must be a full tensor, got layout {a.layout}; use its to_dense()")
    if dtype_name(a) not in _FLOATS + _COMPLEX:
        raise TypeError(
            f"{name} must hold floating-point numbers, got dtype {dtype_name(a)}; "
            "convert it first, for instance to float64"
        )
    return a


def matrix(a, name):
    """Return ``a`` as an array of shape (..., m, n)."""
    a = array(a, name)
    if a.ndim < 2:
        raise ValueError(f"{name} must have shape (..., m, n), got shape {tuple(a.shape)}")
    return a


def square(a, name):
    """Return ``a`` as an array of shape (..., n, n)."""
    a = matrix(a, name)
    if a.shape[-1] != a.shape[-2]:
        raise ValueError(f"{name} must have shape (..., n, n), got shape {tuple(a.shape)}")
    return a


def same_home(**arrays):
    """Raise unless all the named arrays live in one library and on one device."""
    (first, a), *rest = arrays.items()
    for name, b in rest:
        if library(a) != library(b):
            raise TypeError(
                f"{first} and {name} must be arrays of one library, "
                f"got {library(a)} and {library(b)}"
            )
        if device(a) != device(b):
            raise ValueError(
                f"{first} and {name} must be on one device, got {device(a)} and {device(b)}"
            )


def same_shape(a, shape, name):
    """Raise unless ``a`` has the given shape."""
    if tuple(a.shape) != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got shape {tuple(a.shape)}")


def choice(value, known, name):
    """Return ``value`` if it is among the ``known`` names."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
    if value not in known:
        close = get_close_matches(value.lower(), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        listed = ", ".join(map(repr, known))
        raise ValueError(f"{name} must be one of {listed}, got {value!r}{hint}")
    return value


def number(value, name, *, minimum=None, maximum=None, above=None, below=None):
    """Return ``value`` as a finite Python float within the bounds given."""
    try:
        if isinstance(value, (str, bytes, bool)):
            raise TypeError
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    wanted = []
    if minimum is not None and not result >= minimum:
        wanted.append(f">= {minimum:g}")
    if maximum is not None and not result <= maximum:
        wanted.append(f"<= {maximum:g}")
    if above is not None and not result > above:
        wanted.append(f"> {above:g}")
    if below is not None and not result < below:
        wanted.append(f"< {below:g}")
    if not math.isfinite(result) and not wanted:
        wanted.append("finite")
    if wanted:
        raise ValueError(f"{name} must be {' and '.join(wanted)}, got {value!r}")
    return result


def count(value, name, *, minimum=1):
    """Return ``value`` as a Python int of at least ``minimum``."""
    try:
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if result < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {result}")
    return result


def instance(value, kind, name):
    """Return ``value`` if it is an instance of ``kind``."""
    if not isinstance(value, kind):
        expected = (
            kind.__name__ if isinstance(kind, type) else " or ".join(k.__name__ for k in kind)
        )
        raise TypeError(f"{name} must be {expected}, got {type(value).__name__}")
    return value
