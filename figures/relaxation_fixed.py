"""Every fixed omega of the grid beside what the tuners spend."""

from figures.relaxation_style import BLACK, look, name, plain_numbers
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Mean iterations of SOR per system over the whole sequence, for every fixed omega of the grid "
    "(black) and for the tuners (horizontal lines, bands of two standard errors over the trials). "
    "Whoever guesses omega must guess it within 0.05 to do better than UnimodalThompson, "
    "which knows nothing of the systems."
)
NAMES = {"low": "shifts from Beta(2, 6)", "high": "shifts from Beta(1/2, 3/2)"}
TUNERS = ("tsallis", "tsallis-bins", "thompson", "chebyshev", "young")


def draw(records):
    """Draw a panel for each distribution."""
    distributions = groups(records, "distribution")
    figure, axes = new_figure(PAGE, 3.6, columns=len(distributions))
    for ax, (distribution, part) in zip(axes.flat, distributions.items(), strict=True):
        final = max(r["step"] for r in part)
        last = {r["policy"]: r for r in part if r["step"] == final}
        fixed = sorted((r for p, r in last.items() if p.startswith("fixed-")),
                       key=lambda r: r["omega"])  # fmt: skip
        ax.plot([r["omega"] for r in fixed], [r["mean"] for r in fixed], color=BLACK, marker="o",
                label="fixed omega", zorder=3)  # fmt: skip
        for policy in TUNERS:
            mean, error = last[policy]["mean"], last[policy]["error"]
            style = look(policy, marker=None, label=name(policy))
            ax.axhline(mean, **style)
            ax.axhspan(mean - 2 * error, mean + 2 * error, color=style["color"], alpha=0.2,
                       linewidth=0)  # fmt: skip
        ax.set(yscale="log", xlabel=r"$\omega$")
        plain_numbers(ax.yaxis, (50, 100, 200, 400))
        ax.set_title(f"{NAMES[distribution]}, {final} systems")
    axes.flat[0].set_ylabel("mean iterations per system")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    figure.suptitle("A wrong fixed omega costs far more than learning it", fontsize=10)
    return figure
