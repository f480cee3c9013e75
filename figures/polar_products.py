"""The picture to remember: error against matrix products, with the usual budget picked out."""

from figures.polar_budget import budget_bars
from figures.polar_style import color, falling, look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Largest error of the polar factor over all matrices with singular values between 0.001 and "
    "1, against the number of matrix products spent. Fixed polynomials either wait (Newton–Schulz) "
    "or get stuck (Jordan, You); polynomials made for the interval that is left do neither. Mixed "
    "degrees: the best sequence of degrees for each number of products. Inset: after the 15 "
    "products (five steps of degree 5) that optimizers usually spend."
)
MAIN = ("newton-schulz", "jordan", "deepseek-v4", "you", "published", "optimal-5", "mixed")
SIDE = ("newton-schulz-3", "cesista", "chen-chow", "optimal-3", "optimal-7")
BUDGET = 15
FLOOR = 1e-9
# Where the name of a curve stands: products, error, alignment, and the point it is for.
LABELS = {
    "newton-schulz": ("Newton–Schulz", 38.4, 1e-5, "right", None),
    "jordan": ("Jordan", 45.5, 0.42, "right", None),
    "you": ("You", 45.5, 4.4e-3, "right", None),
    "deepseek-v4": ("Jordan,\nthen refined", 28.0, 9e-3, "left", None),
    "mixed": ("mixed\ndegrees", 25.0, 4e-9, "left", (19.6, 2e-9)),
    "optimal-5": ("Polar Express,\noptimal", 25.0, 1.6e-7, "left", (19.9, 1e-7)),
    "published": ("Polar Express,\npublished list", 25.0, 2.2e-6, "left", (21.25, 4e-6)),
}


def draw(records):
    """Draw the curves, their names, and the errors at the usual budget."""
    methods = groups(records, "method")
    figure, ax = new_figure(PAGE, 4.4)
    for method in (*SIDE, *MAIN):
        rows = sorted(methods.get(method, []), key=lambda r: r["products"])
        start = {"products": 0, "error": 1.0}
        xs, ys = falling([start, *rows], "products", "error", FLOOR)
        kwargs = look(method, marker=None, linewidth=2.2, zorder=3)
        if method in SIDE:
            kwargs |= {"color": "#b5b5b5", "linewidth": 1.0, "linestyle": "-", "zorder": 1}
        ax.plot(xs, ys, **kwargs)
    ax.axvline(BUDGET, color="#999999", linewidth=0.8, linestyle=":", zorder=0)
    ax.set_yscale("log")
    ax.set(xlim=(0, 46), ylim=(FLOOR, 3))
    ax.set_xlabel("matrix products spent (square matrix)")
    ax.set_ylabel("largest error over all matrices\nwith singular values in [0.001, 1]")
    for method, (text, x, y, align, point) in LABELS.items():
        if method not in methods:
            continue
        ink = {"color": color(method), "ha": align, "weight": "bold"}
        if point is None:
            ax.text(x, y, text, va="bottom", **ink)
        else:
            arrow = {"arrowstyle": "-", "color": color(method), "linewidth": 0.7}
            ax.annotate(text, point, (x, y), va="center", arrowprops=arrow, zorder=4, **ink)
    ax.text(
        41.3, 1.5e-6, "thin grey:\nother degrees,\nChen–Chow,\nCesista", color="#8a8a8a", fontsize=7
    )
    ax.axvspan(0.1, 14.6, 0.02, 0.56, color="white", zorder=0.5)
    bars = ("newton-schulz", "jordan", "you", "published", "optimal-5", "mixed")
    errors = {
        method: r["error"]
        for method in bars
        for r in methods.get(method, [])
        if r["products"] == BUDGET
    }
    budget_bars(ax, errors, [0.125, 0.03, 0.15, 0.47], f"error after {BUDGET} products")
    ax.set_title("Made-to-measure polynomials leave fixed ones behind", fontsize=10)
    return figure
