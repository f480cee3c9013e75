"""Leading singular triplets of a matrix: what Frank-Wolfe asks for in every step."""

from linalg_ml._core import checks
from linalg_ml._core.random import normal
from linalg_ml._core.verdict import host
from linalg_ml.krylov.bidiagonalization import bidiagonalize

ORACLES = ("bidiagonalization", "block", "power", "svd")
_NEW = 0.1  # of a warm start is random, lest it be orthogonal to what is sought
_POWER_STEPS, _MOST_STEPS = 5, 300


class Products:
    """A as an operator whose products are made and counted by one Arithmetic."""

    def __init__(self, a, arithmetic):
        self.arithmetic = arithmetic
        self.a, self.like = arithmetic.enter(a), a
        self.full = self.a
        self.shape = tuple(a.shape)

    def matvec(self, x):
        """Return A x."""
        return self.arithmetic.mv(self.a, x)

    def rmatvec(self, x):
        """Return A^T x."""
        return self.arithmetic.mv(self.a.mT, x)

    def block(self, x):
        """Return A X in at least fp32."""
        return self.arithmetic.wide(self.arithmetic.mm(self.a, self.arithmetic.enter(x)))

    def rblock(self, x):
        """Return A^T X in at least fp32."""
        return self.arithmetic.wide(self.arithmetic.mm(self.a.mT, self.arithmetic.enter(x)))


class Transposed:
    """The transpose of an operator."""

    def __init__(self, products):
        self.like, self.shape = products.like, products.shape[::-1]
        self.matvec, self.rmatvec = products.rmatvec, products.matvec
        self.block, self.rblock = products.rblock, products.block


def leading_pairs(a, count, arithmetic, rng, *, previous=None, accuracy=1e-2, oracle=ORACLES[0]):
    """Compute the largest singular values and their vectors.

    Parameters
    ----------
    a : array of shape (m, n), or an object like `Products`
    count : int
        How many; fewer come back where min(m, n) is less.
    arithmetic : Arithmetic
        Of the products with A; all else is done in at least fp32.
    rng : numpy.random.Generator
    previous : array of shape (n, k), optional
        Right singular vectors from before, to start from.
    accuracy : float
        Stop when ||A^T u - s v|| <= accuracy * s_1 for every triplet: the singular values are
        then in error by no more than that, and usually by about its square.
    oracle : {"bidiagonalization", "block", "power", "svd"}
        Golub-Kahan bidiagonalisation from one vector; the same with blocks of ``count`` vectors,
        for hardware that multiplies blocks fast; at most 300 power iterations, 5 if ``accuracy``
        is None; the singular value decomposition.

    Returns
    -------
    u, s, v, errors : arrays of shape (m, k), (k,), (n, k) and the largest ||A^T u - s v||
    """
    checks.choice(oracle, ORACLES, "oracle")
    count = min(count, *a.shape)
    if oracle == "svd":
        arithmetic.count("decompositions")
        full = getattr(a, "full", a)
        u, s, vh = arithmetic.kernels.thin_svd(arithmetic.wide(full))
        return u[:, :count], s[:count], vh[:count, :].mT, 0.0
    products = a if hasattr(a, "rblock") else Products(a, arithmetic)
    wide_shape = a.shape[0] < a.shape[1]
    if wide_shape:  # a Krylov space of the larger side need not end at the order of the smaller
        if previous is not None:
            previous = arithmetic.kernels.unit_columns(products.block(previous))
        products = Transposed(products)
    columns = 1 if oracle == "bidiagonalization" else count
    start = _start(products.shape[1], columns, products.like, arithmetic, rng, previous)
    if oracle == "power":
        u, s, v, error = _power(products, start, arithmetic, accuracy)
    else:
        accuracy = max(accuracy, 4 * arithmetic.unit_roundoff)
        find = _bidiagonalize if oracle == "bidiagonalization" else _block
        u, s, v, error = find(products, start, count, arithmetic, rng, accuracy)
    return (v, s, u, error) if wide_shape else (u, s, v, error)


def _start(n, count, like, arithmetic, rng, previous):
    """Return ``count`` orthonormal columns, near the previous ones where there are any."""
    xp, wide = arithmetic.xp, arithmetic.at_least_fp32(like)
    random = normal(rng, (n, count), like=like, dtype=wide.dtype) * n**-0.5
    if previous is not None and previous.shape[1]:
        if count == 1:
            previous = xp.sum(previous, axis=1, keepdims=True)
        known = previous[:, :count]
        random = xp.concat(
            [known + _NEW * random[:, : known.shape[1]], random[:, known.shape[1] :]], axis=1
        )
    return xp.linalg.qr(random, mode="reduced")[0]


def _bidiagonalize(products, start, count, arithmetic, rng, accuracy):
    most = min(products.shape)
    made = min(most, 2 * count + 2)
    parts = bidiagonalize(products, made, start=start[:, 0], precision=arithmetic.policy, rng=rng)
    while True:
        u, s, vh, errors = parts.singular_triplets(count)
        error = host(arithmetic.xp.max(errors))
        if not error > accuracy * host(s[0]) or made == most:
            return u, s, vh.mT, error
        more = min(most - made, max(2, made // 3))
        parts, made = parts.extend(more), made + more


def _block(products, start, count, arithmetic, rng, accuracy):
    """Rayleigh-Ritz on the span of start, A^T A start, (A^T A)^2 start, ..."""
    xp, wide = arithmetic.xp, arithmetic.at_least_fp32(start)
    basis, left, both, newest = start, None, None, start
    while True:
        image = products.block(newest)
        back = products.rblock(image)
        left = image if left is None else xp.concat([left, image], axis=1)
        both = back if both is None else xp.concat([both, back], axis=1)
        q, r = xp.linalg.qr(left, mode="reduced")
        p, s, wh = arithmetic.kernels.thin_svd(r)
        s, w = s[:count], wh.mT[:, :count]
        v = wide.mm(basis, w)
        positive = xp.where(s > 0, s, xp.ones_like(s))
        errors = wide.mm(both, w) / positive[None, :] - v * s[None, :]
        error = host(xp.max(xp.sqrt(xp.sum(errors * errors, axis=0))))
        room = min(products.shape) - basis.shape[1]
        if not error > accuracy * host(s[0]) or room <= 0:
            return wide.mm(q, p[:, :count]), s, v, error
        newest = back
        for _ in range(2):
            newest = newest - wide.mm(basis, wide.mm(basis.mT, newest))
            newest = xp.linalg.qr(newest, mode="reduced")[0]
        newest = newest[:, : min(room, newest.shape[1])]
        basis = xp.concat([basis, newest], axis=1)


def _power(products, v, arithmetic, accuracy):
    """A and A^T in turn, with orthonormal blocks; A^T U = V S holds at every step."""
    xp, wide = arithmetic.xp, arithmetic.at_least_fp32(v)
    image = products.block(v)
    for step in range(1, _MOST_STEPS + 1):
        q = xp.linalg.qr(image, mode="reduced")[0]
        p, s, wh = arithmetic.kernels.thin_svd(products.rblock(q).mT)
        u, v = wide.mm(q, p), wh.mT
        image = products.block(v)
        difference = image - u * s[None, :]
        error = host(xp.max(xp.sqrt(xp.sum(difference * difference, axis=0))))
        enough = step == _POWER_STEPS if accuracy is None else error <= accuracy * host(s[0])
        if enough:
            break
    return u, s, v, error
