"""What the networks look like: layers, sizes, and how far a cell sees."""

from dataclasses import dataclass
from math import prod

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.random import generator

UPSAMPLING = ("nearest", "linear")


@dataclass(frozen=True)
class Architecture:
    """Describe a network from residual to search direction; the defaults are those of the paper.

    Parameters
    ----------
    dimensions : 2 or 3
        Of the grid.
    channels : int
        Features in each cell.
    before, coarse, after : int
        Residual blocks R(x) = x + relu(conv(relu(conv(x)))) on the grid of the residual before
        it is coarsened, on the coarsest grid, and on the grid of the residual again.
    levels : int
        Coarse grids, each half as fine as the one before. The paper has one; grids between the
        finest and the coarsest get one residual block on the way down and one on the way up.
    bias, rectify : bool
        Whether layers have biases, and take the positive part. Without both the network is a
        linear map.
    geometry : bool
        Whether the network knows the solids: all features are multiplied by the open fraction of
        their cell, and the residual times the diagonal of A is a second input.
    upsampling : "nearest" or "linear"
        How coarse features get to the finer grid.

    Examples
    --------
    >>> from linalg_ml.deep_directions import Architecture
    >>> net = Architecture(dimensions=3)
    >>> net.parameters, net.radius
    (97457, 21)
    """

    dimensions: int = 2
    channels: int = 16
    before: int = 1
    coarse: int = 3
    after: int = 2
    levels: int = 1
    bias: bool = True
    rectify: bool = True
    geometry: bool = False
    upsampling: str = "nearest"

    def __post_init__(self):
        if self.dimensions not in (2, 3):
            raise ValueError(f"dimensions must be 2 or 3, got {self.dimensions!r}")
        for name, minimum in (
            ("channels", 1), ("before", 0), ("coarse", 0), ("after", 0), ("levels", 1),
        ):  # fmt: skip
            checks.count(getattr(self, name), name, minimum=minimum)
        checks.choice(self.upsampling, UPSAMPLING, "upsampling")

    def layers(self):
        """Return {name of a layer: (channels in, channels out)} in the order of the paper."""
        c = self.channels
        found = {"first": (2 if self.geometry else 1, c), "enter": (c, c)}
        for block in self.blocks():
            found[f"{block}.a"] = found[f"{block}.b"] = (c, c)
        found["leave"] = (c, c)
        return found

    def blocks(self):
        """Return the names of the residual blocks, those of the finest grid first and last."""
        names = [f"down0.{i}" for i in range(self.before)]
        names += [f"down{level}.0" for level in range(1, self.levels)]
        names += [f"coarse.{i}" for i in range(self.coarse)]
        names += [f"up{level}.0" for level in range(self.levels - 1, 0, -1)]
        return names + [f"up0.{i}" for i in range(self.after)]

    def shapes(self):
        """Return {name of an array of weights: its shape}."""
        stencil, found = (3,) * self.dimensions, {}
        for name, (given, made) in self.layers().items():
            found[f"{name}.weights"] = (*stencil, given, made)
            if self.bias:
                found[f"{name}.bias"] = (made,)
        found["head.weights"] = (self.channels, 1)
        if self.bias:
            found["head.bias"] = (1,)
        return found

    @property
    def parameters(self):
        """How many numbers are learned."""
        return sum(prod(shape) for shape in self.shapes().values())

    @property
    def radius(self):
        """Cells from which a residual can reach a direction, along an axis, about."""
        fine = 3 + 2 * (self.before + self.after)
        between = sum(4 * 2**level for level in range(1, self.levels))
        return fine + between + 2 * self.coarse * 2**self.levels

    @property
    def products_per_cell(self):
        """Multiplications for each cell of the grid."""
        stencil, total = 3**self.dimensions, 0
        for name, (given, made) in self.layers().items():
            level = 0
            if name.startswith("coarse"):
                level = self.levels
            elif name.startswith(("down", "up")):
                level = int(name.split(".")[0].lstrip("downup"))
            total += stencil * given * made / 2 ** (level * self.dimensions)
        return total + self.channels

    def start(self, rng=None):
        """Draw weights uniformly by the rule of Glorot and Bengio, as float32; biases are zero.

        Parameters
        ----------
        rng : None, int or numpy.random.Generator
            For the weights.

        Returns
        -------
        dict of ndarray
        """
        rng, weights = generator(rng), {}
        for name, shape in self.shapes().items():
            if len(shape) == 1:
                weights[name] = np.zeros(shape, np.float32)
                continue
            neighbours = prod(shape[:-2])
            limit = np.sqrt(6 / (neighbours * (shape[-2] + shape[-1])))
            weights[name] = rng.uniform(-limit, limit, shape).astype(np.float32)
        return weights


ARCHITECTURES = {
    "paper-64": Architecture(),
    "paper-128": Architecture(before=2, coarse=5, after=3),
    "linear": Architecture(
        channels=8, before=1, coarse=2, after=1, levels=4,
        bias=False, rectify=False, geometry=True, upsampling="linear",
    ),
}  # fmt: skip
