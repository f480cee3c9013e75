"""How often either norm completes a tensor, against its size and the share observed."""

from statistics import fmean

from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Share of random tensors n x n x n x n of Tucker ranks (1, 1, 2, 2) completed to a relative "
    "error of 1 %. Left: the square reshaping, whose rank is 1. Right: the sum of the nuclear "
    "norms of all unfoldings. White crosses: no tensor was completed."
)
TITLES = {"square": "square reshaping", "sum": "sum of nuclear norms"}


def draw(records):
    """Draw one map for each norm."""
    figure, axes = new_figure(PAGE, 3.0, columns=2)
    methods = groups(records, "method")
    sizes = sorted({r["size"] for r in records})
    shares = sorted({r["share"] for r in records})
    for ax, method in zip(axes.flat, TITLES, strict=True):
        cells = groups(methods[method], "share", "size")
        mean = [[fmean(r["success"] for r in cells[share, size]) for size in sizes]
                for share in shares]  # fmt: skip
        picture = ax.imshow(mean, origin="lower", aspect="auto", cmap="cividis", vmin=0, vmax=1)
        none = [(i, j) for j, row in enumerate(mean) for i, value in enumerate(row) if value == 0]
        ax.plot(*zip(*none, strict=True), "x", color="white", markersize=3, markeredgewidth=0.8)
        ax.set_xticks(range(len(sizes)), [str(size) for size in sizes])
        ax.set_yticks(range(len(shares)), [f"{100 * share:g} %" for share in shares])
        ax.set(xlabel="size n of each axis", ylabel="entries observed")
        ax.set_title(TITLES[method])
        ax.grid(visible=False)
    bar = figure.colorbar(picture, ax=axes, label="share completed", shrink=0.9)
    bar.outline.set_visible(False)
    figure.suptitle("The square reshaping needs fewer entries", fontsize=10)
    return figure
