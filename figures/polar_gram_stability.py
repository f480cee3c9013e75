"""The largest singular value step by step in the Gram form, with and without restarts."""

from figures.polar_style import BLUE, GREEN, GREY, ORANGE, WINE
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Largest singular value after each step, on matrices of 128 by 512 whose singular values go "
    "from 0.98 down to 1e-6, in emulated formats; three matrices, each polynomial at x/1.02. The "
    "computed Gram matrix has small negative eigenvalues. The polynomials multiply them, and "
    "without a restart the iterates blow up. Forming X and its Gram matrix anew in time "
    "cures Newton–Schulz; Polar Express lifts small values faster, and in bfloat16 no single "
    "restart is enough. Grey: the direct form. Crosses: values beyond the picture, or infinite."
)
PRECISIONS = ("bf16", "fp16", "fp32")
METHODS = {"newton-schulz": "Newton–Schulz", "polar-express": "Polar Express"}
LOOKS = {
    "never": ("Gram form, no restart", WINE, "o", "-"),
    "before step 2": ("restart before step 2", ORANGE, "^", "--"),
    "before step 3": ("restart before step 3", BLUE, "s", "-"),
    "before step 4": ("restart before step 4", GREEN, "D", "-."),
    "before step 6": ("restart before step 6", BLUE, "s", "-"),
    "direct": ("direct form", GREY, "", "-"),
}
CEILING = 1e6


def draw(records):
    """Draw a row of panels for each method, a panel for each precision."""
    size = min(r["m"] for r in records)
    records = [r for r in records if r["m"] == size and r["precision"] in PRECISIONS]
    methods = groups(records, "method")
    precisions = list(groups(records, "precision"))
    figure, axes = new_figure(PAGE, 4.9, rows=max(2, len(methods)), columns=len(precisions))
    for line, (method, rows) in zip(axes, methods.items(), strict=False):
        for ax, precision in zip(line, precisions, strict=True):
            chosen = [r for r in rows if r["precision"] == precision]
            _panel(ax, chosen)
            ax.set_title(f"{METHODS[method]} in {precision}")
        line[0].set_ylabel("largest singular value")
        line[-1].legend(loc="center")  # where nothing happens
    for ax in axes[-1]:
        ax.set_xlabel("step")
    figure.suptitle("In short formats the Gram form blows up unless it is restarted", fontsize=10)
    return figure


def _panel(ax, rows):
    forms = groups(rows, "form")
    for form, (label, color, marker, line) in LOOKS.items():
        for k, found in enumerate(groups(forms.get(form, []), "draw").values()):
            found = sorted(found, key=lambda r: r["step"])
            inside = [r for r in found if r["largest"] <= CEILING]
            look = {"color": color, "linestyle": line, "zorder": 3}
            if form == "direct":
                look |= {"linewidth": 3.5, "zorder": 2}
            ax.plot(
                [r["step"] for r in inside], [r["largest"] for r in inside],
                marker=marker, markersize=3.5, label=label if k == 0 else None, **look,
            )  # fmt: skip
            if len(inside) < len(found):  # up to the edge, and a cross there
                out = found[len(inside)]["step"]
                ends = [(r["step"], r["largest"]) for r in inside[-1:]] + [(out, CEILING)]
                ax.plot(*zip(*ends, strict=True), **look)
                ax.plot(out, CEILING, "X", color=color, markersize=7, clip_on=False, zorder=5)
    steps = max(r["step"] for r in rows)
    ax.set(yscale="log", ylim=(0.5, CEILING), xlim=(0.8, steps + 0.2), xticks=range(1, steps + 1))
