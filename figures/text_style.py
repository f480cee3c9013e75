"""One look for each method in the figures about the text model, and the means over seeds."""

from figures.style import PALETTE, groups

BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE
WINE = "#882255"

# method: label, colour, marker, line
LOOKS = {
    "adamw": ("AdamW", BLACK, "o", "-"),
    "torch-muon": ("torch.optim.Muon", VERMILION, "v", "--"),
    "muon-polar-express": ("Muon, Polar Express", BLUE, "s", "-"),
    "muon-jordan": ("Muon, Jordan", VERMILION, "v", "--"),
    "muon-you": ("Muon, You", GREEN, "^", "-."),
    "muon-estimated": ("Muon, made for the estimate", PINK, "D", ":"),
    "muon-svd": ("Muon, SVD", WINE, "X", "-"),
    "soap": ("SOAP", GREEN, "^", "-."),
    "polargrad": ("PolarGrad", PINK, "D", ":"),
}


def look(method):
    """Return keyword arguments of ``Axes.plot``."""
    label, color, marker, line = LOOKS[method]
    return {"label": label, "color": color, "marker": marker, "linestyle": line}


def final(records, field):
    """Return, by the values of a field, the final losses of all seeds, in order of the values."""
    ends = groups([r for r in records if r["last"]], field)
    return {value: [r["validation_loss"] for r in ends[value]] for value in sorted(ends)}


def mean(values):
    """Return the arithmetic mean."""
    return sum(values) / len(values)


def best_rate(records):
    """Return the learning rate whose final loss, in the mean over the seeds, is least."""
    losses = final(records, "lr")
    return min(losses, key=lambda rate: mean(losses[rate]))


def draw_band(ax, records, skip=0, **kwargs):
    """Draw the mean of the seeds against the step, and shade from the least to the largest.

    The first ``skip`` steps are left out.
    """
    by_step = groups([r for r in records if r["step"] > skip], "step")
    steps = sorted(by_step)
    losses = [[r["validation_loss"] for r in by_step[s]] for s in steps]
    ax.plot(steps, [mean(v) for v in losses], **kwargs)
    ax.fill_between(steps, [min(v) for v in losses], [max(v) for v in losses],
                    color=kwargs["color"], alpha=0.2, linewidth=0)  # fmt: skip


def draw_rates(ax, records, **kwargs):
    """Draw the final loss against the learning rate: the mean of the seeds, and their range."""
    losses = {rate: v for rate, v in final(records, "lr").items() if max(v) < float("inf")}
    middle = [mean(v) for v in losses.values()]
    below = [m - min(v) for m, v in zip(middle, losses.values(), strict=True)]
    above = [max(v) - m for m, v in zip(middle, losses.values(), strict=True)]
    ax.errorbar(list(losses), middle, yerr=[below, above], capsize=2, elinewidth=0.8, **kwargs)
    ax.set(xscale="log", xlabel="learning rate (of the matrices)")
