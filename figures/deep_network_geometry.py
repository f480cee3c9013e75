"""Iterations against the part of the domain that solids cover."""

from statistics import fmean

from figures.deep_network_style import SOLIDS, look, plain_numbers
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Discs of random place and size cover more and more of a square; iterations to a relative "
    "residual of 1e-6, means over the draws, bars from least to most. The network of the paper "
    "was trained on the empty square alone; the linear one on boxes and ellipses that cover a "
    "few per cent. A draw that needs more iterations than the cap counts as the cap (arrow)."
)


def draw(records):
    """Draw one panel for each kind of solids, of the smallest grid."""
    n = min(r["n"] for r in records)
    records = [r for r in records if r["n"] == n]
    cap = records[0]["cap"]
    figure, axes = new_figure(PAGE, 3.0, columns=2)
    for ax, solids in zip(axes[0], ("dirichlet", "neumann"), strict=True):
        rows = [r for r in records if r["solids"] == solids]
        for method, points in groups(rows, "method").items():
            x, mean, low, high = [], [], [], []
            for covered, draws in groups(points, "covered").items():
                taken = [r["iterations"] if r["met"] else cap for r in draws]
                x.append(100 * covered)
                mean.append(fmean(taken))
                low.append(mean[-1] - min(taken))
                high.append(max(taken) - mean[-1])
                if not all(r["met"] for r in draws):
                    ax.annotate(
                        "", (x[-1], 1.25 * cap), (x[-1], cap), arrowprops={"arrowstyle": "->"}
                    )
            ax.errorbar(x, mean, yerr=[low, high], capsize=2, **look(method))
        ax.set(xlabel="part covered by solids, %", title=f"{SOLIDS[solids]}, {n} x {n} cells")
        ax.set_yscale("log")
        ax.set_ylim(4, 1.5 * max(r["iterations"] or cap for r in records))
        plain_numbers(ax.yaxis, (5, 10, 20, 50, 100, 200))
    axes[0, 0].set_ylabel("iterations")
    axes[0, 1].tick_params(labelleft=False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, handlelength=3)
    figure.suptitle("Networks carry over to solids they have not seen; Neumann solids cost more",
                    fontsize=10)  # fmt: skip
    return figure
