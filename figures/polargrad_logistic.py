"""Logistic regression: the objective, the condition number and the nuclear norm."""

from figures.polargrad_style import draw_panels, legend_below
from figures.style import PAGE, new_figure

CAPTION = (
    "Matrix logistic regression with gradients of a tenth of the rows, at the learning rates of "
    "the paper (scaled where the problem is smaller). Gradients of batches do not vanish at the "
    "optimum, so with constant rates PolarGrad without momentum, and Muon, stay above the least "
    "objective that any run reached; decaying rates and momentum come closer. Adam comes lowest on "
    "this problem."
)


def draw(records):
    """Draw three panels."""
    figure, axes = new_figure(PAGE, 3.9, columns=3)
    panels = [
        ("above", "$f(X)$ above the least found"),
        ("gradient_condition", "condition number, gradient"),
        ("nuclear", "nuclear norm, gradient"),
    ]
    least = min(r["objective"] for r in records if r["kind"] == "path")
    records = [
        {**r, "above": r["objective"] - least} if r["kind"] == "path" else r for r in records
    ]
    draw_panels(axes.flat, records, panels)
    axes[0, 0].set_ylim(1, None)
    legend_below(figure, axes[0, 0])
    figure.suptitle("With batches it takes a decaying rate, or momentum", fontsize=10)
    return figure
