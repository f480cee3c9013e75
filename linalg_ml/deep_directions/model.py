"""What a model of search directions is, and the models that have names."""

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, is_array, library

MODELS = ("multigrid", "network")


class Model:
    """A map from a residual to a search direction; derive from it to write a model of your own.

    Any callable will do in its place. What `deep_conjugate_directions` uses beyond that, where
    the callable has it, are ``prepare`` and the attributes.

    Attributes
    ----------
    scale_free : bool
        The direction for c r is c times that for r: residuals need not be scaled to unit norm.
    zero_in_solids : bool
        Directions are zero in the solid cells of a `GridPoisson`, so none need be set to zero.
    """

    scale_free = False
    zero_in_solids = False

    def prepare(self, operator):
        """Return the callable to use for this operator: itself, or one with a set-up made.

        Called once per solve. ``operator`` is what the caller passed as ``A``; raise ValueError
        if the model cannot serve it, for instance because of its dimension.
        """
        return self

    def __call__(self, r):
        """Return directions for residuals of unit norm (of any norm if ``scale_free``).

        ``r`` has shape (..., *grid) where the operator is a `GridPoisson`, else (..., n); the
        result has the same shape and library. Its dtype, scale and sign are immaterial; it may
        compute in another dtype than that of ``r``.
        """
        raise NotImplementedError


def find_model(model, operator):
    """Return the callable for a model: one that has a name, a `Model`, or any callable."""
    if isinstance(model, str):
        checks.choice(model, MODELS, "model")
        if model == "multigrid":
            from linalg_ml.deep_directions.multigrid import LearnedMultigrid

            model = LearnedMultigrid()
        else:
            from linalg_ml.deep_directions.network import pretrained

            model = pretrained(operator)
    if not callable(model) or isinstance(model, type):
        known = ", ".join(map(repr, MODELS))
        is_class = isinstance(model, type)
        came = f"the class {model.__name__}" if is_class else type(model).__name__
        raise TypeError(f"model must be one of {known} or a callable, got {came}")
    prepare = getattr(model, "prepare", None)
    return model if prepare is None else prepare(operator)


def directions(model, r):
    """Return model(r) in the dtype of r, or raise if it is not an array like r."""
    q = model(r)
    if not is_array(q) or library(q) != library(r):
        came = library(q) if is_array(q) else type(q).__name__
        raise TypeError(f"model(r) must return a {library(r)} array, got {came}")
    if tuple(q.shape) != tuple(r.shape):
        raise ValueError(
            f"model(r) must return the shape of r, {tuple(r.shape)}, got {tuple(q.shape)}"
        )
    return astype(q, r.dtype)
