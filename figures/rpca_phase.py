"""The share of exact recoveries by rank and corruption."""

import numpy as np

from figures.style import COLUMN, groups, new_figure

CAPTION = (
    "How often principal component pursuit recovers a random matrix to a relative error of 1e-3, "
    "by its rank and the share of entries changed by +-1: white always, black never."
)


def draw(records):
    """Draw the table of shares."""
    ranks = sorted({r["rank_share"] for r in records})
    shares = sorted({r["corrupted"] for r in records})
    table = np.zeros((len(shares), len(ranks)))
    for (rank, share), trials in groups(records, "rank_share", "corrupted").items():
        recovered = np.mean([r["recovered"] for r in trials])
        table[shares.index(share), ranks.index(rank)] = recovered
    figure, ax = new_figure(COLUMN, 3.1)
    image = ax.imshow(table, origin="lower", cmap="gray", vmin=0, vmax=1, aspect="auto")
    every = max(1, len(ranks) // 5)
    for axis, values in ((ax.xaxis, ranks), (ax.yaxis, shares)):
        shown = range(every - 1, len(values), every)
        axis.set_ticks(shown, [f"{values[k]:g}" for k in shown])
    ax.grid(False)
    ax.set(xlabel="rank / n", ylabel="share of entries changed", title=f"n = {records[0]['n']}")
    figure.colorbar(image, ax=ax, label="share recovered")
    return figure
