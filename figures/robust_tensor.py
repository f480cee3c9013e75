"""Which tensors are recovered, by method."""

import math
from statistics import median

from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Relative error (the median where there are several tensors) of the low-rank part of random "
    "tensors n x n x n with three equal Tucker ranks, a share of whose entries is wrong. Dark: "
    "recovered; numbers: the exponent of the error, rounded. From left to right: principal "
    "component pursuit of one unfolding, HoRPCA-S, and HoRPCA-C with the ranks known."
)
TITLES = {
    "matrix": "one unfolding",
    "horpca-s": "all unfoldings (HoRPCA-S)",
    "horpca-c": "ranks known (HoRPCA-C)",
}


def draw(records):
    """Draw one map for each method."""
    methods = groups(records, "method")
    figure, axes = new_figure(PAGE, 2.6, columns=len(TITLES))
    ranks = sorted({r["rank"] for r in records})
    shares = sorted({r["share"] for r in records})
    for ax, method in zip(axes.flat, TITLES, strict=True):
        cells = groups(methods[method], "rank", "share")
        errors = [[median(r["error"] for r in cells[rank, share]) for share in shares]
                  for rank in ranks]  # fmt: skip
        exponents = [[math.log10(max(e, 1e-16)) for e in row] for row in errors]
        picture = ax.imshow(exponents, origin="lower", aspect="auto", cmap="cividis",
                            vmin=-5, vmax=0)  # fmt: skip
        for y, row in enumerate(exponents):
            for x, value in enumerate(row):
                ax.text(x, y, f"{value:.0f}".replace("-0", "0"), ha="center", va="center",
                        fontsize=6, color="white" if value < -2.5 else "black")  # fmt: skip
        ax.set_xticks(range(len(shares)), [f"{100 * share:g}" for share in shares])
        ax.set_yticks(range(len(ranks)), [str(rank) for rank in ranks])
        ax.set(xlabel="wrong entries, %")
        ax.set_title(TITLES[method])
        ax.grid(visible=False)
    axes[0, 0].set(ylabel="rank of each unfolding")
    bar = figure.colorbar(picture, ax=axes, label="log10 of the error")
    bar.outline.set_visible(False)
    size = records[0]["size"]
    figure.suptitle(f"Tensors {size} x {size} x {size}: using all unfoldings recovers more",
                    fontsize=10)  # fmt: skip
    return figure
