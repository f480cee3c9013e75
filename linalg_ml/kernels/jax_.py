"""Kernels for JAX arrays; all of them trace under jax.jit."""

from functools import partial

import jax
import jax.numpy as jnp

from linalg_ml.kernels import grids
from linalg_ml.kernels.blocks import adjoint, product_by_halves

# From this order on, and down to blocks of this order, on a CPU; XLA's own product elsewhere.
_BY_HALVES_FROM, _LEAF = 768, 128
_MODES = {"fp32": "highest", "tf32": "tensorfloat32"}


def gemm(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y; alpha and beta are Python numbers."""
    if alpha == 1 and (y is None or beta == 0):
        return jnp.matmul(a, b)
    return _gemm(a, b, alpha, beta, None if beta == 0 else y)


@jax.jit
def _gemm(a, b, alpha, beta, y):
    product = alpha * jnp.matmul(a, b)
    return product if y is None else product + beta * y


def gemm_sym(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y where a, b, y and the result are Hermitian, half of it computed."""
    if a.shape[-1] < _BY_HALVES_FROM or jax.default_backend() != "cpu":
        product = gemm(a, b, alpha, beta, y)
        return product if a is b else _lower_half(product)
    return _by_halves(a, b, alpha, beta, None if beta == 0 else y)


def _lower_half(a):
    """Return the Hermitian matrix with the lower half of ``a``.

    The mean of A and A^H, which would do as well, makes a compiled Gram form a hundred times less
    accurate (measured with XLA on a CPU).
    """
    lower = jnp.tri(a.shape[-1], dtype=bool)
    mirrored = jnp.where(lower, a, adjoint(a))
    if not jnp.iscomplexobj(a):
        return mirrored
    return jnp.where(lower & lower.T, mirrored.real, mirrored)


@jax.jit
def _by_halves(a, b, alpha, beta, y):
    return product_by_halves(_gemm, jnp.concatenate, a, b, alpha, beta, y, _LEAF)


def hermitian_mean(a):
    """Return (A + A^H) / 2, exactly Hermitian where ``a`` is a product of a compiled function too.

    XLA makes A^H a product of its own, whose rounding errors differ: in an iteration that lives on
    symmetry they would grow from step to step.
    """
    return _lower_half((a + adjoint(a)) / 2)


def gemm_native(a, b, alpha=1.0, beta=0.0, y=None):
    """Return alpha a b + beta y for 16-bit arrays: summed in fp32, rounded once."""
    product = jnp.matmul(a, b, preferred_element_type=jnp.float32)
    if alpha != 1:
        product = alpha * product
    if y is not None and beta != 0:
        product = product + beta * y.astype(jnp.float32)
    return product.astype(a.dtype)


@partial(jax.jit, static_argnames=("target", "inplace"))
def round_to(a, target, *, inplace=False):
    """Round float32 or complex64 entries to "bf16", "fp16" or "tf32", ties to even.

    Works on bit patterns, because XLA may remove a conversion to a short format and back.
    """
    del inplace
    if jnp.iscomplexobj(a):
        return jax.lax.complex(round_to(a.real, target), round_to(a.imag, target))
    bits = jax.lax.bitcast_convert_type(a, jnp.uint32)
    drop = 16 if target == "bf16" else 13
    mask = jnp.uint32((0xFFFFFFFF << drop) & 0xFFFFFFFF)
    tie_to_even = ((bits >> drop) & jnp.uint32(1)) + jnp.uint32((1 << (drop - 1)) - 1)
    rounded = (bits + tie_to_even) & mask
    if target == "fp16":
        rounded = _fp16_range(bits, rounded)
    rounded = jnp.where(jnp.isnan(a), (bits | jnp.uint32(0x00400000)) & mask, rounded)
    return jax.lax.bitcast_convert_type(rounded, jnp.float32)


def _fp16_range(bits, rounded):
    """Give fp16 its own range: infinity from 65520 on, multiples of 2^-24 below 2^-14."""
    sign = bits & jnp.uint32(0x80000000)
    size = bits & jnp.uint32(0x7FFFFFFF)
    # Adding 0.5 makes the last place of a float32 worth 2^-24, so the addition rounds as asked.
    small = jax.lax.bitcast_convert_type(size, jnp.float32)
    units = jax.lax.bitcast_convert_type(small + 0.5, jnp.uint32) - jnp.uint32(0x3F000000)
    subnormal = units.astype(jnp.float32) * jnp.float32(2.0**-24)
    subnormal = jax.lax.bitcast_convert_type(subnormal, jnp.uint32) | sign
    rounded = jnp.where(size < jnp.uint32(0x38800000), subnormal, rounded)
    return jnp.where(size >= jnp.uint32(0x477FF000), sign | jnp.uint32(0x7F800000), rounded)


def matmul_precision(mode):
    """Return a context in which JAX multiplies fp32 in ``mode``: "fp32" or "tf32"."""
    return jax.default_matmul_precision(_MODES[mode])


def solve_triangular(a, b, *, lower):
    """Return the solution x of A x = b for triangular A (..., n, n) and b (..., n)."""
    batch = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-1])
    a = jnp.broadcast_to(a, batch + a.shape[-2:])
    columns = jnp.broadcast_to(b, batch + b.shape[-1:])[..., None]
    return jax.lax.linalg.triangular_solve(a, columns, left_side=True, lower=lower)[..., 0]


def cholesky_solve(a, b):
    """Return A^(-1) B for Hermitian positive definite A (..., n, n) and B (..., n, k)."""
    batch = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    factor = jnp.broadcast_to(jnp.linalg.cholesky(a), batch + a.shape[-2:])
    b = jnp.broadcast_to(b, batch + b.shape[-2:])
    solve = jax.lax.linalg.triangular_solve
    half = solve(factor, b, left_side=True, lower=True)
    return solve(factor, half, left_side=True, lower=True, transpose_a=True, conjugate_a=True)


def scatter_rows(a, rows, weights, size):
    """Return the (..., size, k) sums of weights[i, j] a[..., i, :] in the rows rows[i, j]."""
    weights = jnp.asarray(weights, dtype=a.real.dtype)
    out = jnp.zeros((*a.shape[:-2], size, a.shape[-1]), dtype=a.dtype)
    for j in range(rows.shape[1]):
        out = out.at[..., jnp.asarray(rows[:, j]), :].add(weights[:, j, None] * a)
    return out


def triangular_factor(a):
    """Return the R factor (..., n, n) of a QR factorisation of A (..., m, n), m >= n."""
    return jnp.linalg.qr(a, mode="r")


def cond(predicate, then, otherwise, *operands):
    """Return then(*operands) or otherwise(*operands), of which one alone is computed."""
    if isinstance(predicate, jax.core.Tracer):
        return jax.lax.cond(predicate, then, otherwise, *operands)
    return then(*operands) if bool(predicate) else otherwise(*operands)


def shard_like(function, a):
    """Return function(a), of the shape of ``a``, on the devices of ``a`` in the same way.

    Where the axes of a mesh are explicit, JAX refuses products whose sharding it would have to
    choose. Within the function XLA chooses: for X X^H with the long axis of X on several devices
    it sums small matrices.
    """
    traced = isinstance(a, jax.core.Tracer)
    if hasattr(jax, "typeof") and (traced or len(a.devices()) > 1):  # older ones know no such axes
        sharding = jax.typeof(a).sharding
        if jax.sharding.AxisType.Explicit in sharding.mesh.axis_types:
            return jax.sharding.auto_axes(function, out_sharding=sharding)(a)
    x = function(a)
    if traced or x.sharding.is_equivalent_to(a.sharding, a.ndim):
        return x
    return jax.device_put(x, a.sharding)


def convolve(x, weights, bias=None, rectify=False):
    """Return the convolution of images (batch, *grid, channels) with 3 x 3 (x 3) stencils."""
    axes = "DHW"[3 - (x.ndim - 2) :]
    layout = (f"N{axes}C", f"{axes}IO", f"N{axes}C")
    # One that takes 16 bits and gives 32 has no gradient.
    wide = x.dtype if x.dtype.itemsize >= 4 else jnp.float32
    images, stencils, strides = x.astype(wide), weights.astype(wide), (1,) * len(axes)
    y = jax.lax.conv_general_dilated(images, stencils, strides, "SAME", dimension_numbers=layout)
    if bias is not None:
        y = y + bias
    return (jnp.maximum(y, 0) if rectify else y).astype(x.dtype)


def multigrid_cycle(levels, weights, sweeps, like):
    """Return the function r -> u of `grids.multigrid_cycle`, compiled once for each shape."""

    def repeat(times, step, u):
        return jax.lax.fori_loop(0, times, lambda _, v: step(v), u)

    return jax.jit(grids._cycle(levels, weights, sweeps, like, repeat))
