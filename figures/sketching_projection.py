"""Rates of sketch-and-project: measured and predicted, and what a block gains."""

from figures.style import LINES, MARKERS, PAGE, PALETTE, groups, new_figure

CAPTION = (
    "100 x 100 matrices with singular values 1/i, and with ten of 100 and ninety of about 1. "
    "Left: part of the squared error along the slowest direction that a step removes. Lines: "
    "sigma_min^2 / (sigma_min^2 + gamma) with sum sigma_i^2 / (sigma_i^2 + gamma) = k, for "
    "Gaussian blocks; crosses: sigma_min^2 / ||A||_F^2, exact for single rows drawn by their "
    "norm. Marks: measured, two standard errors. Once k exceeds the ten large singular values "
    "they do no harm. Middle and right: mean squared error from a random start against the "
    "vectors that the sketches hold, dotted the bound (1 - rho)^steps."
)
SHOWN = (1, 5, 10, 20, 40)
NAMES = {"decaying": "1/i", "outliers": "ten large"}
LEAST = 1e-10


def draw(records):
    """Draw the rates and a panel of curves for each matrix."""
    figure, axes = new_figure(PAGE, 3.3, columns=3)
    rates = groups([r for r in records if r["kind"] == "rate"], "matrix")
    axis = axes[0, 0]
    for k, (name, rows) in enumerate(rates.items()):
        blocks = sorted((r for r in rows if "gaussian" in r["sketch"]), key=lambda r: r["block"])
        x = [r["block"] for r in blocks]
        axis.plot(x, [r["predicted"] for r in blocks], color=PALETTE[k], linestyle=LINES[k])
        bars = [2 * r["deviation"] for r in blocks]
        axis.errorbar(x, [r["measured"] for r in blocks], yerr=bars, color=PALETTE[k],
                      marker=MARKERS[k], linestyle="none", capsize=2,
                      label=f"Gaussian, {NAMES[name]}")  # fmt: skip
        (row,) = (r for r in rows if r["sketch"] == "kaczmarz")
        axis.plot(0.85, row["predicted"], color=PALETTE[k], marker="x", markersize=7)
        axis.errorbar(0.85, row["measured"], yerr=2 * row["deviation"], color=PALETTE[k],
                      marker=MARKERS[k], markerfacecolor="white", linestyle="none", capsize=2,
                      label=f"Kaczmarz, {NAMES[name]}")  # fmt: skip
    axis.set(xscale="log", yscale="log", xlabel="block size k", ylabel=r"rate $\rho$ a step",
             title="measured and predicted")  # fmt: skip
    axis.legend(loc="upper left", fontsize=6)
    curves = [r for r in records if r["kind"] == "curve" and "gaussian" in r["sketch"]]
    for axis, name in zip(axes[0, 1:], NAMES, strict=True):
        found = groups([r for r in curves if r["matrix"] == name], "block")
        for k, block in enumerate(SHOWN):
            rows = [r for r in found[block] if r["error"] > LEAST]
            x = [r["row_products"] for r in rows]
            axis.plot(x, [r["error"] for r in rows], color=PALETTE[k], linestyle=LINES[k % 4],
                      label=f"k = {block}")  # fmt: skip
            bounds = [(r["row_products"], r["bound"]) for r in found[block] if r["bound"] > LEAST]
            axis.plot(*zip(*bounds, strict=True), color=PALETTE[k], linestyle=":", linewidth=0.8)
        axis.set(yscale="log", xlabel="steps times k", title=f"singular values: {NAMES[name]}",
                 ylim=(_least(found), 3))  # fmt: skip
    axes[0, 1].set_ylabel("mean squared error")
    axes[0, 1].legend(loc="lower left", fontsize=6.5)
    return figure


def _least(found):
    """Return where the panel ends: below what is drawn."""
    drawn = [r["error"] for block in SHOWN for r in found[block]]
    return max(LEAST, 0.3 * min(drawn))
