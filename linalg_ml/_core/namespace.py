"""Tell array libraries apart and move data between them and the host.

This is the only module that imports ``array_api_compat``. Everything else asks here for the
namespace, the device or the host copy of an array, and never names a library itself.
"""

import sys
from functools import cache

import array_api_compat
import numpy as np

_LIBRARY_OF_TYPE = {np.ndarray: "numpy"}
_TESTS = (
    ("numpy", array_api_compat.is_numpy_array),
    ("cupy", array_api_compat.is_cupy_array),
    ("torch", array_api_compat.is_torch_array),
    ("jax", array_api_compat.is_jax_array),
)

REAL_OF = {
    "complex64": "float32",
    "complex128": "float64",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "float32": "float32",
    "float64": "float64",
}
COMPLEX_OF = {"float32": "complex64", "float64": "complex128"}
_COMPLEX_DTYPES = ("complex64", "complex128")


def library(a):
    """Name the array library of ``a``: numpy, cupy, torch, jax, or another standard one."""
    kind = type(a)
    name = _LIBRARY_OF_TYPE.get(kind)
    if name is None:
        name = _find_library(a)
        _LIBRARY_OF_TYPE[kind] = name
    return name


def _find_library(a):
    for name, is_it in _TESTS:
        if is_it(a):
            return name
    if array_api_compat.is_array_api_obj(a):
        return a.__array_namespace__().__name__.split(".")[0]
    raise TypeError(
        "expected an array of NumPy, CuPy, PyTorch, JAX or another library of the Array API "
        f"standard; got {type(a).__module__}.{type(a).__qualname__}"
    )


def is_array(a):
    """Say whether ``a`` is an array of a library this package can work with."""
    if type(a) in _LIBRARY_OF_TYPE:
        return True
    return array_api_compat.is_array_api_obj(a)


def is_sparse(a):
    """Say whether ``a`` is a SciPy or CuPy sparse matrix or array."""
    for package in ("scipy.sparse", "cupyx.scipy.sparse"):
        module = sys.modules.get(package)
        if module is not None and module.issparse(a):
            return True
    return False


def is_full(a):
    """Say whether an array stores every entry; sparse tensors of PyTorch do not."""
    return library(a) != "torch" or a.layout == sys.modules["torch"].strided


def is_traced(a):
    """Say whether ``a`` is a JAX tracer, whose values cannot be read."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(a, jax.core.Tracer)


def namespace(*arrays):
    """Return the standard namespace shared by ``arrays``."""
    return array_api_compat.array_namespace(*arrays)


def device(a):
    """Return the device that holds ``a``."""
    return array_api_compat.device(a)


def on_gpu(a):
    """Say whether the products of ``a`` run on an accelerator with low-precision units."""
    name = library(a)
    if name == "cupy":
        return True
    if name == "torch":
        return a.device.type != "cpu"
    if name == "jax":
        import jax

        if is_traced(a):
            return jax.default_backend() != "cpu"
        return next(iter(a.devices())).platform != "cpu"
    return False


def is_readable(a):
    """Say whether values can be looked at for nothing: on a host, not traced or differentiated."""
    name = library(a)
    if name != "torch":
        return name == "numpy"
    torch = sys.modules["torch"]
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor(a)  # by torch.vmap and the like
    followed = wrapped or (a.requires_grad and torch.is_grad_enabled())
    return a.device.type == "cpu" and not followed and not torch.compiler.is_compiling()


def device_key(a):
    """Return something hashable that tells devices of one library apart, None if traced."""
    place = getattr(a, "device", None)
    if library(a) == "cupy":
        return place.id  # CuPy's devices cannot be hashed
    return place


def dtype_name(a):
    """Return the bare name of the dtype of ``a``, the same for every library."""
    return _bare_name(type(a.dtype), a.dtype)


@cache
def _bare_name(kind, dtype):
    # ``kind`` keeps dtypes of different libraries from being compared with each other.
    return str(dtype).rsplit(".", 1)[-1]


def is_complex(a):
    """Say whether the entries of ``a`` are complex."""
    return dtype_name(a) in _COMPLEX_DTYPES


def dtype_of(name, a):
    """Return the dtype called ``name`` in the library of ``a``."""
    if name == "bfloat16" and library(a) in ("numpy", "cupy"):
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return getattr(namespace(a), name)


def real_dtype(a):
    """Return the dtype of the real and imaginary parts of ``a``."""
    return dtype_of(REAL_OF[dtype_name(a)], a)


def astype(a, dtype):
    """Return ``a`` converted to ``dtype``; ``a`` itself where it already has it."""
    if a.dtype == dtype:
        return a
    if library(a) in ("numpy", "cupy"):
        return a.astype(dtype)  # the standard's function does not know ml_dtypes
    return namespace(a).astype(a, dtype)


def asarray(values, *, like, dtype=None):
    """Put host ``values`` on the library and device of ``like``."""
    xp = namespace(like)
    if is_traced(like):
        return xp.asarray(values, dtype=dtype)
    return xp.asarray(values, dtype=dtype, device=device(like))


def to_numpy(a):
    """Copy ``a`` to a NumPy array on the host (no copy where it is one already)."""
    name = library(a)
    if name == "numpy":
        return a
    if name == "cupy":
        return a.get()
    if name == "torch":
        a = a.detach().cpu()
        if dtype_name(a) == "bfloat16":  # torch cannot hand bfloat16 to NumPy
            a = a.float()
        return a.resolve_conj().resolve_neg().numpy()
    if name == "array_api_strict":  # reads from its CPU device alone
        a = a.to_device(namespace(a).Device("CPU_DEVICE"))
    return np.asarray(a)
