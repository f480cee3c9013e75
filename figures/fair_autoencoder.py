"""The autoencoder: loss at the end, speed-up over AdamW, and what tuning brought."""

from figures.fair_style import baseline, draw_ends, draw_speedups, draw_tuning, ends
from figures.style import PAGE, new_figure

CAPTION = (
    "An autoencoder of handwritten digits. Left: loss on other digits (nats per image) at the end "
    "of the whole schedule, after tuning with the same number of runs for every optimizer and "
    "length; means of fresh seeds, bars from least to most. Middle: the steps AdamW would need "
    "for that loss, over the steps taken (both printed), by the law through its three lengths, or "
    "by straight lines where they follow none; a star where that is beyond its longest run, "
    "infinity below the limit of the law. Right: the best loss against the runs of the search."
)


def draw(records):
    """Draw the three panels."""
    losses = ends(records)
    law = baseline(losses["adamw"])
    figure, axes = new_figure(PAGE, 3.1, columns=3)
    left, middle, right = axes.flat
    draw_ends(left, losses, law)
    left.set(ylabel="validation loss, nats per image")
    draw_speedups(middle, losses, law)
    draw_tuning(right, records, min(losses["adamw"]))
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure
