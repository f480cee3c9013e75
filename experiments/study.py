"""What a study is: a name, a grid of cells, and the function that computes one cell.

Every study imports this module, so its source is part of every cache digest: keep it small.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LEVELS = ("quick", "full")
BACKENDS = ("numpy", "cupy")


def grid(parameters: Mapping) -> list[dict]:
    """Cross every list or tuple among the parameters; scalars are the same in every cell.

    Examples
    --------
    >>> grid({"n": [1, 2], "method": "svd"})
    [{'n': 1, 'method': 'svd'}, {'n': 2, 'method': 'svd'}]
    """
    axes = [v if isinstance(v, (list, tuple)) else [v] for v in parameters.values()]
    return [dict(zip(parameters, point, strict=True)) for point in itertools.product(*axes)]


def flat(record: Mapping, where: str) -> dict:
    """Turn NumPy scalars and 0-d arrays into Python numbers; refuse anything that is not flat.

    Parameters
    ----------
    record : mapping
        Field names to None, bool, int, float, str or 0-d arrays of them.
    where : str
        Named in the message when a value is refused.
    """
    if not isinstance(record, Mapping):
        raise TypeError(f"{where}: expected a dict of scalars, got {type(record).__name__}")
    result = {}
    for key, value in record.items():
        if not isinstance(key, str):
            raise TypeError(f"{where}: field names are strings, got {key!r}")
        if getattr(value, "shape", None) == () and hasattr(value, "item"):
            value = value.item()
        # type() and not isinstance: a subclass would come back from the cache as its base.
        if value is not None and type(value) not in (bool, int, float, str):
            raise TypeError(
                f"{where}: field {key!r} must be None, bool, int, float or str, "
                f"got {type(value).__name__}"
            )
        result[key] = value
    return result


@dataclass
class Context:
    """What a cell may know besides its own parameters.

    The level (quick or full) is left out on purpose: a cell of the same parameters is the same
    computation at both levels, and its records are shared.

    Attributes
    ----------
    backend : str
        "numpy" or "cupy".
    seed : int
    root : Path
        Folder that the paths in ``Study.data`` are relative to.
    stored : sequence of dict
        Records of this cell that an interrupted run has left; ask `remaining` or `earlier`.
    """

    backend: str
    seed: int
    root: Path
    stored: Sequence[Mapping] = ()
    items: int | None = field(default=None, init=False)
    goes_on: bool = field(default=False, init=False)

    @property
    def xp(self):
        """The array library itself."""
        if self.backend == "cupy":
            import cupy

            return cupy
        import numpy

        return numpy

    def rng(self, *keys):
        """Return a numpy Generator that depends on the seed and the keys alone.

        Give the same keys wherever the same random problem is wanted, for instance
        ``context.rng("matrix", n)`` in the cells of all methods.
        """
        import numpy as np

        words = hashlib.sha256(repr(keys).encode()).digest()
        return np.random.default_rng([self.seed, *np.frombuffer(words, dtype="<u4").tolist()])

    def remaining(self, items: Sequence) -> Iterator:
        """Iterate over the items whose record is not stored yet: one record per item.

        A study that loops over ``context.remaining(items)`` and yields exactly one record for
        each loses and repeats nothing when it is interrupted inside a cell. Without it, the
        unfinished cell starts again from its first record.
        """
        items = list(items)
        self.items = len(items)
        self.goes_on = len(self.stored) <= len(items)
        return iter(items[len(self.stored) :] if self.goes_on else items)

    def earlier(self) -> list[dict]:
        """Return the stored records, for a study that goes on behind them by itself.

        For a search, say, whose next step depends on what the steps before have found: what it
        yields then is appended to these.
        """
        self.goes_on = True
        return [dict(record) for record in self.stored]


@dataclass(frozen=True)
class Study:
    """One experiment.

    Attributes
    ----------
    name : str
        The name of the module it stands in.
    title, summary : str
        One line, and a few sentences on what is measured and how.
    compute : callable
        ``compute(cell, context)`` yields flat records; the cell's own parameters are added to
        each record.
    quick, full : mapping
        Parameters of the two levels, handed to `cells`.
    quick_seconds, full_seconds : float
        Rough time of the whole study on two cores.
    cells : callable
        ``cells(parameters)`` lists the flat parameters of the cells; a cell is computed and
        cached as one. The default crosses all lists.
    cost : callable
        ``cost(cell)`` is the relative cost of a cell: it only makes the time left better.
    backends : tuple of str
        Array libraries the study can run on.
    data : tuple of str
        Files it reads, relative to the root of the checkout. Data files shipped inside the
        linalg_ml packages it uses are found without being named.
    modules : tuple of str
        Modules it loads in a way no reader of the source could see; seldom needed.
    timed : bool
        Whether records hold times, which belong to one machine and are not reused on another.
    """

    name: str
    title: str
    summary: str
    compute: Callable[[dict, Context], Iterable[Mapping]]
    quick: Mapping
    full: Mapping
    quick_seconds: float
    full_seconds: float
    cells: Callable[[Mapping], list[dict]] = grid
    cost: Callable[[dict], float] = lambda cell: 1.0
    backends: tuple[str, ...] = ("numpy",)
    data: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    timed: bool = False

    def __post_init__(self):
        for backend in self.backends:
            if backend not in BACKENDS:
                raise ValueError(
                    f"study {self.name!r}: backends must be among {BACKENDS}, got {backend!r}"
                )

    def seconds(self, level: str) -> float:
        """Return the estimated time of a level."""
        return self.quick_seconds if level == "quick" else self.full_seconds

    def plan(self, level: str) -> list[dict]:
        """Return the cells of a level, checked to be flat and different from each other."""
        if level not in LEVELS:
            raise ValueError(f"level must be one of {LEVELS}, got {level!r}")
        parameters = self.quick if level == "quick" else self.full
        where = f"study {self.name!r}, a cell of its {level} parameters"
        cells = [flat(cell, where) for cell in self.cells(parameters)]
        if not cells:
            raise ValueError(f"study {self.name!r} has no cells at level {level!r}")
        seen = set()
        for cell in cells:
            key = repr(sorted(cell.items()))
            if key in seen:
                raise ValueError(f"study {self.name!r} has the cell {cell} twice")
            seen.add(key)
        return cells
