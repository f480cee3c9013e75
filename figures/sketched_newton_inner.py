"""Work of the solvers of one Newton system against the accuracy asked for."""

from figures.newton_style import GREY, look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Work to bring the residual of one Newton system below a relative accuracy, in products of "
    "its matrix with a vector: flops of all products over 2 N^2. Single vectors and rows, as "
    "published, need hundreds of times what MINRES does, and Poisson control shows how they "
    "depend on the condition number. Blocks that remember the rows used before (the default) end "
    "after all rows at a cost that does not depend on the accuracy. The line: N products. Hollow: "
    "given up before: without progress, or at a cap on the steps, 40000 at quick level."
)
TITLES = {"logistic": "logistic regression", "control": "Poisson control"}


def draw(records):
    """Draw a panel for each system."""
    figure, axes = new_figure(PAGE, 3.9, columns=2)
    systems = groups(records, "problem")
    for axis, (name, title) in zip(axes[0], TITLES.items(), strict=True):
        rows = systems[name]
        for inner, found in groups(rows, "inner").items():
            x = [r["accuracy"] for r in found]
            style = look(inner)
            axis.plot(x, [r["products"] for r in found], **style)
            lost = [(r["accuracy"], r["products"]) for r in found if r["failed"]]
            if lost:
                axis.plot(*zip(*lost, strict=True), color=style["color"], linestyle="none",
                          marker=style["marker"], markerfacecolor="white")  # fmt: skip
        order, condition = rows[0]["order"], rows[0]["condition"]
        axis.axhline(order, color=GREY, linewidth=0.8)
        axis.set(xscale="log", yscale="log", xlabel="relative residual asked for",
                 title=f"{title}: N = {order}, condition {condition:.3g}")  # fmt: skip
        axis.invert_xaxis()
    axes[0, 0].set_ylabel("work in products")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    return figure
