"""Steps against the number of older directions, for models with more and more noise."""

from statistics import fmean

from figures.relaxation_style import plain_numbers
from figures.style import PAGE, groups, new_figure, series

CAPTION = (
    "Steps to 1e-6 on a square with a box inside, against the older directions that each new one "
    "is made conjugate to, for a preconditioner with white noise of a relative size added to what "
    "it says. Without noise one direction is enough: that is conjugate gradients. With noise a "
    "longer window saves steps, but not always: with much noise two directions can do better than "
    "four. "
    "Means over draws of the noise; runs that had not converged stand at the cap of 400."
)
NAMES = {"ic0": "incomplete Cholesky", "learned": "learned multigrid"}


def draw(records):
    """Draw both models."""
    figure, axes = new_figure(PAGE, 3.2, columns=2)
    noises = sorted({r["noise"] for r in records})
    styles = series(noises)
    for ax, (model, rows) in zip(axes[0], groups(records, "model").items(), strict=True):
        for noise in noises:
            windows = groups([r for r in rows if r["noise"] == noise], "n_orth")
            means = [fmean(r["iterations"] for r in found) for found in windows.values()]
            style = {**styles[noise], "label": f"noise {noise:g}"}
            ax.plot(range(len(means)), means, **style)
            names = ["all" if k == -1 else str(k) for k in windows]
        ax.set_xticks(range(len(names)), names)
        ax.set(xlabel="older directions kept (n_orth)", yscale="log")
        low, high = (limit(r["iterations"] for r in rows) for limit in (min, max))
        ticks = [t for t in (5, 10, 20, 50, 100, 200, 400) if low <= t <= high]
        plain_numbers(ax.yaxis, ticks)
        ax.set_title(NAMES[model])
    axes[0, 0].set(ylabel="steps to 1e-6")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, handlelength=3.5)
    return figure
