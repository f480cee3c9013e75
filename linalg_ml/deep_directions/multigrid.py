"""The learned multigrid: one symmetric V-cycle that six or seven trained numbers describe."""

from dataclasses import dataclass, replace

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import (
    astype,
    device_key,
    dtype_name,
    dtype_of,
    is_complex,
    is_traced,
    library,
    namespace,
)
from linalg_ml.deep_directions.hierarchy import COARSENINGS, hierarchy
from linalg_ml.deep_directions.model import Model
from linalg_ml.deep_directions.stencil import GridPoisson
from linalg_ml.kernels.dispatch import kernels

RED_BLACK = "red-black"
_DTYPES = {"fp32": "float32", "fp64": "float64"}
_SWEEPS = {2: 16, 3: 12}  # smoothing steps on the coarsest grid, even for the sake of symmetry
# A smoother S contracts, and the cycle is positive definite, where the eigenvalues of S A are
# below 2. The largest is seen by so many steps but for a tenth or two; it may belong to a vector
# that lives on a few cells, which shows in the largest entry long before it does in a norm.
_LARGEST, _POWER_STEPS = 1.6, 12


@dataclass(frozen=True)
class MultigridWeights:
    """The numbers of a `LearnedMultigrid`.

    Parameters
    ----------
    stencil : tuple of 3 (2D) or 4 (3D) numbers, or "red-black"
        The smoother: what a cell takes from itself, from its neighbours across a face, and so on
        to those across a corner. All but the first zero: damped Jacobi. "red-black" is no stencil
        but Gauss-Seidel in the order of a chessboard, in 2D and 3D.
    interpolation : tuple of 2 numbers
        What a fine cell takes, along each axis, from the coarse cell it lies in and from the
        nearer neighbour of that.
    correction : float
        Factor of the coarse correction.
    """

    stencil: tuple
    interpolation: tuple
    correction: float

    def __post_init__(self):
        for name, sizes in (("stencil", (3, 4)), ("interpolation", (2,))):
            values = getattr(self, name)
            if name == "stencil" and isinstance(values, str):
                checks.choice(values, (RED_BLACK,), name)
                continue
            if not isinstance(values, (tuple, list)) or len(values) not in sizes:
                wanted = " or ".join(map(str, sizes))
                raise ValueError(f"{name} must hold {wanted} numbers, got {values!r}")
            numbers = tuple(checks.number(value, name) for value in values)
            object.__setattr__(self, name, numbers)
        object.__setattr__(self, "correction", checks.number(self.correction, "correction"))

    @property
    def dimensions(self):
        """2 or 3; None where the numbers serve both."""
        return None if self.stencil == RED_BLACK else len(self.stencil) - 1


# Trained on random geometry. For coarse masks: by Adam on 64 x 64 cells, and by Nelder-Mead on
# 16 x 16 x 16, for the contraction. For face fractions: by `train_multigrid`, 260 evaluations from
# there with rng=1, on 12 grids of 256 x 256 and 8 of 32 x 32 x 32 cells; in 2D 166 more on 12 grids
# of 512 x 512, which bring the steps there down to those on 128 x 128.
LEARNED = {
    "masks": {
        2: MultigridWeights((1.328, 0.408, 0.1647), (0.7542, 0.2382), 0.995),
        3: MultigridWeights((1.3316, 0.2703, 0.0382, -0.0206), (0.7457, 0.2749), 0.9545),
    },
    "fractions": {
        2: MultigridWeights((1.3212, 0.4137, 0.1662), (0.7405, 0.2479), 1.0721),
        3: MultigridWeights((1.2357, 0.269, 0.0836, 0.0316), (0.7672, 0.2627), 0.9229),
    },
}
# Nothing learned: linear interpolation, and damped Jacobi or Gauss-Seidel.
JACOBI = {
    2: MultigridWeights((0.8, 0.0, 0.0), (0.75, 0.25), 1.0),
    3: MultigridWeights((0.8, 0.0, 0.0, 0.0), (0.75, 0.25), 1.0),
}
GAUSS_SEIDEL = MultigridWeights(RED_BLACK, (0.75, 0.25), 1.0)


@dataclass(frozen=True)
class LearnedMultigrid(Model):
    """One symmetric V(1,1)-cycle of multigrid whose smoother and interpolation are learned.

    Parameters
    ----------
    weights : MultigridWeights, "learned", "jacobi" or "red-black"
        The numbers trained for the coarsening, which come with the package; those of the
        geometric multigrid with linear interpolation, smoothed by damped Jacobi or by red-black
        Gauss-Seidel; or your own.
    coarsening : "fractions" or "masks"
        How coarser grids see the geometry: through the open fraction of each face and the distance
        of the wall, or through a mask of solid cells alone.
    precision : "fp32", "fp64" or None
        What the cycle computes in; None takes the type of the residual.

    Notes
    -----
    u = S r; u += c P V(P^T (r - A u)); u += S (r - A u), with S = D^(-1/2) K D^(-1/2), K a
    symmetric 3^d stencil of d + 1 numbers, P an interpolation of 2 numbers, the same on all grids
    down to one whose sides are shorter than 8 cells, where smoothing alone is repeated. The cycle
    is linear and symmetric for any numbers, so with it `deep_conjugate_directions` is
    preconditioned CG. For NumPy arrays it is compiled: each grid is passed over twice, in about
    the time of 5 to 8 products with A altogether. `prepare` makes the grids; pass what it returns
    as ``model`` where the same geometry is solved for many right-hand sides.

    In "fp32" the direction has relative errors of 1e-6, which cost a step of 20 at most and no
    accuracy: the solver around it computes in its own precision.

    The three numbers of the smoother damp what varies from cell to cell in one step as damped
    Jacobi does in two or three, at little more than the cost of one.

    With "red-black" a sweep down sets the residual of every other cell to zero and then that of
    those between, as the fields of a chessboard, and a sweep up does so in the opposite order,
    for the sake of symmetry.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import deep_conjugate_directions
    >>> from linalg_ml.deep_directions import GridPoisson, LearnedMultigrid
    >>> mask = np.ones((128, 128), bool)
    >>> mask[40:70, 50:90] = False
    >>> a = GridPoisson(mask, solids="neumann")
    >>> b = np.random.default_rng(0).standard_normal((128, 128))
    >>> cycle = LearnedMultigrid().prepare(a)
    >>> deep_conjugate_directions(a, b, model=cycle, rtol=1e-6).converged
    True
    """

    weights: object = "learned"
    coarsening: str = "fractions"
    precision: str | None = "fp32"

    def __post_init__(self):
        if not isinstance(self.weights, MultigridWeights):
            checks.choice(self.weights, ("learned", "jacobi", RED_BLACK), "weights")
        checks.choice(self.coarsening, COARSENINGS, "coarsening")
        if self.precision is not None:
            checks.choice(self.precision, tuple(_DTYPES), "precision")

    def prepare(self, operator):
        """Return the cycle for a `GridPoisson`: its grids are made."""
        if not isinstance(operator, GridPoisson):
            raise TypeError(
                "the multigrid needs the geometry: a must be a deep_directions.GridPoisson, got "
                f"{type(operator).__name__}"
            )
        weights = self.weights
        if not isinstance(weights, MultigridWeights):
            d = operator.dimensions
            known = {"learned": LEARNED[self.coarsening][d], "jacobi": JACOBI[d]}
            weights = known.get(weights, GAUSS_SEIDEL)
        if weights.dimensions not in (None, operator.dimensions):
            raise ValueError(
                f"these weights are for {weights.dimensions} dimensions, but the grid has "
                f"{operator.dimensions}"
            )
        levels = hierarchy(operator, self.coarsening)
        if operator.faces is not None and weights.stencil != RED_BLACK:
            weights = _damped(weights, levels)
        return Cycle(levels, weights, self.precision)


def _damped(weights, levels):
    """Return the weights with the stencil made smaller where it would not contract on a grid."""
    factor = _LARGEST / max(_LARGEST, *(_largest_eigenvalue(weights, level) for level in levels))
    return replace(weights, stencil=tuple(factor * value for value in weights.stencil))


def _largest_eigenvalue(weights, level):
    """Return about the largest eigenvalue of S A on a grid, by power iteration."""
    kernel, u = kernels("numpy"), np.random.default_rng(0).standard_normal(level.mask.shape)
    smooth = kernel.multigrid_cycle([replace(level, shares=None)], weights, 1, u[:0])
    mask, root = level.mask.astype(u.dtype), np.sqrt(level.diagonal)
    largest, u = 0.0, mask * u
    for _ in range(_POWER_STEPS):
        u /= np.max(root * np.abs(u)) or 1.0
        u = smooth(kernel.grid_product(u, mask, level.diagonal, level.inner))
        largest = max(largest, float(np.max(root * np.abs(u))))
    return largest


class Cycle(Model):
    """A V-cycle with its grids made; see `LearnedMultigrid`."""

    scale_free = zero_in_solids = True

    def __init__(self, levels, weights, precision):
        self.levels, self.weights, self.precision = levels, weights, precision
        self._made = {}  # the compiled or assembled cycle, by library, dtype and device

    def __getstate__(self):
        # What was made for one machine is made again on another.
        return {**vars(self), "_made": {}}

    def __call__(self, r):
        """Return the approximate solution of A u = r for r of shape (..., *grid)."""
        r = checks.array(r, "r")
        if is_complex(r):  # the cycle is linear, its numbers are real
            xp = namespace(r)
            return self(xp.real(r)) + 1j * self(xp.imag(r))
        grid = self.levels[0].mask.shape
        if tuple(r.shape[-len(grid) :]) != grid:
            raise ValueError(f"r must have shape (..., *{grid}), got {tuple(r.shape)}")
        dtype = _DTYPES.get(self.precision, dtype_name(r))
        if is_traced(r):
            return self._make(r, dtype)(r)
        key = (library(r), dtype, device_key(r))
        if key not in self._made:
            self._made[key] = self._make(r, dtype)
        return self._made[key](r)

    def _make(self, r, dtype):
        like = astype(namespace(r).reshape(r, (-1,))[:1], dtype_of(dtype, r))
        make = kernels(library(r)).multigrid_cycle
        return make(self.levels, self.weights, _SWEEPS[self.levels[0].mask.ndim], like)

    def __repr__(self):
        return f"<Cycle on {len(self.levels)} grids from {self.levels[0].mask.shape}>"
