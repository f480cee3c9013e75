"""What can be checked, beside the error, against the condition number: one colour a precision."""

import math
from statistics import median

from figures.style import PAGE, PALETTE, groups, new_figure

CAPTION = (
    "Left: what every user can check. Right: the distance to the exact answer. Lines: the default "
    "solver on synthetic matrices; bands: all solvers that converge; stars: gradients and momenta "
    "of networks in training, at the condition number of their resolved part; dotted: the error "
    "of rounding the input once and computing exactly from there on. The check stays at the unit "
    "roundoff u whatever the condition number, while the error grows with it, until nothing of "
    "the answer is left. TF32 rounds the operands of products but stores fp32, and keeps the "
    "answer. Crosses: a solver diverged (and said so)."
)
COLOURS = {
    "bf16 each": PALETTE[1],
    "bf16": PALETTE[5],
    "fp16": PALETTE[2],
    "tf32": PALETTE[3],
    "fp32": PALETTE[0],
    "fp64": PALETTE[6],
}
SIGNIFICANDS = {"bf16": 8, "bf16 each": 8, "fp16": 11, "tf32": 11, "fp32": 24, "fp64": 53}
NAMES = {
    "bf16 each": "bf16, every operation rounded",
    "bf16": "bf16, one rounding a product",
    "tf32": "TF32, stored in fp32",
}
TITLES = {
    "orthogonality": r"What you can check: orthogonality $\|XX^T-I\|_F/\sqrt{m}$",
    "polar_error": r"What you want: distance to the polar factor $\|X-U\|_F/\sqrt{m}$",
    "sign_error": r"What you want: distance to the matrix sign $\|X-S\|_F/\sqrt{m}$",
}
LOST = 0.3  # the error from which the answer is of no use
DIVERGED = 30.0  # where the crosses are drawn


def draw(records):
    """Draw one row of two panels for each family."""
    families = groups(records, "family")
    figure, axes = new_figure(PAGE, 3.9 * len(families), rows=len(families), columns=2)
    for (family, rows), panels in zip(families.items(), axes.reshape(-1, 2), strict=True):
        fields = [next(r[role] for r in rows) for role in ("check", "error")]
        for panel, field in zip(panels, fields, strict=True):
            _panel(panel, rows, field)
            panel.set_title(title(field), fontsize=8)
        _lost(panels[1])
        _floors(panels[1], rows)
        if len(families) > 1:
            panels[0].set_ylabel(family)
        panels[1].sharey(panels[0])
        panels[1].set_ylim(1e-17, 3 * DIVERGED)
    _legends(figure, axes.reshape(-1, 2)[0], records)
    return figure


def title(field):
    """Return the title of a metric's panel; a field nobody has named here speaks for itself."""
    return TITLES.get(field, field.replace("_", " "))


def good(record, field):
    """Whether a record has a finite value that does not come from a divergence."""
    return record["status"] != "DIVERGED" and math.isfinite(record[field])


def _panel(axes, records, field):
    solvers = [r for r in records if r["kind"] == "solver"]
    default = next((r["solver"] for r in solvers), None)
    for precision, rows in sorted(groups(solvers, "precision").items(), key=_coarse_first):
        colour = COLOURS.get(precision, "#777777")
        synthetic = [r for r in rows if r["source"] == "synthetic" and good(r, field)]
        by_condition = sorted(groups(synthetic, "condition").items())
        x = [condition for condition, _ in by_condition]
        values = [[r[field] for r in found] for _, found in by_condition]
        axes.fill_between(
            x, list(map(min, values)), list(map(max, values)), color=colour, alpha=0.25, lw=0
        )
        line = [
            median([r[field] for r in found if r["solver"] == default] or [math.nan])
            for _, found in by_condition
        ]
        axes.plot(x, line, color=colour, marker="o", markersize=3)
        stars = [r for r in rows if r["source"] == "real" and r["solver"] == default]
        stars = [r for r in stars if good(r, field)]
        axes.plot(
            [r["condition"] for r in stars],
            [r[field] for r in stars],
            color=colour,
            marker="*",
            markersize=7,
            markeredgecolor="white",
            markeredgewidth=0.4,
            linestyle="none",
            zorder=4,
        )
        crosses = [r["condition"] for r in rows if not good(r, field)]
        axes.plot(
            crosses,
            [DIVERGED] * len(crosses),
            color=colour,
            marker="X",
            markersize=5,
            markeredgecolor="white",
            markeredgewidth=0.4,
            linestyle="none",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("condition number of the input")


def _coarse_first(item):
    names = list(COLOURS)
    return names.index(item[0]) if item[0] in names else len(names)


def _lost(axes):
    axes.axhspan(LOST, 3, color="#bbbbbb", alpha=0.35, lw=0, zorder=0)
    axes.text(0.985, 1.0, "answer lost", transform=axes.get_yaxis_transform(), ha="right",
              va="center", fontsize=7, color="#444444")  # fmt: skip


def _floors(axes, records):
    """Draw the error that rounding the input alone makes, once for each storage format."""
    for precision in ("bf16", "fp16", "fp32"):
        rows = [r for r in records if r["precision"] == precision and r["source"] == "synthetic"]
        rows = [r for r in rows if r.get("rounding_alone")]
        points = sorted(groups(rows, "condition").items())
        axes.plot(
            [condition for condition, _ in points],
            [median(r["rounding_alone"] for r in found) for _, found in points],
            color=COLOURS[precision],
            linestyle=":",
            linewidth=1.4,
        )


def _legends(figure, axes, records):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    present = {r["precision"] for r in records}
    default = next((r["solver"] for r in records if r["kind"] == "solver"), "default")
    handles = [
        Line2D([], [], color=colour, linewidth=2.5,
               label=f"{NAMES.get(name, name)}  ($u=2^{{-{SIGNIFICANDS[name]}}}$)")
        for name, colour in COLOURS.items()
        if name in present
    ]  # fmt: skip
    axes[0].legend(handles=handles, loc="center right", bbox_to_anchor=(1.0, 0.34))
    grey = "#555555"
    handles = [
        Line2D([], [], color=grey, marker="o", markersize=3, label=f"{default}, synthetic"),
        Patch(color=grey, alpha=0.3, label="all methods that converge"),
        Line2D([], [], color=grey, marker="*", ls="none", markersize=7, label="real gradients"),
        Line2D([], [], color=grey, ls=":", label="input rounded once, then exact"),
        Line2D([], [], color=grey, marker="X", ls="none", label="a method diverged"),
    ]
    axes[1].legend(handles=handles, loc="lower right")
