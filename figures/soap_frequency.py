"""SOAP and Shampoo: loss at the end against the steps between two refreshes, and memory."""

from statistics import fmean

from figures.style import PAGE, PALETTE, groups, new_figure

CAPTION = (
    "An autoencoder of handwritten digits: loss on other digits (nats per image) at the end of the "
    "schedule, at the best of the learning rates; means of the seeds, bars from least to most. "
    "Left: against the steps between two refreshes of SOAP's basis or Shampoo's roots. Right: "
    "against the numbers that the optimizer remembers for each weight; the period is printed. "
    "AdamW has the decay rates of the others and is not tuned further; tuned, it ends far lower."
)
BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE
LOOKS = {
    "soap": ("SOAP", GREEN, "P"),
    "shampoo": ("Shampoo, grafted onto Adam", PINK, "X"),
    "soap-one-sided": ("SOAP, smaller side only", SKY, "v"),
    "soap-factored": ("SOAP, factored second moment", BLUE, "D"),
    "adamw": ("AdamW, the same decay rates, not tuned", BLACK, "o"),
}


def draw(records):
    """Draw the two panels."""
    figure, axes = new_figure(PAGE, 3.2, columns=2)
    left, right = axes.flat
    for method, rows in groups(records, "method").items():
        label, color, marker = LOOKS[method]
        kwargs = {"color": color, "marker": marker, "label": label, "capsize": 2}
        best = {period: _best(own) for period, own in sorted(groups(rows, "period").items())}
        means = [fmean(losses) for losses, _ in best.values()]
        low = [m - min(losses) for m, (losses, _) in zip(means, best.values(), strict=True)]
        high = [max(losses) - m for m, (losses, _) in zip(means, best.values(), strict=True)]
        if method == "adamw":
            left.axhspan(means[0] - low[0], means[0] + high[0], color=color, alpha=0.15)
            left.axhline(means[0], color=color, linestyle="--", linewidth=1)
        else:
            left.errorbar(list(best), means, yerr=[low, high], **kwargs)
        memory = [held for _, held in best.values()]
        right.errorbar(memory, means, yerr=[low, high], linestyle="none", **kwargs)
        side = {"xytext": (-5, 2), "ha": "right"} if method == "shampoo" else {"xytext": (5, 2)}
        for period, x, y in zip(best, memory, means, strict=True):
            if period:
                right.annotate(str(period), (x, y), textcoords="offset points", fontsize=6, **side)
    periods = sorted({r["period"] for r in records} - {0})
    left.set(xscale="log", xlabel="steps between two refreshes",
             ylabel="validation loss, nats per image", title="seldom refreshed")  # fmt: skip
    left.minorticks_off()
    left.set_xticks(periods, [str(p) for p in periods])
    right.set(xlabel="numbers remembered per weight", title="memory")
    right.set_xlim(0, 1.08 * max(r["state"] for r in records))
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    steps = records[0]["steps"]
    figure.suptitle(f"What refreshing seldom costs SOAP and Shampoo ({steps} steps)", fontsize=10)
    return figure


def _best(records):
    """Return the losses of all seeds at the rate that is best in the mean, and the memory."""
    rates = groups(records, "lr").values()
    chosen = min(rates, key=lambda rows: fmean(r["loss"] for r in rows))
    return [r["loss"] for r in chosen], chosen[0]["state"]
