"""The table behind the precision study: families of problems, their metrics, and rows of solvers.

A row says how one solver runs on one family of problems. Rows live in the modules of
`experiments.precision_rows`, each with a list ``ROWS``; the modules are found by listing that
package, so a solver enters the study with one small file and no other edit.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from experiments import precision_rows
from linalg_ml import Precision

PRECISIONS = {
    "fp64": Precision("fp64"),
    "fp32": Precision("fp32"),
    "tf32": Precision("tf32"),
    "fp16": Precision("fp16"),
    "bf16": Precision("bf16"),
    "bf16 each": Precision("bf16", "each"),
}
ROLES = ("check", "error", "floor", "cost", "about")
KINDS = ("solver", "past convergence", "fixed steps", "reference")


@dataclass(frozen=True)
class Metric:
    """One measured field of the table.

    Attributes
    ----------
    field : str
        Its name in the records.
    role : str
        "check": what can be tested without knowing the answer; "error": the distance to the exact
        answer; "floor": what of that error no solver can avoid; "cost"; "about": anything else.
    text : str
        What it is, in one sentence.
    """

    field: str
    role: str
    text: str

    def __post_init__(self):
        if self.role not in ROLES:
            raise ValueError(f"role must be one of {ROLES}, got {self.role!r}")


STATUS = Metric("status", "about", "How the solver says it ended.")
NIT = Metric("nit", "cost", "Steps made.")
PRODUCTS = Metric("products", "cost", "Matrix products of the iteration in the precision tested.")


@dataclass(frozen=True)
class Family:
    """A kind of problem that several solvers solve: polar factors, signs, linear systems.

    Attributes
    ----------
    name : str
    problems : mapping
        Level ("quick", "full") to the problems' parameters, flat dicts with a "problem" name.
    load : callable
        ``load(parameters, context)`` makes a problem of its parameters: any object.
    describe : callable
        ``describe(problem, precision)`` returns the fields known without a solver, such as the
        condition number and the floor in that precision (a `linalg_ml.Precision`).
    metrics : tuple of Metric
        Every field that `describe` and a row's ``run`` give, together.
    applies : callable
        ``applies(parameters, precision)``: whether the problem makes sense in that precision.
    """

    name: str
    problems: Mapping[str, Sequence[dict]]
    load: Callable
    describe: Callable
    metrics: tuple[Metric, ...]
    applies: Callable[[dict, str], bool] = lambda parameters, precision: True

    def field(self, role: str) -> str:
        """Return the one field that plays the role of "check" or "error"."""
        (field,) = (metric.field for metric in self.metrics if metric.role == role)
        return field


@dataclass(frozen=True)
class Row:
    """One solver on one family.

    Attributes
    ----------
    solver : str
    family : Family
    run : callable
        ``run(problem, precision)`` solves in a `linalg_ml.Precision` and returns the metrics that
        `Family.describe` does not give.
    kind : str
        "solver"; "past convergence" for one that goes on until only rounding is left; "fixed
        steps" for one that makes a number of steps and converges to nothing; "reference" for
        one that leaves the precision inside and only rounds its result to it.
    precisions : tuple of str
        Names of `PRECISIONS` it is run in.
    applies : callable
        ``applies(parameters)``: whether it can take this problem.
    """

    solver: str
    family: Family
    run: Callable[[object, Precision], Mapping]
    kind: str = "solver"
    precisions: tuple[str, ...] = tuple(PRECISIONS)
    applies: Callable[[dict], bool] = lambda parameters: True

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, got {self.kind!r}")

    def cells(self, parameters: dict) -> list[str]:
        """Return the precisions in which this row solves a problem."""
        if not self.applies(parameters):
            return []
        return [p for p in self.precisions if self.family.applies(parameters, p)]


def rows() -> list[Row]:
    """Return every row of every module in `experiments.precision_rows`, in order of the names.

    Raises
    ------
    ValueError
        If two rows are called the same, or two families.
    """
    found, families = {}, {}
    for name in sorted(module.name for module in pkgutil.iter_modules(precision_rows.__path__)):
        module = importlib.import_module(f"experiments.precision_rows.{name}")
        for row in module.ROWS:
            if families.setdefault(row.family.name, row.family) is not row.family:
                raise ValueError(f"there are two families {row.family.name!r}")
            key = row.family.name, row.solver
            if found.setdefault(key, row) is not row:
                raise ValueError(f"there are two rows {row.solver!r} of family {key[0]!r}")
    return list(found.values())


def problems(level: str) -> list[dict]:
    """Return the parameters of every problem that some row solves, with the family's name."""
    families = {row.family.name: row.family for row in rows()}
    return [
        {"family": name, **parameters}
        for name, family in families.items()
        for parameters in family.problems[level]
    ]


def pairs(parameters: dict) -> list[tuple[Row, str]]:
    """Return the rows and precisions that meet a problem, as listed by `problems`."""
    return [
        (row, precision)
        for row in rows()
        if row.family.name == parameters["family"]
        for precision in row.cells(parameters)
    ]


def record(row: Row, problem, precision: str) -> dict:
    """Solve one problem by one row in one precision; return the fields of the record."""
    policy = PRECISIONS[precision]
    values = {**row.family.describe(problem, policy), **row.run(problem, policy)}
    wanted = [metric.field for metric in row.family.metrics]
    if sorted(values) != sorted(wanted):
        odd = sorted(set(values) ^ set(wanted))
        raise ValueError(
            f"row {row.solver!r} of family {row.family.name!r} and the metrics of that family "
            f"differ in {', '.join(odd)}"
        )
    return {
        "solver": row.solver,
        "kind": row.kind,
        "precision": precision,
        "unit_roundoff": policy.unit_roundoff,
        "check": row.family.field("check"),
        "error": row.family.field("error"),
        **{field: values[field] for field in wanted},
    }
