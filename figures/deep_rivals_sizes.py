"""Iterations and processor time of Poisson solvers against the size of the grid."""

from figures.deep_rivals_style import SOLVERS, look
from figures.relaxation_style import plain_numbers
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "A dipole around a box with Neumann walls in two dimensions, to 1e-6. Left: iterations against "
    "the cells along a side. Those of CG grow in proportion; those of multigrid whose coarse "
    "masks are crude grow slowly; with coarse coefficients from open face fractions they stay. "
    "Right: processor time of one thread per unknown, set-up included."
)


def draw(records):
    """Draw counts and times."""
    totals = [
        r
        for r in records
        if r["kind"] == "total" and r["dimensions"] == 2 and r["geometry"] == "box-neumann"
    ]
    lines = groups(sorted(totals, key=lambda r: r["points"]), "solver")
    figure, axes = new_figure(PAGE, 3.6, columns=2)
    for solver in SOLVERS:
        if solver not in lines:
            continue
        rows = lines[solver]
        sides = [r["points"] for r in rows]
        axes[0, 0].plot(sides, [r["to_6"] for r in rows], **look(solver))
        each = [1e6 * r["seconds_to_6"] / r["unknowns"] for r in rows]
        axes[0, 1].plot(sides, each, **look(solver))
    sides = sorted({r["points"] for r in totals})
    for ax in axes.flat:
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_xticks(sides, [str(n) for n in sides])
        ax.set(xlabel="cells along a side")
    plain_numbers(axes[0, 0].yaxis, (5, 10, 20, 50, 100, 200, 500, 1000))
    plain_numbers(axes[0, 1].yaxis, (0.2, 0.5, 1, 2, 5, 10))
    axes[0, 0].set(ylabel="iterations to 1e-6")
    axes[0, 1].set(ylabel="microseconds per unknown")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    return figure
