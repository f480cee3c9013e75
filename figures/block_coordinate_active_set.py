"""Gap against block updates with bounds and an l1 penalty; where the support was found."""

from figures.style import LINES, PAGE, PALETTE, groups, new_figure

CAPTION = (
    "Gap f(x_k) - f*, divided by the first, against block updates from x = 0; least squares with "
    "x >= 0 and an l1 penalty. Solid: variable blocks; dashed: blocks of coordinates sorted by "
    "their constants. A mark shows the update after which the set of nonzero coordinates did not "
    "change any more, where it is that of the solution."
)
FLOOR = 1e-15
UPDATES = {
    "exact": "exact (projected Newton)",
    "two-metric": "two-metric projection",
    "gradient": "projected gradient",
}
MARKS = {"exact": "o", "two-metric": "s", "gradient": "^"}
WIDTHS = {"exact": 3.0, "two-metric": 1.4, "gradient": 1.4}  # curves that coincide are both seen


def draw(records):
    """Draw a panel for each block size."""
    sizes = sorted(groups(records, "size"))
    figure, axes = new_figure(PAGE, 3.1, columns=len(sizes))
    lowest = max(min(r["relative_gap"] for r in records), FLOOR)
    for ax, size in zip(axes.flat, sizes, strict=True):
        here = [r for r in records if r["size"] == size]
        for (partition, update), curve in groups(here, "partition", "update").items():
            _curve(ax, sorted(curve, key=lambda r: r["iteration"]), partition, update)
        ax.set(yscale="log", xscale="log", xlabel="block updates", title=f"blocks of {size}")
        ax.set_ylim(lowest / 3, 3)
    axes.flat[0].set_ylabel(r"relative gap  $f(x_k) - f^*$")
    _legend(figure)
    support = records[0]["support_size"]
    found = any(r["support_found"] for r in records)
    what = f"{support} coordinates are not zero at the solution"
    figure.suptitle(what if found else f"{what}, and no method finds them", fontsize=10)
    return figure


def _curve(ax, curve, partition, update):
    color = PALETTE[list(UPDATES).index(update)]
    xs = [r["iteration"] for r in curve]
    ys = [max(r["relative_gap"], FLOOR) for r in curve]
    ax.plot(xs, ys, color=color, linestyle=LINES[partition == "sort"],
            linewidth=WIDTHS[update])  # fmt: skip
    settled = curve[-1]["settled"]
    if curve[-1]["support_found"]:
        after = next((k for k, x in enumerate(xs) if x >= settled), len(xs) - 1)
        ax.plot(xs[after], ys[after], marker=MARKS[update], color=color, markersize=6)


def _legend(figure):
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=PALETTE[k], marker=MARKS[u], linewidth=WIDTHS[u], label=label)
        for k, (u, label) in enumerate(UPDATES.items())
    ]
    entries += [
        Line2D([], [], color="#444444", linestyle=LINES[k], label=label)
        for k, label in enumerate(("variable blocks", "sorted blocks"))
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=3, handlelength=3)
