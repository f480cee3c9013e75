"""Sketch and project with one vector at a time: the inner solvers of Hong et al.

The projections on k sketches in turn, z <- z - w_i (w_i^T z - s_i^T b) / ||w_i||^2 with
w_i = K s_i, are made together: their coefficients solve a triangular system with the lower part
of W W^T, and z moves by W^T times them. Nothing changes but the rounding, and products of
matrices do the work.
"""

from linalg_ml._core.namespace import asarray

_TOGETHER = 50  # vectors between two computations of the residual
_CAP = 100_000  # sketches, as published


def gaussian_vectors(system, r, target, block, maxiter):
    """Return d with K d ~ r by projections on Gaussian vectors, and how many there were."""

    def draw(k):
        s = asarray(system.rng.standard_normal((k, system.size)), like=r, dtype=r.dtype)
        w = system.wide.enter(system.arithmetic.mm(system.arithmetic.enter(s), matrix))
        return w, lambda left: system.wide.mv(s, left)

    matrix = system.arithmetic.enter(system.matrix)
    return _project(system, r, target, maxiter, draw)


def kaczmarz(system, r, target, block, maxiter):
    """Return d with K d ~ r by projections on rows drawn uniformly, and how many there were."""
    xp = system.space.xp

    def draw(k):
        rows = system.rng.integers(system.size, size=k)
        places = asarray(rows, like=r, dtype=xp.int32)
        return xp.take(system.matrix, places, axis=0), lambda left: xp.take(left, places, axis=0)

    return _project(system, r, target, maxiter, draw)


def _project(system, r, target, maxiter, draw):
    xp, wide = system.space.xp, system.wide
    cap = _CAP if maxiter is None else maxiter
    d, left, steps = xp.zeros_like(r), r, 0
    while steps < cap:
        k = min(_TOGETHER, cap - steps)
        w, sketch = draw(k)
        gram = wide.gram(w)
        sizes = xp.linalg.diagonal(gram)
        empty = sizes <= 0  # a row of zeros says nothing
        eye = xp.eye(k, dtype=gram.dtype, device=wide.device)
        triangle = xp.tril(gram) + xp.where(empty, xp.ones_like(sizes), 0 * sizes) * eye
        misfit = xp.where(empty, 0 * sizes, sketch(left))
        d = d + wide.mv(w.mT, xp.linalg.solve(triangle, misfit[:, None])[:, 0])
        steps += k
        left = r - wide.mv(system.matrix, d)
        if not system.norm(left) > target:
            break
    return d, steps
