"""Forward error, backward error and time of sketched least squares against conditioning."""

from figures.sketching_style import GREY, look
from figures.style import PAGE, groups, new_figure

CAPTION = (
    "Left: error of x against a solution refined in long double, over LAPACK's on the same "
    "problem, median of the seeds; values above 1e6 are drawn there. Right of the dashed line a "
    "relative change of one unit roundoff in A may change all digits of x. Middle: relative "
    "backward error; the line is the unit roundoff. FOSSILS stays there; the others are forward "
    "stable only, and with a large residual their backward error grows. Right: wall time over "
    "numpy.linalg.lstsq, one machine. Sketching gains time where there are many columns: at "
    "40000 x 1000 and not at 4000 x 100. Upper row: residual 1e-12 with ||x|| = 1, lower row: 1e-3."
)
ROUNDOFF = 2.0**-53


def draw(records):
    """Draw a row of panels for each size of residual."""
    by_residual = dict(sorted(groups(records, "residual").items()))
    figure, axes = new_figure(PAGE, 2.5 * len(by_residual) + 1.0, rows=len(by_residual), columns=3)
    for row, (residual, found) in zip(axes, by_residual.items(), strict=True):
        for solver, rows in groups(found, "solver").items():
            rows = sorted(rows, key=lambda r: r["condition"])
            x = [r["condition"] for r in rows]
            row[0].plot(x, [_within(r["over_lapack"], 1e-2, 1e6) for r in rows], **look(solver))
            row[1].plot(x, [r["backward_error"] for r in rows], **look(solver))
            row[2].plot(x, [r["time_over_lapack"] for r in rows], **look(solver))
        lost = [r["condition"] for r in found if r["sensitivity"] > 1]
        for axis in row:
            axis.set(xscale="log", yscale="log", xlabel="condition number")
            if lost:
                axis.axvline(min(lost) / 3, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
        row[1].axhline(ROUNDOFF, color=GREY, linewidth=0.8)
        row[0].set(ylabel=f"residual {residual:.0e}\n\nerror of x / LAPACK's", ylim=(1e-2, 3e6))
        row[1].set(ylabel="relative backward error")
        row[2].set(ylabel="time / LAPACK's")
    axes[0, 0].set_title("forward error")
    axes[0, 1].set_title("backward error")
    axes[0, 2].set_title(f"time, {records[0]['rows']} x {records[0]['columns']}")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    return figure


def _within(value, low, high):
    """Clip a value that would leave the panel."""
    return min(max(value, low), high) if value == value else value
