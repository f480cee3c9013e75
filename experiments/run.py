"""Compute the records of a study, or load them: what is stored is never computed again."""

import sys
import time
import traceback
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from experiments import cache, provenance
from experiments.digest import CodeDigest
from experiments.progress import Progress
from experiments.study import Context, Study, flat

ROOT = Path(__file__).parent.parent
_POLL = 0.2  # seconds between looks at a cell that another process computes


class StudyFailed(Exception):
    """Some cells of a study could not be computed; the others are stored."""


class MissingRecords(Exception):
    """Records wanted without computing are not all there."""


@dataclass(frozen=True)
class Conditions:
    """What a study is run under."""

    level: str = "quick"
    backend: str = "numpy"
    seed: int = 0


@dataclass(frozen=True)
class Cell:
    """One cell of a plan and where its records are kept."""

    parameters: dict
    digest: str
    path: Path
    cost: float


@dataclass
class StudyRun:
    """The records of one study and where they come from.

    Attributes
    ----------
    records : list of dict
        In the order of the plan, however they were computed.
    computed, stored : int
        Cells computed now, and cells found in the cache.
    seconds : float
        Time that computing all these records took, whenever that was.
    origins : list of dict
        Each different provenance among the cells.
    """

    study: Study
    conditions: Conditions
    code: CodeDigest
    records: list[dict] = field(default_factory=list)
    computed: int = 0
    stored: int = 0
    seconds: float = 0.0
    origins: list[dict] = field(default_factory=list)

    def add(self, stored: cache.Stored) -> None:
        """Add the records of one complete cell."""
        self.records += stored.records
        self.seconds += stored.seconds
        origin = stored.header["provenance"]
        same = [o for o in self.origins if {**o, "date": None} == {**origin, "date": None}]
        if not same:
            self.origins.append(origin)


class Plan:
    """The cells of a study under given conditions and the state of their records.

    Parameters
    ----------
    study : Study
    conditions : Conditions
    folder : Path
        Where records are kept.
    root : Path, optional
        Folder that ``study.data`` is relative to.
    """

    def __init__(self, study: Study, conditions: Conditions, folder: Path, root: Path = ROOT):
        if conditions.backend not in study.backends:
            raise ValueError(
                f"study {study.name!r} runs on {', '.join(study.backends)}, "
                f"not on {conditions.backend}"
            )
        self.study, self.conditions, self.root = study, conditions, root
        self.code = CodeDigest(study, conditions.backend, root)
        self._checked: set[str] = set()  # modules loaded since, as the digest has them
        self.cells = []
        for parameters in study.plan(conditions.level):
            digest = self.code.cell(parameters, conditions.seed)
            path = folder / study.name / f"{digest[:32]}.jsonl"
            self.cells.append(Cell(parameters, digest, path, study.cost(parameters)))

    def missing(self) -> list[Cell]:
        """Return the cells whose records are not all stored."""
        return [c for c in self.cells if not cache.read(c.path, c.digest).complete]

    def seconds(self, cells: list[Cell]) -> float:
        """Return the estimated time of some of the cells."""
        whole = sum(cell.cost for cell in self.cells)
        part = sum(cell.cost for cell in cells)
        return self.study.seconds(self.conditions.level) * (part / whole if whole else 0.0)

    def load(self) -> StudyRun:
        """Return the stored records; raise MissingRecords unless all are there."""
        run = StudyRun(self.study, self.conditions, self.code)
        missing = damaged = 0
        for cell in self.cells:
            stored = cache.read(cell.path, cell.digest)
            if stored.complete:
                run.add(stored)
                run.stored += 1
            else:
                missing += 1
                damaged += stored.damage is not None
        if missing:
            what = f" ({damaged} of them in a damaged file)" if damaged else ""
            raise MissingRecords(
                f"{missing} of {len(self.cells)} cells of {self.study.name} "
                f"({self.conditions.level}) have no records{what}"
            )
        return run

    def run(self, progress: Progress) -> StudyRun:
        """Compute what is missing and return all records.

        A cell that fails does not stop the others; StudyFailed is raised at the end. Cells that
        another process is computing are left to it and waited for.
        """
        missing = self.missing()
        progress.start(
            self.study.name,
            len(self.cells),
            len(self.cells) - len(missing),
            sum(cell.cost for cell in missing),
            self.seconds(missing),
        )
        waiting = deque(missing)
        origin = provenance.collect(self.root, self.conditions.backend, self.code.versions)
        failures, computed, busy = [], 0, 0
        loaded = set(sys.modules)
        while waiting:
            cell = waiting.popleft()
            writer = cache.Writer.open(cell.path, cell.digest)
            if writer is None:
                waiting.append(cell)
                busy += 1
                if busy == len(waiting):
                    progress.note(f"{self.study.name}: waiting for another process")
                if busy >= len(waiting):  # every cell left is somebody else's
                    time.sleep(_POLL)
                continue
            busy = 0
            with writer:
                if writer.stored.damage:
                    progress.note(
                        f"{self.study.name}: in {cell.path.name} {writer.stored.damage}; "
                        "it is not used, what it held is computed again"
                    )
                if not writer.stored.complete:
                    try:
                        self._compute(cell, writer, origin)
                        self._check_modules(set(sys.modules) - loaded)
                        writer.complete({"date": provenance.now()})
                        computed += 1
                    except Exception as error:
                        if not failures:
                            progress.note("".join(traceback.format_exception(error)).rstrip())
                        failures.append((cell, error))
            progress.step(cell.cost)
        if failures:
            cell, error = failures[0]
            raise StudyFailed(
                f"{len(failures)} of {len(self.cells)} cells failed, the first at "
                f"{cell.parameters}: {type(error).__name__}: {error}"
            )
        run = self.load()
        run.computed, run.stored = computed, len(self.cells) - computed
        return run

    def _compute(self, cell: Cell, writer: cache.Writer, origin: dict) -> None:
        """Compute one cell, appending each record as it comes."""
        stored = writer.stored
        study, where = self.study, f"study {self.study.name!r}, a record of {cell.parameters}"
        context = Context(
            self.conditions.backend, self.conditions.seed, self.root, tuple(stored.records)
        )
        number = 0

        def begin():
            # Only now has the study said, by what it asked of the context, whether it can go on.
            if context.goes_on and context.stored:
                writer.resume()
                return len(context.stored)
            header = {
                "cell": cache.encode(cell.parameters),
                "seed": self.conditions.seed,
                "code": self.code.ingredients,
                "provenance": origin,
            }
            writer.start(header)
            return 0

        clock = time.perf_counter()
        for record in study.compute(dict(cell.parameters), context):
            record = flat(record, where)
            for key, value in cell.parameters.items():
                if key in record and record[key] != value:
                    raise ValueError(f"{where}: field {key!r} changes a parameter of the cell")
            number = number or begin()
            now = time.perf_counter()
            writer.append({**cell.parameters, **record}, now - clock)
            number, clock = number + 1, now
        number = number or begin()
        if number == 0:
            raise ValueError(f"study {study.name!r} yields no record for {cell.parameters}")
        if context.items is not None and number != context.items:
            raise ValueError(
                f"study {study.name!r} takes {context.items} items from context.remaining but "
                f"yields {number} records; it must yield one for each"
            )

    def _check_modules(self, loaded: set[str]) -> None:
        """Refuse to complete a cell that ran on source its digest does not cover."""
        ours = {m for m in loaded if m.partition(".")[0] in ("linalg_ml", "experiments")}
        unseen = sorted(ours - self.code.modules)
        if unseen:
            raise RuntimeError(
                f"study {self.study.name!r} loads {', '.join(unseen)}, which its cache digest does "
                "not cover; import it in a way that can be read, or name it in Study.modules"
            )
        # A module loaded late may be newer than the digest; one checked before stays as it was.
        for name in sorted(ours - self._checked):
            if not self.code.still_holds(name):
                raise RuntimeError(f"the source of {name} was edited while the study ran")
            self._checked.add(name)
