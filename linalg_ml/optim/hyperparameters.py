"""Hyperparameters: Python numbers, arrays without axes, and schedules; and counters."""

import math

from linalg_ml._core import checks
from linalg_ml._core.namespace import (
    astype,
    device,
    is_array,
    is_traced,
    library,
    namespace,
)
from linalg_ml._core.namespace import real_dtype as real_dtype_of


def check(value, name, *, minimum=0.0, below=None):
    """Return a number within its bounds, or an array without axes as it is."""
    if is_array(value) and value.ndim == 0:
        return value
    return checks.number(value, name, minimum=minimum, below=below)


def check_rate(lr):
    """Return a learning rate: a number of at least 0, an array without axes, or a schedule."""
    return lr if callable(lr) else check(lr, "lr")


def check_betas(betas, *, sums=False):
    """Return two decay rates in [0, 1); the second may be None where ``sums`` are known."""
    try:
        first, second = betas
    except (TypeError, ValueError):
        raise TypeError(f"betas must be two numbers, got {betas!r}") from None
    first = check(first, "betas[0]", below=1.0)
    if not (sums and second is None):
        second = check(second, "betas[1]", below=1.0)
    return first, second


def current(value, count):
    """Return the value of a hyperparameter after ``count`` updates."""
    return value(count) if callable(value) else value


def in_type_of(value, a):
    """Return a number unchanged, and an array without axes in the real type and place of ``a``."""
    if not is_array(value):
        return value
    value = astype(value, real_dtype_of(a))
    # PyTorch takes a number from the host to any device, but from no other device.
    if library(value) == "torch" and value.device.type != "cpu":
        value = value.to(a.device)
    return value


def counter(like, *, on_host=False):
    """Return an integer 0 as an array without axes, in the library of ``like``."""
    xp = namespace(like)
    if library(like) == "jax" or is_traced(like):
        return xp.zeros((), dtype=xp.int32)
    if on_host and library(like) == "torch":
        return xp.zeros((), dtype=xp.int32, device="cpu")
    return xp.zeros((), dtype=xp.int32, device=device(like))


def advanced(count, by=1):
    """Return a counter plus a number or an array of integers."""
    xp = namespace(count)
    return xp.asarray(count + by, dtype=xp.int32)


def bias_correction(beta, step, like):
    """Return 1 - beta^step without cancellation, a number or in the real type of ``like``.

    In fp32 the plain formula loses four digits at beta = 0.999.
    """
    if not is_array(step) and not is_array(beta):
        return -math.expm1(step * math.log(beta)) if beta > 0 else 1.0
    xp, dtype = namespace(like), real_dtype_of(like)
    if is_array(step):
        step = astype(step, dtype)
    if not is_array(beta):
        return 1.0 if beta == 0 else -xp.expm1(step * math.log(beta))
    return -xp.expm1(step * xp.log(astype(beta, dtype)))
