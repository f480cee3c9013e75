"""Frames of the video, their background and what moves."""

import base64

import numpy as np

from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Two frames of a surveillance video, the low-rank part (background) and the magnitude of the "
    "sparse part (moving), twice as bright. Above with all pixels observed, below with half of "
    "them, at random; those that are missing are black in the frames, and are filled in by the "
    "background."
)
PARTS = {"frame": "frame", "background": "background", "moving": "moving"}


def draw(records):
    """Draw the pictures side by side."""
    shares = groups([r for r in records if r["kind"] == "pictures"], "rho")
    times = sorted({r["frame"] for r in records if r["kind"] == "pictures"})
    rows = len(shares) * len(times)
    figure, axes = new_figure(PAGE, 1.78 * rows, rows=rows, columns=len(PARTS))
    for block, (rho, chosen) in enumerate(sorted(shares.items(), reverse=True)):
        for record in chosen:
            row = block * len(times) + times.index(record["frame"])
            ax = axes[row, list(PARTS).index(record["part"])]
            pixels = np.frombuffer(base64.b64decode(record["pixels"]), np.uint8)
            ax.imshow(
                pixels.reshape(record["rows"], record["columns"]), cmap="gray", vmin=0, vmax=255
            )
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            if record["frame"] == times[0]:
                ax.set_title(PARTS[record["part"]])
            if record["part"] == "frame":
                ax.set_ylabel(f"frame {record['frame']}, {100 * rho:g} % observed")
    return figure
