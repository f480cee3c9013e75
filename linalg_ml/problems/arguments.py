"""Check the arguments that the problem generators share."""

import numpy as np

from linalg_ml._core import checks

DTYPES = ("float32", "float64", "complex64", "complex128")


def dtype_argument(dtype):
    """Return ``dtype`` as one of the four NumPy types the generators make."""
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = dtype
    return np.dtype(checks.choice(name, DTYPES, "dtype"))


def shape_argument(shape, name="shape"):
    """Return ``shape`` as a tuple of at least two counts, (..., m, n)."""
    if not isinstance(shape, (tuple, list)) or len(shape) < 2:
        raise ValueError(f"{name} must be a tuple (..., m, n), got {shape!r}")
    return tuple(checks.count(length, name, minimum=0) for length in shape)


def values_argument(values, name, *, length=None, allow_complex=False):
    """Return a finite array (..., k) in double precision."""
    values = np.asarray(values)
    if values.dtype.kind not in ("iufc" if allow_complex else "iuf"):
        kind = "numbers" if allow_complex else "real numbers"
        raise TypeError(f"{name} must hold {kind}, got dtype {values.dtype}")
    values = values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)
    if values.ndim < 1 or length not in (None, values.shape[-1]):
        wanted = "(..., k)" if length is None else f"(..., {length})"
        raise ValueError(f"{name} must have shape {wanted}, got shape {values.shape}")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{name} must be finite, got {values[~np.isfinite(values)][0]}")
    return values


def singular_values_argument(values, shape):
    """Return nonnegative singular values (..., k) that broadcast to a matrix of this shape."""
    values = values_argument(values, "singular_values", length=min(shape[-2:]))
    if np.any(values < 0):
        raise ValueError(f"singular_values must be >= 0, got {values.min():g}")
    try:
        fits = np.broadcast_shapes(values.shape[:-1], shape[:-2]) == shape[:-2]
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"singular_values must broadcast to the batch {shape[:-2]} of shape, "
            f"got shape {values.shape}"
        )
    return values


def stored(a, dtype, values, name):
    """Return matrices made of ``values`` in ``dtype``, or raise where it has no such numbers."""
    with np.errstate(over="ignore"):
        made = a.astype(dtype)
    vanished = np.any(a, axis=(-2, -1)) & ~np.any(made, axis=(-2, -1))
    if np.any(vanished) or not np.all(np.isfinite(made)):
        largest = np.max(np.abs(values))
        raise ValueError(f"{name} must be of a size that {dtype} holds, got up to {largest:g}")
    return made
