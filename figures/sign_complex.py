"""A map of the right half-plane: where each iteration finds the sign."""

from figures.polar_style import BLUE, WINE
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Outcome of the iteration on a complex number of given angle to the real axis and size; all of "
    "them have the sign one. Left: eight polynomials made for real numbers in [0.01, 1] (with the "
    "cushion), then Newton–Schulz. Right: Newton–Schulz alone. Circles and crosses: values checked "
    "as claims. Real numbers, and so symmetric matrices and matrices with a real spectrum, lie "
    "beyond the left edge, where both are safe. An eigenvalue of size one that is off the real "
    "axis by half a degree already ruins the accelerated iteration."
)
TITLES = {
    "polar-express": "Polar Express, made for [0.01, 1]",
    "newton-schulz": "Newton–Schulz",
}
KINDS = "+-x"


def draw(records):
    """Draw a map for each method, with the points checked on top."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    maps = groups([r for r in records if r.get("kind") == "map"], "method")
    points = groups([r for r in records if r.get("kind") == "point"], "method")
    colors = ("#cfe4f2", "#E69F00", WINE)
    figure, axes = new_figure(PAGE, 3.4, columns=len(maps))
    for ax, (method, rows) in zip(axes.flat, maps.items(), strict=True):
        rows = sorted(rows, key=lambda r: r["angle"])
        count = len(rows[0]["outcome"])
        least = rows[0]["least_radius"]
        radii = [least ** (1 - k / (count - 1)) for k in range(count)]
        values = [[KINDS.index(r["outcome"][k]) for r in rows] for k in range(count)]
        ax.pcolormesh(
            [r["angle"] for r in rows], radii, values, cmap=ListedColormap(colors),
            vmin=-0.5, vmax=2.5, shading="nearest", rasterized=True,
        )  # fmt: skip
        for good, marker in ((True, "o"), (False, "x")):
            found = [r for r in points.get(method, []) if r["converged"] is good]
            ax.plot(
                [r["angle"] for r in found], [r["radius"] for r in found], marker,
                color="black" if good else "white", markersize=4.5, markeredgewidth=1.3,
                markerfacecolor="none", zorder=4,
            )  # fmt: skip
        ax.set(xscale="log", yscale="log", xlim=(rows[0]["angle"], 90), ylim=(least, 1.12))
        ax.set_xticks(
            [0.1, 0.3, 1, 3, 10, 30, 90], ["0.1°", "0.3°", "1°", "3°", "10°", "30°", "90°"]
        )
        ax.set_yticks([0.01, 0.03, 0.1, 0.3, 1], ["0.01", "0.03", "0.1", "0.3", "1"])
        ax.minorticks_off()
        ax.grid(False)
        ax.set_title(TITLES.get(method, method))
        ax.set_xlabel("angle of the eigenvalue to the real axis")
    axes.flat[0].set_ylabel("size of the eigenvalue")
    figure.legend(
        handles=[
            Patch(facecolor=colors[0], edgecolor=BLUE, label="converges to the sign"),
            Patch(color=colors[1], label="converges to the wrong sign"),
            Patch(color=colors[2], label="diverges"),
        ],
        loc="outside lower center",
        ncols=3,
    )
    figure.suptitle(
        "Off the real axis, acceleration fails: use Polar Express for real spectra only",
        fontsize=10,
    )
    return figure
