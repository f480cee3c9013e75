"""Learning rates that change: functions of the number of updates made before.

Each takes an integer or an integer array without axes and returns a number or such an array, so
that it may stand in place of ``lr`` in every optimizer, also under ``jax.jit``.
"""

import math
from dataclasses import dataclass

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import asarray, astype, device, is_array, library, namespace


def constant(value, /):
    """Keep one learning rate.

    Parameters
    ----------
    value : float

    Returns
    -------
    callable

    Examples
    --------
    >>> from linalg_ml import optim
    >>> optim.constant(0.1)(500)
    0.1
    """
    return Piecewise(((checks.number(value, "value", minimum=0),) * 2,), (math.inf,), ("linear",))


def linear_warmup(peak, steps, /, *, initial=0.0):
    """Grow linearly from ``initial`` to ``peak`` in ``steps`` updates, and stay there.

    Parameters
    ----------
    peak : float
    steps : int
    initial : float

    Returns
    -------
    callable

    Examples
    --------
    >>> from linalg_ml import optim
    >>> schedule = optim.linear_warmup(1.0, 4)
    >>> [schedule(count) for count in (0, 1, 4, 100)]
    [0.0, 0.25, 1.0, 1.0]
    """
    return _pieces(initial, [("peak", peak, checks.count(steps, "steps"), "linear")])


def cosine(peak, steps, /, *, warmup=0, initial=0.0, final=0.0):
    """Fall from ``peak`` to ``final`` along half a cosine, after a linear warm-up.

    Parameters
    ----------
    peak : float
    steps : int
        Updates in all, those of the warm-up included.
    warmup : int
        Updates of the warm-up.
    initial, final : float
        The rates at the beginning of the warm-up and from the end on.

    Returns
    -------
    callable

    Notes
    -----
    With s the share of the fall that is done: final + (peak - final) (1 + cos(pi s)) / 2.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: Stochastic gradient descent with warm restarts", 2016,
    arXiv:1608.03983.

    Examples
    --------
    >>> from linalg_ml import optim
    >>> schedule = optim.cosine(1.0, 110, warmup=10)
    >>> [round(schedule(count), 6) for count in (0, 5, 10, 60, 110, 500)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """
    steps, warmup = checks.count(steps, "steps"), checks.count(warmup, "warmup", minimum=0)
    if warmup >= steps:
        raise ValueError(f"warmup must be less than steps = {steps}, got {warmup}")
    fall = ("final", final, steps - warmup, "cosine")
    return _pieces(initial, [("peak", peak, warmup, "linear"), fall])


def linear_decay(peak, steps, /, *, warmup=0, initial=0.0, final=0.0):
    """Fall from ``peak`` to ``final`` linearly, after a linear warm-up.

    Parameters
    ----------
    peak : float
    steps : int
        Updates in all, those of the warm-up included.
    warmup : int
        Updates of the warm-up.
    initial, final : float
        The rates at the beginning of the warm-up and from the end on.

    Returns
    -------
    callable

    Examples
    --------
    >>> from linalg_ml import optim
    >>> schedule = optim.linear_decay(1.0, 100)
    >>> [schedule(count) for count in (0, 25, 100, 500)]
    [1.0, 0.75, 0.0, 0.0]
    """
    steps, warmup = checks.count(steps, "steps"), checks.count(warmup, "warmup", minimum=0)
    if warmup >= steps:
        raise ValueError(f"warmup must be less than steps = {steps}, got {warmup}")
    fall = ("final", final, steps - warmup, "linear")
    return _pieces(initial, [("peak", peak, warmup, "linear"), fall])


def warmup_stable_decay(peak, /, *, warmup, stable, decay, shape="linear", initial=0.0, final=0.0):
    """Grow linearly to ``peak``, stay there, and fall to ``final``.

    Parameters
    ----------
    peak : float
    warmup, stable, decay : int
        Updates of the three parts.
    shape : {"linear", "cosine", "sqrt"}
        How it falls; with s the share of the fall that is done, "sqrt" is
        ``peak + (final - peak) sqrt(s)``.
    initial, final : float
        The rates at the beginning and from the end on.

    Returns
    -------
    callable

    References
    ----------
    S. Hu et al., "MiniCPM: Unveiling the potential of small language models with scalable
    training strategies", 2024, arXiv:2404.06395.

    Examples
    --------
    >>> from linalg_ml import optim
    >>> schedule = optim.warmup_stable_decay(1.0, warmup=10, stable=80, decay=10)
    >>> [schedule(count) for count in (0, 5, 50, 95, 100)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    checks.choice(shape, ("linear", "cosine", "sqrt"), "shape")
    parts = {"warmup": warmup, "stable": stable, "decay": decay}
    warmup, stable, decay = (checks.count(n, name, minimum=0) for name, n in parts.items())
    rise, level = ("peak", peak, warmup, "linear"), ("peak", peak, stable, "linear")
    return _pieces(initial, [rise, level, ("final", final, decay, shape)])


@dataclass(frozen=True)
class Piecewise:
    """A function of the count in pieces, each with its two ends, its last count and its shape."""

    ends: tuple
    until: tuple
    shapes: tuple

    def __call__(self, count):
        """Return the learning rate after ``count`` updates."""
        if not is_array(count):
            return float(self._evaluate(np, np.float64(count), np.float64))
        xp = namespace(count)
        dtype = _wide_type(count)
        return self._evaluate(
            xp, astype(count, dtype), lambda v: asarray(v, like=count, dtype=dtype)
        )

    def _evaluate(self, xp, count, number):
        value, start = number(self.ends[-1][1]), 0
        pieces = []
        for (a, b), until, shape in zip(self.ends, self.until, self.shapes, strict=True):
            share = (count - start) / (until - start) if until < math.inf else 0 * count
            # Outside its piece a share is cut off, and what it gives is not used.
            share = xp.where(share < 0, number(0.0), xp.where(share > 1, number(1.0), share))
            pieces.append((until, a + (b - a) * _SHAPES[shape](xp, share)))
            start = until
        for until, inside in reversed(pieces):
            value = xp.where(count < until, inside, value)
        return value


_SHAPES = {
    "linear": lambda xp, share: share,
    "cosine": lambda xp, share: (1 - xp.cos(math.pi * share)) / 2,
    "sqrt": lambda xp, share: xp.sqrt(share),
}


def _pieces(initial, pieces):
    """Return the schedule through (name, value, length, shape), beginning at ``initial``."""
    ends, untils, shapes = [], [], []
    value, until = checks.number(initial, "initial", minimum=0), 0
    for name, target, length, shape in pieces:
        target = checks.number(target, name, minimum=0)
        if length:
            until += length
            ends.append((value, target))
            untils.append(until)
            shapes.append(shape)
        value = target
    ends.append((value, value))
    return Piecewise((*ends,), (*untils, math.inf), (*shapes, "linear"))


def _wide_type(count):
    """Return float64 where there is one, else float32."""
    xp = namespace(count)
    if library(count) == "jax":
        import jax

        return xp.float64 if jax.config.jax_enable_x64 else xp.float32
    if library(count) in ("numpy", "cupy", "torch"):
        return xp.float64
    return xp.__array_namespace_info__().default_dtypes(device=device(count))["real floating"]
