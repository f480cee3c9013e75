"""Polar decomposition, matrix sign, roots, projections, eigenvalues, and their polynomials.

The methods that `linalg_ml.polar`, `signm` and `sqrtm` know by name are classes here; give an
instance to choose their hyperparameters.
"""

from importlib import import_module

_PLACES = {
    "linalg_ml.matrix_functions.automatic": ("PlannedPolar",),
    "linalg_ml.matrix_functions.gram_method": ("GramPolarExpress",),
    "linalg_ml.matrix_functions.polynomial_methods": (
        "Cans",
        "ChenChow",
        "FixedSchedule",
        "NewtonSchulz",
        "PolarExpress",
    ),
    "linalg_ml.matrix_functions.rational_methods": ("QDWH", "Zolotarev"),
    "linalg_ml.matrix_functions.scaled_newton": ("ScaledNewton",),
    "linalg_ml.matrix_functions.direct_methods": ("EighSign", "SvdPolar"),
    "linalg_ml.matrix_functions.product_costs": ("ProductCosts",),
    "linalg_ml.matrix_functions.general_sign": ("NewtonSign", "PadeSign"),
    "linalg_ml.matrix_functions.inverse_root_methods": ("EighInverseRoot", "InverseNewton"),
    "linalg_ml.matrix_functions.root_methods": ("DenmanBeavers", "EighRoot"),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}
__all__ = sorted(_PLACE_OF)


def __getattr__(name):
    if name in _PLACE_OF:
        return getattr(import_module(_PLACE_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
