"""Weight decay as a transform of its own, before or after an optimizer."""

from linalg_ml._core.namespace import astype
from linalg_ml.optim import hyperparameters
from linalg_ml.optim.base import Transform
from linalg_ml.optim.rules import working
from linalg_ml.optim.trees import align, flatten, rebuild


def coupled_decay(weight_decay, /, *, where=None):
    """Add ``weight_decay * W`` to each gradient: the gradient of a quadratic penalty.

    Parameters
    ----------
    weight_decay : float or array without axes
    where : callable, optional
        ``where(path, array) -> bool``: which parameters decay. None: all.

    Returns
    -------
    Transform
        To be put before an optimizer by `chain`.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> transform = optim.chain(optim.coupled_decay(0.1), optim.sgd(lr=1.0))
    >>> params = np.array([10.0])
    >>> transform.update(np.array([1.0]), transform.init(params), params)[0]
    array([-2.])
    """
    weight_decay = hyperparameters.check(weight_decay, "weight_decay")
    return _decay(lambda count: weight_decay, where, counts=False)


def decoupled_decay(weight_decay, /, *, lr, where=None):
    """Subtract ``lr * weight_decay * W`` from each update.

    The optimizers of this package have an argument ``weight_decay`` that does the same; this is
    for chains, and for decay of some of the parameters.

    Parameters
    ----------
    weight_decay : float or array without axes
    lr : float, array without axes, or callable
        The learning rate or schedule of the optimizer.
    where : callable, optional
        ``where(path, array) -> bool``: which parameters decay. None: all.

    Returns
    -------
    Transform
        To be put behind an optimizer by `chain`. What has no update does not decay; a step that
        was skipped for NaN does.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2017, arXiv:1711.05101.

    Examples
    --------
    >>> import numpy as np
    >>> from linalg_ml import optim
    >>> matrices = lambda path, array: array.ndim == 2
    >>> transform = optim.chain(
    ...     optim.sgd(lr=0.1), optim.decoupled_decay(0.5, lr=0.1, where=matrices)
    ... )
    >>> params = [np.array([[2.0]]), np.array([2.0])]
    >>> grads = [np.array([[1.0]]), np.array([1.0])]
    >>> transform.update(grads, transform.init(params), params)[0]
    [array([[-0.2]]), array([-0.1])]
    """
    weight_decay = hyperparameters.check(weight_decay, "weight_decay")
    lr = hyperparameters.check_rate(lr)
    return _decay(lambda count: -weight_decay * hyperparameters.current(lr, count), where)


def _decay(factor, where, *, counts=True):
    """Return the Transform that adds factor(count) W."""
    if where is not None and not callable(where):
        raise TypeError(f"where must be a function of path and array, got {where!r}")

    def init(params):
        arrays = [p for p in flatten(params, "params")[1] if p is not None]
        if not counts or not arrays:
            return {}
        return {"count": hyperparameters.counter(arrays[0], on_host=True)}

    def update(grads, state, params):
        paths, leaves = flatten(params, "params")
        given = align(params, grads, ("params", "grads"))
        value = factor(state.get("count"))
        decayed = [
            g
            if g is None or p is None or not (where is None or where(path, p))
            else _sum(g, value, p)
            for path, p, g in zip(paths, leaves, given, strict=True)
        ]
        after = {name: hyperparameters.advanced(count) for name, count in state.items()}
        return rebuild(params, decayed), after

    return Transform(init, update)


def _sum(g, factor, p):
    wide = working(p)
    added = astype(g, wide.dtype) + hyperparameters.in_type_of(factor, wide) * wide
    return astype(added, g.dtype)
