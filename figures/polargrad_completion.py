"""Matrix completion: the objective, condition numbers and the nuclear norm."""

from figures.polargrad_style import draw_panels, legend_below
from figures.style import PAGE, new_figure

CAPTION = (
    "Completion of a matrix of rank 5 from three tenths of its entries, at the learning rates of "
    "the paper. PolarGrad converges linearly, as does alternating gradient descent, here at the "
    "same rate; Muon stalls, and a decaying rate stops it before it is there. Momentum is 0.5; "
    "with 0.95, polar-first diverges at the rate given for it."
)


def draw(records):
    """Draw four panels."""
    figure, axes = new_figure(PAGE, 6.2, rows=2, columns=2)
    panels = [
        ("objective", "objective $f(X, Y)$"),
        ("x_nuclear", r"nuclear norm of $\nabla_X f$"),
        ("x_condition", r"condition number of $\nabla_X f$"),
        ("y_condition", r"condition number of $\nabla_Y f$"),
    ]
    draw_panels(axes.flat, records, panels)
    axes[0, 0].set_ylim(1e-26, None)
    axes[0, 1].set_ylim(1e-14, None)
    legend_below(figure, axes[0, 0])
    figure.suptitle(
        "Completion: linear convergence with the nuclear norm, a stall without it", fontsize=10
    )
    return figure
