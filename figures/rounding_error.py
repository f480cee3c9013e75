"""Worst relative rounding error against magnitude, one line per format."""

from figures.style import groups, new_figure, series

CAPTION = (
    "Largest relative error of rounding to a shorter type, against the magnitude of the numbers. "
    "Dotted: the unit roundoff. Left of the normal range, precision is lost bit by bit; to the "
    "right, results overflow and are not shown."
)


def draw(records):
    """Draw the worst error and the unit roundoff of each format."""
    figure, axes = new_figure()
    by_format = groups(records, "format")
    styles = series(by_format)
    for name, rows in by_format.items():
        rows = sorted((r for r in rows if not r["overflow"]), key=lambda r: r["exponent"])
        axes.plot(
            [r["exponent"] for r in rows],
            [r["worst_error"] for r in rows],
            markevery=max(1, len(rows) // 12),
            **styles[name],
        )
        axes.axhline(rows[0]["unit_roundoff"], color=styles[name]["color"], linestyle=":")
    axes.set_yscale("log")
    axes.set_xlabel("magnitude $e$: numbers in $[2^e, 2^{e+1})$")
    axes.set_ylabel("largest relative error")
    axes.legend()
    return figure
