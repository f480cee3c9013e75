"""Muon on the text model in several precisions: the losses, and how far they are from fp32."""

from figures.style import PAGE, groups, new_figure, series
from figures.text_style import draw_band, mean

CAPTION = (
    "Muon with five steps of Polar Express in fp32, TF32, fp16 and bf16 (emulated), all else in "
    "fp32. Left: loss on a play not seen, mean and range of the seeds; the lines lie on each "
    "other. Right: the loss minus that in fp32, seed by seed (thin) and in the mean (thick)."
)


def draw(records):
    """Draw two panels."""
    figure, axes = new_figure(PAGE, 3.3, columns=2)
    left, right = axes[0]
    by_precision = groups(records, "precision")
    reference = {(r["seed"], r["step"]): r["validation_loss"] for r in by_precision["fp32"]}
    for precision, style in series(by_precision).items():
        rows = by_precision[precision]
        draw_band(left, rows, **style)
        if precision == "fp32":
            continue
        gaps = groups(
            [{**r, "gap": r["validation_loss"] - reference[r["seed"], r["step"]]} for r in rows],
            "step",
        )
        right.plot(list(gaps), [mean([r["gap"] for r in v]) for v in gaps.values()], **style)
        for own in groups([r for v in gaps.values() for r in v], "seed").values():
            thin = {"color": style["color"], "linewidth": 0.5, "alpha": 0.7}
            right.plot([r["step"] for r in own], [r["gap"] for r in own], **thin)
    left.set(xlabel="step", ylabel="nats per character")
    left.set_title("validation loss")
    left.legend()
    right.axhline(0, color="black", linewidth=0.8)
    right.set(xlabel="step")
    right.set_title("the same minus that in fp32, by seed")
    return figure
