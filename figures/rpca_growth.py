"""Time of a step, and of all steps to the objective at which FW-T stops, as frames grow."""

from figures.rpca_style import look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "A surveillance video of growing length: processor time of one step (left), and of all steps "
    "to the objective at which FW-T stops by its authors' rule (right; numbers are steps). The "
    "grey line is proportional to the number of frames. FISTA by LAPACK is left out on the right "
    "where it takes too long."
)


def draw(records):
    """Draw both times."""
    methods = groups([r for r in records if r["kind"] == "growth"], "method")
    figure, axes = new_figure(PAGE, 3.4, columns=2)
    step, total = axes[0]
    for method, chosen in methods.items():
        chosen = sorted(chosen, key=lambda r: r["frames"])
        frames = [r["frames"] for r in chosen]
        step.plot(frames, [r["per_step"] for r in chosen], **look(method))
        reached = [r for r in chosen if r["total"] is not None]
        total.plot([r["frames"] for r in reached], [r["total"] for r in reached], **look(method))
        for record in reached:
            total.annotate(
                str(record["steps"]),
                (record["frames"], record["total"]),
                textcoords="offset points",
                xytext=(0, 5),
                ha="center",
                fontsize=6,
            )
    first = min(methods["fw-t"], key=lambda r: r["frames"])
    ends = [first["frames"], frames[-1]]
    line = [0.6 * first["per_step"] * n / ends[0] for n in ends]
    step.plot(ends, line, color="#999999", linewidth=1, zorder=0)
    step.set(ylabel="seconds", title="one step")
    total.set(ylabel="seconds", title="all steps to where FW-T stops")
    for ax in (step, total):
        ax.set(xscale="log", yscale="log", xlabel="frames")
        ax.set_xticks(frames, [str(n) for n in frames])
        ax.minorticks_off()
    handles, labels = step.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    return figure
