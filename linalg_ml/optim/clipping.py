"""Bounds on the size of gradients."""

from linalg_ml._core import checks
from linalg_ml._core.namespace import astype, dtype_name, library, namespace, real_dtype
from linalg_ml.kernels.dispatch import kernels
from linalg_ml.optim.base import stateless
from linalg_ml.optim.hyperparameters import in_type_of
from linalg_ml.optim.rules import all_finite, working
from linalg_ml.optim.trees import flatten, tree_map


def clip_by_global_norm(max_norm, /):
    """Scale all gradients down by one factor so that their joint norm is at most ``max_norm``.

    Parameters
    ----------
    max_norm : float

    Returns
    -------
    Transform
        To be put before an optimizer by `chain`.

    Notes
    -----
    G <- G min(1, max_norm / norm), with the norm of `global_norm`. A gradient with NaN or
    infinity does not enter the norm and is passed on as it is, for the optimizer to skip.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> clip = optim.clip_by_global_norm(1.0)
    >>> grads = [np.array([3.0]), np.array([4.0])]
    >>> clip.update(grads, clip.init(grads), grads)[0]
    [array([0.6]), array([0.8])]
    """
    max_norm = checks.number(max_norm, "max_norm", above=0)

    def clip(grads, params):
        norm = global_norm(grads)
        if norm is None:
            return grads
        xp = namespace(norm)
        factor = max_norm / xp.where(norm > max_norm, norm, xp.full_like(norm, max_norm))
        return tree_map(lambda g: astype(_scaled(working(g), factor), g.dtype), grads)

    return stateless(clip)


def clip_by_value(bound, /):
    """Cut the entries of all gradients off at +-``bound``.

    Parameters
    ----------
    bound : float

    Returns
    -------
    Transform
        To be put before an optimizer by `chain`. NaN stays NaN, and so does infinity stay
        infinite: the optimizer skips such a step.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> clip = optim.clip_by_value(1.0)
    >>> grads = np.array([-3.0, 0.5])
    >>> clip.update(grads, clip.init(grads), grads)[0]
    array([-1. ,  0.5])
    """
    bound = checks.number(bound, "bound", above=0)

    def clip(g):
        xp = namespace(g)
        cut = xp.where(g > bound, xp.full_like(g, bound), g)
        cut = xp.where(g < -bound, xp.full_like(g, -bound), cut)
        return xp.where(xp.isfinite(g), cut, g)

    return stateless(lambda grads, params: tree_map(clip, grads))


def global_norm(tree, /):
    """Return the 2-norm of all entries of a nested container of arrays together.

    Parameters
    ----------
    tree : nested container of arrays
        Arrays that hold NaN or infinity are left out.

    Returns
    -------
    array without axes
        In at least fp32, without overflow on the way; None if there is no array.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> float(optim.global_norm({"a": np.array([3.0]), "b": np.array([[4.0]])}))
    5.0
    """
    norms = [_norm(g) for g in flatten(tree, "grads")[1] if g is not None]
    if not norms:
        return None
    wide = next((norm for norm in norms if dtype_name(norm) == "float64"), norms[0])
    norms = namespace(wide).stack([in_type_of(norm, wide) for norm in norms])
    return kernels(library(wide)).frobenius(norms[:, None])


def _scaled(g, factor):
    return g * in_type_of(factor, g)


def _norm(g):
    """Return the norm of one gradient, zero where it is not finite."""
    g = working(g)
    xp = namespace(g)
    ok = all_finite(g)
    if isinstance(ok, bool):
        g = g if ok else xp.zeros_like(g)
    else:
        g = xp.where(ok, g, xp.zeros_like(g))
    if 0 in g.shape:
        return xp.sum(xp.zeros(1, dtype=real_dtype(g)))
    return xp.asarray(kernels(library(g)).frobenius(xp.reshape(g, (-1, 1))))
