"""Fine-tuning by adapters: the loss against the rate, and curves at the best rate of each."""

from statistics import fmean

from figures.adapter_style import LOOKS
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "A small network trained on upright digits learns turned ones by adapters of rank 4. Left, the "
    "test loss at the end of the schedule against the learning rate, the mean of the seeds and "
    "their range; right, the training loss at the best rate of each. All have as many rates."
)


def draw(records):
    """Draw both panels."""
    from matplotlib.ticker import LogLocator

    figure, axes = new_figure(PAGE, 3.1, columns=2)
    left, right = axes[0]
    ends = [r for r in records if r["kind"] == "end"]
    for method, rows in groups(ends, "method").items():
        by_rate = dict(sorted(groups(rows, "rate").items()))
        losses = {rate: [r["test_loss"] for r in own] for rate, own in by_rate.items()}
        means = {rate: fmean(values) for rate, values in losses.items()}
        look = LOOKS[method]
        left.plot(list(means), list(means.values()), **look)
        low, high = ([f(v) for v in losses.values()] for f in (min, max))
        left.fill_between(list(means), low, high, color=look["color"], alpha=0.15, linewidth=0)
        best = min(means, key=means.get)
        path = [r for r in records if r["kind"] == "path" and r["method"] == method]
        by_step = groups([r for r in path if r["rate"] == best], "step")
        curve = [fmean(r["train_loss"] for r in own) for own in by_step.values()]
        right.plot(list(by_step), curve, **look, markevery=3)
    left.set(yscale="log", xlabel="learning rate", ylabel="test loss at the end")
    left.set_xscale("log", base=2)
    left.set_ylim(None, 5)
    left.set_title("Every rate")
    right.set(yscale="log", xlabel="step", ylabel="training loss")
    right.set_title("The best rate of each")
    right.legend()
    for ax in (left, right):
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
        ax.yaxis.set_minor_formatter("{x:g}" if ax is left else "")
    return figure
