"""Quadratic regression: the gap, condition numbers and the nuclear norm."""

from figures.polargrad_style import draw_panels, legend_below
from figures.style import PAGE, new_figure

CAPTION = (
    "Matrix quadratic regression at the learning rates of the paper (scaled where the problem is "
    "smaller). PolarGrad's steps carry the nuclear norm of the gradient and become small with it; "
    "Muon's do not, and it stalls at a gap that its rate decides, unless the rate decays. "
    "PolarGrad makes two steps of QDWH, as the paper's program does, which leave small singular "
    "values unfinished; with the exact polar factor the same rate is too large and the method "
    "diverges. Alone it is slow in flat directions, which momentum cures."
)


def draw(records):
    """Draw four panels."""
    figure, axes = new_figure(PAGE, 6.2, rows=2, columns=2)
    panels = [
        ("objective", "gap to the optimum, $f(X) - f^*$"),
        ("nuclear", "nuclear norm of the gradient"),
        ("residual_condition", r"condition number of $A X B - C$"),
        ("gradient_condition", "condition number of the gradient"),
    ]
    draw_panels(axes.flat, records, panels)
    axes[0, 0].set_ylim(1e-16, None)
    axes[0, 1].set_ylim(1e-9, None)
    legend_below(figure, axes[0, 0])
    figure.suptitle(
        "With the nuclear norm steps shrink and converge; without it they stall", fontsize=10
    )
    return figure
