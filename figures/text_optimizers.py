"""Optimizers on the text model: loss against steps at tuned rates, and against the rate."""

from figures.style import PAGE, groups, new_figure
from figures.text_style import best_rate, draw_band, draw_rates, look

CAPTION = (
    "A character-level transformer on Shakespeare's text, judged by a play that it has not seen. "
    "Left: each method at the rate that is best at the end; the line is the mean of the seeds, "
    "the band their range. Right: the loss at the end against the learning rate. AdamW alone has "
    "one rate for all weights; beside the matrix optimizers AdamW trains embedding, head and "
    "gains, always at the same rate."
)
METHODS = ("adamw", "polargrad", "torch-muon", "muon-polar-express", "soap")


def draw(records):
    """Draw two panels."""
    figure, axes = new_figure(PAGE, 3.2, columns=2)
    left, right = axes[0]
    by_method = groups(records, "method")
    for method in (m for m in METHODS if m in by_method):
        rows, style = by_method[method], look(method)
        rate = best_rate(rows)
        label = f"{style['label']}, {rate:g}"
        chosen = [r for r in rows if r["lr"] == rate]
        draw_band(left, chosen, **{**style, "label": label})
        draw_rates(right, rows, **style)
    left.set(xlabel="step", ylabel="validation loss (nats per character)")
    left.set_title("at the best learning rate")
    right.set(ylabel="validation loss at the end")
    right.set_title("tuning")
    left.legend(title="method, rate", title_fontsize=7)
    seeds = len({r["seed"] for r in records})
    figure.suptitle(f"Matrix optimizers on a small text model, {seeds} seeds", fontsize=10)
    return figure
