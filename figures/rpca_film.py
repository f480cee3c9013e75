"""The largest film with its background and what moves; time against size."""

import base64
import zlib

import numpy as np

from figures.style import PAGE, PALETTE, groups

CAPTION = (
    "Above: part of a frame of the largest film there is, its background and the magnitude of "
    "what moves, twice as bright; from all pixels, and from a tenth of them (others black). "
    "Below: processor time of a step, and largest memory taken besides the film itself, "
    "against pixels times frames. The grey line is proportional to that. Numbers: steps to a "
    "relative gap of 1e-2."
)
PARTS = ("frame", "background", "moving")


def draw(records):
    """Draw pictures above and curves below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 6.3), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(3.7, 2.4))
    largest = max(r["entries"] for r in records)
    shown = [r for r in records if r["entries"] == largest]
    shares = sorted({r["share"] for r in records}, reverse=True)
    axes = above.subplots(len(shares), len(PARTS))
    for row, share in zip(axes, shares, strict=True):
        for ax, part in zip(row, PARTS, strict=True):
            (record,) = (r for r in shown if (r["share"], r["part"]) == (share, part))
            _picture(ax, record)
            if share == shares[0]:
                ax.set_title(part)
        row[0].set_ylabel(f"{100 * share:g} % of the pixels")
    _curves(below, records, shares)
    pixels, frames = shown[0]["pixels"], shown[0]["frames"]
    figure.suptitle(
        f"{pixels} pixels x {frames} frames: {_seconds(shown, shares[0])} of processor time, "
        f"{_seconds(shown, shares[1])} from {100 * shares[1]:g} % of the pixels",
        fontsize=10,
    )
    return figure


def _seconds(records, share):
    seconds = next(r["seconds"] for r in records if r["share"] == share)
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _picture(ax, record):
    pixels = np.frombuffer(zlib.decompress(base64.b64decode(record["pixels_zlib"])), np.uint8)
    ax.imshow(pixels.reshape(record["rows"], record["columns"]), cmap="gray", vmin=0, vmax=255)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)


def _curves(figure, records, shares):
    time, memory = figure.subplots(1, 2)
    cells = [r for r in records if r["part"] == PARTS[0]]
    highest = {n: max(r["per_step"] for r in rows) for n, rows in groups(cells, "entries").items()}
    for share, colour, marker in zip(shares, PALETTE, "os", strict=False):
        rows = sorted(groups(cells, "share")[share], key=lambda r: r["entries"])
        entries = [r["entries"] for r in rows]
        look = {"color": colour, "marker": marker, "label": f"{100 * share:g} % of the pixels"}
        time.plot(entries, [r["per_step"] for r in rows], **look)
        memory.plot(entries, [r["memory"] for r in rows], **look)
        for r in rows:
            place = (0, 5 if r["per_step"] == highest[r["entries"]] else -11)
            time.annotate(str(r["steps"]), (r["entries"], r["per_step"]), xytext=place,
                          textcoords="offset points", ha="center", fontsize=6)  # fmt: skip
    ends = [entries[0], entries[-1]]
    last = max(r["per_step"] for r in cells if r["entries"] == ends[1])
    time.plot(ends, [2 * last * n / ends[1] for n in ends], color="#999999", linewidth=1, zorder=0)
    time.set(xscale="log", yscale="log", ylabel="seconds of a step", xlabel="pixels x frames")
    memory.set(xscale="log", ylabel="memory / size of the film", xlabel="pixels x frames")
    memory.set_ylim(bottom=0)
    for ax in (time, memory):
        ax.minorticks_off()
        ax.set_xticks(entries, [f"{float(f'{n / 1e6:.2g}'):g} M" for n in entries])
    low, high = time.get_ylim()
    ticks = [factor * 10.0**k for k in range(-4, 4) for factor in (1, 3)]
    time.set_yticks([tick for tick in ticks if low <= tick <= high])
    time.yaxis.set_major_formatter("{x:g}")
    handles, labels = time.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
