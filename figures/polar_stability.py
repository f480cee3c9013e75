"""The optimal quintic and the stabilised ones: the whole interval, and its upper end."""

from figures.polar_style import BLACK, BLUE, SKY, WINE
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "First polynomials of degree 5 for singular values in [0.005, 1]. The optimal one sends "
    "singular values near 0.82 down to 0.04, where rounding can turn their sign, and leaves its "
    "range at a slope of 25 above one (right). Made for a narrower interval and evaluated at "
    "x/1.01, it does neither and still lifts small singular values nearly as fast. The paper's "
    "Algorithm 1 takes the interval [0.1, 1]; its code takes [0.024, 1], the interval on which "
    "the largest value is ten times the smallest."
)
LOOKS = {
    "optimal": ("optimal", WINE, "-", 2.2),
    "algorithm": ("cushion 0.1 and safety 1.01 (Algorithm 1)", SKY, "--", 1.6),
    "code": ("cushion 0.024 and safety 1.01 (published list)", BLUE, "-", 2.2),
}


def draw(records):
    """Draw the polynomials on [0, 1.1] and magnified near one."""
    variants = groups(records, "variant")
    figure, axes = new_figure(PAGE, 3.5, columns=2)
    for ax in axes.flat:
        for variant, (label, color, line, width) in LOOKS.items():
            rows = variants.get(variant, [])
            ax.plot(
                [r["x"] for r in rows], [r["y"] for r in rows],
                color=color, linestyle=line, linewidth=width, label=label,
            )  # fmt: skip
        ax.axhline(1.0, color=BLACK, linewidth=0.8)
        ax.axvline(1.0, color="#777777", linewidth=0.8, linestyle=":")
    left, right = axes.flat
    left.set(xlim=(0, 1.1), ylim=(0, 2.6), xlabel="singular value before the first step")
    left.set_ylabel("singular value after it")
    optimal = variants["optimal"]
    dip = min((r for r in optimal if r["inside"]), key=lambda r: r["y"])
    left.annotate(f"sent to {dip['y']:.2f}", (dip["x"], dip["y"]), (0.40, 0.28),
                  color=WINE, weight="bold", arrowprops={"arrowstyle": "->",
                  "color": WINE})  # fmt: skip
    left.set_title("a cushion keeps mid-size values up")
    right.set(xlim=(0.96, 1.04), ylim=(0.4, 3.1), xlabel="singular value before the first step")
    right.axvspan(1.0, 1.01, color="#777777", alpha=0.18, linewidth=0)
    right.text(1.005, 0.44, "rounded\nabove 1", ha="center", fontsize=6.5)
    top = optimal[0]["next_upper"]
    right.plot([0.96, 1.04], [top, top], "--", color="#777777", linewidth=0.8)
    right.text(0.9605, top + 0.03, "upper bound the next step counts on", fontsize=6.5, va="bottom")
    slope = optimal[0]["slope_at_one"]
    right.annotate(f"slope {slope:.0f}", (1.017, top + 0.017 * slope), (0.9975, 2.3),
                   color=WINE, weight="bold", ha="right")  # fmt: skip
    right.set_title("a safety factor keeps values above 1 in bounds")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
