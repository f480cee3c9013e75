"""The Poisson operator of a grid with solids inside, without storing a matrix."""

import math

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import (
    asarray,
    device_key,
    dtype_name,
    is_array,
    is_traced,
    library,
    namespace,
    to_numpy,
)
from linalg_ml.kernels.dispatch import kernels

SOLIDS = ("dirichlet", "neumann")


class GridPoisson:
    """The Laplacian of a 2D or 3D grid of cells with solids inside, without storing a matrix.

    The outer wall holds the value zero (Dirichlet). Solid cells hold zero too ("dirichlet"), or
    let nothing through ("neumann").

    Parameters
    ----------
    mask : array of bool, shape (n1, n2) or (n1, n2, n3)
        True where a cell is open (fluid), False where it is solid. Of any array library.
    solids : "dirichlet" or "neumann"
        What holds at the faces of solid cells.
    faces : sequence of arrays, optional
        Coefficients of the faces between cells, one array per axis: the open fraction of a face,
        or a conductivity. That of axis k has the shape of ``mask`` with one more along axis k;
        the first and the last are faces of the outer wall. None makes all of them 1.

    Attributes
    ----------
    shape : tuple (n, n)
        As a matrix on all cells, n = n1 n2 (n3), in C order.
    grid : tuple
        Shape of the grid.
    mask, diagonal : ndarray
        The open cells; the diagonal of the matrix, zero in solids.
    unknowns : int
        Number of open cells.

    Raises
    ------
    TypeError, ValueError
        If ``mask`` is not boolean of 2 or 3 dimensions, leaves no open cell, or, with Neumann
        solids, encloses cells that no face connects to the outer wall: the matrix is singular
        there. `open_cells` fills such pockets. Parts of the domain that Dirichlet solids cut off
        from each other are independent problems, each nonsingular.

    Notes
    -----
    (A u)_i = D_i u_i - sum_j c_ij u_j over the open neighbours j of an open cell i, and 0 in
    solids: the matrix is that of the (2d+1)-point stencil times the square of the mesh width,
    zero in the rows and columns of solid cells. Without ``faces`` c_ij = 1 and D_i = 2 d, less the
    number of solid neighbours where they are Neumann. A product costs 2 d + 1 multiplications a
    cell at most, and reads nothing but u and the mask where coefficients are 1.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.deep_directions import GridPoisson
    >>> mask = np.ones((3, 4), bool)
    >>> mask[1, 1] = False
    >>> a = GridPoisson(mask, solids="neumann")
    >>> a.diagonal.astype(int)
    array([[4, 3, 4, 4],
           [3, 0, 3, 4],
           [4, 3, 4, 4]])
    >>> a.apply(np.where(mask, 1.0, 7.0)).astype(int)
    array([[2, 1, 1, 2],
           [1, 0, 0, 1],
           [2, 1, 1, 2]])
    """

    def __init__(self, mask, /, *, solids="dirichlet", faces=None):
        self.mask = _boolean(mask)
        self.solids = checks.choice(solids, SOLIDS, "solids")
        self.grid = self.mask.shape
        n = math.prod(self.grid)
        self.shape = (n, n)
        self.unknowns = int(np.count_nonzero(self.mask))
        if self.unknowns == 0:
            raise ValueError(f"mask must leave an open cell, but all {n} are solid")
        self.faces = None if faces is None else _coefficients(faces, self.grid)
        self.inner, self.diagonal = stencil(self.mask, self.solids, self.faces)
        self._refuse_pockets()
        for a in (self.mask, self.diagonal, *(self.faces or ()), *(self.inner or ())):
            a.setflags(write=False)
        self._at_home = {}  # the coefficients for each library, dtype and device met

    @property
    def dimensions(self):
        """2 or 3."""
        return len(self.grid)

    def apply(self, u):
        """Return A u for u of shape (..., *grid)."""
        return self._product(self.restrict(u), *self.coefficients(u))

    def energy(self, u, r):
        """Return A u, u^T A u and u^T r for u and r of shape (..., *grid), u zero in solids."""
        return kernels(library(u)).grid_energy(u, r, *self.coefficients(u))

    def matvec(self, x):
        """Return A x for x of shape (..., n), finite in solids too."""
        u = self._folded(x)
        mask, diagonal, inner = self.coefficients(u)
        return self._flat(self._product(u * mask, mask, diagonal, inner))

    rmatvec = matvec

    def restrict(self, u):
        """Return u of shape (..., *grid) with zeros in the solids, whatever stood there."""
        if tuple(u.shape[u.ndim - self.dimensions :]) != self.grid:
            sizes = ", ".join(map(str, self.grid))
            raise ValueError(f"u must have shape (..., {sizes}), got {tuple(u.shape)}")
        xp = namespace(u)
        mask = self._home(u, "mask", lambda: asarray(self.mask.copy(), like=u))
        return xp.where(mask, u, xp.zeros_like(u))

    def coefficients(self, like):
        """Return mask, diagonal and inner face coefficients (or None) at home where ``like`` is.

        Each is an array of the dtype of ``like``. The face coefficients of axis k have the shape
        of the grid with one less along axis k, and are zero where either cell is solid.
        """

        def make():
            parts = [self.mask, self.diagonal, *(self.inner or ())]
            # Copies: PyTorch warns of read-only memory.
            mask, diagonal, *inner = (asarray(p.copy(), like=like, dtype=like.dtype) for p in parts)
            return mask, diagonal, inner or None

        return self._home(like, "coefficients", make)

    def tosparse(self):
        """Return the matrix on the open cells alone, in C order, as a scipy.sparse.csr_array."""
        from scipy.sparse import coo_array

        numbers = np.full(self.grid, -1)
        numbers[self.mask] = np.arange(self.unknowns)
        rows, columns, values = [numbers[self.mask]], [numbers[self.mask]], [self._on_open()]
        for k in range(self.dimensions):
            low = numbers[along(k, None, -1, self.dimensions)]
            high = numbers[along(k, 1, None, self.dimensions)]
            both = (low >= 0) & (high >= 0)
            weights = np.ones(low.shape) if self.inner is None else self.inner[k]
            for one, other in ((low, high), (high, low)):
                rows.append(one[both])
                columns.append(other[both])
                values.append(-weights[both])
        entries = np.concatenate(values)
        places = (np.concatenate(rows), np.concatenate(columns))
        matrix = coo_array((entries, places), shape=(self.unknowns, self.unknowns)).tocsr()
        matrix.eliminate_zeros()
        return matrix

    @staticmethod
    def _product(u, mask, diagonal, inner):
        return kernels(library(u)).grid_product(u, mask, diagonal, inner)

    def _on_open(self):
        return self.diagonal[self.mask]

    def _folded(self, x):
        if x.shape[-1:] != self.shape[-1:]:
            raise ValueError(f"x must have shape (..., {self.shape[0]}), got {tuple(x.shape)}")
        return namespace(x).reshape(x, (*x.shape[:-1], *self.grid))

    def _flat(self, u):
        return namespace(u).reshape(u, (*u.shape[: -self.dimensions], self.shape[0]))

    def _home(self, like, what, make):
        if is_traced(like):
            return make()
        key = (what, library(like), dtype_name(like), device_key(like))
        if key not in self._at_home:
            self._at_home[key] = make()
        return self._at_home[key]

    def _refuse_pockets(self):
        if self.solids == "dirichlet" and self.faces is None:
            return
        closed = self.mask & ~_reached(self.mask, self.inner, self._at_wall())
        if closed.any():
            cells = np.argwhere(closed)
            raise ValueError(
                f"mask encloses {len(cells)} open cells, the first at "
                f"{tuple(map(int, cells[0]))}, that nothing connects to the outer wall: the matrix "
                "is singular there; make them solid with deep_directions.open_cells(mask)"
            )

    def _at_wall(self):
        """Return which cells hold on to a Dirichlet value: that of the wall, or of a solid."""
        return self.mask & (self.diagonal - _sum_of_inner(self.mask, self.inner) > 0)

    def __repr__(self):
        grid = " x ".join(map(str, self.grid))
        more = "" if self.faces is None else ", variable coefficients"
        return f"<GridPoisson {grid}, {self.unknowns} open, {self.solids} solids{more}>"


def open_cells(mask, /):
    """Return a mask in which the cells that no path connects to the outer wall are solid.

    Parameters
    ----------
    mask : array of bool, shape (n1, n2) or (n1, n2, n3)
        True where a cell is open. Of any array library.

    Returns
    -------
    ndarray of bool
        A NumPy array of the same shape.

    Raises
    ------
    TypeError, ValueError
        If ``mask`` is not boolean of 2 or 3 dimensions.

    Notes
    -----
    Flow through faces alone connects cells. With Neumann solids the pressure in a pocket that is
    cut off from the wall is determined up to a constant only, so `GridPoisson` refuses it.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml.deep_directions import open_cells
    >>> mask = np.ones((5, 5), bool)
    >>> mask[1:4, 1:4] = False
    >>> mask[2, 2] = True
    >>> bool(open_cells(mask)[2, 2])
    False
    """
    mask = _boolean(mask)
    at_wall = np.zeros(mask.shape, bool)
    for k in range(mask.ndim):
        at_wall[along(k, None, 1, mask.ndim)] = True
        at_wall[along(k, -1, None, mask.ndim)] = True
    return mask & _reached(mask, None, at_wall & mask)


def _boolean(mask):
    values = np.array(to_numpy(mask) if is_array(mask) else mask)
    if values.dtype != bool and not (values.dtype.kind in "iuf" and np.isin(values, (0, 1)).all()):
        raise TypeError(f"mask must be boolean, True in open cells; got dtype {values.dtype}")
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise ValueError(
            f"mask must have 2 or 3 dimensions of at least one cell, got shape {values.shape}"
        )
    return np.ascontiguousarray(values, bool)


def _coefficients(faces, grid):
    """Return the coefficients of all faces, one array per axis."""
    if not isinstance(faces, (tuple, list)) or len(faces) != len(grid):
        came = len(faces) if isinstance(faces, (tuple, list)) else repr(faces)
        raise ValueError(f"faces must hold one array per axis, {len(grid)}, got {came}")
    made = []
    for k, given in enumerate(faces):
        values = np.array(to_numpy(given) if is_array(given) else given)
        if values.dtype.kind in "cSUO":
            raise TypeError(f"faces[{k}] must hold real numbers, got dtype {values.dtype}")
        values = values.astype(np.float64)
        expected = tuple(size + (axis == k) for axis, size in enumerate(grid))
        checks.same_shape(values, expected, f"faces[{k}]")
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise ValueError(f"faces[{k}] must be finite and not negative")
        made.append(values)
    return tuple(made)


def stencil(mask, solids, faces):
    """Return the coefficients of the inner faces (None: 1 between open cells) and the diagonal."""
    d = mask.ndim
    diagonal = np.zeros(mask.shape)
    inner = None if faces is None else []
    for k in range(d):
        low, high = along(k, None, -1, d), along(k, 1, None, d)
        first, last = along(k, None, 1, d), along(k, -1, None, d)
        between = 1.0 if faces is None else faces[k][along(k, 1, -1, d)]
        at_first = 1.0 if faces is None else faces[k][first]
        at_last = 1.0 if faces is None else faces[k][last]
        both = mask[low] & mask[high]
        counted = np.broadcast_to(between, both.shape)
        if solids == "neumann":
            counted = counted * both
        diagonal[low] += counted
        diagonal[high] += counted
        diagonal[first] += at_first
        diagonal[last] += at_last
        if inner is not None:
            inner.append(between * both)
    return None if inner is None else tuple(inner), diagonal * mask


def _sum_of_inner(mask, inner):
    """Return the sum of the coefficients to open neighbours, in each cell."""
    d = mask.ndim
    total = np.zeros(mask.shape)
    for k in range(d):
        low, high = along(k, None, -1, d), along(k, 1, None, d)
        both = mask[low] & mask[high] if inner is None else inner[k]
        total[low] += both
        total[high] += both
    return total


def _reached(mask, inner, start):
    """Return the cells that open faces connect to one of those in ``start``."""
    if inner is None:
        from scipy.ndimage import label

        labels, count = label(mask)
    else:
        labels, count = _labels_by_faces(mask, inner)
    known = np.zeros(count + 1, bool)
    known[labels[start]] = True
    known[0] = False
    return known[labels]


def _labels_by_faces(mask, inner):
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers = np.arange(mask.size).reshape(mask.shape)
    pairs = []
    for k, values in enumerate(inner):
        open_faces = values > 0
        low = numbers[along(k, None, -1, mask.ndim)][open_faces]
        high = numbers[along(k, 1, None, mask.ndim)][open_faces]
        pairs.append(np.stack([low, high]))
    rows, columns = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(rows.size, bool), (rows, columns)), shape=(mask.size, mask.size))
    count, labels = connected_components(graph, directed=False)
    return np.where(mask, labels.reshape(mask.shape) + 1, 0), count


def along(axis, start, stop, dimensions, step=None):
    """Return an index that slices one axis and takes the others whole."""
    index = [slice(None)] * dimensions
    index[axis] = slice(start, stop, step)
    return tuple(index)
