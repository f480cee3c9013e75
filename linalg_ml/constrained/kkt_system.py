"""The linear system of a Newton step, K dz = -(grad_x L, c)."""

from linalg_ml._core.namespace import dtype_name
from linalg_ml._core.verdict import host


class KKTSystem:
    """K z = b with K = [[B, G^T], [G, 0]], symmetric and indefinite.

    Where G does not have full row rank, its rows and those of c are combined to as many
    independent ones, so that K is nonsingular.

    Parameters
    ----------
    hessian : array of shape (n, n)
        B, positive definite on the null space of G.
    point : Point
    geometry : Geometry or None
        None takes the Jacobian to have full row rank.
    space : Evaluation
    """

    def __init__(self, hessian, point, geometry, space):
        xp = space.xp
        self.n = hessian.shape[0]
        self.left = None if geometry is None else geometry.left
        self.space, self.rng = space, space.rng
        g, c = point.jacobian, point.c
        if self.left is not None:
            g = space.plain.mm(self.left.mT, g)
            c = space.times(self.left.mT, c)
        corner = xp.zeros((g.shape[0],) * 2, dtype=g.dtype, device=space.plain.device)
        upper = xp.concat([hessian, g.mT], axis=1)
        lower = xp.concat([g, corner], axis=1)
        self.matrix = xp.concat([upper, lower], axis=0)
        self.rhs = -xp.concat([point.stationarity, c])
        self.size = self.rhs.shape[0]
        self.norm_of_matrix = space.norm(self.matrix)
        self.store = {}  # what an inner solver keeps for its next call
        # Products under the caller's policy; residuals in the precision of x, also counted.
        self.arithmetic = space.arithmetic
        name = "fp64" if dtype_name(self.rhs) == "float64" else "fp32"
        self.wide = space.arithmetic.switch(name, self.rhs)

    def residual(self, z):
        """Return b - K z."""
        return self.rhs - self.wide.mv(self.matrix, z)

    def norm(self, r):
        """Return ||r|| as a Python float."""
        return host(self.wide.norm(r))

    def zero(self):
        """Return z = 0, where every inner solve starts."""
        return self.space.xp.zeros_like(self.rhs)

    def step(self, z):
        """Return (dx, dlam) of a solution z."""
        dx, dlam = z[: self.n], z[self.n :]
        return dx, dlam if self.left is None else self.space.times(self.left, dlam)
