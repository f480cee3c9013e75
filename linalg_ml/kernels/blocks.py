"""Which blocks of a product to compute where the result is known to be symmetric."""

from functools import cache

from linalg_ml._core.namespace import is_complex, namespace


@cache
def lower_blocks(order, leaf):
    """Tile the lower triangle of a square matrix, halving it until ``leaf`` is reached.

    Halves are better than row panels: the large blocks off the diagonal run at full speed, and
    only the blocks on the diagonal, of order at most ``leaf``, are computed twice over.

    Returns
    -------
    tuple of (slice, slice)
        Rows and columns of each block; the two are equal for a block on the diagonal.
    """
    return tuple(_halved(0, order, leaf))


def _halved(low, high, leaf):
    if high - low <= leaf:
        yield slice(low, high), slice(low, high)
        return
    middle = low + (high - low + 1) // 2
    yield slice(middle, high), slice(low, middle)
    yield from _halved(low, middle, leaf)
    yield from _halved(middle, high, leaf)


def product_by_halves(gemm, concat, a, b, alpha, beta, y, leaf):
    """Return alpha a b + beta y, known to be Hermitian, from the blocks of its lower half.

    For libraries whose arrays cannot be written to: the blocks are put together by ``concat``,
    and gradients pass through. ``gemm`` is the library's, called as in agnostic.py.
    """
    m = a.shape[-2]
    if m <= leaf:
        half = gemm(a, b, 0.5 * alpha, 0.5 * beta, y)
        return half + adjoint(half)
    k = m // 2
    parts = [None if y is None else y[..., rows, :k] for rows in (slice(k), slice(k, None))]
    corner = None if y is None else y[..., k:, k:]
    low = gemm(a[..., k:, :], b[..., :, :k], alpha, beta, parts[1])
    first = product_by_halves(
        gemm, concat, a[..., :k, :], b[..., :, :k], alpha, beta, parts[0], leaf
    )
    second = product_by_halves(
        gemm, concat, a[..., k:, :], b[..., :, k:], alpha, beta, corner, leaf
    )
    top = concat([first, adjoint(low)], -1)
    return concat([top, concat([low, second], -1)], -2)


def adjoint(a):
    """Return A^H."""
    if not is_complex(a):
        return a.mT
    return a.mT.conj() if hasattr(a, "conj") else namespace(a).conj(a.mT)  # torch's method is lazy
