"""Networks from residual to search direction, in the operations of the Array API standard."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import (
    asarray,
    astype,
    device_key,
    dtype_name,
    is_complex,
    is_traced,
    library,
    namespace,
)
from linalg_ml._core.precision import Arithmetic, as_policy
from linalg_ml.deep_directions.architecture import Architecture
from linalg_ml.deep_directions.model import Model


def forward(architecture, weights, r, arithmetic, geometry=None):
    """Return the directions for residuals: the one definition of the networks.

    Parameters
    ----------
    architecture : Architecture
        What the layers are.
    weights : dict of arrays
        Of the library of ``r``, in the dtype of ``arithmetic``.
    r : array of shape (batch, *grid)
        Residuals of unit norm. The grid is enlarged by cells with residual zero, and cut again,
        where it cannot be halved often enough.
    arithmetic : Arithmetic
        Rounds as its policy says: once per layer.
    geometry : pair of arrays of shape (*grid) or (batch, *grid), optional
        The open cells, and the diagonal of A over twice the number of dimensions. None: all cells
        are open, the diagonal is that of the plain stencil.

    Returns
    -------
    array of shape (batch, *grid)
    """
    return _Forward(architecture, weights, arithmetic).directions(r, geometry)


class _Forward:
    def __init__(self, architecture, weights, arithmetic):
        self.net, self.weights, self.arithmetic = architecture, weights, arithmetic
        self.xp = arithmetic.xp
        self.open = None  # the open fraction of the cells of each grid, finest first

    def directions(self, r, geometry):
        net, grid = self.net, tuple(r.shape[1:])
        multiple = 2**net.levels
        enlarged = tuple(-(-n // multiple) * multiple for n in grid)
        x = _enlarge(r, enlarged, self.xp)[..., None]
        if net.geometry:
            x = self._with_geometry(x, geometry, enlarged)
        x = self._layer("enter", self._layer("first", x, 0, plain=True), 0)
        for i in range(net.before):
            x = self._block(f"down0.{i}", x, 0)
        x = self._layer("leave", x, 0)
        x = self._coarser(x, 1)
        for i in range(net.after):
            x = self._block(f"up0.{i}", x, 0)
        flat = self.xp.reshape(x, (-1, net.channels))
        y = self.arithmetic.mm(flat, self.weights["head.weights"])
        if net.bias:
            y = self.arithmetic.store(y + self.weights["head.bias"])
        y = self.xp.reshape(y, (r.shape[0], *enlarged))
        return y[:, *(slice(n) for n in grid)]

    def _coarser(self, fine, level):
        """Return the features plus what the coarser grids have to say."""
        net, store = self.net, self.arithmetic.store
        x = store(_halve(fine, self.xp))
        if level == net.levels:
            for i in range(net.coarse):
                x = self._block(f"coarse.{i}", x, level)
        else:
            x = self._block(f"down{level}.0", x, level)
            x = self._coarser(x, level + 1)
            x = self._block(f"up{level}.0", x, level)
        raised = _repeat(x, self.xp) if net.upsampling == "nearest" else _raise(x, self.xp)
        return store(self._masked(raised, level - 1) + fine)

    def _block(self, name, x, level):
        inner = self._layer(f"{name}.b", self._layer(f"{name}.a", x, level), level)
        return self.arithmetic.store(inner + x)

    def _layer(self, name, x, level, plain=False):
        weights, bias = self.weights[f"{name}.weights"], self.weights.get(f"{name}.bias")
        rectify = self.net.rectify and not plain
        y = self.arithmetic.convolve(x, weights, bias, rectify=rectify)
        return self._masked(y, level)

    def _masked(self, x, level):
        return x if self.open is None else self.arithmetic.store(x * self.open[level])

    def _with_geometry(self, x, geometry, enlarged):
        """Keep the open fractions for all layers; return the two inputs."""
        xp, store = self.xp, self.arithmetic.store
        if geometry is None:
            mask, diagonal = xp.ones_like(x), xp.ones_like(x)
        else:
            mask, diagonal = (
                _enlarge(part[None, ...] if part.ndim < x.ndim - 1 else part, enlarged, xp)
                [..., None] for part in geometry
            )  # fmt: skip
        self.open = [mask]
        for _ in range(self.net.levels):
            self.open.append(store(_halve(self.open[-1], xp)))
        x = x * mask
        return xp.concat([x, store(x * (1 - diagonal))], axis=-1)


@dataclass(frozen=True, eq=False)  # two networks are equal where they are one: weights are arrays
class Network(Model):
    """A convolutional network as the model of `deep_conjugate_directions`.

    Parameters
    ----------
    architecture : Architecture
        What the layers are.
    weights : dict of ndarray
        One array for each name in ``architecture.shapes()``.
    precision : str or Precision
        Arithmetic of the network, whatever that of the solver: inputs are rounded, products and
        layers computed as the policy says.
    provenance : dict
        How the weights were made: seed, data, loss, version.

    Raises
    ------
    ValueError
        If weights are missing, superfluous, of another shape or not finite.

    Notes
    -----
    A call takes ``architecture.products_per_cell`` multiplications for each cell: some 32
    thousand for the network of the paper in two dimensions, as many as hundreds of steps of
    conjugate gradients. In "bf16" and "fp16" the directions are a little worse, so a solve takes
    more of them; the accuracy of the solution does not suffer, because the solver computes the
    residual itself.

    References
    ----------
    A. Kaneda, O. Akar, J. Chen, V. Kala, D. Hyde, J. Teran, "A Deep Conjugate Direction Method
    for Iteratively Solving Linear Systems", ICML 2023, arXiv:2205.10763.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import deep_directions
    >>> net = deep_directions.load("paper-64-2d")
    >>> net.architecture.parameters
    32657
    >>> net(np.ones((8, 8)) / 8).shape
    (8, 8)
    """

    architecture: Architecture
    weights: dict = field(repr=False)
    precision: Any = "fp32"
    provenance: dict = field(default_factory=dict, repr=False)
    _homes: dict = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self):
        checks.instance(self.architecture, Architecture, "architecture")
        if as_policy(self.precision) is None:
            raise TypeError("precision must be a name or a Precision, got None")
        shapes = self.architecture.shapes()
        if set(self.weights) != set(shapes):
            odd = sorted(set(self.weights) ^ set(shapes))
            raise ValueError(f"weights must have one array for each layer; odd: {', '.join(odd)}")
        for name, shape in shapes.items():
            values = self.weights[name]
            checks.same_shape(values, shape, f"weights[{name!r}]")
            if not np.all(np.isfinite(values)):
                raise ValueError(f"weights[{name!r}] must be finite")

    def __getstate__(self):
        # Weights that were put on one machine are put again on another.
        return {**vars(self), "_homes": {}}

    def __call__(self, r):
        """Return directions for residuals r of shape (..., *grid), all cells being open."""
        return self.on(r)

    def prepare(self, operator):
        """Return the network for the geometry of a `GridPoisson`."""
        dimensions = getattr(operator, "dimensions", None)
        if dimensions is None:
            raise TypeError(
                "the network needs the cells of a grid: a must be a deep_directions.GridPoisson, "
                f"got {type(operator).__name__}"
            )
        if dimensions != self.architecture.dimensions:
            raise ValueError(
                f"the network is one of {self.architecture.dimensions} dimensions, "
                f"but a has {dimensions}"
            )
        return PreparedNetwork(self, operator)

    def on(self, r, operator=None):
        """Return directions for r (..., *grid), in the solids and faces of an operator."""
        d = self.architecture.dimensions
        r = checks.array(r, "r")
        if is_complex(r):
            raise TypeError(f"r must be real, got dtype {dtype_name(r)}: the network is")
        if r.ndim < d:
            raise ValueError(f"r must have shape (..., *grid) with {d} axes, got {tuple(r.shape)}")
        arithmetic, weights = self._at_home(r)
        grid = tuple(r.shape[r.ndim - d :])
        flat = namespace(r).reshape(r, (-1, *grid))
        geometry = None
        if operator is not None and self.architecture.geometry:
            mask, diagonal, *_ = operator.coefficients(r)
            geometry = arithmetic.enter(mask), arithmetic.enter(diagonal / (2.0 * d))
        flat = arithmetic.enter(flat)
        q = forward(self.architecture, weights, flat, arithmetic, geometry)
        return astype(namespace(r).reshape(q, tuple(r.shape)), r.dtype)

    def _at_home(self, r):
        """Return the arithmetic and the weights where ``r`` lives."""
        arithmetic = Arithmetic(self.precision, r)
        if is_traced(r):
            return arithmetic, self._weights(r, arithmetic)
        key = library(r), dtype_name(r), device_key(r)
        if key not in self._homes:
            self._homes[key] = self._weights(r, arithmetic)
        return arithmetic, self._homes[key]

    def _weights(self, r, arithmetic):
        like = namespace(r).float32
        return {
            name: arithmetic.enter(asarray(values, like=r, dtype=like))
            for name, values in self.weights.items()
        }


@dataclass(frozen=True)
class PreparedNetwork:
    """A network that knows the operator it works for."""

    network: Network
    operator: Any

    def __call__(self, r):
        """Return directions for residuals r of shape (..., *grid)."""
        return self.network.on(r, self.operator)


def pretrained(operator):
    """Return the network of the paper that ships with the package, for an operator."""
    from linalg_ml.deep_directions.weights_file import load

    dimensions = getattr(operator, "dimensions", 2)
    return load(f"paper-64-{dimensions}d")


# Between grids -----------------------------------------------------------------------------------


def _enlarge(x, grid, xp):
    """Return x (batch, *grid) with zeros behind the end of each axis."""
    for axis, size in enumerate(grid, start=1):
        if x.shape[axis] == size:
            continue
        shape = list(x.shape)
        shape[axis] = size - shape[axis]
        part = x[(*[slice(None)] * axis, slice(0, 1), ...)]
        x = xp.concat([x, xp.broadcast_to(xp.zeros_like(part), tuple(shape))], axis=axis)
    return x


def _halve(x, xp):
    """Return the means over 2 x 2 (x 2) cells of features (batch, *grid, channels)."""
    batch, *grid, channels = x.shape
    pairs = [size for n in grid for size in (n // 2, 2)]
    paired = xp.reshape(x, (batch, *pairs, channels))
    for axis in range(1 + len(grid), 1, -1):
        first, second = _halves(len(paired.shape), 2 * (axis - 1))
        paired = paired[first] + paired[second]
    return paired * 0.5 ** len(grid)


def _halves(ndim, axis):
    index = [slice(None)] * ndim
    index[axis] = 0
    first = tuple(index)
    index[axis] = 1
    return first, tuple(index)


def _repeat(x, xp):
    """Return features (batch, *grid, channels), each cell cut into 2 x 2 (x 2) equal ones."""
    batch, *grid, channels = x.shape
    single = [size for n in grid for size in (n, 1)]
    double = [size for n in grid for size in (n, 2)]
    x = xp.broadcast_to(xp.reshape(x, (batch, *single, channels)), (batch, *double, channels))
    return xp.reshape(x, (batch, *(2 * n for n in grid), channels))


def _raise(x, xp):
    """Return features on cells half as wide, by linear interpolation; zero beyond the walls.

    A child lies a quarter of a cell off the middle: 3/4 its parent, 1/4 the nearer neighbour.
    """
    for axis in range(1, len(x.shape) - 1):
        ahead, behind, edge = (
            (*[slice(None)] * axis, part, ...)
            for part in (slice(1, None), slice(None, -1), slice(0, 1))
        )
        zero = xp.zeros_like(x[edge])
        low = 0.75 * x + 0.25 * xp.concat([zero, x[behind]], axis=axis)
        high = 0.75 * x + 0.25 * xp.concat([x[ahead], zero], axis=axis)
        shape = list(x.shape)
        shape[axis] *= 2
        x = xp.reshape(xp.stack([low, high], axis=axis + 1), tuple(shape))
    return x
