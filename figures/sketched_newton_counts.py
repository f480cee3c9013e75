"""Newton steps of the method as published, beside those of its authors' programs."""

from figures.newton_style import BLUE, GREY, VERMILION
from figures.style import PAGE, new_figure

CAPTION = (
    "Newton steps to a KKT residual of 1e-4 of the method as published with exact inner solves, "
    "and those stored beside the authors' programs, with Kaczmarz and with Gaussian vectors as "
    "the inner solver. Problems that both give up, at a Jacobian they call singular, have none."
)


def draw(records):
    """Draw one column of marks for each problem."""
    rows = sorted(
        (r for r in records if r["solver"] == "published-exact" and r["published"]),
        key=lambda r: (r["steps_to_loose"] is None, r["steps_to_loose"], r["problem"]),
    )
    figure, axis = new_figure(PAGE, 3.0)
    x = range(len(rows))
    for k, row in enumerate(rows):
        known = [row["published_kaczmarz"], row["published_gaussian"]]
        known = [steps for steps in known if steps is not None]
        if known:
            axis.plot([k, k], [min(known), max(known)], color=GREY, linewidth=5, alpha=0.4,
                      solid_capstyle="round")  # fmt: skip
        if row["steps_to_loose"] is None:
            axis.text(k, 1, "singular", rotation=90, ha="center", fontsize=6, color=GREY)
    for field, colour, marker, label in (
        ("published_kaczmarz", VERMILION, "_", "authors, Kaczmarz"),
        ("published_gaussian", VERMILION, "|", "authors, Gaussian vectors"),
        ("steps_to_loose", BLUE, "o", "here, exact inner solves"),
    ):
        y = [r[field] if r[field] is not None else float("nan") for r in rows]
        axis.plot(x, y, color=colour, marker=marker, linestyle="none", label=label,
                  markersize=4 if marker == "o" else 8)  # fmt: skip
    axis.set_xticks(list(x), [r["problem"] for r in rows], rotation=90, fontsize=6)
    axis.set(yscale="log", ylabel="Newton steps", ylim=(0.8, None), xlim=(-1, len(rows)))
    ticks = [t for t in (1, 2, 5, 10, 20, 50) if t <= 1.5 * max(r["steps"] for r in rows)]
    axis.set_yticks(ticks, [str(t) for t in ticks])
    axis.minorticks_off()
    axis.legend(loc="upper left")
    return figure
