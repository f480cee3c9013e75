"""Reading paper.toml: every mistake is reported with the file, the entry and the key."""

import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from paper_repro.claim_statistics import check_keys
from paper_repro.selection import check_condition

FOLDER = Path(__file__).parent

TEXT, NUMBER, TABLE, LIST = (str,), (int, float), (dict,), (list,)
VALUE = (str, int, float, bool)
# key -> (types, required)
PAPER_KEYS = {
    "title": (TEXT, True),
    "authors": (TEXT, True),
    "year": ((int,), True),
    "arxiv": (TEXT, False),
    "doi": (TEXT, False),
    "notes": (TEXT, False),
}
FIGURE_KEYS = {
    "id": (TEXT, True),
    "study": (TEXT, True),
    "title": (TEXT, True),
    "drawing": (TEXT, False),
    "paper_figure": (TEXT, False),
    "level": (TEXT, False),
    "select": (TABLE, False),
    "notes": (TEXT, False),
}
CLAIM_KEYS = {
    "id": (TEXT, True),
    "figure": (TEXT, True),
    "text": (TEXT, True),
    "where": (TEXT, True),
    "level": (TEXT, False),
    "backend": (TEXT, False),
    "cannot_check": (TEXT, False),
    "deviates": (TEXT, False),
    "select": (TABLE, False),
    "statistic": (TEXT, False),
    "field": (TEXT, False),
    "against": (TEXT, False),
    "condition": ((*VALUE, dict, list), False),
    "over": (TABLE, False),
    "under": (TABLE, False),
    "reduce": (TEXT, False),
    "pair_by": (LIST, False),
    "equals": (VALUE, False),
    "at_most": (NUMBER, False),
    "at_least": (NUMBER, False),
    "rel": (NUMBER, False),
    "abs": (NUMBER, False),
    "notes": (TEXT, False),
}
BOUNDS = ("equals", "at_most", "at_least")
RESERVED = ("all", "studies")  # a name on the command line, a folder of the gallery
CLAIM_LEVELS = ("quick", "quick only", "full")
FIGURE_LEVELS = ("quick", "full")  # from which level on it is drawn


class PaperError(ValueError):
    """A paper.toml that cannot be used."""


@dataclass(frozen=True)
class Figure:
    """One figure of a paper: records of a study, drawn by a drawing."""

    paper: str
    id: str
    study: str
    drawing: str
    title: str
    paper_figure: str | None = None
    select: Mapping = field(default_factory=dict)
    level: str = "quick"


@dataclass(frozen=True)
class Claim:
    """One checkable sentence of a paper; `spec` holds the entry of paper.toml."""

    paper: str
    id: str
    figure: Figure
    text: str
    where: str
    level: str
    spec: Mapping


@dataclass(frozen=True)
class Paper:
    """One paper.toml."""

    name: str
    about: Mapping
    figures: tuple[Figure, ...]
    claims: tuple[Claim, ...]


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of the papers: the folders that hold a paper.toml."""
    return sorted(path.parent.name for path in folder.glob("*/paper.toml"))


def load(name: str, studies: Collection[str], drawings: Collection[str], folder=FOLDER) -> Paper:
    """Read and check one paper.

    Parameters
    ----------
    name : str
        The name of its folder.
    studies, drawings : collection of str
        What figures may refer to.
    """
    path = folder / name / "paper.toml"
    file = f"{folder.name}/{name}/paper.toml"
    if name in RESERVED:
        raise PaperError(f"{file}: a paper cannot be called {name!r}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PaperError(f"{file}: not valid TOML: {error}") from None
    sections = {"paper": dict, "figure": list, "claim": list}
    for key, value in content.items():
        if key not in sections:
            raise PaperError(
                f"{file}: unknown section {key!r}; known: [paper], [[figure]], [[claim]]"
            )
        if not isinstance(value, sections[key]):
            brackets = f"[{key}]" if sections[key] is dict else f"[[{key}]]"
            raise PaperError(f"{file}: {key!r} must be written as {brackets}")
    if "paper" not in content or not content.get("figure"):
        raise PaperError(f"{file}: a [paper] section and at least one [[figure]] are needed")
    _check_keys(content["paper"], PAPER_KEYS, f"{file}: [paper]")
    figures = {}
    for number, entry in enumerate(content["figure"], 1):
        figure = _figure(name, entry, f"{file}: figure {entry.get('id', number)!r}")
        where = f"{file}: figure {figure.id!r}"
        if figure.id in figures:
            raise PaperError(f"{where} is there twice")
        for key, value, known in (
            ("study", figure.study, studies),
            ("drawing", figure.drawing, drawings),
        ):
            if value not in known:
                raise PaperError(
                    f"{where}: {key} = {value!r} does not exist; known: {', '.join(sorted(known))}"
                )
        figures[figure.id] = figure
    claims = {}
    for number, entry in enumerate(content.get("claim", []), 1):
        where = f"{file}: claim {entry.get('id', number)!r}"
        claim = _claim(name, entry, figures, where)
        if claim.id in claims:
            raise PaperError(f"{where} is there twice")
        claims[claim.id] = claim
    return Paper(name, content["paper"], tuple(figures.values()), tuple(claims.values()))


def _check_keys(entry: Mapping, known: Mapping, where: str) -> None:
    for key, value in entry.items():
        if key not in known:
            raise PaperError(f"{where}: unknown key {key!r}; known keys: {', '.join(known)}")
        types = known[key][0]
        # bool is an int to Python; a tolerance of `true` is a mistake.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            wanted = " or ".join(t.__name__ for t in types)
            raise PaperError(f"{where}: {key} must be of type {wanted}, got {value!r}")
    for key, (_, required) in known.items():
        if required and key not in entry:
            raise PaperError(f"{where}: the key {key!r} is missing")


def _figure(paper: str, entry: Mapping, where: str) -> Figure:
    _check_keys(entry, FIGURE_KEYS, where)
    if not entry["id"].replace("-", "_").isidentifier():
        raise PaperError(f"{where}: id must be made of letters, digits, - and _")
    _check_conditions(entry.get("select", {}), f"{where}: select")
    level = entry.get("level", "quick")
    if level not in FIGURE_LEVELS:
        raise PaperError(f"{where}: level must be {' or '.join(FIGURE_LEVELS)}, got {level!r}")
    return Figure(
        paper,
        entry["id"],
        entry["study"],
        entry.get("drawing", entry["study"]),
        entry["title"],
        entry.get("paper_figure"),
        entry.get("select", {}),
        level,
    )


def _claim(paper: str, entry: Mapping, figures: Mapping, where: str) -> Claim:
    _check_keys(entry, CLAIM_KEYS, where)
    if entry["figure"] not in figures:
        raise PaperError(
            f"{where}: figure = {entry['figure']!r} is not a figure of this paper; "
            f"its figures: {', '.join(figures)}"
        )
    level = entry.get("level", "quick")
    if level not in CLAIM_LEVELS:
        raise PaperError(f"{where}: level must be one of {', '.join(CLAIM_LEVELS)}, got {level!r}")
    _check_conditions(entry.get("select", {}), f"{where}: select")
    bounds = [key for key in BOUNDS if key in entry]
    if "cannot_check" not in entry or "statistic" in entry or bounds:
        if "statistic" not in entry:
            raise PaperError(f"{where}: the key 'statistic' is missing (or 'cannot_check')")
        if len(bounds) != 1:
            raise PaperError(f"{where}: exactly one of {', '.join(BOUNDS)} is needed, got {bounds}")
        try:
            check_keys(entry, where)
        except ValueError as error:
            raise PaperError(str(error)) from None
    for key in ("rel", "abs"):
        if key not in entry:
            continue
        if not 0 <= entry[key] < math.inf:
            raise PaperError(f"{where}: {key} must be finite and not negative, got {entry[key]!r}")
        if not all(type(entry[b]) in NUMBER for b in bounds):
            raise PaperError(f"{where}: {key} makes sense for a number only")
    for key in bounds:
        if entry[key] != entry[key]:
            raise PaperError(f"{where}: {key} = nan is met by nothing")
    if "equals" in bounds and type(entry["equals"]) is float and not {"rel", "abs"} & set(entry):
        raise PaperError(f"{where}: equals with a decimal number needs a tolerance, rel or abs")
    return Claim(
        paper, entry["id"], figures[entry["figure"]], entry["text"], entry["where"], level, entry
    )


def _check_conditions(conditions: Mapping, where: str) -> None:
    for name, condition in conditions.items():
        try:
            check_condition(condition, f"{where}.{name}")
        except ValueError as error:
            raise PaperError(str(error)) from None
