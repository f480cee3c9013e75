"""The losses of the networks over their training."""

from figures.deep_network_style import look, plain
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Loss over the steps of Adam, on batches (thin) and on samples kept for validation (marks). "
    "Left: the network of the paper, with the paper's loss and Ritz-vector data: the mean square "
    "residual after one step. Right: the linear network, with the fraction of the squared energy "
    "norm of the error that one step leaves; its batches are what up to six steps have left of "
    "random errors, which is harder than the fresh random errors kept for validation."
)
PANELS = (
    ("residual", "mean square residual after one step"),
    ("energy", "squared energy norm left by one step"),
)


def draw(records):
    """Draw one panel for each kind of loss."""
    figure, axes = new_figure(PAGE, 2.9, columns=2)
    for ax, (kind, label) in zip(axes.flat, PANELS, strict=True):
        for name, rows in groups([r for r in records if r["loss_kind"] == kind], "network").items():
            style = look(name)
            parts = groups(rows, "kind")
            # Solid and filled in two dimensions, dashed and open in three.
            flat = name.endswith("-2d")
            label_of = f"{name.removesuffix('-2d').removesuffix('-3d')}, {name[-2:].upper()}"
            x, y = zip(*((r["step"], r["loss"]) for r in parts["batches"]), strict=True)
            ax.semilogy(x, y, color=style["color"], linewidth=0.6, alpha=0.45,
                        linestyle="-" if flat else ":")  # fmt: skip
            x, y = zip(*((r["step"], r["loss"]) for r in parts["validation"]), strict=True)
            ax.semilogy(x, y, color=style["color"], marker=style["marker"], label=label_of,
                        markerfacecolor=None if flat else "white",
                        linestyle="-" if flat else "--")  # fmt: skip
        names = {plain(r["network"]) for r in records if r["loss_kind"] == kind}
        ax.set(xlabel="steps of Adam", ylabel=label, title=" and ".join(sorted(names)))
        ax.set_xlim(0, None)
        ax.legend()
    figure.suptitle("Minutes of training on a CPU: one step leaves about a tenth of the residual",
                    fontsize=10)  # fmt: skip
    return figure
