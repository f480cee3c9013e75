"""Five steps of each method on easy and hard singular values."""

from figures.polar_style import NAVY, color, name
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Error of the polar factor after five steps of degree 5, in double precision. Bars: over all "
    "directions (relative Frobenius norm); diamonds: the worst direction (spectral norm). On a "
    "wide Gaussian matrix, whose singular values differ by a factor of 3, a list for the worst "
    "case wastes its steps, and Cesista's does better; a list made for what is there is exact "
    "to rounding. Where singular values are spread over three decades, worst-case lists win. "
    "linalg_ml.polar estimates the smallest singular value (one inversion) and makes the list "
    "for it."
)
ORDER = ("newton-schulz", "jordan", "you", "cesista", "published", "made-for-0.01", "estimated")
LABELS = {
    "published": "Polar Express,\npublished",
    "made-for-0.01": "same, made for\n$\\ell = 0.01$",
    "estimated": "linalg_ml.polar,\nestimates $\\ell$",
}
TITLES = {
    "gaussian": "wide Gaussian (easy)",
    "gradient": "real gradient",
    "decades": "three decades (hard)",
}


def draw(records):
    """Draw a panel for each matrix."""
    m, steps = min(r["m"] for r in records), min(r["steps"] for r in records)
    matrices = groups([r for r in records if r["m"] == m and r["steps"] == steps], "matrix")
    figure, axes = new_figure(PAGE, 3.4, columns=len(matrices))
    for ax, (matrix, rows) in zip(axes.flat, matrices.items(), strict=True):
        found = {r["method"]: r for r in rows}
        shown = [method for method in ORDER if method in found]
        for place, method in enumerate(shown):
            row, ink = found[method], _color(method)
            ax.barh(-place, row["error"], 0.6, color=ink)
            ax.plot(
                row["spectral"],
                -place,
                "D",
                color="white",
                markeredgecolor=ink,
                markersize=5,
                clip_on=False,
            )
        for x, field, title in ((1.22, "error", "▮ all"), (1.68, "spectral", "◇ worst")):
            best = min(found[method][field] for method in shown)
            ax.text(x, 0.75, title, ha="center", fontsize=7, color="#777777")
            for place, method in enumerate(shown):
                value = found[method][field]
                weight = "bold" if value == best else "normal"
                text = _number(value, value == best)
                ax.text(x, -place, text, ha="center", va="center", weight=weight, fontsize=7)
        ax.set(xlim=(0, 1.9), xticks=[0, 0.5, 1], ylim=(0.6 - len(shown), 1.1))
        ax.set_yticks([-place for place in range(len(shown))],
                      [LABELS.get(method) or name(method) for method in shown])  # fmt: skip
        ax.grid(False, axis="y")
        ax.spines["bottom"].set_bounds(0, 1)
        ax.set_title(TITLES.get(matrix, matrix))
        if ax is not axes.flat[0]:
            ax.tick_params(labelleft=False)
        ax.set_xlabel(
            "error after five steps\n"
            + rf"($\sigma_{{\min}} = {_power(rows[0]['lower'])}\,\|A\|_F$)"
        )
    figure.suptitle(
        "What a list assumes of the singular values matters more than whose list it is",
        fontsize=10,
    )
    return figure


def _number(value, bold):
    """Write a number in few letters."""
    if value > 1e-3:
        return f"{value:.3f}"
    return rf"$\mathbf{{{_power(value, digits=0)}}}$" if bold else f"${_power(value, digits=0)}$"


def _color(method):
    return {"made-for-0.01": "#56B4E9", "estimated": NAVY}.get(method) or color(method)


def _power(value, digits=1):
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
