"""Measured error against matrix products on real matrices: the median and the range."""

from statistics import median

from figures.polar_budget import budget_bars
from figures.polar_style import color, falling, look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Relative Frobenius error of the polar factor on real gradients and momenta against matrix "
    "products: median over the matrices, and the range for two methods (shaded). At the 15 "
    "products that optimizers spend, all lists leave errors of 0.1 to 0.5, for directions with "
    "small singular values are unfinished, and aiming at the smallest one (solid blue) is not "
    "worth it. From there on only polynomials that adapt go on converging."
)
FLOOR = 1e-6
BUDGET = 15
MAIN = ("newton-schulz", "optimal-5", "jordan", "you", "cesista", "published")
BANDS = ("jordan", "published")
# Name, products, error, alignment.
LABELS = {
    "newton-schulz": ("Newton–Schulz", 25.0, 0.5, "left"),
    "jordan": ("Jordan", 33.2, 0.245, "left"),
    "you": ("You", 18.4, 0.145, "left"),
    "published": ("Polar Express,\npublished list ($\\ell=10^{-3}$)", 30.5, 6e-4, "left"),
    "optimal-5": ("Polar Express,\n$\\ell=\\sigma_{\\min}$", 20.4, 2.2e-6, "right"),
}


def draw(records):
    """Draw the medians, two ranges and the names."""
    methods = groups([r for r in records if r["matrix"] != "synthetic"], "method")
    figure, ax = new_figure(PAGE, 4.1)
    for method in MAIN:
        if method not in methods:
            continue
        rows = _over_matrices(methods[method])
        xs, ys = falling(rows, "products", "median", FLOOR)
        if method in BANDS:
            shown = [r for r in rows if r["products"] <= 39]
            ax.fill_between(
                [r["products"] for r in shown],
                [max(r["least"], FLOOR) for r in shown],
                [max(r["most"], FLOOR) for r in shown],
                color=color(method), alpha=0.13, linewidth=0,
            )  # fmt: skip
        ax.plot(xs, ys, **look(method, linewidth=2.0, markersize=4), zorder=3)
    ax.axvline(BUDGET, color="#999999", linewidth=0.8, linestyle=":", zorder=0)
    ax.axvspan(2.6, 14.8, 0.02, 0.62, color="white", zorder=0.5)
    errors = {}
    for method in MAIN:
        rows = [r for r in methods.get(method, []) if r["products"] == BUDGET]
        if rows:
            errors[method] = median(r["frobenius"] for r in rows)
    labels = {"optimal-5": "Polar Express,\n$\\ell=\\sigma_{\\min}$"}
    title = f"error after {BUDGET} products"
    budget_bars(ax, errors, [0.13, 0.04, 0.17, 0.5], title, labels=labels)
    for method, (text, x, y, align) in LABELS.items():
        if method in methods and x:
            ax.text(x, y, text, color=color(method), ha=align, weight="bold")
    ax.set(yscale="log", ylim=(FLOOR, 1.5), xlim=(2.5, 39), xticks=range(3, 40, 3))
    ax.minorticks_off()
    ax.set_xlabel("matrix products spent")
    ax.set_ylabel("relative Frobenius error, measured\n(median over real matrices)")
    count = len({r["matrix"] for r in records if r["matrix"] != "synthetic"})
    ax.set_title(
        f"On {count} real gradients and momenta, adaptive polynomials keep converging", fontsize=10
    )
    return figure


def _over_matrices(rows):
    """Return the median, smallest and largest error for each number of products."""
    found = []
    for products, group in sorted(groups(rows, "products").items()):
        errors = [r["frobenius"] for r in group]
        found.append(
            {
                "products": products,
                "median": median(errors),
                "least": min(errors),
                "most": max(errors),
            }
        )
    return found
