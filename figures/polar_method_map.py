"""Which polar method wins where: a cell for each shape and condition number, by precision."""

from figures.polar_style import BLACK, BLUE, GREEN, GREY, NAVY, ORANGE, PINK, SKY, VERMILION
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "The cheapest method whose result passed its own exact check, for each shape and condition "
    "number; singular values evenly spaced on a logarithmic scale. In double and single precision "
    "cost is CPU time of one thread, and the number in a cell the time over that of the SVD; the "
    "next two within 15 % stand below (NS: Newton–Schulz, Zolo: Zolotarev). In bfloat16, which is "
    "emulated here, cost is the work in matrix products, the number the work over that of "
    "Newton–Schulz, and only methods of products compete; converged at condition number 1e4 says "
    "there that A = U H holds, while U itself is off by a third or more. Grey: the matrix is "
    "singular to the precision, so no method claims to have converged. All matrices have the same "
    "number of entries but for the stack, which holds 32 of order 32."
)
# method: name, colour, whether white ink is read better on it
LOOKS = {
    "polar-express": ("Polar Express", BLUE, True),
    "gram": ("PE in Gram form", GREEN, True),
    "cans": ("CANS", SKY, False),
    "newton-schulz": ("Newton–Schulz", ORANGE, False),
    "qdwh": ("QDWH", PINK, False),
    "zolotarev": ("Zolotarev", NAVY, True),
    "newton": ("scaled Newton", VERMILION, True),
    "svd": ("SVD", "#F0E442", False),
}
SHORT = {"polar-express": "PE", "gram": "Gram", "cans": "CANS", "newton-schulz": "NS",
         "qdwh": "QDWH", "zolotarev": "Zolo", "newton": "Newton", "svd": "SVD"}  # fmt: skip
TITLES = {
    "fp64": "double precision\n(time over SVD)",
    "fp32": "single precision\n(time over SVD)",
    "bf16": "bfloat16, products only\n(work over Newton–Schulz)",
}
CLOSE = 1.15


def draw(records):
    """Draw a panel for each precision."""
    size = max(r["n"] for r in records)
    panels = groups([r for r in records if r["n"] == size], "precision")
    shapes = list(groups(records, "shape"))
    conditions = sorted(groups(records, "condition"))
    figure, axes = new_figure(PAGE, 4.7, columns=max(2, len(panels)))
    for ax, (precision, rows) in zip(axes[0], panels.items(), strict=False):
        cells = groups(rows, "condition", "shape")
        for y, condition in enumerate(conditions):
            for x, shape in enumerate(shapes):
                _cell(ax, x, y, cells.get((condition, shape), []))
        ax.set(xlim=(-0.5, len(shapes) - 0.5), ylim=(len(conditions) - 0.5, -0.5))
        ax.set_xticks(range(len(shapes)), [name.replace(" ", "\n") for name in shapes])
        ax.set_yticks(range(len(conditions)), [_power(c) for c in conditions])
        ax.set_title(TITLES[precision])
        ax.tick_params(length=0)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
    axes[0, 0].set_ylabel("condition number")
    winners = groups([r for r in records if r["best"]], "method")
    handles = [
        axes[0, 0].plot([], [], "s", color=color, markersize=9, label=_label(method))[0]
        for method, (_, color, _) in LOOKS.items()
        if method in winners
    ]
    handles += axes[0, 0].plot([], [], "s", color="#dddddd", markersize=9, label="none converges")
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles),
        title=f"≈  within {100 * (CLOSE - 1):.0f} % of the cheapest",
    )  # fmt: skip
    figure.suptitle(f"The cheapest method that converges (n = {size})", fontsize=10)
    return figure


def _cell(ax, x, y, rows):
    """Colour one cell, and write the winner, its cost and who comes close."""
    from matplotlib.patches import Rectangle

    best = next((r for r in rows if r["best"]), None)
    _, color, light = LOOKS[best["method"]] if best else (None, "#dddddd", False)
    ax.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, color=color, linewidth=0))
    ink = "white" if light else BLACK
    if best is None:
        ax.text(x, y, "singular" if rows else "–", ha="center", va="center", fontsize=6, color=GREY)
        return
    close = sorted(
        (r["cost"], SHORT[r["method"]])
        for r in rows
        if r["converged"] and r["cost"] is not None and r is not best
        and r["cost"] <= CLOSE * best["cost"]
    )  # fmt: skip
    lines = [
        (-0.3, SHORT[best["method"]], 7, "bold"),
        (-0.07, f"{best['cost']:.2f}", 7, "normal"),
        *((0.17 + 0.18 * k, f"≈ {name}", 5, "normal") for k, (_, name) in enumerate(close[:2])),
    ]
    for dy, text, size, weight in lines:
        ax.text(x, y + dy, text, ha="center", va="center", color=ink, fontsize=size, weight=weight)


def _label(method):
    short, name = SHORT[method], LOOKS[method][0]
    return name if short == name else f"{short}: {name}"


def _power(condition):
    return f"{condition:g}" if condition < 1000 else f"1e{len(str(int(condition))) - 1}"
