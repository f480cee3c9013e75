"""Cost of reaching a tolerance against the smallest singular value, fixed and planned degrees."""

from figures.polar_style import BLUE, NAVY, VERMILION
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Products to bring all singular values of [smallest, 1] within a tolerance of one, for square "
    "matrices and for matrices four times as wide as high, where the first and the last product "
    "of each step count four times. Dashed: the optimal composition of degree 5. Full: the degree "
    "of each step chosen by the planner. Double precision; the names say what is saved "
    "at the right end."
)
INKS = {1e-2: VERMILION, 1e-6: BLUE}


def draw(records):
    """Draw a panel for each shape."""
    records = [r for r in records if r["precision"] == "fp64" and r["rtol"] in INKS]
    shapes = {aspect: rows for aspect, rows in groups(records, "aspect").items() if aspect <= 4}
    figure, axes = new_figure(PAGE, 3.1, columns=max(2, len(shapes)))
    for ax, (aspect, chosen) in zip(axes[0], sorted(shapes.items()), strict=False):
        for rtol, rows in groups(chosen, "rtol").items():
            _curves(ax, rtol, groups(rows, "method"))
        ax.set_xscale("log")
        ax.invert_xaxis()
        ax.set_xlim(right=ax.get_xlim()[1] / 6)  # room for the names
        ax.set_ylim(bottom=0)
        ax.set_xlabel("smallest singular value")
        ax.set_title("square" if aspect == 1 else f"{aspect} times as wide as high")
    axes[0, 0].set_ylabel("products of the order of the short side")
    for line, text in (("--", "degree 5 throughout"), ("-", "planned degrees")):
        axes[0, 0].plot([], [], line, color=NAVY, label=text)
    axes[0, 0].legend(loc="upper left")
    return figure


def _curves(ax, rtol, methods):
    for method, line in (("degree-5", "--"), ("planned", "-")):
        rows = sorted(methods.get(method, []), key=lambda r: -r["lower"])
        ax.plot(
            [r["lower"] for r in rows],
            [r["cost"] for r in rows],
            line,
            color=INKS[rtol],
            marker="o",
            markersize=3,
        )
        if method != "planned" or not rows:
            continue
        end = rows[-1]
        text = f"to {rtol:.0e}: −{100 * end['saved']:.0f} %".replace("e-0", "e-")
        ax.text(end["lower"] * 0.85, end["cost"], text, color=INKS[rtol], va="center", fontsize=7)
