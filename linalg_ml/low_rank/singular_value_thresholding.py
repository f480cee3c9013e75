"""Shrink or cut the singular values of a matrix: the step that methods for low rank repeat.

Four ways to the singular values and the vectors of the smaller side, from which one product
makes the other vectors and another the result:

``"lapack"``
    The singular value decomposition itself; every singular value to u s_1.
``"qr"``
    That of the triangular factor of a tall matrix: as accurate, with far less work where the
    matrix is far from square.
``"gram"``
    Eigenvectors of A^T A, products but for that of the smaller order. An error of u s_1^2 in s^2
    is one of u s_1^2 / (2 s) in s: good for singular values above (500 u)^(1/2) s_1, 2.4e-7 s_1
    in fp64 and 5.5e-3 s_1 in fp32, where it is at most 1e-3 of the value itself.
``"randomized"``
    A random subspace, the vectors found before first among its directions, widened until its
    last singular value is below the threshold. The values above the threshold are slightly too
    small, by a share of about (s_(l+1) / s)^8 with l columns: exact enough where the values drop
    below the threshold, not where they pass it in a long flat tail; above a third of the smaller
    order "gram" is faster and takes over.
``"auto"``
    "gram" where it is exact enough in the arithmetic of the products, otherwise "qr".
"""

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype
from linalg_ml._core.verdict import host
from linalg_ml.sketching.block_products import BlockProducts
from linalg_ml.sketching.subspaces import power_range

SVDS = ("auto", "gram", "qr", "lapack", "randomized")
_GRAM_LOSS = 500.0  # times u: the square of the least s / s_1 that a Gram matrix resolves
_OVERSAMPLE, _DEPTH, _LARGEST_SHARE = 10, 2, 0.35


def threshold_singular_values(
    a, threshold, arithmetic, svd="auto", *, rng=None, previous=None, both=True
):
    """Return U max(S - threshold, 0) V^T of A = U S V^T, and its factors.

    Parameters
    ----------
    a : array of shape (m, n)
        In at least fp32.
    threshold : float
    arithmetic : Arithmetic
        Of the products; decompositions are made in at least fp32.
    svd : {"auto", "gram", "qr", "lapack", "randomized"}
        See the head of this module.
    rng : numpy.random.Generator, optional
        Draws the subspaces of "randomized".
    previous : array of shape (k, n), optional
        Right singular vectors of a matrix near by, as rows, for "randomized".
    both : bool
        Whether the vectors of both sides are wanted. If not, those of the longer side may be None.

    Returns
    -------
    low : array of shape (m, n)
    (u, s, vh) : arrays of shape (m, r), (r,) and (r, n)
        Of ``low``, r the number of singular values above the threshold, descending. The columns
        of U are orthonormal to about u (s_1 / s_r)^2 by "gram".
    """
    return _apply(a, float(threshold), None, arithmetic, svd, rng, previous, both)


def truncate_singular_values(a, rank, arithmetic, svd="auto", *, rng=None, previous=None):
    """Return the best approximation of rank ``rank`` or less to A, and its factors.

    Parameters and results are those of `threshold_singular_values`. Singular values that a Gram
    matrix does not resolve are left out by "gram", not by "auto".
    """
    rank = min(rank, *a.shape)
    return _apply(a, 0.0, rank, arithmetic, svd, rng, previous, True)


def refine_factors(low, factors, arithmetic):
    """Return u, s, vh of ``low``, orthonormal to rounding, from such as may be less."""
    u, s, vh = factors
    if s.shape[0] == 0:
        return factors
    wide = arithmetic.at_least_fp32(low)
    if vh is None:
        left, s, right = wide.kernels.thin_svd(wide.mm(u.mT, low))
        return wide.mm(u, left), s, right
    left, s, turn = wide.kernels.thin_svd(wide.mm(low, vh.mT) if u is None else u * s[None, :])
    return left, s, wide.mm(turn, vh)


def spectral_norm(a, arithmetic):
    """Return ||A||_2, from the Gram matrix."""
    wide = arithmetic.at_least_fp32(a)
    gram = wide.gram(a.mT if a.shape[0] >= a.shape[1] else a)
    return max(host(wide.xp.max(wide.xp.linalg.eigvalsh(gram))), 0.0) ** 0.5


def _apply(a, threshold, rank, arithmetic, svd, rng, previous, both):
    checks.choice(svd, SVDS, "svd")
    xp = arithmetic.xp
    if 0 in a.shape or rank == 0:
        return _combine(a, xp.sum(a, axis=0)[:0], a[:, :0], a[:0, :], threshold, arithmetic)
    if svd == "lapack":
        arithmetic.count("decompositions")
        u, s, vh = arithmetic.kernels.thin_svd(a)
        kept = _kept(s, threshold, rank, xp)
        return _combine(a, s[:kept], u[:, :kept], vh[:kept, :], threshold, arithmetic)
    found = None
    if svd == "randomized":
        found = _randomized(a, threshold, rank, arithmetic, rng, previous)
    if found is not None:
        u, s, vh = found
        kept = _kept(s, threshold, rank, xp)
        return _combine(a, s[:kept], u[:, :kept], vh[:kept, :], threshold, arithmetic)
    s, v = _smaller_side(a, threshold, rank, arithmetic, svd)
    kept = _kept(s, threshold, rank, xp)
    s, v = s[:kept], v[:, :kept]
    wide, entered = arithmetic.wide, arithmetic.enter
    tall = a.shape[0] >= a.shape[1]
    if not both and 2 * kept > min(a.shape):  # one product of full order is less work than two
        small = arithmetic.mm(entered(v * (1 - threshold / s)[None, :]), entered(v.mT))
        pair = (entered(a), small) if tall else (small, entered(a))
        factors = (None, s - threshold, v.mT) if tall else (v, s - threshold, None)
        return wide(arithmetic.mm(*pair)), factors
    if tall:
        u, vh = wide(arithmetic.mm(entered(a), entered(v))) / s[None, :], v.mT
    else:
        u, vh = v, wide(arithmetic.mm(entered(v.mT), entered(a))) / s[:, None]
    return _combine(a, s, u, vh, threshold, arithmetic)


def _kept(s, threshold, rank, xp):
    above = int(host(xp.sum(astype(s > threshold, xp.int32))))
    return above if rank is None else min(above, rank)


def _combine(a, s, u, vh, threshold, arithmetic):
    """Return the product of the factors, with the threshold taken off, and the factors."""
    s = s - threshold
    if s.shape[0] == 0:
        return arithmetic.xp.zeros_like(a), (u, s, vh)
    enter = arithmetic.enter
    low = arithmetic.wide(arithmetic.mm(enter(u * s[None, :]), enter(vh)))
    return low, (u, s, vh)


def _smaller_side(a, threshold, rank, arithmetic, svd):
    """Return the singular values, descending, and the vectors of the smaller side as columns."""
    tall = a if a.shape[0] >= a.shape[1] else a.mT
    wide, xp = arithmetic.at_least_fp32(a), arithmetic.xp
    arithmetic.count("decompositions")
    least = (_GRAM_LOSS * arithmetic.unit_roundoff) ** 0.5
    hopeless = False  # where a look at the norm tells that "gram" will not do
    if svd == "auto" and rank is None:
        hopeless = threshold < least * host(wide.frobenius(a)) / tall.shape[1] ** 0.5
    if svd != "qr" and not hopeless:
        entered = arithmetic.enter(tall.mT)
        w, v = xp.linalg.eigh(arithmetic.wide(arithmetic.gram(entered)))
        w = xp.flip(w, axis=-1)
        s, v = xp.sqrt(xp.where(w > 0, w, xp.zeros_like(w))), xp.flip(v, axis=-1)
        wanted = threshold if rank is None else host(s[rank - 1])
        if svd != "auto" or wanted >= least * host(s[0]):
            return s, v
    r = wide.kernels.triangular_factor(tall)
    _, s, vh = wide.kernels.thin_svd(r)
    return s, vh.mT


def _randomized(a, threshold, rank, arithmetic, rng, previous):
    """Return leading singular triplets beyond the threshold, or None where there are too many."""
    if rng is None:
        raise ValueError('svd="randomized" needs a rng')
    blocks = BlockProducts(a, arithmetic)
    known = 0 if previous is None else previous.shape[0]
    columns = (known if rank is None else rank) + _OVERSAMPLE
    while columns <= _LARGEST_SHARE * min(a.shape):
        start = blocks.gaussian(rng, columns)
        if known:
            first = min(known, columns - _OVERSAMPLE)
            start = arithmetic.xp.concat([previous[:first, :].mT, start[:, first:]], axis=1)
        found = power_range(blocks, start, _DEPTH).svd(columns)
        arithmetic.count("decompositions")
        if rank is not None or not host(found[1][-1]) > threshold:
            return found
        columns *= 2
    return None
