"""FRUGAL: the loss against the memory of the state."""

from statistics import fmean

from figures.style import PAGE, PALETTE, groups, new_figure

CAPTION = (
    "A small network trained on digits: training and test loss at the end of the schedule against "
    "the memory of the optimizer's state, at the best of three rates each, the mean of the seeds. "
    "The state-free signs of the rest close much of the way from sign descent to Adam."
)
BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE
LOOKS = {
    "columns": ("columns", BLUE, "o", "-"),
    "rows": ("rows", SKY, "s", "--"),
    "entries": ("entries", GREEN, "^", "-."),
    "orthogonal": ("random subspace", PINK, "D", ":"),
    "svd": ("singular vectors", VERMILION, "v", "-"),
    "blocks": ("whole matrices", ORANGE, "P", "--"),
    "galore": ("singular vectors alone (GaLore)", "#777777", "X", ":"),
    "adam": ("Adam", BLACK, "*", ""),
    "sign": ("signs alone", BLACK, "<", ""),
}


def draw(records):
    """Draw both panels."""
    figure, axes = new_figure(PAGE, 3.6, columns=2)
    for ax, field in zip(axes[0], ("train_loss", "test_loss"), strict=True):
        for method, rows in groups(records, "method").items():
            label, color, marker, line = LOOKS[method]
            points = []
            for own in groups(rows, "density").values():
                means = [fmean(r[field] for r in some) for some in groups(own, "rate").values()]
                points.append((own[0]["bytes"] / 1024, min(means)))
            ax.plot(*zip(*sorted(points), strict=True), color=color, marker=marker,
                    linestyle=line, label=label)  # fmt: skip
        name = "training" if field == "train_loss" else "test"
        ax.set(xlabel="state of the hidden weights (KiB)", ylabel=f"{name} loss")
        if field == "train_loss":
            ax.set_yscale("log")
            if min(r["train_loss"] for r in records) > 1e-3:  # less than a decade or two
                ax.set_yticks([0.01, 0.02, 0.05])
                ax.yaxis.set_major_formatter("{x:g}")
                ax.yaxis.set_minor_formatter("")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    figure.suptitle("Memory against loss", fontsize=10)
    return figure
