"""The autoencoder: loss at the end, speed-up over AdamW, and what tuning brought."""

from figures.fair_style import caption, draw_comparison

CAPTION = caption("An autoencoder of handwritten digits.", "other digits (nats per image)")


def draw(records):
    """Draw the three panels."""
    return draw_comparison(records, "nats per image")
