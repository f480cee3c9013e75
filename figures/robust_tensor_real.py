"""A picture and a video as they were given, and as each method recovers them."""

import base64
import zlib

import numpy as np

from figures.style import PAGE, groups, series

CAPTION = (
    "A colour photograph and a frame of a video, three in ten of whose numbers are missing (black) "
    "and some of the others wrong, and the low-rank part by each method at its best "
    "weight. Numbers: peak signal-to-noise ratio in decibels; more is better, the best is bold. "
    "A photograph is of low rank in all unfoldings; a video in time alone, for which the mixture "
    "is made."
)
METHODS = {
    "given": "given",
    "matrix": "one unfolding",
    "horpca-s": "HoRPCA-S",
    "horpca-c": "HoRPCA-C",
    "horpca-m": "mixture",
}
SHOWN = 0.1  # of the entries wrong


def draw(records):
    """Draw the pictures, and curves below them where there are several shares."""
    from matplotlib.figure import Figure

    tensors = groups(records, "tensor")
    several = len({r["wrong"] for r in records}) > 1
    heights = [0.5 + 1.15 * len(tensors), 2.4][: 1 + several]
    figure = Figure(figsize=(PAGE, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _pictures(parts[0], tensors)
    figure.suptitle("Which kind of low rank recovers most depends on the data", fontsize=10)
    if several:
        _curves(parts[1], tensors)
    return figure


def _pictures(figure, tensors):
    axes = figure.subplots(len(tensors), len(METHODS))
    for row, (tensor, chosen) in zip(axes, tensors.items(), strict=True):
        shown = {r["method"]: r for r in chosen if r["wrong"] == SHOWN}
        best = max(r["decibels"] for r in shown.values())
        for ax, method in zip(row, METHODS, strict=True):
            record = shown[method]
            ax.imshow(_pixels(record, tensor), cmap="gray", vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=False)
            ax.grid(visible=False)
            weight = "bold" if record["decibels"] == best else "normal"
            ax.set_xlabel(f"{record['decibels']:.1f} dB", labelpad=2, fontweight=weight)
        row[0].set_ylabel(tensor)
    for ax, title in zip(axes[0], METHODS.values(), strict=True):
        ax.set_title(title, fontsize=8)


def _curves(figure, tensors):
    looks = series(METHODS.values())
    for ax, (tensor, chosen) in zip(figure.subplots(1, len(tensors)), tensors.items(), strict=True):
        for method, rows in groups(chosen, "method").items():
            rows = sorted(rows, key=lambda r: r["wrong"])
            ax.plot([100 * r["wrong"] for r in rows], [r["decibels"] for r in rows],
                    **looks[METHODS[method]])  # fmt: skip
        ax.set(title=tensor, xlabel="wrong among those observed, %", ylabel="dB")
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, handlelength=3.5)


def _pixels(record, tensor):
    pixels = np.frombuffer(zlib.decompress(base64.b64decode(record["pixels_zlib"])), np.uint8)
    colours = (3,) if tensor == "picture" else ()
    return pixels.reshape(record["rows"], record["columns"], *colours)
