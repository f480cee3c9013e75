"""Worst-case error of all methods: against steps, and against matrix products."""

from figures.polar_style import falling, look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Largest error on singular values in [0.001, 1], which is the largest spectral-norm error of "
    "the polar factor over all matrices with such singular values. Left: after each step. Right: "
    "by matrix products on a square matrix (2 for a step of degree 3, 3 for degree 5, 4 for "
    "degree 7), where the degrees of the optimal methods tie. Lists stop where their authors "
    "stop; You's last polynomial is repeated after six steps. Jordan's error never falls below "
    "0.318."
)
ORDER = (
    "newton-schulz-3",
    "newton-schulz",
    "newton-schulz-7",
    "jordan",
    "deepseek-v4",
    "you",
    "cesista",
    "chen-chow",
    "optimal-3",
    "optimal-5",
    "optimal-7",
    "published",
)
MAIN = ("newton-schulz", "jordan", "you", "cesista", "optimal-5", "published")
FLOOR = 1e-10


def draw(records):
    """Draw both panels with one legend."""
    methods = groups(records, "method")
    figure, axes = new_figure(PAGE, 4.5, columns=2)
    for ax, field in zip(axes.flat, ("step", "products"), strict=True):
        for method in ORDER:
            rows = sorted(methods.get(method, []), key=lambda r: r["step"])
            start = {"step": 0, "products": 0, "error": 1.0}
            xs, ys = falling([start, *rows], field, "error", FLOOR)
            main = method in MAIN
            ax.plot(
                xs,
                ys,
                **look(method, linewidth=1.8 if main else 1.0),
                markersize=3.5,
                zorder=3 if main else 2,
            )
        ax.set_yscale("log")
        ax.set_ylim(FLOOR, 3)
    axes.flat[0].set(
        xlim=(0, 22),
        xticks=range(0, 23, 4),
        xlabel="steps",
        ylabel=r"largest error  $\max\,|1-p(x)|$",
    )
    axes.flat[1].set(xlim=(0, 46), xlabel="matrix products (square matrix)")
    axes.flat[0].set_title("per step, higher degrees win")
    axes.flat[1].set_title("per product, degrees 3, 5 and 7 nearly tie")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, handlelength=3)
    return figure
