"""Precision policies, and the arithmetic of a solver under one of them.

Method code never multiplies matrices itself: it asks an `Arithmetic`, which rounds as its
policy says, picks the library's kernel and counts the work.

Where low precision is *emulated* (on a CPU), an array of 16-bit numbers is a float32 array
whose every entry is exactly representable in the short format: products are summed in fp32 and
rounded. Where it is *native* (on a GPU), the arrays have the short dtype itself.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from math import prod
from typing import ClassVar

import numpy as np

from linalg_ml._core import checks
from linalg_ml._core.namespace import (
    COMPLEX_OF,
    REAL_OF,
    astype,
    device,
    device_key,
    dtype_name,
    dtype_of,
    is_complex,
    library,
    namespace,
    on_gpu,
)
from linalg_ml.kernels.dispatch import kernels

UNIT_ROUNDOFF = {
    "fp64": 2.0**-53,
    "fp32": 2.0**-24,
    "tf32": 2.0**-11,
    "fp16": 2.0**-11,
    "bf16": 2.0**-8,
}
_POLICY_OF_DTYPE = {"float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
_NATIVE_DTYPE = {"bf16": "bfloat16", "fp16": "float16"}
_SHORT = ("bf16", "fp16")
# Where what an array can do depends on nothing but its type, dtype and device.
_LIBRARIES_WITHOUT_CONTEXT = ("numpy", "cupy", "torch")


@dataclass(frozen=True)
class Precision:
    """Choose the arithmetic a solver runs in.

    Parameters
    ----------
    name : {"fp64", "fp32", "tf32", "bf16", "fp16"}
        Format of the stored numbers; for "tf32" they are stored in fp32 and the operands of
        each product are rounded to TF32's 11 significant bits, as tensor cores do. Products are
        accumulated in fp32 (fp64 for "fp64").
    rounding : {"fused", "each"}
        Where a 16-bit format rounds. "fused": once per product with its epilogue
        ``alpha A B + beta Y``, as cuBLAS does. "each": after every operation, as a line of
        eager PyTorch does: ``r(r(beta Y) + r(r(alpha A) B))``.

    Examples
    --------
    >>> from linalg_ml import Precision
    >>> Precision("bf16").unit_roundoff
    0.00390625
    """

    name: str
    rounding: str = "fused"

    def __post_init__(self):
        checks.choice(self.name, tuple(UNIT_ROUNDOFF), "precision")
        checks.choice(self.rounding, ("fused", "each"), "rounding")

    @property
    def unit_roundoff(self):
        """Largest relative error of rounding to nearest in this format."""
        return UNIT_ROUNDOFF[self.name]


def as_policy(precision):
    """Return a Precision from a name or a Precision; None stays None."""
    if precision is None or isinstance(precision, Precision):
        return precision
    if isinstance(precision, str):
        return _named(precision)
    raise TypeError(f"precision must be None, a name or a Precision, got {precision!r}")


_named = cache(Precision)


class Arithmetic:
    """Products, inner products and rounding on the arrays of one library under one policy.

    Parameters
    ----------
    precision : None, str or Precision
        None keeps the type of ``a`` and the user's own settings of the library.
    a : array
        Any input of the solver: says which library, device and dtype come in and go out.
    """

    _known: ClassVar[dict] = {}  # what was decided before, by policy and kind of array

    def __new__(cls, precision, a):
        policy = as_policy(precision)
        made = object.__new__(cls)
        if library(a) in _LIBRARIES_WITHOUT_CONTEXT:
            key = (cls, policy, type(a), a.dtype, device_key(a))
            known = cls._known.get(key)
            if known is None:
                made._decide(policy, a)
                known = cls._known[key] = dict(made.__dict__)
            made.__dict__.update(known)
        else:
            made._decide(policy, a)
        made._multiplied, made._quintics, made._counted = {}, {}, {}
        return made

    def _decide(self, policy, a):
        dtype = dtype_name(a)
        self.library = library(a)
        self.xp = namespace(a)
        self.device = device(a)
        self.kernels = kernels(self.library)
        self.is_complex = dtype in COMPLEX_OF.values()
        self.user_settings = policy is None
        self.policy = policy or Precision(_POLICY_OF_DTYPE[REAL_OF[dtype]])
        self.name = self.policy.name
        self.on_gpu = on_gpu(a)
        self.native = self.name not in ("bf16", "fp16", "tf32") or (
            self.library in ("cupy", "torch", "jax") and self.on_gpu
        )
        self.out_dtype = a.dtype
        # PyTorch may multiply fp32 in bf16 on a CPU too, if the user allows it.
        enforceable = self.library == "torch" or (self.on_gpu and self.name in ("fp32", "tf32"))
        self._enforced = policy is not None and self.name != "fp64" and enforceable
        self._unsure = policy is None and self.name != "fp64" and enforceable
        self._refuse_impossible(a)
        real = "float64" if self.name == "fp64" else "float32"
        if self.native:
            real = _NATIVE_DTYPE.get(self.name, real)
        self.real_dtype = dtype_of(real, a)
        self.dtype = dtype_of(COMPLEX_OF[real], a) if self.is_complex else self.real_dtype
        self._short = self.name in _SHORT
        self._emulated = self._short and not self.native
        # These look at nothing that is not the same for every Arithmetic of the kind.
        self._plain_gemm = self._gemm_enforced if self._enforced else self.kernels.gemm
        self._plain_gemm_sym = self._gemm_sym_enforced if self._enforced else self.kernels.gemm_sym
        self._plain_gram = self._gram_enforced if self._enforced else self.kernels.gram
        self._gemm = self._choose_gemm(self._plain_gemm)
        self._gemm_sym = self._choose_gemm(self._plain_gemm_sym)
        if self._short and self.native and self.policy.rounding == "fused":
            self._gemm_sym = self._gemm_sym_native
        self._gram = self._choose_gram()
        plain = self.library == "numpy" and self.native
        self._fused_quintic = self.kernels.quintic if plain else None

    def _refuse_impossible(self, a):
        if self.is_complex and self.name in _SHORT:
            raise ValueError(
                f"precision {self.name!r} is for real arrays, got complex dtype {dtype_name(a)}; "
                "use 'fp32', 'tf32' or 'fp64'"
            )
        if self.name == "fp64" and dtype_name(a) not in ("float64", "complex128"):
            kind = "float64"
            if self.library == "jax":
                import jax

                possible = jax.config.jax_enable_x64
            elif self.library in ("numpy", "cupy"):
                possible = True
            else:
                info = self.xp.__array_namespace_info__()
                possible = kind in info.dtypes(device=self.device)
            if not possible:
                hint = "; set jax_enable_x64" if self.library == "jax" else ""
                raise ValueError(
                    f"precision 'fp64' is not available for {self.library} arrays on "
                    f"{self.device}{hint}"
                )

    @property
    def unit_roundoff(self):
        """Largest relative error of one rounding under the policy."""
        return UNIT_ROUNDOFF[self.name]

    def at_least_fp32(self, a):
        """Return the Arithmetic for what must not be shorter: this one, or one in fp32.

        TF32 is too short, also where it is the user who allows it. Both add to the same counts.
        """
        return self.switch("fp64" if self.name == "fp64" else "fp32", a)

    def switch(self, precision, a):
        """Return an Arithmetic in another precision that adds to the counts of this one."""
        policy = as_policy(precision)
        if self.policy == policy and not self._unsure:
            return self
        other = Arithmetic(policy, a)
        other._multiplied, other._quintics = self._multiplied, self._quintics
        other._counted = self._counted
        return other

    def __str__(self):
        if self.name in ("fp64", "fp32"):
            return self.name
        how = "native" if self.native else "emulated"
        if not self._short:
            return f"{self.name} ({how})"
        return f"{self.name} ({how}, {self.policy.rounding} rounding)"

    # Entering and leaving ------------------------------------------------------------------

    def enter(self, a):
        """Convert an input to the working dtype and round it; returns ``a`` where it fits."""
        if a.dtype == self.dtype:
            return self._round(a) if self._emulated else a
        if is_complex(a) and not self.is_complex:
            raise TypeError(
                f"a {dtype_name(a)} array cannot be used together with real ones; "
                "convert those to complex first"
            )
        converted = self._convert(a)
        return self._round(converted, inplace=True) if self._emulated else converted

    @np.errstate(over="ignore")  # what overflows is infinite, and is reported as such
    def _convert(self, a):
        if self._short and dtype_name(a) == "float64":
            a = astype(a, self.xp.float32)
        return astype(a, self.dtype)

    def leave(self, x, dtype=None):
        """Convert a result to the dtype of the input."""
        dtype = dtype or self.out_dtype
        if x.dtype == dtype:
            return x
        with np.errstate(over="ignore"):
            return astype(x, dtype)

    def store(self, x):
        """Round an array to the numbers the policy stores."""
        if self._emulated:
            return self._round(astype(x, self.dtype))
        return astype(x, self.dtype)

    def wide(self, x):
        """Return ``x`` in at least fp32, for norms, traces and factorisations."""
        if self._short and self.native:
            return astype(x, self.xp.float32)
        return x

    def _round(self, x, inplace=False):
        return self.kernels.round_to(x, self.name, inplace=inplace)

    # Products ------------------------------------------------------------------------------

    def mm(self, a, b, *, alpha=1.0, beta=0.0, y=None):
        """Return alpha A B + beta Y for (stacks of) matrices; alpha and beta are numbers."""
        key, times = (a.shape, b.shape[-1]), self._multiplied
        times[key] = times.get(key, 0) + 1
        if type(alpha) is not float or type(beta) is not float:
            alpha, beta = _plain(alpha), _plain(beta)
        return self._gemm(a, b, alpha, beta, y)

    def mm_sym(self, a, b, *, alpha=1.0, beta=0.0, y=None):
        """Return alpha A B + beta Y where A, B, Y and the result are symmetric or Hermitian."""
        key, times = (a.shape, b.shape[-1]), self._multiplied
        times[key] = times.get(key, 0) + 1
        if type(alpha) is not float or type(beta) is not float:
            alpha, beta = _plain(alpha), _plain(beta)
        return self._gemm_sym(a, b, alpha, beta, y)

    def gram(self, x):
        """Return X X^H."""
        key, times = (x.shape, x.shape[-2]), self._multiplied
        times[key] = times.get(key, 0) + 1
        return self._gram(x)

    def hermitian_mean(self, x):
        """Return (X + X^H) / 2, which is exactly Hermitian."""
        return self.store(self.kernels.hermitian_mean(x))

    def quintic(self, x, a, b, c):
        """Return a X + (b A + c A^2) X with A = X X^H: the step that iterations make most."""
        if self._fused_quintic is None:
            square = self.gram(x)
            even = self.mm_sym(square, square, alpha=c, beta=b, y=square)
            return self.mm(even, x, beta=a, y=x)
        times = self._quintics
        times[x.shape] = times.get(x.shape, 0) + 1
        return self._fused_quintic(x, a, b, c)

    def mv(self, a, x):
        """Return A x for vectors x of shape (..., n); one product where they share the matrix."""
        self.count("matvecs")
        if a.ndim > 2 or x.ndim < 2:
            return self._gemm(a, x[..., None], 1.0, 0.0, None)[..., 0]
        rows = self._gemm(self.xp.reshape(x, (-1, x.shape[-1])), a.mT, 1.0, 0.0, None)
        return self.xp.reshape(rows, (*x.shape[:-1], a.shape[-2]))

    def convolve(self, x, weights, bias=None, *, rectify=False):
        """Return images x (batch, *grid, channels) convolved with 3 x 3 (x 3) stencils.

        ``weights`` have shape (3, ..., 3, channels, out); around the images there are zeros.
        Counted as the one product it is: all neighbourhoods times all stencils.
        """
        key = ((prod(x.shape[:-1]), prod(weights.shape[:-1])), weights.shape[-1])
        self._multiplied[key] = self._multiplied.get(key, 0) + 1
        if self.name == "tf32" and not self.native:
            x, weights = self._round(x), self._round(weights)
        each = self._short and self.policy.rounding == "each" and bias is not None
        with self._library_mode() if self._enforced else nullcontext():
            y = self.kernels.convolve(x, weights, None if each else bias, rectify and not each)
        if each:
            y = self.store(y) + bias
            y = self.xp.where(y < 0, self.xp.zeros_like(y), y) if rectify else y
        return self.store(y) if self._short else y

    def dot(self, x, y):
        """Return the inner products x^H y along the last axis, in at least fp32."""
        return self.kernels.dot(self.wide(x), self.wide(y))

    def norm(self, x):
        """Return the 2-norms along the last axis, in at least fp32, scaled against overflow."""
        return self.kernels.frobenius(self.wide(x)[..., None])

    def frobenius(self, x):
        """Return the Frobenius norm of each matrix, in at least fp32, scaled against overflow."""
        return self.kernels.frobenius(self.wide(x))

    # Counting ------------------------------------------------------------------------------

    @property
    def counts(self):
        """What was counted: products (of matrices or stacks), their flops, and what else."""
        sizes = list(self._multiplied.items())
        for (*batch, m, n), times in self._quintics.items():
            square = (*batch, m, m)
            sizes += [(((*batch, m, n), m), times), ((square, m), times), ((square, n), times)]
        flops = sum(times * prod(shape) * columns for (shape, columns), times in sizes)
        return {
            "products": sum(times for _, times in sizes),
            "flops": flops * (8 if self.is_complex else 2),
            **self._counted,
        }

    def count(self, what, number=1):
        """Add to a counter that ends up in ``result.counts``."""
        self._counted[what] = self._counted.get(what, 0) + number

    # The rounding of one product -----------------------------------------------------------

    def _library_mode(self):
        return self.kernels.matmul_precision("tf32" if self.name == "tf32" else "fp32")

    def _choose_gemm(self, multiply):
        """Return ``multiply``, which knows nothing of rounding, as the policy wants it."""
        if self._short and self.policy.rounding == "each":
            # What is rounded on the way is not symmetric any more.
            plain = self.kernels.gemm_native if self.native else self._plain_gemm
            return partial(self._each, plain)
        if self._short:
            return self.kernels.gemm_native if self.native else partial(self._fused, multiply)
        if self.name == "tf32" and not self.native:
            return partial(self._tf32, multiply)
        return multiply

    def _choose_gram(self):
        if self._short:
            return self._gram_native if self.native else self._gram_rounded
        if self.name == "tf32" and not self.native:
            return self._gram_tf32
        return self._plain_gram

    def _gram_native(self, x):
        return self.kernels.gemm_native(x, x.mT)

    def _gram_rounded(self, x):
        return self._round(self._plain_gram(x), inplace=True)

    def _gram_tf32(self, x):
        return self._plain_gram(self._round(x))

    def _gram_enforced(self, x):
        with self._library_mode():
            return self.kernels.gram(x)

    def _fused(self, multiply, a, b, alpha, beta, y):
        return self._round(multiply(a, b, alpha, beta, y), inplace=True)

    def _each(self, multiply, a, b, alpha, beta, y):
        left = a if alpha == 1 else self.store(alpha * a)
        product = self.store(multiply(left, b, 1.0, 0.0, None))
        if y is None or beta == 0:
            return product
        return self.store((y if beta == 1 else self.store(beta * y)) + product)

    def _tf32(self, multiply, a, b, alpha, beta, y):
        left = self._round(a)
        return multiply(left, left if b is a else self._round(b), alpha, beta, y)

    def _gemm_enforced(self, a, b, alpha, beta, y):
        with self._library_mode():
            return self.kernels.gemm(a, b, alpha, beta, y)

    def _gemm_sym_native(self, a, b, alpha, beta, y):
        product = self.kernels.gemm_native(a, b, alpha, beta, y)
        return product if a is b else 0.5 * (product + product.mT)

    def _gemm_sym_enforced(self, a, b, alpha, beta, y):
        with self._library_mode():
            return self.kernels.gemm_sym(a, b, alpha, beta, y)


def _plain(number):
    """Return a Python number, which promotes no array, from any number."""
    return complex(number) if isinstance(number, (complex, np.complexfloating)) else float(number)


@np.errstate(all="ignore")
def round_to(a, target, /):
    """Round the entries of an array to a shorter floating-point format, ties to even.

    Parameters
    ----------
    a : array of shape (...)
        float32, float64 or complex64; NumPy, CuPy, PyTorch, JAX or another standard array.
        float64 entries are rounded to float32 first.
    target : {"fp32", "tf32", "bf16", "fp16"}
        The format whose numbers the result holds.

    Returns
    -------
    array of shape (...)
        In the dtype of ``a``. NaN stays NaN, overflow gives infinity, subnormal numbers of the
        target are kept. Bit for bit the same for every array library.

    Raises
    ------
    TypeError, ValueError
        If ``a`` is not a floating-point array or ``target`` is not a known format.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import round_to
    >>> round_to(np.array([3.14159274, 0.1, 65504.0]), "bf16")
    array([3.14062500e+00, 1.00097656e-01, 6.55360000e+04])
    """
    a = checks.array(a, "a")
    checks.choice(target, ("fp32", "tf32", "bf16", "fp16"), "target")
    rounded = astype(a, dtype_of("complex64" if is_complex(a) else "float32", a))
    if target != "fp32":
        rounded = kernels(library(a)).round_to(rounded, target)
    elif rounded is a:
        return namespace(a).asarray(a, copy=True)
    return astype(rounded, a.dtype)


@np.errstate(all="ignore")
def matmul(a, b, /, *, precision=None):
    """Multiply matrices under a precision policy.

    Parameters
    ----------
    a, b : arrays of shape (..., m, k) and (..., k, n)
        Floating-point arrays of one library on one device.
    precision : None, str or Precision
        See `Precision`. None multiplies as the library does.

    Returns
    -------
    array of shape (..., m, n)
        In the common dtype of ``a`` and ``b``. One product, rounded once.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, the arrays live in different places, or the precision cannot be
        had for them.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import matmul
    >>> float(matmul(np.array([[0.1]]), np.array([[1.0]]), precision="bf16")[0, 0])
    0.10009765625
    """
    a, b = checks.matrix(a, "a"), checks.matrix(b, "b")
    checks.same_home(a=a, b=b)
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"b must have {a.shape[-1]} rows to match a of shape {tuple(a.shape)}, "
            f"got shape {tuple(b.shape)}"
        )
    if a.dtype != b.dtype:
        common = namespace(a, b).result_type(a.dtype, b.dtype)
        a, b = astype(a, common), astype(b, common)
    arithmetic = Arithmetic(precision, a)
    return arithmetic.leave(arithmetic.mm(arithmetic.enter(a), arithmetic.enter(b)))
