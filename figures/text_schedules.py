"""Muon with different polynomials on the text model: the loss at the end against the rate."""

from figures.style import PAGE, groups, new_figure
from figures.text_style import draw_rates, look, mean

CAPTION = (
    "The loss on a play not seen, at the end of training, for Muon with five steps of Jordan's "
    "polynomial, of You's, of Polar Express, and of polynomials made for the smallest singular "
    "value that is estimated at each step; and with the exact polar factor where it was run. "
    "Left: against the learning rate, mean and range of the seeds, AdamW's best beside it. Right: "
    "the same minus the loss with Jordan's polynomial, seed by seed."
)
METHODS = ("muon-jordan", "muon-you", "muon-polar-express", "muon-estimated", "muon-svd")


def draw(records):
    """Draw two panels."""
    figure, axes = new_figure(PAGE, 3.2, columns=2)
    left, right = axes[0]
    ends = [r for r in records if r["last"]]
    losses = {(r["method"], r["lr"], r["seed"]): r["validation_loss"] for r in ends}
    by_method = groups(records, "method")
    present = [m for m in METHODS if m in by_method]
    for place, method in enumerate(present):
        draw_rates(left, by_method[method], **look(method))
        if method == "muon-jordan":
            continue
        gaps = {}
        for (name, rate, seed), loss in losses.items():
            if name == method and ("muon-jordan", rate, seed) in losses:
                gap = loss - losses["muon-jordan", rate, seed]
                gaps.setdefault(rate, []).append(gap)
        shift = 1.07 ** (place - 2.5)  # side by side
        style = look(method)
        right.plot([r * shift for r in gaps], [mean(v) for v in gaps.values()], **style)
        points = [(rate * shift, gap) for rate, v in gaps.items() for gap in v]
        right.plot(*zip(*points, strict=True), ".", color=style["color"], alpha=0.5)
    adamw = groups([r for r in ends if r["method"] == "adamw"], "lr")
    if adamw:
        best = min(mean([r["validation_loss"] for r in rows]) for rows in adamw.values())
        left.axhline(best, color="black", linewidth=0.8, linestyle=(0, (1, 1)), label="AdamW, best")
    left.set(ylabel="validation loss at the end")
    left.legend()
    right.axhline(0, color=look("muon-jordan")["color"], linestyle="--", linewidth=1)
    right.set(xscale="log", xlabel="learning rate (of the matrices)")
    right.set_title("minus that of Jordan's, same seed")
    left.set_title("validation loss at the end of training")
    return figure
