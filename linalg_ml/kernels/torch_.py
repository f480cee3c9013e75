"""Kernels for PyTorch tensors."""

from contextlib import ExitStack, contextmanager, nullcontext
from functools import wraps

import torch

from linalg_ml._core.namespace import is_readable
from linalg_ml.kernels import agnostic
from linalg_ml.kernels.blocks import adjoint, lower_blocks, product_by_halves

# Products with a symmetric result are computed from half of its blocks from this order on, down
# to blocks of this order: measured on a CPU, and a guess on other devices.
_LEAST, _LEAF = 512, 128
_LEAST_ELSEWHERE, _LEAF_ELSEWHERE = 4096, 1024
_PADDING = 64  # bytes that keep the rows of a mirrored matrix from falling into the same cache set

_NATIVE = {"bf16": torch.bfloat16, "fp16": torch.float16}


def _in_own_types(product):
    """Keep autocast, which knows nothing of what a product is for, from making it shorter."""

    @wraps(product)
    def kept(a, *others, **named):
        if _is_autocast(a):
            with torch.autocast(a.device.type, enabled=False):
                return product(a, *others, **named)
        return product(a, *others, **named)

    return kept


def _is_autocast(a):
    try:
        return torch.is_autocast_enabled(a.device.type)
    except RuntimeError:  # a device that has none
        return False


@_in_own_types
def gemm(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y with the library's own fused call where it fits."""
    if y is None or beta == 0:
        return torch.matmul(a, b) if alpha == 1 else torch.matmul(a, b).mul_(alpha)
    if a.ndim == b.ndim == y.ndim == 2:
        return torch.addmm(y, a, b, beta=beta, alpha=alpha)
    if a.ndim == b.ndim == y.ndim == 3 and a.shape[0] == b.shape[0] == y.shape[0]:
        return torch.baddbmm(y, a, b, beta=beta, alpha=alpha)
    return agnostic.gemm(a, b, alpha, beta, y)


@_in_own_types
def gemm_sym(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y where a, b, y and the result are Hermitian, half of it computed."""
    on_cpu = a.device.type == "cpu"
    if a.shape[-1] < (_LEAST if on_cpu else _LEAST_ELSEWHERE) or a.dtype.itemsize < 4:
        return agnostic.gemm_sym(a, b, alpha, beta, y)
    if on_cpu:
        return _from_lower_half(a, b, alpha, beta, y)
    return product_by_halves(gemm, torch.cat, a, b, alpha, beta, y, _LEAF_ELSEWHERE)


@_in_own_types
def gram(a):
    """Return a a^H; on a CPU, half of it computed."""
    if a.device.type != "cpu" or a.shape[-2] < _LEAST or a.dtype.itemsize < 4:
        return agnostic.gram(a)
    return _from_lower_half(a, adjoint(a), 1.0, 0.0, None)


def _from_lower_half(a, b, alpha, beta, y):
    """Return alpha a b + beta y, known to be Hermitian, from the blocks of its lower half.

    The result is written block by block to a tensor made by ``a`` itself, through which gradients
    and torch.vmap pass.
    """
    order = a.shape[-2]
    padded = order + _PADDING // a.dtype.itemsize
    out = a.new_empty((*a.shape[:-1], padded))[..., :order]
    direct = a.ndim == 2 and is_readable(a) and not _is_learned(a, b, y)
    for rows, columns in lower_blocks(order, _LEAF):
        base = None if y is None or beta == 0 else y[..., rows, columns]
        left, right, place = a[..., rows, :], b[..., :, columns], out[..., rows, columns]
        if rows == columns:
            block = gemm(left, right, alpha, beta, base)
            place.copy_(0.5 * (block + adjoint(block)))
            continue
        if not direct:
            place.copy_(gemm(left, right, alpha, beta, base))
        elif base is None:
            torch.mm(left, right, out=place)
            if alpha != 1:
                place.mul_(alpha)
        else:
            torch.addmm(base, left, right, beta=beta, alpha=alpha, out=place)
        out[..., columns, rows] = adjoint(place)
    return out


def _is_learned(*tensors):
    """Say whether a gradient may be asked for with respect to one of these."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


gemm_native = gemm  # cuBLAS sums 16-bit products in fp32 and rounds once, the epilogue included


def frobenius(a):
    """Return the Frobenius norm of each matrix, without overflow or underflow on the way."""
    if a.dtype in (torch.float64, torch.complex128) or a.device.type == "mps":
        return agnostic.frobenius(a)
    wide = torch.linalg.vector_norm(a.abs(), dim=(-2, -1), dtype=torch.float64)
    return wide.to(torch.float32)


def round_to(a, target, *, inplace=False):
    """Round float32 or complex64 entries to "bf16", "fp16" or "tf32", ties to even."""
    del inplace
    a = a.resolve_conj().resolve_neg()
    if a.is_complex():
        return torch.view_as_complex(round_to(torch.view_as_real(a), target))
    if target in _NATIVE:
        return a.to(_NATIVE[target]).to(torch.float32)
    bits = a.contiguous().view(torch.int32)
    rounded = (bits + (0xFFF + ((bits >> 13) & 1))) & ~0x1FFF
    rounded = torch.where(torch.isnan(a), (bits | 0x00400000) & ~0x1FFF, rounded)
    return rounded.view(torch.float32)


def matmul_precision(mode):
    """Return a context in which PyTorch multiplies fp32 in ``mode``: "fp32" or "tf32"."""
    wanted = {"fp32": "highest", "tf32": "high"}[mode]
    try:
        before = torch.get_float32_matmul_precision()
    except RuntimeError:  # raised where the user has set the backends one by one
        before = None
    autocast = [kind for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]
    if before == wanted and not autocast:
        return nullcontext()
    return _switched(wanted, before, autocast)


@contextmanager
def _switched(wanted, before, autocast):
    """Set the precision; restore it, and what was set for each backend alone."""
    backends = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)
    modes = [getattr(backend, "fp32_precision", None) for backend in backends]
    torch.set_float32_matmul_precision(wanted)
    try:
        with ExitStack() as off:
            for kind in autocast:
                off.enter_context(torch.autocast(kind, enabled=False))
            yield
    finally:
        if before is not None:
            torch.set_float32_matmul_precision(before)
        for backend, value in zip(backends, modes, strict=True):
            if value is not None:
                backend.fp32_precision = value


def solve_triangular(a, b, *, lower):
    """Return the solution x of A x = b for triangular A (..., n, n) and b (..., n)."""
    return torch.linalg.solve_triangular(a, b[..., None], upper=not lower)[..., 0]


def cholesky_solve(a, b):
    """Return A^(-1) B for Hermitian positive definite A (..., n, n) and B (..., n, k)."""
    factor = torch.linalg.cholesky_ex(a).L  # raises nothing
    return torch.cholesky_solve(b, factor)


@_in_own_types
def hadamard(a):
    """Return H A with the +-1 Walsh-Hadamard matrix H of order 2^p."""
    return agnostic.hadamard(a)


@_in_own_types
def residual_gradient(a, x, b=None):
    """Return r = b - A x (A x without b) and A^H r, for vectors (..., n) and (..., m)."""
    return agnostic.residual_gradient(a, x, b)


def scatter_rows(a, rows, weights, size):
    """Return the (..., size, k) sums of weights[i, j] a[..., i, :] in the rows rows[i, j]."""
    places = torch.as_tensor(rows, dtype=torch.int64, device=a.device)
    weights = torch.as_tensor(weights, dtype=a.real.dtype, device=a.device)
    out = torch.zeros((*a.shape[:-2], size, a.shape[-1]), dtype=a.dtype, device=a.device)
    for j in range(rows.shape[1]):
        out.index_add_(-2, places[:, j], weights[:, j, None] * a)
    return out


def triangular_factor(a):
    """Return the R factor (..., n, n) of a QR factorisation of A (..., m, n), m >= n."""
    return torch.linalg.qr(a, mode="r")[1]


def lerp(a, b, weight):
    """Return a + weight (b - a), in a new tensor."""
    return torch.lerp(a, b, weight)


@_in_own_types
def convolve(x, weights, bias=None, rectify=False):
    """Return the convolution of images (batch, *grid, channels) with 3 x 3 (x 3) stencils."""
    dims = x.ndim - 2
    if dims not in (2, 3):
        return agnostic.convolve(x, weights, bias, rectify)
    function = torch.nn.functional.conv2d if dims == 2 else torch.nn.functional.conv3d
    stencils = weights.permute(dims + 1, dims, *range(dims))
    with _cudnn_obeys() if x.is_cuda and x.dtype == torch.float32 else nullcontext():
        y = function(x.movedim(-1, 1), stencils, bias, padding=1).movedim(1, -1)
    return torch.relu(y) if rectify else y


def _cudnn_obeys():
    """Return a context in which cuDNN uses TF32 only where it is allowed for products too."""
    now = torch.backends.cudnn
    return now.flags(
        enabled=now.enabled,
        benchmark=now.benchmark,
        deterministic=now.deterministic,
        allow_tf32=torch.get_float32_matmul_precision() != "highest",
    )
