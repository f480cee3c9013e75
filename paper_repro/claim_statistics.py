"""The statistics that claims are made of: small, named, and total only where they are defined.

Each takes the selected records and the claim's own keys and returns one value. What is not
defined (a slope through zeros, a value that is several values) raises ValueError; NaN in gives
NaN out, which no bound accepts.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from paper_repro.selection import check_condition, meets, same, select


@dataclass(frozen=True)
class Statistic:
    """A statistic, the keys a claim must give for it and those it may give."""

    compute: Callable[[Sequence[dict], Mapping], object]
    needs: tuple[str, ...] = ("field",)
    takes: tuple[str, ...] = ()


def column(records: Sequence[dict], name: str) -> list[float]:
    """Return a field of all records as numbers."""
    values = []
    for record in records:
        value = record.get(name)
        if not isinstance(value, (bool, int, float)):
            given = "no" if name not in record else f"the value {value!r} in the"
            raise ValueError(f"{given} field {name!r} in {_short(record)}; a number is needed")
        values.append(float(value))
    return values


def _short(record: dict) -> str:
    items = [f"{k}={v!r}" for k, v in record.items()]
    return "the record " + ", ".join(items[:6]) + (", ..." if len(items) > 6 else "")


def _reduce(values: list[float], how: str) -> float:
    if any(math.isnan(v) for v in values):
        return math.nan
    return REDUCTIONS[how](values)


REDUCTIONS = {
    "min": min,
    "max": max,
    "mean": statistics.fmean,
    "median": statistics.median,
}


def _reduction(how: str) -> Statistic:
    return Statistic(lambda records, claim: _reduce(column(records, claim["field"]), how))


def _value(records, claim):
    """The value of the field, which must be one."""
    missing = [r for r in records if claim["field"] not in r]
    if missing:
        raise ValueError(f"no field {claim['field']!r} in {_short(missing[0])}")
    values = [r[claim["field"]] for r in records]
    if not all(same(values[0], v) for v in values):
        raise ValueError(
            f"'value' needs one value of {claim['field']!r}, the {len(values)} records selected "
            f"have {len({repr(v) for v in values})}; narrow the selection or take min, max, median"
        )
    return values[0]


def _fraction(records, claim):
    """How large a part of the records meets a condition."""
    name = claim["field"]
    if any(name not in r for r in records):
        raise ValueError(f"no field {name!r} in some of the records selected")
    return sum(meets(r, name, claim["condition"]) for r in records) / len(records)


def _ratio(records, claim):
    """A field in one selection over the same field in another, in pairs or after reducing."""
    how = claim.get("reduce", "median")
    above, below = select(records, claim["over"]), select(records, claim["under"])
    name = claim["field"]
    if "pair_by" not in claim:
        return _divide(_reduce(column(above, name), how), _reduce(column(below, name), how))

    def key(record):
        try:
            return tuple(record[k] for k in claim["pair_by"])
        except KeyError as error:
            raise ValueError(f"no field {error} to pair by in {_short(record)}") from None

    tops, bottoms = _by_key(above, key), _by_key(below, key)
    if tops.keys() != bottoms.keys():
        alone = next(iter(tops.keys() ^ bottoms.keys()))
        raise ValueError(f"{', '.join(claim['pair_by'])} = {alone} has no partner to pair with")
    pairs = [_divide(*column([top], name), *column([bottoms[k]], name)) for k, top in tops.items()]
    return _reduce(pairs, how)


def _by_key(records, key):
    found = {}
    for record in records:
        if found.setdefault(key(record), record) is not record:
            raise ValueError(f"two records to pair at {key(record)}; pair by more fields")
    return found


def _divide(top: float, bottom: float) -> float:
    if bottom == 0:
        raise ValueError("the ratio has a zero below")
    return top / bottom


def _slope(records, claim):
    """Least-squares slope of log(field) against log(against)."""
    x, y = column(records, claim["against"]), column(records, claim["field"])
    if any(not (v > 0 and math.isfinite(v)) for v in x + y):
        if any(math.isnan(v) for v in x + y):
            return math.nan
        raise ValueError("a slope in logarithms needs positive finite values")
    return statistics.linear_regression(list(map(math.log, x)), list(map(math.log, y))).slope


def _first(records, claim):
    """The smallest `against` whose record meets the condition on the field; NaN if none does."""
    column(records, claim["field"])
    met = [r for r in records if meets(r, claim["field"], claim["condition"])]
    return min(column(met, claim["against"]), default=math.nan)


def _at(how: Callable) -> Callable:
    """The `against` of the record in which the field is smallest or largest."""

    def compute(records, claim):
        values, places = column(records, claim["field"]), column(records, claim["against"])
        if any(math.isnan(v) for v in values):
            return math.nan
        best = how(values)
        return min(p for v, p in zip(values, places, strict=True) if v == best)

    return compute


STATISTICS = {
    **{how: _reduction(how) for how in REDUCTIONS},
    "value": Statistic(_value),
    "count": Statistic(lambda records, claim: len(records), needs=()),
    "fraction": Statistic(_fraction, ("field", "condition")),
    "ratio": Statistic(_ratio, ("field", "over", "under"), ("reduce", "pair_by")),
    "slope": Statistic(_slope, ("field", "against")),
    "first": Statistic(_first, ("field", "against", "condition")),
    "at_min": Statistic(_at(min), ("field", "against")),
    "at_max": Statistic(_at(max), ("field", "against")),
}


def check_keys(claim: Mapping, where: str) -> None:
    """Raise ValueError unless a claim gives its statistic what that needs, and nothing else."""
    name = claim["statistic"]
    if name not in STATISTICS:
        raise ValueError(f"{where}: unknown statistic {name!r}; known: {', '.join(STATISTICS)}")
    statistic = STATISTICS[name]
    everything = {k for s in STATISTICS.values() for k in (*s.needs, *s.takes)}
    for key in statistic.needs:
        if key not in claim:
            raise ValueError(f"{where}: the statistic {name!r} needs the key {key!r}")
    for key in everything & set(claim):
        if key not in statistic.needs + statistic.takes:
            raise ValueError(f"{where}: the statistic {name!r} has no use for the key {key!r}")
    if "condition" in claim:
        check_condition(claim["condition"], f"{where}: condition")
    for key in ("over", "under"):
        for field, condition in claim.get(key, {}).items():
            check_condition(condition, f"{where}: {key}.{field}")
    if claim.get("reduce", "median") not in REDUCTIONS:
        raise ValueError(f"{where}: reduce must be one of {', '.join(REDUCTIONS)}")
