"""What can be checked, beside the error, against the condition number: one colour a precision."""

import math
from statistics import median

from figures.style import PAGE, PALETTE, groups, new_figure

CAPTION = (
    "Left: what every user can check. Right: the distance to the exact answer in double "
    "precision. Lines: the default solver on synthetic matrices (median); bands: the medians of "
    "all solvers that converge; stars: gradients and momenta of networks in training, measured on "
    "their resolved directions and placed at the condition number of those; dotted: the error of "
    "rounding the input once to the storage format and computing exactly from there on, which no "
    "solver can avoid; dashed: the unit roundoff u. The check stays near u whatever the condition "
    "number; the error grows with it until nothing of the answer is left. TF32 rounds only the "
    "operands of products and stores fp32, and keeps the answer where fp16, of the same u, has "
    "lost it. Hollow: the solver reported that it did not converge (input singular to working "
    "precision, or stagnation). Crosses: a solver diverged, or is off by more than three."
)
COLOURS = {
    "bf16 each": PALETTE[1],
    "bf16": PALETTE[5],
    "fp16": PALETTE[2],
    "tf32": PALETTE[3],
    "fp32": PALETTE[0],
    "fp64": PALETTE[6],
}
NAMES = {
    "bf16 each": "bf16, every operation rounded",
    "bf16": "bf16, one rounding a product",
    "tf32": "TF32, stored in fp32",
}
STORAGE = ("bf16", "fp16", "fp32")  # tf32 is stored in fp32
# Title and axis label of the metrics that have one; any other speaks for itself.
TEXTS = {
    "orthogonality": ("orthogonality", r"$\|XX^T-I\|_F\,/\,\sqrt{m}$"),
    "polar_error": ("the polar factor", r"error $\|X-U\|_F\,/\,\sqrt{m}$"),
    "sign_error": ("the matrix sign", r"error $\|X-\mathrm{sign}(A)\|_F\,/\,\sqrt{m}$"),
    "low_rank_residual": ("the residual", r"$\|A-USV^T\|_F\,/\,\|A\|_F$"),
    "singular_value_error": ("ten singular values", "largest relative error"),
    "sketch_error": ("the sketch", r"$\|\mathrm{fl}(SA)-SA\|_F\,/\,\|SA\|_F$"),
    "subspace_error": ("every direction", r"error $\|(\mathrm{fl}(SA)-SA)R^{-1}\|_2$"),
    "backward_error": ("the backward error", "relative backward error"),
    "system_residual": ("the residual", r"$\|b-Kz\|\,/\,\|b\|$"),
    "solution_error": ("the solution", r"error $\|x-x_*\|\,/\,\|x_*\|$"),
}
QUESTIONS = {"check": "What you can check", "error": "What you want"}
REACHED = ("CONVERGED", "FIXED_STEPS")  # the second where there is nothing to test
LOST = (0.3, 3.0)  # an error of this size leaves nothing of the answer
DIVERGED = 12.0  # where the crosses begin
BOTTOM, TOP = 1e-17, 3e3
GREY = "#555555"
FLOOR = {"color": "black", "linestyle": (0, (1, 1.5)), "linewidth": 1.2, "zorder": 6}


def draw(records):
    """Draw one row of two panels for each family."""
    families = groups(records, "family")
    figure, axes = new_figure(PAGE, 4.0 * len(families) + 0.8, rows=len(families), columns=2)
    axes = axes.reshape(-1, 2)
    for (family, rows), panels in zip(families.items(), axes, strict=True):
        heading = f"{family}\n" if len(families) > 1 else ""
        roles = {role: next(r[role] for r in rows) for role in ("check", "error")}
        for axis, (role, field) in zip(panels, roles.items(), strict=True):
            _panel(axis, rows, field)
            name, label = texts(field)
            before = heading if role == "check" else ""
            axis.set_title(f"{before}{QUESTIONS[role]}: {name}")
            axis.set_ylabel(label)
        _roundoffs(panels[0], rows)
        _floors(panels[1], rows)
        panels[1].axhspan(*LOST, color="#bbbbbb", alpha=0.35, lw=0, zorder=0)
        panels[1].text(0.015, 1.0, "answer lost", transform=panels[1].get_yaxis_transform(),
                       ha="left", va="center", color=GREY)  # fmt: skip
    _legend(figure, records, len(families) == 1)
    return figure


def texts(field):
    """Return the name and the axis label of a metric."""
    words = field.replace("_", " ")
    return TEXTS.get(field, (words, words))


def good(record, field):
    """Whether a record has a value that does not come from a divergence."""
    return record["status"] != "DIVERGED" and record[field] < LOST[1]


def default_solver(records):
    """Return the solver of the lines: the first of its family that converges."""
    return next((r["solver"] for r in records if r["kind"] == "solver"), None)


def _panel(axes, records, field):
    axes.set_xscale("log")
    axes.set_yscale("log")
    solvers = [r for r in records if r["kind"] == "solver"]
    default = default_solver(records)
    by_precision = groups(solvers, "precision")
    for precision in [*COLOURS, *(p for p in by_precision if p not in COLOURS)]:
        rows = [r for r in by_precision.get(precision, []) if good(r, field)]
        colour = COLOURS.get(precision, GREY)
        points = sorted(groups([r for r in rows if _synthetic(r)], "condition").items())
        # The typical value of each solver: what problems differ in would hide the precisions.
        values = [
            [median(_shown(r, field) for r in own) for own in groups(found, "solver").values()]
            for _, found in points
        ]
        axes.fill_between(
            [x for x, _ in points],
            list(map(min, values)),
            list(map(max, values)),
            color=colour,
            alpha=0.22,
            linewidth=0,
        )
        _line(axes, [r for r in rows if r["solver"] == default], field, colour)
    _crosses(axes, solvers, field)
    axes.set_ylim(BOTTOM, TOP)
    axes.set_yticks([10.0**k for k in range(-16, 2, 2)])
    axes.set_xlabel("condition number of the input")
    _whole_decades(axes, [r["condition"] for r in records])


def _whole_decades(axes, values):
    """Let a logarithmic axis reach from decade to decade, with a label at these alone."""
    from matplotlib.ticker import NullFormatter

    low = 10.0 ** math.floor(math.log10(min(values)))
    high = max(10.0 ** math.ceil(math.log10(max(values))), 10 * low)
    margin = (high / low) ** 0.04
    axes.set_xlim(low / margin, high * margin)
    axes.xaxis.set_minor_formatter(NullFormatter())


def _shown(record, field):
    """Return a value, or the bottom of the panel for one below it, zero above all."""
    return max(record[field], BOTTOM)


def _synthetic(record):
    return record["source"] == "synthetic"


def _line(axes, rows, field, colour):
    """Draw one solver: a line through the synthetic problems, stars for the others."""
    points = sorted(groups([r for r in rows if _synthetic(r)], "condition").items())
    x = [condition for condition, _ in points]
    y = [median(_shown(r, field) for r in found) for _, found in points]
    axes.plot(x, y, color=colour, marker="o", markersize=3)
    hollow = [
        (condition, value)
        for condition, value, (_, found) in zip(x, y, points, strict=True)
        if sum(r["status"] in REACHED for r in found) * 2 < len(found)
    ]
    if hollow:
        axes.plot(*zip(*hollow, strict=True), color=colour, marker="o", markersize=3,
                  markerfacecolor="white", linestyle="none", zorder=5)  # fmt: skip
    for row in rows:
        if not _synthetic(row):
            reached = row["status"] in REACHED
            axes.plot(
                row["condition"],
                _shown(row, field),
                color=colour,
                marker="*",
                markersize=7.5 if reached else 6.5,
                markerfacecolor=colour if reached else "white",
                markeredgecolor="white" if reached else colour,
                markeredgewidth=0.5 if reached else 0.8,
                zorder=4,
            )


def _crosses(axes, solvers, field):
    """Mark divergences above everything else, one level for each precision they occur in."""
    bad = groups([r for r in solvers if not good(r, field)], "precision")
    for level, (precision, rows) in enumerate(bad.items()):
        axes.plot(
            [r["condition"] for r in rows],
            [_cross_height(level)] * len(rows),
            color=COLOURS.get(precision, GREY),
            marker="X",
            markersize=5,
            markeredgewidth=0,
            linestyle="none",
        )
    if bad:
        who = ", ".join(dict.fromkeys(r["solver"] for rows in bad.values() for r in rows))
        height = _cross_height((len(bad) - 1) / 2)
        crossed = [r["condition"] for rows in bad.values() for r in rows]
        middle = math.sqrt(math.prod(f(r["condition"] for r in solvers) for f in (min, max)))
        x, side = (0.015, "left") if min(crossed) > middle else (0.985, "right")
        axes.text(x, height, f"diverged: {who}", transform=axes.get_yaxis_transform(),
                  ha=side, va="center", color=GREY)  # fmt: skip


def _cross_height(level):
    return DIVERGED * 3.0**level


def _roundoffs(axes, records):
    for precision, rows in groups(records, "precision").items():
        axes.axhline(
            rows[0]["unit_roundoff"],
            color=COLOURS.get(precision, GREY),
            linestyle=(0, (4, 3)),
            linewidth=0.7,
            zorder=1,
        )


def _floors(axes, records):
    """Draw the error that rounding the input alone makes, once for each storage format."""
    rows = [r for r in records if _synthetic(r) and r.get("rounding_alone")]
    for precision in STORAGE:
        points = sorted(
            groups([r for r in rows if r["precision"] == precision], "condition").items()
        )
        axes.plot(
            [condition for condition, _ in points],
            [median(r["rounding_alone"] for r in found) for _, found in points],
            **FLOOR,
        )


def _legend(figure, records, one_family):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    roundoff = {r["precision"]: r["unit_roundoff"] for r in records}
    default = f"{default_solver(records)}, synthetic" if one_family else "default solver, synthetic"
    handles = [
        Line2D([], [], color=colour, linewidth=2.5,
               label=f"{NAMES.get(name, name)}  ($u=2^{{{round(math.log2(roundoff[name]))}}}$)")
        for name, colour in COLOURS.items()
        if name in roundoff
    ]  # fmt: skip
    handles += [
        Line2D([], [], color=GREY, linestyle=(0, (4, 3)), lw=0.7, label="u of each"),
        Line2D([], [], color=GREY, marker="o", ms=3, label=default),
        Patch(color=GREY, alpha=0.3, linewidth=0, label="all methods that converge"),
        *([Line2D([], [], color=GREY, marker="*", ls="none", ms=7, label="the same, real matrices")]
          if not all(map(_synthetic, records)) else []),
        Line2D([], [], label="input rounded once, then exact", **FLOOR),
        Line2D([], [], color=GREY, marker="o", ms=3, mfc="white", ls="none",
               label="hollow: singular or stagnated"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
