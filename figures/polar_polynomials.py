"""One panel for each polynomial: what it receives below, what it leaves at the left."""

from figures.style import PAGE, groups, new_figure

CAPTION = (
    "The first optimal odd polynomials of degree 5 for singular values in [0.03, 1]. Each is the "
    "one that stays closest to 1 on the interval [l_t, u_t] that it receives (shaded, from left "
    "to right); it leaves the interval [l_{t+1}, u_{t+1}] (shaded, from bottom to top), which the "
    "next one is made for. Dashed: the bounds. Red dot: the lower bound and what it becomes. Four "
    "times in each panel the curve touches the edge of the shaded box: the mark of optimality."
)


def draw(records):
    """Draw the polynomials side by side."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    steps = groups(records, "step")
    figure, axes = new_figure(PAGE, 2.95, columns=len(steps))
    for panel, (step, rows) in enumerate(steps.items()):
        ax, row = axes.flat[panel], rows[0]
        color = colormaps["viridis"](0.85 * panel / max(1, len(steps) - 1))
        low, high = row["lower_now"], row["upper_now"]
        bottom, top = row["lower_next"], row["upper_next"]
        ax.add_patch(
            Rectangle((low, bottom), high - low, top - bottom, color=color, alpha=0.2, lw=0)
        )
        for x in (low, high):
            ax.plot([x, x], [0, top], "--", color="black", linewidth=0.8)
        for y in (bottom, top):
            ax.plot([0, high], [y, y], "--", color="black", linewidth=0.8)
        ax.axhline(1.0, color="black", linewidth=1.2)
        xs, ys = [r["x"] for r in rows], [r["y"] for r in rows]
        ax.plot(xs, ys, color=color, linewidth=2.6, label=f"$p_{{{step}}}$")
        ax.plot(low, bottom, "o", color="red", markersize=5.5, zorder=5, clip_on=False)
        ax.set(xlim=(0, 2), ylim=(0, 2), xticks=[0, 2], yticks=[0, 2], aspect="equal")
        ax.grid(False)
        _name_bounds(ax, step, low, high, bottom, top)
        ax.set_title(f"step {step}: error {row['worst_error']:.3f}")
        ax.set_xlabel("singular value before the step", labelpad=12)
    axes.flat[0].set_ylabel("singular value after the step", labelpad=14)
    figure.suptitle("Each polynomial squeezes the interval the one before it left", fontsize=10)
    return figure


def _name_bounds(ax, step, low, high, bottom, top):
    """Write the bounds beside the axes, the closer ones further apart."""
    apart = 5 if top - bottom < 0.2 else 0
    below = {"textcoords": "offset points", "va": "top", "ha": "center"}
    beside = {"textcoords": "offset points", "va": "center", "ha": "right"}
    ax.annotate(rf"$\ell_{{{step}}}$", (low, 0), xytext=(2 if low > 0.1 else 5, -4), **below)
    ax.annotate(f"$u_{{{step}}}$", (high, 0), xytext=(0, -6), **below)
    ax.annotate(rf"$\ell_{{{step + 1}}}$", (0, bottom), xytext=(-5, -apart), **beside)
    ax.annotate(f"$u_{{{step + 1}}}$", (0, top), xytext=(-5, apart), **beside)
