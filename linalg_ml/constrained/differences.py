"""Finite differences that notice where a function is not differentiable."""

import numpy as np

from linalg_ml._core.namespace import asarray, dtype_name, is_array, to_numpy
from linalg_ml._core.result import UserFunctionError

# f(x + h) - 2 f(x) + f(x - h) grows by 4 with 2 h where f is smooth, by 2 at a kink, by 1 at a
# jump; what is below so many roundings of f says nothing.
_SMOOTH, _NOISE = 2.4, 1e3
_SLIGHT = 1e-5  # a change of slope, relative to the largest slope, that is not reported


def jacobian(function, x, name):
    """Return the derivative of a function of x by central differences of fourth order.

    The shape is that of the value, (n,) added. 4 n + 1 evaluations.

    Raises
    ------
    UserFunctionError
        Where a value is not finite, or the function has a kink or a jump.
    """
    u = _roundoff(x)
    point = to_numpy(x).astype(np.float64)
    columns = []
    middle = _host(function(x))
    for i in range(point.size):
        h = _step(point[i], u ** (1 / 5))
        values = [_host(function(_moved(x, point, i, k * h))) for k in (-2, -1, 1, 2)]
        _look_at(middle, values, u, name, i)
        far, near = values[3] - values[0], values[2] - values[1]
        columns.append((8 * near - far) / (12 * h))
    return asarray(np.stack(columns, axis=-1), like=x, dtype=x.dtype)


def hessian(function, x):
    """Return the second derivative of a number by differences, with 2 n^2 + 1 evaluations."""
    u = _roundoff(x)
    point = to_numpy(x).astype(np.float64)
    n = point.size
    steps = [_step(value, u ** (1 / 4)) for value in point]

    def at(*moves):
        moved = point.copy()
        for i, distance in moves:
            moved[i] += distance
        return function(asarray(moved, like=x, dtype=x.dtype))

    middle = function(x)
    h = np.empty((n, n))
    for i, a in enumerate(steps):
        h[i, i] = (at((i, a)) - 2 * middle + at((i, -a))) / a**2
        for j, b in enumerate(steps[:i]):
            same = at((i, a), (j, b)) + at((i, -a), (j, -b))
            h[i, j] = h[j, i] = (same - at((i, a), (j, -b)) - at((i, -a), (j, b))) / (4 * a * b)
    if not np.all(np.isfinite(h)):
        raise UserFunctionError("fun(x) or con(x) returned NaN or infinity near x")
    return asarray(h, like=x, dtype=x.dtype)


def _roundoff(x):
    return 2.0**-53 if dtype_name(x) == "float64" else 2.0**-24


def _step(value, relative):
    """Return a step that is a power of two, so that x + h rounds little."""
    return 2.0 ** np.round(np.log2(relative * max(1.0, abs(value))))


def _moved(x, point, i, distance):
    moved = point.copy()
    moved[i] += distance
    return asarray(moved, like=x, dtype=x.dtype)


def _host(value):
    return np.asarray(to_numpy(value) if is_array(value) else value, dtype=np.float64)


def _look_at(middle, values, u, name, i):
    """Raise where the five values are not those of a differentiable function."""
    if not all(np.all(np.isfinite(value)) for value in (middle, *values)):
        raise UserFunctionError(f"{name}(x) returned NaN or infinity near x")
    near = np.abs(values[2] - 2 * middle + values[1])
    far = np.abs(values[3] - 2 * middle + values[0])
    # Entries may be small by cancellation: the rounding is that of the largest.
    size = max((np.max(np.abs(value), initial=0.0) for value in values), default=0.0)
    change = np.max(np.abs(values[2] - values[1]), initial=0.0)
    kink = (near > max(_NOISE * u * size, _SLIGHT * change)) & (far < _SMOOTH * near)
    if np.any(kink):
        raise UserFunctionError(
            f"{name} is not differentiable near x: its one-sided slopes in x[{i}] differ"
        )
