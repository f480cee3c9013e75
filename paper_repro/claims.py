"""Checking claims: a claim reads the records of its figure and computes nothing else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from paper_repro.claim_statistics import STATISTICS
from paper_repro.papers import Claim
from paper_repro.selection import same, select

PASSED, FAILED, KNOWN, ERROR, NOT_CHECKED, NO_RECORDS = (
    "PASSED",
    "FAILED",
    "KNOWN TO FAIL",
    "ERROR",
    "NOT CHECKED",
    "NO RECORDS",
)


@dataclass(frozen=True)
class Outcome:
    """What became of a claim, and why."""

    claim: Claim
    status: str
    detail: str

    @property
    def is_wrong(self) -> bool:
        """Whether the claim was looked at and does not hold, and nobody said so beforehand."""
        return self.status in (FAILED, ERROR)


def not_checkable(claim: Claim, level: str, backend: str) -> str | None:
    """Say why a claim cannot be checked on such records; None if it can."""
    if "cannot_check" in claim.spec:
        return claim.spec["cannot_check"]
    if claim.level == "full" and level != "full":
        return "needs the records of a full run (--full)"
    if claim.level == "quick only" and level != "quick":
        return "is about the quick parameters only"
    wanted = claim.spec.get("backend")
    if wanted is not None and wanted != backend:
        return f"needs --backend {wanted}, these records are from {backend}"
    return None


def check(claim: Claim, records: Sequence[dict], level: str, backend: str) -> Outcome:
    """Check one claim.

    Parameters
    ----------
    claim : Claim
    records : sequence of dict
        All records of the claim's figure.
    level, backend : str
        What the records were computed under.
    """
    reason = not_checkable(claim, level, backend)
    if reason is not None:
        return Outcome(claim, NOT_CHECKED, reason)
    spec = claim.spec
    try:
        chosen = select(records, spec.get("select", {}))
        value = STATISTICS[spec["statistic"]].compute(chosen, spec)
        holds, relation = _compare(value, spec)
    except ValueError as error:
        return Outcome(claim, ERROR, str(error))
    name = " ".join(str(spec[k]) for k in ("statistic", "field") if k in spec)
    found = f"{name} = {_text(value)}, {relation}"
    if "deviates" not in spec:
        return Outcome(claim, PASSED if holds else FAILED, found)
    if holds:
        return Outcome(claim, ERROR, f"{found}: it holds, but is said to deviate; correct that")
    return Outcome(claim, KNOWN, f"{found}: {spec['deviates']}")


def _compare(value, spec) -> tuple[bool, str]:
    """Compare a statistic with what the claim expects; NaN meets nothing."""
    relation = next(key for key in ("equals", "at_most", "at_least") if key in spec)
    expected = spec[relation]
    words = {"equals": "expected", "at_most": "at most", "at_least": "at least"}[relation]
    text = f"{words} {_text(expected)}"
    if isinstance(expected, (str, bool)):
        return same(expected, value), text
    if isinstance(value, (str, bool)) or value is None:
        raise ValueError(f"the statistic is {value!r}, a number is expected")
    margin = max(spec.get("rel", 0.0) * abs(expected), spec.get("abs", 0.0))
    if margin:
        text += f" +- {margin:.3g}"
    if math.isnan(value):
        return False, text
    if relation == "at_most":
        return value <= expected + margin, text
    if relation == "at_least":
        return value >= expected - margin, text
    # An expected infinity is met by itself alone, whatever the tolerance.
    return value == expected or abs(value - expected) <= margin < math.inf, text


def _text(value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def table(outcomes: Sequence[Outcome]) -> str:
    """Lay out outcomes in lines: status, claim, what was found, where the paper says it."""
    lines, paper = [], None
    width = max((len(o.claim.id) for o in outcomes), default=0)
    for outcome in outcomes:
        if outcome.claim.paper != paper:
            paper = outcome.claim.paper
            lines.append(f"{paper}")
        lines.append(
            f"  {outcome.status:<13}  {outcome.claim.id:<{width}}  {outcome.detail}"
            f"  ({outcome.claim.where})"
        )
    counts = [(s, sum(o.status == s for o in outcomes)) for s in
              (PASSED, FAILED, KNOWN, ERROR, NOT_CHECKED, NO_RECORDS)]  # fmt: skip
    lines.append(", ".join(f"{n} {s.lower()}" for s, n in counts if n) or "no claims")
    return "\n".join(lines)
