"""Iterations of SOR against omega for random right-hand sides and a degenerate one."""

from figures.relaxation_style import BLACK, BLUE, VERMILION
from figures.style import COLUMN, new_figure

CAPTION = (
    "Iterations of SOR to 1e-8 of the initial residual on the Laplacian of a grid of 10 by 10 "
    "points: mean and range over truncated Gaussian right-hand sides, and those for an eigenvector "
    "of the iteration with omega = 1.4 whose eigenvalue is the smallest real one. There, and only "
    "there, it is solved at once: such a right-hand side has a minimum that the matrix knows "
    "nothing of."
)


def draw(records):
    """Draw the mean, the band and the degenerate case."""
    rows = sorted(records, key=lambda r: r["omega"])
    x = [r["omega"] for r in rows]
    figure, ax = new_figure(1.3 * COLUMN, 2.9)
    ax.fill_between(x, [r["least"] for r in rows], [r["most"] for r in rows], color=BLUE,
                    alpha=0.25, linewidth=0,
                    label=f"least to most of {rows[0]['draws']}")  # fmt: skip
    ax.plot(x, [r["mean"] for r in rows], color=BLUE, label="mean of truncated Gaussians")
    ax.plot(x, [r["degenerate"] for r in rows], color=VERMILION, linewidth=1.0,
            label=r"an eigenvector of $C_{1.4}$")  # fmt: skip
    least = min(rows, key=lambda r: r["degenerate"])
    ax.annotate(f"{least['degenerate']} iterations at $\\omega = {least['omega']:g}$",
                (least["omega"], least["degenerate"]), (-8, 6), textcoords="offset points",
                ha="right", color=BLACK)  # fmt: skip
    ax.set(yscale="log", xlabel=r"$\omega$", ylabel="iterations", ylim=(8, 300))
    ax.set_title("One right-hand side may have a best omega of its own")
    ax.legend()
    return figure
