"""Time of the Gram form over that of the direct form, against the aspect ratio."""

from figures.polar_style import BLUE, GREEN, GREY, NAVY, ORANGE, VERMILION
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "CPU time of the published list of Polar Express in the Gram form, over that of the direct "
    "form, for Gaussian matrices in single precision (one thread, the smallest of several "
    "rounds). The fewer restarts, the fewer products of the size of the matrix, but the larger "
    "the rounding errors. Dashed: what the numbers of products predict, all products taken as "
    "equally fast; what else there is to do costs most on the small square matrices."
)
# restart interval: name, colour, marker
LOOKS = {
    "1": ("every step", GREY, "v"),
    "2": ("every 2 steps", ORANGE, "^"),
    "3": ("every 3 steps", GREEN, "D"),
    "5": ("every 5 steps", VERMILION, "s"),
    "never": ("no restart", BLUE, "o"),
}


def draw(records):
    """Draw a panel for each number of steps, a line for each restart interval."""
    panels = groups(records, "steps")
    figure, axes = new_figure(PAGE, 3.5, columns=max(2, len(panels)))
    drawn = {}
    for ax, (steps, rows) in zip(axes[0], sorted(panels.items()), strict=False):
        for interval, found in groups(rows, "restart_every").items():
            if interval in LOOKS:
                drawn[interval] = _line(ax, found, *LOOKS[interval])
        ax.axhline(1.0, color=NAVY, linewidth=1.6, zorder=1)
        aspects = sorted({r["aspect"] for r in rows})
        top = max(1.8, 1.05 * max(r["ratio"] for r in records))
        ax.set(xscale="log", xticks=aspects, ylim=(0, top), title=f"{steps} steps")
        ax.set_xticklabels(aspects)
        ax.set_xticks([], minor=True)
        ax.set_xlabel("columns per row, n / m")
        last = next(r for r in rows if r["restart_every"] == "never" and r["aspect"] == aspects[-1])
        ax.text(aspects[-1], 0.08, f"{1 / last['ratio']:.1f} times as fast", color=BLUE,
                ha="right", weight="bold")  # fmt: skip
    axes[0, 0].text(aspects[-1], 0.98, "direct form", color=NAVY, va="top", ha="right",
                    weight="bold")  # fmt: skip
    axes[0, 0].set_ylabel("time over that of the direct form")
    counted = axes[0, 0].plot([], [], "--", color="#444444", linewidth=1.0)[0]
    figure.legend(
        [drawn[name] for name in LOOKS if name in drawn] + [counted],
        [LOOKS[name][0] for name in LOOKS if name in drawn] + ["counted products"],
        loc="outside lower center", ncols=6, title="X and X Xᵀ formed anew:",
    )  # fmt: skip
    size = max(r["m"] for r in records)
    figure.suptitle(f"The Gram form pays on wide matrices ({size} rows)", fontsize=10)
    return figure


def _line(ax, rows, label, color, marker):
    rows = sorted(rows, key=lambda r: r["aspect"])
    aspects = [r["aspect"] for r in rows]
    ax.plot(aspects, [r["counted"] for r in rows], "--", color=color, linewidth=1.0)
    measured = [r["ratio"] for r in rows]
    return ax.plot(aspects, measured, "-", color=color, marker=marker, markersize=5)[0]
