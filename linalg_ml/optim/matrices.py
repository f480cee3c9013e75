"""Parameters as matrices: convolutions, fused weights and stacks, and many matrices at once."""

import math
from dataclasses import dataclass

from linalg_ml._core import checks
from linalg_ml._core.namespace import device_key, dtype_name, namespace, on_gpu

_STACKED_BELOW = 8192  # entries of a matrix: beyond, a stack is no faster than a loop on a CPU


@dataclass(frozen=True)
class Matrices:
    """How the parameters of a layer are read as matrices of shape (outputs, inputs).

    Parameters
    ----------
    fused : None, int or tuple of int
        How many weights of equal size lie behind each other along the axis of the outputs, or
        the number of rows of each.
    stacked : bool
        Whether leading axes count matrices. If not, an array with more than two axes is the
        weight of a convolution, and all axes but that of the outputs become one.
    out_axis : {0, -1}
        Where the outputs are: 0 in PyTorch, -1 where weights are applied from the right, as in
        Flax. Of a matrix in a stack.
    """

    fused: int | tuple | None = None
    stacked: bool = False
    out_axis: int = 0

    def __post_init__(self):
        if self.out_axis not in (0, -1):
            raise ValueError(f"out_axis must be 0 or -1, got {self.out_axis!r}")
        fused = self.fused
        if isinstance(fused, (list, tuple)):
            fused = tuple(checks.count(rows, "fused") for rows in fused)
        elif fused is not None:
            fused = checks.count(fused, "fused")
        object.__setattr__(self, "fused", fused)

    def check(self, param, name):
        """Raise unless a parameter can be read as matrices."""
        shape = tuple(param.shape)
        if len(shape) < 2:
            raise ValueError(
                f"{name} must have at least two axes for this optimizer, got shape {shape}; send "
                "it to another one, see linalg_ml.optim.partition"
            )
        rows = self._whole(param).shape[-2]
        parts = self.fused
        if isinstance(parts, int) and rows % parts:
            raise ValueError(
                f"fused = {parts} must divide the {rows} outputs of {name}, shape {shape}"
            )
        if isinstance(parts, tuple) and sum(parts) != rows:
            raise ValueError(
                f"fused = {parts} must add up to the {rows} outputs of {name}, shape {shape}"
            )

    def layout(self):
        """Return how parameters are read, as a part of the `layout` of a rule."""
        return {"fused": self.fused, "stacked": self.stacked, "out_axis": self.out_axis}

    def split(self, a):
        """Return the list of (stacks of) matrices that an array holds."""
        whole = self._whole(a)
        if self.fused is None:
            return [whole]
        *batch, m, n = whole.shape
        if isinstance(self.fused, int):
            shape = (*batch, self.fused, m // self.fused, n)
            return [namespace(whole).reshape(whole, shape)]
        ends = [sum(self.fused[: i + 1]) for i in range(len(self.fused))]
        return [whole[..., b - k : b, :] for b, k in zip(ends, self.fused, strict=True)]

    def join(self, parts, like):
        """Return the array of the shape of ``like`` that holds the matrices in ``parts``."""
        xp = namespace(like)
        if isinstance(self.fused, tuple):
            whole = xp.concat(parts, axis=-2)
        else:
            whole = parts[0]
        if self.out_axis == 0:
            return xp.reshape(whole, tuple(like.shape))
        if self.fused is not None:
            whole = xp.reshape(whole, (*like.shape[:-2], -1, whole.shape[-1])) if self.stacked \
                else xp.reshape(whole, (-1, whole.shape[-1]))  # fmt: skip
        return xp.reshape(whole.mT, tuple(like.shape))

    def _whole(self, a):
        """Return an array as (..., outputs, inputs)."""
        if not self.stacked and a.ndim > 2:
            shape = (a.shape[0], -1) if self.out_axis == 0 else (-1, a.shape[-1])
            if 0 in a.shape:
                sizes = a.shape[1:] if self.out_axis == 0 else a.shape[:-1]
                shape = tuple(math.prod(sizes) if k == -1 else k for k in shape)
            a = namespace(a).reshape(a, shape)
        return a if self.out_axis == 0 else a.mT


AS_THEY_ARE = Matrices()


def map_matrices(function, matrices):
    """Return [function(a) for a in matrices], those of one shape stacked where that is faster.

    ``function`` treats each matrix of a stack by itself and keeps the shape.
    """
    kinds = {}
    for i, a in enumerate(matrices):
        small = math.prod(a.shape[-2:]) <= _STACKED_BELOW or on_gpu(a)
        kind = (tuple(a.shape[-2:]), dtype_name(a), device_key(a)) if small else i
        kinds.setdefault(kind, []).append(i)
    results = [None] * len(matrices)
    for members in kinds.values():
        if len(members) == 1:
            results[members[0]] = function(matrices[members[0]])
            continue
        xp = namespace(matrices[members[0]])
        shape = matrices[members[0]].shape[-2:]
        flat = [xp.reshape(matrices[i], (-1, *shape)) for i in members]
        found, start = function(xp.concat(flat, axis=0)), 0
        for i, a in zip(members, flat, strict=True):
            stop = start + a.shape[0]
            results[i] = xp.reshape(found[start:stop, ...], tuple(matrices[i].shape))
            start = stop
    return results
