"""Extreme singular values of a sketched orthonormal basis, and the cost of the sketch."""

import math

from figures.relaxation_style import plain_numbers
from figures.sketching_style import GREY, look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Smallest (below 1) and largest (above 1) singular value of S Q, means over the draws, for "
    "orthonormal Q of n columns whose rows are alike (incoherent), concentrated on n of them "
    "(coherent), or half of each; S has s rows. Shaded: 1 -+ (n/s)^(1/2), where the extreme "
    "values of a Gaussian S tend to. Below it, at 0, a sketch has lost a direction: least squares "
    "would go wrong. Lower right: time to apply S to a dense matrix over that of A^T A, one "
    "thread, not counting the drawing."
)
TITLES = {
    "incoherent": "incoherent subspace",
    "mixed": "half coherent",
    "coherent": "coherent: n unit vectors",
}


def draw(records):
    """Draw three subspaces and the cost."""
    figure, axes = new_figure(PAGE, 5.6, rows=2, columns=2)
    ratios = sorted({r["ratio"] for r in records})
    fine = [ratios[0] * (ratios[-1] / ratios[0]) ** (k / 60) for k in range(61)]
    subspaces = groups(records, "subspace")
    for axis, (name, title) in zip(axes.flat, TITLES.items(), strict=False):
        ends = [1 / math.sqrt(x) for x in fine]
        axis.fill_between(
            fine, [1 - e for e in ends], [1 + e for e in ends], color="#cccccc", alpha=0.5, lw=0
        )
        for kind, rows in groups(subspaces[name], "embedding").items():
            x = [r["ratio"] for r in rows]
            axis.plot(x, [r["smallest"] for r in rows], **look(kind))
            axis.plot(x, [r["largest"] for r in rows], **look(kind, label=None))
        axis.set(ylim=(-0.05, 2.45), title=title, ylabel="extreme singular values of S Q")
        if any(r["largest"] > 2.45 for r in subspaces[name]):
            axis.text(0.5, 0.97, "some are above", color=GREY, ha="center", va="top",
                      transform=axis.transAxes, fontsize=7)  # fmt: skip
    cost = axes[1, 1]
    for kind, rows in groups(subspaces["incoherent"], "embedding").items():
        cost.plot([r["ratio"] for r in rows], [r["over_gram"] for r in rows], **look(kind))
    cost.set(yscale="log", title="cost", ylabel=r"time of $SA$ / time of $A^TA$")
    cost.axhline(1, color=GREY, linewidth=0.8)
    for axis in axes.flat:
        axis.set(xscale="log", xlabel="rows of S / columns of Q")
        plain_numbers(axis.xaxis, ratios)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    return figure
