"""The least tau and the Jacobi radius against the shift."""

from figures.relaxation_style import BLUE, GREY, VERMILION
from figures.style import COLUMN, new_figure

CAPTION = (
    "The least tau for which the near-asymptotic surrogate bounds the iterations of SOR at every "
    "omega, and the Jacobi radius beta, of the Laplacian of a grid of 10 by 10 points plus c I. "
    "The theory needs tau >= 1/e^2, or beta^2 >= 4 (1 - 1/e^2) / e^2: both hold for every shift."
)


def draw(records):
    """Draw both curves and the bounds they are to keep."""
    rows = sorted(records, key=lambda r: r["shift"])
    x = [r["shift"] for r in rows]
    figure, ax = new_figure(1.3 * COLUMN, 2.8)
    ax.plot(x, [r["beta_squared"] for r in rows], color=BLUE, label=r"$\beta^2$")
    ax.axhline(
        0.468036, color=BLUE, linestyle=":", label=r"enough for $\beta^2$: $4(1-e^{-2})/e^2$"
    )
    ax.plot(x, [r["tau"] for r in rows], color=VERMILION, label=r"$\tau$")
    ax.axhline(0.135335, color=VERMILION, linestyle=":", label=r"enough for $\tau$: $1/e^2$")
    ax.set(xlabel="shift c", ylim=(0, 1.05))
    ax.set_title("Either condition of the theory holds at every shift", color="black")
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.legend(loc="center right", bbox_to_anchor=(1, 0.66), ncols=2)
    return figure
