"""The example of the paper's repository: one panel for each condition number."""

from statistics import median

from figures.polar_style import look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "The convergence example of the Polar Express repository, with its matrices: order 64, "
    "singular values evenly spaced on a logarithmic scale, the largest being 1; 5 trials, median "
    "and (too narrow to see) range. Degree 5 takes 3 matrix products a step, degree 3 takes 2."
)
LABELS = {
    "newton-schulz-3": "Newton–Schulz, degree 3",
    "repository": "Polar Express, degree 5, made for the condition number",
}


def draw(records):
    """Draw medians and ranges over the trials."""
    n = min(r["n"] for r in records)
    panels = groups([r for r in records if r["n"] == n], "condition")
    figure, axes = new_figure(PAGE, 2.9, columns=len(panels))
    for ax, (condition, rows) in zip(axes.flat, panels.items(), strict=True):
        for method, found in groups(rows, "method").items():
            by_step = sorted(groups(found, "step").items())
            steps = [step for step, _ in by_step]
            errors = [[r["orthogonality"] for r in group] for _, group in by_step]
            style = look("optimal-5" if method == "repository" else method, linewidth=1.8)
            style["label"] = LABELS.get(method, method)
            ax.fill_between(
                steps, [min(e) for e in errors], [max(e) for e in errors],
                color=style["color"], alpha=0.2, linewidth=0,
            )  # fmt: skip
            ax.plot(steps, [median(e) for e in errors], **style)
        ax.set(yscale="log", ylim=(1e-15, 30), xlim=(0, 12), xticks=range(0, 13, 2))
        ax.set_title(f"condition number {condition:g}")
        ax.set_xlabel("steps")
        if ax is not axes.flat[0]:
            ax.tick_params(labelleft=False)
    axes.flat[-1].annotate(
        "the safety factor\nholds it up until\nthe last step",
        (10, 3.9e-5), (3.6, 1e-9), va="center", ha="center", fontsize=7,
        arrowprops={"arrowstyle": "->"},
    )  # fmt: skip
    axes.flat[0].set_ylabel(r"$\|X^T X - I\|_F$")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, handlelength=3)
    figure.suptitle(
        "Polar Express is done where Newton–Schulz of degree 3 has hardly begun", fontsize=10
    )
    return figure
