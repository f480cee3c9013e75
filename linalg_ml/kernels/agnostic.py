"""Kernels in the Array API standard alone: the meaning of each, and the fallback for all."""

import itertools
from contextlib import nullcontext

import numpy as np

from linalg_ml._core.namespace import asarray, astype, dtype_name, is_complex, namespace, to_numpy
from linalg_ml.kernels import numpy_
from linalg_ml.kernels.blocks import adjoint


def gemm(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y, in a new array; alpha and beta are Python numbers.

    Where ``beta`` is 0, ``y`` is not read.
    """
    product = namespace(a).matmul(a, b)
    if alpha != 1:
        product = alpha * product
    if y is not None and beta != 0:
        product = product + (y if beta == 1 else beta * y)
    return product


def gemm_native(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y for 16-bit arrays: summed in fp32, rounded once where possible."""
    xp = namespace(a)
    wide = [None if t is None else astype(t, xp.float32) for t in (a, b, y)]
    return astype(gemm(wide[0], wide[1], alpha, beta, wide[2]), a.dtype)


def gemm_sym(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y where a, b, y and the result are symmetric or Hermitian.

    ``alpha`` and ``beta`` are real. Half of the result may be computed and the other half copied;
    the result is exactly Hermitian unless ``b`` is ``a`` itself, whose square is nearly so.
    """
    product = gemm(a, b, alpha, beta, y)
    return product if a is b else 0.5 * (product + adjoint(product))


def gram(a):
    """Return a a^H."""
    xp = namespace(a)
    return xp.matmul(a, xp.conj(a.mT) if is_complex(a) else a.mT)


def quintic(x, a, b, c):
    """Return a x + (b g + c g g) x with g = x x^H, in a new array."""
    g = gram(x)
    return gemm(gemm(g, g, c, b, g), x, 1.0, a, x)


def dot(x, y):
    """Return the inner products x^H y along the last axis."""
    return namespace(x).sum((namespace(x).conj(x) if is_complex(x) else x) * y, axis=-1)


def xpby(x, beta, y):
    """Return x + beta y; ``y`` is consumed: its memory may be reused.

    ``beta`` is a number, or an array of numbers, one for each vector of a stack (..., n).
    """
    return x + (beta[..., None] if getattr(beta, "ndim", 0) else beta) * y


def cg_update(alpha, p, ap, x, r):
    """Return x + alpha p and r - alpha ap; ``x`` and ``r`` are consumed as in `xpby`."""
    alpha = alpha[..., None] if getattr(alpha, "ndim", 0) else alpha
    return x + alpha * p, r - alpha * ap


@np.errstate(all="ignore")
def frobenius(a):
    """Return the Frobenius norm of each matrix, in at least fp32.

    Nothing overflows or underflows on the way. NaN or infinity anywhere in a matrix gives NaN
    or infinity; a matrix without entries has norm 0.
    """
    xp = namespace(a)
    magnitude = xp.abs(a)
    if dtype_name(magnitude) in ("float16", "bfloat16"):
        magnitude = astype(magnitude, xp.float32)
    if 0 in a.shape[-2:]:
        return xp.sum(magnitude, axis=(-2, -1))
    largest = xp.max(magnitude, axis=(-2, -1), keepdims=True)
    scale = xp.where(largest > 0, largest, xp.ones_like(largest))
    scaled = magnitude / scale
    norm = xp.sqrt(xp.sum(scaled * scaled, axis=(-2, -1), keepdims=True)) * scale
    return norm[..., 0, 0]


def hermitian_mean(a):
    """Return (A + A^H) / 2, exactly Hermitian."""
    return (a + adjoint(a)) / 2


def hermitian_part(a):
    """Return (A + A^H) / 2 and the Frobenius norm of the rest; ``a`` is consumed."""
    h = (a + adjoint(a)) / 2
    return h, frobenius(a - h)


def identity_distance(a):
    """Return ||A - I||_F for each square matrix."""
    identity = asarray(np.eye(a.shape[-1]), like=a, dtype=a.dtype)
    return frobenius(a - identity)


def unit_columns(a):
    """Return A with its columns divided by their Euclidean norms, those of zeros as they are."""
    xp = namespace(a)
    norms = xp.sqrt(xp.sum(xp.abs(a) ** 2, axis=-2, keepdims=True))
    return a / xp.where(norms > 0, norms, xp.ones_like(norms))


def round_to(a, target, *, inplace=False):
    """Round float32 or complex64 entries to nearest even in "bf16", "fp16" or "tf32".

    The result keeps the dtype of ``a`` and holds only numbers of the target format; NaN stays
    NaN, overflow gives infinity, subnormal numbers of the target are kept. With
    ``inplace=True`` the memory of ``a`` may be reused.
    """
    del inplace  # the standard has no bit patterns, so the rounding is done on the host
    return asarray(numpy_.round_to(to_numpy(a), target), like=a, dtype=a.dtype)


def matmul_precision(mode):
    """Return a context in which the library multiplies fp32 in ``mode``: "fp32" or "tf32"."""
    del mode
    return nullcontext()


def soft_threshold(a, threshold):
    """Return sign(a) max(|a| - threshold, 0), entry by entry.

    ``threshold`` is a number, or an array that broadcasts with ``a``.
    """
    xp = namespace(a)
    if isinstance(threshold, np.generic):
        threshold = threshold.item()  # a NumPy number would promote the arrays of some libraries
    shrunk = xp.abs(a) - threshold
    return xp.sign(a) * xp.where(shrunk > 0, shrunk, xp.zeros_like(shrunk))


def solve_triangular(a, b, *, lower):
    """Return the solution x of A x = b for triangular A (..., n, n) and b (..., n).

    Entries on the other side of the diagonal are zero.
    """
    del lower  # the standard knows general systems only
    return namespace(a).linalg.solve(a, b[..., None])[..., 0]


def cholesky_solve(a, b):
    """Return A^(-1) B for Hermitian positive definite A (..., n, n) and B (..., n, k).

    Stacks broadcast. Where A is not positive definite, or not finite, the answer is NaN or
    worthless, but nothing is raised.
    """
    xp = namespace(a)  # the standard knows the factor but no triangular systems
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = xp.broadcast_to(a, batch + a.shape[-2:])
    return xp.linalg.solve(a, xp.broadcast_to(b, batch + b.shape[-2:]))


def thin_svd(a):
    """Return P, s, Q^H with A = P diag(s) Q^H and min(m, n) singular values."""
    return namespace(a).linalg.svd(a, full_matrices=False)


def scatter_rows(a, rows, weights, size):
    """Return the (..., size, k) sums of weights[i, j] a[..., i, :] in the rows rows[i, j].

    ``rows`` and ``weights`` (n, z) are NumPy arrays.
    """
    # The standard can neither add into given places nor multiply sparse matrices.
    summed = numpy_.scatter_rows(to_numpy(a), rows, weights, size)
    return asarray(summed, like=a, dtype=a.dtype)


def gather_rows(a, rows, weights):
    """Return the (..., n, k) rows sum_j weights[i, j] a[..., rows[i, j], :].

    ``rows`` and ``weights`` (n, z) are NumPy arrays.
    """
    xp = namespace(a)
    places = asarray(rows, like=a, dtype=xp.int64 if dtype_name(a) == "float64" else xp.int32)
    weights = asarray(weights, like=a, dtype=xp.real(a).dtype if is_complex(a) else a.dtype)
    out = weights[:, 0, None] * xp.take(a, places[:, 0], axis=-2)
    for j in range(1, rows.shape[1]):
        out = out + weights[:, j, None] * xp.take(a, places[:, j], axis=-2)
    return out


def hadamard(a):
    """Return H A with the +-1 Walsh-Hadamard matrix H of order 2^p, as products of order <= 32.

    H is a Kronecker product of such factors, and products are what fast hardware does best.
    """
    xp, shape = namespace(a), tuple(a.shape)
    done, n = 1, shape[-2]
    while done < n:
        order = min(32, n // done)
        factor = asarray(_hadamard_matrix(order), like=a, dtype=a.dtype)
        a = xp.matmul(factor, xp.reshape(a, (-1, order, done * shape[-1])))
        done *= order
    return xp.reshape(a, shape) if n > 1 else a + 0


def triangular_factor(a):
    """Return the R factor (..., n, n) of a QR factorisation of A (..., m, n), m >= n."""
    return namespace(a).linalg.qr(a, mode="reduced")[1]


def residual_gradient(a, x, b=None):
    """Return r = b - A x (A x without b) and A^H r, for vectors (..., n) and (..., m)."""
    xp = namespace(a)
    conj = xp.conj if is_complex(a) else lambda y: y
    product = xp.matmul(a, x[..., None])[..., 0]
    r = product if b is None else b - product
    return r, conj(xp.matmul(conj(r)[..., None, :], a)[..., 0, :])


def huber_terms(low, data, mask, bound, out=None):
    """Return g = clip(low - data, -bound, bound), ||g||_F^2, sum |low - data - g|, <g, data>.

    All of that where ``mask`` is true (everywhere if it is None); elsewhere g is zero and
    ``data`` may hold anything. The memory of ``out`` may be used for g.
    """
    del out
    xp = namespace(low)
    r = low - data
    g = xp.where(r > bound, bound * xp.ones_like(r), r)
    g = xp.where(r < -bound, -bound * xp.ones_like(r), g)
    excess = xp.abs(r - g)
    inner = g * data
    if mask is not None:
        zero = xp.zeros_like(r)
        g, excess, inner = (xp.where(mask, a, zero) for a in (g, excess, inner))
    return g, xp.sum(g * g), xp.sum(excess), xp.sum(inner)


def huber_sparse(low, data, mask, bound):
    """Return data - low, shrunk towards zero by ``bound``, on the mask, and zero elsewhere."""
    s = soft_threshold(data - low, bound)
    return s if mask is None else namespace(s).where(mask, s, namespace(s).zeros_like(s))


def huber_search(low, data, mask, bound, u, v, scale):
    """Return the inner products d.d, -d.s, s.s, g.d and -g.s on the mask.

    g is that of `huber_terms`, d = scale u v^T - low and s = g - (low - data).
    """
    xp = namespace(low)
    r = low - data
    first = scale * u[:, None] * v[None, :] - low
    if mask is not None:
        r, first = (xp.where(mask, a, xp.zeros_like(r)) for a in (r, first))
    g = huber_terms(r, xp.zeros_like(r), None, bound)[0]
    second = r - g
    pairs = ((first, first), (first, second), (second, second), (g, first), (g, second))
    return tuple(xp.sum(a * b) for a, b in pairs)


def rank_one_move(low, keep, scale, u, v):
    """Return keep low + scale u v^T; ``low`` is consumed: its memory may be reused."""
    return keep * low + scale * u[:, None] * v[None, :]


def split_entries(argument, low, data, mask, ratio, bound):
    """Return the next argument L + clip(B) and S = B - clip(B), where B = data - L + U.

    The scaled multiplier is U = ratio (argument - L) with the argument that led to L, and clip
    is to [-bound, bound]; ``bound`` may be infinite. Where ``mask`` is false S is zero and the
    next argument is L. The memory of ``argument`` may be reused.
    """
    xp = namespace(low)
    b = data - low + ratio * (argument - low)
    sparse = soft_threshold(b, bound)
    clipped = b - sparse
    if mask is not None:
        zero = xp.zeros_like(b)
        sparse, clipped = xp.where(mask, sparse, zero), xp.where(mask, clipped, zero)
    return low + clipped, sparse


def rest_squares(data, low, sparse, mask):
    """Return ||P(data - low - sparse)||_F^2 with P the projection on the mask."""
    xp = namespace(low)
    rest = data - low - sparse
    if mask is not None:
        rest = xp.where(mask, rest, xp.zeros_like(rest))
    return xp.sum(rest * rest)


def keep_close(data, low, mask, bound):
    """Return what of ``data`` is near ``low``, ``low`` elsewhere, and the squares of the rest.

    That is data where ``mask`` is true and |data - low| <= bound; the second result is the sum of
    (data - low)^2 there.
    """
    xp = namespace(low)
    rest = data - low
    far = xp.abs(rest) > bound
    if mask is not None:
        far = xp.logical_or(far, xp.logical_not(mask))
    rest = xp.where(far, xp.zeros_like(rest), rest)
    return xp.where(far, low, data), xp.sum(rest * rest)


def kth_largest(a, k):
    """Return the k-th largest entry of a vector, k from 1, as an array without axes."""
    return namespace(a).sort(a)[a.shape[0] - k]


def convolve(x, weights, bias=None, rectify=False):
    """Return the convolution of images with 3 x 3 (x 3) stencils, and zeros around the images.

    ``x`` has shape (batch, *grid, channels), ``weights`` (3, ..., 3, channels, out) and ``bias``
    (out,): y[p] = bias + sum_s x[p + s - 1] weights[s], as neural networks have it. ``rectify``
    takes the positive part. 16-bit arrays are summed in fp32 and rounded once.
    """
    xp, short = namespace(x), dtype_name(x) in ("float16", "bfloat16")
    dtype = x.dtype
    if short:
        x, weights = astype(x, xp.float32), astype(weights, xp.float32)
        bias = None if bias is None else astype(bias, xp.float32)
    grid = tuple(x.shape[1:-1])
    for axis in range(1, 1 + len(grid)):
        edge = xp.zeros_like(x[(*[slice(None)] * axis, slice(0, 1), ...)])
        x = xp.concat([edge, x, edge], axis=axis)
    y = None
    for shift in itertools.product(range(3), repeat=len(grid)):
        part = x[:, *(slice(s, s + n) for s, n in zip(shift, grid, strict=True)), :]
        term = xp.matmul(part, weights[(*shift, slice(None), slice(None))])
        y = term if y is None else y + term
    if bias is not None:
        y = y + bias
    if rectify:
        y = xp.where(y < 0, xp.zeros_like(y), y)  # NaN stays NaN
    return astype(y, dtype) if short else y


def _hadamard_matrix(order):
    bits = np.arange(order)
    return 1.0 - 2.0 * (np.bitwise_count(bits[:, None] & bits) % 2)


def lerp(a, b, weight):
    """Return a + weight (b - a), in a new array; ``weight`` is a number or has no axes."""
    return a + weight * (b - a)


def cond(predicate, then, otherwise, *operands):
    """Return then(*operands) or otherwise(*operands), of which one alone is computed.

    ``predicate`` is an array without axes; its value is read, except on JAX.
    """
    return then(*operands) if bool(predicate) else otherwise(*operands)


def dots(x, others):
    """Return the inner products x^H y with each of the others, along the last axis."""
    return [dot(x, y) for y in others]


def combination(factor, x, weights, others):
    """Return factor x - sum of weights times others; weights are numbers, one for each vector."""

    def times(number, vectors):
        return (number[..., None] if getattr(number, "ndim", 0) else number) * vectors

    total = times(factor, x)
    for weight, other in zip(weights, others, strict=True):
        total = total - times(weight, other)
    return total


def minimizing_step(alpha, p, ap, x, r):
    """Return x + alpha p, r - alpha ap and the squared norm of that; see `cg_update`."""
    x, r = cg_update(alpha, p, ap, x, r)
    return x, r, dot(r, r)


def shard_like(function, a):
    """Return function(a) on the devices of ``a``, where a library spreads arrays over several."""
    return function(a)
