"""A matrix as a sum of matrices of rank one."""

import numpy as np

_COMPRESS_EVERY = 20


class RankOneSum:
    """U diag(c) V^T, to which terms are added, and which is compressed from time to time."""

    def __init__(self, problem):
        self.wide = problem.wide
        u, c, vh = problem.no_factors()
        self.u, self.c, self.v = [u], [c], [vh.T]
        self.added = 0

    def add(self, keep, scale, u, v):
        """Multiply by ``keep`` and add scale u v^T."""
        self.c = [keep * c for c in self.c]
        if scale:
            self.u.append(u[:, None])
            self.c.append(np.full(1, scale, u.dtype))
            self.v.append(v[:, None])
            self.added += 1
        if self.added >= _COMPRESS_EVERY:
            self.factors()

    def factors(self):
        """Return the sum as u, s, vh, without singular values at the level of rounding."""
        if len(self.c) > 1:
            left, r = np.linalg.qr(np.concatenate(self.u, axis=1) * np.concatenate(self.c))
            right, t = np.linalg.qr(np.concatenate(self.v, axis=1))
            p, s, qh = self.wide.kernels.thin_svd(self.wide.mm(r, t.T))
            kept = int(np.count_nonzero(s > 8 * self.wide.unit_roundoff * s[0]))
            self.u, self.c = [self.wide.mm(left, p[:, :kept])], [s[:kept]]
            self.v, self.added = [self.wide.mm(right, qh[:kept].T)], 0
        return self.u[0], self.c[0], self.v[0].T
