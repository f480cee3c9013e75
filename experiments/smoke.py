"""Smoke in two dimensions around obstacles: a fluid whose every step is a Poisson problem."""

import numpy as np

from linalg_ml.deep_directions import GridPoisson

LIFT, TIME_STEP, VORTICITY = 0.22, 0.5, 0.25


def obstacles(shape):
    """Return open cells: side walls, and discs and a bar in the way of the plume."""
    rows, columns = shape
    y, x = np.indices(shape)
    x, y = (x + 0.5) / columns, (rows - y - 0.5) / columns
    mask = np.ones(shape, bool)
    for centre_x, centre_y, radius in (
        (0.47, 0.52, 0.10),
        (0.22, 0.80, 0.08),
        (0.76, 0.85, 0.09),
        (0.36, 1.18, 0.07),
    ):
        mask &= (x - centre_x) ** 2 + (y - centre_y) ** 2 > radius**2
    along, across = x * 0.8 + y * 0.6, y * 0.8 - x * 0.6
    mask &= (np.abs(across - 0.592) > 0.025) | (np.abs(along - 1.344) > 0.16)
    mask[:, [0, -1]] = False
    return mask


class Smoke:
    """Velocities on faces, density in cells; row 0 is the top, which is open like the bottom.

    Parameters
    ----------
    mask : ndarray of bool
    rng : numpy.random.Generator
        A little noise, so that the plume does not stay symmetric.
    """

    def __init__(self, mask, rng):
        self.mask = mask
        self.poisson = GridPoisson(mask, solids="neumann")
        rows, columns = mask.shape
        self.down = np.zeros((rows + 1, columns))
        self.right = np.zeros((rows, columns + 1))
        self.density = np.zeros(mask.shape)
        self.pressure = np.zeros(mask.shape)
        self.open_down = _open_faces(mask, 0)
        self.open_right = _open_faces(mask, 1)
        y, x = np.indices(mask.shape)
        depth = 0.045 * columns
        self.source = ((x - 0.5 * columns) ** 2 + (y - rows + 1.6 * depth) ** 2 < depth**2) & mask
        self.rng = rng

    def forces(self):
        """Add smoke at the source and lift where there is smoke; return the divergence."""
        self.density[self.source] = 1.0
        noise = 1 + 0.2 * self.rng.standard_normal(self.density.shape)
        lift = np.pad(self.density * noise, ((1, 1), (0, 0)))
        self.down -= TIME_STEP * LIFT * (lift[:-1] + lift[1:]) / 2
        self.swirl()
        self.down *= self.open_down
        self.right *= self.open_right
        return self.divergence()

    def swirl(self):
        """Push along the small vortices, which the transport of velocity wears down."""
        v = (self.down[1:] + self.down[:-1]) / 2
        u = (self.right[:, 1:] + self.right[:, :-1]) / 2
        curl = np.gradient(v, axis=1) - np.gradient(u, axis=0)
        steep_y, steep_x = np.gradient(np.abs(curl))
        size = np.hypot(steep_x, steep_y) + 1e-6
        push_x = VORTICITY * TIME_STEP * (steep_y / size) * curl
        push_y = -VORTICITY * TIME_STEP * (steep_x / size) * curl
        self.right[:, 1:-1] += (push_x[:, 1:] + push_x[:, :-1]) / 2
        self.down[1:-1] += (push_y[1:] + push_y[:-1]) / 2

    def divergence(self):
        """Return the flow out of each cell."""
        return (np.diff(self.down, axis=0) + np.diff(self.right, axis=1)) * self.mask

    def project(self, pressure):
        """Take the gradient of the pressure away: what flows into a cell flows out of it."""
        self.pressure = pressure
        padded = np.pad(pressure, 1)
        self.down -= np.diff(padded[:, 1:-1], axis=0) * self.open_down
        self.right -= np.diff(padded[1:-1], axis=1) * self.open_right

    def transport(self):
        """Carry velocities and density along: each point takes the value it came from."""
        down, right = self.down, self.right
        rows, columns = self.mask.shape
        self.down = self._carried(down, np.arange(rows + 1), np.arange(columns) + 0.5)
        self.right = self._carried(right, np.arange(rows) + 0.5, np.arange(columns + 1))
        middle = np.arange(rows) + 0.5, np.arange(columns) + 0.5
        self.density = 0.998 * self._carried(self.density, *middle, (down, right)) * self.mask

    def _carried(self, field, y, x, velocity=None):
        from scipy.ndimage import map_coordinates

        down, right = velocity or (self.down, self.right)
        points = np.stack(np.meshgrid(y, x, indexing="ij"))
        offset = np.array([y[0], x[0]])[:, None, None]

        def at(values, shift, where):
            places = where - np.array(shift)[:, None, None]
            return map_coordinates(values, places, order=1, mode="nearest")

        speeds = np.stack([at(down, (0, 0.5), points), at(right, (0.5, 0), points)])
        half = points - TIME_STEP / 2 * speeds
        speeds = np.stack([at(down, (0, 0.5), half), at(right, (0.5, 0), half)])
        came_from = points - TIME_STEP * speeds
        return map_coordinates(field, came_from - offset, order=1, mode="nearest")


def _open_faces(mask, axis):
    """Return 1 for faces that both neighbours leave open, those of the outer wall included."""
    padded = np.pad(mask, [(int(k == axis),) * 2 for k in range(2)], constant_values=True)
    low = padded[:-1] if axis == 0 else padded[:, :-1]
    high = padded[1:] if axis == 0 else padded[:, 1:]
    return (low & high).astype(float)
