"""Panels about optimizers compared after equal tuning."""

from math import isfinite
from statistics import fmean

from figures.style import PAGE, PALETTE, groups, new_figure

BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE
# optimizer: label, colour, marker
LOOKS = {
    "adamw": ("AdamW", BLACK, "o"),
    "sgd": ("SGD, momentum", "#777777", "s"),
    "lion": ("Lion", SKY, "v"),
    "muon": ("Muon", VERMILION, "^"),
    "muon-polar-express": ("Muon, Polar Express", VERMILION, "^"),
    "polargrad": ("PolarGrad", BLUE, "D"),
    "soap": ("SOAP", GREEN, "P"),
    "shampoo": ("Shampoo", PINK, "X"),
    "torch-muon": ("torch.optim.Muon", ORANGE, "<"),
}
BASELINE = "adamw"


_CAPTION = (
    "Left: loss on {held_back} at the end of the whole schedule, after tuning with the same number "
    "of runs for every optimizer and length; means of fresh seeds, bars from least to most. "
    "Middle: the steps AdamW would need for that loss, over the steps taken (both printed), by the "
    "law through its three lengths, or by straight lines where they follow none; a star where that "
    "is beyond its longest run, infinity below the limit of the law. Right: the best loss against "
    "the runs of the search."
)


def caption(model, held_back):
    """Return what stands below the picture of a model."""
    return f"{model} {_CAPTION.format(held_back=held_back)}"


def draw_comparison(records, unit):
    """Draw the three panels, for losses in a unit."""
    losses = ends(records)
    law = baseline(losses[BASELINE])
    figure, axes = new_figure(PAGE, 3.1, columns=3)
    left, middle, right = axes.flat
    draw_ends(left, losses, law)
    left.set(ylabel=f"validation loss, {unit}")
    draw_speedups(middle, losses, law)
    draw_tuning(right, records, min(losses[BASELINE]))
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure


def ends(records):
    """Return {optimizer: {steps: losses at the end, one per seed}}, in the order of `LOOKS`."""
    found = groups([r for r in records if r["kind"] == "final"], "optimizer")
    return {
        name: {
            steps: [r["loss"] for r in rows]
            for steps, rows in sorted(groups(found[name], "steps").items())
        }
        for name in LOOKS
        if name in found
    }


def baseline(losses):
    """Return the `Law` of the baseline, or its `Interpolation` where the losses follow none."""
    try:
        return Law(losses)
    except ValueError:
        return Interpolation(losses)


class Interpolation:
    """Loss against the logarithm of the steps by straight lines, the outer ones prolonged."""

    label = "AdamW, straight lines"

    def __init__(self, losses):
        from math import log2

        self.points = [(log2(steps), fmean(values)) for steps, values in losses.items()]

    def loss(self, steps):
        """Return the loss after so many steps."""
        from math import log2

        place = log2(steps)
        (x, y), slope = self._piece(lambda point: point[0] > place)
        return y + slope * (place - x)

    def steps(self, loss):
        """Return after how many steps the loss is reached."""
        (x, y), slope = self._piece(lambda point: point[1] < loss)
        return 2 ** (x + (loss - y) / slope)

    def _piece(self, behind):
        """Return the end and the slope of the first piece whose end is behind, or of the last."""
        pairs = list(zip(self.points, self.points[1:], strict=False))
        a, b = next((pair for pair in pairs if behind(pair[1])), pairs[-1])
        return b, (b[1] - a[1]) / (b[0] - a[0])


class Law:
    """L(D) = alpha D^-B + beta through the baseline's mean losses after D, 2 D and 4 D steps.

    Raises
    ------
    ValueError
        If the steps are not three in the ratio two, or the losses do not flatten.
    """

    label = r"AdamW's law $\alpha D^{-B}+\beta$"

    def __init__(self, losses):
        (self.first, one), (second, two), (third, three) = (
            (steps, fmean(values)) for steps, values in losses.items()
        )
        if (second, third) != (2 * self.first, 4 * self.first):
            raise ValueError(f"steps must double, got {list(losses)}")
        self.ratio = (two - three) / (one - two)  # 2^-B
        if not 0 < self.ratio < 1:
            raise ValueError(f"losses {one}, {two}, {three} follow no such law")
        self.beta = (one * three - two * two) / (one + three - 2 * two)
        self.scale = one - self.beta

    def loss(self, steps):
        """Return the loss after so many steps."""
        from math import log2

        return self.beta + self.scale * self.ratio ** log2(steps / self.first)

    def steps(self, loss):
        """Return after how many steps the loss is reached, infinity below the limit."""
        from math import inf, log

        if loss <= self.beta:
            return inf
        return self.first * 2 ** (log((loss - self.beta) / self.scale) / log(self.ratio))


def draw_ends(ax, losses, law):
    """Draw the losses at the end against the steps, with the spread over the seeds."""
    for name, lengths in losses.items():
        label, color, marker = LOOKS[name]
        steps, means = list(lengths), [fmean(v) for v in lengths.values()]
        low = [m - min(v) for m, v in zip(means, lengths.values(), strict=True)]
        high = [max(v) - m for m, v in zip(means, lengths.values(), strict=True)]
        line = "none" if name == BASELINE else "-"
        ax.errorbar(steps, means, yerr=[low, high], color=color, marker=marker, linestyle=line,
                    capsize=2, label=label)  # fmt: skip
    lengths = list(losses[BASELINE])
    fine = [lengths[0] * (lengths[-1] / lengths[0]) ** (k / 40) for k in range(41)]
    ax.plot(fine, [law.loss(d) for d in fine], color=BLACK, linewidth=1, linestyle="--",
            label=law.label)  # fmt: skip
    ax.set(xscale="log", xlabel="steps of the whole schedule", title="loss at the end")
    ax.minorticks_off()
    ax.set_xticks(lengths, [str(d) for d in lengths])


def draw_speedups(ax, losses, law):
    """Draw the steps AdamW would need for the same loss over those taken.

    A star marks what the law says beyond the longest run of AdamW, a hatched bar a loss that no
    number of steps reaches by it.
    """
    names = [name for name in losses if name != BASELINE]
    lengths = sorted({d for name in names for d in losses[name]})
    speedups = {
        (name, d): law.steps(fmean(values)) / d
        for name in names
        for d, values in losses[name].items()
    }
    end = max([1.0, *(v for v in speedups.values() if isfinite(v))])
    width = 0.8 / len(lengths)
    for (name, d), value in speedups.items():
        rank = lengths.index(d)
        place = names.index(name) + (rank - (len(lengths) - 1) / 2) * width
        bar = ax.barh(place, min(value, end), height=0.92 * width, color=LOOKS[name][1],
                      alpha=(0.55, 1.0)[rank % 2])  # fmt: skip
        if not isfinite(value):
            bar[0].set(hatch="////", edgecolor="white", linewidth=0)
        star = "*" if d * value > max(losses[BASELINE]) else ""
        number = f"{value:.2f}{star}" if isfinite(value) else r"$\infty$"
        ax.annotate(f"{number} at {d}", (min(value, end), place), xytext=(2, 0), fontsize=6,
                    textcoords="offset points", va="center",
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})  # fmt: skip
    ax.axvline(1.0, color=BLACK, linewidth=1, linestyle="--")
    ax.set_yticks(range(len(names)), [LOOKS[name][0].replace(", ", ",\n") for name in names])
    ax.set(xlabel="AdamW's steps to the same loss / steps", title="speed-up over AdamW",
           xlim=(0, 1.5 * end))  # fmt: skip
    ax.invert_yaxis()
    ax.grid(False, axis="y")


def draw_tuning(ax, records, steps):
    """Draw the best loss against the runs of the search."""
    trials = [r for r in records if r["kind"] == "trial" and r["steps"] == steps]
    for name, rows in groups(trials, "optimizer").items():
        label, color, marker = LOOKS[name]
        best = [min(r["loss"] for r in rows[: k + 1]) for k in range(len(rows))]
        ax.step(range(1, len(best) + 1), best, where="post", color=color, label=label)
        ax.plot(len(best), best[-1], color=color, marker=marker)
    ax.set(xlabel="runs spent on tuning", title=f"best loss so far ({steps} steps)")
