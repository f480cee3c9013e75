"""Steps of the factors of W_0 + s B A that move the product as well as they can."""

from linalg_ml._core.namespace import astype, library, namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.matrix_functions.direct_methods import finite_or_identity


def inverse_root(x, damping=0.0):
    """Return R (r, k) with R R^T the pseudoinverse of X^T X, for X of shape (m, r), by an SVD.

    ``damping`` times the mean eigenvalue is added to the eigenvalues. Singular values that
    are rounding noise count as zero. The product R R^T would square the condition number; apply
    R^T and R one after the other.
    """
    wide = Arithmetic(None, x).at_least_fp32(x)
    xp = wide.xp
    _, s, vh = kernels(library(x)).thin_svd(finite_or_identity(wide.enter(x), xp))
    present = s > max(x.shape) * wide.unit_roundoff * 2 * xp.max(s)
    root = xp.sqrt(s * s + damping * (xp.sum(s * s) / x.shape[1]))
    inverse = xp.astype(present, s.dtype) / xp.where(present, root, xp.ones_like(s))
    nan = xp.sum(wide.enter(x) * 0)  # what libraries would refuse
    return astype(vh.mT * inverse + nan, x.dtype)


def projected_step(pair, weights, scaling, damping=0.0):
    """Return the directions (dA, dB) of AdaPreLoRA.

    s (B dA + dB A) is the projection of H^-1 G onto {B X + Y A} in the inner product of
    H X = diag(weights[0]) X diag(weights[1]), and of all such pairs this has
    the smallest ||B dA - dB A||_H.
    """
    xp, mm = namespace(pair.a), Arithmetic(None, pair.a).mm
    rows, columns = weights
    a, b = pair.a, pair.b
    root_b = inverse_root(b * xp.sqrt(rows)[:, None], damping)  # of (B^T D_a B)^-1
    root_a = inverse_root((a * xp.sqrt(columns)).mT, damping)  # of (A D_b A^T)^-1
    da = mm(root_b, mm(root_b.mT, pair.grad_a)) / columns
    db = mm(mm(pair.grad_b, root_a), root_a.mT) / rows[:, None]
    # Half of what both could do is taken from each: I - Q / 2 and I - P / 2.
    frame_a, frame_b = mm(root_a.mT, a), mm(b, root_b)
    da = da - 0.5 * mm(mm(da * columns, frame_a.mT), frame_a)
    db = db - 0.5 * mm(frame_b, mm(frame_b.mT, db * rows[:, None]))
    return da / scaling**2, db / scaling**2


def tangent_gradient(pair, scaling):
    """Return the factors U (m, 2 r), V (2 r, n) of the projection U V of G onto {B X + Y A}.

    It is known from the gradients of the factors alone, and does not depend on the choice of
    the factors of the product.
    """
    xp, mm = namespace(pair.a), Arithmetic(None, pair.a).mm
    root_b, root_a = inverse_root(pair.b), inverse_root(pair.a.mT)
    frame_b, frame_a = mm(pair.b, root_b), mm(root_a.mT, pair.a)  # orthonormal
    right = mm(root_b.mT, pair.grad_a)  # frame_b right = P_B G
    left = mm(pair.grad_b, root_a)  # left frame_a = G P_A
    left = left - mm(frame_b, mm(frame_b.mT, left))
    factors = xp.concat([frame_b, left], axis=1), xp.concat([right, frame_a], axis=0)
    return factors[0] / scaling, factors[1]


def energies(left, right):
    """Return the sums of the squares of U V by rows and by columns, without forming it."""
    xp, arithmetic = namespace(left), Arithmetic(None, left)
    rows = xp.sum(arithmetic.mm(left, arithmetic.gram(right)) * left, axis=1)
    columns = xp.sum(arithmetic.mm(arithmetic.gram(left.mT), right) * right, axis=0)
    zero = xp.zeros_like(rows[:1])
    return xp.where(rows > 0, rows, zero), xp.where(columns > 0, columns, zero)


def closest_step(pair, scaling):
    """Return the directions (dA, dB) of LoRA-Pro.

    s (B dA + dB A) is as close to G as it can be in the Frobenius norm, and of
    all such pairs this is the closest to the gradients.
    """
    arithmetic = Arithmetic(None, pair.a)
    mm, gram, a, b = arithmetic.mm, arithmetic.gram, pair.a, pair.b
    da, db = plain_step(pair, scaling)
    x = sylvester(gram(b.mT), gram(a), -mm(da, a.mT))
    return da + mm(x, a), db - mm(b, x)


def plain_step(pair, scaling):
    """Return directions (dA, dB) whose s (B dA + dB A) is as close to G as it can be."""
    mm, b = Arithmetic(None, pair.a).mm, pair.b
    root_b, root_a = inverse_root(b), inverse_root(pair.a.mT)
    frame_b = mm(b, root_b)
    da = mm(root_b, mm(root_b.mT, pair.grad_a))
    db = mm(mm(pair.grad_b, root_a), root_a.mT)
    db = db - mm(frame_b, mm(frame_b.mT, db))
    return da / scaling**2, db / scaling**2


def sylvester(p, q, c):
    """Return X with P X + X Q = C for positive semidefinite P and Q; 0 where that is singular."""
    wide = Arithmetic(None, c).at_least_fp32(c)
    xp, mm = wide.xp, wide.mm
    (wp, vp), (wq, vq) = (xp.linalg.eigh(finite_or_identity(wide.enter(a), xp)) for a in (p, q))
    sums = wp[:, None] + wq
    cut = 4 * max(c.shape) * wide.unit_roundoff * xp.max(xp.abs(sums))
    present = sums > cut
    inner = mm(mm(vp.mT, wide.enter(c)), vq)
    inner = xp.where(present, inner, xp.zeros_like(inner))
    inner = inner / xp.where(present, sums, xp.ones_like(sums))
    return astype(mm(mm(vp, inner), vq.mT), c.dtype)
