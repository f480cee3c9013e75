"""The matrix optimizers on several processes of `torch.distributed`, each doing a part of a step.

For parameters that all processes hold and whose gradients are the same in all of them, as under
`torch.nn.parallel.DistributedDataParallel`. The mathematics is that of `linalg_ml.optim`.
"""

import inspect
import zlib

import torch

from linalg_ml._core import checks
from linalg_ml.optim import torch as single
from linalg_ml.optim.assignment import assign
from linalg_ml.optim.docstrings import adapted
from linalg_ml.optim.rules import all_finite, check_grad
from linalg_ml.optim.torch_checkpoints import load_checkpoint as load_checkpoint
from linalg_ml.optim.torch_checkpoints import save_checkpoint as save_checkpoint
from linalg_ml.optim.torch_processes import Processes
from linalg_ml.optim.torch_processes import RankError as RankError
from linalg_ml.optim.torch_processes import explain_lost_ranks as explain_lost_ranks
from linalg_ml.optim.torch_row_shards import Share, matrix_of, sharing
from linalg_ml.optim.torch_row_shards import orthogonalize_shards as orthogonalize_shards

_BUCKET = 2**23  # entries sent together
_LARGE = 1.5  # equal parts of all work: below, one process is as fast as all that must exchange
_PARAMS = """\
params : iterable of tensors, of (name, tensor) pairs, or of dicts
    As in a single process, the same in all of them.
process_group : torch.distributed.ProcessGroup, optional
    The processes that share the work. None is the default group.
row_shards : "auto", int or None
    Which matrices all processes work on together, each on some rows: those that take more than
    1.5 times an equal part of all work, those with at least so many entries, or none. All others
    belong to one process each. Only matrices with polynomials, as in `muon`, can be shared."""
_EXAMPLE = """\
In a single process, for the sake of an example:

>>> import torch, torch.distributed as dist
>>> from linalg_ml.optim.torch_distributed import {name}
>>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
>>> weight = torch.nn.Parameter(torch.ones(4, 3))
>>> optimizer = {name}([weight], lr=0.01)
>>> for _ in range(2):
...     loss = (weight**2).sum()
...     optimizer.zero_grad()
...     loss.backward()
...     optimizer.step()
>>> bool((weight**2).sum() < loss)
True
>>> dist.destroy_process_group()"""


class DistributedOptimizer(single.LeafwiseOptimizer):
    """Share the steps of a `LeafwiseOptimizer` among processes; the base of all classes here.

    Parameters
    ----------
    params : iterable
        As for every optimizer of PyTorch, the same in all processes.
    defaults : dict
        The hyperparameters of groups that do not say otherwise.
    process_group, row_shards
        As in `Muon`.

    Notes
    -----
    At the first step every parameter gets an owner, by `linalg_ml.optim.assignment.assign`; it
    alone has its state and computes its step, and then sends the new parameter to the others.
    A matrix that is shared by rows has a part of its state in every process.
    """

    def __init__(self, params, defaults, process_group=None, row_shards="auto"):
        if row_shards is not None and row_shards != "auto":
            row_shards = checks.count(row_shards, "row_shards")
        self.row_shards = row_shards
        self.processes = Processes(process_group)
        self._owners, self._shares, self._whole = {}, {}, None
        self._loads = [0.0] * self.processes.size
        self._steps = 0
        super().__init__(params, defaults)

    def __getstate__(self):
        """Refuse to be pickled or copied: connections cannot be."""
        raise TypeError(
            f"{type(self).__name__} cannot be copied or pickled; use consolidate_state_dict and "
            "state_dict"
        )

    @torch.no_grad()
    def step(self, closure=None):
        """Make one step together with all other processes.

        Parameters
        ----------
        closure : callable, optional
            Computes the gradients anew and returns the loss.

        Returns
        -------
        tensor or None
            What the closure returned.

        Raises
        ------
        TypeError
            If a gradient is sparse.
        RankError
            If a process is lost, or could not do its part: then no process has changed anything.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._whole = None
        self._steps += 1
        self._share_out()
        what, error, made, active = f"step {self._steps}", None, [], []
        try:
            active = self._active()
            made = self._own_steps(active)
        except Exception as caught:  # the others are waiting, and must know
            error = caught
        key = repr((self._steps, [i for i, *_ in active], self._layout()))
        self.processes.confirm(what, error, zlib.crc32(key.encode()))
        made += self._shared_steps(active, what)
        for param, new, state, own in made:
            param.copy_(new)
            state.update(own)
        self._exchange([param for _, param, _ in active if param in self._owners], what)
        return loss

    def consolidate_state_dict(self, to=0):
        """Bring the state of all processes to one of them, or to all; all call this together.

        Parameters
        ----------
        to : int or None
            The rank where `state_dict` can be called then, until the next step. None: all.
        """
        if to is not None and to not in range(self.processes.size):
            raise ValueError(f"to must be None or a rank below {self.processes.size}, got {to!r}")
        what, rank = "gathering the state", self.processes.rank
        self._share_out()
        self.processes.confirm(what, key=zlib.crc32(repr((self._steps, self._layout())).encode()))
        mine = {
            i: {name: (tuple(a.shape), a.dtype) for name, a in self.state[param].items()}
            for i, param in enumerate(self._all_params())
            if self.state.get(param) and self._owners.get(param, 0) == rank
        }
        known = {}
        for part in self.processes.gather_objects(mine, what):
            known |= part
        here, whole = to is None or to == rank, {}
        for i, param in enumerate(self._all_params()):
            found = {}
            for name, (shape, dtype) in known.get(i, {}).items():
                a = self._gathered(param, name, shape, dtype, to, what)
                if here:
                    found[name] = a.to("cpu", copy=True)
            if found:
                whole[param] = found
        self._whole = whole if here else None

    def state_dict(self):
        """Return the state of all processes, as the class of a single process does.

        Raises
        ------
        RuntimeError
            If `consolidate_state_dict` was not called since the last step, or brought it
            elsewhere.
        """
        if self._whole is None:
            if self.processes.size > 1:
                raise RuntimeError(
                    "the state lies on several processes: call consolidate_state_dict() in all of "
                    "them, then state_dict() where it was brought"
                )
            return super().state_dict()
        own, self.state = self.state, self._whole
        try:
            return super().state_dict()
        finally:
            self.state = own

    def load_state_dict(self, state_dict):
        """Keep this process's part of a state that `state_dict` returned, here or elsewhere.

        All processes load the same state. It may come from any number of processes, or from the
        class of a single process.

        Raises
        ------
        ValueError
            If it does not fit. Then nothing is loaded.
        """
        super().load_state_dict(state_dict)
        self._share_out()
        self._whole = None
        for group in self.param_groups:
            for param in group["params"]:
                state = self.state.pop(param, None)
                if not state:
                    continue
                if param in self._shares:
                    matrices, share = self._leafwise(group).rule.matrices, self._shares[param]
                    self.state[param] = {
                        name: share.take(matrices.split(a)[0]).clone() if a.ndim else a
                        for name, a in state.items()
                    }
                elif self._owners[param] == self.processes.rank:
                    self.state[param] = state

    def _all_params(self):
        return [param for group in self.param_groups for param in group["params"]]

    def _layout(self):
        """Return what must be the same in all processes."""
        return [
            (tuple(param.shape), str(param.dtype), self._owners.get(param))
            for param in self._all_params()
        ]

    def _share_out(self):
        """Give each parameter that has none an owner, or a share of it to every process."""
        new = [
            (param, self._leafwise(group).rule)
            for group in self.param_groups
            for param in group["params"]
            if param not in self._owners and param not in self._shares
        ]
        if not new:
            return
        costs = [rule.cost(param.detach()) for param, rule in new]
        equal = (sum(self._loads) + sum(costs)) / self.processes.size
        whole = []
        for (param, rule), cost in zip(new, costs, strict=True):
            undivided = self.row_shards is None or self.processes.size == 1
            matrix = None if undivided else matrix_of(rule, param.detach())
            if self.row_shards == "auto":
                large = cost > _LARGE * equal
            else:
                large = matrix is not None and param.numel() >= self.row_shards
            if matrix is not None and large:
                self._shares[param] = Share.of(tuple(matrix.shape), self.processes)
            else:
                whole.append((param, cost))
        owners = assign([cost for _, cost in whole], self._loads)
        self._owners.update((param, owner) for (param, _), owner in zip(whole, owners, strict=True))

    def _active(self):
        """Return (number, parameter, group) of all parameters with a gradient."""
        numbered = [(param, group) for group in self.param_groups for param in group["params"]]
        active = []
        for i, (param, group) in enumerate(numbered):
            if param.grad is not None:
                check_grad(param.grad, param, f" of parameter {i}")
                active.append((i, param, group))
        return active

    def _own_steps(self, active):
        """Return (parameter, new value, state, new state) of what this process has to do."""
        made = []
        for group in self.param_groups:
            leafwise = self._leafwise(group)
            mine = [
                param
                for _, param, its in active
                if its is group and self._owners.get(param) == self.processes.rank
            ]
            if not mine:
                continue
            states = [self.state[param] or leafwise.init(param) for param in mine]
            grads, values = [param.grad for param in mine], [param.detach() for param in mine]
            updates, after = leafwise.update(grads, states, values, None)
            made += [
                (param, param + update, self.state[param], own)
                for param, update, own in zip(mine, updates, after, strict=True)
            ]
        return made

    def _shared_steps(self, active, what):
        """Return the same of the matrices that all processes work on, each on some rows."""
        made, parts = [], []
        for _, param, group in active:
            if param in self._shares:
                matrices = self._leafwise(group).rule.matrices
                share = self._shares[param]
                grad, value = (share.take(matrices.split(a)[0]) for a in (param.grad, param))
                parts.append((param, group, matrices, share, grad, value))
        if not parts:
            return []
        finite = self.processes.all([bool(all_finite(grad)) for *_, grad, _ in parts], what)
        for (param, group, matrices, share, grad, value), ok in zip(parts, finite, strict=True):
            leafwise = self._leafwise(group)
            leafwise = type(leafwise)(
                sharing(leafwise.rule, share), leafwise.lr, leafwise.weight_decay
            )
            state = self.state[param] or leafwise.init(value)
            (update,), (own,) = leafwise.update([grad], [state], [value], None, [ok])
            new = share.gather(value + update, what)
            made.append((param, matrices.join([new], param), self.state[param], own))
        return made

    def _exchange(self, params, what):
        """Send the parameters that this process has changed, and take those of the others."""
        buckets = {}
        for param in params:
            kind = (self._owners[param], param.dtype, param.device)
            last = buckets.setdefault(kind, [[]])[-1]
            if last and sum(a.numel() for a in last) + param.numel() > _BUCKET:
                buckets[kind].append(last := [])
            last.append(param.detach())
        flat = [
            (owner, torch.cat([a.reshape(-1) for a in bucket]), bucket)
            for (owner, _, _), made in buckets.items()
            for bucket in made
        ]
        self.processes.broadcast([(owner, a) for owner, a, _ in flat], what)
        for owner, a, bucket in flat:
            if owner != self.processes.rank:
                parts = a.split([one.numel() for one in bucket])
                for one, values in zip(bucket, parts, strict=True):
                    one.copy_(values.reshape(one.shape))

    def _gathered(self, param, name, shape, dtype, to, what):
        """Return an array of the state of a parameter, where it is wanted."""
        own, rank = self.state.get(param, {}).get(name), self.processes.rank
        if param in self._shares:
            if not shape:
                return own
            whole = self._shares[param].gather(own, what)
            group = next(g for g in self.param_groups if any(p is param for p in g["params"]))
            return self._leafwise(group).rule.matrices.join([whole], param)
        owner = self._owners[param]
        if to == owner:
            return own
        if own is None:
            own = torch.empty(shape, dtype=dtype, device=param.device)
        own = own.contiguous()
        if to is None:
            self.processes.broadcast([(owner, own)], what)
        elif rank in (owner, to):
            self.processes.send(own, owner, to, what)
        return own


def distributed_class(optimizer):
    """Make the distributed class of an optimizer from that of a single process.

    Parameters
    ----------
    optimizer : type
        One of the classes of `linalg_ml.optim.torch`, or made by its `optimizer_class`.

    Returns
    -------
    type
        A subclass of `DistributedOptimizer` of the same name, whose constructor also takes
        ``process_group`` and ``row_shards``.

    Raises
    ------
    TypeError
        If it is not one of these.

    Examples
    --------
    >>> from linalg_ml.optim.torch import Shampoo
    >>> from linalg_ml.optim.torch_distributed import distributed_class
    >>> distributed_class(Shampoo).__name__
    'Shampoo'
    """
    # Others, such as those for adapters, treat several parameters together.
    by_itself = getattr(optimizer, "_step_group", None) is single.LeafwiseOptimizer._step_group
    if not (isinstance(optimizer, type) and by_itself and optimizer.constructor):
        raise TypeError(
            "optimizer must be one of the classes of linalg_ml.optim.torch, or made by its "
            f"optimizer_class, got {getattr(optimizer, '__qualname__', repr(optimizer))}"
        )
    constructor, name = optimizer.constructor, optimizer.__name__
    signature = inspect.signature(constructor)

    def __init__(self, params, *args, process_group=None, row_shards="auto", **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        DistributedOptimizer.__init__(
            self, params, dict(bound.arguments), process_group, row_shards
        )

    kinds = inspect.Parameter
    parameters = [
        kinds("params", kinds.POSITIONAL_OR_KEYWORD),
        *signature.parameters.values(),
        kinds("process_group", kinds.KEYWORD_ONLY, default=None),
        kinds("row_shards", kinds.KEYWORD_ONLY, default="auto"),
    ]
    own = kinds("self", kinds.POSITIONAL_ONLY)
    __init__.__signature__ = signature.replace(parameters=[own, *parameters])
    return type(
        name,
        (DistributedOptimizer,),
        {
            "__init__": __init__,
            "__doc__": adapted(constructor, _PARAMS, _EXAMPLE.format(name=name)),
            "__module__": __name__,
            "__signature__": signature.replace(parameters=parameters),
            "constructor": staticmethod(constructor),
            "hyperparameters": tuple(signature.parameters),
        },
    )


Muon = distributed_class(single.Muon)
PolarGrad = distributed_class(single.PolarGrad)
SOAP = distributed_class(single.SOAP)
