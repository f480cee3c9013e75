"""Real sequences: mean sweeps so far under a lake's weather and for labels of digits."""

from statistics import fmean

from figures.relaxation_style import look, plain_numbers
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Mean sweeps of SOR per system so far, to 1e-6 of the right-hand side; means over the seeds of "
    "the tuners. Left: the temperature of a lake, one implicit step a day, mixed by the wind "
    "measured in Seattle from 2012 on, with the wind as context. Right: label propagation on "
    "handwritten digits, each time with another set of labels, the logarithm of their number as "
    "context. Over so few systems nothing that learns catches up with adaptive SOR, which needs "
    "no more than the system at hand; all are far below omega = 1."
)
TITLES = {"lake": "a lake under measured wind", "digits": "labels of handwritten digits"}
ORDER = ("omega-1", "tsallis", "chebyshev", "thompson", "best-fixed", "adaptive", "young")


def draw(records):
    """Draw both sequences."""
    sequences = groups(records, "sequence")
    figure, axes = new_figure(PAGE, 3.7, columns=2)
    for ax, (sequence, part) in zip(axes.flat, sequences.items(), strict=True):
        policies = groups(part, "policy")
        for policy in ORDER:
            steps = groups(policies[policy], "step")
            means = [fmean(r["mean"] for r in rows) for rows in steps.values()]
            ax.plot(list(steps), means, **look(policy, markersize=3.0, markevery=4))
        ax.set(xscale="log", yscale="log", xlabel="systems so far")
        plain_numbers(ax.xaxis, (5, 20, 100, 400, 1000))
        plain_numbers(ax.yaxis, (30, 50, 100, 200, 400))
        ax.set_title(TITLES[sequence])
    axes.flat[0].set_ylabel("mean sweeps per system")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    figure.suptitle("Real sequences: learning pays against omega = 1, adaptive SOR pays at once",
                    fontsize=10)  # fmt: skip
    return figure
