"""Steps of the factors of W_0 + s B A that move the product as well as they can."""

from linalg_ml._core.namespace import astype, library, namespace
from linalg_ml._core.precision import Arithmetic
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.matrix_functions.direct_methods import finite_or_identity


def gram_inverse(x, damping=0.0):
    """Return the pseudoinverse of X^T X (r, r) for X of shape (m, r), from an SVD of X.

    ``damping`` times the mean eigenvalue is added to the eigenvalues. Singular values that
    are rounding noise count as zero.
    """
    wide = Arithmetic(None, x).at_least_fp32(x)
    xp = wide.xp
    _, s, vh = kernels(library(x)).thin_svd(finite_or_identity(wide.enter(x), xp))
    cut = max(x.shape) * wide.unit_roundoff * 2 * xp.max(s)
    square = s * s
    denominator = square + damping * (xp.sum(square) / x.shape[1])
    present = (s > cut) & (denominator > 0)
    inverse = xp.astype(present, s.dtype) / xp.where(present, denominator, xp.ones_like(s))
    nan = xp.sum(wide.enter(x) * 0)  # what libraries would refuse
    return astype(wide.mm(vh.mT * inverse, vh) + nan, x.dtype)


def projected_step(pair, weights, scaling, damping=0.0):
    """Return the directions (dA, dB) of AdaPreLoRA.

    s (B dA + dB A) is the projection of H^-1 G onto {B X + Y A} in the inner product of
    H X = diag(weights[0]) X diag(weights[1]), and of all such pairs this has
    the smallest ||B dA - dB A||_H.
    """
    xp, mm = namespace(pair.a), Arithmetic(None, pair.a).mm
    rows, columns = weights
    a, b = pair.a, pair.b
    inner_b = gram_inverse(b * xp.sqrt(rows)[:, None], damping)  # (B^T D_a B)^-1
    inner_a = gram_inverse((a * xp.sqrt(columns)).mT, damping)  # (A D_b A^T)^-1
    da = mm(inner_b, pair.grad_a) / columns
    db = mm(pair.grad_b, inner_a) / rows[:, None]
    # Half of what both could do is taken from each: I - Q / 2 and I - P / 2.
    da = da - 0.5 * mm(mm(mm(da * columns, a.mT), inner_a), a)
    db = db - 0.5 * mm(b, mm(inner_b, mm(b.mT, db * rows[:, None])))
    return da / scaling**2, db / scaling**2


def tangent_gradient(pair, scaling):
    """Return the factors U (m, 2 r), V (2 r, n) of the projection U V of G onto {B X + Y A}.

    It is known from the gradients of the factors alone, and does not depend on the choice of
    the factors of the product.
    """
    xp, mm = namespace(pair.a), Arithmetic(None, pair.a).mm
    inner_b, inner_a = gram_inverse(pair.b), gram_inverse(pair.a.mT)
    right = mm(inner_b, pair.grad_a)  # B right = P_B G
    left = mm(pair.grad_b, inner_a)  # left A = G P_A
    left = left - mm(pair.b, mm(inner_b, mm(pair.b.mT, left)))
    factors = xp.concat([pair.b, left], axis=1), xp.concat([right, pair.a], axis=0)
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
    inner_b, inner_a = gram_inverse(b), gram_inverse(pair.a.mT)
    da = mm(inner_b, pair.grad_a)
    db = mm(pair.grad_b, inner_a)
    db = db - mm(b, mm(inner_b, mm(b.mT, db)))
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
