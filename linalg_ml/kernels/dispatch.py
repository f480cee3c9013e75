"""Pick the kernel of an array library, falling back on the one written for all of them.

Every kernel file offers functions of the same names and meaning; `kernels(library)` returns an
object whose attributes are the best of them for that library. A file is imported when the
first function of it is needed, so that no library is imported for the sake of another.
"""

from functools import cache
from importlib import import_module

_FILES = {
    "numpy": (
        "numba_",
        "numba_relaxation",
        "numba_bandits",
        "numba_coordinate",
        "numba_sketches",
        "numba_directions",
        "numba_low_rank",
        "numba_multigrid",
        "numba_pursuit",
        "numba_symmetric",
        "numpy_",
    ),
    "cupy": ("cupy_", "cupy_grids", "cupy_multigrid"),
    "torch": ("torch_", "torch_foreach"),
    "jax": ("jax_",),
}
_FOR_ALL = ("agnostic", "grids")  # in the Array API standard alone

# Which file holds which kernel, known without importing any of them. The meaning of a kernel
# stands in agnostic.py or grids.py, or in a file of numba's where there is no other.
FILES_OF_KERNELS = {
    "gemm": ("agnostic", "numpy_", "torch_", "jax_"),
    "gemm_native": ("agnostic", "cupy_", "torch_", "jax_"),
    "gemm_sym": ("agnostic", "numpy_", "cupy_", "torch_", "jax_"),
    "gram": ("agnostic", "numpy_", "torch_"),
    "quintic": ("agnostic", "numpy_"),
    "frobenius": ("agnostic", "numpy_", "torch_"),
    "hermitian_mean": ("agnostic", "jax_"),
    "hermitian_part": ("agnostic", "numba_symmetric"),
    "identity_distance": ("agnostic", "numba_symmetric"),
    "unit_columns": ("agnostic",),
    "round_to": ("agnostic", "numpy_", "numba_", "cupy_", "torch_", "jax_"),
    "matmul_precision": ("agnostic", "cupy_", "torch_", "jax_"),
    "soft_threshold": ("agnostic", "numpy_", "numba_"),
    "dot": ("agnostic", "numpy_"),
    "xpby": ("agnostic", "numba_"),
    "cg_update": ("agnostic", "numba_"),
    "solve_triangular": ("agnostic", "numpy_", "cupy_", "torch_", "jax_"),
    "cholesky_solve": ("agnostic", "numpy_", "cupy_", "torch_", "jax_"),
    "cholesky_solver": ("numpy_",),
    "thin_svd": ("agnostic", "numpy_"),
    "csr_solve_lower": ("numba_", "cupy_"),
    "csr_solve_upper": ("numba_", "cupy_"),
    "csr_ic0": ("numba_",),
    "csr_sor": ("numba_relaxation", "cupy_"),
    "csr_residual_norm": ("numba_relaxation", "cupy_"),
    "csr_product": ("numba_relaxation",),
    "csr_chebyshev_sor": ("numba_relaxation",),
    "csr_ssor_cg": ("numba_relaxation",),
    "bsr_sor": ("numba_relaxation",),
    "tsallis": ("numba_bandits",),
    "tsallis_draw": ("numba_bandits",),
    "add_baselines": ("numba_bandits",),
    "inverse_gap_draw": ("numba_bandits",),
    "append_row": ("numba_bandits",),
    "box_least_squares": ("numba_bandits",),
    "triangular_fit": ("numba_bandits",),
    "coordinate_steps": ("numba_coordinate",),
    "greedy_steps": ("numba_coordinate",),
    "gather_columns": ("numba_coordinate",),
    "add_rows": ("numba_coordinate",),
    "forest_solve": ("numba_coordinate",),
    "forest_labels": ("numba_coordinate",),
    "color_labels": ("numba_coordinate",),
    "scatter_rows": ("agnostic", "numpy_", "numba_sketches", "cupy_", "torch_", "jax_"),
    "gather_rows": ("agnostic", "numba_sketches"),
    "hadamard": ("agnostic", "numba_sketches", "torch_"),
    "triangular_factor": ("agnostic", "numpy_", "cupy_", "torch_", "jax_"),
    "residual_gradient": ("agnostic", "numpy_", "torch_"),
    "huber_terms": ("agnostic", "numba_low_rank"),
    "huber_sparse": ("agnostic", "numba_low_rank"),
    "huber_search": ("agnostic", "numba_low_rank"),
    "rank_one_move": ("agnostic", "numba_low_rank"),
    "split_entries": ("agnostic", "numba_pursuit"),
    "rest_squares": ("agnostic", "numba_pursuit"),
    "keep_close": ("agnostic", "numba_pursuit"),
    "kth_largest": ("agnostic", "numpy_"),
    "sampled_rank_one": ("numba_low_rank",),
    "sampled_search": ("numba_low_rank",),
    "sampled_product": ("numba_low_rank",),
    "cond": ("agnostic", "jax_"),
    "lerp": ("agnostic", "numpy_", "torch_"),
    "shard_like": ("agnostic", "jax_"),
    "foreach_lerp": ("torch_foreach",),
    "foreach_lerp_square": ("torch_foreach",),
    "foreach_lerp_variance": ("torch_foreach",),
    "foreach_add_square": ("torch_foreach",),
    "foreach_sign": ("torch_foreach",),
    "foreach_root": ("torch_foreach",),
    "foreach_add_ratio": ("torch_foreach",),
    "foreach_combine": ("torch_foreach",),
    "foreach_add": ("torch_foreach",),
    "foreach_finite": ("torch_foreach",),
    "convolve": ("agnostic", "numpy_", "torch_", "jax_"),
    "dots": ("agnostic", "numba_directions"),
    "combination": ("agnostic", "numba_directions"),
    "minimizing_step": ("agnostic", "numba_directions"),
    "grid_product": ("grids", "numba_directions", "cupy_grids"),
    "grid_energy": ("grids", "numba_directions", "cupy_grids"),
    "multigrid_cycle": ("grids", "numba_multigrid", "cupy_multigrid", "jax_"),
}

# Outside jax.jit every operation of JAX is compiled for every shape and takes microseconds to
# call: these become one each.
_COMPILED_BY_JAX = frozenset(
    [
        "gram",
        "frobenius",
        "hermitian_part",
        "identity_distance",
        "unit_columns",
        "dot",
        "xpby",
        "cg_update",
    ]
)


class Kernels:
    """The kernels of one array library, as attributes."""

    def __init__(self, library):
        self.library = library

    def __getattr__(self, name):
        if name not in FILES_OF_KERNELS:
            raise AttributeError(f"there is no kernel {name!r}")
        function = _find(self.library, name)
        setattr(self, name, function)
        return function

    def __repr__(self):
        return f"<kernels for {self.library}>"


@cache
def kernels(library):
    """Return the kernels of an array library, named as `_core.namespace.library` names it."""
    return Kernels(library)


def _find(library, name):
    for file in (*_FILES.get(library, ()), *_FOR_ALL):
        if file not in FILES_OF_KERNELS[name]:
            continue
        try:
            module = import_module(f"linalg_ml.kernels.{file}")
        except ModuleNotFoundError as error:
            if error.name != "numba":
                raise
            continue  # the NumPy twin is exact too, only slower
        function = getattr(module, name)
        if library == "jax" and name in _COMPILED_BY_JAX:
            return import_module("jax").jit(function)
        return function
    raise NotImplementedError(f"no kernel {name!r} for arrays of {library}")
