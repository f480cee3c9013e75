"""The text model: loss at the end, speed-up over AdamW, and what tuning brought."""

from figures.fair_style import caption, draw_comparison

CAPTION = caption("A transformer on the characters of Shakespeare's plays.", "held back text")


def draw(records):
    """Draw the three panels."""
    return draw_comparison(records, "nats per character")
