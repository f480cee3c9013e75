"""Solvers that learn or multiply matrices fast, for NumPy, CuPy, PyTorch and JAX arrays.

Every function takes arrays of any of these libraries and returns arrays of the same one, on the
same device and of the same dtype. Names are loaded when first used: importing this package
imports no array library but NumPy.
"""

from importlib import import_module

__version__ = "0.1.0"

_PLACES = {
    "linalg_ml.matrix_functions.planner": ("plan",),
    "linalg_ml.matrix_functions.polar": ("polar",),
    "linalg_ml.matrix_functions.orthogonalize": ("orthogonalize",),
    "linalg_ml.matrix_functions.sign": ("signm",),
    "linalg_ml.matrix_functions.eigen": ("eigh_by_sign",),
    "linalg_ml.matrix_functions.singular_values": ("svd_by_polar",),
    "linalg_ml.matrix_functions.roots": ("sqrtm",),
    "linalg_ml.matrix_functions.inverse_roots": ("inverse_root",),
    "linalg_ml.matrix_functions.projections": ("project_psd",),
    "linalg_ml.matrix_functions.clipping": ("clip_singular_values",),
    "linalg_ml.matrix_functions.schedules": (
        "Schedule",
        "minimax_schedule",
        "schedule",
        "schedule_names",
        "shortest_schedule",
    ),
    "linalg_ml.constrained.problem": ("EqualityProblem",),
    "linalg_ml.constrained.sketched_newton": ("sketched_newton",),
    "linalg_ml.relaxation.sor": ("sor", "ssor"),
    "linalg_ml.relaxation.ssor_cg": ("ssor_cg",),
    "linalg_ml.relaxation.optimal_omega": ("optimal_omega",),
    "linalg_ml.relaxation.sequence": ("solve_sequence",),
    "linalg_ml.krylov.cg": ("cg",),
    "linalg_ml.krylov.deflation": ("deflated_cg",),
    "linalg_ml.krylov.gmres": ("gmres",),
    "linalg_ml.krylov.minres": ("minres",),
    "linalg_ml.relaxation.coordinate": ("coordinate_descent",),
    "linalg_ml.deep_directions.solver": ("deep_conjugate_directions",),
    "linalg_ml.sketching.least_squares": ("sketched_lstsq",),
    "linalg_ml.sketching.low_rank": ("randomized_svd",),
    "linalg_ml.sketching.nystrom": ("nystrom",),
    "linalg_ml.sketching.projection": ("sketch_and_project",),
    "linalg_ml.sketching.trace": ("estimate_trace",),
    "linalg_ml.low_rank.robust_pca": ("robust_pca",),
    "linalg_ml.low_rank.square": ("square_reshape",),
    "linalg_ml.low_rank.tensor": ("complete_tensor", "robust_tensor_pca"),
    "linalg_ml._core.precision": ("Precision", "matmul", "round_to"),
    "linalg_ml._core.result": ("ConvergenceError", "Result", "Status"),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}
_ALIASES = {"matrix_sign": "signm"}
_ROOMS = (
    "constrained",
    "deep_directions",
    "krylov",
    "low_rank",
    "matrix_functions",
    "metrics",
    "optim",
    "problems",
    "relaxation",
    "sketching",
)
_MEANT = {
    "conjugate_gradient": "cg",
    "conjugate_gradients": "cg",
    "dcdm": "deep_conjugate_directions",
    "gauss_seidel": "sor",
    "msign": "orthogonalize",
    "newton_schulz": "orthogonalize",
    "orth": "orthogonalize",
    "nearest_psd": "project_psd",
    "polar_decomposition": "polar",
    "polar_express": "orthogonalize",
    "pcp": "robust_pca",
    "rpca": "robust_pca",
    "sign": "signm",
    "spectral_clip": "clip_singular_values",
    "sqrt": "sqrtm",
    "zeropower_via_newtonschulz5": "orthogonalize",
}

__all__ = sorted([*_PLACE_OF, *_ALIASES, *_ROOMS])


def __getattr__(name):
    if name in _ROOMS:
        return import_module(f"linalg_ml.{name}")
    target = _ALIASES.get(name, name)
    if target in _PLACE_OF:
        value = getattr(import_module(_PLACE_OF[target]), target)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'linalg_ml' has no attribute {name!r}{_hint(name)}")


def __dir__():
    return sorted([*__all__, "__version__"])


def _hint(name):
    from difflib import get_close_matches

    if name.startswith("_"):
        return ""
    meant = _MEANT.get(name.lower())
    close = [meant] if meant else get_close_matches(name, __all__, n=1, cutoff=0.7)
    return f"; did you mean {close[0]!r}?" if close else ""
