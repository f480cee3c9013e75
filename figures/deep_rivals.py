"""Residuals of Poisson solvers against iterations and against processor time."""

from figures.deep_rivals_style import SOLVERS, look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "A dipole around a box with Neumann walls, to 1e-8 of the right-hand side. Above: the relative "
    "residual against iterations; below: against processor time of one thread, which begins with "
    "the set-up (a line that starts later had more to set up) and goes on at the mean time of an "
    "iteration. All multigrid on the grid itself is compiled in the same way. The network, trained "
    "on squares of 32 x 32 cells, is shown on the smallest grid."
)
SHOWN = ((64, 2), (256, 2), (32, 3))


def draw(records):
    """Draw three grids."""
    curves = groups([r for r in records if r["kind"] == "curve"], "points", "dimensions")
    shown = [grid for grid in SHOWN if grid in curves]
    figure, axes = new_figure(PAGE, 5.2, rows=2, columns=len(shown))
    for column, grid in enumerate(shown):
        chosen = [r for r in curves[grid] if r["geometry"] == "box-neumann"]
        lines = groups(chosen, "solver")
        for row, field in enumerate(("nit", "milliseconds")):
            ax = axes[row, column]
            for solver in SOLVERS:
                if solver in lines:
                    points = lines[solver]
                    ax.plot(
                        [r[field] for r in points],
                        [r["residual"] for r in points],
                        **look(solver, markevery=max(1, len(points) // 5)),
                    )
            ax.set(yscale="log", xscale="log", ylim=(3e-9, 3))
        axes[0, column].set(xlim=(0.9, None), xlabel="iterations")
        axes[1, column].set(xlim=(0.4, None), xlabel="processor time, ms")
        axes[0, column].set_title(f"{' x '.join([str(grid[0])] * grid[1])} cells")
    for ax in axes[:, 0]:
        ax.set_ylabel("relative residual")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    return figure
