"""Choosing records: field = value, a list of values, or a range."""

import math
from collections.abc import Mapping, Sequence

RANGE_KEYS = ("min", "max", "above", "below", "not")


class EmptySelection(ValueError):
    """A condition that no record meets: the claim or figure is wrong, never right by default."""


def check_condition(condition, where: str) -> None:
    """Raise ValueError unless a condition from a paper.toml is a value, a list or a range."""
    if isinstance(condition, Mapping):
        unknown = [key for key in condition if key not in RANGE_KEYS]
        if unknown or not condition:
            raise ValueError(
                f"{where}: a range has the keys {', '.join(RANGE_KEYS)}, got {dict(condition)}"
            )
        for key in ("min", "max", "above", "below"):
            if key in condition and not _is_number(condition[key]):
                raise ValueError(f"{where}: {key} must be a number, got {condition[key]!r}")
    elif isinstance(condition, list):
        if not condition or any(isinstance(v, (list, dict)) for v in condition):
            raise ValueError(f"{where}: a list holds at least one plain value, got {condition}")
    elif not isinstance(condition, (bool, int, float, str)):
        raise ValueError(f"{where}: expected a value, a list or a range, got {condition!r}")


def select(records: Sequence[dict], conditions: Mapping) -> list[dict]:
    """Return the records that meet all conditions.

    Parameters
    ----------
    records : sequence of dict
    conditions : mapping
        Field to a value, to a list of values, or to a range: a table with some of ``min``,
        ``max`` (inclusive), ``above``, ``below`` (exclusive) and ``not``.

    Raises
    ------
    EmptySelection
        If no record is left, a field is in no record, or a value listed by name is in none:
        a misspelt method must not silently drop out of a claim.
    """
    for name, condition in conditions.items():
        present = [r[name] for r in records if name in r]
        if not present:
            fields = sorted({key for record in records for key in record})
            raise EmptySelection(f"no record has a field {name!r}; fields: {', '.join(fields)}")
        if not isinstance(condition, Mapping):
            for value in condition if isinstance(condition, list) else [condition]:
                if not any(same(value, p) for p in present):
                    raise EmptySelection(f"no record has {name} = {value!r}; {_sample(present)}")
    chosen = [r for r in records if all(meets(r, n, c) for n, c in conditions.items())]
    if not chosen:
        raise EmptySelection(f"no record has {_words(conditions)}")
    return chosen


def same(wanted, value) -> bool:
    """Whether a value written in a paper.toml is this value of a record."""
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    if _is_number(wanted) and _is_number(value):
        return math.isclose(wanted, value, rel_tol=1e-12)
    return wanted == value


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def meets(record: dict, name: str, condition) -> bool:
    """Whether one record meets one condition."""
    if name not in record:
        return False
    value = record[name]
    if isinstance(condition, list):
        return any(same(wanted, value) for wanted in condition)
    if not isinstance(condition, Mapping):
        return same(condition, value)
    if "not" in condition and same(condition["not"], value):
        return False
    if any(key != "not" for key in condition) and not _is_number(value):
        return False
    return (
        ("min" not in condition or value >= condition["min"])
        and ("max" not in condition or value <= condition["max"])
        and ("above" not in condition or value > condition["above"])
        and ("below" not in condition or value < condition["below"])
    )


def _words(conditions: Mapping) -> str:
    """Say conditions in words."""
    return " and ".join(f"{name} = {value!r}" for name, value in conditions.items())


def _sample(values: list) -> str:
    """Say which values a field has."""
    known = sorted({repr(v) for v in values})
    more = f" and {len(known) - 12} more" if len(known) > 12 else ""
    return f"it has {', '.join(known[:12])}{more}"
