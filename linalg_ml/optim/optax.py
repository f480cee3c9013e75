"""The optimizers as gradient transformations of optax."""

import jax
import optax

from linalg_ml._core import checks
from linalg_ml.optim.base import Transform


def gradient_transformation(transform, /):
    """Turn a `Transform` into a gradient transformation of optax.

    Parameters
    ----------
    transform : Transform

    Returns
    -------
    optax.GradientTransformation
        For pytrees of any kind. Its ``update`` needs the parameters. The labels of a `partition`
        see dotted paths, made of keys, indices and names of fields: ``"layers.0.weight"``.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import optax
    >>> from linalg_ml import optim
    >>> from linalg_ml.optim.optax import gradient_transformation
    >>> solver = optax.chain(
    ...     optax.clip_by_global_norm(1.0), gradient_transformation(optim.adamw(lr=0.1))
    ... )
    >>> params = {"weight": jnp.zeros((2, 2)), "bias": jnp.zeros(2)}
    >>> grads = {"weight": jnp.ones((2, 2)), "bias": -jnp.ones(2)}
    >>> updates, state = solver.update(grads, solver.init(params), params)
    >>> print(optax.apply_updates(params, updates)["bias"].round(3))
    [0.1 0.1]
    """
    checks.instance(transform, Transform, "transform")

    def init(params):
        return transform.init(_by_path(params)[0])

    def update(grads, state, params=None):
        if params is None:
            raise ValueError("params must be given to update, got None")
        held, _ = _by_path(params)
        given, structure = _by_path(grads)
        unknown = [path for path in given if path not in held]
        if unknown:
            raise ValueError(f"grads must have the structure of params, got more at {unknown}")
        updates, state = transform.update({path: given.get(path) for path in held}, state, held)
        # What is frozen has no update here, but optax adds one to every parameter.
        made = [
            jax.numpy.zeros_like(held[path]) if updates[path] is None else updates[path]
            for path in given
        ]
        return jax.tree.unflatten(structure, made), state

    return optax.GradientTransformation(init, update)


def _by_path(tree):
    """Return the leaves of a pytree by their dotted paths, and its structure."""
    found, structure = jax.tree_util.tree_flatten_with_path(tree)
    leaves = {".".join(map(_name, path)): leaf for path, leaf in found}
    if len(leaves) != len(found):
        raise ValueError("two leaves of a pytree must not have the same dotted path")
    return leaves, structure


def _name(key):
    """Return the key, the index or the name of a field of one step down a pytree."""
    for kind in ("key", "idx", "name"):
        if hasattr(key, kind):
            return str(getattr(key, kind))
    return str(key)
