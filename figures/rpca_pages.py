"""Pages, the paper found behind the ink, and what one threshold makes of them."""

import base64
import zlib

import numpy as np

from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Two unevenly lit pages. Left: the pixels observed (the others white), and the low-rank part "
    "found from them: the paper, filled in where pixels are missing and under the ink. Right: the "
    "whole page in black and white by one threshold (Otsu's), before and after the paper is taken "
    "off. Numbers: pixels that differ from a local threshold."
)
PARTS = {
    "given": "observed",
    "background": "paper found from these",
    "before": "one threshold for the page",
    "after": "the same less the paper",
}


def draw(records):
    """Draw a row of pictures for each page and share."""
    cells = groups(records, "page", "share")
    figure, axes = new_figure(PAGE, 0.3 + 0.88 * len(cells), rows=len(cells), columns=len(PARTS))
    for row, ((_, share), chosen) in zip(axes, cells.items(), strict=True):
        for ax, part in zip(row, PARTS, strict=True):
            (record,) = (r for r in chosen if r["part"] == part)
            data = zlib.decompress(base64.b64decode(record["pixels_zlib"]))
            pixels = np.frombuffer(data, np.uint8).reshape(record["rows"], record["columns"])
            ax.imshow(pixels, cmap="gray", vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, linewidth=0.5)
            ax.grid(visible=False)
            if part in ("before", "after"):
                ax.set_xlabel(f"{100 * record['wrong_' + part]:.1f} % differ", labelpad=2)
        row[0].set_xlabel(f"{100 * share:g} % of the pixels", labelpad=2)
        row[1].set_xlabel(f"rank {chosen[0]['rank']}", labelpad=2)
    for ax, title in zip(axes[0], PARTS.values(), strict=True):
        ax.set_title(title, fontsize=8)
    return figure
