"""Iterations against the size of the grid, and what they cost."""

from figures.deep_network_style import SOLIDS, look, plain_numbers
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Iterations to a relative residual of 1e-6 on N x N cells (left three panels: no solids, a "
    "solid square in the middle with Neumann and with Dirichlet conditions; normal right-hand "
    "side), and multiplications for each cell until then (right, no solids). Both networks were "
    "trained on 32 x 32 cells. In the network of the paper a cell sees 21 cells far, so beyond "
    "twice that (dotted) its iterations grow with N. A call of it costs more than two thousand "
    "steps of CG, so that it is never cheaper than CG."
)


def draw(records):
    """Draw iterations for each kind of solids, and the work."""
    d = min(r["dimensions"] for r in records)
    records = [r for r in records if r["dimensions"] == d]
    figure, axes = new_figure(PAGE, 2.9, columns=4)
    sizes = sorted({r["n"] for r in records})
    for ax, (solids, title) in zip(axes[0], SOLIDS.items(), strict=False):
        _lines(ax, [r for r in records if r["solids"] == solids], lambda r: r["iterations"])
        ax.set(title=title, ylim=(3, 1.3 * max(r["iterations"] or 0 for r in records)))
        ax.set_yscale("log")
        plain_numbers(
            ax.yaxis, [n for n in (5, 10, 20, 50, 100, 200, 500, 1000) if n < ax.get_ylim()[1]]
        )
        if solids != "none":
            ax.tick_params(labelleft=False)
    axes[0, 0].set_ylabel("iterations")
    work = [r for r in records if r["solids"] == "none" and r["products_per_step"]]
    _lines(axes[0, 3], work, lambda r: r["iterations"] and r["iterations"] * r["products_per_step"])
    axes[0, 3].set(title="work, no solids", ylabel="multiplications per cell")
    axes[0, 3].set_yscale("log")
    radius = max((r["radius"] or 0) for r in records if r["method"] == "paper-64")
    for ax in axes[0]:
        ax.set(xscale="log", xlabel="N", xlim=(sizes[0] / 1.2, sizes[-1] * 1.2))
        plain_numbers(ax.xaxis, sizes)
        ax.axvline(2 * radius, color="#D55E00", linestyle=":", linewidth=0.8)
    axes[0, 0].annotate(f"sees {radius}\ncells far", (2 * radius, 250), (-3, 0), fontsize=6,
                        textcoords="offset points", ha="right", color="#D55E00")  # fmt: skip
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, handlelength=3)
    figure.suptitle("Past its receptive field the network of the paper slows down", fontsize=10)
    return figure


def _lines(ax, records, value):
    for method, rows in groups(records, "method").items():
        points = [(r["n"], value(r)) for r in sorted(rows, key=lambda r: r["n"])]
        points = [(x, y) for x, y in points if y]
        ax.plot(*zip(*points, strict=True), **look(method))
