"""Kernels for NumPy arrays, with NumPy alone."""

import numpy as np

from linalg_ml.kernels.blocks import lower_blocks

# Products with a symmetric result are computed block by block from this order on.
_BLOCKED_FROM, _LEAF = 256, 64
_CACHED = 1 << 16  # entries
_SWEPT_BYTES = 1 << 21  # of a matrix that is to be read once
_CONVOLVED_BYTES = 1 << 20  # of a piece of an image with its neighbours beside it

# Sums of squares whose terms cannot have lost anything to overflow or underflow.
_SAFE_SQUARES = {np.dtype(np.float32): (1e-20, 1e30), np.dtype(np.float64): (1e-250, 1e250)}


def gemm(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y; a product of a matrix with its own transpose goes to syrk."""
    product = np.matmul(a, b)
    if y is None or beta == 0:
        if alpha != 1:
            product *= alpha
        return product
    if y.shape != product.shape:
        return (product if alpha == 1 else alpha * product) + beta * y
    return _combine(product, alpha, beta, y)


def _combine(out, alpha, beta, y):
    """Overwrite ``out`` with alpha out + beta y, in pieces that stay in the cache."""
    pieces = [(out, y)]
    if out.ndim == 2 and out.size > _CACHED:
        rows = max(1, _CACHED // out.shape[1])
        pieces = [(out[i : i + rows], y[i : i + rows]) for i in range(0, len(out), rows)]
    for into, other in pieces:
        if alpha != 1:
            into *= alpha
        into += other if beta == 1 else beta * other
    return out


def gemm_sym(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y where a, b, y and the result are Hermitian, half of it computed.

    A real square goes to syrk, which NumPy calls where it sees a matrix times its own transpose.
    """
    if a is b and a.dtype.kind != "c":
        square = gram(a)
        if y is None or beta == 0:
            if alpha != 1:
                square *= alpha
            return square
        return _combine(square, alpha, beta, y)
    if a.shape[-1] < _BLOCKED_FROM or not a.shape == b.shape == (a if y is None else y).shape:
        product = gemm(a, b, alpha, beta, y)
        return 0.5 * (product + product.conj().mT)
    return _from_lower_half(a, b, alpha, beta, y)


def gram(a):
    """Return a a^H; for real matrices NumPy recognises the form and calls syrk."""
    if a.dtype.kind != "c":
        return np.matmul(a, a.mT, out=_room((*a.shape[:-1], a.shape[-2]), a.dtype))
    adjoint = a.conj().mT
    if a.shape[-2] < _BLOCKED_FROM:
        return np.matmul(a, adjoint)
    return _from_lower_half(a, adjoint, 1.0, 0.0, None)


def _from_lower_half(a, b, alpha, beta, y):
    """Return alpha a b + beta y, known to be Hermitian, from the blocks of its lower half."""
    out = _room((*a.shape[:-1], b.shape[-1]), a.dtype)
    for index in np.ndindex(*a.shape[:-2]):
        left, right, whole = a[index], b[index], out[index]
        base = None if y is None or beta == 0 else y[index]
        for rows, columns in lower_blocks(len(whole), _LEAF):
            block = whole[rows, columns]
            np.matmul(left[rows], right[:, columns], out=block)
            if rows == columns:
                block += block.conj().T
                block *= 0.5 * alpha
            elif alpha != 1:
                block *= alpha
            if base is not None:
                block += beta * base[rows, columns]
            if rows != columns:
                whole[columns, rows] = block.conj().T
    return out


def _room(shape, dtype):
    """Return an empty array to mirror a triangle in, in half the time np.empty would take.

    Where rows lie a multiple of a large power of two apart, a column falls into few sets of the
    cache; so they are moved apart by one cache line.
    """
    order = shape[-1]
    if order < _BLOCKED_FROM or order * dtype.itemsize % 512:
        return np.empty(shape, dtype)
    return np.empty((*shape[:-1], order + 64 // dtype.itemsize), dtype)[..., :order]


def quintic(x, a, b, c):
    """Return a x + (b g + c g g) x with g = x x^H, in place where nothing is lost."""
    g = gram(x)
    return _combine(np.matmul(gemm_sym(g, g, c, b, g), x), 1.0, a, x)


def dot(x, y):
    """Return the inner products x^H y along the last axis."""
    return np.vdot(x, y) if x.ndim == y.ndim == 1 else np.vecdot(x, y)


def frobenius(a):
    """Return the Frobenius norm of each matrix, in at least fp32, without overflow on the way."""
    if a.dtype.itemsize == 2:
        a = a.astype(np.float32)
    real = a.real.dtype if a.dtype.kind == "c" else a.dtype
    with np.errstate(all="ignore"):
        if a.ndim == 2:
            if a.flags.forc or a.dtype.kind == "c":
                flat = a.reshape(-1, order="A")
                squares = np.vdot(flat, flat).real
            else:  # rows apart: no copy for these
                squares = np.einsum("ij,ij->", a, a)
            low, high = _SAFE_SQUARES[real]
            if low < squares < high:
                return np.sqrt(squares)
        magnitude = np.abs(a)
        largest = magnitude.max(axis=(-2, -1), keepdims=True, initial=0)
        scale = np.where(largest > 0, largest, largest.dtype.type(1))
        scaled = magnitude / scale
        return (np.sqrt(np.sum(scaled * scaled, axis=(-2, -1), keepdims=True)) * scale)[..., 0, 0]


def round_to(a, target, *, inplace=False):
    """Round float32 or complex64 entries to "bf16", "fp16" or "tf32", ties to even."""
    out = a if inplace and a.flags.c_contiguous and a.flags.writeable else np.array(a, order="C")
    floats = out.reshape(-1).view(np.float32)
    if target == "fp16":
        with np.errstate(all="ignore"):
            floats[...] = floats.astype(np.float16)
        return out
    drop = {"bf16": 16, "tf32": 13}[target]
    bits = floats.view(np.uint32)
    nan = np.isnan(floats)
    kept_nan = (bits[nan] | np.uint32(0x00400000)) & _mask(drop)
    tie_to_even = (bits >> np.uint32(drop)) & np.uint32(1)
    tie_to_even += np.uint32((1 << (drop - 1)) - 1)
    bits += tie_to_even
    bits &= _mask(drop)
    bits[nan] = kept_nan
    return out


def soft_threshold(a, threshold):
    """Return sign(a) max(|a| - threshold, 0), entry by entry."""
    if isinstance(threshold, np.generic):
        threshold = threshold.item()
    return np.sign(a) * np.maximum(np.abs(a) - threshold, 0)


def _mask(drop):
    return np.uint32((0xFFFFFFFF << drop) & 0xFFFFFFFF)


def solve_triangular(a, b, *, lower):
    """Return the solution x of A x = b for triangular A (..., n, n) and b (..., n)."""
    from scipy.linalg import solve_triangular

    if a.ndim == 2:
        columns = b.reshape(-1, b.shape[-1]).T
        return solve_triangular(a, columns, lower=lower, check_finite=False).T.reshape(b.shape)
    shape = np.broadcast_shapes(a.shape[:-1], b.shape)
    x = np.empty(shape, np.result_type(a, b))
    a, b = np.broadcast_to(a, shape + shape[-1:]), np.broadcast_to(b, shape)
    for index in np.ndindex(*shape[:-1]):
        x[index] = solve_triangular(a[index], b[index], lower=lower, check_finite=False)
    return x


def cholesky_solve(a, b):
    """Return A^(-1) B for Hermitian positive definite A (..., n, n) and B (..., n, k)."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    if a.ndim == b.ndim == 2:
        try:
            factor = cho_factor(a, lower=True, check_finite=False)
        except LinAlgError:
            return np.full_like(b, np.nan)
        return cho_solve(factor, b, check_finite=False)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.empty(batch + b.shape[-2:], np.result_type(a, b))
    a, b = np.broadcast_to(a, batch + a.shape[-2:]), np.broadcast_to(b, x.shape)
    for index in np.ndindex(*batch):
        x[index] = cholesky_solve(a[index], b[index])
    return x


def cholesky_solver(a):
    """Return the function b -> A^(-1) b of a Hermitian matrix, or None if it is not positive.

    ``a`` has shape (n, n) and the b have shape (n, k).
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    try:
        factor = cho_factor(a, lower=True, check_finite=False)
    except LinAlgError:
        return None
    return lambda b: cho_solve(factor, b, check_finite=False)


def thin_svd(a):
    """Return P, s, Q^H with A = P diag(s) Q^H and min(m, n) singular values; SciPy's is faster."""
    from scipy.linalg import svd

    if a.ndim > 2:
        return np.linalg.svd(a, full_matrices=False)
    return svd(a, full_matrices=False, check_finite=False)


def scatter_rows(a, rows, weights, size):
    """Return the (..., size, k) sums of weights[i, j] a[..., i, :] in the rows rows[i, j]."""
    from scipy.sparse import csc_array

    n, z = rows.shape
    columns = np.arange(0, n * z + 1, z)
    weights = weights.astype(a.real.dtype)
    sketch = csc_array((weights.ravel(), rows.ravel(), columns), shape=(size, n)).tocsr()
    out = np.zeros((*a.shape[:-2], size, a.shape[-1]), a.dtype)
    for index in np.ndindex(*a.shape[:-2]):
        out[index] = sketch @ a[index]
    return out


def triangular_factor(a):
    """Return the R factor (..., n, n) of a QR factorisation of A (..., m, n), m >= n."""
    return np.linalg.qr(a, mode="r")


def residual_gradient(a, x, b=None):
    """Return r = b - A x (A x without b) and A^H r, for vectors (..., n) and (..., m).

    The matrix is read once: a block of rows is still in the cache when it is needed again.
    """
    if x.ndim != 1 or not a.flags.c_contiguous or a.nbytes <= _SWEPT_BYTES:
        r = (a @ x[..., None])[..., 0]
        r = r if b is None else b - r
        return r, (r.conj()[..., None, :] @ a)[..., 0, :].conj()
    r, gradient = np.empty(len(a), a.dtype), np.zeros(a.shape[1], a.dtype)
    rows = max(1, _SWEPT_BYTES // (a.shape[1] * a.itemsize))
    for start in range(0, len(a), rows):
        block, part = a[start : start + rows], r[start : start + rows]
        np.matmul(block, x, out=part)
        if b is not None:
            np.subtract(b[start : start + rows], part, out=part)
        gradient += part.conj() @ block
    return r, gradient.conj()


def convolve(x, weights, bias=None, rectify=False):
    """Return the convolution of images (batch, *grid, channels) with 3 x 3 (x 3) stencils.

    The three neighbours along the last axis of the grid are laid side by side. Those along the
    others are then whole rows further on, so nine (27) products become three (nine) longer ones.
    """
    channels, out = weights.shape[-2:]
    y = np.empty((*x.shape[:-1], out), x.dtype)
    if y.size == 0:
        return y
    first, *rest = x.shape[1:-1]
    grouped = np.asarray(weights, x.dtype).reshape(-1, 3 * channels, out)
    padded = int(np.prod([n + 2 for n in rest[:-1]])) * rest[-1]
    thick = max(1, min(first, _CONVOLVED_BYTES // (3 * channels * x.itemsize * padded)))
    for image, into in zip(x, y, strict=True):
        for start in range(0, first, thick):
            _convolve_slab(image, grouped, into[start : start + thick], start)
    if bias is not None:
        y += bias
    if rectify:
        np.maximum(y, 0, out=y)  # NaN stays NaN
    return y


def _convolve_slab(image, weights, into, start):
    """Overwrite ``into`` with the layers of the convolution of an image from ``start`` on."""
    channels, out = image.shape[-1], into.shape[-1]
    layers, *rest = into.shape[:-1]
    margins = [n + 2 for n in (layers, *rest[:-1])]
    sides = np.zeros((*margins, rest[-1], 3 * channels), image.dtype)
    before, after = max(start - 1, 0), min(start + layers + 1, len(image))
    middle = (slice(before - start + 1, after - start + 1), *(slice(1, -1) for _ in rest[:-1]))
    inside = image[before:after]
    sides[(*middle, slice(1, None), slice(channels))] = inside[..., :-1, :]
    sides[(*middle, slice(None), slice(channels, 2 * channels))] = inside
    sides[(*middle, slice(-1), slice(2 * channels, None))] = inside[..., 1:, :]
    # Points in the order of memory: a step along an axis is so many points.
    steps = [int(np.prod(margins[i + 1 :])) * rest[-1] for i in range(len(margins))]
    points = sides.reshape(-1, 3 * channels)
    total = np.empty((layers * steps[0], out), into.dtype)
    used = total[: len(points) - 2 * sum(steps)]
    term = np.empty_like(used)
    for k, shift in enumerate(np.ndindex(*[3] * len(steps))):
        offset = sum(s * step for s, step in zip(shift, steps, strict=True))
        target = term if k else used
        np.matmul(points[offset : offset + len(used)], weights[k], out=target)
        if k:
            used += term
    into[...] = total.reshape(layers, *margins[1:], rest[-1], out)[
        (slice(None), *(slice(n) for n in rest[:-1]))
    ]
