"""Any transform, chained or partitioned, as an optimizer of PyTorch."""

from itertools import count

import torch

from linalg_ml._core import checks
from linalg_ml._core.namespace import is_array
from linalg_ml.optim.base import Transform, extend_state
from linalg_ml.optim.trees import align, flatten, rebuild

_GROUP = {"params", "param_names"}  # what a group holds


class TransformOptimizer(torch.optim.Optimizer):
    """Step with any `Transform`: a chain, a partition, one of your own.

    Parameters
    ----------
    params : iterable of tensors, of (name, tensor) pairs, or of dicts
        With names, as of ``model.named_parameters()``, these are the paths that the labels of a
        `partition` see; without, they are the numbers of the parameters. Names must differ, over
        all groups. Hyperparameters belong to the transform, and groups have none.
    transform : Transform
        Where its learning rate changes, it has a schedule: ``torch.optim.lr_scheduler`` does not
        reach it.

    Notes
    -----
    The state of the transform is ``optimizer.state["transform"]``, and part of ``state_dict``.
    The classes for single optimizers, as `AdamW`, are faster.

    Examples
    --------
    >>> import torch
    >>> from linalg_ml import optim
    >>> from linalg_ml.optim.torch import TransformOptimizer
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
    >>> transform = optim.chain(
    ...     optim.clip_by_global_norm(1.0),
    ...     optim.partition(
    ...         {"head": optim.adamw(1e-3), "body": optim.lion(1e-4)},
    ...         lambda path, array: "head" if path.startswith("1.") else "body",
    ...     ),
    ... )
    >>> optimizer = TransformOptimizer(model.named_parameters(), transform)
    >>> model(torch.ones(5, 3)).sum().backward()
    >>> optimizer.step()
    """

    def __init__(self, params, transform):
        self.transform = checks.instance(transform, Transform, "transform")
        super().__init__(params, {})

    def add_param_group(self, param_group):
        """Add parameters; what is remembered of the others stays.

        Raises
        ------
        ValueError
            If the group has hyperparameters, a name that is taken, or a parameter that the
            transform is not made for. Then nothing is added.
        """
        unknown = sorted(set(param_group) - _GROUP)
        if unknown:
            raise ValueError(
                f"a group must have no hyperparameters of its own, got {unknown}: give them to "
                "the transform, by partition where they are to differ"
            )
        super().add_param_group(param_group)
        try:
            state = extend_state(self.transform, self.state.get("transform"), self._by_name())
        except Exception:
            self.param_groups.pop()
            raise
        self.state["transform"] = state

    @torch.no_grad()
    def step(self, closure=None):
        """Make one step, and return what the closure returned, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        held = self._by_name()
        grads = {name: p.grad for name, p in held.items()}
        values = {name: p.detach() for name, p in held.items()}
        updates, self.state["transform"] = self.transform.update(
            grads, self.state["transform"], values
        )
        for name, p in held.items():
            if updates[name] is not None:
                p.add_(updates[name])
        return loss

    def load_state_dict(self, state_dict):
        """Load a state that `state_dict` returned, in the types that the parameters ask for.

        Raises
        ------
        ValueError
            If the state is not one of this transform on these parameters. Then nothing is
            loaded.
        """
        fresh = self.transform.init(self._by_name())
        found = state_dict["state"].get("transform")
        paths, leaves = flatten(fresh, "state")
        loaded = align(fresh, found, ("a fresh state", "the loaded state"))
        for path, new, a in zip(paths, leaves, loaded, strict=True):
            if new is not None and not (is_array(a) and a.shape == new.shape):
                came = tuple(a.shape) if is_array(a) else type(a).__name__
                raise ValueError(
                    f"the loaded state at {path!r} must have shape {tuple(new.shape)}, got {came}"
                )
        super().load_state_dict(state_dict)
        fitted = [
            a if new is None else torch.as_tensor(a).to(new.device, new.dtype)
            for new, a in zip(leaves, loaded, strict=True)
        ]
        self.state["transform"] = rebuild(fresh, fitted)

    def __getstate__(self):
        """Return what is pickled or copied."""
        return {**super().__getstate__(), "transform": self.transform}

    def _by_name(self):
        """Return all parameters by their names, or their numbers."""
        held = {}
        for group in self.param_groups:
            names = group.get("param_names") or map(str, count(len(held)))
            for name, param in zip(names, group["params"], strict=False):
                if name in held:
                    raise ValueError(
                        f"names of parameters must differ, got {name!r} twice: the state and the "
                        f"labels of a partition go by them; name it for instance 'encoder.{name}'"
                    )
                held[name] = param
        return held
