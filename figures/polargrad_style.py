"""One look for each method in the figures about PolarGrad, and their panels."""

from figures.style import PALETTE, groups

BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, BLACK, _ = PALETTE
GREY, WINE = "#777777", "#882255"
MARKS = 8  # along each line

# method: label, colour, marker, line
_LOOKS = {
    "polargrad": ("PolarGrad", BLUE, "o", "-"),
    "polargrad-zolotarev": ("PolarGrad, Zolotarev", SKY, "s", "-"),
    "polargrad-decay": ("PolarGrad, decaying rate", BLUE, "o", "--"),
    "polargrad-exact": ("PolarGrad, exact polar factor", WINE, "X", ":"),
    "momentum-first": ("PolarGrad, momentum first", GREEN, "^", "-"),
    "polar-first": ("PolarGrad, polar first", PINK, "D", "-"),
    "polar-first-0.95": ("the same, momentum 0.95", WINE, "X", ":"),
    "momentum-first-decay": ("momentum first, decaying rate", GREEN, "^", "--"),
    "polar-first-decay": ("polar first, decaying rate", PINK, "D", "--"),
    "muon": ("Muon, Jordan's polynomial", VERMILION, "v", "-"),
    "muon-qdwh": ("Muon, QDWH", ORANGE, "P", "-"),
    "muon-zolotarev": ("Muon, Zolotarev", WINE, "P", "-."),
    "muon-decay": ("Muon, decaying rate", ORANGE, "P", "--"),
    "adam": ("Adam", GREY, "*", "-"),
    "adam-decay": ("Adam, decaying rate", GREY, "*", "--"),
    "newton": ("Newton's method", BLACK, "<", "-."),
    "alternating": ("alternating gradient descent", BLACK, "<", "-."),
}


def draw_panels(axes, records, panels):
    """Draw one field against the step in each panel, and mark where a run diverged.

    Parameters
    ----------
    axes : sequence of Axes
    records : list of dict
    panels : list of (str, str)
        Field and title of each.
    """
    from matplotlib.ticker import LogFormatter

    ends = {r["method"]: r for r in records if r["kind"] == "end"}
    for ax, (field, title) in zip(axes, panels, strict=True):
        paths = groups([r for r in records if r["kind"] == "path"], "method")
        for place, method in enumerate(m for m in _LOOKS if m in paths):
            rows = [r for r in paths[method] if r.get(field, 0) > 0]
            label, color, marker, line = _LOOKS[method]
            step = max(1, len(rows) // MARKS)
            ax.plot(
                [r["step"] for r in rows],
                [r[field] for r in rows],
                color=color,
                marker=marker,
                linestyle=line,
                label=label,
                markevery=(place * step // 8 % step, step),
                markersize=3.5,
            )
            if ends[method]["diverged"]:
                text = {"textcoords": "offset points", "xytext": (5, 0), "fontsize": 7}
                last = (rows[-1]["step"], rows[-1][field])
                ax.annotate("diverges", last, color=color, va="center", **text)
        ax.set(yscale="log", xlabel="step")
        if "condition" in field:
            ax.yaxis.set_major_formatter(LogFormatter())
            ax.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.2, 0.5)))
        ax.set_title(title)


def legend_below(figure, ax, columns=3):
    """Put one legend under all panels."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=3.2)
