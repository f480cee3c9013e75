"""Iterations against the size of the grid, and what they cost."""

from figures.deep_network_style import SOLIDS, look, plain_numbers
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Iterations to a relative residual of 1e-6 on N x N cells (above) and N x N x N cells (below): "
    "no solids, a solid square or cube in the middle with Neumann and with Dirichlet conditions; "
    "normal right-hand side. At the right, multiplications for each cell until then, without "
    "solids. The networks were trained on 32 x 32 cells, on 16 x 16 x 16 (that of the paper) and "
    "on 32 x 32 x 32 (ours). In the network of the paper a cell sees 21 cells far, so beyond twice "
    "that (dotted) its iterations grow with N. A call of it costs more than two thousand steps of "
    "CG, so that it is never cheaper than CG."
)
TICKS = (5, 10, 20, 50, 100, 200, 500, 1000)


def draw(records):
    """Draw iterations for each kind of solids, and the work, in two and in three dimensions."""
    by_dimensions = groups(sorted(records, key=lambda r: r["dimensions"]), "dimensions")
    figure, axes = new_figure(PAGE, 0.5 + 2.3 * len(by_dimensions), rows=len(by_dimensions),
                              columns=4)  # fmt: skip
    for row, (d, found) in zip(axes, by_dimensions.items(), strict=True):
        _row(row, d, found)
    for ax in axes[-1]:
        ax.set_xlabel("N")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3)
    figure.suptitle("Past its receptive field the network of the paper slows down", fontsize=10)
    return figure


def _row(axes, d, records):
    sizes = sorted({r["n"] for r in records})
    high = 1.3 * max(r["iterations"] or 0 for r in records)
    for ax, (solids, title) in zip(axes, SOLIDS.items(), strict=False):
        _lines(ax, [r for r in records if r["solids"] == solids], lambda r: r["iterations"])
        ax.set(title=f"{d}D, {title}", yscale="log", ylim=(3, high))
        plain_numbers(ax.yaxis, [n for n in TICKS if n < high])
        if solids != "none":
            ax.tick_params(labelleft=False)
    axes[0].set_ylabel("iterations")
    work = [r for r in records if r["solids"] == "none" and r["products_per_step"]]
    _lines(axes[3], work, lambda r: r["iterations"] and r["iterations"] * r["products_per_step"])
    axes[3].set(title="work, no solids", ylabel="multiplications per cell", yscale="log")
    radius = max((r["radius"] or 0) for r in records if r["method"] == "paper-64")
    for ax in axes:
        ax.set(xscale="log", xlim=(sizes[0] / 1.2, max(sizes[-1], 2 * radius) * 1.2))
        plain_numbers(ax.xaxis, sizes)
        ax.axvline(2 * radius, color="#D55E00", linestyle=":", linewidth=0.8,
                   label=f"twice what it sees ({radius} cells)")  # fmt: skip


def _lines(ax, records, value):
    for method, rows in groups(records, "method").items():
        points = [(r["n"], value(r)) for r in sorted(rows, key=lambda r: r["n"])]
        points = [(x, y) for x, y in points if y]
        ax.plot(*zip(*points, strict=True), **look(method))
