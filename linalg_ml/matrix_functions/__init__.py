"""Polar decomposition, matrix sign and their polynomials, eigenvalues and singular values.

The methods that `linalg_ml.polar` and `linalg_ml.signm` know by name are classes here; give an
instance to choose their hyperparameters.
"""

from importlib import import_module

_PLACES = {
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
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}
__all__ = sorted(_PLACE_OF)


def __getattr__(name):
    if name in _PLACE_OF:
        return getattr(import_module(_PLACE_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
