"""Each method in each precision: the worst it does, as two tables of coloured numbers."""

import math

from figures.precision import QUESTIONS, good, texts
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "The largest value over the problems of the title, in which the real matrices count on their "
    "resolved directions. A method that diverges on any of them is marked so. 'Goes on': the "
    "default solver for 32 steps, past its convergence. 'Fixed steps': the lists known from "
    "optimizers, which converge to nothing and look alike in every precision. 'Reference': the "
    "SVD, computed in fp32 (fp64 in the last column) and only rounded to the precision."
)
COLUMNS = ("bf16 each", "bf16", "fp16", "tf32", "fp32", "fp64")
ORDER = ("solver", "past convergence", "fixed steps", "reference")
WORDS = {"solver": "converges", "past convergence": "goes on", "fixed steps": "fixed\nsteps"}
SHADES = "cividis_r"
RANGE = (1e-8, 1.0)  # colours saturate below


def draw(records):
    """Draw two tables side by side, for the one family whose records these are."""
    from matplotlib.colors import LogNorm

    families = {r["family"] for r in records}
    if len(families) != 1:
        raise ValueError(f"this drawing is for one family at a time, got {sorted(families)}")
    methods = groups(sorted(records, key=lambda r: ORDER.index(r["kind"])), "kind", "solver")
    precisions = [p for p in COLUMNS if any(r["precision"] == p for r in records)]
    height = 1.1 + 0.2 * len(methods)
    figure, axes = new_figure(PAGE, height, columns=2)
    for axis, role in zip(axes[0], ("check", "error"), strict=True):
        field = records[0][role]
        values = [[_worst(rows, p, field) for p in precisions] for rows in methods.values()]
        shown = [[_shade(v) for v in row] for row in values]
        image = axis.imshow(shown, cmap=SHADES, norm=LogNorm(*RANGE), aspect="auto")
        _write(axis, values, image)
        _frame(axis, methods, precisions, first=role == "check")
        axis.set_title(f"{QUESTIONS[role]}: {texts(field)[0]}")
    figure.suptitle(_problems(records), fontsize=8)
    return figure


def _worst(rows, precision, field):
    """Return the largest value, infinity if any run diverged, None if there is no run."""
    rows = [r for r in rows if r["precision"] == precision]
    if not all(good(r, field) for r in rows):
        return math.inf
    return max((r[field] for r in rows), default=None)


def _shade(value):
    if value is None:
        return math.nan
    return min(max(value, RANGE[0]), RANGE[1])


def _write(axis, values, image):
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            if value is None:
                continue
            dark = image.norm(_shade(value)) > 0.55
            text = "diverges" if math.isinf(value) else _number(value)
            weight = "bold" if math.isinf(value) else "normal"
            colour = "white" if dark else "black"
            axis.text(j, i, text, ha="center", va="center", fontsize=6, color=colour, weight=weight)


def _number(value):
    """Write a number as briefly as a table wants it.

    Examples
    --------
    >>> _number(0.0712), _number(2.5e-7), _number(0.83)
    ('0.07', '3e-7', '0.83')
    """
    if value >= 0.01:
        return f"{value:.2f}"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _frame(axis, methods, precisions, first):
    axis.set_xticks(range(len(precisions)), [p.replace(" ", "\n") for p in precisions])
    axis.set_yticks(range(len(methods)), [solver for _, solver in methods] if first else [])
    axis.tick_params(length=0)
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    for j in range(1, len(precisions)):
        axis.axvline(j - 0.5, color="white", linewidth=1)
    kinds = [kind for kind, _ in methods]
    for i in range(1, len(kinds)):
        axis.axhline(i - 0.5, color="white", linewidth=5 if kinds[i] != kinds[i - 1] else 1)
    if not first:
        for kind in dict.fromkeys(kinds):
            places = [i for i, k in enumerate(kinds) if k == kind]
            words = WORDS.get(kind, kind)
            axis.text(len(precisions) - 0.4, sum(places) / len(places), words, va="center",
                      fontsize=7, rotation=90 if len(places) > 2 else 0)  # fmt: skip


def _problems(records):
    """Say which problems the worst is taken over."""
    by_source = groups(records, "source")
    counts = [f"{len({r['problem'] for r in rows})} {name}" for name, rows in by_source.items()]
    ends = [f"{f(r['condition'] for r in records):.0f}" for f in (min, max)]
    return f"Worst of {' and '.join(counts)} matrices, condition numbers {ends[0]} to {ends[1]}"
