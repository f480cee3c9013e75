"""The processes of a group of `torch.distributed`: what they exchange, and what fails there."""

import time
from contextlib import contextmanager

import torch
import torch.distributed as dist

_GRACE = 5.0  # seconds that those who noticed a failure wait for the others to say so too
_POLL = 0.05
# Words of the messages that gloo, NCCL and the store write where a process does not answer.
_SIGNS = ("gloo", "nccl", "connection", "timed out", "timeout", "socket", "peer", "process group")


class RankError(RuntimeError):
    """A process of the group has ended, does not answer, or could not do its part.

    Raised by every process that is left. What was learned since the last checkpoint is lost.
    """


class Processes:
    """What the processes of one group do together; every method is called by all of them.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup, optional
        None is the default group.

    Raises
    ------
    RuntimeError
        If there is no process group.
    """

    def __init__(self, group=None):
        if not (dist.is_available() and dist.is_initialized()):
            raise RuntimeError(
                "there is no process group: call torch.distributed.init_process_group before, "
                "or use the classes of linalg_ml.optim.torch in a single process"
            )
        self.group = group
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        if self.rank < 0:
            raise RuntimeError("this process is not a member of the process group")

    def sum(self, a, what):
        """Return the sum of the tensors that the processes give; ``a`` is written to."""
        if self.size > 1:
            with explained(self, what):
                dist.all_reduce(a, group=self.group)
        return a

    def all(self, flags, what):
        """Say for each of a list of bools whether it is true in every process."""
        missing = torch.tensor([not flag for flag in flags], dtype=torch.int32)
        missing = self.sum(missing.to(self._meeting_place()), what)
        return [count == 0 for count in missing.tolist()]

    def gather(self, a, what):
        """Return the tensors that the processes give, all of one shape, in a stack."""
        found = a.new_empty((self.size, *a.shape))
        if self.size == 1:
            found[0] = a
            return found
        with explained(self, what):
            dist.all_gather(list(found), a.contiguous(), group=self.group)
        return found

    def gather_shares(self, a, share, what):
        """Return the matrix whose consecutive rows the processes have, at most ``share`` each."""
        if a.shape[0] < share:
            a = torch.cat([a, a.new_zeros((share - a.shape[0], *a.shape[1:]))])
        return self.gather(a, what).flatten(0, 1)

    def gather_objects(self, thing, what):
        """Return the list of the Python objects that the processes give."""
        found = [thing] * self.size
        if self.size > 1:
            with explained(self, what):
                dist.all_gather_object(found, thing, group=self.group)
        return found

    def broadcast(self, tensors_of, what):
        """Write to tensors of every process what their owner has there.

        ``tensors_of`` is a list of (owner, tensor). All are under way at once.
        """
        if self.size == 1:
            return
        with explained(self, what):
            works = [
                dist.broadcast(a, self._global(owner), group=self.group, async_op=True)
                for owner, a in tensors_of
            ]
            for work in works:
                work.wait()

    def send(self, a, source, target, what):
        """Bring a tensor from one process to another; the others need not call this."""
        with explained(self, what):
            if self.rank == source:
                dist.send(a, self._global(target), group=self.group)
            elif self.rank == target:
                dist.recv(a, self._global(source), group=self.group)

    def confirm(self, what, error=None, key=0):
        """Go on if no process had an error and all have the same key, an integer.

        Raises
        ------
        RankError
            In every process.
        """
        failed = [int(error is not None), key]
        table = torch.tensor(failed, dtype=torch.int64, device=self._meeting_place())
        table = self.gather(table, what).tolist()
        if any(bad for bad, _ in table):
            said = None if error is None else f"{type(error).__name__}: {error}"
            for rank, text in enumerate(self.gather_objects(said, what)):
                if text is not None:
                    raise RankError(f"{what} failed on rank {rank} of {self.size}: {text}") \
                        from error  # fmt: skip
        if len({found for _, found in table}) > 1:
            others = [rank for rank, row in enumerate(table) if row[1] != table[0][1]]
            raise RankError(
                f"{what}: {_ranks(others)} of {self.size} would exchange other parameters than "
                "rank 0; all must have the same model, groups and parameters with gradients, "
                "and have made as many steps"
            )

    def absent(self):
        """Return the ranks that do not report a failure within some seconds, None if unknown."""
        try:
            store = dist.distributed_c10d._get_default_store()
            keys = [f"linalg_ml/lost/{self._global(rank)}" for rank in range(self.size)]
            store.set(keys[self.rank], "1")
            until = time.monotonic() + _GRACE
            while not store.check(keys) and time.monotonic() < until:
                time.sleep(_POLL)
            return [rank for rank, key in enumerate(keys) if not store.check([key])]
        except (RuntimeError, AttributeError):  # what keeps the store may be what is lost
            return None

    def _global(self, rank):
        return rank if self.group is None else dist.get_global_rank(self.group, rank)

    def _meeting_place(self):
        """Return the device of tensors that the group can always exchange."""
        on_gpu = dist.get_backend(self.group) == "nccl"
        return torch.device("cuda", torch.cuda.current_device()) if on_gpu else "cpu"


@contextmanager
def explained(processes, what):
    """Turn the error of a lost connection into one that names what failed, and where."""
    try:
        yield
    except RankError:
        raise
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        if not any(sign in str(error).lower() for sign in _SIGNS):
            raise
        lost = processes.absent()
        if lost is None:
            who = "the process that keeps the store of the group, usually rank 0, is not there"
        elif lost:
            who = f"no sign of {_ranks(lost)}, which ended, or hang or wait for one that did"
        else:
            who = "all processes are there, but did not answer in time"
        raise RankError(
            f"{what} failed, as seen by rank {processes.rank} of {processes.size}: {who}; start "
            f"again from the last checkpoint, on any number of processes. The transport says: "
            f"{reason}"
        ) from error


@contextmanager
def explain_lost_ranks(process_group=None, *, during="training"):
    """Turn errors of lost connections within this context into a `RankError` that says who is lost.

    Around a training loop it sees also what fails outside the optimizer, as in the backward pass
    of DistributedDataParallel.

    Parameters
    ----------
    process_group : torch.distributed.ProcessGroup, optional
        None is the default group.
    during : str
        What the message says that failed.

    Raises
    ------
    RankError
        In place of the RuntimeError of the transport. Other errors pass.

    Notes
    -----
    It takes 5 seconds to find out which ranks are lost: all that are left say so in the store of
    the group and wait for the others. The error comes as soon as a connection is closed, and if
    a process hangs, after the ``timeout`` given to ``torch.distributed.init_process_group``,
    which is half an hour by default.
    """
    with explained(Processes(process_group), during):
        yield


def _ranks(ranks):
    """Return the words for some ranks."""
    return f"rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))}"
